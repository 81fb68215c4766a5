//! Serial ports, parallel ports, consoles, channels.

use super::address;
use super::port::Port;
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Channel, ChannelTarget, Character, CharacterTarget, Endpoint};

const ENDS: &[(&str, Endpoint)] = &[
    ("pty", Endpoint::Pty),
    ("file", Endpoint::File),
    ("unix", Endpoint::Unix),
    ("tcp", Endpoint::Tcp),
    ("udp", Endpoint::Udp),
    ("dev", Endpoint::Device),
    ("pipe", Endpoint::Pipe),
    ("stdio", Endpoint::Stdio),
    ("null", Endpoint::Null),
    ("spicevmc", Endpoint::Spice),
    ("vc", Endpoint::Vc),
    // The log of a machine that libvirt runs is what it keeps of a terminal.
    ("pty", Endpoint::Log),
];

/// Name of the guest agent's channel.
const AGENT: &str = "org.qemu.guest_agent.0";

pub(super) fn characters(port: &mut Port<'_>, spec: &mut MachineSpec) {
    list(port, "serial", &mut spec.serials, false);
    list(port, "parallel", &mut spec.parallels, false);
    list(port, "console", &mut spec.consoles, !spec.serials.is_empty());
    channels(port, spec);
}

/// Where there are serial ports, libvirt shows the first of them as a console too: an echo.
fn list(port: &mut Port<'_>, name: &str, characters: &mut Vec<Character>, echoes: bool) {
    let mut number = 0_u32;
    port.list(name, characters, Character::default, |port, character| {
        let mut to = (!port.reading()).then_some(character.to);
        port.word("type", ENDS, &mut to);
        let Some(to) = to else { return false };
        character.to = to;
        let mut end =
            End { to, path: &mut character.path, host: &mut character.host, server: &mut character.server };
        if !source(port, &mut end) {
            return false;
        }
        port.child("log", |port| port.text("file", "path", &mut character.log));
        let kind = port.node().child("target").and_then(|node| node.attribute("type"));
        if port.reading() && echoes && kind.is_none_or(|kind| kind == "serial") {
            return false;
        }
        let known = |kind: &str| matches!(kind, "isa-serial" | "pci-serial" | "usb-serial" | "system-serial");
        if port.reading() && name == "serial" && kind.is_some_and(|kind| !known(kind)) {
            return false;
        }
        target(port, name, character, number);
        number += 1;
        address::of(port, &mut character.address);
        true
    });
}

fn target(port: &mut Port<'_>, name: &str, character: &mut Character, number: u32) {
    const SERIAL: &[(&str, CharacterTarget)] = &[
        ("isa-serial", CharacterTarget::Isa),
        ("pci-serial", CharacterTarget::Pci),
        ("usb-serial", CharacterTarget::Usb),
        ("system-serial", CharacterTarget::System),
    ];
    let virtio = character.target != CharacterTarget::System;
    port.child("target", |port| {
        match name {
            "serial" => {
                port.or_default(&mut character.target, |port, target| port.word("type", SERIAL, target))
            }
            "console" if !port.reading() && virtio => port.put("type", "virtio"),
            _ => {}
        }
        port.put("port", number.to_string());
    });
    if port.reading() && name == "console" {
        let kind = port.node().child("target").and_then(|node| node.attribute("type"));
        let virtio = kind == Some("virtio");
        character.target = if virtio { CharacterTarget::Usual } else { CharacterTarget::System };
    }
}

/// The other end of a character device.
struct End<'a> {
    to: Endpoint,
    path: &'a mut Option<String>,
    host: &'a mut Option<String>,
    server: &'a mut bool,
}

/// False where what is read has an end that the specification does not have.
fn source(port: &mut Port<'_>, end: &mut End<'_>) -> bool {
    let modes = &[("bind", true), ("connect", false)];
    let mut fits = true;
    match end.to {
        Endpoint::Tcp => port.child("source", |port| {
            let mut server = (!port.reading()).then_some(*end.server);
            port.word("mode", modes, &mut server);
            *end.server = server.unwrap_or(false);
            host(port, end.host);
            fits = end.host.is_some();
        }),
        Endpoint::Udp => {
            fits =
                !port.reading() || port.node().children().filter(|node| node.name == "source").count() == 1;
            port.child("source", |port| {
                port.put("mode", "connect");
                host(port, end.host);
                fits &= end.host.is_some() && port.raw("mode").as_deref() == Some("connect");
            });
        }
        Endpoint::Unix => port.child("source", |port| {
            let mut server = (!port.reading()).then_some(*end.server);
            port.word("mode", modes, &mut server);
            *end.server = server.unwrap_or(false);
            port.text("path", "socket-path", end.path);
        }),
        Endpoint::Pty | Endpoint::Log | Endpoint::File | Endpoint::Device | Endpoint::Pipe => {
            port.child("source", |port| port.text("path", "path", end.path));
        }
        _ => {}
    }
    fits
}

fn host(port: &mut Port<'_>, field: &mut Option<String>) {
    if port.reading() {
        if let (Some(host), Some(service)) = (port.raw("host"), port.raw("service")) {
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            *field = Some(format!("{host}:{service}")).filter(|text| check("host-port", text).is_ok());
        }
    } else if let Some((host, service)) = field.as_ref().and_then(|text| text.rsplit_once(':')) {
        port.put("host", host.trim_start_matches('[').trim_end_matches(']'));
        port.put("service", service);
    }
}

fn channels(port: &mut Port<'_>, spec: &mut MachineSpec) {
    let channel = || Channel {
        name: None,
        target: ChannelTarget::Virtio,
        to: Endpoint::Unix,
        path: None,
        server: false,
        address: None,
    };
    let is_agent = |channel: &Channel| channel.name.as_deref() == Some(AGENT);
    let mut all = spec.channels.clone();
    if !port.reading() && spec.agent && !all.iter().any(is_agent) {
        all.push(Channel { name: Some(AGENT.to_owned()), ..channel() });
    }
    port.list("channel", &mut all, channel, |port, channel| {
        let mut to = (!port.reading()).then_some(channel.to);
        port.word("type", ENDS, &mut to);
        let Some(to) = to else { return false };
        channel.to = to;
        let plain = to == Endpoint::Unix && channel.path.is_none() && !channel.server && !port.reading();
        if !plain {
            let mut host = None;
            let mut end = End { to, path: &mut channel.path, host: &mut host, server: &mut channel.server };
            if !source(port, &mut end) || (port.reading() && host.is_some()) {
                return false;
            }
        }
        let mut virtio = !port.reading();
        port.child("target", |port| {
            port.put("type", "virtio");
            virtio = port.raw("type").as_deref() == Some("virtio");
            port.text("name", "line", &mut channel.name);
        });
        address::of(port, &mut channel.address);
        virtio && (port.reading() || channel.target == ChannelTarget::Virtio)
    });
    if port.reading() {
        spec.agent = all.iter().any(is_agent);
        let plain = Channel { name: Some(AGENT.to_owned()), ..channel() };
        let last = all.last() == Some(&plain) && all.iter().filter(|one| is_agent(one)).count() == 1;
        if last {
            all.pop();
        }
        spec.channels = all;
    }
}
