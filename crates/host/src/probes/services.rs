//! Record `services`: of each service of the virtualization stack that is installed, whether it runs and whether it is
//! started at boot: `libvirtd.service active enabled`. Read off files: systemd is not asked, because whoever may ask it
//! may also start and stop.

use super::attribute::names;
use crate::live::Collector;
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::Kind;

/// The services, by the names that libvirt, Open vSwitch and QEMU's helpers give them. Each keeps a process of
/// its own name while it runs.
const UNITS: [&str; 11] = [
    "libvirtd.service",
    "virtqemud.service",
    "virtnetworkd.service",
    "virtstoraged.service",
    "virtnodedevd.service",
    "virtlogd.service",
    "virtlockd.service",
    "ovs-vswitchd.service",
    "ovsdb-server.service",
    "multipathd.service",
    "iscsid.service",
];

/// Where units lie, systemd.unit(5); the first that has one counts.
const PLACES: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Where control groups of services lie: in the one hierarchy, or systemd's own of the first version.
const GROUPS: [&str; 2] = ["sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice"];

/// Most names of a folder.
const MOST: usize = 4096;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/")).into_bytes());
    collector.push("services".to_owned(), Some(Kind::new("services")), content);
}

fn list(root: &Path) -> String {
    let mut text = String::new();
    for unit in UNITS {
        let Some(file) = PLACES.iter().map(|place| root.join(place).join(unit)).find(|file| is_there(file))
        else {
            continue;
        };
        // systemd.unit(5): a unit that is a link to /dev/null is masked.
        let masked = std::fs::read_link(&file).is_ok_and(|to| to == Path::new("/dev/null"));
        let active = if runs(root, unit) { "active" } else { "inactive" };
        let boot = match () {
            () if masked => "masked",
            () if wanted(root, unit) => "enabled",
            () => "disabled",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{unit} {active} {boot}");
    }
    text
}

/// Whether a path is there, also as a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether its own program is in its control group. What it started may stay there when it has ended: libvirt's dnsmasq
/// does.
fn runs(root: &Path, unit: &str) -> bool {
    let program = unit.trim_end_matches(".service");
    GROUPS.iter().any(|groups| {
        let pids = std::fs::read_to_string(root.join(groups).join(unit).join("cgroup.procs"));
        pids.unwrap_or_default().lines().take(MOST).any(|pid| {
            std::fs::read_to_string(root.join("proc").join(pid).join("comm"))
                .is_ok_and(|comm| comm.trim_end() == program)
        })
    })
}

/// Whether a target or another unit wants it, as `systemctl enable` leaves it.
fn wanted(root: &Path, unit: &str) -> bool {
    let folder = root.join("etc/systemd/system");
    let of = |name: &String| name.ends_with(".wants") || name.ends_with(".requires");
    names(&folder, MOST)
        .unwrap_or_default()
        .iter()
        .filter(|name| of(name))
        .any(|name| is_there(&folder.join(name).join(unit)))
}

#[cfg(test)]
mod tests {
    use super::list;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    #[test]
    fn files_tell_what_runs_and_what_is_started_at_boot() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        for unit in ["libvirtd.service", "virtlogd.service", "ovs-vswitchd.service", "virtlockd.service"] {
            write(&format!("usr/lib/systemd/system/{unit}"), "[Service]\n");
        }
        write("etc/systemd/system/multi-user.target.wants/none.service", "");
        symlink("/nowhere", root.path().join("etc/systemd/system/multi-user.target.wants/libvirtd.service"))
            .unwrap();
        symlink("/dev/null", root.path().join("etc/systemd/system/virtlockd.service")).unwrap();
        for (pid, comm) in [("7", "libvirtd"), ("8", "dnsmasq"), ("812", "ovs-vswitchd")] {
            write(&format!("proc/{pid}/comm"), &format!("{comm}\n"));
        }
        write("sys/fs/cgroup/system.slice/libvirtd.service/cgroup.procs", "8\n7\n");
        write("sys/fs/cgroup/system.slice/virtlogd.service/cgroup.procs", "8\n");
        write("sys/fs/cgroup/systemd/system.slice/ovs-vswitchd.service/cgroup.procs", "812\n");
        assert_eq!(
            list(root.path()),
            "libvirtd.service active enabled\nvirtlogd.service inactive disabled\n\
             virtlockd.service inactive masked\novs-vswitchd.service active disabled\n"
        );
        assert_eq!(list(Path::new("/nonexistent")), "");
    }
}
