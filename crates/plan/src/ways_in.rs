//! Files that a user's way to the host leads through: who may log in and by what, and which network carries it.

use crate::target::Target;
use std::path::Path;
use vmwright_model::Action;

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
/// access something, a folder above one. sshd takes no keys below a home that others may write to (`StrictModes`); that
/// more may look into it shuts nobody out.
pub(crate) fn touched(action: &Action) -> bool {
    let target = Target::of(action);
    let (path, access) = match &target {
        Target::Content { path, .. } => (path, false),
        Target::Mode(path) | Target::Owner(path) | Target::Label(path) => (path, !opens(action)),
        _ => return false,
    };
    let path = Path::new(path);
    let keys = path.components().any(|part| part.as_os_str() == ".ssh");
    let home = path == Path::new("/root") || path.parent() == Some(Path::new("/home"));
    let above =
        || WAYS.iter().any(|way| Path::new(way).starts_with(path)) || home || path == Path::new("/home");
    keys || WAYS.iter().any(|way| path.starts_with(way)) || access && above()
}

/// Whether an action lets more look into a folder, and nobody less, and nobody write who did not.
fn opens(action: &Action) -> bool {
    match action {
        Action::FileMode { from, to, .. } => to & from == *from && to & !from & 0o022 == 0,
        Action::FileAcl { from, to, .. } => {
            let had: Vec<&str> = from.split(',').collect();
            let has: Vec<&str> = to.split(',').collect();
            // What the mask lets through can only be less than what is written, so it is looked at as what is new.
            had.iter().all(|entry| has.contains(entry) || entry.starts_with("mask:"))
                && has.iter().all(|entry| had.contains(entry) || !entry.contains('w') && !hides(entry, &had))
        }
        _ => false,
    }
}

/// Whether a mask takes away what entries before let through.
fn hides(mask: &str, had: &[&str]) -> bool {
    let Some(most) = mask.strip_prefix("mask::") else { return false };
    let grouped = had.iter().filter(|entry| !entry.starts_with("user::") && !entry.starts_with("other:"));
    let given = |letter| {
        grouped.clone().any(|entry| entry.rsplit(':').next().is_some_and(|bits| bits.contains(letter)))
    };
    ['r', 'w', 'x'].into_iter().any(|letter| given(letter) && !most.contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_needs_is_known_by_its_path() {
        let written =
            |path: &str| touched(&Action::FileRemove { path: path.into(), from_sha256: String::new() });
        let changed = |path: &str, from, to| touched(&Action::FileMode { path: path.into(), from, to });
        let mode = |path: &str| changed(path, 0o755, 0o700);
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
        // A VMM's user may pass through a home; that others write into it is what sshd minds, and of its own files more.
        assert!(!changed("/home/ana", 0o700, 0o711) && changed("/home/ana", 0o700, 0o733));
        assert!(changed("/etc/ssh/ssh_host_rsa_key", 0o600, 0o644));
        let list = |from: &str, to: &str| {
            touched(&Action::FileAcl { path: "/home/ana".into(), from: from.into(), to: to.into() })
        };
        let plain = "user::rwx,group::r-x,other::---";
        for (to, told) in [
            ("user::rwx,user:64055:--x,group::r-x,mask::r-x,other::---", false),
            ("user::rwx,user:64055:--x,group::r-x,mask::--x,other::---", true),
            ("user::rwx,user:64055:-wx,group::r-x,mask::rwx,other::---", true),
            ("user::r-x,user:64055:--x,group::r-x,mask::r-x,other::---", true),
        ] {
            assert_eq!(list(plain, to), told, "{to}");
        }
    }
}
