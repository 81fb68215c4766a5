//! When a question has no effect of its own.

use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use std::fs;
use std::path::Path;
use vmwright_model::Missing;

/// What must hold before a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    Always,
    /// The kernel has this module: a socket that needs it would load it otherwise.
    Module(&'static str),
    /// There are tables of the older iptables.
    LegacyTables,
    /// One of these programs runs: connecting to the socket of one that does not would start it.
    Daemon(&'static [&'static str]),
}

/// How long a kernel's list of built-in modules may be, in bytes; Debian's has 10 KiB.
const BUILTIN: u64 = 1 << 20;

impl Condition {
    /// Whether it holds on the host below `root`; `Absent` where what would be asked is not there.
    pub(super) fn holds(self, root: &Path) -> Result<(), Missing> {
        match self {
            Condition::Always => Ok(()),
            Condition::Module(name) => has_module(root, name).then_some(()).ok_or(Missing::Absent),
            Condition::LegacyTables => match fs::read(root.join("proc/net/ip_tables_names")) {
                Ok(names) if names.trim_ascii().is_empty() => Err(Missing::Absent),
                Ok(_) => Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Missing::Denied),
                Err(_) => Err(Missing::Absent),
            },
            Condition::Daemon(names) => match runs(root, names) {
                true => Ok(()),
                false => Err(Missing::Absent),
            },
        }
    }

    /// The same question for a POSIX shell: a command that succeeds where it holds.
    pub(crate) fn shell(self) -> String {
        match self {
            Condition::Always => "true".to_owned(),
            Condition::Module(name) => format!(
                "[ -d /sys/module/{name} ] || ! [ -e /proc/modules ] || \
                 grep -q '/{name}.ko' \"/lib/modules/$(uname -r)/modules.builtin\""
            ),
            Condition::LegacyTables => "[ -n \"$(cat /proc/net/ip_tables_names)\" ]".to_owned(),
            Condition::Daemon(names) => {
                let names: Vec<&str> = names.iter().map(|name| &name[..name.len().min(15)]).collect();
                format!("cat /proc/[0-9]*/comm | grep -qxE '{}'", names.join("|"))
            }
        }
    }
}

/// A module that is loaded or built in. Built-in ones show in `/sys/module` only where they have parameters; a
/// kernel without modules has no `/proc/modules` and can load none.
fn has_module(root: &Path, name: &str) -> bool {
    if root.join("sys/module").join(name).is_dir() || !root.join("proc/modules").exists() {
        return true;
    }
    let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    let list = root.join("lib/modules").join(release.trim()).join("modules.builtin");
    let small = fs::metadata(&list).is_ok_and(|meta| meta.is_file() && meta.len() <= BUILTIN);
    let wanted = format!("/{name}.ko");
    small && fs::read_to_string(list).is_ok_and(|text| text.lines().any(|line| line.ends_with(&wanted)))
}

/// Longest name of a process, in bytes (`TASK_COMM_LEN` without its end). Longer names of programs are cut.
const COMM: usize = 15;

/// Whether a process of one of these names runs. There may be thousands: each is opened from `/proc` on, and read once.
fn runs(root: &Path, names: &[&str]) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(processes) = openat(CWD, root.join("proc"), flags | OFlags::DIRECTORY, Mode::empty()) else {
        return false;
    };
    let Ok(entries) = Dir::read_from(&processes) else { return false };
    let runs = |id: &[u8]| {
        let file = openat(&processes, [id, b"/comm"].concat(), flags, Mode::empty()).ok()?;
        // A byte more for the line's end.
        let mut name = [0; COMM + 1];
        let read = rustix::io::read(file, &mut name).ok()?;
        let name = name[..read].trim_ascii_end();
        Some(names.iter().any(|wanted| name == &wanted.as_bytes()[..wanted.len().min(COMM)]))
    };
    entries.flatten().any(|entry| {
        let id = entry.file_name().to_bytes();
        id.iter().all(u8::is_ascii_digit) && runs(id) == Some(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn no_module_is_loaded_by_asking() {
        let nf_tables = |files: &[(&str, &str)]| Condition::Module("nf_tables").holds(host(files).path());
        assert_eq!(nf_tables(&[("proc/modules", "kvm 1 0\n")]), Err(Missing::Absent));
        assert_eq!(nf_tables(&[]), Ok(()), "a kernel without modules");
        assert_eq!(nf_tables(&[("proc/modules", ""), ("sys/module/nf_tables/refcnt", "1")]), Ok(()));
        let builtin = "kernel/net/netfilter/nf_tables.ko\n";
        let files = [
            ("proc/modules", ""),
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("lib/modules/6.1.0/modules.builtin", builtin),
        ];
        assert_eq!(nf_tables(&files), Ok(()));
        let tables = |text| Condition::LegacyTables.holds(host(&[("proc/net/ip_tables_names", text)]).path());
        assert_eq!((tables(""), tables("nat\n")), (Err(Missing::Absent), Ok(())));
    }

    #[test]
    fn no_daemon_is_woken_by_asking() {
        let daemon = |files: &[(&str, &str)]| {
            Condition::Daemon(&["libvirtd", "a-rather-long-name"]).holds(host(files).path())
        };
        assert_eq!(
            daemon(&[("proc/1/comm", "systemd\n"), ("proc/x/comm", "libvirtd\n")]),
            Err(Missing::Absent)
        );
        assert_eq!(daemon(&[("proc/1/comm", "systemd\n"), ("proc/77/comm", "libvirtd\n")]), Ok(()));
        assert_eq!(daemon(&[("proc/77/comm", "a-rather-long-n\n")]), Ok(()));
    }
}
