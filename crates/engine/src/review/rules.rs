//! What the rules of ANALYSIS say while a VM is reviewed: each is asked on what it needs, read now.

use crate::error::chain;
use crate::{Environment, memory};
use vmwright_host::{Limits, Root, Subject};
use vmwright_model::{Strength, Verdict};
use vmwright_review::{Rules, Says};
use vmwright_rules::{Reading, entry, ranking};

/// The rules about one VM of this host, or the host itself.
pub(super) struct Asked<'a> {
    /// None where it is the host.
    pub(super) vm: Option<&'a str>,
    pub(super) environment: &'a Environment,
}

impl Rules for Asked<'_> {
    fn says(&self, rule: &str) -> Result<Says, String> {
        let entry = entry(rule).ok_or_else(|| format!("there is no rule {rule}"))?;
        let subject = Subject { vm: self.vm.map(str::to_owned), state: self.environment.state.clone() };
        let mut needs = entry.rule.needs.to_vec();
        needs.sort_unstable();
        needs.dedup();
        let mut snapshot = vmwright_host::collect(&Root::Live, &needs, &subject, &Limits::default())
            .map_err(|error| chain(&error))?;
        snapshot.taken = memory::now();
        let reading = Reading::new(&snapshot, "");
        let mut said = Says::Quiet;
        for verdict in ranking::judge(entry, &reading) {
            match verdict {
                // What is only compatible with it proves nothing of this VM: a version that a distribution has mended
                // under the old number, say.
                Verdict::Fired(finding)
                    if finding.support.iter().all(|one| one.strength == Strength::Hint) =>
                {
                    said = Says::Unknown(format!(
                        "{}, and nothing here decides whether that concerns it",
                        finding.title
                    ));
                }
                Verdict::Fired(finding) => {
                    let quotes = finding.support.iter().filter_map(|one| one.evidence.as_ref());
                    let quote =
                        |of: &vmwright_model::Evidence| format!("{}:{}: {}", of.source, of.line, of.quote);
                    return Ok(Says::Fired(finding.title, quotes.map(quote).collect()));
                }
                Verdict::Unknown { why, source } if said == Says::Quiet => {
                    said = Says::Unknown(format!("{why} (`{source}` would tell)"));
                }
                Verdict::NotApplicable { why } if said == Says::Quiet => said = Says::NotApplicable(why),
                _ => {}
            }
        }
        Ok(said)
    }
}
