//! What somebody typed into a terminal and what it answered, in a text that was pasted: each answer is a text of its own.
//!
//! People paste `lscpu`, three files of `/sys` and a domain one below the other. Views know a text by what it is, and a
//! file by its path: so each answer is told as a text with the command's name, or that of the file which was shown.
//! Its lines are quoted from where they stand.
//!
//! | a text has | what is told |
//! |---|---|
//! | `$ lscpu`, `root@pve:~# lscpu`, `[root@host ~]# lscpu` | what follows, until the next command, as `lscpu` |
//! | `$ cat /proc/cmdline`, `/etc/hosts:` on a line of its own | what follows as the file |
//! | `/sys/kernel/mm/ksm/run:1` (`grep . /sys/...`) | the value as the file |
//!
//! What went through a filter (`lspci | grep VGA`) is not told: that a line is missing there says nothing.

/// How many answers of one text are told at most.
const MOST: usize = 256;

/// How long what stands before a command is at most, in bytes.
const PROMPT: usize = 64;

/// Commands that tell of a host. Behind a lone `#`, which begins a remark too, these alone are commands.
const COMMANDS: [&str; 58] = [
    "bridge",
    "brctl",
    "cat",
    "ceph",
    "cpupower",
    "df",
    "dmesg",
    "dmidecode",
    "dmsetup",
    "efibootmgr",
    "ethtool",
    "findmnt",
    "firewall-cmd",
    "free",
    "getenforce",
    "grep",
    "hostname",
    "id",
    "ip",
    "iptables",
    "iptables-save",
    "journalctl",
    "kubectl",
    "ls",
    "lsblk",
    "lscpu",
    "lsmod",
    "lspci",
    "lsusb",
    "lvs",
    "modinfo",
    "mokutil",
    "mount",
    "nft",
    "numactl",
    "numastat",
    "nvidia-smi",
    "oc",
    "ovs-ofctl",
    "ovs-vsctl",
    "ps",
    "pvs",
    "pvesm",
    "qemu-img",
    "qm",
    "rbd",
    "ss",
    "stat",
    "sysctl",
    "systemctl",
    "top",
    "ufw",
    "uname",
    "vgs",
    "virsh",
    "virt-host-validate",
    "vmstat",
    "zpool",
];

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'t> {
    /// The command as it was typed, or the absolute path of the file that it shows.
    pub name: &'t str,
    /// What it answered.
    pub text: &'t str,
    /// How many lines stand before it.
    pub before: u32,
}

impl Answer<'_> {
    /// Whether it is what a file holds.
    pub(crate) fn is_file(&self) -> bool {
        self.name.starts_with('/')
    }
}

/// The answers in a text, in their order. Takes one look at each line.
pub(crate) fn answers(text: &str) -> Vec<Answer<'_>> {
    let mut found: Vec<Answer<'_>> = Vec::new();
    let mut open: Option<(&str, usize, u32)> = None;
    let (mut at, mut before) = (0, 0);
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end();
        let heading = typed(line);
        if heading.is_some() {
            close(&mut found, open.take(), text, at);
            open = heading.and_then(named).map(|name| (name, at + whole.len(), before + 1));
        } else if let Some((path, value)) = listed(line) {
            let answer = Answer { name: path, text: value, before };
            found.extend(Some(answer).filter(|_| found.len() < MOST));
        }
        at += whole.len();
        before += 1;
    }
    close(&mut found, open, text, text.len());
    found
}

fn close<'t>(found: &mut Vec<Answer<'t>>, open: Option<(&'t str, usize, u32)>, text: &'t str, end: usize) {
    let Some((name, begin, before)) = open else { return };
    let Some(answer) = text.get(begin..end).filter(|answer| !answer.trim().is_empty()) else { return };
    let answer = Answer { name, text: answer, before };
    // What `cat` complains of is not what the file holds.
    let refused = answer.is_file()
        && answer.text.lines().next().is_some_and(|line| line.contains(": No such "))
        || answer.is_file() && answer.text.starts_with("cat: ");
    if found.len() < MOST && !refused {
        found.push(answer);
    }
}

/// What was typed on a line, without the prompt; a file's path where the line is a heading.
fn typed(line: &str) -> Option<&str> {
    let heading = line.strip_suffix(':').filter(|path| path.starts_with("/etc/") && !path.contains(' '));
    if heading.is_some() {
        return heading;
    }
    if line.starts_with("cat /") {
        return Some(line);
    }
    if let Some(rest) = line.strip_prefix("$ ") {
        return rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/').then_some(rest);
    }
    if let Some(rest) = line.strip_prefix("# ") {
        return is_known(rest).then_some(rest);
    }
    let end = line.find("$ ").or_else(|| line.find("# ")).filter(|end| *end <= PROMPT)?;
    let (prompt, rest) = (&line[..end], &line[end + 2..]);
    let bracketed = prompt.starts_with('[') && prompt.ends_with(']');
    let plain = !prompt.contains(|letter: char| letter.is_whitespace() || "=\"'<>()|".contains(letter));
    ((bracketed || plain) && is_known(rest)).then_some(rest)
}

/// Whether this begins with a command that is known.
fn is_known(typed: &str) -> bool {
    let program = bare(typed).split_whitespace().next().unwrap_or("");
    COMMANDS.contains(&program.rsplit('/').next().unwrap_or(program))
}

/// A command without `sudo`.
fn bare(typed: &str) -> &str {
    typed.trim().strip_prefix("sudo ").unwrap_or(typed.trim())
}

/// The name under which the answer of a command is told; none of one whose answer went through a filter.
fn named(typed: &str) -> Option<&str> {
    let command = bare(typed);
    let command = command.split(" 2>").next().unwrap_or(command).trim_end();
    if command.contains(['|', ';', '&', '>', '`']) {
        return None;
    }
    let mut words = command.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("cat" | "less" | "more"), Some(path), None) => path.starts_with('/').then_some(path),
        (Some("cat" | "less" | "more"), ..) => None,
        _ => Some(command),
    }
}

/// A file of one line as `grep` lists it with its path.
fn listed(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with("/sys/") && !line.starts_with("/proc/sys/") {
        return None;
    }
    // Addresses in paths have colons too: the value follows the last part of the path.
    let last = line.rfind('/')?;
    let end = last + line[last..].find(':')?;
    let (path, value) = (&line[..end], &line[end + 1..]);
    let plain = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    // A folder that is named by an address.
    let address = path[last + 1..].bytes().all(|byte| byte.is_ascii_hexdigit());
    (plain(path) && !address && !value.trim().is_empty()).then_some((path, value))
}

#[cfg(test)]
mod tests {
    use super::{Answer, answers};

    fn told(text: &str) -> Vec<(&str, &str, u32)> {
        answers(text).into_iter().map(|Answer { name, text, before }| (name, text, before)).collect()
    }

    #[test]
    fn answers_of_commands_are_told_apart() {
        let text =
            "my host:\n$ lscpu\nCPU(s): 4\n\nroot@pve:~# cat /proc/cmdline\nquiet\n[root@a b]# virsh list\n";
        assert_eq!(told(text), [("lscpu", "CPU(s): 4\n\n", 2), ("/proc/cmdline", "quiet\n", 5)]);
        assert_eq!(told("node1# dmidecode -s x\r\ny\r\n"), [("dmidecode -s x", "y\r\n", 1)]);
        assert_eq!(told("/etc/hosts:\n127.0.0.1 a\n"), [("/etc/hosts", "127.0.0.1 a\n", 1)]);
        assert_eq!(told("# sudo cat /etc/hosts 2>/dev/null\nb"), [("/etc/hosts", "b", 1)]);
    }

    #[test]
    fn listed_files_are_told_with_their_values() {
        let text = "/sys/kernel/mm/ksm/run:1\n/sys/bus/pci/devices/0000:01:00.0/numa_node:-1\n";
        let run = ("/sys/kernel/mm/ksm/run", "1", 0);
        assert_eq!(told(text), [run, ("/sys/bus/pci/devices/0000:01:00.0/numa_node", "-1", 1)]);
        assert!(told("/sys/bus/pci/devices/0000:01:00.0\n/sys/a b:c\n/sys/a:\n").is_empty());
    }

    #[test]
    fn what_was_filtered_refused_or_remarked_is_not_told() {
        for text in [
            "$ lspci | grep VGA\n01:00.0 VGA\n",
            "$ cat /proc/cmdline\ncat: /proc/cmdline: No such file or directory\n",
            "# the settings of libvirt\nuser = \"root\"\n",
            "price is 5$ and lspci\nx\n",
            "$ lscpu\n",
            "",
        ] {
            assert!(told(text).is_empty(), "{text:?}: {:?}", told(text));
        }
    }

    #[test]
    fn nobody_pastes_more_than_is_told() {
        let many = "$ cat /a\nb\n".repeat(1000);
        assert_eq!(told(&many).len(), super::MOST);
    }
}
