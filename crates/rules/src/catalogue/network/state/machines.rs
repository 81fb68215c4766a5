//! Which VM has which card, in tables, notes and command lines.

use crate::prelude::*;
use vmwright_formats::qemu_args::QemuCommand;
use vmwright_formats::{DomainXml, QemuArgs};

/// Tables and notes that begin each line with a VM and name one MAC address in it.
pub(crate) fn listed(text: &Text<'_>, note: &mut impl FnMut(&str, String, Option<Evidence>)) {
    for (number, line) in text.lines_with(":").filter(|(_, line)| !line.contains("link/")) {
        let is_mac = |word: &&str| {
            word.len() == 17
                && word.split(':').count() == 6
                && word.bytes().all(|letter| letter == b':' || letter.is_ascii_hexdigit())
        };
        let mut macs = line.split([' ', ',', '\t', '\'', '"', '(', ')']).filter(is_mac);
        let vm =
            line.split_whitespace().next().filter(|vm| vm.starts_with(char::is_alphabetic) && !is_mac(vm));
        if let (Some(mac), None, Some(vm)) = (macs.next(), macs.next(), vm) {
            note(mac, vm.trim_end_matches(':').to_owned(), text.quote(number));
        }
    }
}

/// The cards of libvirt's definitions. A card of the same VM whose MAC another one has counts as another VM's.
pub(crate) fn defined(cx: &Context<'_>, note: &mut impl FnMut(&str, String, Option<Evidence>)) {
    for seen in cx.of_every_vm::<DomainXml>() {
        for domain in &seen.domains {
            let vm = domain
                .name
                .as_ref()
                .map_or_else(|| format!("{}:{}", seen.text.source, domain.line), |name| name.value.clone());
            for (at, card) in domain.devices.interfaces.iter().take(256).enumerate() {
                let Some(mac) = &card.mac else { continue };
                // Two cards of one VM with one MAC, except for a failover pair, collide as well.
                let pair = card.interface_type.as_ref().is_some_and(|kind| kind.value == "hostdev");
                let own = domain.devices.interfaces[..at].iter().any(|other| {
                    let failover = other.interface_type.as_ref().is_some_and(|kind| kind.value == "hostdev");
                    !pair && !failover && other.mac.as_ref().is_some_and(|other| other.value == mac.value)
                });
                let vm = if own { format!("{vm}, card {at}") } else { vm.clone() };
                note(&mac.value, vm, seen.quote(mac.line));
            }
        }
    }
}

/// The address that QEMU gives the first card of each VM.
const DEFAULT: &str = "52:54:00:12:34:56";

/// The cards of QEMU's command lines, but for those on networks of their own.
pub(crate) fn started(cx: &Context<'_>, note: &mut impl FnMut(&str, String, Option<Evidence>)) {
    for seen in cx.all::<QemuArgs>() {
        for command in &seen.commands {
            // With user networking each VM has a network of its own.
            let shared = command.options.iter().any(|one| {
                let value = one.value.as_deref().unwrap_or_default();
                ["netdev", "nic", "net"].contains(&one.name.as_str())
                    && (value.contains("tap") || value.contains("bridge"))
            });
            let Some(vm) = identity(command).filter(|_| shared) else { continue };
            for option in
                command.options.iter().filter(|one| ["device", "nic", "net"].contains(&one.name.as_str()))
            {
                let opts = option.opts();
                let driver = opts.get("driver").unwrap_or_default();
                let card = ["virtio-net", "e1000", "rtl8139", "vmxnet3", "igb"]
                    .iter()
                    .any(|start| driver.starts_with(start));
                let mac = opts.get("mac").or_else(|| opts.get("macaddr"));
                if let Some(mac) = mac.or(card.then_some(DEFAULT)) {
                    note(mac, vm.clone(), seen.quote(option.value_line));
                }
            }
        }
    }
}

/// What tells one VM from another: its name, or the disks that it has. The same VM may stand there twice.
fn identity(command: &QemuCommand) -> Option<String> {
    let value =
        |name: &str| command.options.iter().find(|one| one.name == name).and_then(|one| one.value.as_deref());
    if let Some(name) = value("name") {
        return Some(name.trim_start_matches("guest=").split(',').next().unwrap_or(name).to_owned());
    }
    let disks = command
        .options
        .iter()
        .filter(|one| ["hda", "drive", "blockdev", "kernel"].contains(&one.name.as_str()));
    let disks = disks
        .filter_map(|one| one.value.clone())
        .chain(command.images.iter().map(|image| image.value.clone()));
    let disks: Vec<String> = disks.collect();
    (!disks.is_empty()).then(|| disks.join(" "))
}
