//! Records `df -Tk` and `df -Ti`: space and inodes of the file systems that hold data, laid out as coreutils `df`
//! does it. Each file system is asked on its own, so that a dead server keeps nobody waiting for the others.

use crate::bounded::within_each;
use crate::live::Collector;
use crate::text::escape;
use rustix::fs::{StatVfs, statvfs};
use std::fmt::Write as _;
use std::time::Duration;
use vmwright_model::Kind;

/// How long one file system may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most file systems that are asked.
const MOST: usize = 128;

/// Kinds without data of their own (proc(5), `filesystems`), and those whose question mounts something.
pub(crate) const EMPTY: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.gvfsd-fuse",
    "fuse.portal",
    "fusectl",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "sysfs",
    "tracefs",
    "squashfs",
];

/// One mount.
#[derive(Clone)]
struct Mounted {
    source: String,
    kind: String,
    target: String,
}

pub(super) fn run(collector: &mut Collector<'_>) {
    let mounts = collector.within(|| std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let mounts = mounts.map(|text| listed(&text)).unwrap_or_default();
    let (mut blocks, mut inodes) = (
        "Filesystem Type 1K-blocks Used Available Use% Mounted on\n".to_owned(),
        "Filesystem Type Inodes IUsed IFree IUse% Mounted on\n".to_owned(),
    );
    let ask = |mount: &Mounted| statvfs(mount.target.as_str());
    within_each(
        || collector.time(PATIENCE),
        &mounts,
        ask,
        |mount, answer| match answer {
            Ok(Ok(found)) => tell(mount, &found, &mut blocks, &mut inodes),
            // As df says it on its standard error.
            Ok(Err(error)) => refused(mount, &crate::file::system_words(error), &mut blocks),
            Err(why) => refused(mount, &why.to_string(), &mut blocks),
        },
    );
    for (name, text) in [("df -Tk", blocks), ("df -Ti", inodes)] {
        collector.push(name.to_owned(), Some(Kind::new("df")), Ok(text.into_bytes()));
    }
}

/// The mounts of `mountinfo` (proc_pid_mountinfo(5)) that hold data: each file system once, as df chooses, where it was
/// mounted first, or later nearer to the root and not by a deeper part of it; of several at one place the last.
fn listed(text: &str) -> Vec<Mounted> {
    let mut found: Vec<((&str, usize), Mounted)> = Vec::new();
    for line in text.lines() {
        let Some((before, behind)) = line.split_once(" - ") else { continue };
        let before: Vec<&str> = before.split(' ').collect();
        let behind: Vec<&str> = behind.split(' ').collect();
        let ([_, _, device, part, target, ..], [kind, source, ..]) = (&before[..], &behind[..]) else {
            continue;
        };
        if EMPTY.contains(kind) || found.len() >= MOST {
            continue;
        }
        let unescaped = |text: &str| {
            text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
        };
        let target = unescaped(target);
        found.retain(|(_, other)| other.target != target);
        if let Some(at) = found.iter().position(|((other, _), _)| other == device) {
            let ((_, other_part), other) = &found[at];
            if other.target.len() <= target.len() || *other_part < part.len() {
                continue;
            }
            found.remove(at);
        }
        let source = escape(unescaped(source).replace(' ', "_").as_bytes());
        found.push(((*device, part.len()), Mounted { source, kind: (*kind).to_owned(), target }));
    }
    found.into_iter().map(|(_, mount)| mount).collect()
}

fn refused(mount: &Mounted, why: &str, text: &mut String) {
    let _ = writeln!(text, "df: {}: {why}", escape(mount.target.as_bytes()));
}

fn tell(mount: &Mounted, found: &StatVfs, blocks: &mut String, inodes: &mut String) {
    if found.f_blocks == 0 {
        return;
    }
    let target = escape(mount.target.as_bytes());
    let kib = |count: u64| u128::from(count) * u128::from(found.f_frsize) / 1024;
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    // Writing into a String cannot fail.
    let _ = writeln!(
        blocks,
        "{} {} {} {} {} {}% {target}",
        mount.source,
        mount.kind,
        kib(found.f_blocks),
        kib(used),
        kib(found.f_bavail),
        percent(used, used.saturating_add(found.f_bavail)),
    );
    if found.f_files > 0 {
        let used = found.f_files.saturating_sub(found.f_ffree);
        let _ = writeln!(
            inodes,
            "{} {} {} {used} {} {}% {target}",
            mount.source,
            mount.kind,
            found.f_files,
            found.f_ffree,
            percent(used, found.f_files),
        );
    }
}

/// Rounded up, as df does.
fn percent(part: u64, whole: u64) -> u128 {
    (u128::from(part) * 100).div_ceil(u128::from(whole.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_system_once() {
        let text = "22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n\
                    23 22 0:21 / /proc rw - proc proc rw\n\
                    24 22 254:0 /x /srv/bind rw - ext4 /dev/vda rw\n\
                    25 22 0:44 / /srv/a\\040b rw - nfs4 server:/x\\040y rw\n\
                    28 22 0:52 / /srv/build/target rw - overlay overlay rw\n\
                    29 22 0:52 / /build rw - overlay overlay rw\n30 22 0:52 /x /b rw - overlay overlay rw\n\
                    26 22 0:50 / /mnt rw - tmpfs tmpfs rw\n27 22 0:51 / /mnt rw - xfs /dev/vdb rw\nodd\n";
        let found: Vec<_> =
            listed(text).into_iter().map(|mount| (mount.target, mount.kind, mount.source)).collect();
        let expected = [
            ("/", "ext4", "/dev/vda"),
            ("/srv/a b", "nfs4", "server:/x_y"),
            ("/build", "overlay", "overlay"),
            ("/mnt", "xfs", "/dev/vdb"),
        ];
        assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn percents_are_those_of_df() {
        assert_eq!([percent(0, 10), percent(1, 1000), percent(999, 1000), percent(10, 10)], [0, 1, 100, 100]);
        assert_eq!(percent(0, 0), 0);
    }

    #[test]
    fn as_the_real_tool_counts() {
        let Ok(output) =
            std::process::Command::new("df").env("LC_ALL", "C").args(["-Tk", "/proc/self/exe", "/"]).output()
        else {
            eprintln!("SKIPPED as_the_real_tool_counts: no df here");
            return;
        };
        let theirs = String::from_utf8(output.stdout).unwrap();
        let root =
            theirs.lines().rfind(|line| line.ends_with(" /")).unwrap().split_whitespace().nth(2).unwrap();
        let found = statvfs("/").unwrap();
        let (mut blocks, mut inodes) = (String::new(), String::new());
        let mount = Mounted { source: "x".into(), kind: "y".into(), target: "/".into() };
        tell(&mount, &found, &mut blocks, &mut inodes);
        assert_eq!(blocks.split(' ').nth(2), Some(root), "{blocks}{theirs}");
    }
}
