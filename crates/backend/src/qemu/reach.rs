//! What a QEMU that runs as another user than vmwright reaches. By name that is its own directory of sockets and what
//! its user may open; vmwright opens the rest and gives it the open file.

use super::qmp::{Qmp, QmpError};
use crate::account::own;
use crate::image::{Layer, layers};
use crate::process::user_of;
use crate::sockets::by;
use crate::{Running, Stored};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{HostDeviceKind, ShareDriver};

/// Name of the socket in a VMM's own directory at which it waits for a guest.
const ARRIVAL: &str = "in";
/// Name of the socket to a guest's target, as QEMU knows it.
const TARGET: &str = "vmwright-target";
/// The files of certificates that QEMU reads (`include/crypto/tlscredsx509.h` and `tlscreds.h`).
const CERTIFICATES: [&str; 7] = [
    "ca-cert.pem",
    "ca-crl.pem",
    "server-cert.pem",
    "server-key.pem",
    "client-cert.pem",
    "client-key.pem",
    "dh-params.pem",
];

/// The id of the user and the group that a machine's QEMU becomes once it has opened all that it needs, as [`own`].
///
/// # Errors
/// Why it stays root.
pub(super) fn becomes(machine: &Stored) -> Result<Option<u32>, String> {
    match (own(machine), needs_root(&machine.spec)) {
        (Err(why), _) | (Ok(Some(_)), Some(why)) => Err(stays_root(why)),
        (Ok(id), _) => Ok(id),
    }
}

/// A reason, as it is told.
pub(super) fn stays_root(why: &str) -> String {
    format!("QEMU stays root: {why}")
}

/// What QEMU opens while its guest runs, and could not as another user.
fn needs_root(spec: &MachineSpec) -> Option<&'static str> {
    if spec.shares.iter().any(|share| share.driver == ShareDriver::NineP) {
        return Some("it serves 9p itself, and reads and writes the share's files as root");
    }
    if spec.host_devices.iter().any(|device| device.kind == HostDeviceKind::Usb) {
        return Some("it opens a USB device anew whenever it is reset or plugged in again");
    }
    None
}

/// Whether it is another user.
fn foreign(running: &Running) -> bool {
    running.user.is_some()
}

/// The directory of a VMM's sockets: as vmwright names it, and as the VMM does.
fn directory(running: &Running) -> io::Result<(PathBuf, PathBuf)> {
    let none = || io::Error::other("it has no directory of its own: it was started by an earlier vmwright");
    let ours = running.qmp.as_deref().and_then(Path::parent).ok_or_else(none)?;
    let (base, name) = ours.parent().zip(ours.file_name()).ok_or_else(none)?;
    let base = fs::metadata(base)?;
    let way = descriptor(running.process.pid, (base.dev(), base.ino()))?.ok_or_else(none)?;
    Ok((ours.to_owned(), by(way, &name.to_string_lossy())))
}

/// The number under which a process has a file open, by the file's device and inode.
fn descriptor(pid: i32, wanted: (u64, u64)) -> io::Result<Option<RawFd>> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // What it has closed meanwhile is not the one.
        let Ok(found) = fs::metadata(entry.path()) else { continue };
        if (found.dev(), found.ino()) == wanted {
            return Ok(entry.file_name().to_str().and_then(|number| number.parse().ok()));
        }
    }
    Ok(None)
}

/// Where a VMM waits for a guest that comes over a socket.
pub(super) struct Arrival {
    /// Its address in QEMU's words.
    pub(super) address: String,
    socket: PathBuf,
    path: PathBuf,
}

impl Arrival {
    /// For a socket at a path, which nobody listens at.
    pub(super) fn at(running: &Running, path: &Path) -> io::Result<Option<Self>> {
        if !foreign(running) {
            return Ok(None);
        }
        let (ours, theirs) = directory(running)?;
        let address = format!("unix:{}", theirs.join(ARRIVAL).display());
        Ok(Some(Self { address, socket: ours.join(ARRIVAL), path: path.to_owned() }))
    }

    /// QEMU listens: shows the socket at the path where it is looked for.
    pub(super) fn show(&self) -> io::Result<()> {
        std::os::unix::fs::symlink(&self.socket, &self.path)
    }
}

/// The address by which a VMM reaches a socket that somebody listens at. The socket is given to its user: only who may
/// write to one may connect (unix(7)).
pub(super) fn target(qmp: &mut Qmp, running: &Running, path: &Path) -> Result<Option<String>, QmpError> {
    if !foreign(running) {
        return Ok(None);
    }
    let fail = |source: io::Error| QmpError::Lent { path: path.to_owned(), source };
    let (uid, _) = user_of(running.process.pid).map_err(fail)?;
    let (socket, which) = given(path, uid).map_err(fail)?;
    qmp.execute_with("getfd", json!({ "fdname": TARGET }), socket.as_fd())?;
    let number = descriptor(running.process.pid, which).map_err(fail)?;
    let number = number.ok_or_else(|| fail(io::Error::other("QEMU did not keep it")))?;
    Ok(Some(format!("unix:/proc/self/fd/{number}")))
}

/// A socket that is given to a user, and its device and inode. It is looked up once: what is put at its path meanwhile is
/// neither given away nor connected to.
fn given(path: &Path, uid: u32) -> io::Result<(OwnedFd, (u64, u64))> {
    let socket = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let found = rustix::fs::fstat(&socket)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(io::Error::other("it is no socket"));
    }
    if found.st_uid != uid {
        let owner = Some(rustix::fs::Uid::from_raw(uid));
        rustix::fs::chownat(&socket, "", owner, None, AtFlags::EMPTY_PATH)?;
    }
    Ok((socket, (found.st_dev, found.st_ino)))
}

/// A directory of certificates while QEMU reads it: for another user a copy, which goes with this.
pub(super) struct Certificates {
    /// As QEMU names it.
    pub(super) directory: PathBuf,
    copy: Option<PathBuf>,
}

impl Certificates {
    pub(super) fn of(running: &Running, directory: &Path) -> io::Result<Self> {
        if !foreign(running) {
            return Ok(Self { directory: directory.to_owned(), copy: None });
        }
        let (ours, theirs) = self::directory(running)?;
        let copy = ours.join("tls");
        let made = Self { directory: theirs.join("tls"), copy: Some(copy.clone()) };
        let (uid, gid) = user_of(running.process.pid)?;
        fs::DirBuilder::new().mode(0o700).create(&copy)?;
        lchown(&copy, Some(uid), Some(gid))?;
        for name in CERTIFICATES {
            let mut from = match fs::File::open(directory.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            let to = copy.join(name);
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&to)?;
            io::copy(&mut from, &mut file)?;
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        Ok(made)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        if let Some(copy) = &self.copy {
            // It lies in a directory that goes with the VMM in any case.
            let _ = fs::remove_dir_all(copy);
        }
    }
}

/// The block nodes of an image with all that it stands on, as `blockdev-add` wants them.
pub(super) fn disk(
    qmp: &mut Qmp,
    running: &Running,
    path: &Path,
    format: &str,
    readonly: bool,
) -> Result<Value, QmpError> {
    let mut node = json!({ "driver": format, "read-only": readonly, "discard": "unmap" });
    node["file"] = file(qmp, running, path, readonly)?;
    if foreign(running) && format == "qcow2" {
        let fail = |why: String| QmpError::Lent { path: path.to_owned(), source: io::Error::other(why) };
        let below = layers(path, format).map_err(fail)?;
        // From the lowest on, which is the last.
        let mut backing: Option<Value> = None;
        for Layer { path, format } in below.into_iter().rev() {
            let mut layer = json!({ "driver": format, "read-only": true });
            layer["file"] = file(qmp, running, &path, true)?;
            if let Some(below) = backing.take() {
                layer["backing"] = below;
            }
            backing = Some(layer);
        }
        if let Some(backing) = backing {
            node["backing"] = backing;
        }
    }
    Ok(node)
}

/// The node of a file or device itself.
fn file(qmp: &mut Qmp, running: &Running, path: &Path, readonly: bool) -> Result<Value, QmpError> {
    let fail = |source| QmpError::Lent { path: path.to_owned(), source };
    let driver = if fs::metadata(path).map_err(fail)?.is_file() { "file" } else { "host_device" };
    let name = image(qmp, running, path, readonly)?;
    Ok(json!({ "driver": driver, "filename": name, "read-only": readonly, "discard": "unmap" }))
}

/// The name by which QEMU opens an image.
pub(super) fn image(
    qmp: &mut Qmp,
    running: &Running,
    path: &Path,
    readonly: bool,
) -> Result<String, QmpError> {
    if !foreign(running) {
        return Ok(path.to_string_lossy().into_owned());
    }
    let fail = |source| QmpError::Lent { path: path.to_owned(), source };
    let opened = fs::OpenOptions::new().read(true).write(!readonly).open(path).map_err(fail)?;
    qmp.lend_as(opened.as_fd(), &path.to_string_lossy())
}

/// The path of an image by the name that QEMU has for it: the one that it was lent under where that is the name.
pub(super) fn path_of(sets: &Value, name: &str) -> String {
    let number = name.strip_prefix("/dev/fdset/").and_then(|number| number.parse::<u64>().ok());
    let lent = number.and_then(|number| {
        let set = sets.as_array()?.iter().find(|set| set["fdset-id"].as_u64() == Some(number))?;
        set["fds"].as_array()?.iter().find_map(|fd| fd["opaque"].as_str()).map(str::to_owned)
    });
    lent.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixListener;
    use vmwright_model::machine::{HostDevice, Share};

    #[test]
    fn what_needs_root_says_why() {
        let mut spec = MachineSpec::named("a");
        assert_eq!(needs_root(&spec), None);
        spec.host_devices = vec![HostDevice::of(HostDeviceKind::Usb, "1234:5678")];
        assert!(needs_root(&spec).is_some_and(|why| why.contains("USB")));
        spec.host_devices.clear();
        spec.shares = vec![Share {
            path: Some("/srv".to_owned()),
            tag: "data".to_owned(),
            driver: ShareDriver::NineP,
            readonly: true,
            socket: None,
            program: None,
            queue_size: None,
            security_model: None,
            address: None,
        }];
        assert!(needs_root(&spec).is_some_and(|why| why.contains("9p")));
    }

    #[test]
    fn what_is_put_in_a_socket_s_place_is_not_followed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (path, other) = (place.path().join("in"), place.path().join("other"));
        let _listener = UnixListener::bind(&path).expect("bound");
        let own = rustix::process::geteuid().as_raw();
        let (socket, which) = given(&path, own).expect("a socket");
        // Somebody swaps it for one that this process has open too.
        let _theirs = UnixListener::bind(&other).expect("bound");
        let theirs = rustix::fs::open(&other, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("opened");
        fs::rename(&other, &path).expect("moved");
        let found = descriptor(std::process::id().try_into().expect("a pid"), which).expect("readable");
        assert_eq!(found, Some(socket.as_raw_fd()));
        assert_ne!(found, Some(theirs.as_raw_fd()));
        // What is no socket is refused.
        fs::write(&other, "").expect("written");
        given(&other, own).expect_err("no socket");
    }

    #[test]
    fn the_path_of_what_was_lent() {
        let sets = json!([
            { "fdset-id": 1, "fds": [{ "fd": 3, "opaque": "serial.log" }] },
            { "fdset-id": 2, "fds": [{ "fd": 19 }, { "fd": 20, "opaque": "/vms/a.qcow2" }] },
            { "fdset-id": 3, "fds": [] },
        ]);
        for (name, path) in [
            ("/dev/fdset/2", "/vms/a.qcow2"),
            ("/dev/fdset/3", "/dev/fdset/3"),
            ("/dev/fdset/x", "/dev/fdset/x"),
            ("/vms/b.raw", "/vms/b.raw"),
        ] {
            assert_eq!(path_of(&sets, name), path);
        }
        assert_eq!(path_of(&Value::Null, "/dev/fdset/1"), "/dev/fdset/1");
    }
}
