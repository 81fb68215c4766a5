//! `kubectl describe`: what it is about, and its events.

use crate::{View, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesEvent {
    /// Line in the text.
    pub line: u32,
    /// `Normal` or `Warning`.
    pub event_type: String,
    /// `FailedScheduling`, `SyncFailed`.
    pub reason: String,
    /// The rest of the line: age, who speaks, message.
    pub text: String,
}

/// The description of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubectlDescribe {
    /// Name of the object.
    pub name: Option<Spanned<String>>,
    /// Its namespace.
    pub namespace: Option<Spanned<String>>,
    /// Its events.
    pub events: Vec<KubernetesEvent>,
}

impl View for KubectlDescribe {
    const KIND: Kind = Kind::new("kubectl_describe");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["Labels:", "Annotations:", "Status:", "Events:", "Node:", "API Version:", "Kind:"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut in_events = false;
        for (number, line) in lines(text) {
            let value =
                |key: &str| line.strip_prefix(key).map(|value| Spanned::new(value.trim().to_owned(), number));
            if let Some(name) = value("Name:") {
                view.name.get_or_insert(name);
            } else if let Some(namespace) = value("Namespace:") {
                view.namespace.get_or_insert(namespace);
            } else if line.trim_end().starts_with("Events:") {
                in_events = true;
            } else if in_events {
                view.events.extend(event(number, line));
            }
        }
        (view, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |key: &str| having(head, key).any(|line| line.starts_with(key));
        let (named, told) = (has("Name:"), name.contains("describe"));
        if !named && !told {
            return 0;
        }
        let count = Self::MARKS.iter().filter(|key| has(key)).count();
        match (named, count, told) {
            (true, 2.., _) => 92,
            (_, 1.., true) => 70,
            (_, 0, true) => 25,
            _ => 0,
        }
    }
}

fn event(line: u32, text: &str) -> Option<KubernetesEvent> {
    let text = text.trim_start();
    let (event_type, rest) = text.split_once(char::is_whitespace)?;
    if !matches!(event_type, "Normal" | "Warning") {
        return None;
    }
    let rest = rest.trim_start();
    let (reason, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some(KubernetesEvent {
        line,
        event_type: event_type.to_owned(),
        reason: reason.to_owned(),
        text: rest.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let text = "Name:         testvm\nNamespace:    default\nLabels:       <none>\nStatus:       Pending\nEvents:\n  Type     Reason            Age   From               Message\n  ----     ------            ----  ----               -------\n  Warning  FailedScheduling  5s    default-scheduler  0/1 nodes are available: 1 Insufficient devices.kubevirt.io/kvm.\n";
        let (view, _) = KubectlDescribe::read(text);
        assert_eq!(view.name, Some(Spanned::new("testvm".to_owned(), 1)));
        assert_eq!(view.events.len(), 1);
        assert_eq!((view.events[0].line, view.events[0].reason.as_str()), (8, "FailedScheduling"));
        assert_eq!(KubectlDescribe::recognise("x", text), 92);
        assert_eq!(KubectlDescribe::recognise("x", "Name: x\n"), 0);
    }
}
