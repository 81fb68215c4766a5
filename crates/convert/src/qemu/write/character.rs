//! The log, the monitor; serial and parallel ports, consoles, channels.

use super::super::argument::Value;
use super::super::handles::Descriptor;
use super::storage::host_port;
use super::{AGENT_PORT, Line, place};
use vmwright_formats::qemu_args::QUERIES;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Address, Channel, ChannelTarget, Character, CharacterTarget, Endpoint};

/// Whether the agent's channel is one of those that the specification writes out.
pub(super) fn agent_written(spec: &MachineSpec) -> bool {
    spec.channels.iter().any(|channel| channel.name.as_deref() == Some(AGENT_PORT))
}

pub(super) fn virtio_consoles(spec: &MachineSpec) -> bool {
    spec.consoles.iter().any(is_virtio)
}

pub(super) fn is_virtio(console: &Character) -> bool {
    matches!(console.target, CharacterTarget::Usual | CharacterTarget::Virtio)
}

fn listening(id: &str, number: Descriptor) -> String {
    format!("socket,id={id},fd={number},server=on,wait=off")
}

/// What vmwright itself reads: what the first serial port says, and the monitor.
pub(super) fn log_and_monitor(line: &mut Line<'_>) {
    if line.spec.serials.is_empty() && !line.spec.bare {
        log(line, "serial0");
        line.push("-serial", "chardev:serial0", "the first serial port");
    }
    if let Some(number) = line.handles.qmp {
        line.push(
            "-chardev",
            listening("qmp", number),
            "the monitor's socket, in a directory closed to others",
        );
        line.push("-mon", "chardev=qmp,mode=control", "the monitor, for state and orderly stop");
    }
    if let Some((number, place)) = &line.handles.queries {
        let id = format!("{QUERIES}{place}");
        line.push(
            "-chardev",
            listening(&id, *number),
            "the socket of a second monitor, in the same directory",
        );
        line.push(
            "-mon",
            format!("chardev={id},mode=control"),
            "the monitor for analyses, which only ask: a monitor has one client at a time",
        );
    }
}

fn log(line: &mut Line<'_>, id: &str) {
    match line.handles.serial {
        Some(number) => {
            line.push(
                "-add-fd",
                format!("set=1,fd={number},opaque=serial.log"),
                "serial.log, opened by vmwright",
            );
            let value = format!("file,id={id},path=/dev/fdset/1,append=on");
            line.push("-chardev", value, "what the first serial port says goes there");
        }
        None => {
            let path = format!("{}.serial.log", line.spec.name);
            let value = Value::new("file").with("id", id).with("path", path).with("append", "on");
            line.push("-chardev", value, "what the first serial port says goes there");
        }
    }
}

pub(super) fn characters(line: &mut Line<'_>) {
    let spec = line.spec;
    for (at, serial) in spec.serials.iter().enumerate() {
        self::serial(line, at, serial);
    }
    for (at, parallel) in spec.parallels.iter().enumerate() {
        let id = format!("parallel{at}");
        character(line, &format!("parallel.{at}"), &id, parallel, "parallel", false);
        let value = Value::new("isa-parallel").with("chardev", &id);
        line.device(&format!("parallel.{at}"), value, "a parallel port");
    }
    for (at, console) in spec.consoles.iter().enumerate() {
        let item = format!("console.{at}");
        if !is_virtio(console) {
            // An echo of the first serial port is no device.
            let echo = at == 0 && spec.serials.first().is_some_and(|serial| serial.to == console.to);
            if echo {
                continue;
            }
            line.lost(item, "only a virtio console is a device of its own");
            continue;
        }
        let id = format!("console{at}");
        character(line, &item, &id, console, "serial", false);
        let value = Value::new("virtconsole").with("chardev", &id);
        let value = port(line, console.address.as_ref(), value);
        line.device(&item, value, "a console");
    }
    for (at, channel) in spec.channels.iter().enumerate() {
        self::channel(line, at, channel);
    }
    if spec.agent && !agent_written(spec) {
        match line.handles.agent {
            Some(number) => line.push("-chardev", listening("agent", number), "the guest agent's socket"),
            None => {
                let value = Value::new("socket")
                    .with("id", "agent")
                    .with("path", format!("{}.agent.sock", spec.name))
                    .with("server", "on")
                    .with("wait", "off");
                line.push("-chardev", value, "the guest agent's socket");
            }
        }
        let bus = place::serial_controller(line, None);
        let port = format!("virtserialport,bus={bus}.0,chardev=agent,name={AGENT_PORT}");
        line.push("-device", port, "the port that a guest agent looks for");
    }
}

fn serial(line: &mut Line<'_>, at: usize, serial: &Character) {
    let item = format!("serial.{at}");
    let id = format!("serial{at}");
    character(line, &item, &id, serial, "serial", at == 0);
    let x86 = matches!(line.spec.arch.as_str(), "x86_64" | "i386" | "i686");
    let index = line.index.isa;
    line.index.isa += u32::from(matches!(serial.target, CharacterTarget::Usual | CharacterTarget::Isa));
    let own = line.extra(&item).contains("index=");
    let isa = Value::new("isa-serial").with("chardev", &id).maybe("index", (!own).then_some(index));
    let value = match serial.target {
        CharacterTarget::Usual if x86 && line.bus == "pci" => isa,
        CharacterTarget::Isa => isa,
        CharacterTarget::Usual | CharacterTarget::System => {
            line.push("-serial", format!("chardev:{id}"), "a serial port");
            return;
        }
        CharacterTarget::Pci => {
            let value = Value::new("pci-serial").with("chardev", &id);
            place::pci(line, serial.address.as_ref(), value)
        }
        CharacterTarget::Usb => {
            place::usb(serial.address.as_ref(), Value::new("usb-serial").with("chardev", &id))
        }
        CharacterTarget::Virtio => {
            port(line, serial.address.as_ref(), Value::new("virtconsole").with("chardev", &id))
        }
    };
    line.device(&item, value, "a serial port");
}

/// Place on a virtio-serial bus.
fn port(line: &Line<'_>, address: Option<&Address>, value: Value) -> Value {
    let number = address.and_then(|address| address.controller);
    // Where nothing is said QEMU takes the first controller that has a port free.
    let controller = (number.is_some() || !line.spec.bare).then(|| place::serial_controller(line, number));
    let value = value.maybe("bus", controller.map(|controller| format!("{controller}.0")));
    // Port 0 is for a console, and QEMU chooses it itself.
    let number =
        address.and_then(|address| address.port.as_deref().and_then(|port| port.parse::<u32>().ok()));
    value.maybe("nr", number.filter(|number| *number > 0))
}

/// The other end of a character device. `device` is QEMU's word for a device of the host of this kind.
fn character(line: &mut Line<'_>, item: &str, id: &str, character: &Character, device: &str, first: bool) {
    if character.to == Endpoint::Log && first {
        log(line, id);
        return;
    }
    let end = End {
        to: character.to,
        path: character.path.as_deref(),
        host: character.host.as_deref(),
        server: character.server,
        device,
        name: None,
    };
    let value = end.value(line, item, id);
    let value = match &character.log {
        Some(log) => value.with("logfile", log).with("logappend", "on"),
        None => value,
    };
    let value = value.raw(&line.extra(&format!("{item}.chardev")));
    line.push("-chardev", value, "the other end of a port");
}

struct End<'a> {
    to: Endpoint,
    path: Option<&'a str>,
    host: Option<&'a str>,
    server: bool,
    device: &'a str,
    name: Option<&'a str>,
}

impl End<'_> {
    fn value(&self, line: &mut Line<'_>, item: &str, id: &str) -> Value {
        let mut path = || match self.path {
            Some(path) => path.to_owned(),
            None => {
                let made = format!("{}.{id}", line.spec.name);
                let why = format!("`{made}`, because no path is said");
                line.remark(crate::Effect::Defaulted, format!("{item}.path"), why);
                made
            }
        };
        let value = |kind: &str| Value::new(kind).with("id", id);
        let serves = |value: Value, server: bool| {
            if server { value.with("server", "on").with("wait", "off") } else { value }
        };
        match self.to {
            Endpoint::Log => {
                let path = format!("{}.{id}.log", line.spec.name);
                value("file").with("path", path).with("append", "on")
            }
            Endpoint::Pty => value("pty"),
            Endpoint::File => value("file").with("path", path()).with("append", "on"),
            // A socket that nobody named is one that nobody else listens on.
            Endpoint::Unix => {
                serves(value("socket").with("path", path()), self.server || self.path.is_none())
            }
            Endpoint::Tcp => {
                let (host, port) = host_port(self.host.unwrap_or("127.0.0.1:0"), "0");
                serves(value("socket").with("host", host).with("port", port), self.server)
            }
            Endpoint::Udp => {
                let (host, port) = host_port(self.host.unwrap_or("127.0.0.1:0"), "0");
                value("udp").with("host", host).with("port", port)
            }
            Endpoint::Device => value(self.device).with("path", path()),
            Endpoint::Pipe => value("pipe").with("path", path()),
            Endpoint::Stdio => value("stdio"),
            Endpoint::Null => value("null"),
            Endpoint::Vc => value("vc"),
            Endpoint::Spice => match (self.name, self.path) {
                // The channel of the SPICE agent has a name of its own in SPICE.
                (Some("com.redhat.spice.0"), _) => value("spicevmc").with("name", "vdagent"),
                (_, Some(path)) => value("spiceport").with("name", path),
                (Some(name), None) => value("spiceport").with("name", name),
                (None, None) => value("spicevmc").with("name", "vdagent"),
            },
        }
    }
}

fn channel(line: &mut Line<'_>, at: usize, channel: &Channel) {
    let item = format!("channel.{at}");
    let id = format!("channel{at}");
    let agent = channel.name.as_deref() == Some(AGENT_PORT);
    match line.handles.agent.filter(|_| agent) {
        Some(number) => line.push("-chardev", listening(&id, number), "the guest agent's socket"),
        None => {
            let end = End {
                to: channel.to,
                path: channel.path.as_deref(),
                host: channel.path.as_deref(),
                server: channel.server,
                device: "serial",
                name: channel.name.as_deref(),
            };
            let value = end.value(line, &item, &id).raw(&line.extra(&format!("{item}.chardev")));
            line.push("-chardev", value, "the other end of a channel");
        }
    }
    match channel.target {
        ChannelTarget::Virtio => {
            let value = Value::new("virtserialport");
            let value = port(line, channel.address.as_ref(), value);
            let value = value.with("chardev", &id).maybe("name", channel.name.as_ref());
            line.device(&item, value, "a channel between a program of the guest and one of the host");
        }
        ChannelTarget::Guestfwd => {
            let address = channel.name.as_deref().unwrap_or_default();
            let address = address.strip_prefix("tcp:").unwrap_or(address);
            let value = Value::new("user")
                .with("id", format!("{id}-net"))
                .with("guestfwd", format!("tcp:{address}-chardev:{id}"));
            line.push("-netdev", value, "an address of the user-mode network that leads to the channel");
        }
    }
}
