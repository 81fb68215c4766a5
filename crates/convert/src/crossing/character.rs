//! The other ends of ports and channels.

use super::{Crossing, Element, Word, get, has, switch, take, take_child, take_if};
use crate::libvirt::Node;
use crate::qemu::escape;

/// What a chardev may say beyond the specification's words.
const WORDS: [Word; 2] = [switch("source@append", "append"), switch("log@append", "logappend")];

/// A port or channel that is an item.
pub(super) fn cross(crossing: &mut Crossing, element: &mut Element<'_>) {
    let chardev = format!("{}.chardev", element.item);
    crossing.words(element.node, &chardev, &WORDS);
    // Its number among the serial ports, those included that the specification does not have.
    if element.node.name == "serial"
        && let Some(number) = get(element.node, "target@port")
        && number != element.at.to_string()
        && matches!(get(element.node, "target@type").as_deref(), None | Some("isa-serial"))
    {
        crossing.property(&element.item, "index", number);
    }
    if take_if(element.node, "protocol@type", |kind| kind == "telnet").is_some() {
        crossing.property(&chardev, "telnet", "on");
    }
    if let Some(seconds) = reconnect(element.node) {
        crossing.property(&chardev, "reconnect", seconds);
    }
    if let Some(id) = credentials(crossing, element.node, &element.item) {
        crossing.property(&chardev, "tls-creds", id);
    }
    if let Some(base) = get(element.node, "address@iobase")
        && get(element.node, "address@type").as_deref() == Some("isa")
    {
        let irq = get(element.node, "address@irq");
        take_child(element.node, "address");
        crossing.property(&element.item, "iobase", base);
        if let Some(irq) = irq {
            crossing.property(&element.item, "irq", irq);
        }
    }
}

fn reconnect(node: &mut Node) -> Option<String> {
    if get(node, "source/reconnect@enabled").as_deref() != Some("yes") {
        return None;
    }
    take(node, "source/reconnect@enabled");
    take(node, "source/reconnect@timeout")
}

/// Credentials of an encrypted connection, and the id of the object that holds them.
fn credentials(crossing: &mut Crossing, node: &mut Node, item: &str) -> Option<String> {
    take_if(node, "source@tls", |tls| tls == "yes")?;
    let id = format!("{}-tls", item.replace('.', ""));
    let end = if get(node, "source@mode").as_deref() == Some("bind") { "server" } else { "client" };
    // libvirt's own place for the certificates of such connections.
    crossing.option(
        "-object",
        format!("tls-creds-x509,id={id},dir=/etc/pki/libvirt-chardev,endpoint={end},verify-peer=on"),
    );
    Some(id)
}

/// The whole chardev of a device that is no item; none where QEMU has none like it.
pub(super) fn whole(crossing: &mut Crossing, node: &mut Node, id: &str, device: &str) -> Option<String> {
    let text = |path: &str| get(node, path).map(|text| escape(&text));
    let path = || text("source@path").map(|path| format!(",path={path}")).unwrap_or_default();
    let kind = get(node, "@type")?;
    let mut value = match kind.as_str() {
        "pty" => format!("pty,id={id}"),
        "stdio" => format!("stdio,id={id}"),
        "null" => format!("null,id={id}"),
        "vc" => format!("vc,id={id}"),
        "file" => format!("file,id={id}{}", path()),
        "pipe" => format!("pipe,id={id}{}", path()),
        "dev" => format!("{device},id={id}{}", path()),
        "unix" => {
            let server =
                if get(node, "source@mode").as_deref() == Some("bind") { ",server=on,wait=off" } else { "" };
            format!("socket,id={id}{}{server}", path())
        }
        "tcp" => {
            let server =
                if get(node, "source@mode").as_deref() == Some("bind") { ",server=on,wait=off" } else { "" };
            let host = text("source@host").unwrap_or_default();
            format!("socket,id={id},host={host},port={}{server}", text("source@service").unwrap_or_default())
        }
        "udp" => {
            let ends: Vec<&Node> = node.children().filter(|child| child.name == "source").collect();
            let end = |mode: &str, name: &str| {
                let end = ends.iter().find(|end| end.attribute("mode").unwrap_or("connect") == mode)?;
                end.attribute(name).map(escape)
            };
            let mut value = format!("udp,id={id}");
            for (mode, host, port) in [("connect", "host", "port"), ("bind", "localaddr", "localport")] {
                if let Some(service) = end(mode, "service") {
                    let address = end(mode, "host").unwrap_or_default();
                    value.push_str(&format!(",{host}={address},{port}={service}"));
                } else if mode == "bind" && ends.len() > 1 {
                    value.push_str(&format!(
                        ",localaddr={},localport=0",
                        end(mode, "host").unwrap_or_default()
                    ));
                }
            }
            value
        }
        "spicevmc" => {
            let name = match node.name.as_str() {
                "redirdev" => "usbredir",
                "smartcard" => "smartcard",
                _ => "vdagent",
            };
            format!("spicevmc,id={id},name={name}")
        }
        "spiceport" => format!("spiceport,id={id},name={}", text("source@channel").unwrap_or_default()),
        "dbus" => {
            let usual =
                if node.name == "redirdev" { "org.qemu.usbredir" } else { "org.qemu.console.serial.0" };
            format!("dbus,id={id},name={}", text("source@channel").unwrap_or_else(|| usual.to_owned()))
        }
        "qemu-vdagent" => {
            let part = |path: &str, property: &str, yes: &str| {
                let state = get(node, path)?;
                Some(format!(",{property}={}", if state == yes { "on" } else { "off" }))
            };
            let clipboard = part("source/clipboard@copypaste", "clipboard", "yes").unwrap_or_default();
            let mouse = part("source/mouse@mode", "mouse", "client").unwrap_or_default();
            format!("qemu-vdagent,id={id},name=vdagent{clipboard}{mouse}")
        }
        _ => return None,
    };
    if get(node, "protocol@type").as_deref() == Some("telnet") {
        value.push_str(",telnet=on");
    }
    if let Some(append) = get(node, "source@append") {
        value.push_str(&format!(",append={append}"));
    }
    if has(node, "log")
        && let Some(log) = get(node, "log@file")
    {
        let append = get(node, "log@append").unwrap_or_else(|| "on".to_owned());
        value.push_str(&format!(",logfile={},logappend={append}", escape(&log)));
    }
    if let Some(seconds) = reconnect(node) {
        value.push_str(&format!(",reconnect={seconds}"));
    }
    if let Some(credentials) = credentials(crossing, node, id) {
        value.push_str(&format!(",tls-creds={credentials}"));
    }
    Some(value)
}
