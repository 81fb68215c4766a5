//! The VMMs that run on a host, whoever started them, found by their processes.

use super::HostScope;
use vmwright_model::Missing;

/// Beginnings of the names of VMMs' programs. A process is known by that of its command line, or by its own name, which the
/// kernel cuts to 15 bytes (proc_pid_comm(5)): each may be set to something else (`-name process=`, a jailer's `--id`).
const NAMES: [&str; 5] = ["qemu-system-", "qemu-kvm", "kvm", "firecracker", "cloud-hyperviso"];

/// The most processes that are looked at.
const MOST: usize = 65_536;

/// A process that runs a VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Vmm {
    pub(super) pid: u32,
    /// The VM's name as its command line tells it; the process's own where it tells none.
    pub(super) name: String,
    /// The command line.
    pub(super) words: Vec<String>,
}

impl Vmm {
    /// What it is called in a report.
    pub(super) fn label(&self) -> String {
        format!("{} (process {})", self.name, self.pid)
    }
}

/// What was found; why nobody could look.
pub(super) type Vmms = Result<Vec<Vmm>, Missing>;

pub(super) fn find(scope: &HostScope<'_>) -> Vmms {
    let numbers = scope.host.names("/proc")?;
    let mut found: Vec<Vmm> = numbers
        .iter()
        .filter_map(|name| name.parse().ok())
        .take(MOST)
        .filter_map(|pid| one(scope, pid))
        .collect();
    found.sort_by_key(|vmm| vmm.pid);
    Ok(found)
}

/// The VMM of this process; none where it is another program, or has ended.
fn one(scope: &HostScope<'_>, pid: u32) -> Option<Vmm> {
    let line = scope.file(&format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<String> = line.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    // A thread of the kernel and a process that has ended have no command line.
    let program = words.first()?.rsplit('/').next().unwrap_or_default();
    let comm = scope.file(&format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = comm.trim_end();
    if !is_vmm(program) && !is_vmm(comm) {
        return None;
    }
    let name = name(&words).unwrap_or(comm).to_owned();
    Some(Vmm { pid, name, words })
}

fn is_vmm(program: &str) -> bool {
    // `kvm` alone is a VMM; `kvm-nx-lpage-re` is a thread of the kernel.
    NAMES.iter().any(|name| if *name == "kvm" { program == *name } else { program.starts_with(name) })
}

/// The value behind an option.
pub(super) fn value<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    words.windows(2).rev().find(|pair| pair[0] == option).map(|pair| pair[1].as_str())
}

/// The VM's name: QEMU's `-name guest=web,debug-threads=on` or `-name web`, the `--id` of the others.
fn name(words: &[String]) -> Option<&str> {
    let told = value(words, "-name").map(|value| {
        let guest = value.split(',').find_map(|part| part.strip_prefix("guest="));
        guest.or_else(|| value.split(',').next()).unwrap_or(value)
    });
    told.or_else(|| value(words, "--id")).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs() {
        for name in [
            "qemu-system-x86_64",
            "qemu-system-x86",
            "kvm",
            "firecracker",
            "cloud-hyperviso",
            "cloud-hypervisor",
        ] {
            assert!(is_vmm(name), "{name}");
        }
        for name in ["", "qemu-img", "kvm-nx-lpage-re", "bash", "virtqemud"] {
            assert!(!is_vmm(name), "{name}");
        }
    }

    #[test]
    fn names_of_vms() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(name(&words("qemu -name guest=web,debug-threads=on")), Some("web"));
        assert_eq!(name(&words("qemu -name web,process=x -m 1")), Some("web"));
        assert_eq!(name(&words("firecracker --id db --api-sock s")), Some("db"));
        assert_eq!(name(&words("qemu -m 1")), None);
    }
}
