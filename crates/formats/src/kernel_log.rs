//! Messages of the kernel: `dmesg` in any of its forms, `journalctl -k`, `/var/log/kern.log`. Of the host; those of
//! a guest are [`crate::GuestKernelLog`], told apart by the name that the text was given.

use std::cell::Cell;
use crate::qemu_log::split_time;
use crate::{View, lines::lines, lines::share};
use memchr::memmem::Finder;
use std::sync::LazyLock;
use vmwright_model::{Issue, Kind};

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelMessage {
    /// Line in the text.
    pub line: u32,
    /// Seconds since the kernel began; none where not written.
    pub seconds: Option<f64>,
    /// Time of day as written; empty where not written.
    pub time: String,
    /// What the kernel says.
    pub text: String,
}

/// Kernel messages in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KernelLog {
    /// The messages. Lines of other programs in a journal are left out.
    pub messages: Vec<KernelMessage>,
}

impl KernelLog {
    /// Messages that contain a text.
    pub fn find<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a KernelMessage> {
        self.messages.iter().filter(move |message| message.text.contains(part))
    }

    pub(crate) fn read_all(text: &str) -> Self {
        let messages = lines(text).filter_map(|(number, line)| message(number, line)).collect();
        Self { messages }
    }
}

/// What stands in every message by which the kernel prints its command line at boot.
pub const COMMAND_LINE: &str = "ommand line: ";

/// The kernel's command line, where a line of its log is the message with it.
#[must_use]
pub fn command_line(line: &str) -> Option<&str> {
    let (_, words) = line.split_once(COMMAND_LINE)?;
    (!other_program(line)).then_some(words)
}

impl View for KernelLog {
    const KIND: Kind = Kind::new("kernel_log");
    const SUREST: u8 = 88;
    // The signs, and what stands around the time or behind the name of the host.
    const MARKS: &[&str] = &{
        let mut marks = ["["; SIGNS.len() + 2];
        let mut at = 0;
        while at < SIGNS.len() {
            marks[at] = SIGNS[at];
            at += 1;
        }
        marks[at] = " kernel: ";
        marks
    };

    fn read(text: &str) -> (Self, Vec<Issue>) {
        (Self::read_all(text), Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if named_guest(name) {
            return 0;
        }
        let named = ["dmesg", "kern.log", "kernel"].iter().any(|part| name.contains(part));
        sure(head).max(if named { 30 } else { 0 })
    }
}

/// Whether a name says that the text comes from inside a guest.
pub(crate) fn named_guest(name: &str) -> bool {
    name.contains("guest") || name.starts_with("vm-") || name.starts_with("vm_") || name.starts_with("domu")
}

/// How sure it is that a text is the kernel's.
pub(crate) fn sure(head: &str) -> u8 {
    let looked_at = Cell::new(0);
    let (stamped, all) = share(head, |line| {
        looked_at.set(line.as_ptr() as usize - head.as_ptr() as usize + line.len());
        prefix(line).is_some()
    });
    if stamped > 0 && stamped * 2 >= all {
        return 88;
    }
    // Most texts have few of them, and a look through the whole is much faster than one through each line.
    let there = |finder: &Finder<'static>| finder.find(&head.as_bytes()[..looked_at.get()]).is_some();
    let there: Vec<&&str> =
        SIGNS.iter().zip(&*FINDERS).filter(|(_, finder)| there(finder)).map(|(sign, _)| sign).collect();
    let (signed, _) = match there.as_slice() {
        [] => (0, 0),
        there => share(head, |line| there.iter().any(|sign| line.contains(**sign))),
    };
    // `dmesg -t` from the kernel's first message on.
    let first = || {
        lines(head).map(|(_, line)| line.trim()).find(|line| !line.is_empty() && !line.starts_with('$'))
    };
    if signed > 1 && first().is_some_and(|line| line.starts_with("Linux version ")) {
        return 88;
    }
    match (stamped, signed) {
        (0, 0) => 0,
        _ if stamped * 4 >= all && signed > 0 => 70,
        (_, 2..) if signed * 3 >= all => 70,
        _ => 0,
    }
}

/// What only kernels print at the beginning of a message; for `dmesg -t`, which leaves the time out.
const SIGNS: [&str; 14] = [
    "Linux version ",
    "BIOS-e820:",
    "ACPI: ",
    "DMAR: ",
    "AMD-Vi: ",
    "iommu: ",
    "pci 0000:",
    "vfio-pci 0000:",
    "pcieport 0000:",
    "kvm: ",
    "kvm_intel: ",
    "kvm_amd: ",
    "Call Trace:",
    "Hardware name: ",
];

/// What finds each of them: to make it takes longer than to go through a short text with it.
static FINDERS: LazyLock<[Finder<'static>; SIGNS.len()]> =
    LazyLock::new(|| SIGNS.map(|sign| Finder::new(sign.as_bytes())));

/// What finds the kernel's name in a line of a journal, for the same reason.
static KERNEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(" kernel: "));

struct Prefix<'a> {
    seconds: Option<f64>,
    time: &'a str,
    text: &'a str,
}

/// Cuts off the times, levels and host name in front of a message; none where there are none.
fn prefix(line: &str) -> Option<Prefix<'_>> {
    let mut rest = line.trim_start();
    // `<6>` of /dev/kmsg, `kern  :info  :` of dmesg -x.
    if let Some((level, behind)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        && !level.is_empty()
        && level.len() <= 3
        && level.bytes().all(|byte| byte.is_ascii_digit())
    {
        rest = behind;
    }
    if let Some(behind) = rest.strip_prefix("kern") {
        rest = behind.split_once(": [").map_or(rest, |(level, _)| &behind[level.len() + 2..]);
    }
    if let Some(bracket) = bracket(rest) {
        return Some(bracket);
    }
    let at = KERNEL.find(rest.as_bytes())?;
    let (before, text) = (&rest[..at], &rest[at + KERNEL.needle().len()..]);
    // `Jan  1 12:00:00 host`, `2024-01-01T12:00:00+0100 host`: a time and one word.
    let (time, _host) = before.rsplit_once(' ')?;
    let is_time = time.len() <= 40 && time.bytes().filter(|byte| *byte == b':').count() >= 2;
    if !is_time {
        return None;
    }
    match bracket(text) {
        Some(inner) => Some(Prefix { time, ..inner }),
        None => Some(Prefix { seconds: None, time, text }),
    }
}

/// `[    1.234567] text`, `[Mon Jan  1 12:00:00 2024] text`, `[    1.234567][    T1] text`.
fn bracket(text: &str) -> Option<Prefix<'_>> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    let rest = match rest.strip_prefix('[').and_then(|caller| caller.split_once(']')) {
        Some((caller, behind)) if caller.trim().starts_with(['T', 'C']) => behind,
        _ => rest,
    };
    let text = rest.strip_prefix(' ').unwrap_or(rest);
    let number = inside.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if number && inside.contains('.') {
        return Some(Prefix { seconds: inside.parse().ok(), time: "", text });
    }
    let days = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
    if days.iter().any(|day| inside.starts_with(day)) || !split_time(inside).0.is_empty() {
        return Some(Prefix { seconds: None, time: inside, text });
    }
    None
}

fn message(line: u32, text: &str) -> Option<KernelMessage> {
    if text.trim().is_empty() {
        return None;
    }
    if let Some(prefix) = prefix(text) {
        let (seconds, time) = (prefix.seconds, prefix.time.to_owned());
        return Some(KernelMessage { line, seconds, time, text: prefix.text.to_owned() });
    }
    // Another program's line of a journal.
    if other_program(text) {
        return None;
    }
    Some(KernelMessage { line, seconds: None, time: String::new(), text: text.to_owned() })
}

/// `Jan 01 12:00:00 host libvirtd[812]: text`.
fn other_program(line: &str) -> bool {
    let Some((before, _)) = line.split_once("]: ") else { return false };
    let mut words = before.split_whitespace().rev();
    let program = words.next().and_then(|word| word.split_once('['));
    let is_pid = |pid: &str| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    let timed = before.bytes().filter(|byte| *byte == b':').count() >= 2;
    timed && program.is_some_and(|(_, pid)| is_pid(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_time() {
        let text = "[    0.000000] Linux version 6.1.0\n[Mon Jan  1 12:00:00 2024] DMAR: IOMMU enabled\n<6>[    1.500000][    T1] a: b\nkern  :warn  : [    2.000000] c\nJan  1 12:00:00 hv1 kernel: [    3.25] d [x]\n2024-01-01T12:00:00+0100 hv1 kernel: e\nJan 01 12:00:00 hv1 libvirtd[812]: not the kernel's\nvfio-pci 0000:01:00.0: enabling device\n\n";
        let (log, _) = KernelLog::read(text);
        let got: Vec<_> = log
            .messages
            .iter()
            .map(|message| (message.line, message.seconds, message.text.as_str()))
            .collect();
        assert_eq!(
            got,
            [
                (1, Some(0.0), "Linux version 6.1.0"),
                (2, None, "DMAR: IOMMU enabled"),
                (3, Some(1.5), "a: b"),
                (4, Some(2.0), "c"),
                (5, Some(3.25), "d [x]"),
                (6, None, "e"),
                (8, None, "vfio-pci 0000:01:00.0: enabling device"),
            ]
        );
        assert_eq!(log.messages[1].time, "Mon Jan  1 12:00:00 2024");
        assert_eq!(log.messages[5].time, "2024-01-01T12:00:00+0100");
        assert_eq!(log.find("DMAR").count(), 1);
    }

    #[test]
    fn the_command_line() {
        for (line, words) in [
            ("[    0.0] Command line: BOOT_IMAGE=/v ro iommu=pt", Some("BOOT_IMAGE=/v ro iommu=pt")),
            ("Jan 01 12:00:00 hv1 kernel: Kernel command line: ro", Some("ro")),
            ("Jan 01 12:00:00 hv1 sshd[812]: Command line: ro", None),
            ("[    0.0] Linux", None),
        ] {
            assert_eq!(command_line(line), words, "{line}");
        }
    }

    #[test]
    fn recognised_by_content_and_the_guest_by_its_name() {
        let text = "[    0.000000] Linux version 6.1.0\n[    0.1] x\n";
        assert_eq!(KernelLog::recognise("x.txt", text), 88);
        assert_eq!(KernelLog::recognise("guest-dmesg.txt", text), 0);
        assert_eq!(KernelLog::recognise("x", "vfio-pci 0000:01:00.0: a\npcieport 0000:00:01.0: b\n"), 70);
        assert_eq!(KernelLog::recognise("x", "Linux version 6.1.0 (a@b)\nx\ny\nz\nACPI: w\nv\n"), 88);
        assert_eq!(KernelLog::recognise("x", "[section]\nkey = value\n[1] other\n"), 0);
        assert_eq!(KernelLog::recognise("dmesg.txt", "x"), 30);
    }
}
