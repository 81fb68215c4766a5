//! What a newer QEMU or libvirt would break here: of each VM what it uses that will be gone, with the edit that mends it.
//!
//! What is known of versions lies in `vmwright_formats`: machine types, CPU models, options and devices of QEMU, changes of
//! libvirt's behaviour. What those tables do not know yet is not told here.

use super::{Guest, IntentError, ground::Draft, plan_of};
use serde::{Deserialize, Serialize};
use vmwright_formats::{changes, cpu_models, machine_types};
use vmwright_model::Plan;

/// The newest QEMU that the tables of removals and CPU models speak of. Machine types go by age, without an end.
pub const KNOWN_QEMU: [u32; 2] = [10, 0];

/// The newest libvirt that the table of its changes speaks of.
pub const KNOWN_LIBVIRT: [u32; 2] = [11, 3];

/// Versions that are there and that are asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// QEMU as it is; none where it was not told.
    pub qemu: Option<[u32; 2]>,
    /// QEMU as it will be.
    pub qemu_to: Option<[u32; 2]>,
    /// libvirt as it is.
    pub libvirt: Option<[u32; 2]>,
    /// libvirt as it will be.
    pub libvirt_to: Option<[u32; 2]>,
}

/// A VM, as far as an upgrade asks. Each value comes with its place, `/m/web.toml:3`.
#[derive(Debug, Clone, Default)]
pub struct Used<'g> {
    /// Its name.
    pub name: String,
    /// Its specification, where it is a machine of vmwright's.
    pub guest: Option<Guest<'g>>,
    /// Machine type.
    pub machine: Option<(String, String)>,
    /// CPU model.
    pub cpu: Option<(String, String)>,
    /// Options of QEMU that it is given besides, with the dash: `-no-hpet`.
    pub options: Vec<(String, String)>,
    /// Devices of QEMU that it is given besides, by their model: `sga`.
    pub devices: Vec<(String, String)>,
}

/// What an upgrade does to a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Name of the VM.
    pub vm: String,
    /// Whether it will not start any more; else it will be warned of, and goes later.
    pub breaks: bool,
    /// What, one line.
    pub what: String,
    /// Where it stands.
    pub place: String,
    /// What mends it: `a step of the plan`, or what a person has to do.
    pub mend: String,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// By VM.
    pub breaks: Vec<Break>,
    /// What libvirt does otherwise then, one line each.
    pub changes: Vec<String>,
    /// What cannot be told, one line each.
    pub unknown: Vec<String>,
    /// What mends what can be mended.
    pub plan: Option<Plan>,
}

/// What the upgrade breaks.
///
/// # Errors
/// [`IntentError::Spec`]: a specification cannot be edited.
pub fn upgrade_check(host_id: &str, upgrade: &Upgrade, vms: &[Used<'_>]) -> Result<Checked, IntentError> {
    let mut checked = Checked::default();
    let mut steps = Vec::new();
    if let Some(to) = upgrade.qemu_to {
        if to > KNOWN_QEMU {
            checked.unknown.push(format!(
                "options, devices and CPU models that QEMU lost after {}: the tables end there",
                version(KNOWN_QEMU)
            ));
        }
        for vm in vms {
            steps.extend(machine_type(vm, upgrade, to, &mut checked.breaks)?);
            words(vm, to, &mut checked.breaks);
        }
    }
    if let Some(to) = upgrade.libvirt_to {
        let from = upgrade.libvirt.unwrap_or_default();
        let new =
            changes::libvirt_changes().iter().filter(|change| change.version > from && change.version <= to);
        checked.changes = new
            .map(|change| format!("libvirt {} and later {}", version(change.version), change.what))
            .collect();
        if to > KNOWN_LIBVIRT {
            checked.unknown.push(format!(
                "what libvirt does otherwise since {}: the table ends there",
                version(KNOWN_LIBVIRT)
            ));
        }
        // A libvirt asks for a QEMU that is not too old.
        let least = changes::libvirt_changes()
            .iter()
            .filter(|change| change.version <= to)
            .filter_map(changes::qemu_asked)
            .max();
        let qemu = upgrade.qemu_to.or(upgrade.qemu);
        if let (Some(least), Some(qemu)) = (least, qemu)
            && qemu < least
        {
            checked.breaks.push(Break {
                vm: "every vm".to_owned(),
                breaks: true,
                what: format!("libvirt {} needs QEMU {} or newer", version(to), version(least)),
                place: format!("QEMU {} of this host", version(qemu)),
                mend: format!("bring QEMU to {} or newer with it", version(least)),
            });
        }
    }
    if !steps.is_empty() {
        let to = upgrade.qemu_to.map(version).unwrap_or_default();
        checked.plan =
            Some(plan_of(host_id, None, format!("make this host's VMs ready for QEMU {to}"), steps));
    }
    Ok(checked)
}

/// The age of a machine type, and the edit that makes it younger.
fn machine_type(
    vm: &Used<'_>,
    upgrade: &Upgrade,
    to: [u32; 2],
    breaks: &mut Vec<Break>,
) -> Result<Vec<super::Wanted>, IntentError> {
    let Some((machine, place)) = &vm.machine else { return Ok(Vec::new()) };
    let (Some(old), Some(gone)) = (machine_types::deprecated(machine), machine_types::removed(machine))
    else {
        return Ok(Vec::new());
    };
    if to < old {
        return Ok(Vec::new());
    }
    let is_gone = to >= gone;
    let what = match is_gone {
        true => format!(
            "QEMU {} no longer has machine type {machine} (gone since {})",
            version(to),
            version(gone)
        ),
        false => format!(
            "QEMU {} warns that machine type {machine} is old; it is gone with {}",
            version(to),
            version(gone)
        ),
    };
    // One that the QEMU of now has as well as the one to come, so that the VM can be tried before.
    let newer = upgrade.qemu.and_then(|now| {
        let family = machine.rsplit_once('-')?.0;
        let newer = format!("{family}-{}", version(now.min(to)));
        let younger = machine_types::removed(&newer)? > to && newer != *machine;
        younger.then_some(newer)
    });
    let mut steps = Vec::new();
    let mend = match (&newer, &vm.guest) {
        (Some(newer), Some(guest)) => {
            let mut draft = Draft::new(guest)?;
            let why =
                format!("{} starts with QEMU {} too; the guest sees newer hardware", vm.name, version(to));
            draft.set("machine", &format!("\"{newer}\""), &why)?;
            steps = draft.finish()?;
            format!("a step of the plan: machine type {newer}, from its next start")
        }
        (Some(newer), None) => {
            format!(
                "give it machine type {newer} (virsh edit {}), and start it once before the upgrade",
                vm.name
            )
        }
        (None, _) => {
            "give it a newer machine type that the QEMU of now has too (its `-machine help`)".to_owned()
        }
    };
    breaks.push(Break { vm: vm.name.clone(), breaks: is_gone, what, place: place.clone(), mend });
    Ok(steps)
}

/// CPU models, options and devices that are gone.
fn words(vm: &Used<'_>, to: [u32; 2], breaks: &mut Vec<Break>) {
    let mut tell = |what: String, place: &str, mend: String| {
        let (vm, place) = (vm.name.clone(), place.to_owned());
        breaks.push(Break { vm, breaks: true, what, place, mend });
    };
    if let Some((model, place)) = &vm.cpu
        && let Some(gone) = cpu_models::gone(model).filter(|gone| to >= *gone)
    {
        let what = format!("QEMU {} no longer has CPU model {model}", version(gone));
        tell(
            what,
            place,
            "choose a CPU model of the same age that is still there (`vmwright explain cpu/model-unknown`)"
                .to_owned(),
        );
    }
    let options = vm.options.iter().map(|used| ("option", used));
    let devices = vm.devices.iter().map(|used| ("device", used));
    for (kind, (name, place)) in options.chain(devices) {
        if let Some(removal) = changes::removed(kind, name).filter(|removal| to >= removal.version) {
            let mend = match removal.instead {
                "" => "leave it out; there is no successor".to_owned(),
                instead => format!("write `{instead}` in its place"),
            };
            tell(format!("QEMU {} removed {kind} {name}", version(removal.version)), place, mend);
        }
    }
}

fn version([major, minor]: [u32; 2]) -> String {
    format!("{major}.{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, lint};

    const SPEC: &str = "name = \"web\"\nmachine = \"pc-q35-4.2\" # as it came\n";

    fn vms() -> Vec<Used<'static>> {
        let at = |text: &str, place: &str| (text.to_owned(), place.to_owned());
        vec![
            Used {
                name: "web".into(),
                guest: Some(Guest { name: "web", path: "/m/web.toml", text: SPEC }),
                machine: Some(at("pc-q35-4.2", "/m/web.toml:2")),
                ..Used::default()
            },
            Used {
                name: "old".into(),
                machine: Some(at("pc-i440fx-7.2", "/etc/libvirt/qemu/old.xml:9")),
                cpu: Some(at("Icelake-Client", "/etc/libvirt/qemu/old.xml:14")),
                options: vec![at("-no-hpet", "/etc/libvirt/qemu/old.xml:40")],
                devices: vec![at("sga", "/etc/libvirt/qemu/old.xml:42"), at("virtio-net-pci", "x:1")],
                ..Used::default()
            },
            Used { name: "new".into(), machine: Some(at("q35", "x:1")), ..Used::default() },
        ]
    }

    #[test]
    fn what_a_newer_qemu_lacks_is_told_and_mended() {
        let upgrade = Upgrade { qemu: Some([7, 2]), qemu_to: Some([10, 2]), ..Upgrade::default() };
        let checked = upgrade_check("h", &upgrade, &vms()).expect("it can be told");
        let told: Vec<String> = checked
            .breaks
            .iter()
            .map(|one| format!("{} {} {}: {}", one.vm, one.breaks, one.place, one.what))
            .collect();
        assert_eq!(
            told,
            [
                "web true /m/web.toml:2: QEMU 10.2 no longer has machine type pc-q35-4.2 (gone since 10.2)",
                "old false /etc/libvirt/qemu/old.xml:9: QEMU 10.2 warns that machine type pc-i440fx-7.2 is old; it is gone with 13.2",
                "old true /etc/libvirt/qemu/old.xml:14: QEMU 7.1 no longer has CPU model Icelake-Client",
                "old true /etc/libvirt/qemu/old.xml:40: QEMU 9.0 removed option -no-hpet",
                "old true /etc/libvirt/qemu/old.xml:42: QEMU 8.0 removed device sga",
            ]
        );
        assert!(checked.breaks[0].mend.contains("machine type pc-q35-7.2"), "{:?}", checked.breaks[0]);
        assert!(checked.breaks[3].mend.contains("-machine hpet=off"), "{:?}", checked.breaks[3]);
        assert_eq!(checked.unknown.len(), 1, "what the tables do not know is said");
        let plan = checked.plan.expect("one can be mended");
        assert_eq!(lint(&plan), []);
        assert_eq!(
            crate::describe::words(&plan.steps[0].action).does,
            "writes `machine = \"pc-q35-7.2\"` to /m/web.toml"
        );
        let again = upgrade_check("h", &upgrade, &vms()).expect("the same").plan.expect("the same");
        assert_eq!(canonical(&plan), canonical(&again));
    }

    #[test]
    fn what_stays_is_quiet_and_what_is_not_known_is_said() {
        let upgrade = Upgrade { qemu: Some([6, 2]), qemu_to: Some([7, 0]), ..Upgrade::default() };
        let checked = upgrade_check("h", &upgrade, &vms()).expect("it can be told");
        assert_eq!(
            checked,
            Checked { breaks: checked.breaks.clone(), plan: checked.plan.clone(), ..Checked::default() }
        );
        assert_eq!(checked.breaks.iter().filter(|one| one.breaks).count(), 0, "{:?}", checked.breaks);
        // Nobody knows the QEMU of now: no type can be chosen.
        let upgrade = Upgrade { qemu_to: Some([10, 2]), ..Upgrade::default() };
        let checked = upgrade_check("h", &upgrade, &vms()[..1]).expect("it can be told");
        assert!(checked.plan.is_none() && checked.breaks[0].mend.contains("-machine help"), "{checked:?}");
    }

    #[test]
    fn libvirt_is_told_by_what_it_does_otherwise() {
        let upgrade = Upgrade {
            qemu: Some([5, 2]),
            libvirt: Some([9, 0]),
            libvirt_to: Some([11, 2]),
            ..Upgrade::default()
        };
        let checked = upgrade_check("h", &upgrade, &[]).expect("it can be told");
        assert!(
            checked
                .changes
                .iter()
                .any(|change| change.starts_with("libvirt 10.4 and later writes the rules")),
            "{checked:?}"
        );
        assert!(!checked.changes.iter().any(|change| change.contains("passt")), "9.0 has it");
        assert_eq!(checked.breaks[0].what, "libvirt 11.2 needs QEMU 6.2 or newer");
    }
}
