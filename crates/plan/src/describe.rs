//! Each action in words: what it expects, what it does, how it is undone.

use vmwright_model::Action;

/// An action in words, lower-case fragments. Values come from the plan and are quoted as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The state that must be found.
    pub expects: String,
    /// What is done.
    pub does: String,
    /// How it is taken back.
    pub undone_by: String,
}

/// `action` in words.
#[must_use]
pub fn words(action: &Action) -> Words {
    let (expects, does, undone_by) = match action {
        Action::EditSpec { path, key, from, to } => {
            let expects = match from {
                Some(from) => format!("`{key} = {from}` in {path}"),
                None => format!("no `{key}` in {path}"),
            };
            let does = match to {
                Some(to) => format!("writes `{key} = {to}` to {path}"),
                None => format!("removes `{key}` from {path}"),
            };
            (expects, does, format!("puts {path} back byte for byte, if it is as this step left it"))
        }
        Action::FileMode { path, from, to } => (
            format!("mode {from:04o} on {path}"),
            format!("sets mode {to:04o} on {path}"),
            format!("sets mode {from:04o} on {path}, if it is still {to:04o}"),
        ),
        Action::BridgeAdd { name, address } => {
            let with = address.as_ref().map(|address| format!(" with address {address}")).unwrap_or_default();
            (
                format!("no interface {name}"),
                format!("makes bridge {name}{with} and brings it up"),
                format!("takes bridge {name} away, if nothing was plugged into it"),
            )
        }
        Action::BridgeRemove { name, address } => {
            let with = address.as_ref().map(|address| format!(" with address {address}")).unwrap_or_default();
            (
                format!("bridge {name} as vmwright made it, with no port"),
                format!("takes bridge {name} away"),
                format!("makes bridge {name}{with} and brings it up"),
            )
        }
        Action::FileRestore { path, from_sha256, text } => (
            format!("content of {path} with SHA-256 {from_sha256}"),
            format!("writes {} bytes, {} lines, to {path}", text.len(), text.lines().count()),
            format!("puts {path} back byte for byte, if it is as this step left it"),
        ),
        Action::MachineStart { machine } => {
            (format!("machine {machine} stopped"), format!("starts {machine}"), format!("stops {machine}"))
        }
        Action::MachineStop { machine } => {
            (format!("machine {machine} running"), format!("stops {machine}"), format!("starts {machine}"))
        }
    };
    Words { expects, does, undone_by }
}
