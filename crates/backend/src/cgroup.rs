//! What a VMM may take of its host: a control group of its own (cgroup v2), which it is in before its first
//! instruction. It also holds what the VMM takes apart from all others, and keeps it out of the login that started it.
//!
//! As root the group lies below the root of the hierarchy, else below the topmost group that the user may change: what
//! systemd delegates to a user's session. `Documentation/admin-guide/cgroup-v2.rst` of Linux has the files.

use crate::Stored;
use rustix::fs::{Access, access};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::machine::{Blkio, Limits};

/// The group that the machines' groups lie in, where the specification names none.
const PARENT: &str = "vmwright";
/// Microseconds in which a limit of processor time is counted, the kernel's own default.
const PERIOD: u64 = 100_000;

/// Why a machine has no group.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// The host has no such hierarchy.
    #[error("`limits` needs control groups of version 2, and this host has none mounted")]
    None,
    /// A controller is not there.
    #[error(
        "`limits` needs the controller `{controller}`, and the control group `{}` has {}", .group.display(),
        if .has.is_empty() { "none" } else { .has }
    )]
    NoController {
        /// What is missing.
        controller: &'static str,
        /// Where.
        group: PathBuf,
        /// Those that are there.
        has: String,
    },
    /// Nothing can be made there.
    #[error("`limits` needs a control group that may be changed: run as root, or in one that is delegated")]
    NotDelegated,
    /// A limit has no meaning for the kernel.
    #[error("`{0}`: {1}")]
    Value(String, String),
    /// A file or directory cannot be used.
    #[error("cannot {doing} `{}`", .path.display())]
    File {
        /// What failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A machine's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes the group of a machine and sets the limits that are of the whole VMM. A machine without limits has one where
    /// root starts it, and goes without where the host's groups cannot be changed, as in a container.
    pub(crate) fn make(machine: &Stored) -> Result<Option<Self>, CgroupError> {
        let limits = &machine.spec.limits;
        if *limits != Limits::default() {
            return Self::made(machine, limits).map(Some);
        }
        let root = rustix::process::geteuid().is_root();
        // Whoever is in a threaded hierarchy cannot be joined by a process.
        Ok(root.then(|| Self::made(machine, limits).ok()).flatten().filter(Self::takes_processes))
    }

    fn made(machine: &Stored, limits: &Limits) -> Result<Self, CgroupError> {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mount = mount_point(&text("/proc/self/mountinfo")).ok_or(CgroupError::None)?;
        let root = rustix::process::geteuid().is_root();
        let base = if root { mount } else { delegated(&mount, &text("/proc/self/cgroup"))? };
        let group = Self { path: base.join(place(machine)) };
        group.create(&base, limits).inspect_err(|_| group.remove())?;
        Ok(group)
    }

    fn takes_processes(&self) -> bool {
        let kind = std::fs::read_to_string(self.path.join("cgroup.type")).unwrap_or_default();
        let takes =
            kind.trim() == "domain" && access(self.path.join("cgroup.procs"), Access::WRITE_OK).is_ok();
        if !takes {
            self.remove();
        }
        takes
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its directory, by which a process is made in it.
    pub(crate) fn door(&self) -> Result<File, CgroupError> {
        File::open(&self.path).map_err(|source| CgroupError::File {
            doing: "open",
            path: self.path.clone(),
            source,
        })
    }

    fn create(&self, base: &Path, limits: &Limits) -> Result<(), CgroupError> {
        let values = values(limits)?;
        let mut wanted: Vec<&'static str> = values.iter().map(|value| value.controller).collect();
        if limits.vcpu_percent.is_some() || limits.emulator_percent.is_some() {
            wanted.push("cpu");
        }
        wanted.sort_unstable();
        wanted.dedup();
        let has = std::fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
        for controller in &wanted {
            if !has.split_whitespace().any(|one| one == *controller) {
                let (group, has) = (base.to_owned(), has.trim().to_owned());
                return Err(CgroupError::NoController { controller, group, has });
            }
        }
        std::fs::create_dir_all(&self.path).map_err(|source| CgroupError::File {
            doing: "make",
            path: self.path.clone(),
            source,
        })?;
        // Each group above gives the controllers to what is below it.
        let below = self.path.strip_prefix(base).unwrap_or(Path::new(""));
        let mut above = base.to_owned();
        for step in below {
            for controller in &wanted {
                write(&above.join("cgroup.subtree_control"), &format!("+{controller}"))?;
            }
            above.push(step);
        }
        for value in values {
            write(&self.path.join(value.file), &value.text)?;
        }
        Ok(())
    }

    /// Puts threads into groups of their own below this one, each with its limit of processor time: the virtual CPUs
    /// each, and all others together.
    pub(crate) fn divide(
        &self,
        limits: &Limits,
        process: i32,
        vcpus: &[(String, i32)],
    ) -> Result<(), CgroupError> {
        let make = |name: &str, percent: u32| -> Result<PathBuf, CgroupError> {
            let path = self.path.join(name);
            match std::fs::create_dir(&path) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(CgroupError::File { doing: "make", path, source });
                }
                _ => {}
            }
            // Threads of one process may be in several groups only where these share their memory's group.
            write(&path.join("cgroup.type"), "threaded")?;
            write(&self.path.join("cgroup.subtree_control"), "+cpu")?;
            write(&path.join("cpu.max"), &time(percent))?;
            Ok(path)
        };
        if let Some(percent) = limits.emulator_percent {
            let path = make("emulator", percent)?;
            let own: Vec<i32> = std::fs::read_dir(format!("/proc/{process}/task"))
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
                .collect();
            for thread in own.into_iter().filter(|own| !vcpus.iter().any(|(_, vcpu)| vcpu == own)) {
                // One that has just ended needs no place.
                match write(&path.join("cgroup.threads"), &thread.to_string()) {
                    Err(CgroupError::File { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => {}
                    other => other?,
                }
            }
        }
        if let Some(percent) = limits.vcpu_percent {
            for (name, thread) in vcpus {
                write(&make(name, percent)?.join("cgroup.threads"), &thread.to_string())?;
            }
        }
        Ok(())
    }

    fn remove(&self) {
        remove(Some(&self.path));
    }
}

/// Removes the group of a VMM that is gone. What is not empty stays.
pub(crate) fn remove(path: Option<&Path>) {
    let Some(path) = path else { return };
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    // A group that somebody else has put a process into is theirs by now.
    let _ = std::fs::remove_dir(path);
}

struct Setting {
    controller: &'static str,
    file: &'static str,
    text: String,
}

/// What is written into the files of the whole group, in this order.
fn values(limits: &Limits) -> Result<Vec<Setting>, CgroupError> {
    let mut values = Vec::new();
    let mut set = |controller, file, text: Option<String>| {
        values.extend(text.map(|text| Setting { controller, file, text }));
    };
    let size = |key: &str, text: &Option<String>| {
        let bytes = text.as_deref().map(parse_size).transpose();
        bytes
            .map(|bytes| bytes.map(|bytes| bytes.to_string()))
            .map_err(|error| CgroupError::Value(format!("limits.{key}"), error.to_string()))
    };
    set("cpu", "cpu.weight", limits.cpu_weight.map(|weight| weight.to_string()));
    set("memory", "memory.high", size("memory_soft", &limits.memory_soft)?);
    set("memory", "memory.max", size("memory", &limits.memory)?);
    set("io", "io.weight", limits.io_weight.map(|weight| format!("default {weight}")));
    for (at, device) in limits.devices.iter().enumerate() {
        let key = format!("limits.device.{at}");
        let number = device_number(&device.path).map_err(|why| CgroupError::Value(key, why))?;
        set("io", "io.max", most(device).map(|most| format!("{number} {most}")));
        set("io", "io.weight", weight(device).map(|weight| format!("{number} {weight}")));
    }
    Ok(values)
}

/// Microseconds of a period.
fn time(percent: u32) -> String {
    format!("{} {PERIOD}", u64::from(percent) * PERIOD / 100)
}

fn most(device: &Blkio) -> Option<String> {
    let limits = [
        ("rbps", device.read_bytes),
        ("wbps", device.write_bytes),
        ("riops", device.read_iops),
        ("wiops", device.write_iops),
    ];
    let said: Vec<String> =
        limits.into_iter().filter_map(|(name, limit)| Some(format!("{name}={}", limit?))).collect();
    (!said.is_empty()).then(|| said.join(" "))
}

fn weight(device: &Blkio) -> Option<String> {
    device.weight.map(|weight| weight.to_string())
}

/// `major:minor` of a block device.
fn device_number(path: &str) -> Result<String, String> {
    let meta = std::fs::metadata(path).map_err(|error| format!("`{path}`: {error}"))?;
    // S_IFMT and S_IFBLK of inode(7).
    if meta.mode() & 0o170_000 != 0o060_000 {
        return Err(format!("`{path}` is no block device"));
    }
    let device = meta.rdev();
    Ok(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

/// Where the hierarchy of version 2 is mounted (proc_pid_mountinfo(5)).
fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next() == Some("cgroup2")).then_some(())?;
        before.split(' ').nth(4).map(PathBuf::from)
    })
}

/// The topmost group that an ordinary user may change, of those that its own process is in.
fn delegated(mount: &Path, cgroup: &str) -> Result<PathBuf, CgroupError> {
    let own = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).ok_or(CgroupError::NotDelegated)?;
    let own = mount.join(own);
    let above: Vec<&Path> = own.ancestors().take_while(|path| path.starts_with(mount)).collect();
    let mine = |path: &&&Path| {
        access(path.join("cgroup.subtree_control"), Access::WRITE_OK).is_ok()
            && access(**path, Access::WRITE_OK).is_ok()
    };
    // The process itself may not be in a group that others are below.
    let found = above.iter().rev().find(mine).filter(|path| ***path != own);
    found.map(|path| path.to_path_buf()).ok_or(CgroupError::NotDelegated)
}

/// The group of a machine with limits, below where its host has them.
pub(crate) fn named(machine: &Stored) -> Option<PathBuf> {
    (machine.spec.limits != Limits::default()).then(|| place(machine))
}

/// A machine's group below the base: two state directories may have machines of one name.
fn place(machine: &Stored) -> PathBuf {
    let parent = machine.spec.limits.partition.as_deref().unwrap_or(PARENT);
    let digest = Sha256::digest(machine.directory().as_os_str().as_encoded_bytes());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Path::new(parent.trim_start_matches('/')).join(format!("{}-{short}", machine.name))
}

/// What a machine's limits make of its group, as text.
#[cfg(test)]
pub(crate) fn told(machine: &Stored) -> String {
    let values = values(&machine.spec.limits);
    let values = values.map(|all| all.into_iter().map(|one| (one.file, one.text)).collect::<Vec<_>>());
    let Limits { vcpu_percent, emulator_percent, .. } = machine.spec.limits;
    let shares = [vcpu_percent, emulator_percent].map(|percent| percent.map(time));
    // Where there is no such device, the values of none are made.
    let devices = machine.spec.limits.devices.iter().map(|device| (most(device), weight(device)));
    format!("{values:?} {shares:?} {:?} {}", devices.collect::<Vec<_>>(), place(machine).display())
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    std::fs::write(path, text).map_err(|source| CgroupError::File {
        doing: "write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_the_kernel_s_words() {
        let limits = Limits {
            cpu_weight: Some(50),
            memory: Some("1GiB".to_owned()),
            memory_soft: Some("512MiB".to_owned()),
            ..Limits::default()
        };
        let said: Vec<(&str, String)> =
            values(&limits).expect("good").into_iter().map(|value| (value.file, value.text)).collect();
        let expected = [("cpu.weight", "50"), ("memory.high", "536870912"), ("memory.max", "1073741824")];
        assert_eq!(said, expected.map(|(file, text)| (file, text.to_owned())));
        assert_eq!(time(150), "150000 100000");
        let device = Blkio {
            path: String::new(),
            weight: None,
            read_bytes: Some(1),
            write_bytes: None,
            read_iops: None,
            write_iops: Some(2),
        };
        assert_eq!(most(&device).as_deref(), Some("rbps=1 wiops=2"));
        assert!(device_number("/dev/null").is_err_and(|why| why.contains("is no block device")));
    }

    #[test]
    fn the_hierarchy_is_found_where_it_is() {
        let hybrid = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 24 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(mount_point("1 2 0:1 / / rw - ext4 /dev/vda rw\n"), None);
    }

    #[test]
    fn a_user_s_group_is_the_topmost_that_is_theirs() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let session = place.path().join("user.slice/user-1.slice/user@1.service");
        std::fs::create_dir_all(session.join("app.slice/app.scope")).expect("made");
        for path in [session.clone(), session.join("app.slice"), session.join("app.slice/app.scope")] {
            std::fs::write(path.join("cgroup.subtree_control"), "").expect("written");
        }
        let own = "0::/user.slice/user-1.slice/user@1.service/app.slice/app.scope\n";
        assert_eq!(delegated(place.path(), own).expect("it is theirs"), session);
        let alone = "0::/user.slice/user-1.slice/user@1.service\n";
        assert!(matches!(delegated(place.path(), alone), Err(CgroupError::NotDelegated)));
        assert!(matches!(delegated(place.path(), "4:memory:/x\n"), Err(CgroupError::NotDelegated)));
    }
}
