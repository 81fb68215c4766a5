//! Memory that the host cannot read: the switches of the host for it, and a VM's specification.

use super::ground::Draft;
use super::{Guest, Host, IntentError, Wanted, plan_of};
use crate::preview::GIVEN_UP;
use std::collections::BTreeMap;
use vmwright_model::machine::Technology;
use vmwright_model::{Need, Plan};

const SEV: &str = "/sys/module/kvm_amd/parameters/sev";
const SEV_ES: &str = "/sys/module/kvm_amd/parameters/sev_es";
const SEV_SNP: &str = "/sys/module/kvm_amd/parameters/sev_snp";
const TDX: &str = "/sys/module/kvm_intel/parameters/tdx";
const HIBERNATION: &str = "/sys/power/disk";

/// What has to be read of a host besides how it boots.
pub const CONFIDENTIAL_NEEDS: &[Need] =
    &[Need::File(SEV), Need::File(SEV_ES), Need::File(SEV_SNP), Need::File(TDX), Need::File(HIBERNATION)];

/// The plan that lets the host run VMs by `technology`, and `guest` be one. `values` are those of
/// [`CONFIDENTIAL_NEEDS`] that are there, by path.
///
/// # Errors
/// [`IntentError`]: the processor or the kernel cannot, nobody knows how the host boots, or there is nothing to do.
pub fn confidential(
    host: &Host<'_>,
    values: &BTreeMap<&str, &str>,
    technology: Technology,
    guest: Option<&Guest<'_>>,
) -> Result<Plan, IntentError> {
    let (name, word, vendor, maker) = match technology {
        Technology::Sev => ("SEV", "sev", "AuthenticAMD", "AMD"),
        Technology::SevEs => ("SEV-ES", "sev-es", "AuthenticAMD", "AMD"),
        Technology::SevSnp => ("SEV-SNP", "sev-snp", "AuthenticAMD", "AMD"),
        Technology::Tdx => ("TDX", "tdx", "GenuineIntel", "Intel"),
    };
    match host.boot.vendor {
        Some(found) if found == vendor => {}
        Some(found) => {
            return Err(IntentError::Cannot(format!(
                "{name} is of processors of {maker}, and this one is {found}"
            )));
        }
        None => {
            return Err(IntentError::Cannot("it was not read of whose make this processor is".to_owned()));
        }
    }
    // Each level of SEV needs those below it (kernel, arch/x86/kvm/svm/sev.c, sev_hardware_setup()).
    let switches: &[(&str, &str)] = match technology {
        Technology::Sev => &[(SEV, "kvm_amd.sev=1")],
        Technology::SevEs => &[(SEV, "kvm_amd.sev=1"), (SEV_ES, "kvm_amd.sev_es=1")],
        Technology::SevSnp => {
            &[(SEV, "kvm_amd.sev=1"), (SEV_ES, "kvm_amd.sev_es=1"), (SEV_SNP, "kvm_amd.sev_snp=1")]
        }
        Technology::Tdx => &[(TDX, "kvm_intel.tdx=1")],
    };
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (path, parameter) in switches {
        match values.get(path).map(|value| value.trim()) {
            Some("1" | "Y" | "y") => {}
            // Asked for and yet off: the firmware or the kernel refuses it, and asking again does not help.
            Some(_) if host.boot.runs_with(parameter) => {
                return Err(IntentError::Cannot(format!(
                    "the kernel was given `{parameter}`, and {path} is off all the same: `vmwright analyze` tells why"
                )));
            }
            Some(_) => wanted.push(((*parameter).to_owned(), format!("KVM runs VMs by {name}"))),
            None => {
                return Err(IntentError::Cannot(format!(
                    "this kernel has no {path}: KVM's module is not loaded, or the kernel is too old for {name}"
                )));
            }
        }
    }
    if technology == Technology::SevSnp && host.boot.runs_with("iommu=pt") {
        // kernel, drivers/iommu/amd/init.c, iommu_snp_enable().
        wanted.push(("iommu=nopt".to_owned(), "SEV-SNP needs an IOMMU that translates".to_owned()));
    }
    if technology == Technology::Tdx
        && values.get(HIBERNATION).is_some_and(|text| !text.contains("[disabled]"))
        && !host.boot.runs_with("nohibernate")
    {
        // kernel, arch/x86/virt/vmx/tdx/tdx.c, tdx_init().
        wanted
            .push(("nohibernate".to_owned(), "TDX does not begin where the host could hibernate".to_owned()));
    }
    let mut steps: Vec<Wanted> = host.boot.parameters(&wanted)?;
    let mut left = Vec::new();
    if !wanted.is_empty() && steps.is_empty() {
        left.push("what the host needs is written for the next boot already: restart it".to_owned());
    } else if !steps.is_empty() {
        match host.boot.fallback(None, &steps) {
            Ok(entry) => steps.extend(entry),
            Err(why) => left.push(why),
        }
        left.push(format!(
            "{name} holds from the next boot of the host (`--reboot` restarts it as the last step)"
        ));
    }
    if let Some(guest) = guest {
        let mut draft = Draft::new(guest)?;
        let why = format!("{} runs by {name} from its next start", guest.name);
        draft.set("confidential.technology", &format!("\"{word}\""), &why)?;
        let edits = draft.finish()?;
        if !edits.is_empty() {
            let costs = [
                "for security: live migration, snapshots with memory, and memory that is given back",
                "for security: devices of the host, and screens that the VMM draws, see nothing of its memory",
            ];
            left.extend(costs.map(|cost| format!("{GIVEN_UP}{cost}")));
            left.push(format!(
                "its firmware has to be one for {name}, and whoever owns the guest has to check its report; its system needs drivers for it"
            ));
        }
        steps.extend(edits);
    }
    if steps.is_empty() {
        let whose = guest.map_or("the host".to_owned(), |guest| format!("the host and {}", guest.name));
        return Err(IntentError::Nothing(format!("{whose}: {name} is on")));
    }
    let title = match guest {
        Some(guest) => format!("run vm {} by {name}", guest.name),
        None => format!("let the host run VMs by {name}"),
    };
    let mut plan = plan_of(host.id, guest.map(|guest| guest.name), title, steps);
    plan.left = left;
    Ok(plan)
}
