//! What Cloud Hypervisor says.

use crate::vmm_message::{VmmLevel, VmmMessage, last_words};
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// Cloud Hypervisor's messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudHypervisorLog {
    /// The messages. Lines of the guest are left out.
    pub messages: Vec<VmmMessage>,
}

/// What stands in front of each message's time.
const SPEAKER: &str = "cloud-hypervisor: ";

impl View for CloudHypervisorLog {
    const KIND: Kind = Kind::new("cloud_hypervisor_log");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &[SPEAKER];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let messages = lines(text)
            .filter_map(|(number, line)| message(number, line).or_else(|| last_words(number, line)));
        (Self { messages: messages.collect() }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let named =
            name.contains("cloud-hypervisor") || name.starts_with("ch.log") || name.starts_with("clh");
        match (head.lines().any(|line| message(1, line).is_some()), named) {
            (true, _) => 94,
            (false, true) => 30,
            _ => 0,
        }
    }
}

/// `cloud-hypervisor: 12.345678ms: <vmm> WARN:vmm/src/lib.rs:12 -- text`.
fn message(line: u32, text: &str) -> Option<VmmMessage> {
    let at = text.find(SPEAKER)?;
    let (time, rest) = text[at + SPEAKER.len()..].split_once(": <")?;
    let (thread, rest) = rest.split_once('>')?;
    let (place, said) = rest.split_once(" -- ")?;
    let level = VmmLevel::of(place.trim().split(':').next()?)?;
    Some(VmmMessage {
        line,
        time: time.trim().to_owned(),
        thread: thread.to_owned(),
        level,
        text: said.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let text = "cloud-hypervisor:   0.012345s: <vmm> WARN:vmm/src/device_manager.rs:12 -- no vIOMMU\ncloud-hypervisor: 17.2ms: <main> INFO:src/main.rs:1 -- x\nError booting VM: VmBoot(KernelLoad(Elf))\nguest line\n";
        let (view, _) = CloudHypervisorLog::read(text);
        let got: Vec<_> = view
            .messages
            .iter()
            .map(|message| (message.line, message.level, message.time.as_str()))
            .collect();
        assert_eq!(
            got,
            [(1, VmmLevel::Warn, "0.012345s"), (2, VmmLevel::Info, "17.2ms"), (3, VmmLevel::Error, "")]
        );
        assert_eq!(CloudHypervisorLog::recognise("x", text), 94);
        assert_eq!(CloudHypervisorLog::recognise("x", "Error: x\n"), 0);
    }
}
