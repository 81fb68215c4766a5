//! A PCI device to a VM: its whole IOMMU group to vfio-pci, the VM's specification with the device in it, and where
//! asked, the same after the next boot.

use super::{Host, IntentError, plan};
use crate::canonical::sha256;
use vmwright_formats::pci_devices::PciFacts;
use vmwright_formats::{View, machine_spec::MachineSpecView};
use vmwright_model::machine::HostDeviceKind;
use vmwright_model::plan::Binding;
use vmwright_model::{Action, Disruption, Plan};

/// The driver that gives a device to a VMM.
const VFIO: &str = "vfio-pci";

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
    let group =
        device.group().and_then(|group| group.value).ok_or(IntentError::NoGroup { device: address })?;
    let members: Vec<&PciFacts> = host.devices.in_group(group).filter(|member| !is_bridge(member)).collect();
    let mut steps = Vec::new();
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
        steps.extend(kept(&members).map(|(action, why)| (action, why, Disruption::None)));
    }
    if let Some(edit) = edit(guest, &address.to_string())? {
        steps.push((edit, format!("{} gets {address} when it starts", guest.name), Disruption::None));
    }
    if steps.is_empty() {
        return Err(IntentError::Nothing(format!("{address} is with {VFIO}, and {} has it", guest.name)));
    }
    // As lint and people expect it: contents, then modules, then devices.
    steps.sort_by_key(|(action, ..)| crate::actions::of(action).phase());
    Ok(plan(host, Some(guest.name), format!("give {address} to vm {}", guest.name), steps))
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

/// Files that keep the devices for VMs at boot: by address and not by id, so that a twin of the device stays with the
/// host.
fn kept<'m>(members: &'m [&PciFacts]) -> impl Iterator<Item = (Action, String)> + 'm {
    let load = Action::FileCreate {
        path: "/etc/modules-load.d/vmwright-vfio.conf".to_owned(),
        text: format!("{VFIO}\n"),
        mode: 0o644,
    };
    let rules = members.iter().map(|member| {
        let address = member.address.to_string();
        // udev(7); the driver core binds nothing else to a device with an override.
        let text = format!(
            "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"{address}\", ATTR{{driver_override}}=\"{VFIO}\"\n"
        );
        let path = format!("/etc/udev/rules.d/10-vmwright-{}.rules", address.replace([':', '.'], "-"));
        (Action::FileCreate { path, text, mode: 0o644 }, format!("{address} is kept for {VFIO} at boot"))
    });
    [(load, format!("{VFIO} is loaded at boot"))].into_iter().chain(rules)
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
