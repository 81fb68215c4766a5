//! Virtual functions of a device.

use super::{Host, IntentError, plan};
use vmwright_model::{Action, Disruption, Plan};

/// The plan that gives `device` this many virtual functions.
///
/// # Errors
/// [`IntentError`]: it has none, not so many, or those that it has may be in use.
pub fn sriov(host: &Host<'_>, device: &str, vfs: u32) -> Result<Plan, IntentError> {
    let device = host.device(device)?;
    let address = device.address;
    let (now, most) = device.sriov().ok_or(IntentError::NoSriov { device: address })?.value;
    if vfs > most {
        return Err(IntentError::TooMany { device: address, most });
    }
    if vfs == now {
        return Err(IntentError::Nothing(format!("{address} has {now} virtual functions")));
    }
    let own = address.to_string();
    let given: Vec<_> = host
        .devices
        .devices
        .iter()
        .filter(|other| other.get("physfn").is_some_and(|parent| parent.value == own))
        .filter(|other| other.driver().is_some_and(|driver| driver.value == Some("vfio-pci")))
        .map(|other| other.address)
        .collect();
    if !given.is_empty() {
        let driver = "vfio-pci".to_owned();
        return Err(IntentError::InUse { device: address, driver, functions: given });
    }
    let path = format!("/sys/bus/pci/devices/{address}/sriov_numvfs");
    let set =
        |from: u32, to: u32| Action::Sysfs { path: path.clone(), from: from.to_string(), to: to.to_string() };
    // Whatever uses the functions that there are loses them.
    let loses = if now > 0 { Disruption::ServiceRestart } else { Disruption::None };
    let mut steps = Vec::new();
    if now > 0 && vfs > 0 {
        // Kernel, Documentation/PCI/pci-iov-howto.rst: from one number to another only by way of none.
        let why = format!("{address} changes its number of virtual functions by way of none");
        steps.push((set(now, 0), why, loses));
    }
    let from = if vfs > 0 { 0 } else { now };
    steps.push((set(from, vfs), format!("{address} has {vfs} virtual functions then"), loses));
    Ok(plan(host, None, format!("give {address} {vfs} virtual functions"), steps))
}
