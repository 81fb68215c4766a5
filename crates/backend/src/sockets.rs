//! The private directory of a machine's sockets. The address of a UNIX socket has 108 bytes with its final NUL
//! (`sun_path` of unix(7)), so a long state directory gets its sockets elsewhere.

use crate::store::VSOCK;
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
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
    /// Somebody else could put something into the directory.
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
    /// The way to the directory above it of a VMM that runs as another user.
    way: Option<OwnedFd>,
    kept: bool,
}

impl SocketDirectory {
    /// Makes a machine's: in `STATE/run`, or where that is too long in the user's runtime directory. The name is
    /// the machine's own, so that what a killed vmwright left is found; the caller holds the machine's lock and
    /// knows that no VMM uses it. It belongs to `owner`, where its VMM runs as another user (and group).
    pub(crate) fn make(state: &Path, machine: &str, owner: Option<(u32, u32)>) -> Result<Self, SocketError> {
        let before = if owner.is_some() { FOREIGN } else { 0 };
        let base = base(state, std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref(), before)?;
        let path = base.join(own_name(state, machine));
        let fail = |source| SocketError::Make { path: path.clone(), source };
        // Another machine's stop may remove the empty base between the two calls.
        for _ in 0..5 {
            private(&base)?;
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    let mut made = Self { path: path.clone(), way: None, kept: false };
                    if let Some((user, group)) = owner {
                        made.way = Some(give(&base, &path, user, group).map_err(fail)?);
                    }
                    return Ok(made);
                }
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
    /// bound to when it ends in order: one of another user, who cannot enter the directories above, goes by way of
    /// [`Self::way`].
    pub(crate) fn listen(&self, name: &str) -> Result<(PathBuf, UnixListener), SocketError> {
        let path = self.path.join(name);
        let address = self.way().map_or_else(|| path.clone(), |way| by(way, &self.name()).join(name));
        Ok((path.clone(), bind(path, &address)?))
    }

    /// The same of one that is found by the kernel's list of sockets, since its readers may not look into a VMM's open
    /// files (Landlock): for a VMM of another user its address says the path behind a way that exists in this process
    /// alone, so that the VMM looks for it in vain when it ends, and says nothing of it.
    pub(crate) fn listen_openly(&self, name: &str) -> Result<UnixListener, SocketError> {
        let path = self.path.join(name);
        let address = match self.way {
            Some(_) => {
                let here = rustix::thread::gettid().as_raw_nonzero();
                PathBuf::from(format!("/proc/self/task/{here}/root{}", path.display()))
            }
            None => path.clone(),
        };
        bind(path, &address)
    }

    /// What a VMM of another user inherits beside its sockets: the directory above theirs, open.
    pub(crate) fn way(&self) -> Option<RawFd> {
        self.way.as_ref().map(AsRawFd::as_raw_fd)
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

fn bind(path: PathBuf, address: &Path) -> Result<UnixListener, SocketError> {
    UnixListener::bind(address).map_err(|source| SocketError::Bind { path, source })
}

/// A machine's socket directory as its VMM reaches it that has the directory above open.
pub(crate) fn by(way: RawFd, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{way}/{name}"))
}

/// Gives a machine's directory to the user of its VMM, and opens the way to it: who has the base open needs no right to
/// enter what lies above, and in the base itself may go on by name, not look around.
fn give(base: &Path, path: &Path, user: u32, group: u32) -> io::Result<OwnedFd> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let way = rustix::fs::open(base, flags, Mode::empty())?;
    // Not `fchmod`, which an open path does not allow (open(2), `O_PATH`).
    std::fs::set_permissions(base, std::fs::Permissions::from_mode(0o711))?;
    Ok(way)
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

/// A short name for a machine of a state directory.
fn own_name(state: &Path, machine: &str) -> String {
    format!("{:012x}", hash(state, machine))
}

/// 48 bits by which a machine of a state directory is told from others: of FNV-1a.
pub(crate) fn hash(state: &Path, machine: &str) -> u64 {
    let words = state.as_os_str().as_bytes().iter().chain(&[0]).chain(machine.as_bytes());
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    words.fold(0xcbf2_9ce4_8422_2325, step) >> 16
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

/// Makes a directory in which only this user can look around or make something, or checks that an existing one is.
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
    if found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && mode & 0o066 == 0 {
        return Ok(());
    }
    Err(SocketError::NotPrivate { path: base.to_owned(), owner: found.uid(), mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_private_and_gone_afterwards() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let sockets = SocketDirectory::make(place.path(), "a", None).expect("short enough");
        let mode = |path: &Path| path.metadata().expect("there").mode() & 0o777;
        assert_eq!((mode(sockets.path()), mode(&place.path().join("run"))), (0o700, 0o700));
        let (path, listener) = sockets.listen("qmp").expect("bound");
        let _client = UnixStream::connect(&path).expect("reachable under its path");
        listener.accept().expect("a client");
        // What a killed vmwright left is in nobody's way, and another machine has its own.
        sockets.keep();
        let sockets = SocketDirectory::make(place.path(), "a", None).expect("made anew");
        assert_eq!(std::fs::read_dir(sockets.path()).expect("there").count(), 0);
        let other = SocketDirectory::make(place.path(), "b", None).expect("short enough");
        assert_ne!(other.path(), sockets.path());
        drop((sockets, other));
        assert_eq!(std::fs::read_dir(place.path()).expect("there").count(), 0);
    }

    #[test]
    fn a_vmm_of_another_user_removes_its_sockets_and_sees_no_others() {
        use std::os::unix::process::CommandExt;
        if !rustix::process::geteuid().is_root() {
            return eprintln!(
                "SKIPPED a_vmm_of_another_user_removes_its_sockets_and_sees_no_others: needs root"
            );
        }
        // Below a directory that the user cannot enter.
        let place = tempfile::tempdir().expect("a temporary directory");
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).expect("set");
        let sockets = SocketDirectory::make(place.path(), "a", Some((4242, 4243))).expect("short enough");
        let other = SocketDirectory::make(place.path(), "b", Some((4244, 4244))).expect("short enough");
        let (path, listener) = sockets.listen("qmp").expect("bound");
        let _client = UnixStream::connect(&path).expect("reachable under its path");
        listener.accept().expect("a client");
        let way = sockets.way().expect("it has one");
        let address = by(way, &sockets.name()).join("qmp");
        let query = sockets.listen_openly("query").expect("bound");
        let list = std::fs::read_to_string("/proc/net/unix").expect("readable");
        let end = sockets.path().join("query").display().to_string();
        assert!(list.lines().any(|line| line.ends_with(&end)), "the kernel tells the path");
        drop(query);
        let runs = |words: &[&Path]| {
            let mut command = std::process::Command::new(words[0]);
            command.args(&words[1..]).uid(4242).gid(4243).stderr(std::process::Stdio::null());
            // SAFETY: one system call on a plain value.
            unsafe {
                command.pre_exec(move || {
                    libc::fcntl(way, libc::F_SETFD, 0);
                    Ok(())
                })
            };
            command.status().expect("it runs").success()
        };
        let (base, theirs) = (by(way, "."), by(way, &other.name()));
        for closed in [&path, &base, &theirs] {
            assert!(!runs(&["ls".as_ref(), closed]), "{}", closed.display());
        }
        assert!(runs(&["rm".as_ref(), &address]) && path.symlink_metadata().is_err());
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
        let refused = SocketDirectory::make(place.path(), "a", None).expect_err("not private");
        assert!(matches!(refused, SocketError::NotPrivate { mode: 0o755, .. }), "{refused}");
        std::fs::remove_dir(&run).expect("removed");
        std::os::unix::fs::symlink("/tmp", &run).expect("linked");
        assert!(matches!(
            SocketDirectory::make(place.path(), "a", None),
            Err(SocketError::NotPrivate { .. })
        ));
    }
}
