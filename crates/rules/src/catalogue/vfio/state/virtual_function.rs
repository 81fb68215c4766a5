//! KubeVirt gives a virtual function to a VM only from vfio-pci; one with a network driver is for containers.

use crate::catalogue::vfio::device_behind_bridge::Device;
use crate::prelude::*;

/// Adds that a VM wants a virtual function, and the host's network driver has those that there are.
pub(super) fn kubevirt<'r>(cx: &Context<'r>, draft: Draft<'r>, devices: &[Device]) -> Draft<'r> {
    let free = devices.iter().any(|one| one.driver.as_ref().is_some_and(|(driver, _)| driver == "vfio-pci"));
    let function = devices.iter().find_map(|one| {
        let (driver, quote) = one.driver.as_ref()?;
        one.what.contains("Virtual Function").then_some((one.address, driver, quote))
    });
    let (Some(wanted), false, Some((address, driver, quote))) = (binding(cx), free, function) else {
        return draft;
    };
    draft
        .because(Strength::Support, Some(wanted), "the VM wants a virtual function")
        .because(Strength::Strong, quote.clone(), "the host's network driver has it")
        .about(Subject::new(SubjectKind::Pci, address.to_string()))
        .title(format!("{address} is bound to {driver} and not to vfio-pci"))
}

/// The SR-IOV binding in a VM's manifest.
fn binding(cx: &Context<'_>) -> Option<Evidence> {
    let asks = |line: &str| matches!(line.trim().trim_start_matches("- "), "sriov: {}" | "\"sriov\": {}");
    let mut lines = cx.lines_with("sriov").filter(|(_, _, line)| asks(line));
    lines.find_map(|(text, number, _)| text.quote(number))
}
