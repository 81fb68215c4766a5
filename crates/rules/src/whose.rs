//! Which VM a text is of, by where it lies.

use memchr::memmem;

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

#[cfg(test)]
mod tests {
    use super::*;

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
