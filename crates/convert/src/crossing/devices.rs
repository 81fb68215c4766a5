//! Words of devices that are items of the specification.

use super::{Crossing, Element, VIRTIO, Word, get, has, on_off, switch, take, take_child, take_if, word};
use crate::libvirt::Node;
use crate::qemu::escape;

const INTERFACE: [Word; 20] = [
    switch("driver@ioeventfd", "ioeventfd"),
    switch("driver@event_idx", "event_idx"),
    switch("driver@rss", "rss"),
    switch("driver@rss_hash_report", "hash"),
    Word { path: "driver@txmode", property: "tx", spelled: transmission },
    switch("driver/host@csum", "csum"),
    switch("driver/host@gso", "gso"),
    switch("driver/host@tso4", "host_tso4"),
    switch("driver/host@tso6", "host_tso6"),
    switch("driver/host@ecn", "host_ecn"),
    switch("driver/host@ufo", "host_ufo"),
    switch("driver/host@mrg_rxbuf", "mrg_rxbuf"),
    switch("driver/guest@csum", "guest_csum"),
    switch("driver/guest@tso4", "guest_tso4"),
    switch("driver/guest@tso6", "guest_tso6"),
    switch("driver/guest@ecn", "guest_ecn"),
    switch("driver/guest@ufo", "guest_ufo"),
    Word { path: "teaming@type", property: "failover", spelled: persistent },
    word("rom@file", "romfile"),
    Word { path: "rom@bar", property: "rombar", spelled: bar },
];

const CONTROLLER: [Word; 5] = [
    word("driver@max_sectors", "max_sectors"),
    word("driver@cmd_per_lun", "cmd_per_lun"),
    switch("driver@ioeventfd", "ioeventfd"),
    word("@vectors", "vectors"),
    word("target@busNr", "bus_nr"),
];

const EVDEV: [Word; 3] = [
    Word {
        path: "source@grab",
        property: "grab_all",
        spelled: |grab| (grab == "all").then(|| "on".to_owned()),
    },
    switch("source@repeat", "repeat"),
    word("source@grabToggle", "grab-toggle"),
];

const HOST_DEVICE: [Word; 3] = [
    switch("@ramfb", "ramfb"),
    Word { path: "rom@enabled", property: "romfile", spelled: |on| (on == "no").then(String::new) },
    word("teaming@persistent", "failover_pair_id"),
];

fn transmission(mode: &str) -> Option<String> {
    match mode {
        "iothread" => Some("bh".to_owned()),
        "timer" => Some("timer".to_owned()),
        _ => None,
    }
}

fn persistent(kind: &str) -> Option<String> {
    (kind == "persistent").then(|| "on".to_owned())
}

fn bar(state: &str) -> Option<String> {
    on_off(state).map(|state| u8::from(state == "on").to_string())
}

/// Which resets of a USB device by the guest reach it.
fn resets(how: &str) -> Option<&'static str> {
    match how {
        "off" => Some("guest-reset=off,guest-resets-all=off"),
        "uninitialized" => Some("guest-reset=on,guest-resets-all=off"),
        "on" => Some("guest-reset=on,guest-resets-all=on"),
        _ => None,
    }
}

pub(super) fn cross(crossing: &mut Crossing, element: &mut Element<'_>) {
    let item = element.item.clone();
    crossing.words(element.node, &item, &VIRTIO);
    crossing.words(element.node, &item, &[word("acpi@index", "acpi-index")]);
    transitional(crossing, element.node, &item);
    match element.node.name.as_str() {
        "interface" => interface(crossing, element.node, &item),
        "controller" => {
            crossing.words(element.node, &item, &CONTROLLER);
            // QEMU's own name of a port.
            if let Some(model) = take_if(element.node, "model@name", |name| name == "ioh3420")
                && let Some(controller) = crossing.spec.controllers.get_mut(element.at)
            {
                controller.model = Some(model);
            }
            hole(crossing, element.node);
        }
        "input" => crossing.words(element.node, &item, &EVDEV),
        "hostdev" => {
            take_if(element.node, "teaming@type", |kind| kind == "transient");
            crossing.words(element.node, &item, &HOST_DEVICE);
            if let Some(how) = take_if(element.node, "source@guestReset", |how| resets(how).is_some())
                && let Some(text) = resets(&how)
            {
                crossing.properties(&item, text.to_owned());
            }
            if take_child(element.node, "readonly").is_some() {
                crossing.properties(&format!("{item}.file"), "read-only=on".to_owned());
            }
        }
        "filesystem" => share(crossing, element.node, &item),
        "video" => video(crossing, element.node, &item),
        "sound" => codecs(crossing, element),
        "memory" => memory(crossing, element.node, &item),
        "graphics" => super::whole::screen(crossing, element),
        "panic" => {
            if let Some(base) = take_if(element.node, "address@iobase", |_| true) {
                take_child(element.node, "address");
                crossing.property(&item, "ioport", base);
            }
        }
        _ => {}
    }
}

/// `virtio-transitional` and its opposite, as QEMU's own properties: a device of either name is one with these.
fn transitional(crossing: &mut Crossing, node: &mut Node, item: &str) {
    let spec_has = matches!(node.name.as_str(), "interface" | "controller");
    if spec_has {
        return;
    }
    let kind = |model: &str| model.ends_with("-transitional");
    if let Some(model) = take_if(node, "@model", kind) {
        let legacy = if model.ends_with("-non-transitional") { "on" } else { "off" };
        crossing.property(item, "disable-legacy", legacy);
        crossing.property(item, "disable-modern", "off");
    }
}

fn interface(crossing: &mut Crossing, node: &mut Node, item: &str) {
    crossing.words(node, item, &INTERFACE);
    crossing.words(node, item, &[word("teaming@persistent", "failover_pair_id")]);
    if take_if(node, "rom@enabled", |on| on == "no").is_some() {
        crossing.property(item, "romfile", "");
    }
    let backend = format!("{item}.backend");
    if let Some(bytes) = take(node, "tune/sndbuf") {
        crossing.property(&backend, "sndbuf", bytes);
    }
    if get(node, "@type").as_deref() == Some("user") && get(node, "backend@type").is_none() {
        while let Some(ip) = take_child(node, "ip") {
            let address = ip.attribute("address").unwrap_or_default();
            if ip.attribute("family") == Some("ipv6") {
                crossing.property(&backend, "ipv6-prefix", address);
                if let Some(prefix) = ip.attribute("prefix") {
                    crossing.property(&backend, "ipv6-prefixlen", prefix);
                }
            } else {
                let prefix = ip.attribute("prefix").map(|prefix| format!("/{prefix}")).unwrap_or_default();
                crossing.property(&backend, "net", format!("{address}{prefix}"));
            }
        }
    }
    if get(node, "source/reconnect@enabled").as_deref() == Some("yes") {
        take(node, "source/reconnect@enabled");
        if let Some(seconds) = take(node, "source/reconnect@timeout") {
            crossing.property(&format!("{item}.chardev"), "reconnect", seconds);
        }
    }
}

/// How much of the address space above 4 GiB is kept for PCI: a property of the root's device.
fn hole(crossing: &mut Crossing, node: &mut Node) {
    let root = match get(node, "@model").as_deref() {
        Some("pci-root") => "i440FX-pcihost",
        Some("pcie-root") => "q35-pcihost",
        _ => return,
    };
    if let Some(size) = take_child(node, "pcihole64").as_ref().and_then(crate::libvirt::bytes) {
        crossing.option("-global", format!("{root}.pci-hole64-size={}K", size >> 10));
    }
}

fn share(crossing: &mut Crossing, node: &mut Node, item: &str) {
    crossing.words(node, item, &[word("boot@order", "bootindex")]);
    let backend = format!("{item}.backend");
    crossing.words(
        node,
        &backend,
        &[
            Word {
                path: "@multidevs",
                property: "multidevs",
                spelled: |how| (how != "default").then(|| how.to_owned()),
            },
            word("@fmode", "fmode"),
            word("@dmode", "dmode"),
            Word {
                path: "driver@wrpolicy",
                property: "writeout",
                spelled: |how| (how == "immediate").then(|| how.to_owned()),
            },
        ],
    );
}

fn video(crossing: &mut Crossing, node: &mut Node, item: &str) {
    let qxl = get(node, "model@type").as_deref() == Some("qxl");
    let kib = |text: &str| text.parse::<u64>().ok();
    if qxl {
        if let Some(kib) = take(node, "model@ram").as_deref().and_then(kib) {
            crossing.property(item, "ram_size", (kib << 10).to_string());
        }
        if let Some(kib) = take(node, "model@vram64").as_deref().and_then(kib) {
            crossing.property(item, "vram64_size_mb", (kib >> 10).to_string());
        }
        if let Some(kib) = take(node, "model@vgamem").as_deref().and_then(kib) {
            crossing.property(item, "vgamem_mb", (kib >> 10).to_string());
        }
    }
    crossing.words(node, item, &[switch("model@blob", "blob")]);
}

/// Codecs on an HDA bus beyond the one that every card gets.
fn codecs(crossing: &mut Crossing, element: &mut Element<'_>) {
    let mut number = 0;
    while let Some(codec) = take_child(element.node, "codec") {
        let kind = match codec.attribute("type") {
            Some("micro") => "hda-micro",
            Some("output") => "hda-output",
            _ => "hda-duplex",
        };
        crossing.option("-device", format!("{kind},bus=card{}.0,cad={number},audiodev=audio1", element.at));
        number += 1;
    }
    // Named as QEMU names it, a card comes without a codec of its own.
    if number > 0
        && let Some(card) = crossing.spec.sounds.get_mut(element.at)
    {
        let model = if card.model == "ich9" { "ich9-intel-hda" } else { "intel-hda" };
        model.clone_into(&mut card.model);
    }
}

fn memory(crossing: &mut Crossing, node: &mut Node, item: &str) {
    let backend = format!("{item}.memory");
    if has(node, "source/pmem")
        && let Some(source) = node.children_mut().find(|child| child.name == "source")
        && take_child(source, "pmem").is_some()
    {
        crossing.property(&backend, "pmem", "on");
    }
    let inside = |node: &mut Node, above: &str, name: &str| {
        let above = node.children_mut().find(|child| child.name == above)?;
        take_child(above, name)
    };
    if let Some(size) = inside(node, "source", "alignsize").as_ref().and_then(crate::libvirt::bytes) {
        crossing.property(&backend, "align", size.to_string());
    }
    if let Some(label) = inside(node, "target", "label")
        && let Some(size) = label.child("size").and_then(crate::libvirt::bytes)
    {
        crossing.property(item, "label-size", size.to_string());
    }
    if inside(node, "target", "readonly").is_some() {
        crossing.property(item, "unarmed", "on");
    }
    // What a guest writes to a file that nobody said is shared stays its own.
    let file = has(node, "source/path") && get(node, "@access").is_none();
    if file && !crossing.spec.memory.shared && get(node, "@model").as_deref() == Some("nvdimm") {
        crossing.property(&backend, "share", "off");
    }
    if let Some(access) = take_if(node, "@access", |access| ["shared", "private"].contains(&access)) {
        crossing.property(&backend, "share", if access == "shared" { "on" } else { "off" });
    }
    if let Some(nodes) = take(node, "source/nodemask") {
        for range in nodes.split(',') {
            crossing.properties(&backend, format!("host-nodes={}", escape(range)));
        }
        crossing.property(&backend, "policy", "bind");
    }
    if let Some(page) = inside(node, "source", "pagesize").as_ref().and_then(crate::libvirt::bytes) {
        // QEMU's ordinary pages need no word.
        if page > 4096 {
            crossing.property(&backend, "hugetlb", "on");
            crossing.property(&backend, "hugetlbsize", page.to_string());
        }
    }
    if get(node, "address@type").as_deref() == Some("dimm")
        && let Some(address) = take_child(node, "address")
    {
        if let Some(slot) = address.attribute("slot") {
            crossing.property(item, "slot", slot);
        }
        if let Some(base) = address.attribute("base") {
            crossing.property(item, "addr", base);
        }
    } else if get(node, "address@type").as_deref() == Some("pci") {
        let place = super::place::of(crossing, node);
        take_child(node, "address");
        crossing.properties(item, place.trim_start_matches(',').to_owned());
    }
    if let Some(uuid) = take(node, "uuid") {
        crossing.property(item, "uuid", uuid);
    }
}
