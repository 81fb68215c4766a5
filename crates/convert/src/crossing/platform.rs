//! Firmware tables, power management, what belongs to the board as a whole.

use super::{Crossing, get, on_off, take, take_child, take_if};
use crate::libvirt::{Content, Node};
use crate::qemu::escape;
use vmwright_model::machine::Backing;

pub(super) fn cross(crossing: &mut Crossing, domain: &mut Node) {
    tables(crossing, domain);
    let q35 = crossing.spec.machine == "q35" || crossing.spec.machine.starts_with("pc-q35");
    for (path, key) in
        [("pm/suspend-to-mem@enabled", "disable_s3"), ("pm/suspend-to-disk@enabled", "disable_s4")]
    {
        if let Some(state) = take_if(domain, path, |state| on_off(state).is_some()) {
            let device = if q35 { "ICH9-LPC" } else { "PIIX4_PM" };
            crossing.option("-global", format!("{device}.{key}={}", u8::from(state == "no")));
        }
    }
    if let Some(id) = take(domain, "genid") {
        crossing.option("-device", format!("vmgenid,guid={}", escape(&id)));
    }
    if let Some(smm) = domain
        .children_mut()
        .find(|child| child.name == "features")
        .and_then(|features| features.children_mut().find(|child| child.name == "smm"))
        && let Some(size) = take_child(smm, "tseg").as_ref().and_then(crate::libvirt::bytes)
    {
        crossing.option("-global", format!("mch.extended-tseg-mbytes={}", size >> 20));
    }
    // Flash that is not said to be read-only may be written.
    if get(domain, "os/loader@type").as_deref() == Some("pflash")
        && get(domain, "os/loader@readonly").as_deref() != Some("yes")
        && get(domain, "os/loader@stateless").is_none()
    {
        take(domain, "os/loader@readonly");
        crossing.properties("firmware", "read-only=off".to_owned());
    }
    variables(crossing, domain);
    threads(crossing, domain);
    nodes(crossing, domain);
    if let Some(timeout) = take(domain, "os/bios@rebootTimeout") {
        crossing.property("boot", "reboot-timeout", timeout);
    }
}

/// The firmware's variables behind a network.
fn variables(crossing: &mut Crossing, domain: &mut Node) {
    let Some(nvram) = super::enter(domain, "os/nvram") else { return };
    if get(nvram, "@type").as_deref() != Some("network") {
        return;
    }
    let Some(protocol) = super::storage::protocol(crossing, nvram, "variables") else { return };
    let login = super::storage::login(crossing, nvram, "variables").map(|text| format!(",{text}"));
    take(nvram, "@type");
    take_child(nvram, "source");
    let login = login.unwrap_or_default();
    crossing.option("-blockdev", format!("{protocol}{login},node-name=variables-file"));
    crossing.option("-blockdev", "driver=raw,node-name=variables,read-only=off,file=variables-file");
    crossing.property("machine", "pflash1", "variables");
}

/// How many threads serve requests of an I/O thread, and of QEMU's main loop.
fn threads(crossing: &mut Crossing, domain: &mut Node) {
    let sizes = |node: &mut Node| {
        let part =
            |node: &mut Node, name: &str, property: &str| Some(format!("{property}={}", take(node, name)?));
        let both = [
            part(node, "@thread_pool_min", "thread-pool-min"),
            part(node, "@thread_pool_max", "thread-pool-max"),
        ];
        both.into_iter().flatten().collect::<Vec<_>>().join(",")
    };
    if let Some(ids) = domain.children_mut().find(|child| child.name == "iothreadids") {
        for thread in ids.children_mut().filter(|child| child.name == "iothread") {
            let Some(number) = thread.attribute("id").map(ToOwned::to_owned) else { continue };
            let text = sizes(thread);
            if !text.is_empty() {
                crossing.properties(&format!("cpu.pinning.iothread.{number}"), text);
            }
        }
    }
    if let Some(main) = domain.children_mut().find(|child| child.name == "defaultiothread") {
        let text = sizes(main);
        if !text.is_empty() {
            crossing.option("-object", format!("main-loop,id=main-loop,{text}"));
        }
    }
}

/// Whether memory's content may be thrown away when the guest ends.
fn nodes(crossing: &mut Crossing, domain: &mut Node) {
    let all = domain
        .children_mut()
        .find(|child| child.name == "memoryBacking")
        .and_then(|backing| super::take_child(backing, "discard"))
        .is_some();
    let mut single = Vec::new();
    if let Some(numa) = super::enter(domain, "cpu/numa") {
        for (at, cell) in numa.children_mut().filter(|child| child.name == "cell").enumerate() {
            single.push((at, take_if(cell, "@discard", |state| on_off(state).is_some())));
        }
    }
    // Memory that is no file is gone in any case, and huge pages with the last file that is open of them.
    let memory = &crossing.spec.memory;
    let file = memory.backing == Some(Backing::File) && !memory.hugepages;
    for (at, own) in single.iter().filter(|_| file) {
        let state = own.clone().or(all.then(|| "yes".to_owned()));
        if let Some(state) = state.as_deref().and_then(on_off) {
            crossing.property(&format!("numa.{at}.memory"), "discard-data", state);
        }
    }
    if all && file {
        if single.is_empty() {
            crossing.property("memory", "discard-data", "on");
        }
        for at in 0..crossing.spec.memory.devices.len() {
            crossing.property(&format!("memory.device.{at}.memory"), "discard-data", "on");
        }
    }
}

/// What the guest finds in SMBIOS and ACPI tables and in QEMU's configuration device.
fn tables(crossing: &mut Crossing, domain: &mut Node) {
    let wanted = get(domain, "os/smbios@mode").as_deref() == Some("sysinfo");
    let mut place = 0;
    while let Some(at) = nth(domain, "sysinfo", place) {
        let Content::Element(info) = &domain.content[at] else { break };
        let options = match info.attribute("type") {
            Some("smbios") if wanted => smbios(info),
            Some("fwcfg") => configuration(info),
            _ => {
                place += 1;
                continue;
            }
        };
        domain.content.remove(at);
        for (option, value) in options {
            crossing.option(option, value);
        }
    }
    if wanted {
        take(domain, "os/smbios@mode");
    }
    if get(domain, "os/acpi/table@type").as_deref() == Some("slic")
        && let Some(path) = take(domain, "os/acpi/table")
    {
        take(domain, "os/acpi/table@type");
        crossing.option("-acpitable", format!("sig=SLIC,file={}", escape(&path)));
    }
}

fn nth(node: &Node, name: &str, number: usize) -> Option<usize> {
    let of_name = |one: &Content| matches!(one, Content::Element(child) if child.name == name);
    node.content.iter().enumerate().filter(|(_, one)| of_name(one)).map(|(at, _)| at).nth(number)
}

fn smbios(info: &Node) -> Vec<(&'static str, String)> {
    let spelled = |name: &str| if name == "SKU" { "sku".to_owned() } else { name.to_owned() };
    let mut found = Vec::new();
    for part in info.children() {
        let number = match part.name.as_str() {
            "bios" => 0,
            "system" => 1,
            "baseBoard" => 2,
            "chassis" => 3,
            "oemStrings" => 11,
            _ => continue,
        };
        let mut value = format!("type={number}");
        for entry in part.children() {
            // Strings of the maker have no names.
            let name = entry.attribute("name").map_or_else(|| "value".to_owned(), spelled);
            value.push_str(&format!(",{name}={}", escape(&entry.text())));
        }
        found.push(("-smbios", value));
    }
    found
}

fn configuration(info: &Node) -> Vec<(&'static str, String)> {
    let entries = info.children().filter(|entry| entry.name == "entry");
    entries
        .filter_map(|entry| {
            let name = escape(entry.attribute("name")?);
            let content = match entry.attribute("file") {
                Some(file) => format!("file={}", escape(file)),
                None => format!("string={}", escape(&entry.text())),
            };
            Some(("-fw_cfg", format!("name={name},{content}")))
        })
        .collect()
}
