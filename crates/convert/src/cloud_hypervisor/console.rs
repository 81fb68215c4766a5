//! The serial port and the virtio console.

use super::pci;
use crate::json::Port;
use serde_json::{Value, json};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Character, Endpoint};

const MODES: &[(&str, Endpoint)] = &[
    ("Null", Endpoint::Null),
    ("Pty", Endpoint::Pty),
    ("Tty", Endpoint::Stdio),
    ("File", Endpoint::File),
    ("Socket", Endpoint::Unix),
];

pub(super) fn both(port: &mut Port<'_>, spec: &mut MachineSpec) {
    one(port, "serial", "Null", &mut spec.serials);
    one(port, "console", "Tty", &mut spec.consoles);
    port.implied("debug_console", json!({ "mode": "Off", "iobase": 233 }));
}

/// One of each; `usual` is its mode where nothing is said.
fn one(port: &mut Port<'_>, key: &str, usual: &str, characters: &mut Vec<Character>) {
    if port.reading() {
        let Some(value) = port.raw(key) else { return };
        if value.get("mode") == Some(&Value::from("Off")) {
            characters.clear();
        }
    }
    let Some(character) = characters.first_mut() else {
        // What is there is read by nobody: an explicit end of it.
        return port.child(key, |port| port.put("mode", "Off"));
    };
    let mut written = character.clone();
    // The machine's log is where Cloud Hypervisor itself writes to.
    if written.to == Endpoint::Log {
        written.to = Endpoint::Stdio;
    }
    port.child(key, |port| {
        let mut to = Some(written.to);
        if !port.reading() && MODES.iter().any(|(mode, one)| *mode == usual && *one == written.to) {
            to = None;
        }
        port.word("mode", MODES, &mut to);
        if port.reading() {
            character.to = to.unwrap_or(written.to);
        }
        port.implied("mode", usual);
        match character.to {
            Endpoint::File => port.text("file", "path", &mut character.path),
            Endpoint::Unix => {
                port.text("socket", "path", &mut character.path);
                character.server = true;
            }
            _ => {}
        }
        pci::device(port, &mut None, &mut character.address);
    });
}
