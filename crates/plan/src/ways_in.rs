//! Files that a user's way to the host leads through: who may log in and by what, and which network carries it.

use crate::target::Target;
use std::path::Path;

/// What sshd, a login and the network read (sshd(8), pam.conf(5), passwd(5), sudoers(5), and the manuals of who keeps
/// addresses and packet filters).
const WAYS: [&str; 20] = [
    "/etc/ssh",
    "/etc/pam.d",
    "/etc/security",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/hosts.allow",
    "/etc/hosts.deny",
    "/etc/network",
    "/etc/netplan",
    "/etc/systemd/network",
    "/etc/NetworkManager",
    "/etc/sysconfig/network-scripts",
    "/etc/nftables.conf",
    "/etc/iptables",
    "/etc/firewalld",
    "/etc/ufw",
];

/// Whether what an action changes is on such a way: one of these files, a key of a user's, or, where it is who may
/// access something, a folder above one. sshd takes no keys below a home that others may write to (`StrictModes`).
pub(crate) fn touched(target: &Target) -> bool {
    let (path, access) = match target {
        Target::Content { path, .. } => (path, false),
        Target::Mode(path) | Target::Owner(path) | Target::Label(path) => (path, true),
        _ => return false,
    };
    let path = Path::new(path);
    let keys = path.components().any(|part| part.as_os_str() == ".ssh");
    let home = path == Path::new("/root") || path.parent() == Some(Path::new("/home"));
    let above =
        || WAYS.iter().any(|way| Path::new(way).starts_with(path)) || home || path == Path::new("/home");
    keys || WAYS.iter().any(|way| path.starts_with(way)) || access && above()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::Action;

    #[test]
    fn what_a_login_needs_is_known_by_its_path() {
        let written = |path: &str| touched(&Target::Content { path: path.into(), key: None });
        let mode = |path: &str| {
            touched(&Target::of(&Action::FileMode { path: path.into(), from: 0o755, to: 0o700 }))
        };
        for path in ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/1.conf", "/root/.ssh/authorized_keys"] {
            assert!(written(path) && mode(path), "{path}");
        }
        assert!(written("/etc/netplan/01.yaml") && written("/home/ana/.ssh/config"));
        for path in ["/", "/etc", "/etc/systemd", "/root", "/home", "/home/ana"] {
            assert!(mode(path) && !written(path), "{path}");
        }
        for path in ["/etc/sshguard.conf", "/etc/default/grub", "/srv/images", "/home/ana/vm.toml", "/var"] {
            assert!(!written(path) && !mode(path), "{path}");
        }
    }
}
