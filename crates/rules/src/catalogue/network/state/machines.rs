//! Which VM has which card, in tables, notes and command lines.

use crate::prelude::*;
use vmwright_formats::qemu_args::QemuCommand;

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

/// What tells one VM from another: its name, or the disks that it has. The same VM may stand there twice.
pub(crate) fn identity(command: &QemuCommand) -> Option<String> {
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
