//! What QEMU said: libvirt's `/var/log/libvirt/qemu/NAME.log`, or QEMU's standard error as somebody pasted it.

use crate::qemu_args::{QemuArgs, is_program, unprompted};
use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// How a message is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No mark: QEMU's `error_report` writes none.
    Error,
    /// `warning:`.
    Warning,
    /// `info:`.
    Info,
}

/// One message of QEMU, of libvirt's child before it became QEMU, or of the bridge helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuMessage {
    /// Line in the text.
    pub line: u32,
    /// Time as written; empty where there is none.
    pub time: String,
    /// Who speaks: `qemu-system-x86_64`, `qemu-kvm`, `libvirt`.
    pub program: String,
    /// How it is marked.
    pub severity: Severity,
    /// The option that it is about, with its value (`-device vfio-pci,host=01:00.0`); empty where not said.
    pub option: String,
    /// What is said, without the parts above.
    pub text: String,
}

/// The line that libvirt writes before it starts QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartLine {
    /// Line in the text.
    pub line: u32,
    /// Time as written.
    pub time: String,
    /// libvirt's version, `9.0.0`.
    pub libvirt: String,
    /// QEMU's version as it calls itself, `7.2.4Debian 1:7.2+dfsg-7+deb12u2`.
    pub qemu: String,
    /// The host's kernel release.
    pub kernel: String,
    /// The host's name.
    pub hostname: String,
}

/// One run of QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuRun {
    /// libvirt's start line; none where the text begins in the middle or has no libvirt.
    pub start: Option<StartLine>,
    /// The command line, its lines counted in the whole text.
    pub args: QemuArgs,
    /// Messages in their order.
    pub messages: Vec<QemuMessage>,
    /// Why libvirt marks the domain: `high-privileges`, `custom-argv`, `host-cpu`.
    pub taints: Vec<Spanned<String>>,
    /// `Suberror` of each `KVM internal error`.
    pub kvm_errors: Vec<Spanned<u32>>,
    /// Reason of `shutting down`: `failed`, `crashed`, `shutdown`, `destroyed`; empty where libvirt gives none.
    pub shutdown: Option<Spanned<String>>,
}

/// The runs that a log tells of, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QemuLog {
    /// At least one, unless nothing of QEMU is in the text.
    pub runs: Vec<QemuRun>,
}

impl QemuLog {
    /// The newest run.
    #[must_use]
    pub fn last(&self) -> Option<&QemuRun> {
        self.runs.last()
    }

    /// Messages of all runs.
    pub fn messages(&self) -> impl Iterator<Item = &QemuMessage> {
        self.runs.iter().flat_map(|run| &run.messages)
    }
}

/// One of these stands in every line in which a program of QEMU's or the kernel speaks of a VM.
const NAMES: [&str; 3] = ["qemu", "kvm", "KVM internal error. Suberror"];

impl View for QemuLog {
    const KIND: Kind = Kind::new("qemu_log");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["qemu", "libvirt", "kvm", "KVM internal error. Suberror", "starting up", "shutting down, reason=", " is tainted: "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut runs: Vec<QemuRun> = Vec::new();
        let mut block = Block::default();
        for (number, line) in lines(text) {
            if block.open {
                block.push(line);
                continue;
            }
            if let Some(args) = block.take()
                && let Some(run) = runs.last_mut()
            {
                run.args.commands.extend(args.commands);
            }
            if let Some(start) = start_line(number, line) {
                runs.push(QemuRun { start: Some(start), ..QemuRun::default() });
                continue;
            }
            if begins_command(line) {
                // Without libvirt's start line, a second command is a second run.
                let fresh =
                    runs.last().is_some_and(|run| run.start.is_some() && run.args.commands.is_empty());
                if !fresh {
                    runs.push(QemuRun::default());
                }
                block.begin(number, line);
                continue;
            }
            if runs.is_empty() {
                runs.push(QemuRun::default());
            }
            if let Some(run) = runs.last_mut() {
                read_line(run, number, line);
            }
        }
        if let Some(args) = block.take()
            && let Some(run) = runs.last_mut()
        {
            run.args.commands.extend(args.commands);
        }
        runs.retain(|run| *run != QemuRun::default());
        let issues = if runs.is_empty() { vec![Issue::new(0, "nothing here is QEMU's")] } else { Vec::new() };
        (Self { runs }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut best = 0;
        // Most texts have none of these, and a look through the whole is much faster than one through each line.
        let stands = |words: &str| memchr::memmem::find(head.as_bytes(), words.as_bytes()).is_some();
        let starts = stands("starting up");
        let ends = stands(": shutting down, reason=") || stands(" is tainted: ");
        // Where a program of QEMU's can be named next.
        let find = |name: &str, from: usize| {
            memchr::memmem::find(&head.as_bytes()[from..], name.as_bytes()).map_or(usize::MAX, |at| from + at)
        };
        let mut next = NAMES.map(|name| find(name, 0));
        for line in head.lines() {
            let begin = line.as_ptr() as usize - head.as_ptr() as usize;
            for (name, at) in NAMES.iter().zip(&mut next).filter(|(_, at)| **at < begin) {
                *at = find(name, begin);
            }
            if !starts && !ends && next.iter().all(|at| *at >= begin + line.len()) {
                if next == [usize::MAX; NAMES.len()] {
                    break;
                }
                continue;
            }
            if starts && start_line(1, line).is_some() {
                return 95;
            }
            let said = message(1, line).is_some_and(|message| message.program != "libvirt");
            let kvm = line.starts_with("KVM internal error. Suberror") || line.starts_with("kvm run failed");
            if said || kvm {
                best = best.max(90);
            } else if ends && (line.contains(": shutting down, reason=") || line.contains(" is tainted: ")) {
                best = best.max(80);
            }
        }
        // Kernel and journal lines quote QEMU too.
        let journal = || head.lines().take(50).filter(|line| looks_like_journal(line)).count() > 2;
        if best > 40 && journal() {
            best = 40;
        }
        if name.starts_with("qemu") && name.ends_with(".log") { best.max(30) } else { best }
    }
}

/// A command line being gathered.
#[derive(Default)]
struct Block {
    text: String,
    first: u32,
    open: bool,
}

impl Block {
    fn begin(&mut self, number: u32, line: &str) {
        self.first = number;
        self.push(line);
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.open = line.trim_end().ends_with('\\');
    }

    fn take(&mut self) -> Option<QemuArgs> {
        if self.text.is_empty() {
            return None;
        }
        let args = QemuArgs::read_at(&self.text, self.first);
        *self = Self::default();
        Some(args)
    }
}

/// Whether a line begins a command: variables that libvirt sets, or a QEMU program with an option or a backslash.
fn begins_command(line: &str) -> bool {
    let line = unprompted(line);
    if ["LC_ALL=", "LD_LIBRARY_PATH=", "PATH=", "HOME="].iter().any(|start| line.starts_with(start)) {
        return line.trim_end().ends_with('\\') || line.contains("qemu");
    }
    let mut words = line.split_whitespace().skip_while(|word| matches!(*word, "sudo" | "exec" | "nohup"));
    words.next().is_some_and(is_program)
        && words.next().is_some_and(|word| word.starts_with('-') || word == "\\")
}

fn start_line(line: u32, text: &str) -> Option<StartLine> {
    let at = text.find("starting up libvirt version: ").or_else(|| {
        // libvirt before 1.3 wrote the words alone.
        text.trim_end().ends_with(": starting up").then(|| text.len() - "starting up".len())
    })?;
    let rest = &text[at..];
    let field = |name: &str| {
        let begin = rest.find(name)? + name.len();
        let value = &rest[begin..];
        // Versions hold commas only in a package's packager, which is not kept.
        Some(value[..value.find(", ").unwrap_or(value.len())].trim().to_owned())
    };
    Some(StartLine {
        line,
        time: text[..at].trim_end_matches([':', ' ']).to_owned(),
        libvirt: field("libvirt version: ").unwrap_or_default(),
        qemu: field("qemu version: ").unwrap_or_default(),
        kernel: field("kernel: ").unwrap_or_default(),
        hostname: field("hostname: ").unwrap_or_default(),
    })
}

fn read_line(run: &mut QemuRun, number: u32, line: &str) {
    if let Some(rest) = line.split_once("KVM internal error. Suberror:").map(|parts| parts.1) {
        let suberror = rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        run.kvm_errors.push(Spanned::new(suberror, number));
    } else if let Some((_, reason)) = line.split_once("shutting down") {
        let reason = reason.strip_prefix(", reason=").unwrap_or_default();
        run.shutdown = Some(Spanned::new(reason.trim().to_owned(), number));
    } else if let Some((_, why)) = line.split_once(" is tainted: ") {
        run.taints.push(Spanned::new(why.trim().to_owned(), number));
    } else if let Some(message) = message(number, line) {
        run.messages.push(message);
    }
}

/// `[time ]program: [-option value: ][warning: ]text`.
fn message(line: u32, text: &str) -> Option<QemuMessage> {
    let (time, rest) = split_time(text.trim_start());
    let (program, rest) = crate::lines::colon(rest)?;
    // `qemu-system-x86_64:/etc/qemu.cfg:3` names a place in a configuration file.
    let name = program.split(':').next().unwrap_or(program);
    let name = name.rsplit('/').next().unwrap_or(name);
    let known = is_program(name)
        || matches!(name, "qemu" | "libvirt" | "qemu-bridge-helper" | "qemu-img" | "qemu-nbd" | "qemu-io");
    if !known || name.contains(' ') {
        return None;
    }
    let mut rest = rest.trim_start();
    let mut option = "";
    let severity = severity(&mut rest);
    if rest.starts_with('-')
        && let Some((about, said)) = split_option(rest)
    {
        (option, rest) = (about, said);
    }
    // A warning about an option has its mark in front of the option or behind it.
    let severity = if severity == Severity::Error { self::severity(&mut rest) } else { severity };
    // The kernel's module speaks under the same name: `kvm: disabled by bios`.
    if name == "kvm" && option.is_empty() && time.is_empty() {
        return None;
    }
    Some(QemuMessage {
        line,
        time: time.to_owned(),
        program: name.to_owned(),
        severity,
        option: option.to_owned(),
        text: rest.trim().to_owned(),
    })
}

fn severity(text: &mut &str) -> Severity {
    for (mark, severity) in [
        ("warning: ", Severity::Warning),
        ("Warning: ", Severity::Warning),
        ("info: ", Severity::Info),
        ("error: ", Severity::Error),
    ] {
        if let Some(rest) = text.strip_prefix(mark) {
            *text = rest;
            return severity;
        }
    }
    Severity::Error
}

/// `-device vfio-pci,host=0000:01:00.0: text`: the option ends at the first colon that a blank follows.
fn split_option(text: &str) -> Option<(&str, &str)> {
    let (option, said) = text.split_once(": ")?;
    // `-device {"driver":"vfio-pci", ...}` may have a blank behind a colon: go on to the closing brace.
    if let (Some(_), Some(end)) = (option.find(" {"), text.find("}: ")) {
        return Some((&text[..=end], &text[end + 3..]));
    }
    Some((option, said))
}

/// A time in front: RFC 3339 as `-msg timestamp=on` writes it, or libvirt's `2024-01-01 12:00:00.123+0000:`.
pub(crate) fn split_time(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let shape = |at: usize, expected: u8| match expected {
        b'd' => bytes.get(at).is_some_and(u8::is_ascii_digit),
        b'T' => matches!(bytes.get(at), Some(b'T' | b' ')),
        other => bytes.get(at) == Some(&other),
    };
    if !b"dddd-dd-ddTdd:dd:dd".iter().enumerate().all(|(at, expected)| shape(at, *expected)) {
        return ("", text);
    }
    let end =
        19 + bytes[19..].iter().take_while(|byte| byte.is_ascii_digit() || b".+-Z:".contains(byte)).count();
    let (time, rest) = text.split_at(end);
    (time.trim_end_matches(':'), rest.trim_start())
}

/// `Jan 01 12:00:00 host kernel:` and the like.
fn looks_like_journal(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let month = words
        .next()
        .is_some_and(|word| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
    month
        && words.next().is_some_and(|day| day.len() <= 2 && day.bytes().all(|byte| byte.is_ascii_digit()))
        && words.next().is_some_and(|time| time.len() >= 8 && time.as_bytes().get(2) == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2024-05-01 10:00:00.123+0000: starting up libvirt version: 9.0.0, package: 9.0.0-4+deb12u1 (Debian), qemu version: 7.2.9Debian 1:7.2+dfsg-7+deb12u5, kernel: 6.1.0-20-amd64, hostname: hv1
LC_ALL=C \\
PATH=/usr/bin \\
/usr/bin/qemu-system-x86_64 \\
-name guest=web,debug-threads=on \\
-device '{\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.0\"}' \\
-msg timestamp=on
Domain id=3 is tainted: high-privileges
char device redirected to /dev/pts/1 (label charserial0)
2024-05-01T10:00:00.456789Z qemu-system-x86_64: -device {\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.0\"}: vfio 0000:01:00.0: group 1 is not viable
2024-05-01T10:00:00.456799Z qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.80000001H:ECX.svm [bit 2]
2024-05-01 10:00:01.000+0000: shutting down, reason=failed
2024-05-01 11:00:00.123+0000: starting up libvirt version: 9.0.0, qemu version: 7.2.9, kernel: 6.1.0-20-amd64, hostname: hv1
KVM internal error. Suberror: 1
extra data[0]: 0x0000000000000001
emulation failure
";

    #[test]
    fn runs_of_a_libvirt_log() {
        let (log, issues) = QemuLog::read(LOG);
        assert_eq!(issues, []);
        assert_eq!(log.runs.len(), 2);
        let run = &log.runs[0];
        let start = run.start.as_ref().expect("it has one");
        assert_eq!((start.line, start.libvirt.as_str(), start.hostname.as_str()), (1, "9.0.0", "hv1"));
        assert_eq!(start.qemu, "7.2.9Debian 1:7.2+dfsg-7+deb12u5");
        assert_eq!(start.time, "2024-05-01 10:00:00.123+0000");
        assert_eq!(run.args.first("device").map(|device| device.line), Some(6));
        assert_eq!(run.taints, [Spanned::new("high-privileges".to_owned(), 8)]);
        assert_eq!(run.messages.len(), 2);
        assert_eq!(run.messages[0].text, "vfio 0000:01:00.0: group 1 is not viable");
        assert!(run.messages[0].option.starts_with("-device {") && run.messages[0].option.ends_with('}'));
        assert_eq!((run.messages[1].severity, run.messages[1].line), (Severity::Warning, 11));
        assert_eq!(run.shutdown, Some(Spanned::new("failed".to_owned(), 12)));
        assert_eq!(log.last().map(|run| run.kvm_errors.clone()), Some(vec![Spanned::new(1, 14)]));
    }

    #[test]
    fn pasted_standard_error() {
        let text = "user@host:~$ qemu-system-x86_64 -m 1G \\\n  -drive file=a.img\nqemu-system-x86_64: -drive file=a.img: Could not open 'a.img': Permission denied\n$ qemu-system-x86_64 -cpu nope\nqemu-system-x86_64: unable to find CPU model 'nope'\nqemu-kvm:/etc/q.cfg:3: bad\nsomething else: here\n";
        let (log, _) = QemuLog::read(text);
        assert_eq!(log.runs.len(), 2);
        assert_eq!(log.runs[0].args.first("drive").map(|drive| drive.line), Some(2));
        let first = &log.runs[0].messages[0];
        assert_eq!(first.option, "-drive file=a.img");
        assert_eq!(first.text, "Could not open 'a.img': Permission denied");
        let texts: Vec<&str> = log.messages().map(|message| message.text.as_str()).collect();
        assert_eq!(texts[1..], ["unable to find CPU model 'nope'", "bad"]);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(QemuLog::recognise("x", LOG), 95);
        assert_eq!(QemuLog::recognise("x", "qemu-system-x86_64: -cpu x: nope\n"), 90);
        assert_eq!(QemuLog::recognise("x", "nothing: here\n"), 0);
        assert_eq!(QemuLog::recognise("x", "kvm: disabled by bios\n"), 0);
        assert_eq!(QemuLog::recognise("x", "kvm: -device vfio-pci,host=01:00.0: no\n"), 90);
        let journal = "May 01 10:00:00 hv1 kernel: x\n".repeat(5) + "qemu-system-x86_64: a\n";
        assert!(QemuLog::recognise("x", &journal) <= 40);
        assert_eq!(QemuLog::recognise("qemu.log", ""), 30);
    }

    #[test]
    fn nothing_of_qemu() {
        let (log, issues) = QemuLog::read("hello\nworld\n");
        assert_eq!(log.runs, []);
        assert_eq!(issues.len(), 1);
    }
}
