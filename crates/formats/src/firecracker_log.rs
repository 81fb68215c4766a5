//! What Firecracker says: its log, with the guest's console in between where both went to one place.

use crate::qemu_log::split_time;
use crate::vmm_message::{VmmLevel, VmmMessage, last_words};
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// Firecracker's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirecrackerLog {
    /// Version, from `Running Firecracker v1.7.0`.
    pub version: Option<Spanned<String>>,
    /// The messages. Lines of the guest are left out.
    pub messages: Vec<VmmMessage>,
}

/// What stands in its messages and in few others: its name, its source, its threads.
const OWN: [&str; 3] = ["irecracker", "src/vmm/", ":fc_"];

impl View for FirecrackerLog {
    const KIND: Kind = Kind::new("firecracker_log");
    const SUREST: u8 = 94;
    // The bracket stands in every message.
    const MARKS: &[&str] = &["[", OWN[0], OWN[1], OWN[2]];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        for (number, line) in lines(text) {
            let Some(message) = message(number, line).or_else(|| last_words(number, line)) else { continue };
            if let Some(version) = message.text.strip_prefix("Running Firecracker ")
                && view.version.is_none()
            {
                view.version = Some(Spanned::new(version.trim_start_matches('v').to_owned(), number));
            }
            view.messages.push(message);
        }
        (view, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let named = name.contains("firecracker") || name.starts_with("fc") && !name.starts_with("fc_info");
        let (hits, _) = crate::lines::share(head, |line| message(1, line).is_some());
        let own = (hits > 0 || named) && OWN.iter().any(|own| head.contains(own));
        match (hits, own, named) {
            (1.., true, _) => 94,
            (1.., false, true) => 90,
            // Other programs print a time and a word in brackets too: Proxmox the node that says something.
            (1.., false, false) if head.lines().any(levelled) => 60,
            (0, true, true) => 60,
            (0, _, true) => 30,
            (0, _, false) if head.contains("Firecracker v") => 50,
            _ => 0,
        }
    }
}

/// `2024-05-01T10:00:00.123456789 [vm-1:main:WARN:src/vmm/src/lib.rs:12] text`.
fn message(line: u32, text: &str) -> Option<VmmMessage> {
    let (time, rest) = split_time(text.trim_start());
    let (inside, said) = rest.strip_prefix('[')?.split_once(']')?;
    if time.is_empty() {
        return None;
    }
    let mut parts = inside.split(':');
    let _instance = parts.next()?;
    let mut thread = "";
    let mut level = VmmLevel::Info;
    for (at, part) in parts.enumerate() {
        match VmmLevel::of(part) {
            Some(found) => level = found,
            None if at == 0 => thread = part,
            None => {}
        }
    }
    Some(VmmMessage {
        line,
        time: time.to_owned(),
        thread: thread.to_owned(),
        level,
        text: said.trim().to_owned(),
    })
}

/// Whether a line has its level in its brackets.
fn levelled(line: &str) -> bool {
    let (_, rest) = split_time(line.trim_start());
    let inside = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(inside, _)| inside.split(':').skip(1).any(|part| VmmLevel::of(part).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_between_the_guests_lines() {
        let text = "2024-05-01T10:00:00.123456789 [anonymous-instance:main] Running Firecracker v1.7.0\n[    0.000000] Linux version 5.10\n2024-05-01T10:00:00.2 [vm1:fc_vcpu 0:ERROR:src/vmm/src/vstate/vcpu.rs:12] Failed to run vCPU\nError: RunWithoutApi(BuildMicroVMFromJson(x))\n";
        let (view, _) = FirecrackerLog::read(text);
        assert_eq!(view.version, Some(Spanned::new("1.7.0".to_owned(), 1)));
        let got: Vec<_> = view
            .messages
            .iter()
            .map(|message| (message.line, message.level, message.thread.as_str()))
            .collect();
        assert_eq!(
            got,
            [(1, VmmLevel::Info, "main"), (3, VmmLevel::Error, "fc_vcpu 0"), (4, VmmLevel::Error, "")]
        );
        assert_eq!(FirecrackerLog::recognise("x", text), 94);
        assert_eq!(FirecrackerLog::recognise("x", "[    0.000000] Linux version 5.10\n"), 0);
        let levelled = "2024-05-01T10:00:00.2 [vm1:main:ERROR:vcpu.rs:12] Failed to run vCPU\n";
        assert_eq!(FirecrackerLog::recognise("x", levelled), 60);
    }

    #[test]
    fn a_task_of_proxmox_is_no_log_of_firecracker() {
        let text = "2024-05-01 10:00:00 starting migration of VM 105 to node 'pve2' (192.0.2.12)\n2024-05-01 10:00:01 [pve2] task started\n2024-05-01 10:00:04 ERROR: migration aborted\n";
        assert_eq!(FirecrackerLog::recognise("task.log", text), 0);
    }
}
