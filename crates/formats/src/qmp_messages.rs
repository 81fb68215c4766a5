//! What QEMU says on its monitor socket: QMP messages, one a line, with or without the commands between them.

use crate::{View, lines::lines};
use serde_json::Value;
use vmwright_model::{Issue, Kind, Spanned};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpMessage {
    /// The greeting: QEMU's version as `10.0.2`, with what the packager adds.
    Greeting {
        /// Version.
        version: String,
        /// The packager's own name for it.
        package: String,
    },
    /// A command that somebody sent.
    Command {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Value,
    },
    /// What a command gave.
    Return(Value),
    /// Why a command failed.
    Error {
        /// `GenericError`, `CommandNotFound`, `DeviceNotFound`.
        class: String,
        /// In words.
        description: String,
    },
    /// Something that happened.
    Event {
        /// `STOP`, `BLOCK_IO_ERROR`, `GUEST_PANICKED`.
        name: String,
        /// Details.
        data: Value,
        /// Seconds since 1970.
        seconds: Option<i64>,
    },
}

/// The messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QmpMessages {
    /// In the order of the text.
    pub messages: Vec<Spanned<QmpMessage>>,
}

impl QmpMessages {
    /// Descriptions of errors.
    pub fn errors(&self) -> impl Iterator<Item = Spanned<&str>> {
        self.messages.iter().filter_map(|message| match &message.value {
            QmpMessage::Error { description, .. } => Some(Spanned::new(description.as_str(), message.line)),
            _ => None,
        })
    }

    /// Events of this name, with their details.
    pub fn events<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = Spanned<&'a Value>> {
        self.messages.iter().filter_map(move |message| match &message.value {
            QmpMessage::Event { name, data, .. } if name == wanted => Some(Spanned::new(data, message.line)),
            _ => None,
        })
    }
}

impl View for QmpMessages {
    const KIND: Kind = Kind::new("qmp_messages");
    const SUREST: u8 = 90;
    const MARKS: &[&str] = &["\"QMP\"", "\"desc\"", "\"event\"", "\"execute\"", "\"return\"", "\"error\"", "\"timestamp\""];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            // Some write `-> ` and `<- ` in front, as QEMU's documentation does.
            let line = line.trim().trim_start_matches("-> ").trim_start_matches("<- ");
            if line.is_empty() || line.starts_with(['$', '#']) {
                continue;
            }
            match serde_json::from_str(line).ok().and_then(message) {
                Some(message) => view.messages.push(Spanned::new(message, number)),
                None => issues.push(Issue::new(number, "not a message of QMP")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        const STARTS: [&str; 6] =
            ["{\"QMP\"", "{\"return\"", "{\"error\"", "{\"event\"", "{\"timestamp\"", "{\"execute\""];
        let telling =
            ["\"QMP\"", "\"desc\"", "\"event\"", "\"execute\""].iter().any(|word| head.contains(word));
        if !telling && !name.contains("qmp") {
            return 0;
        }
        let (hits, all) = crate::lines::share(head, |line| {
            let line: String =
                line.trim().trim_start_matches("-> ").trim_start_matches("<- ").chars().take(40).collect();
            let line = line.replace(' ', "");
            STARTS.iter().any(|start| line.starts_with(start))
        });
        match hits > 0 && hits * 3 >= all * 2 {
            true => 90,
            false => 0,
        }
    }
}

fn message(value: Value) -> Option<QmpMessage> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(qmp) = value.get("QMP") {
        let version = &qmp["version"];
        let number = |key: &str| version["qemu"][key].as_u64().unwrap_or(0);
        let shown = format!("{}.{}.{}", number("major"), number("minor"), number("micro"));
        return Some(QmpMessage::Greeting { version: shown, package: text(&version["package"]) });
    }
    if let Some(error) = value.get("error") {
        return Some(QmpMessage::Error { class: text(&error["class"]), description: text(&error["desc"]) });
    }
    if let Some(event) = value.get("event") {
        return Some(QmpMessage::Event {
            name: text(event),
            data: value["data"].clone(),
            seconds: value["timestamp"]["seconds"].as_i64(),
        });
    }
    if let Some(command) = value.get("execute").or_else(|| value.get("exec-oob")) {
        return Some(QmpMessage::Command { name: text(command), arguments: value["arguments"].clone() });
    }
    value.get("return").map(|value| QmpMessage::Return(value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_by_what_they_are() {
        let (view, issues) = QmpMessages::read(include_str!("../tests/samples/qmp_messages.txt"));
        assert_eq!(issues, []);
        assert!(
            matches!(&view.messages[0].value, QmpMessage::Greeting { version, .. } if version == "10.0.2")
        );
        assert_eq!(view.errors().next(), Some(Spanned::new("Device 'disk9' not found", 4)));
        assert_eq!(
            view.events("BLOCK_IO_ERROR").next().map(|data| data["nospace"].clone()),
            Some(Value::Bool(true))
        );
        assert!(matches!(&view.messages[2].value, QmpMessage::Command { name, .. } if name == "device_del"));
        let (_, issues) = QmpMessages::read("{\"a\": 1}\nodd\n");
        assert_eq!(issues.len(), 2);
        assert_eq!(QmpMessages::recognise("x", "{\"return\": 1}\n"), 0, "anybody's JSON");
    }
}
