//! Which host this is. The id says that two readings are of one machine; it gives nothing else away.

use crate::text::escape;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use vmwright_model::HostIdentity;

/// A host's id and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostId {
    /// First 32 hexadecimal digits of a SHA-256.
    pub id: String,
    /// What it was made from.
    pub source: IdSource,
}

/// What a host's id was made from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdSource {
    /// `/etc/machine-id` or `/var/lib/dbus/machine-id`: stays for the life of the installation.
    MachineId,
    /// `/sys/class/dmi/id/product_uuid`: stays for the life of the board; only root can read it.
    ProductUuid,
    /// A random number in vmwright's own state directory: stays as long as that directory.
    State,
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdSource::MachineId => "machine id",
            IdSource::ProductUuid => "product UUID of the board",
            IdSource::State => "random id in the state directory",
        })
    }
}

/// Why this host has no id.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is neither a machine id nor a product UUID, and no random one could be kept.
    #[error("no machine id, no product UUID, and no id can be kept in {}", .path.display())]
    NoId {
        /// The file that would keep it.
        path: PathBuf,
        /// Why it cannot.
        source: io::Error,
    },
}

/// The id of the running host. `state` is vmwright's own directory, where a random id is kept if the host has
/// none of its own.
///
/// # Errors
///
/// [`IdentityError::NoId`] where there is no source at all.
pub fn host_id(state: &Path) -> Result<HostId, IdentityError> {
    host_id_in(Path::new("/"), state)
}

/// Who the running host is. Where it has no id, that field is empty.
#[must_use]
pub fn identity(state: &Path) -> HostIdentity {
    let value = |path: &str| fs::read(path).map_or(String::new(), |bytes| escape(bytes.trim_ascii()));
    HostIdentity {
        id: host_id(state).map_or(String::new(), |host| host.id),
        name: value("/proc/sys/kernel/hostname"),
        kernel: value("/proc/sys/kernel/osrelease"),
        live: true,
    }
}

/// What runs VMs here, where distributions put it.
const PROGRAMS: [&str; 7] = [
    "usr/bin/qemu-system-x86_64",
    "usr/bin/qemu-system-aarch64",
    "usr/libexec/qemu-kvm",
    "usr/sbin/libvirtd",
    "usr/sbin/virtqemud",
    "usr/bin/firecracker",
    "usr/bin/cloud-hypervisor",
];

/// The programs that run VMs on this host, each as `NAME SIZE@TIME`: bytes, and seconds since 1970 when it was last written.
/// A program that is replaced, as every update does, has another size or another time. None of them is started.
#[must_use]
pub fn programs() -> Vec<String> {
    programs_in(Path::new("/"))
}

fn programs_in(root: &Path) -> Vec<String> {
    let told = |path: &&str| {
        let path = root.join(path);
        let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let name = path.file_name()?.to_str()?;
        Some(format!("{name} {}@{}", meta.size(), meta.mtime()))
    };
    PROGRAMS.iter().filter_map(told).collect()
}

fn host_id_in(root: &Path, state: &Path) -> Result<HostId, IdentityError> {
    for path in ["etc/machine-id", "var/lib/dbus/machine-id"] {
        // machine-id(5): 32 hexadecimal digits; empty or `uninitialized` in an image that has not booted yet.
        if let Some(id) = read_id(&root.join(path)).filter(|id| id.len() == 32) {
            return Ok(HostId { id: digest(&id), source: IdSource::MachineId });
        }
    }
    if let Some(uuid) = read_id(&root.join("sys/class/dmi/id/product_uuid")).filter(|id| is_unique(id)) {
        return Ok(HostId { id: digest(&uuid), source: IdSource::ProductUuid });
    }
    let path = state.join("host-id");
    match kept_id(&path) {
        Ok(id) => Ok(HostId { id: digest(&id), source: IdSource::State }),
        Err(source) => Err(IdentityError::NoId { path, source }),
    }
}

/// The id of the host whose `/etc/machine-id` holds this text; empty where it holds no id.
#[must_use]
pub fn of_machine_id(text: &str) -> String {
    clean_id(text).filter(|id| id.len() == 32).map_or(String::new(), |id| digest(&id))
}

fn digest(id: &str) -> String {
    let mut digits = String::with_capacity(64);
    for byte in Sha256::digest(format!("vmwright host id\n{id}")) {
        // Writing into a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(32);
    digits
}

/// Hexadecimal digits and dashes, in lower case.
fn read_id(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(256).read_to_string(&mut text).ok()?;
    clean_id(&text)
}

fn clean_id(text: &str) -> Option<String> {
    let id = text.trim().to_ascii_lowercase();
    let clean = id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (clean && id.len() >= 32).then_some(id)
}

/// Boards whose maker never set the UUID share one of a few values.
fn is_unique(uuid: &str) -> bool {
    let digits: Vec<u8> = uuid.bytes().filter(|byte| *byte != b'-').collect();
    digits.len() == 32
        && digits.iter().any(|digit| *digit != digits[0])
        && uuid != "03000200-0400-0500-0006-000700080009"
        && uuid != "12345678-1234-5678-90ab-cddeefaabbcc"
}

/// The random id in a file, made there where it is not yet.
fn kept_id(path: &Path) -> io::Result<String> {
    if let Some(id) = read_id(path) {
        return Ok(id);
    }
    let mut random = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let id = random.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Under another name first: two processes that start together must agree, and a crash must not leave half
    // an id. `hard_link` does not replace.
    let draft = path.with_extension(format!("{}", std::process::id()));
    let mut file = fs::File::create(&draft)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(id),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read_id(path).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it holds something else"))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_program_that_is_replaced_is_another() {
        let root = root(&[("usr/bin/qemu-system-x86_64", "one"), ("usr/bin/qemu-img", "not asked for")]);
        let before = programs_in(root.path());
        assert!(before.len() == 1 && before[0].starts_with("qemu-system-x86_64 3@"), "{before:?}");
        fs::write(root.path().join("usr/bin/qemu-system-x86_64"), "other").unwrap();
        assert_ne!(programs_in(root.path()), before);
        assert!(programs_in(&root.path().join("etc")).is_empty());
    }

    #[test]
    fn the_machine_id_comes_first() {
        let root = root(&[
            ("etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n"),
            ("sys/class/dmi/id/product_uuid", "2b6d10c8-70a5-4c33-9f1d-0fd1c6a6f50a\n"),
        ]);
        let host = host_id_in(root.path(), &root.path().join("state")).unwrap();
        assert_eq!(host.source, IdSource::MachineId);
        // printf 'vmwright host id\n3d1219c7c4c5404aaa1f6d2a48adfda4' | sha256sum | cut -c1-32
        assert_eq!(host.id, "e407ee5424e10e969c10ae882c1410db");
        assert!(!root.path().join("state").exists());
    }

    #[test]
    fn an_uninitialised_image_falls_back() {
        let board = root(&[
            ("etc/machine-id", "uninitialized\n"),
            ("var/lib/dbus/machine-id", ""),
            ("sys/class/dmi/id/product_uuid", "2B6D10C8-70A5-4C33-9F1D-0FD1C6A6F50A\n"),
        ]);
        let host = host_id_in(board.path(), board.path()).unwrap();
        assert_eq!(host.source, IdSource::ProductUuid);
        assert_eq!(host.id, digest("2b6d10c8-70a5-4c33-9f1d-0fd1c6a6f50a"));

        let shared = root(&[("sys/class/dmi/id/product_uuid", "03000200-0400-0500-0006-000700080009\n")]);
        let state = shared.path().join("new/state");
        let host = host_id_in(shared.path(), &state).unwrap();
        assert_eq!(host.source, IdSource::State);
        assert_eq!(host_id_in(shared.path(), &state).unwrap(), host, "it is kept");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_damaged_or_impossible_state_is_an_error() {
        let root = root(&[("state/host-id", "not an id\n"), ("file", "")]);
        let damaged = host_id_in(root.path(), &root.path().join("state")).unwrap_err();
        assert!(damaged.to_string().contains("state/host-id"), "{damaged}");
        assert!(host_id_in(root.path(), &root.path().join("file")).is_err());
    }

    #[test]
    fn this_host_has_a_name() {
        let state = tempfile::tempdir().unwrap();
        let host = identity(state.path());
        assert!(
            host.live && host.id.len() == 32 && !host.kernel.is_empty() && !host.name.is_empty(),
            "{host:?}"
        );
    }
}
