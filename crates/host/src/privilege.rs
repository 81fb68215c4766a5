//! What a collection would read, and what one has to be to read it.

use crate::asking;
use crate::bounded::within;
use crate::probes::{self, Machines};
use crate::root::Subject;
use rustix::fs::{Mode, stat};
use std::time::Duration;
use vmwright_model::{Need, Probe};

/// How long a look at one path may take.
const LOOK: Duration = Duration::from_secs(2);

/// One thing that would be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planned {
    /// A path, a pattern, a command or a probe, as in [`crate::work_list`].
    pub source: String,
    /// What reading it takes: `any user`, `root`, `root or group kvm`, `root for ...`, or that it does not exist.
    pub privilege: String,
}

/// What [`crate::collect`] would read of the running host, sorted. Files are looked at, not read.
#[must_use]
pub fn planned(needs: &[Need], subject: &Subject) -> Vec<Planned> {
    let machines = Machines::of(subject);
    let mut list = Vec::new();
    let mut add = |source: String, privilege: String| list.push(Planned { source, privilege });
    for need in needs {
        match need {
            Need::File(path) => add((*path).to_owned(), of_path(path)),
            Need::Exists(path) => add(format!("whether there is a {path}"), "any user".to_owned()),
            Need::Glob(pattern) => add((*pattern).to_owned(), of_pattern(pattern)),
            Need::Command(words) => add(asking::planned(words), of_command(words)),
            Need::Probe(probe) => {
                for source in probes::sources(*probe, &machines) {
                    let privilege = if source.starts_with('/') && !source.contains(": ") {
                        of_path(&source)
                    } else {
                        of_probe(*probe).to_owned()
                    };
                    add(source, privilege);
                }
            }
        }
    }
    for path in ["/etc/machine-id", "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease"] {
        add(path.to_owned(), of_path(path));
    }
    list.sort();
    list.dedup();
    list
}

fn of_path(path: &str) -> String {
    // Everybody may open it, and sees zeros (kernel/resource.c: CAP_SYS_ADMIN).
    if path == "/proc/iomem" {
        return "any user; root for the addresses".to_owned();
    }
    let own = path.to_owned();
    within(LOOK, move || look(&own)).unwrap_or_else(|why| why.to_string())
}

/// For the directories down to the first star: what is behind it can be closed further.
fn of_pattern(pattern: &str) -> String {
    let fixed = pattern.split('*').next().unwrap_or(pattern);
    let folder = fixed.rsplit_once('/').map_or("/", |(folder, _)| folder);
    match of_path(folder) {
        open if open == "any user" => "any user; root for files that are closed to others".to_owned(),
        other => other,
    }
}

/// Who may go down to a path and read it, by owner and mode alone.
fn look(path: &str) -> String {
    let mut group = None;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    for depth in 1..=parts.len() {
        let here = format!("/{}", parts[..depth].join("/"));
        let stat = match stat(here.as_str()) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::ACCESS) => return "root".to_owned(),
            Err(_) => return "does not exist".to_owned(),
        };
        let mode = Mode::from_raw_mode(stat.st_mode);
        let is_last = depth == parts.len();
        let (others, members) = if is_last { (Mode::ROTH, Mode::RGRP) } else { (Mode::XOTH, Mode::XGRP) };
        if mode.contains(others) {
            continue;
        }
        if !mode.contains(members) || group.is_some_and(|group| group != stat.st_gid) {
            return "root".to_owned();
        }
        group = Some(stat.st_gid);
    }
    match group {
        None => "any user".to_owned(),
        Some(0) => "root".to_owned(),
        Some(group) => format!("root or group {}", probes::group_name(group)),
    }
}

fn of_command(words: &[&str]) -> String {
    match words {
        // syslog(2): CAP_SYSLOG where the sysctl is set.
        ["dmesg", ..] => {
            let open =
                std::fs::read("/proc/sys/kernel/dmesg_restrict").is_ok_and(|text| text.trim_ascii() == b"0");
            if open { "any user" } else { "root (kernel.dmesg_restrict)" }.to_owned()
        }
        ["lspci", option] if option.contains('v') => "any user; root for capabilities".to_owned(),
        ["journalctl", ..] => "root, or group systemd-journal".to_owned(),
        // The read-only socket is open to everybody (unix_sock_ro_perms of libvirtd.conf).
        ["virsh", "-r", ..] => "any user".to_owned(),
        ["nft" | "iptables-nft-save" | "iptables-legacy-save" | "ovs-vsctl", ..] => "root".to_owned(),
        _ => "any user".to_owned(),
    }
}

fn of_probe(probe: Probe) -> &'static str {
    match probe {
        Probe::Kvm => "root or group kvm",
        Probe::ImagePaths => "any user; root behind directories that are closed to others",
        Probe::ImageLocks => "root for processes of other users",
        Probe::Vmms => "any user; root for the programs of other users",
        Probe::Machine => "the owner of vmwright's state directory",
        Probe::VmmDetails => {
            "any user; root for open devices, namespaces and memory of other users' processes"
        }
        Probe::AcpiTables => "root",
        Probe::Qmp => "root, or the user of the VMM",
        Probe::VmmFiles => "any user; root for files that are closed to others",
        Probe::Images => "root for images and configurations that are closed to others",
        Probe::DeviceNodes => "any user; root behind directories that are closed to others",
        Probe::KernelConfig => "any user; root where /boot is closed to others",
        Probe::Interfaces
        | Probe::Pci
        | Probe::Space
        | Probe::Links
        | Probe::Irqs
        | Probe::Packages
        | Probe::Services
        | Probe::Cpuid
        | Probe::Libvirt => "any user",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_mode_and_owner() {
        assert_eq!(of_path("/proc/cmdline"), "any user");
        assert_eq!(of_path("/nonexistent/file"), "does not exist");
        assert_eq!(of_path("/proc/iomem"), "any user; root for the addresses");
        assert!(of_path("/etc/shadow").starts_with("root"), "{}", of_path("/etc/shadow"));
        assert_eq!(of_pattern("/etc/*.conf"), "any user; root for files that are closed to others");
    }

    #[test]
    fn every_source_of_the_work_list_has_its_privilege() {
        let needs = [
            Need::File("/proc/cmdline"),
            Need::Glob("/etc/libvirt/qemu/*.xml"),
            Need::Command(&["lspci", "-nnvv"]),
            Need::Probe(Probe::Kvm),
            Need::Probe(Probe::Machine),
        ];
        let subject = Subject { vm: Some("web".to_owned()), state: "/nonexistent".into() };
        let planned = planned(&needs, &subject);
        let sources: Vec<&str> = planned.iter().map(|one| one.source.as_str()).collect();
        assert_eq!(sources, crate::work_list(&crate::Root::Live, &needs, &subject));
        assert!(planned.iter().all(|one| !one.privilege.is_empty()), "{planned:?}");
    }
}
