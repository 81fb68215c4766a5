//! Record `device-nodes`: mode, owner, group and label of the nodes that a VMM opens, of the keys that it reads and of
//! the sockets of its managers, as `ls -lZ` lays them out. Looked at, never opened.

use super::attribute::names;
use super::image_paths::mode_string;
use super::users::Names;
use crate::live::Collector;
use crate::text::escape;
use rustix::fs::{FileType, lgetxattr, lstat, major, minor};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::Kind;

/// Nodes, folders of nodes (all that is in them), and places of keys.
pub(crate) const NODES: [&str; 20] = [
    "/dev/kvm",
    "/dev/vfio",
    "/dev/vfio/devices",
    "/dev/iommu",
    "/dev/net/tun",
    "/dev/vhost-net",
    "/dev/vhost-vsock",
    "/dev/vsock",
    "/dev/userfaultfd",
    "/dev/sev",
    "/dev/sev-guest",
    "/dev/tdx_guest",
    "/dev/sgx_enclave",
    "/dev/sgx_provision",
    "/dev/sgx_vepc",
    "/dev/hugepages",
    "/dev/dri",
    "/dev/udmabuf",
    "/etc/ceph",
    "/etc/pki/libvirt-qemu",
];

/// Folders whose sockets are told, and no other file: nobody connects to them for it.
pub(crate) const SOCKETS: [&str; 2] = ["/run/libvirt", "/run/openvswitch"];

/// Most files of one folder.
const MOST: usize = 512;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(&NODES.map(Path::new), &SOCKETS.map(Path::new)).into_bytes());
    collector.push("device-nodes".to_owned(), Some(Kind::new("file_listing")), content);
}

fn list(nodes: &[&Path], sockets: &[&Path]) -> String {
    let mut paths = BTreeSet::new();
    for node in nodes {
        paths.insert(node.to_path_buf());
        paths.extend(names(node, MOST).unwrap_or_default().into_iter().map(|name| node.join(name)));
    }
    for folder in sockets {
        let all = names(folder, MOST).unwrap_or_default().into_iter().map(|name| folder.join(name));
        paths.extend(all.filter(|path| {
            lstat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket)
        }));
    }
    let mut users = Names::default();
    let mut text = String::new();
    for path in paths {
        one(&path, &mut users, &mut text);
    }
    text
}

fn one(path: &Path, users: &mut Names, text: &mut String) {
    let Ok(stat) = lstat(path) else { return };
    let label = label(path).unwrap_or_else(|| "?".to_owned());
    let mode = mode_string(stat.st_mode);
    let size = if mode.starts_with(['c', 'b']) {
        format!("{}, {}", major(stat.st_rdev), minor(stat.st_rdev))
    } else {
        stat.st_size.to_string()
    };
    // A date that does not change, so that a listing of the same nodes is the same text.
    let _ = writeln!(
        text,
        "{mode} {} {} {} {label} {size} 1970-01-01 00:00 {}",
        stat.st_nlink,
        users.user(stat.st_uid),
        users.group(stat.st_gid),
        escape(path.as_os_str().as_encoded_bytes())
    );
}

/// The SELinux label (selinux(8), `security.selinux`); none where there is no such thing.
pub(super) fn label(path: &Path) -> Option<String> {
    let mut label = vec![0; 1024];
    let length = lgetxattr(path, "security.selinux", &mut label[..]).ok()?;
    Some(escape(label[..length].split(|byte| *byte == 0).next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::list;
    use std::path::Path;
    use vmwright_formats::{FileListing, View};

    #[test]
    fn nodes_and_keys_as_ls_would_list_them() {
        let root = tempfile::tempdir().unwrap();
        let key = root.path().join("ceph.client.vms.keyring");
        std::fs::write(&key, "[client.vms]\n key = secret\n").unwrap();
        let text = list(&[Path::new("/dev/null"), root.path(), Path::new("/nonexistent")], &[]);
        assert!(!text.contains("secret"));
        let (view, issues) = FileListing::read(&text);
        assert_eq!(issues, [], "{text}");
        let null = view.get("/dev/null").unwrap();
        assert_eq!((null.mode, null.owner.as_str(), null.size), (0o666, "root", None));
        assert_eq!(view.get(key.to_str().unwrap()).unwrap().size, Some(27));
        assert_eq!(view.files.len(), 3);
        // Of a folder of sockets they alone.
        let socket = root.path().join("libvirt-sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let (view, issues) = FileListing::read(&list(&[], &[root.path()]));
        assert_eq!((view.files.len(), issues.len()), (1, 0));
        assert!(view.get(socket.to_str().unwrap()).is_some());
    }
}
