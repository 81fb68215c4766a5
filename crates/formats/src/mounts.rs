//! Mounted file systems: `/proc/mounts`, `/proc/self/mountinfo`, `mount`, `findmnt`.

use crate::{View, lines::lines};
use memchr::memmem::Finder;
use std::sync::LazyLock;
use vmwright_model::{Issue, Kind};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Line in the text.
    pub line: u32,
    /// What is mounted.
    pub source: String,
    /// Where.
    pub target: String,
    /// Type of the file system.
    pub fs_type: String,
    /// Options, separated by commas.
    pub options: String,
}

impl Mount {
    /// The value of an option (`pagesize`), empty for one without value (`ro`); none where it is not set.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.split(',').find_map(|option| match option.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (option == name).then_some(""),
        })
    }
}

/// The mounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts {
    /// In the order of the text.
    pub mounts: Vec<Mount>,
}

impl Mounts {
    /// Mounts of one type.
    pub fn of_type<'a>(&'a self, fs_type: &'a str) -> impl Iterator<Item = &'a Mount> {
        self.mounts.iter().filter(move |mount| mount.fs_type == fs_type)
    }

    /// The mount that a path lies on: the last of those with the longest target.
    #[must_use]
    pub fn of_path(&self, path: &str) -> Option<&Mount> {
        let holds = |mount: &&Mount| {
            let target = mount.target.trim_end_matches('/');
            path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.mounts.iter().filter(holds).max_by_key(|mount| mount.target.len())
    }
}

impl View for Mounts {
    const KIND: Kind = Kind::new("mounts");
    const SUREST: u8 = 90;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', '$']) || is_findmnt_header(trimmed) {
                continue;
            }
            match mount(number, trimmed) {
                Some(mount) => view.mounts.push(mount),
                None => issues.push(Issue::new(number, "not a mount")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if head.lines().take(5).any(|line| is_findmnt_header(line.trim())) {
            return 90;
        }
        match crate::lines::most(head, (2, 3), |line| mount(1, line.trim()).is_some()) > 0 {
            true => 85,
            false if name.contains("mount") => 25,
            false => 0,
        }
    }
}

fn is_findmnt_header(line: &str) -> bool {
    line.split_whitespace().eq(["TARGET", "SOURCE", "FSTYPE", "OPTIONS"])
}

/// Whether a word can be mount options: it always begins with `rw` or `ro`, or holds one of the usual ones.
fn are_options(word: &str) -> bool {
    word.split(',').any(|option| matches!(option, "rw" | "ro" | "defaults"))
}

/// What finds the words by which mounts are known: to make it takes longer than to go through a line with it.
static NONE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("none"));
static ON: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(" on /"));
static DASH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(" - "));

/// What stands before the first of some words, and behind it.
fn split<'t>(text: &'t str, words: &Finder<'_>) -> Option<(&'t str, &'t str)> {
    let at = words.find(text.as_bytes())?;
    Some((&text[..at], &text[at + words.needle().len()..]))
}

fn mount(line: u32, text: &str) -> Option<Mount> {
    // Every mount names where it is, and nearly no other line has to be looked at then.
    if memchr::memchr(b'/', text.as_bytes()).is_none() && NONE.find(text.as_bytes()).is_none() {
        return None;
    }
    let make = |source: &str, target: &str, fs_type: &str, options: &str| {
        let fits = (target.starts_with('/') || target == "none") && are_options(options);
        fits.then(|| Mount {
            line,
            source: unescape(source),
            target: unescape(target),
            fs_type: fs_type.to_owned(),
            options: options.to_owned(),
        })
    };
    // `hugetlbfs on /dev/hugepages type hugetlbfs (rw,relatime,pagesize=2M)`.
    if let Some((source, rest)) = split(text, &ON)
        && let Some((target, rest)) = rest.rsplit_once(" type ")
        && let Some((fs_type, options)) = rest.split_once(" (")
    {
        return make(source, &format!("/{target}"), fs_type, options.split(')').next()?);
    }
    // mountinfo (proc_pid_mountinfo(5)): `36 35 98:0 / /srv rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue`.
    if let Some((before, behind)) = split(text, &DASH)
        && let [id, parent, device, _, target, own, ..] = before.split(' ').collect::<Vec<_>>()[..]
        && let [fs_type, source, whole] = behind.split(' ').collect::<Vec<_>>()[..]
        && [id, parent].iter().all(|word| word.parse::<u32>().is_ok())
        && device.contains(':')
    {
        return make(source, target, fs_type, &format!("{own},{whole}"));
    }
    // The tree of findmnt is drawn in front of the target.
    let bare = text.trim_start_matches(|letter: char| "├─└│|`- ".contains(letter));
    let words: Vec<&str> = bare.split_whitespace().take(7).collect();
    match words[..] {
        // findmnt: target first. `/proc/mounts` has two numbers at the end.
        [target, source, fs_type, options] if target.starts_with('/') => {
            make(source, target, fs_type, options)
        }
        [source, target, fs_type, options, ..] => make(source, target, fs_type, options),
        _ => None,
    }
}

/// Blanks, tabs, line ends and backslashes are octal in `/proc/mounts` (getmntent(3)).
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        let text = "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n/dev/sda1 /srv/my\\040vms ext4 ro 0 0\ntmpfs on /run/x y type tmpfs (rw,nosuid)\nTARGET SOURCE FSTYPE OPTIONS\n/ /dev/vda1 ext4 rw\n├─/dev/shm tmpfs tmpfs rw,nosuid\nodd\n";
        let (view, issues) = Mounts::read(text);
        assert_eq!(issues, [Issue::new(7, "not a mount")]);
        let huge = view.of_type("hugetlbfs").next().expect("it is there");
        assert_eq!(
            (huge.line, huge.target.as_str(), huge.option("pagesize")),
            (1, "/dev/hugepages", Some("2M"))
        );
        assert_eq!(view.of_path("/srv/my vms/a.img").map(|mount| mount.option("ro")), Some(Some("")));
        assert_eq!(view.mounts[2].target, "/run/x y");
        assert_eq!(view.of_path("/dev/shm").map(|mount| mount.line), Some(6));
        assert_eq!(view.of_path("/home").map(|mount| mount.line), Some(5));
    }

    #[test]
    fn mountinfo() {
        let text = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda ro,errors=continue\n36 22 0:44 / /srv/a\\040b rw,nodev - nfs4 server:/x rw,vers=4.2\n";
        let (view, issues) = Mounts::read(text);
        assert_eq!(issues, []);
        let share = view.of_path("/srv/a b/x.img").expect("it is there");
        assert_eq!((share.line, share.fs_type.as_str(), share.source.as_str()), (2, "nfs4", "server:/x"));
        assert_eq!((share.option("vers"), share.option("nodev")), (Some("4.2"), Some("")));
        assert_eq!(Mounts::recognise("x", text), 85);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(Mounts::recognise("x", "proc /proc proc rw,nosuid 0 0\n"), 85);
        assert_eq!(Mounts::recognise("x", "TARGET SOURCE FSTYPE OPTIONS\n"), 90);
        assert_eq!(Mounts::recognise("x", "a b c d\n"), 0);
    }
}
