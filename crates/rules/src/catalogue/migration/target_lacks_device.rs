//! # The target lacks a network or device that the VM uses
//!
//! ## What it is
//! The target builds the VM from the same definition before the first byte arrives: each bridge, network, Open
//! vSwitch port and host device that it names must be there under the same name.
//!
//! Known by: no such bridge, network or ISO on the other host; Cannot get interface MTU on; CD-ROM in local storage;
//! mdev or USB device absent on destination; network not found; network, bridge, VLAN, ISO, pool, USB or PCI absent on
//! the other node; move works after detaching it; resource mapping; different bridge names.
//!
//! ## Why it happens
//! Bridges were set up by hand on one host; a libvirt network was defined on the source alone; the target's card
//! sits in another slot or is another model; mediated device types differ with the driver.
//!
//! ## Confirm
//! On the target `ip -br link`, `virsh net-list --all`, `ovs-vsctl show`, `lspci -nn`; compare with the `<interface>`
//! and `<hostdev>` elements of `virsh dumpxml NAME`.
//!
//! ## Refute
//! The names are all there; then the target's start fails for another reason.
//!
//! ## Fix
//! Make the bridge or network on the target under the same name, with the same VLANs behind it; or give the move a
//! definition that names what the target has (`virsh migrate --xml FILE --persistent-xml FILE`).
//!
//! ## References
//! libvirt `docs/migration.rst`, `src/qemu/qemu_interface.c`, `src/network/bridge_driver.c`.

use super::machine_mismatch::pair::{Guest, each, listed, untold};
use crate::prelude::*;
use vmwright_formats::domain_xml::Interface;
use vmwright_formats::{Interfaces, IpAddr, Lspci};

pub const RULE: Rule = Rule {
    tags: &["migration", "network", "passthrough"],
    needs: &[
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Glob("/etc/libvirt/qemu/networks/*.xml"),
        Need::Probe(Probe::Interfaces),
    ],
    signs: &[
        Sign::strong("Cannot get interface MTU on '{name}': No such device").and(&["migrat"]),
        Sign::strong("Network not found: no network with matching name").and(&["migrat"]),
        Sign::strong("Could not open network device {name} (No such device)").and(&["migrat"]),
    ],
    words: &["migrat", "bridge", "target host", "destination", "network not found"],
    explains: &["network/bridge-missing", "ovs/bridge-or-port-missing"],
    tells: "ip -br link, virsh net-list --all and lspci -nn on the target",
    remedy: "make the network or bridge on the target under the same name, or migrate with a definition that names what it has",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::None,
    preflight: Some(preflight),
    ..Rule::NEW
};

fn preflight(cx: &Context<'_>, target: &Reading<'_>) -> Vec<Verdict> {
    let links = links(target);
    let networks = listed(target, "/etc/libvirt/qemu/networks/", ".xml");
    let (ours, theirs) = (cx.one::<Lspci>(), target.one::<Lspci>());
    each(cx, |guest, mut draft| {
        let mut untellable = None;
        for interface in &guest.domain().devices.interfaces {
            let (Some(source), Some(kind)) = (&interface.source, &interface.interface_type) else { continue };
            let (known, what, tells): (Option<bool>, _, _) = match kind.value.as_str() {
                "bridge" => (has(links.as_ref(), &source.value), "bridge", "ip -br link"),
                "direct" => (has(links.as_ref(), &source.value), "interface", "ip -br link"),
                "network" => (has(networks.as_ref(), &source.value), "network", "virsh net-list --all"),
                _ => continue,
            };
            match known {
                Some(true) => {}
                Some(false) => draft = lacking(guest, interface, what, target, draft),
                None => untellable = Some(tells),
            }
        }
        for device in &guest.domain().devices.hostdevs {
            let (Some(address), Some(ours), Some(theirs)) = (&device.address, &ours, &theirs) else {
                continue;
            };
            let ids = |host: &Seen<'_, Lspci>| host.get(address.value).map(|one| (one.vendor, one.device));
            if ids(ours).is_some() && ids(ours) != ids(theirs) {
                draft = draft
                    .because(
                        Strength::Proof,
                        guest.quote(device.line),
                        "the target has not this device there",
                    )
                    .title(format!("the target has not {}'s host device {}", guest.name(), address.value));
            }
        }
        match untellable {
            Some(tells) if !draft.any() => untold("the target's networks are not known", tells),
            _ => draft.verdict(),
        }
    })
}

fn lacking<'d>(
    guest: &Guest<'_>,
    interface: &Interface,
    what: &str,
    target: &Reading<'_>,
    draft: Draft<'d>,
) -> Draft<'d> {
    let source = interface.source.as_ref();
    let list = target.one::<Interfaces>().and_then(|list| list.quote(list.interfaces.first()?.line));
    let list = list.or_else(|| target.one::<IpAddr>().and_then(|list| list.quote(list.links.first()?.line)));
    draft
        .because(
            Strength::Proof,
            source.and_then(|one| guest.quote(one.line)),
            "the target has none of this name",
        )
        .because(Strength::Hint, list.filter(|_| what != "network"), "the target's list, which lacks it")
        .title(format!(
            "the target has no {what} {}, which {} uses",
            source.map_or("", |one| one.value.as_str()),
            guest.name()
        ))
}

fn has(names: Option<&Vec<String>>, name: &str) -> Option<bool> {
    names.map(|names| names.iter().any(|known| known == name))
}

/// The names of the target's network interfaces: a listing of them is whole.
fn links(target: &Reading<'_>) -> Option<Vec<String>> {
    let probed =
        target.one::<Interfaces>().map(|list| list.interfaces.iter().map(|one| one.name.clone()).collect());
    probed.or_else(|| {
        target.one::<IpAddr>().map(|list| list.links.iter().map(|one| one.name.clone()).collect())
    })
}
