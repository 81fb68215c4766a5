//! Running VMM processes, as vmwright's probe writes them: `pid 12 user root exe qemu-system-x86_64 : argv`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// A running VMM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmmProcess {
    /// Line in the text.
    pub line: u32,
    /// Process id.
    pub pid: u32,
    /// Its user's name, or number where it has no name; `-` where it is gone.
    pub user: String,
    /// Its program: a name, or a path where the listing has one.
    pub exe: String,
    /// Its command line, words joined by blanks. Untrusted.
    pub argv: String,
}

/// The running VMMs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmmProcesses {
    /// In the order of the text.
    pub processes: Vec<VmmProcess>,
}

impl View for VmmProcesses {
    const KIND: Kind = Kind::new("vmm_processes");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["pid "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            // An empty listing is the single word `none`.
            if line.trim().is_empty() || line.trim() == "none" {
                continue;
            }
            match process(number, line) {
                Some(process) => view.processes.push(process),
                None => issues.push(Issue::new(number, "not a line of the VMM probe")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        match head.lines().find(|line| !line.trim().is_empty()).and_then(|line| process(1, line)) {
            Some(_) => 95,
            None if name == "vmm-processes" => 30,
            None => 0,
        }
    }
}

fn process(line: u32, text: &str) -> Option<VmmProcess> {
    let (pid, rest) = text.strip_prefix("pid ")?.split_once(' ')?;
    let (user, rest) = rest.strip_prefix("user ")?.split_once(" exe ")?;
    let (exe, argv) = rest.split_once(" : ").or_else(|| Some((rest.strip_suffix(" :")?, "")))?;
    Some(VmmProcess {
        line,
        pid: pid.parse().ok()?,
        user: user.to_owned(),
        exe: exe.to_owned(),
        argv: argv.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read() {
        let text =
            "pid 77 user nobody exe /usr/bin/qemu-system-x86_64 (deleted) : qemu -name a : b\nnone\nodd\n";
        let (view, issues) = VmmProcesses::read(text);
        assert_eq!(issues, [Issue::new(3, "not a line of the VMM probe")]);
        let first = &view.processes[0];
        assert_eq!((first.pid, first.user.as_str()), (77, "nobody"));
        assert_eq!(first.exe, "/usr/bin/qemu-system-x86_64 (deleted)");
        assert_eq!(first.argv, "qemu -name a : b");
        assert_eq!(VmmProcesses::recognise("x", text), 95);
        assert_eq!(VmmProcesses::recognise("x", "pid 7 user a holds /x name y : z"), 0);
    }
}
