//! Firecracker in its jailer (`process.jailer`): a root directory of its own with nothing in it but what the machine
//! needs, a user without rights, and PID and mount namespaces (Firecracker's `docs/jailer.md`).
//!
//! The jailer makes the root, its devices and the change of user. Files of the host come in as mounts of the VMM's own
//! namespace ([`Apart`]), so that they are neither copied nor given away, and are gone with the process. The jail lies
//! in the directory of the machine's sockets. What is in it belongs to the VMM: vmwright follows no link there.

use super::argv;
use crate::account::{Account, account};
use crate::apart::Apart;
use crate::program::find;
use crate::store::write_for_now;
use crate::{StartError, Stored};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;
use vmwright_model::MachineSpec;

/// Its API in the jail. The root itself is the only directory there that the VMM can make a socket in and that no VMM can
/// replace.
pub(super) const API: &str = "/api";
/// Its log, its configuration, and the socket of the guest's vsock in the jail.
pub(super) const LOG: &str = "/vmm.log";
pub(super) const CONFIG: &str = "/vmm.json";
pub(super) const VSOCK: &str = "/vsock";
/// State and memory of a snapshot in the jail: those that it goes on from, and those that are taken.
pub(super) const STATE: &str = "/snapshot.state";
pub(super) const MEMORY: &str = "/snapshot.memory";
pub(super) const NEW_STATE: &str = "/new.state";
pub(super) const NEW_MEMORY: &str = "/new.memory";

const INSTALL: &str = "Firecracker's releases have it beside Firecracker; or leave out `process.jailer`";
/// Program headers of an ELF file at most that are looked at; a program has about ten.
const HEADERS_MAX: u16 = 64;

/// Why there is no jail.
#[derive(Debug, Error)]
pub enum JailError {
    /// The jailer makes devices, mounts, and changes its user.
    #[error("only root can run Firecracker in its jailer (`process.jailer`)")]
    NotRoot,
    /// No user to run as.
    #[error("`process.jailer` needs `process.user`: the user other than root that Firecracker runs as")]
    NoUser,
    /// A jail has no libraries.
    #[error(
        "`{}` cannot run in the jailer: it needs the loader `{loader}`, and a jail has no libraries; take Firecracker's \
         own release, which is linked statically", .program.display()
    )]
    Dynamic {
        /// Firecracker.
        program: PathBuf,
        /// What it would be loaded by.
        loader: String,
    },
    /// A file of the jail or for it cannot be used.
    #[error("cannot {doing} `{}` for the jail", .path.display())]
    File {
        /// What failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A jail that is being furnished.
pub(super) struct Jail {
    pub(super) jailer: PathBuf,
    pub(super) account: Account,
    pub(super) apart: Apart,
    program: PathBuf,
    base: PathBuf,
    root: PathBuf,
    id: String,
}

/// Whether a machine's Firecracker is jailed.
pub(super) fn wanted(spec: &MachineSpec) -> bool {
    spec.process.jailer == Some(true)
}

/// The user of a machine that is jailed.
fn user(spec: &MachineSpec) -> Result<Account, StartError> {
    let user = account(&spec.process)?;
    if !rustix::process::geteuid().is_root() {
        return Err(JailError::NotRoot.into());
    }
    Ok(user.filter(|user| user.uid != 0).ok_or(JailError::NoUser)?)
}

/// The jailer that belongs to this Firecracker: of the same release in the same directory, or one in PATH.
fn jailer(program: &Path) -> Result<PathBuf, StartError> {
    let own =
        program.file_name().and_then(|name| name.to_str()).map(|name| name.replace("firecracker", "jailer"));
    let beside = own.map(|own| program.with_file_name(own)).filter(|beside| beside != program);
    let places: Vec<PathBuf> = beside.into_iter().collect();
    match places.first().filter(|beside| beside.is_file()) {
        Some(beside) => Ok(beside.clone()),
        None => find("jailer", &places, INSTALL),
    }
}

/// The root of a machine's jail below the directory of its sockets, as the jailer makes it: a path of the program's name
/// and the machine's.
pub(super) fn root(base: &Path, program: &Path, id: &str) -> PathBuf {
    base.join(program.file_name().unwrap_or_default()).join(id).join("root")
}

impl Jail {
    /// An empty jail.
    pub(super) fn make(machine: &Stored, program: &Path, base: &Path) -> Result<Self, StartError> {
        let account = user(&machine.spec)?;
        let jailer = jailer(program)?;
        // The jailer names the jail by what a link leads to.
        let program = program.canonicalize().map_err(fail("look at", program))?;
        if let Some(loader) = loader(&program).map_err(fail("read", &program))? {
            return Err(JailError::Dynamic { program, loader }.into());
        }
        let id = argv::id(&machine.name);
        let root = root(base, &program, &id);
        DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(fail("make", &root))?;
        Ok(Self { jailer, account, apart: Apart::default(), program, base: base.to_owned(), root, id })
    }

    /// Its API as the host sees it.
    pub(super) fn api(&self) -> PathBuf {
        self.seen(API)
    }

    /// The socket of the guest's vsock as the host sees it.
    pub(super) fn vsock(&self) -> PathBuf {
        self.seen(VSOCK)
    }

    /// A path of the jail as the host sees it.
    fn seen(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Words for the jailer; behind `--` come those for Firecracker.
    pub(super) fn words(&self) -> Vec<OsString> {
        let Account { uid, gid, .. } = self.account;
        let mut words: Vec<OsString> = vec!["--id".into(), self.id.clone().into()];
        words.extend(["--exec-file".into(), self.program.clone().into_os_string()]);
        words.extend(["--uid".into(), uid.to_string().into(), "--gid".into(), gid.to_string().into()]);
        words.extend(["--chroot-base-dir".into(), self.base.clone().into_os_string(), "--".into()]);
        words
    }

    /// Shows a file of the host at a path of the jail.
    pub(super) fn show(&mut self, from: &Path, inside: &str, readonly: bool) -> Result<(), StartError> {
        let to = self.seen(inside);
        // A mount needs something that it covers.
        File::options().write(true).create_new(true).mode(0o600).open(&to).map_err(fail("make", &to))?;
        Ok(self.apart.show(from, &to, readonly).map_err(fail("show", from))?)
    }

    /// Shows a file that the VMM writes to, and gives it to its user.
    pub(super) fn give(&mut self, from: &Path, inside: &str) -> Result<(), StartError> {
        let (uid, gid) = (Some(self.account.uid), Some(self.account.gid));
        std::os::unix::fs::chown(from, uid, gid).map_err(fail("give away", from))?;
        self.show(from, inside, false)
    }

    /// Puts the configuration into the jail, its paths turned into those there.
    pub(super) fn configure(&mut self, config: &mut Value) -> Result<(), StartError> {
        for (pointer, inside, readonly) in places(config) {
            let Some(Value::String(path)) = config.pointer_mut(&pointer) else { continue };
            let from = PathBuf::from(std::mem::replace(path, inside.clone()));
            if inside != VSOCK {
                self.show(&from, &inside, readonly)?;
            }
        }
        let mut text = format!("{config:#}").into_bytes();
        text.push(b'\n');
        let path = self.seen(CONFIG);
        let write = || -> io::Result<()> {
            write_for_now(&self.root, CONFIG.trim_start_matches('/'), &text)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644))
        };
        Ok(write().map_err(fail("write", &path))?)
    }

    /// Lets the vsock's path on the host lead to the socket that the VMM makes in the jail.
    pub(super) fn link_vsock(&self, on_host: &Path) -> Result<(), StartError> {
        Ok(std::os::unix::fs::symlink(self.seen(VSOCK), on_host).map_err(fail("make", on_host))?)
    }
}

fn fail(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JailError {
    let path = path.to_owned();
    move |source| JailError::File { doing, path, source }
}

/// What a machine's jail is, each part with what it is for; nothing where it is not jailed.
pub(super) fn shown(machine: &Stored, config: &Value) -> Vec<(String, String)> {
    if !wanted(&machine.spec) {
        return Vec::new();
    }
    let name = machine.spec.process.user.as_deref().unwrap_or("nobody that is named");
    // A user that this host lacks is told at the start.
    let user = match account(&machine.spec.process) {
        Ok(Some(Account { uid, gid, .. })) => format!("--uid {uid} --gid {gid}"),
        _ => format!("--uid of {name}"),
    };
    let mut parts = vec![
        (
            format!("jailer --id {}", argv::id(&machine.name)),
            "Firecracker has a root, a mount and a PID namespace of its own".to_owned(),
        ),
        (user, format!("it runs as {name}, with none of root's rights")),
    ];
    if let Some(group) = crate::cgroup::named(machine) {
        parts.push((
            format!("control group {}", group.display()),
            "it is in there before the jailer runs, which makes none".to_owned(),
        ));
    }
    for (pointer, inside, readonly) in places(config) {
        if let Some(path) = config.pointer(&pointer).and_then(Value::as_str) {
            let how = if readonly { ", for reading" } else { "" };
            parts.push((inside, format!("is {path} of the host{how}")));
        }
    }
    parts
}

/// Where a configuration names files of the host: its JSON pointer, the file's path in the jail, and whether the VMM
/// only reads it.
pub(super) fn places(config: &Value) -> Vec<(String, String, bool)> {
    let mut found = vec![
        ("/boot-source/kernel_image_path".to_owned(), "/kernel".to_owned(), true),
        ("/boot-source/initrd_path".to_owned(), "/initrd".to_owned(), true),
        ("/vsock/uds_path".to_owned(), VSOCK.to_owned(), false),
    ];
    let drives = config["drives"].as_array().into_iter().flatten();
    for (at, drive) in drives.enumerate() {
        let readonly = drive["is_read_only"] == true;
        found.push((format!("/drives/{at}/path_on_host"), disk(at), readonly));
        found.push((format!("/drives/{at}/socket"), disk(at), false));
    }
    found
}

/// The path of a disk in the jail, by its number.
pub(super) fn disk(at: usize) -> String {
    format!("/disk{at}")
}

/// What a program is loaded by (`PT_INTERP` of elf(5)); none where it is linked statically.
fn loader(program: &Path) -> io::Result<Option<String>> {
    const PT_INTERP: [u8; 4] = 3_u32.to_le_bytes();
    let mut file = File::open(program)?;
    let mut head = [0; 64];
    file.read_exact(&mut head)?;
    // A script or something else: executing it tells.
    if head[..5] != *b"\x7fELF\x02" {
        return Ok(None);
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let (offset, size) = (number(&head[32..40]), number(&head[54..56]));
    let count = u16::from_le_bytes([head[56], head[57]]).min(HEADERS_MAX);
    for at in 0..u64::from(count) {
        let mut header = [0; 56];
        file.seek(SeekFrom::Start(offset.saturating_add(at * size)))?;
        file.read_exact(&mut header)?;
        if header[..4] == PT_INTERP {
            let mut path = Vec::new();
            file.seek(SeekFrom::Start(number(&header[8..16])))?;
            file.take(number(&header[32..40]).min(256)).read_to_end(&mut path)?;
            let path = String::from_utf8_lossy(&path);
            return Ok(Some(path.trim_end_matches('\0').escape_debug().to_string()));
        }
    }
    Ok(None)
}

/// Takes a file that the VMM has made in its jail: a regular one, and no link to another.
pub(super) fn take(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(from)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the VMM has put something else into its place",
        ));
    }
    // Moved where it can be; what has been moved is the very file that was opened only if nobody swapped it meanwhile.
    use std::os::unix::fs::MetadataExt;
    let same = |other: &std::fs::Metadata, own: &std::fs::Metadata| {
        other.is_file() && (other.dev(), other.ino()) == (own.dev(), own.ino())
    };
    if std::fs::rename(from, to).is_ok() {
        if same(&to.symlink_metadata()?, &file.metadata()?) {
            return std::fs::set_permissions(to, PermissionsExt::from_mode(0o600));
        }
        std::fs::remove_file(to)?;
    }
    let mut copy = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut file, &mut copy)?;
    let _ = std::fs::remove_file(from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_configuration_s_files_have_places_in_the_jail() {
        let config = json!({
            "boot-source": { "kernel_image_path": "/k" },
            "drives": [{ "path_on_host": "/a", "is_read_only": true }, { "socket": "/run/blk" }],
            "vsock": { "guest_cid": 3, "uds_path": "/run/vsock" },
        });
        let there: Vec<(String, bool)> = places(&config)
            .into_iter()
            .filter(|(pointer, ..)| config.pointer(pointer).is_some())
            .map(|(_, inside, readonly)| (inside, readonly))
            .collect();
        let expected = [("/kernel", true), ("/vsock", false), ("/disk0", true), ("/disk1", false)];
        assert_eq!(there, expected.map(|(inside, readonly)| (inside.to_owned(), readonly)));
    }

    #[test]
    fn a_program_that_needs_libraries_is_known() {
        let own = std::env::current_exe().expect("it runs");
        assert!(
            loader(&own).expect("readable").is_some_and(|loader| loader.starts_with("/lib")),
            "tests are dynamic"
        );
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("x");
        for (bytes, told) in [(vec![0; 64], Some(None)), (b"\x7fELF".to_vec(), None)] {
            std::fs::write(&file, bytes).expect("written");
            assert_eq!(loader(&file).ok(), told);
        }
    }

    #[test]
    fn what_a_vmm_left_is_taken_and_no_link_is_followed() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (jail, to) = (place.path().join("jail"), place.path().join("to"));
        std::fs::create_dir(&jail).expect("made");
        std::fs::write(jail.join("a"), "memory").expect("written");
        take(&jail.join("a"), &to).expect("a file");
        assert_eq!(std::fs::read_to_string(&to).expect("there"), "memory");
        assert!(!jail.join("a").exists());
        std::os::unix::fs::symlink("/etc/passwd", jail.join("b")).expect("made");
        take(&jail.join("b"), &place.path().join("no")).expect_err("a link");
        take(&jail.join("none"), &place.path().join("no")).expect_err("nothing");
        assert!(!place.path().join("no").exists());
    }
}
