//! `known-flaws`: whether published vulnerabilities of the VMM, of libvirt or of the kernel concern this VM, by the rules of
//! ANALYSIS: they know the versions, and by which part of a VM each is exposed.

use super::{Judged, table};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{Rules, Says, Session};
use vmwright_model::MachineSpec;

/// Rules that speak of vulnerabilities which an update or a setting mends, and the name of the check.
const RULES: [(&str, &str); 3] = [
    ("vmm/known-vulnerable-version", "versions"),
    ("mitigation/disabled-by-cmdline", "mitigations"),
    ("mitigation/smt-exposed", "threads of a core"),
];

/// What was seen.
pub(crate) struct Observed {
    pub(crate) said: Vec<Result<Says, String>>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    ask(session.scope.rules)
}

/// What the rules say now.
pub(crate) fn ask(rules: &dyn Rules) -> Observed {
    Observed { said: RULES.iter().map(|(rule, _)| rules.says(rule)).collect() }
}

pub(crate) fn judge(seen: &Observed, _spec: &MachineSpec) -> Judged {
    judge_rules(seen)
}

/// What that means.
pub(crate) fn judge_rules(seen: &Observed) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Rules", &["rule", "says"]);
    let mut evidence = Vec::new();
    for ((rule, name), said) in RULES.iter().zip(&seen.said) {
        aspects.about(*name);
        let found = match said {
            Ok(Says::Fired(title, quotes)) => {
                aspects.fail(format!("{} (`vmwright explain {rule}`)", quote::line(title)));
                evidence.extend(quotes.iter().map(|quote| quote::line(quote)));
                title.clone()
            }
            Ok(Says::Quiet) => {
                aspects.pass();
                "nothing against it".to_owned()
            }
            Ok(Says::Unknown(why)) | Err(why) => {
                aspects.unknown(format!("{rule}: {}", quote::line(why)));
                format!("cannot tell: {why}")
            }
            Ok(Says::NotApplicable(why)) => {
                aspects.none(quote::line(why));
                why.clone()
            }
        };
        table.rows.push(vec![(*rule).to_owned(), quote::line(&found)]);
    }
    Judged { tables: vec![table], evidence, ..Judged::of(aspects, "no rule has anything to ask here") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::spec;
    use vmwright_model::GateOutcome;

    #[test]
    fn what_fired_fails_and_what_cannot_tell_is_unknown() {
        let fired = Says::Fired("QEMU 8.0 is of the versions that CVE-1 names".to_owned(), vec!["version: 8.0".to_owned()]);
        let seen = Observed { said: vec![Ok(fired), Ok(Says::Quiet), Err("no access".to_owned())] };
        let judged = judge(&seen, &spec());
        assert!(matches!(&judged.outcome, GateOutcome::Fail(why) if why.contains("CVE-1")), "{:?}", judged.outcome);
        assert_eq!(judged.evidence, ["version: 8.0"]);
        let seen = Observed { said: vec![Ok(Says::Quiet), Ok(Says::Quiet), Ok(Says::Unknown("no version".to_owned()))] };
        assert_eq!(judge(&seen, &spec()).outcome.word(), "unknown");
        let seen = Observed { said: vec![Ok(Says::Quiet), Ok(Says::Quiet), Ok(Says::NotApplicable("one thread".to_owned()))] };
        assert_eq!(judge(&seen, &spec()).outcome.word(), "pass");
    }
}
