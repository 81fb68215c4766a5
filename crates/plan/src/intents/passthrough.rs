//! A PCI device to a VM: its whole IOMMU group to vfio-pci, the VM's specification with the device in it, and where
//! asked, the same after the next boot.

use super::boot::{LOAD, MODPROBE};
use super::{Host, IntentError, plan};
use crate::canonical::sha256;
use crate::header;
use crate::target::Target;
use vmwright_formats::pci_devices::PciFacts;
use vmwright_formats::{View, machine_spec::MachineSpecView};
use vmwright_model::machine::HostDeviceKind;
use vmwright_model::plan::Binding;
use vmwright_model::{Action, Disruption, Plan, Step};

/// The driver that gives a device to a VMM.
const VFIO: &str = "vfio-pci";

/// Parameter that switches an Intel IOMMU on (kernel, Documentation/admin-guide/kernel-parameters.txt).
const INTEL_ON: &str = "intel_iommu=on";

/// PCI bridges (class 06, subclass 04): they stay with the host, and a group is viable with them.
const BRIDGE: u32 = 0x0604;

/// Storage controllers (class 01), but for NVMe (01/08), whose disks are known by name.
const STORAGE: u32 = 0x01;
const NVME: u32 = 0x0108;

/// The VM that gets the device.
#[derive(Debug, Clone, Copy)]
pub struct Guest<'g> {
    /// Its name.
    pub name: &'g str,
    /// Path of its specification.
    pub path: &'g str,
    /// The specification.
    pub text: &'g str,
}

/// The plan that gives `device` to `guest`. With `at_boot` the host keeps it for VMs after the next boot too.
///
/// # Errors
/// [`IntentError`]: there is no such device, it cannot be isolated, or the host needs it or what shares its group.
pub fn passthrough(
    host: &Host<'_>,
    guest: &Guest<'_>,
    device: &str,
    at_boot: bool,
) -> Result<Plan, IntentError> {
    let device = host.device(device)?;
    let address = device.address;
    if is_bridge(device) {
        return Err(IntentError::Bridge { device: address });
    }
    let Some(group) = device.group().and_then(|group| group.value) else {
        return if at_boot {
            iommu_on(host, guest, device)
        } else {
            Err(IntentError::NoGroup { device: address })
        };
    };
    let members: Vec<&PciFacts> = host.devices.in_group(group).filter(|member| !is_bridge(member)).collect();
    let mut steps = Vec::new();
    let mut left = Vec::new();
    if host.modules.is_some_and(|loaded| loaded.get("vfio_pci").is_none()) {
        let load = Action::ModuleLoad { module: VFIO.to_owned(), parameters: Vec::new() };
        steps.push((load, format!("{VFIO} gives devices to VMMs"), Disruption::None));
    }
    for member in &members {
        if let Some(why) = host.needs(member).or_else(|| unknown_disks(member)) {
            return Err(IntentError::Needed { device: member.address, why });
        }
        let found = binding(member);
        let wanted = Binding { driver: Some(VFIO.to_owned()), only: Some(VFIO.to_owned()) };
        if found == wanted {
            continue;
        }
        let bind = Action::DriverBind { device: member.address.to_string(), from: found, to: wanted };
        let why = match member.address == address {
            true => format!("{address} goes to {}", guest.name),
            false => {
                format!("it shares IOMMU group {group} with {address}, and a group goes to a VM as a whole")
            }
        };
        steps.push((bind, why, Disruption::None));
    }
    if at_boot {
        let mut kept = at_next_boot(host, &members)?;
        match host.boot.fallback(Some(VFIO), &kept) {
            Ok(entry) => kept.extend(entry),
            Err(why) => left.push(why),
        }
        steps.extend(kept.into_iter().map(|(action, why)| (action, why, Disruption::None)));
    }
    if let Some(edit) = edit(guest, &address.to_string())? {
        steps.push((edit, format!("{} gets {address} when it starts", guest.name), Disruption::None));
    }
    if steps.is_empty() {
        return Err(IntentError::Nothing(format!("{address} is with {VFIO}, and {} has it", guest.name)));
    }
    // As lint and people expect it: contents, then modules, then devices.
    steps.sort_by_key(|(action, ..)| crate::actions::of(action).phase());
    let mut plan = plan(host, Some(guest.name), format!("give {address} to vm {}", guest.name), steps);
    plan.left = left;
    Ok(plan)
}

/// The plan of [`passthrough`] for a domain of libvirt's, whose words as a specification are in `guest`: its host's steps,
/// and the device plugged in, at once where the domain runs.
///
/// # Errors
/// As [`passthrough`].
pub fn passthrough_to_domain(
    host: &Host<'_>,
    guest: &Guest<'_>,
    (connection, running): (&str, bool),
    device: &str,
    at_boot: bool,
) -> Result<Plan, IntentError> {
    let address = host.device(device)?.address;
    let mut plan = passthrough(host, guest, device, at_boot)?;
    let own = |action: &Action| matches!(action, Action::FileWrite { path, .. } if path == guest.path);
    let Some(at) = plan.steps.iter().position(|step| own(&step.action)) else { return Ok(plan) };
    let mut step = plan.steps.remove(at);
    step.action = Action::DeviceAttach {
        connection: connection.to_owned(),
        domain: guest.name.to_owned(),
        // Its driver is changed by the plan's own step, and changed back by that.
        device: format!(
            "<hostdev mode='subsystem' type='pci' managed='no'><source><address domain='0x{:04x}' bus='0x{:02x}' slot='0x{:02x}' function='0x{:x}'/></source></hostdev>",
            address.domain, address.bus, address.slot, address.function
        ),
        running,
    };
    step.subject = Target::of(&step.action).subject();
    if running {
        step.why = format!("{} gets {address} at once, and at each start", guest.name);
    }
    let phase = crate::actions::of(&step.action).phase();
    let behind = |other: &Step| crate::actions::of(&other.action).phase() > phase;
    let at = plan.steps.iter().position(behind).unwrap_or(plan.steps.len());
    plan.steps.insert(at, step);
    Ok(plan)
}

fn is_bridge(device: &PciFacts) -> bool {
    device.class().is_some_and(|class| class >> 8 == BRIDGE)
}

/// That nobody here can tell whose disks are on a controller.
fn unknown_disks(device: &PciFacts) -> Option<String> {
    let class = device.class()?;
    let driven = device.driver()?.value.filter(|driver| *driver != VFIO)?;
    (class >> 16 == STORAGE && class >> 8 != NVME).then(|| {
        format!("it is a disk controller driven by {driven}, and its disks may be the host's; unbind it by hand if not")
    })
}

fn binding(device: &PciFacts) -> Binding {
    Binding {
        driver: device.driver().and_then(|driver| driver.value).map(str::to_owned),
        only: device.get("driver_override").map(|only| only.value.to_owned()),
    }
}

/// The plan that switches the IOMMU on at the next boot. Groups, and with them what else would go to the VM, are known
/// only then.
fn iommu_on(host: &Host<'_>, guest: &Guest<'_>, device: &PciFacts) -> Result<Plan, IntentError> {
    let address = device.address;
    // AMD's is on wherever the firmware tells of it; there is no parameter that would help.
    if host.boot.vendor != Some("GenuineIntel") || host.boot.runs_with(INTEL_ON) {
        return Err(IntentError::NoGroup { device: address });
    }
    let mut steps = host.boot.parameter(INTEL_ON, "the kernel switches the IOMMU on")?;
    if steps.is_empty() {
        return Err(IntentError::Nothing(format!(
            "`{INTEL_ON}` is set already; restart the host, and plan again"
        )));
    }
    let entry = host.boot.fallback(Some(VFIO), &steps);
    let no_entry = entry.as_ref().err().cloned();
    steps.extend(entry.unwrap_or_default());
    steps.sort_by_key(|(action, _)| crate::actions::of(action).phase());
    let steps = steps.into_iter().map(|(action, why)| (action, why, Disruption::None)).collect();
    let title = format!("switch the IOMMU on, so that {address} can go to vm {}", guest.name);
    let mut plan = plan(host, Some(guest.name), title, steps);
    plan.left.extend(no_entry);
    plan.left.push(format!(
        "{address} goes to vm {} by another plan, after a restart of the host: its IOMMU group is known only then",
        guest.name
    ));
    Ok(plan)
}

/// What keeps the devices for VMs at boot. A rule of udev goes by address, so that a twin of the device stays with the
/// host; but a driver in the initramfs is faster than udev. Where no function outside of the group has the same ids,
/// vfio-pci takes them in the initramfs already.
fn at_next_boot(host: &Host<'_>, members: &[&PciFacts]) -> Result<Vec<(Action, String)>, IntentError> {
    let mut steps = Vec::new();
    if host.boot.runs_with(INTEL_ON) {
        steps.extend(host.boot.parameter(INTEL_ON, "the IOMMU is on after the next boot too")?);
    }
    steps.extend(host.boot.own(LOAD, format!("{VFIO}\n"), &format!("{VFIO} is loaded at boot")));
    for member in members {
        let address = member.address.to_string();
        // udev(7); the driver core binds nothing else to a device with an override.
        let text = format!(
            "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", ATTR{{driver_override}}=\"{VFIO}\"\n"
        );
        let path = format!("/etc/udev/rules.d/10-vmwright-{}.rules", address.replace([':', '.'], "-"));
        steps.extend(host.boot.own(&path, text, &format!("{address} is kept for {VFIO} at boot")));
    }
    let id = |device: &PciFacts| device.get("id").map(|id| id.value.to_owned());
    let mut ids: Vec<String> = members.iter().filter_map(|member| id(member)).collect();
    ids.sort();
    ids.dedup();
    let member = |device: &PciFacts| members.iter().any(|member| member.address == device.address);
    let twin = host
        .devices
        .devices
        .iter()
        .any(|other| !member(other) && id(other).is_some_and(|id| ids.contains(&id)));
    if !ids.is_empty() && !twin {
        let why = format!("{VFIO} takes {} before any other driver", ids.join(", "));
        let mut drivers: Vec<&str> = members
            .iter()
            .filter_map(|member| member.driver()?.value)
            .filter(|driver| *driver != VFIO)
            .collect();
        drivers.sort_unstable();
        drivers.dedup();
        let found = host.boot.texts.get(MODPROBE).copied().unwrap_or("");
        let text = taken_first(header::without(found), &ids, &drivers);
        steps.extend(host.boot.own(MODPROBE, text, &why));
        steps.extend(host.boot.initramfs(VFIO)?);
    }
    Ok(steps)
}

/// The options of vfio-pci with these ids besides those that an earlier plan wrote, and the drivers that wait for it.
fn taken_first(text: &str, ids: &[String], drivers: &[&str]) -> String {
    let head = format!("options {VFIO} ids=");
    let known = text.lines().find_map(|line| line.strip_prefix(head.as_str())).unwrap_or("");
    let mut all: Vec<&str> = known.split(',').filter(|id| !id.is_empty()).collect();
    for id in ids {
        if !all.contains(&id.as_str()) {
            all.push(id);
        }
    }
    let mut out = format!("{head}{}\n", all.join(","));
    for line in text.lines().filter(|line| !line.starts_with(head.as_str())) {
        out.push_str(line);
        out.push('\n');
    }
    for driver in drivers {
        let line = format!("softdep {driver} pre: {VFIO}\n");
        if !out.contains(&line) {
            out.push_str(&line);
        }
    }
    out
}

/// The specification with the device in it; none where it has it already.
fn edit(guest: &Guest<'_>, device: &str) -> Result<Option<Action>, IntentError> {
    let wrong = |why: String| IntentError::Spec { path: guest.path.to_owned(), why };
    let read = |text: &str| match MachineSpecView::read(text) {
        (MachineSpecView { spec: Some(spec), .. }, _) => Ok(spec),
        (_, issues) => Err(wrong(
            issues.first().map_or_else(String::new, |issue| format!("line {}: {}", issue.line, issue.what)),
        )),
    };
    let has = |spec: &vmwright_model::MachineSpec| {
        spec.host_devices.iter().any(|one| one.kind == HostDeviceKind::Pci && one.device == device)
    };
    if has(&read(guest.text)?) {
        return Ok(None);
    }
    let gap = if guest.text.is_empty() || guest.text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{}{gap}\n[[host_device]]\nkind = \"pci\"\ndevice = \"{device}\"\n", guest.text);
    // Where the devices are written another way, an array of tables cannot follow.
    match read(&text) {
        Ok(spec) if has(&spec) => {}
        Ok(_) => return Err(wrong("the device is not found in it again".to_owned())),
        Err(error) => return Err(error),
    }
    let from_sha256 = sha256(guest.text.as_bytes());
    Ok(Some(Action::FileWrite { path: guest.path.to_owned(), from_sha256, text }))
}
