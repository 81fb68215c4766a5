//! Devices that the specification has no item for, and screens.

use super::{Crossing, Element, Word, character, get, has, on_off, place, switch, take, take_child, word};
use crate::libvirt::Node;
use crate::qemu::escape;

/// True where all of it was said.
pub(super) fn cross(crossing: &mut Crossing, element: &mut Element<'_>) -> bool {
    let value = match element.node.name.as_str() {
        "serial" | "parallel" | "console" | "channel" => return port(crossing, element),
        "hub" => {
            let place = place::of(crossing, element.node);
            crossing.option("-device", format!("usb-hub{place}"));
            return true;
        }
        "redirdev" => redirected(crossing, element),
        "smartcard" => smartcard(crossing, element),
        "shmem" => shared_memory(crossing, element),
        "iommu" => iommu(crossing, element),
        "rng" => randomness(crossing, element),
        "interface" => interface(crossing, element),
        // Kept from the host's drivers, and not given to the guest.
        "hostdev" if get(element.node, "address@type").as_deref() == Some("unassigned") => return true,
        "hostdev" => host_device(crossing, element),
        "memory" => return enclave(crossing, element),
        "disk" => return super::disk::whole(crossing, element),
        // Where sound goes is said with the card.
        "redirfilter" => return true,
        _ => None,
    };
    let Some(value) = value else { return false };
    crossing.option("-device", value);
    true
}

fn id(element: &Element<'_>) -> String {
    element.item.replace('.', "-")
}

fn port(crossing: &mut Crossing, element: &mut Element<'_>) -> bool {
    let kind = get(element.node, "target@type").unwrap_or_default();
    if element.node.name == "console" && matches!(kind.as_str(), "" | "serial") {
        // The first serial port's echo.
        return true;
    }
    let id = id(element);
    let device = if element.node.name == "parallel" { "parallel" } else { "serial" };
    let place = place::of(crossing, element.node);
    let Some(chardev) = character::whole(crossing, element.node, &id, device) else { return false };
    crossing.option("-chardev", chardev);
    let number = get(element.node, "target@port").unwrap_or_default();
    let model = get(element.node, "target/model@name");
    let value = match (element.node.name.as_str(), kind.as_str()) {
        ("serial", "isa-debug") => format!("isa-debugcon,chardev={id}{place}"),
        ("serial", "" | "isa-serial") => {
            let place = place.replace(",bus=", ",_=");
            let place = if place.contains("iobase") { place } else { String::new() };
            let index = if number.is_empty() { String::new() } else { format!(",index={number}") };
            format!("isa-serial,chardev={id}{index}{place}")
        }
        ("serial", "pci-serial") => format!("pci-serial,chardev={id}{place}"),
        ("serial", "usb-serial") => format!("usb-serial,chardev={id}{place}"),
        ("serial", _) => {
            let Some(model) = model else { return false };
            format!("{},chardev={id}{place}", escape(&model))
        }
        ("parallel", _) => format!("isa-parallel,chardev={id}"),
        ("console", "virtio") => format!("virtconsole,chardev={id}{place}"),
        ("channel", "virtio") => {
            let name = get(element.node, "target@name").map(|name| format!(",name={}", escape(&name)));
            format!("virtserialport{place},chardev={id}{}", name.unwrap_or_default())
        }
        ("channel", "guestfwd") => {
            let part = |name: &str| get(element.node, &format!("target@{name}")).unwrap_or_default();
            let value =
                format!("user,id={id}-net,guestfwd=tcp:{}:{}-chardev:{id}", part("address"), part("port"));
            crossing.option("-netdev", value);
            return true;
        }
        _ => return false,
    };
    crossing.option("-device", value);
    true
}

/// Place in the boot order of a device that is no item.
fn boot(node: &Node) -> String {
    get(node, "boot@order").map(|order| format!(",bootindex={order}")).unwrap_or_default()
}

fn redirected(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let id = id(element);
    let chardev = character::whole(crossing, element.node, &id, "serial")?;
    crossing.option("-chardev", chardev);
    let place = place::of(crossing, element.node);
    let filter = crossing.redirection.as_ref().map(|filter| format!(",filter={filter}")).unwrap_or_default();
    Some(format!("usb-redir,chardev={id}{filter}{}{place}", boot(element.node)))
}

/// What a guest may redirect: QEMU's rules, `class:vendor:product:version:allow`, `-1` for any.
pub(super) fn filter(node: &Node) -> String {
    let rules = node.children().filter(|rule| rule.name == "usbdev").map(|rule| {
        let part = |name: &str| rule.attribute(name).unwrap_or("-1").to_owned();
        // A version in binary coded decimals: 1.10 is 0x0110.
        let version = match rule.attribute("version").and_then(|text| text.split_once('.')) {
            Some((major, minor)) => format!("0x{major:0>2}{minor:0>2}"),
            None => "-1".to_owned(),
        };
        let allow = u8::from(rule.attribute("allow") == Some("yes"));
        format!("{}:{}:{}:{version}:{allow}", part("class"), part("vendor"), part("product"))
    });
    rules.collect::<Vec<_>>().join("|")
}

fn smartcard(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let place = match place::of(crossing, element.node) {
        place if place.is_empty() => ",bus=ccid0.0".to_owned(),
        place => place,
    };
    match get(element.node, "@mode")?.as_str() {
        "host" => Some(format!("ccid-card-emulated,backend=nss-emulated{place}")),
        "host-certificates" => {
            let mut value = "ccid-card-emulated,backend=certificates".to_owned();
            let certificates = element.node.children().filter(|child| child.name == "certificate");
            for (number, certificate) in certificates.enumerate() {
                value.push_str(&format!(",cert{}={}", number + 1, escape(&certificate.text())));
            }
            // Where NSS keeps its certificates on every system.
            let database = get(element.node, "database").unwrap_or_else(|| "/etc/pki/nssdb".to_owned());
            Some(format!("{value},db={}{place}", escape(&database)))
        }
        "passthrough" => {
            let id = id(element);
            let chardev = character::whole(crossing, element.node, &id, "serial")?;
            crossing.option("-chardev", chardev);
            Some(format!("ccid-card-passthru,chardev={id}{place}"))
        }
        _ => None,
    }
}

fn shared_memory(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let name = get(element.node, "@name")?;
    let place = place::of(crossing, element.node);
    let model = get(element.node, "model@type").unwrap_or_else(|| "ivshmem".to_owned());
    let bytes = element.node.child("size").and_then(crate::libvirt::bytes).unwrap_or(4 << 20);
    let id = id(element);
    let mut value = model.clone();
    let server = has(element.node, "server");
    if model == "ivshmem-plain" {
        let object = format!(
            "memory-backend-file,id={id},mem-path={},size={bytes},share=on",
            escape(&format!("/dev/shm/{name}"))
        );
        crossing.option("-object", object);
        value.push_str(&format!(",memdev={id}"));
    } else if server {
        let path =
            get(element.node, "server@path").unwrap_or_else(|| format!("/var/lib/libvirt/shmem-{name}-sock"));
        crossing.option("-chardev", format!("socket,id={id},path={}", escape(&path)));
        if model == "ivshmem" {
            value.push_str(&format!(",size={}m", bytes >> 20));
        }
        value.push_str(&format!(",chardev={id}"));
        if has(element.node, "msi") {
            if let Some(vectors) = get(element.node, "msi@vectors") {
                value.push_str(&format!(",vectors={vectors}"));
            }
            if let Some(state) = get(element.node, "msi@ioeventfd") {
                value.push_str(&format!(",ioeventfd={state}"));
            }
            if model == "ivshmem" {
                let off = get(element.node, "msi@enabled").as_deref() == Some("no");
                value.push_str(if off { ",msi=off" } else { ",msi=on" });
            }
        }
    } else {
        value.push_str(&format!(",size={}m,shm={}", bytes >> 20, escape(&name)));
    }
    if let Some(role) = get(element.node, "@role") {
        value.push_str(if role == "master" { ",master=on" } else { ",master=off" });
    }
    Some(value + &place)
}

fn iommu(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let place = place::of(crossing, element.node);
    match get(element.node, "@model")?.as_str() {
        "intel" => {
            let mut value = "intel-iommu".to_owned();
            for (path, property) in [
                ("driver@intremap", "intremap"),
                ("driver@caching_mode", "caching-mode"),
                ("driver@eim", "eim"),
                ("driver@iotlb", "device-iotlb"),
            ] {
                if let Some(state) = get(element.node, path).as_deref().and_then(on_off) {
                    value.push_str(&format!(",{property}={state}"));
                }
            }
            if let Some(bits) = get(element.node, "driver@aw_bits") {
                value.push_str(&format!(",aw-bits={bits}"));
            }
            Some(value)
        }
        "virtio" => Some(format!("virtio-iommu{place}")),
        _ => None,
    }
}

fn randomness(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let id = id(element);
    let object = match get(element.node, "backend@model")?.as_str() {
        "builtin" => format!("rng-builtin,id={id}"),
        "egd" => {
            let mut backend = take_child(element.node, "backend")?;
            let chardev = character::whole(
                crossing,
                &mut backend_source(&mut backend),
                &format!("{id}-chardev"),
                "serial",
            )?;
            crossing.option("-chardev", chardev);
            format!("rng-egd,id={id},chardev={id}-chardev")
        }
        _ => return None,
    };
    crossing.option("-object", object);
    let place = place::of(crossing, element.node);
    let mut value = format!("virtio-rng-pci,rng={id}");
    if let Some(bytes) = get(element.node, "rate@bytes") {
        let period = get(element.node, "rate@period").unwrap_or_else(|| "1000".to_owned());
        value.push_str(&format!(",max-bytes={bytes},period={period}"));
    }
    Some(value + &place)
}

/// The other end of a source of randomness, as characters have theirs: its type is the backend's own.
fn backend_source(backend: &mut Node) -> Node {
    std::mem::take(backend)
}

fn interface(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let node = &mut *element.node;
    let id = element.item.replace('.', "-");
    let text = |path: &str| get(node, path).map(|text| escape(&text)).unwrap_or_default();
    let socket = format!("{}:{}", text("source@address"), text("source@port"));
    let mut backend = match get(node, "@type")?.as_str() {
        "client" => format!("socket,id={id},connect={socket}"),
        "server" => format!("socket,id={id},listen={socket}"),
        "mcast" => format!("socket,id={id},mcast={socket}"),
        "udp" => {
            let local = format!("{}:{}", text("source/local@address"), text("source/local@port"));
            format!("socket,id={id},udp={socket},localaddr={local}")
        }
        "ethernet" => {
            let name = get(node, "target@dev").unwrap_or_else(|| format!("tap-{id}"));
            format!("tap,id={id},ifname={},script=no,downscript=no", escape(&name))
        }
        "user" => format!("user,id={id}"),
        "network" | "bridge" | "direct" => {
            let name = get(node, "target@dev").unwrap_or_else(|| format!("tap-{id}"));
            format!("tap,id={id},ifname={},script=no,downscript=no", escape(&name))
        }
        _ => return None,
    };
    if let Some(bytes) = get(node, "tune/sndbuf") {
        backend.push_str(&format!(",sndbuf={bytes}"));
    }
    let model = get(node, "model@type").unwrap_or_else(|| "rtl8139".to_owned());
    let driver = match model.as_str() {
        "virtio" => "virtio-net-pci".to_owned(),
        other => other.to_owned(),
    };
    if get(node, "driver@name").as_deref() == Some("vhost")
        || (driver.starts_with("virtio") && backend.starts_with("tap"))
    {
        backend.push_str(",vhost=on");
    }
    crossing.option("-netdev", backend);
    let mac = get(node, "mac@address").map(|mac| format!(",mac={mac}")).unwrap_or_default();
    let place = place::of(crossing, node);
    Some(format!("{},netdev={id}{mac}{}{place}", escape(&driver), boot(node)))
}

fn host_device(crossing: &mut Crossing, element: &mut Element<'_>) -> Option<String> {
    let place = place::of(crossing, element.node);
    let id = id(element);
    match (get(element.node, "@type")?.as_str(), get(element.node, "source@protocol").as_deref()) {
        ("scsi_host", Some("vhost")) => {
            let wwpn = get(element.node, "source@wwpn")?;
            let kind = match get(element.node, "@model").as_deref() {
                Some("virtio-transitional") => ",disable-legacy=off,disable-modern=off",
                Some("virtio-non-transitional") => ",disable-legacy=on,disable-modern=off",
                _ => "",
            };
            Some(format!("vhost-scsi-pci,wwpn={},id={id}{kind}{place}", escape(&wwpn)))
        }
        ("scsi", Some("iscsi")) => {
            let name = get(element.node, "source@name")?;
            let (target, lun) = name.split_once('/').unwrap_or((&name, "0"));
            let host = get(element.node, "source/host@name").unwrap_or_default();
            let port = get(element.node, "source/host@port").unwrap_or_else(|| "3260".to_owned());
            let mut node = format!(
                "driver=iscsi,node-name={id},portal={host}:{port},target={},lun={lun},transport=tcp",
                escape(target)
            );
            if let Some(user) = get(element.node, "source/auth@username") {
                node.push_str(&format!(",user={},password-secret={id}-secret", escape(&user)));
                let secret = get(element.node, "source/auth/secret@usage").unwrap_or_default();
                crossing.option(
                    "-object",
                    format!("secret,id={id}-secret,file=/run/vmwright/secret-{}", escape(&secret)),
                );
            }
            if let Some(initiator) = get(element.node, "source/initiator/iqn@name") {
                node.push_str(&format!(",initiator-name={}", escape(&initiator)));
            }
            if has(element.node, "readonly") {
                node.push_str(",read-only=on");
            }
            crossing.option("-blockdev", node);
            let lsi = crossing.spec.controllers.iter().any(|one| one.model.as_deref() == Some("lsilogic"));
            let place = if lsi {
                let number = |name: &str| {
                    get(element.node, &format!("address@{name}")).unwrap_or_else(|| "0".to_owned())
                };
                format!(",bus=scsi{}.0,scsi-id={}", number("controller"), number("unit"))
            } else {
                place
            };
            Some(format!("scsi-generic,drive={id}{}{place}", boot(element.node)))
        }
        _ => None,
    }
}

fn enclave(crossing: &mut Crossing, element: &mut Element<'_>) -> bool {
    if get(element.node, "@model").as_deref() != Some("sgx-epc") {
        return false;
    }
    let bytes = |above: &str, name: &str| {
        element.node.child(above).and_then(|child| child.child(name)).and_then(crate::libvirt::bytes)
    };
    let Some(size) = bytes("target", "size") else { return false };
    let at = element.at;
    let mut object = format!("memory-backend-epc,id=epc{at},prealloc=on,size={size}");
    if let Some(nodes) = get(element.node, "source/nodemask") {
        for range in nodes.split(',') {
            object.push_str(&format!(",host-nodes={range}"));
        }
        object.push_str(",policy=bind");
    }
    crossing.option("-object", object);
    let node = get(element.node, "target/node");
    crossing.property("machine", &format!("sgx-epc.{at}.memdev"), format!("epc{at}"));
    if let Some(node) = node {
        crossing.property("machine", &format!("sgx-epc.{at}.node"), node);
    }
    true
}

/// A screen's words beyond the specification's.
pub(super) fn screen(crossing: &mut Crossing, element: &mut Element<'_>) {
    const SPICE: [Word; 8] = [
        word("image@compression", "image-compression"),
        word("jpeg@compression", "jpeg-wan-compression"),
        word("zlib@compression", "zlib-glz-wan-compression"),
        switch("playback@compression", "playback-compression"),
        word("streaming@mode", "streaming-video"),
        Word {
            path: "mouse@mode",
            property: "agent-mouse",
            spelled: |mode| Some(if mode == "server" { "off" } else { "on" }.to_owned()),
        },
        Word { path: "clipboard@copypaste", property: "disable-copy-paste", spelled: forbidden },
        Word { path: "filetransfer@enable", property: "disable-agent-file-xfer", spelled: forbidden },
    ];
    const VNC: [Word; 3] = [
        word("@websocket", "websocket"),
        word("@sharePolicy", "share"),
        switch("@powerControl", "power-control"),
    ];
    const DBUS: [Word; 2] = [word("@address", "addr"), switch("@p2p", "p2p")];
    let item = element.item.clone();
    let node = &mut *element.node;
    match get(node, "@type").as_deref() {
        Some("spice") => {
            crossing.words(node, &item, &SPICE);
            let mut channels = Vec::new();
            while let Some(channel) = take_child(node, "channel") {
                channels.push((
                    channel.attribute("name").unwrap_or_default().to_owned(),
                    channel.attribute("mode").unwrap_or_default().to_owned(),
                ));
            }
            if let Some(mode) = take(node, "@defaultMode") {
                channels.push(("default".to_owned(), mode));
            }
            for (name, mode) in channels {
                match mode.as_str() {
                    "secure" => crossing.property(&item, "tls-channel", name),
                    "insecure" => crossing.property(&item, "plaintext-channel", name),
                    _ => {}
                }
            }
            if get(node, "@tlsPort").is_some() {
                // Where libvirt keeps the certificates of its screens.
                crossing.property(&item, "x509-dir", "/etc/pki/libvirt-spice");
            }
        }
        Some("vnc") if get(node, "listen@type").as_deref() == Some("none") => {
            // Shown to nobody over a network.
            take_child(node, "listen");
            crossing.property(&item, "vnc", "none");
        }
        Some("vnc") => crossing.words(node, &item, &VNC),
        Some("dbus") => crossing.words(node, &item, &DBUS),
        Some("sdl") => crossing.words(
            node,
            &item,
            &[Word {
                path: "@fullscreen",
                property: "full-screen",
                spelled: |on| (on == "yes").then(|| "on".to_owned()),
            }],
        ),
        _ => {}
    }
}

fn forbidden(state: &str) -> Option<String> {
    (state == "no").then(|| "on".to_owned())
}
