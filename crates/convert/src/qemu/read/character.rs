//! Serial and parallel ports, consoles, channels.

use super::Reader;
use super::bag::Bag;
use super::block::host_port;
use crate::qemu::write::AGENT_PORT;
use vmwright_formats::qemu_args::opts;
use vmwright_model::machine::{Channel, ChannelTarget, Character, CharacterTarget, ControllerKind, Endpoint};

/// The other end of a port, and what is left of it.
struct End {
    to: Endpoint,
    path: Option<String>,
    host: Option<String>,
    server: bool,
    log: Option<String>,
    rest: Bag,
}

impl Reader {
    fn end(&mut self, id: &str) -> Option<End> {
        let mut bag = self.take("-chardev", id)?;
        bag.take("id");
        let mut end = End {
            to: Endpoint::Null,
            path: None,
            host: None,
            server: false,
            log: bag.take("logfile"),
            rest: Bag::empty("-chardev"),
        };
        if end.log.is_some() {
            bag.drop_default("logappend", &["on"]);
        }
        match bag.take("backend")?.as_str() {
            "null" => {}
            "pty" => end.to = Endpoint::Pty,
            "stdio" => end.to = Endpoint::Stdio,
            "vc" => end.to = Endpoint::Vc,
            "file" => {
                end.to = Endpoint::File;
                bag.drop_default("append", &["on"]);
                end.path = Some(bag.take("path")?);
            }
            "pipe" => {
                end.to = Endpoint::Pipe;
                end.path = Some(bag.take("path")?);
            }
            "serial" | "tty" | "parallel" | "parport" => {
                end.to = Endpoint::Device;
                end.path = Some(bag.take("path")?);
            }
            "socket" => {
                end.server = bag.flag("server").unwrap_or(false);
                if bag.has("nowait") {
                    bag.take("nowait");
                }
                bag.drop_default("wait", if end.server { &["off", "no"] } else { &["on"] });
                if let Some(host) = bag.take("host") {
                    end.to = Endpoint::Tcp;
                    end.host = Some(host_port(&host, bag.take("port")));
                } else {
                    end.to = Endpoint::Unix;
                    end.path = bag.take("path");
                    // A socket that was open then: its name is not said.
                    if end.path.is_none() {
                        bag.take("fd")?;
                    }
                }
            }
            "udp" => {
                end.to = Endpoint::Udp;
                end.host = Some(host_port(
                    &bag.take("host").unwrap_or_else(|| "127.0.0.1".to_owned()),
                    bag.take("port"),
                ));
            }
            "spicevmc" if bag.get("name") == Some("vdagent") => {
                end.to = Endpoint::Spice;
                bag.take("name");
            }
            "spiceport" => {
                end.to = Endpoint::Spice;
                end.path = Some(bag.take("name")?);
            }
            _ => return None,
        }
        end.rest = bag;
        Some(end)
    }

    /// A port by its device.
    pub(super) fn port(&mut self, driver: &str, bag: &mut Bag) -> Option<String> {
        let end = self.end(&bag.take("chardev")?)?;
        if driver == "virtserialport" {
            return self.channel(bag, end);
        }
        let (list, target) = match driver {
            "isa-serial" => ("serial", CharacterTarget::Isa),
            "pci-serial" => ("serial", CharacterTarget::Pci),
            "usb-serial" => ("serial", CharacterTarget::Usb),
            "isa-parallel" => ("parallel", CharacterTarget::Usual),
            _ => ("console", CharacterTarget::Virtio),
        };
        let address = match target {
            CharacterTarget::Pci => self.buses.address(bag),
            CharacterTarget::Usb => self.buses.usb(bag),
            CharacterTarget::Virtio => self.serial_port(bag),
            _ => None,
        };
        let character = Character {
            to: end.to,
            path: end.path,
            host: end.host,
            server: end.server,
            log: end.log,
            target,
            address,
        };
        let places = match list {
            "serial" => &mut self.spec.serials,
            "parallel" => &mut self.spec.parallels,
            _ => &mut self.spec.consoles,
        };
        let at = places.len();
        places.push(character);
        if driver == "isa-serial" {
            bag.drop_default("index", &[&self.isa.to_string()]);
            self.isa += 1;
        }
        let item = format!("{list}.{at}");
        self.keep_rest(&format!("{item}.chardev"), &end.rest);
        Some(item)
    }

    fn serial_port(&self, bag: &mut Bag) -> Option<vmwright_model::machine::Address> {
        let controller = match bag.get("bus") {
            Some(bus) => Some(self.buses.controller(bus, ControllerKind::VirtioSerial)?),
            None => None,
        };
        bag.take("bus");
        let port = bag.small("nr").map(|number| number.to_string());
        let address = vmwright_model::machine::Address {
            controller,
            bus: controller.map(|_| 0),
            port,
            ..Default::default()
        };
        (address.controller.is_some() || address.port.is_some()).then_some(address)
    }

    fn channel(&mut self, bag: &mut Bag, end: End) -> Option<String> {
        let name = bag.take("name");
        let agent = name.as_deref() == Some(AGENT_PORT);
        let channel = Channel {
            name,
            target: ChannelTarget::Virtio,
            to: end.to,
            path: end.path.or(end.host),
            server: end.server,
            address: self.serial_port(bag),
        };
        self.spec.agent |= agent;
        let item = format!("channel.{}", self.spec.channels.len());
        self.spec.channels.push(channel);
        let mut rest = end.rest;
        if let Some(log) = end.log {
            rest.put("logfile", log);
            rest.put("logappend", "on");
        }
        self.keep_rest(&format!("{item}.chardev"), &rest);
        Some(item)
    }

    pub(super) fn serial_option(&mut self, value: &str) {
        self.switches.serial = true;
        match self.short(value) {
            Some(Some(character)) => self.spec.serials.push(character),
            Some(None) => {}
            None => self.keep("-serial", value),
        }
    }

    pub(super) fn parallel_option(&mut self, value: &str) {
        match self.short(value) {
            Some(Some(character)) => self.spec.parallels.push(character),
            Some(None) => {}
            None => self.keep("-parallel", value),
        }
    }

    /// The short spelling of `-serial`: `stdio`, `file:/x`, `unix:/x,server`, `chardev:id`. The inner none is no port.
    fn short(&mut self, value: &str) -> Option<Option<Character>> {
        let mut character = Character::default();
        let (kind, rest) = value.split_once(':').unwrap_or((value, ""));
        match kind {
            "none" => return Some(None),
            "null" => character.to = Endpoint::Null,
            "stdio" | "con" => character.to = Endpoint::Stdio,
            // The monitor on the same terminal is the caller's business.
            "mon" if rest == "stdio" => character.to = Endpoint::Stdio,
            "pty" => character.to = Endpoint::Pty,
            "vc" => character.to = Endpoint::Vc,
            "file" => {
                character.to = Endpoint::File;
                character.path = Some(rest.to_owned());
            }
            "pipe" => {
                character.to = Endpoint::Pipe;
                character.path = Some(rest.to_owned());
            }
            "unix" => {
                let parts = opts(rest, Some("path"));
                character.to = Endpoint::Unix;
                character.path = Some(parts.get("path")?.to_owned());
                character.server = parts.switch("server") == Some(true);
            }
            "tcp" => {
                let parts = opts(rest, Some("host"));
                character.to = Endpoint::Tcp;
                character.host = Some(parts.get("host")?.to_owned());
                character.server = parts.switch("server") == Some(true);
            }
            "chardev" => {
                let end = self.end(rest)?;
                if !end.rest.rest().is_empty() {
                    self.taken.clear();
                    return None;
                }
                self.commit();
                character = Character {
                    to: end.to,
                    path: end.path,
                    host: end.host,
                    server: end.server,
                    log: end.log,
                    ..Character::default()
                };
            }
            path if path.starts_with("/dev/") => {
                character.to = Endpoint::Device;
                character.path = Some(path.to_owned());
            }
            _ => return None,
        }
        Some(Some(character))
    }
}
