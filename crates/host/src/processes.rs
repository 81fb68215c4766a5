//! Processes: which programs they run, and which of them hold a lock on a file.
//!
//! The links `/proc/PID/exe` and `/proc/PID/fd/N` can only be followed by a process that might trace the other
//! one, and Landlock forbids exactly that. So ANALYSIS asks its witness (see [`crate::sandbox`]); a process that
//! is not locked looks for itself.

mod insight;

use crate::file::first_word;
use crate::sandbox::witness;
use crate::text::escape;
use rustix::fd::AsRawFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, readlinkat, statx};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A file by the device and inode that `statx` gives: major, minor, inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) inode: u64,
}

/// What was found over all processes that can be seen, except our own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Path of the program of each process that has one and may be looked into.
    pub(crate) programs: BTreeMap<u32, String>,
    /// Index of a wanted file, and a process that has it open and holds a lock on it. Sorted.
    pub(crate) holders: Vec<(usize, u32)>,
    /// Processes that may not be looked into.
    pub(crate) hidden: usize,
    /// Facts of the processes that were to be examined, one a line each, in their order.
    pub(crate) insights: Vec<(u32, String)>,
}

/// How long a look over all processes may take; what is left counts as hidden.
const LOOK: Duration = Duration::from_secs(5);

/// Most files that one look may be about.
pub(crate) const MOST_WANTED: usize = 256;

/// Most processes that are examined in one look.
pub(crate) const MOST_EXAMINED: usize = 1024;

/// Looks over all processes, through the witness where there is one.
pub(crate) fn census(wanted: &[FileId]) -> Census {
    let wanted = &wanted[..wanted.len().min(MOST_WANTED)];
    witness::ask(wanted, &[]).unwrap_or_else(|| look(wanted, &[], &[std::process::id()]))
}

/// Looks over all processes, and closely at these: their namespaces, memory by node and open files.
pub(crate) fn examine(pids: &[u32]) -> Census {
    let pids = &pids[..pids.len().min(MOST_EXAMINED)];
    witness::ask(&[], pids).unwrap_or_else(|| look(&[], pids, &[std::process::id()]))
}

/// Looks over all processes but the `except`ed, and closely at the `examined`.
pub(crate) fn look(wanted: &[FileId], examined: &[u32], except: &[u32]) -> Census {
    let mut census = Census::default();
    let ends = Instant::now() + LOOK;
    for pid in examined {
        let facts = if Instant::now() > ends {
            vec!["nothing: no time left".to_owned()]
        } else {
            insight::facts(*pid)
        };
        census.insights.extend(facts.into_iter().map(|fact| (*pid, fact)));
    }
    for pid in pids() {
        if except.contains(&pid) {
            continue;
        }
        if Instant::now() > ends || look_into(pid, wanted, &mut census) == Err(Errno::ACCESS) {
            census.hidden += 1;
        }
    }
    census.holders.sort_unstable();
    census.holders.dedup();
    census
}

/// A process that runs a program; threads of the kernel have no command line and are none.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The name that the kernel keeps of its program: its first 15 bytes, unless it took another one.
    pub(crate) name: String,
    /// The first word of its command line, at most a page of it.
    pub(crate) first: Vec<u8>,
}

/// How old a look at the processes may be that several probes of one collection share: each wants other programs, and on
/// a large host there are thousands of processes to look at.
const FRESH: Duration = Duration::from_millis(100);

/// When the last collection began.
static BEGUN: Mutex<Option<Instant>> = Mutex::new(None);

/// A collection begins: it takes no look for its own that began before.
pub(crate) fn look_anew() {
    *BEGUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// The processes that run a program, as they are or were a moment ago.
pub(crate) fn running() -> Arc<[Process]> {
    /// When it began, when it ended, and what it found.
    type Look = (Instant, Instant, Arc<[Process]>);
    static LOOK: Mutex<Option<Look>> = Mutex::new(None);
    // A command line cannot be read while its process is stuck in the kernel: whoever waits for that holds nobody up.
    let Ok(mut last) = LOOK.try_lock() else { return look_around() };
    let begun = *BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((from, to, found)) if to.elapsed() < FRESH && begun.is_none_or(|begun| *from >= begun) => {
            Arc::clone(found)
        }
        _ => {
            let from = Instant::now();
            let found = look_around();
            *last = Some((from, Instant::now(), Arc::clone(&found)));
            found
        }
    }
}

fn look_around() -> Arc<[Process]> {
    let process = |pid| {
        let first = first_word(pid).filter(|word| !word.is_empty())?;
        Some(Process { pid, name: program_of(pid)?, first })
    };
    pids().into_iter().filter_map(process).collect()
}

/// The processes that can be seen.
fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// The name that the kernel keeps of a process's program: its first 15 bytes.
fn program_of(pid: u32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(escape(name.trim_ascii_end()))
}

fn look_into(pid: u32, wanted: &[FileId], census: &mut Census) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
    match readlinkat(&process, "exe", Vec::new()) {
        Ok(program) => {
            census.programs.insert(pid, escape(program.as_bytes()));
        }
        // A kernel thread, or a process that is ending.
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let descriptors = openat(&process, "fd", flags, Mode::empty())?;
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| errno(&error))?.flatten() {
        let name = entry.file_name();
        // DONT_SYNC: a file on a dead server must not be asked for its state.
        let found = match statx(&descriptors, &*name, AtFlags::STATX_DONT_SYNC, StatxFlags::INO) {
            Ok(found) => found,
            Err(Errno::ACCESS) => return Err(Errno::ACCESS),
            Err(_) => continue,
        };
        let id = FileId { major: found.stx_dev_major, minor: found.stx_dev_minor, inode: found.stx_ino };
        for (index, _) in wanted.iter().enumerate().filter(|(_, other)| **other == id) {
            let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", name.to_string_lossy()));
            if info.is_ok_and(|info| holds_lock(&info)) {
                census.holders.push((index, pid));
            }
        }
    }
    Ok(())
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Whether a text of `/proc/PID/fdinfo/N` shows a lock. Leases and delegations are no locks. Format:
/// `fs/locks.c`, `lock_get_status`.
fn holds_lock(info: &str) -> bool {
    info.lines().filter_map(|line| line.strip_prefix("lock:")).any(|lock| {
        lock.split_whitespace().nth(1).is_some_and(|class| matches!(class, "POSIX" | "OFDLCK" | "FLOCK"))
    })
}

/// A file's identity, without following the state of a network server. Symbolic links are followed.
pub(crate) fn identify(path: &str) -> Result<FileId, Errno> {
    let found = statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::INO)?;
    Ok(FileId { major: found.stx_dev_major, minor: found.stx_dev_minor, inode: found.stx_ino })
}

/// The effective user of a process, from its `status`: the owner of `/proc/PID` is root for a process that has
/// changed its user.
pub(crate) fn user_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The mount that a file lies on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The file system's own device, as `/proc/locks` names it; `stat` hides it on btrfs and overlayfs.
    pub(crate) device: (u32, u32),
    /// Type of the file system.
    pub(crate) kind: String,
}

impl Mount {
    /// The mount that a path leads to.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let file = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
        let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
        Self::listed(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, id)
    }

    /// By its id in a text of `mountinfo` (proc(5)):
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
    fn listed(mounts: &str, id: &str) -> Option<Self> {
        let line = mounts.lines().find(|line| line.split(' ').next() == Some(id))?;
        let (major, minor) = line.split(' ').nth(2)?.split_once(':')?;
        let kind = line.split_once(" - ")?.1.split(' ').next()?.to_owned();
        Some(Self { device: (major.parse().ok()?, minor.parse().ok()?), kind })
    }

    /// Whether other hosts may hold locks there that this one does not list.
    pub(crate) fn is_shared(&self) -> bool {
        let kind = self.kind.as_str();
        matches!(kind, "nfs" | "nfs4" | "cifs" | "smb3" | "ceph" | "gfs2" | "ocfs2" | "9p" | "virtiofs" | "afs" | "lustre")
            // GlusterFS and sshfs; `fuseblk` is a local disk.
            || kind == "fuse"
            || kind.starts_with("fuse.")
    }
}

impl Census {
    /// As lines, for the pipe between the witness and us.
    pub(crate) fn to_lines(&self) -> String {
        let mut text = format!("hidden {}\n", self.hidden);
        // Writing into a String cannot fail.
        for (index, pid) in &self.holders {
            let _ = writeln!(text, "holder {index} {pid}");
        }
        for (pid, program) in &self.programs {
            let _ = writeln!(text, "program {pid} {program}");
        }
        for (pid, fact) in &self.insights {
            let _ = writeln!(text, "insight {pid} {fact}");
        }
        text
    }

    /// From those lines.
    pub(crate) fn from_lines(text: &str) -> Option<Self> {
        let mut census = Self::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ')?;
            match word {
                "hidden" => census.hidden = rest.parse().ok()?,
                "holder" => {
                    let (index, pid) = rest.split_once(' ')?;
                    census.holders.push((index.parse().ok()?, pid.parse().ok()?));
                }
                "program" => {
                    let (pid, program) = rest.split_once(' ')?;
                    census.programs.insert(pid.parse().ok()?, program.to_owned());
                }
                "insight" => {
                    let (pid, fact) = rest.split_once(' ')?;
                    census.insights.push((pid.parse().ok()?, fact.to_owned()));
                }
                _ => return None,
            }
        }
        Some(census)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_from_leases() {
        let held = "pos:\t0\nflags:\t0100002\nmnt_id:\t27\nino:\t12\nlock:\t1: OFDLCK ADVISORY  READ -1 fe:00:12 100 101\n";
        assert!(holds_lock(held));
        assert!(holds_lock("lock:\t1: POSIX  ADVISORY  WRITE 77 fe:00:12 0 EOF\n"));
        assert!(!holds_lock("lock:\t1: LEASE  ACTIVE    READ  77 fe:00:12 0 EOF\n"));
        assert!(!holds_lock("pos:\t0\nflags:\t0100002\n"));
    }

    #[test]
    fn mounts_by_their_id() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      36 22 0:44 / /srv/a\\040b rw - nfs4 server:/x rw\n\
                      37 22 0:45 / /g rw - fuse.glusterfs g:/v rw\n38 22 8:1 / /w rw - fuseblk /dev/sda1 rw\n";
        let mount = |id: &str| Mount::listed(mounts, id);
        assert_eq!(mount("22"), Some(Mount { device: (254, 0), kind: "ext4".to_owned() }));
        let shared = |id: &str| mount(id).map(|mount| mount.is_shared());
        assert_eq!(
            [shared("22"), shared("36"), shared("37"), shared("38")],
            [false, true, true, false].map(Some)
        );
        assert_eq!(mount("3"), None);
    }

    #[test]
    fn a_census_survives_the_pipe() {
        let census = Census {
            programs: BTreeMap::from([
                (1, "/sbin/init".to_owned()),
                (7, "/opt/my qemu (deleted)".to_owned()),
            ]),
            holders: vec![(0, 7), (2, 1)],
            hidden: 3,
            insights: vec![(7, "open /dev/kvm".to_owned()), (7, "open /dev/net/tun tap0".to_owned())],
        };
        assert_eq!(Census::from_lines(&census.to_lines()), Some(census));
        assert_eq!(Census::from_lines("holder x 1\n"), None);
        assert_eq!(Census::from_lines("hidden\n"), None);
    }

    #[test]
    fn this_process_sees_itself() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let id = identify(file.path().to_str().unwrap()).unwrap();
        let census = look(&[id], &[], &[]);
        let program = &census.programs[&std::process::id()];
        assert_eq!(program, std::env::current_exe().unwrap().to_str().unwrap());
        assert_eq!(census.holders, [], "it is open here, but not locked");
        assert_eq!(user_of(std::process::id()), Some(rustix::process::geteuid().as_raw()));
    }
}
