//! Which VM a text is of, by where it lies.

use memchr::memmem;

/// What the name of a process of vmwright's begins with.
const OURS: &str = "vmw-";

/// Whether a text is another VM's than `vm`: its definition, or what its program wrote or answered. What it says has not
/// happened to `vm`.
pub(crate) fn is_of_another(source: &str, text: &str, vm: &str) -> bool {
    if is_definition(source) {
        return defined(text).is_some_and(|other| other != vm);
    }
    writer(source).is_some_and(|other| {
        // Where several QEMUs have one name, its pid stands behind a monitor's.
        let more = other.strip_prefix(vm).and_then(|more| more.strip_prefix('-'));
        other != vm && !more.is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// Whether it is a domain as libvirt keeps it, or prints it.
fn is_definition(source: &str) -> bool {
    let folder = source.rsplit_once('/').map_or("", |(folder, _)| folder);
    source.starts_with("virsh -r dumpxml ")
        || source.ends_with(".xml")
            && ["etc/libvirt/qemu", "run/libvirt/qemu", ".config/libvirt/qemu"]
                .iter()
                .any(|it| folder.ends_with(it))
}

/// The name that a domain's XML begins with; none where it has letters that XML writes otherwise.
fn defined(text: &str) -> Option<&str> {
    let text = &text[memmem::find(text.as_bytes(), b"<name>")? + "<name>".len()..];
    let name = text.split('<').next()?;
    (!name.contains('&')).then_some(name)
}

/// The VM whose program wrote it; none where that is not known.
fn writer(source: &str) -> Option<&str> {
    if let Some(answer) = source.strip_prefix("qmp/") {
        return answer.split_once('/').map(|(vm, _)| vm);
    }
    // `/var/log/libvirt/qemu`, `/var/log/swtpm/libvirt/qemu`, and a user's own `~/.cache/libvirt/qemu/log`.
    let (folder, file) = source.rsplit_once('/')?;
    let log = folder.ends_with("log/libvirt/qemu")
        || folder.ends_with("libvirt/qemu/log")
        || folder.ends_with("log/swtpm/libvirt/qemu");
    // What was turned over has a number behind.
    let (vm, turned) = file.rsplit_once(".log").filter(|_| log)?;
    let numbered = turned.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit());
    numbered.then(|| vm.strip_suffix("-swtpm").unwrap_or(vm))
}

/// Whether a line of the kernel's names the process of another VM than `vm`. vmwright calls a QEMU `vmw-` and its VM's name, of
/// which the kernel keeps 15 bytes (`TASK_COMM_LEN` of `include/linux/sched.h`, with the final NUL).
pub(crate) fn names_another(line: &str, vm: &str) -> bool {
    const KEPT: usize = 15;
    let kept = |name: &str| name.bytes().take(KEPT).collect::<Vec<u8>>();
    let own = kept(&format!("{OURS}{vm}"));
    let mut named = line
        .match_indices(OURS)
        .filter(|(at, _)| line[..*at].ends_with(['"', '(']))
        .filter_map(|(at, _)| line[at..].split(['"', ')']).next())
        .map(kept)
        .peekable();
    named.peek().is_some() && named.all(|name| name != own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_another_vm_is_known_by_its_name() {
        let killed = |name: &str| {
            format!(
                "audit: type=1326 audit(1700000000.1:77): pid=3111 comm=\"{name}\" exe=\"/usr/bin/qemu-system-x86_64\" sig=31"
            )
        };
        for (process, vm, another) in [
            ("vmw-db", "web", true),
            ("vmw-web", "web", false),
            ("vmw-web-server-", "web-server-of-mine", false),
            ("vmw-web", "web-server", true),
            ("qemu-system-x86", "web", false),
        ] {
            assert_eq!(names_another(&killed(process), vm), another, "{process} {vm}");
        }
        assert!(names_another("Out of memory: Killed process 3111 (vmw-db) total-vm:9000000kB", "web"));
        assert!(!names_another("a tap vmw-db without its process", "web"));
    }

    #[test]
    fn what_a_vms_program_wrote_is_known_by_its_place() {
        for other in [
            "/var/log/libvirt/qemu/db.log",
            "var/log/libvirt/qemu/db.log.1",
            "/home/me/.cache/libvirt/qemu/log/db.log",
            "/var/log/swtpm/libvirt/qemu/db-swtpm.log",
            "qmp/db/query-status",
            "qmp/web-server/query-status",
        ] {
            assert!(is_of_another(other, "", "web"), "{other}");
        }
        for own in [
            "/var/log/libvirt/qemu/web.log",
            "/var/log/libvirt/qemu/web.log.2",
            "qmp/web/query-status",
            "qmp/web-4711/query-status",
            "/var/log/swtpm/libvirt/qemu/web-swtpm.log",
            "/var/log/libvirt/libvirtd.log",
            "/etc/libvirt/qemu/networks/db.xml",
            "dmesg",
        ] {
            assert!(!is_of_another(own, "", "web"), "{own}");
        }
    }

    #[test]
    fn a_definition_is_known_by_the_name_in_it() {
        let domain = |name: &str| format!("<domain type='kvm'>\n  <name>{name}</name>\n");
        for source in ["/etc/libvirt/qemu/db.xml", "/run/libvirt/qemu/db.xml", "virsh -r dumpxml db"] {
            assert!(is_of_another(source, &domain("db"), "web"), "{source}");
            for own in [domain("web"), domain("web &amp; db"), "<domain>".to_owned(), String::new()] {
                assert!(!is_of_another(source, &own, "web"), "{source}: {own}");
            }
        }
        assert!(!is_of_another("/etc/libvirt/qemu/networks/default.xml", &domain("default"), "web"));
    }
}
