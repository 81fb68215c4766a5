//! Record `image-locks`: who holds a lock on each disk of the VM in question.
//!
//! QEMU locks its images with open file description locks, which belong to no process: `/proc/locks` shows them
//! with pid -1. The holder is whoever has the file open with a `lock:` line in `/proc/PID/fdinfo/N`.
//! `/proc/locks` then tells "nobody" from "nobody that may be looked into".

use super::machine::{Machines, not_absolute};
use super::users::Names;
use super::vmms::joined;
use crate::file::{read_words, words};
use crate::live::Collector;
use crate::processes::{Census, FileId, Mount, census, identify, user_of};
use crate::text::escape;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::time::Duration;
use vmwright_model::Kind;

/// Why the holder of a lock is not known.
const OUT_OF_SIGHT: &str = "locked by a process that cannot be looked into from here";

pub(super) fn run(machines: &Machines, collector: &mut Collector<'_>) {
    let Some(images) = machines.images(collector) else { return };
    let content = collector.within(move || {
        let text = list(&images.disks);
        if !text.contains(OUT_OF_SIGHT) {
            return text.into_bytes();
        }
        // A lock taken or given back between the two looks seems to have no holder. A second look tells.
        std::thread::sleep(Duration::from_millis(50));
        list(&images.disks).into_bytes()
    });
    collector.push("image-locks".to_owned(), Some(Kind::new("image_locks")), content);
}

fn list(paths: &[String]) -> String {
    let found: Vec<Result<FileId, Errno>> = paths.iter().map(|path| identify(path)).collect();
    let wanted: Vec<FileId> = found.iter().filter_map(|found| found.ok()).collect();
    let census = census(&wanted);
    let locks = std::fs::read_to_string("/proc/locks").ok();
    let mut names = Names::default();
    let mut text = String::new();
    for (path, found) in paths.iter().zip(found) {
        let shown = escape(path.as_bytes());
        let lines = match (not_absolute(path), found) {
            (Some(_), _) => vec![format!("unknown {shown}: not an absolute path")],
            (None, Err(Errno::NOENT | Errno::NOTDIR)) => vec![format!("unknown {shown}: does not exist")],
            (None, Err(error)) => vec![format!("unknown {shown}: {}", words(error))],
            (None, Ok(file)) => {
                let index = wanted.iter().position(|other| *other == file);
                one(path, file, &census, index, locks.as_deref(), &mut names)
            }
        };
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn one(
    path: &str,
    file: FileId,
    census: &Census,
    index: Option<usize>,
    locks: Option<&str>,
    names: &mut Names,
) -> Vec<String> {
    let shown = escape(path.as_bytes());
    let mut holders: BTreeSet<u32> =
        census.holders.iter().filter(|(at, _)| Some(*at) == index).map(|(_, pid)| *pid).collect();
    let mount = Mount::of(path);
    let device = mount.as_ref().map_or((file.major, file.minor), |mount| mount.device);
    let listed = locks.map(|locks| listed(locks, device, file.inode));
    let mut nameless = false;
    for holder in listed.iter().flatten() {
        match holder {
            Some(pid) if *pid == std::process::id() => {}
            Some(pid) => {
                holders.insert(*pid);
            }
            None => nameless = true,
        }
    }
    if holders.is_empty() {
        let why = match &mount {
            _ if nameless => Some(OUT_OF_SIGHT.to_owned()),
            Some(mount) if mount.is_shared() => {
                Some(format!("on {}, where another host may hold it unseen", escape(mount.kind.as_bytes())))
            }
            // The kernel's list of locks, by the right device, is complete.
            Some(_) if listed.is_some() => None,
            _ if census.hidden > 0 => Some(format!("{} processes cannot be looked into", census.hidden)),
            _ => None,
        };
        return vec![why.map_or(format!("none holds {shown}"), |why| format!("unknown {shown}: {why}"))];
    }
    let line = |pid: u32| {
        let argv = read_words(pid).unwrap_or_default();
        let user = user_of(pid).map_or("-".to_owned(), |user| names.user(user));
        let name = vm_name(&argv).unwrap_or_else(|| "-".to_owned());
        format!("pid {pid} user {user} holds {shown} name {name} : {}", joined(&argv))
    };
    holders.into_iter().map(line).collect()
}

/// Who holds a lock on an inode by `/proc/locks`: a pid, or none for an open file description lock. Format:
/// `fs/locks.c`: `1: POSIX  ADVISORY  WRITE 612 fe:00:12345 0 EOF`; device numbers are hexadecimal, and `->`
/// stands before a lock that only waits.
fn listed(locks: &str, (major, minor): (u32, u32), inode: u64) -> Vec<Option<u32>> {
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    let mut holders = Vec::new();
    for line in locks.lines() {
        let mut words = line.split_whitespace().skip(1);
        let class = words.next().unwrap_or_default();
        if !matches!(class, "POSIX" | "OFDLCK" | "FLOCK") {
            continue;
        }
        let mut words = words.skip(2);
        if let (Some(pid), Some(file)) = (words.next(), words.next())
            && file == wanted
        {
            holders.push(pid.parse().ok());
        }
    }
    holders
}

/// The name that a VMM was given: QEMU's `-name X` or `-name guest=X,...`, Firecracker's `--id X`. A VMM that is given none,
/// as Cloud Hypervisor, has it in what vmwright calls the process.
fn vm_name(argv: &[Vec<u8>]) -> Option<String> {
    let at = argv.iter().position(|word| matches!(word.as_slice(), b"-name" | b"--name" | b"--id"));
    let name = match at {
        Some(at) => {
            let value = String::from_utf8_lossy(argv.get(at + 1)?).into_owned();
            // QEMU writes a comma inside a value twice.
            let value = value.replace(",,", "\u{0}");
            let first = value.split(',').next().unwrap_or_default();
            let named = value.split(',').find_map(|option| option.strip_prefix("guest="));
            named.unwrap_or(first).replace('\u{0}', ",")
        }
        None => super::machine::titled(argv)?,
    };
    // A blank would end the field for whoever reads the record.
    let name: String = name.chars().map(|letter| if letter.is_whitespace() { '_' } else { letter }).collect();
    (!name.is_empty()).then(|| escape(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn names_of_vms() {
        for (words, name) in [
            (&["qemu", "-name", "web"][..], Some("web")),
            (&["qemu", "-name", "guest=web,debug-threads=on"], Some("web")),
            (&["qemu", "-name", "debug-threads=on,guest=a,,b c"], Some("a,b_c")),
            (&["firecracker", "--id", "f1"], Some("f1")),
            (&["cloud-hypervisor guest=web", "--cpus", "boot=1"], Some("web")),
            (&["cloud-hypervisor", "--cpus", "boot=1"], None),
            (&["qemu", "-name"], None),
            (&["qemu"], None),
            (&["qemu", "-name", ""], None),
        ] {
            assert_eq!(vm_name(&argv(words)).as_deref(), name, "{words:?}");
        }
    }

    #[test]
    fn the_kernels_list_of_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 612 fe:00:12345 0 EOF\n\
                     2: OFDLCK ADVISORY  READ -1 fe:00:12345 100 101\n\
                     2: -> OFDLCK ADVISORY  WRITE -1 fe:00:777 100 101\n\
                     3: FLOCK  ADVISORY  WRITE 9 fe:00:7 0 EOF\n\
                     4: LEASE  ACTIVE    READ 9 fe:00:8 0 EOF\nbroken\n";
        assert_eq!(listed(locks, (0xfe, 0), 12345), [Some(612), None]);
        assert_eq!(listed(locks, (0xfe, 0), 777), [], "one that waits holds nothing");
        assert_eq!(listed(locks, (0xfe, 0), 7), [Some(9)]);
        assert_eq!(listed(locks, (0xfe, 0), 8), []);
        assert_eq!(listed(locks, (0xfd, 0), 7), []);
    }

    #[test]
    fn paths_that_cannot_be_looked_at() {
        let text = list(&["relative.img".to_owned(), "/nonexistent/x\ny".to_owned()]);
        assert_eq!(
            text,
            "unknown relative.img: not an absolute path\nunknown /nonexistent/x\\x0ay: does not exist\n"
        );
    }
}
