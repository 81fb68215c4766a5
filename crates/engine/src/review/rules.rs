//! What the rules of ANALYSIS say while a VM is reviewed: each is asked on what it needs, read now.

use crate::backends::Chosen;
use crate::error::chain;
use crate::{Environment, memory};
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::store::Stored;
use vmwright_formats::{Environment as Versions, View as _};
use vmwright_host::{Limits, Root, Subject};
use vmwright_model::{Need, Record, Strength, Verdict};
use vmwright_review::{Rules, Says};
use vmwright_rules::{Reading, entry, ranking};

/// What tells the version of the installed QEMU.
const QEMU_VERSION: Need = Need::Command(&["qemu-system-x86_64", "--version"]);
/// What the version is quoted from that a VMM has told itself.
const VMM_VERSION: &str = "version of the VMM";

/// The rules about one VM of this host, or the host itself.
pub(super) struct Asked<'a> {
    /// None where it is the host.
    pub(super) vm: Option<&'a str>,
    pub(super) environment: &'a Environment,
    /// What runs the VM, where that is another than the installed QEMU, and its version.
    pub(super) vmm: Option<String>,
}

/// What runs a machine and says its own version: that of the installed QEMU is nothing to it.
pub(super) fn vmm(machine: &Stored) -> Option<String> {
    let (name, version) = match Chosen::of(machine).ok()? {
        Chosen::Firecracker => ("Firecracker", Firecracker::default().version(machine)),
        Chosen::CloudHypervisor => ("Cloud Hypervisor", CloudHypervisor::default().version(machine)),
        Chosen::Qemu | Chosen::Libvirt(_) => return None,
    };
    Some(format!("{name} {}\n", version.unwrap_or_default()))
}

impl Rules for Asked<'_> {
    fn says(&self, rule: &str) -> Result<Says, String> {
        let entry = entry(rule).ok_or_else(|| format!("there is no rule {rule}"))?;
        let subject = Subject { vm: self.vm.map(str::to_owned), state: self.environment.state.clone() };
        let mut needs = entry.rule.needs.to_vec();
        needs.sort_unstable();
        needs.dedup();
        if self.vmm.is_some() {
            needs.retain(|need| *need != QEMU_VERSION);
        }
        let mut snapshot = vmwright_host::collect(&Root::Live, &needs, &subject, &Limits::default())
            .map_err(|error| chain(&error))?;
        snapshot.taken = memory::now();
        let vmm = self.vmm.iter().map(|vmm| Record::new(VMM_VERSION, Versions::KIND, vmm.as_bytes()));
        snapshot.records.extend(vmm);
        snapshot.records.sort_by(|one, other| one.source.cmp(&other.source));
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
