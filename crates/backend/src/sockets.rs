//! The private directory of a machine's sockets. The address of a UNIX socket has 108 bytes with its final NUL
//! (`sun_path` of unix(7)), so a long state directory gets its sockets elsewhere.

use crate::store::VSOCK;
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Bytes of a socket's path that fit, without the final NUL.
const PATH_MAX: usize = 107;
/// The longest name below a base directory: the machine's directory and the socket's own name.
const LONGEST: &str = "/0123456789ab/agent";
/// Bytes of what stands before the path in the address of a socket of another user's VMM, with the highest thread id
/// (`PID_MAX_LIMIT` of Linux, 2^22).
const FOREIGN: usize = "/proc/self/task/4194304/root".len();

/// Why there is no place for sockets.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Every place is too long.
    #[error(
        "the state directory `{}` is too long for sockets (107 bytes); use a shorter one, or set XDG_RUNTIME_DIR",
        .0.display()
    )]
    TooLong(PathBuf),
    /// One that the specification names.
    #[error("the socket `{}` is longer than the 107 bytes that the address of one has; name a shorter one in `vsock.socket`", .0.display())]
    LongPath(PathBuf),
    /// A directory for them cannot be made.
    #[error("cannot make the socket directory `{}`", .path.display())]
    Make {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could reach into the directory.
    #[error("the socket directory `{}` is not private: it belongs to user {owner} and has mode {mode:o}", .path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A socket cannot be made.
    #[error("cannot make the socket `{}`", .path.display())]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A machine's socket directory; removed when dropped, unless kept.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    path: PathBuf,
    /// Whether its VMM runs as another user.
    foreign: bool,
    kept: bool,
}

impl SocketDirectory {
    /// Makes a machine's: in `STATE/run`, or where that is too long in the user's runtime directory. The name is
    /// the machine's own, so that what a killed vmwright left is found; the caller holds the machine's lock and
    /// knows that no VMM uses it. `foreign` says that its VMM runs as another user.
    pub(crate) fn make(state: &Path, machine: &str, foreign: bool) -> Result<Self, SocketError> {
        let before = if foreign { FOREIGN } else { 0 };
        let base = base(state, std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref(), before)?;
        let path = base.join(own_name(state, machine));
        let fail = |source| SocketError::Make { path: path.clone(), source };
        // Another machine's stop may remove the empty base between the two calls.
        for _ in 0..5 {
            private(&base)?;
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path, foreign, kept: false }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    std::fs::remove_dir_all(&path).map_err(fail)?;
                }
                Err(source) => return Err(fail(source)),
            }
        }
        Err(fail(io::ErrorKind::NotFound.into()))
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a listening socket for a VMM to inherit. A VMM removes its sockets by the address that they were
    /// bound to when it ends in order. One that runs as another user cannot reach it and would complain in its
    /// log, so its address is one that only exists in this process. Behind `root` it says the path all the same, by which the
    /// kernel's list tells it to readers.
    pub(crate) fn listen(&self, name: &str) -> Result<(PathBuf, UnixListener), SocketError> {
        let path = self.path.join(name);
        let fail = |source| SocketError::Bind { path: path.clone(), source };
        let listener = if self.foreign {
            let here = rustix::thread::gettid().as_raw_nonzero();
            UnixListener::bind(format!("/proc/self/task/{here}/root{}", path.display()))
        } else {
            UnixListener::bind(&path)
        };
        let listener = listener.map_err(fail)?;
        Ok((path, listener))
    }

    /// Its name, by which it is known from those of other machines.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Leaves it: the VMM's record has it from now on.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for SocketDirectory {
    fn drop(&mut self) {
        if !self.kept {
            remove(Some(&self.path));
        }
    }
}

/// Removes a machine's socket directory, and the directory above where it is empty now. Failing leaves a
/// directory that nobody else can use.
pub(crate) fn remove(directory: Option<&Path>) {
    let Some(directory) = directory else { return };
    let _ = std::fs::remove_dir_all(directory);
    if let Some(base) = directory.parent() {
        let _ = std::fs::remove_dir(base);
    }
}

/// A short name for a machine of a state directory: 48 bits of FNV-1a, hexadecimal.
fn own_name(state: &Path, machine: &str) -> String {
    let words = state.as_os_str().as_bytes().iter().chain(&[0]).chain(machine.as_bytes());
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:012x}", words.fold(0xcbf2_9ce4_8422_2325, step) >> 16)
}

/// Where the sockets of a state directory lie, with `before` bytes before their paths.
fn base(state: &Path, runtime: Option<&Path>, before: usize) -> Result<PathBuf, SocketError> {
    let fits = |base: &Path| before + base.as_os_str().len() + LONGEST.len() <= PATH_MAX;
    let own = state.join("run");
    if fits(&own) {
        return Ok(own);
    }
    if let Some(runtime) = runtime.filter(|runtime| runtime.is_absolute()) {
        let base = runtime.join("vmwright");
        if fits(&base) {
            return Ok(base);
        }
    }
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Ok(PathBuf::from(format!("/run/vmwright-{}", user.as_raw())));
    }
    Err(SocketError::TooLong(state.to_owned()))
}

/// Where the socket of a guest's vsock lies that its specification does not place: at `usual`, or where that is too long
/// among the other sockets of its machine.
pub(crate) fn short(state: &Path, machine: &str, usual: PathBuf) -> PathBuf {
    if usual.as_os_str().len() <= PATH_MAX {
        return usual;
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // Where there is no short place either, the machine's start says so.
    let place = base(state, runtime.as_deref(), 0).map(|base| base.join(own_name(state, machine)));
    place.map_or(usual, |place| place.join(VSOCK))
}

/// Whether a VMM can make a socket at a path.
pub(crate) fn check(path: &Path) -> Result<(), SocketError> {
    if path.as_os_str().len() <= PATH_MAX { Ok(()) } else { Err(SocketError::LongPath(path.to_owned())) }
}

/// Removes a socket at which nobody listens any more, or the link to one in a jail: microVMs' VMMs refuse to make theirs
/// where one is, and one that was killed leaves it.
pub(crate) fn remove_stale(socket: &Path) {
    let is_stale = socket.symlink_metadata().is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_socket() || (kind.is_symlink() && !socket.exists())
    });
    if is_stale && UnixStream::connect(socket).is_err() {
        // Where that fails, the VMM says so.
        let _ = std::fs::remove_file(socket);
    }
}

/// Makes a directory that only this user can enter, or checks that an existing one is.
fn private(base: &Path) -> Result<(), SocketError> {
    let fail = |source| SocketError::Make { path: base.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(base) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(fail(source)),
    }
    // Not through a symbolic link: somebody else may have put one there.
    let found: Metadata = base.symlink_metadata().map_err(fail)?;
    let mode = found.mode() & 0o7777;
    if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(SocketError::NotPrivate { path: base.to_owned(), owner: found.uid(), mode })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn short_private_and_gone_afterwards() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let sockets = SocketDirectory::make(place.path(), "a", false).expect("short enough");
        let mode = |path: &Path| path.metadata().expect("there").mode() & 0o777;
        assert_eq!((mode(sockets.path()), mode(&place.path().join("run"))), (0o700, 0o700));
        for foreign in [false, true] {
            let name = if foreign { "agent" } else { "qmp" };
            let sockets = SocketDirectory { path: sockets.path().into(), foreign, kept: true };
            let (path, listener) = sockets.listen(name).expect("bound");
            let list = std::fs::read_to_string("/proc/net/unix").expect("readable");
            let told = list.lines().any(|line| line.ends_with(path.to_str().expect("text")));
            assert!(told, "the kernel tells the path, behind what another user cannot follow");
            let _client = UnixStream::connect(&path).expect("reachable under its path");
            listener.accept().expect("a client");
        }
        // What a killed vmwright left is in nobody's way, and another machine has its own.
        sockets.keep();
        let sockets = SocketDirectory::make(place.path(), "a", false).expect("made anew");
        assert_eq!(std::fs::read_dir(sockets.path()).expect("there").count(), 0);
        let other = SocketDirectory::make(place.path(), "b", false).expect("short enough");
        assert_ne!(other.path(), sockets.path());
        drop((sockets, other));
        assert_eq!(std::fs::read_dir(place.path()).expect("there").count(), 0);
    }

    #[test]
    fn long_state_directories_go_to_the_runtime_directory() {
        let long = PathBuf::from(format!("/{}", "x".repeat(200)));
        assert_eq!(
            base(&long, Some(Path::new("/run/user/7")), 0).expect("fits"),
            Path::new("/run/user/7/vmwright")
        );
        let runtime = Some(Path::new("/run/user/7"));
        assert_eq!(base(Path::new("/s"), runtime, FOREIGN).expect("fits"), Path::new("/s/run"));
        // 107 bytes exactly, and one more.
        let edge = |length: usize| {
            PathBuf::from(format!("/{}", "x".repeat(length - 1 - "/run".len() - LONGEST.len())))
        };
        assert!(base(&edge(107), None, 0).expect("fits").ends_with("run"));
        assert_eq!(base(&edge(107), runtime, FOREIGN).expect("fits"), Path::new("/run/user/7/vmwright"));
        let over = base(&edge(108), Some(&long), 0);
        if rustix::process::geteuid().is_root() {
            assert_eq!(over.expect("root has /run"), Path::new("/run/vmwright-0"));
        } else {
            assert!(matches!(over, Err(SocketError::TooLong(_))));
        }
    }

    #[test]
    fn a_vsock_lies_where_its_address_fits() {
        let usual = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert_eq!(short(Path::new("/s"), "a", usual(107)), usual(107));
        let moved = short(Path::new("/s"), "a", usual(108));
        assert!(moved.starts_with("/s/run") && moved.ends_with("vsock"), "{}", moved.display());
        check(&moved).expect("it fits");
        let refused = check(&usual(108)).expect_err("too long").to_string();
        assert!(refused.contains("107 bytes") && refused.contains("`vsock.socket`"), "{refused}");
    }

    #[test]
    fn a_directory_of_others_is_refused() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let run = place.path().join("run");
        std::fs::create_dir(&run).expect("made");
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).expect("set");
        let refused = SocketDirectory::make(place.path(), "a", false).expect_err("not private");
        assert!(matches!(refused, SocketError::NotPrivate { mode: 0o755, .. }), "{refused}");
        std::fs::remove_dir(&run).expect("removed");
        std::os::unix::fs::symlink("/tmp", &run).expect("linked");
        assert!(matches!(
            SocketDirectory::make(place.path(), "a", false),
            Err(SocketError::NotPrivate { .. })
        ));
    }
}
