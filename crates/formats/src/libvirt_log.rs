//! What libvirt says: `libvirtd.log`, the journal of its daemons, the output of `virsh`, the window of virt-manager.

use crate::qemu_log::split_time;
use crate::{View, lines::lines, lines::share};
use vmwright_model::{Issue, Kind};

/// How a message is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibvirtSeverity {
    /// `error`.
    Error,
    /// `warning`.
    Warning,
    /// `info`, or no mark.
    Info,
    /// `debug`.
    Debug,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibvirtMessage {
    /// Line in the text.
    pub line: u32,
    /// Time as written; empty where there is none.
    pub time: String,
    /// Who speaks: `libvirtd`, `virtqemud`, `virsh`, `virt-manager`; empty where the log does not say.
    pub program: String,
    /// How it is marked.
    pub severity: LibvirtSeverity,
    /// Function of the source that says it; empty where not written.
    pub function: String,
    /// What is said.
    pub text: String,
}

/// libvirt's messages in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibvirtLog {
    /// The messages.
    pub messages: Vec<LibvirtMessage>,
}

impl LibvirtLog {
    /// Messages marked as errors.
    pub fn errors(&self) -> impl Iterator<Item = &LibvirtMessage> {
        self.messages.iter().filter(|message| message.severity == LibvirtSeverity::Error)
    }
}

/// Daemons of libvirt and of its helpers.
const DAEMONS: [&str; 12] = [
    "libvirtd",
    "virtqemud",
    "virtnetworkd",
    "virtstoraged",
    "virtlogd",
    "virtlockd",
    "virtproxyd",
    "virtnodedevd",
    "virtsecretd",
    "virtinterfaced",
    "virtnwfilterd",
    "virtchd",
];

impl View for LibvirtLog {
    const KIND: Kind = Kind::new("libvirt_log");
    const SUREST: u8 = 85;

    // How severe a message is, whose it is, and how virt-manager's begin.
    const MARKS: &[&str] = &["error", "warning", "info", "debug", "virt", "Error ", "Unable to "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let messages = lines(text).filter_map(|(number, line)| message(number, line)).collect();
        (Self { messages }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = share(head, |line| message(1, line).is_some());
        let named =
            ["libvirt", "virsh", "virt-manager", "virtqemud"].iter().any(|part| name.starts_with(part));
        match (hits, named) {
            (0, false) => 0,
            (0, true) => 25,
            (_, true) => 85,
            // `error: ` alone is many programs' mark.
            (_, false) if hits * 3 >= all => {
                let sure = head.contains("libvirt") || head.contains("virsh ") || head.contains("omain");
                if sure { 80 } else { 35 }
            }
            (_, false) => 20,
        }
    }
}

fn message(line: u32, text: &str) -> Option<LibvirtMessage> {
    let text = text.trim();
    let (time, rest) = split_time(text);
    if !time.is_empty()
        && let Some(message) = daemon(line, time, rest)
    {
        return Some(message);
    }
    if let Some(message) = journal(line, text) {
        return Some(message);
    }
    let plain = |program: &str, severity, said: &str| LibvirtMessage {
        line,
        time: String::new(),
        program: program.to_owned(),
        severity,
        function: String::new(),
        text: said.trim().to_owned(),
    };
    if let Some(said) = text.strip_prefix("error: ") {
        return Some(plain("virsh", LibvirtSeverity::Error, said));
    }
    if let Some(said) = text.strip_prefix("libvirt: ").or_else(|| text.strip_prefix("libvirt:  ")) {
        // `libvirt: QEMU Driver error : text`.
        let (_, said) = said.split_once("error : ")?;
        return Some(plain("", LibvirtSeverity::Error, said));
    }
    if let Some(said) =
        text.strip_prefix("libvirt.libvirtError: ").or_else(|| text.strip_prefix("libvirtError: "))
    {
        return Some(plain("virt-manager", LibvirtSeverity::Error, said));
    }
    for start in [
        "Error starting domain: ",
        "Unable to complete install: ",
        "Error creating ",
        "Unable to connect to libvirt",
    ] {
        if let Some(said) = text.strip_prefix(start) {
            let said = if said.is_empty() || start.ends_with("libvirt") { text } else { said };
            return Some(plain("virt-manager", LibvirtSeverity::Error, said.trim_matches('\'')));
        }
    }
    None
}

/// `2024-01-01 12:00:00.123+0000: 812: error : virFileReadAll:1447 : text`; the time is cut off.
fn daemon(line: u32, time: &str, rest: &str) -> Option<LibvirtMessage> {
    let (thread, rest) = rest.split_once(": ")?;
    if thread.is_empty() || !thread.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (mark, rest) = rest.split_once(" : ").or_else(|| rest.split_once(": "))?;
    let severity = severity(mark.trim())?;
    let function = |word: &str| !word.is_empty() && !word.contains(' ') && word.contains(':');
    let (function, said) = match rest.split_once(" : ") {
        Some((place, said)) if function(place) => (place.split(':').next().unwrap_or_default(), said),
        _ => ("", rest),
    };
    Some(LibvirtMessage {
        line,
        time: time.to_owned(),
        program: String::new(),
        severity,
        function: function.to_owned(),
        text: said.trim().to_owned(),
    })
}

fn severity(mark: &str) -> Option<LibvirtSeverity> {
    Some(match mark {
        "error" => LibvirtSeverity::Error,
        "warning" => LibvirtSeverity::Warning,
        "info" => LibvirtSeverity::Info,
        "debug" => LibvirtSeverity::Debug,
        _ => return None,
    })
}

/// `Jan 01 12:00:00 host libvirtd[812]: text`.
fn journal(line: u32, text: &str) -> Option<LibvirtMessage> {
    let (before, said) = text.split_once("]: ")?;
    let (before, _pid) = before.rsplit_once('[')?;
    let program = before.rsplit(' ').next().filter(|program| DAEMONS.contains(program))?;
    let time = before[..before.len() - program.len()].trim_end();
    let time = time.rsplit_once(' ').map_or(time, |parts| parts.0);
    // The journal has no marks; libvirt sends there what it logs as warning or worse. Some set-ups write the
    // whole line of the log file into it.
    let (inner_time, rest) = split_time(said);
    if !inner_time.is_empty()
        && let Some(inner) = daemon(line, inner_time, rest)
    {
        return Some(LibvirtMessage { program: program.to_owned(), time: time.to_owned(), ..inner });
    }
    Some(LibvirtMessage {
        line,
        time: time.to_owned(),
        program: program.to_owned(),
        severity: if said.starts_with("libvirt version:") || said.starts_with("hostname:") {
            LibvirtSeverity::Info
        } else {
            LibvirtSeverity::Error
        },
        function: String::new(),
        text: said.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "2024-05-01 10:00:00.123+0000: 812: error : virNetDevGetFlags:123 : Cannot get interface flags on 'br9': No such device
2024-05-01 10:00:01.123+0000: 812: info : libvirt version: 9.0.0
May 01 10:00:00 hv1 libvirtd[812]: internal error: process exited while connecting to monitor
May 01 10:00:00 hv1 sshd[1]: no
error: Failed to start domain 'web'
error: Cannot access storage file '/x' (as uid:64055, gid:108): Permission denied
libvirt: QEMU Driver error : Domain not found
libvirt.libvirtError: unsupported configuration: x
Error starting domain: Requested operation is not valid
";

    #[test]
    fn every_form() {
        let (log, _) = LibvirtLog::read(TEXT);
        let got: Vec<_> = log
            .messages
            .iter()
            .map(|message| (message.line, message.program.as_str(), message.text.as_str()))
            .collect();
        assert_eq!(
            got,
            [
                (1, "", "Cannot get interface flags on 'br9': No such device"),
                (2, "", "libvirt version: 9.0.0"),
                (3, "libvirtd", "internal error: process exited while connecting to monitor"),
                (5, "virsh", "Failed to start domain 'web'"),
                (6, "virsh", "Cannot access storage file '/x' (as uid:64055, gid:108): Permission denied"),
                (7, "", "Domain not found"),
                (8, "virt-manager", "unsupported configuration: x"),
                (9, "virt-manager", "Requested operation is not valid"),
            ]
        );
        assert_eq!(log.messages[0].function, "virNetDevGetFlags");
        assert_eq!(log.messages[0].time, "2024-05-01 10:00:00.123+0000");
        assert_eq!(log.messages[2].time, "May 01 10:00:00");
        assert_eq!(log.errors().count(), 7);
    }

    #[test]
    fn every_daemon_has_a_mark() {
        assert!(DAEMONS.iter().all(|daemon| daemon.contains("virt")) && LibvirtLog::MARKS.contains(&"virt"));
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(LibvirtLog::recognise("x", TEXT), 80);
        assert_eq!(LibvirtLog::recognise("virsh-output.txt", "error: x\n"), 85);
        assert_eq!(LibvirtLog::recognise("build.log", "error: x\nnote: y\n"), 35);
        assert_eq!(LibvirtLog::recognise("x", "hello\n"), 0);
    }
}
