//! The lock of ANALYSIS: from [`lock`] on, this process and every command that it runs can read the host and
//! cannot change it.
//!
//! Three layers of the kernel, each of which would stop most things alone:
//! - Landlock ([`files`]): everything may be read and run; writing, making and removing only beneath vmwright's
//!   own state directory; `/dev/null` and `/dev/kvm` may be written.
//! - seccomp ([`syscalls`]): system calls that change something that is not a file (mounts, modules, clocks,
//!   other processes, sockets), or that Landlock of this kernel does not cover, fail with `EPERM`.
//! - Capabilities ([`privileges`]): those that only serve changes are given up for good.
//!
//! Nothing lifts them: they end with the process. What lies outside: a hostile process can still use up
//! processor time, memory and the state directory, and can hold shared file locks while it lives.
//!
//! Two companions are started here before the lock, each locked in a way of its own: the [`witness`], outside
//! Landlock, whose system call filter lets it open files for reading and do nothing else at all; and the
//! [`messenger`], which asks libvirt, Open vSwitch, the kernel's network and QEMU's monitors.

mod companion;
mod files;
pub(crate) mod messenger;
mod privileges;
pub(crate) mod syscalls;
pub(crate) mod witness;

use crate::asking::Asks;
use rustix::thread::CapabilitySet;
use seccompiler::BpfProgram;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use vmwright_model::analysis::Sandbox;

/// What will be read after the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The running host: its files, allow-listed commands, `/dev/kvm`.
    LiveHost,
    /// Records that somebody kept: no command is run and no device is opened.
    Records,
}

/// Which process is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The one that reads the running host.
    LiveHost,
    /// The one that reads records.
    Records,
    /// The one that runs commands which ask.
    Messenger,
}

impl From<Purpose> for Role {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::LiveHost => Role::LiveHost,
            Purpose::Records => Role::Records,
        }
    }
}

/// Why the process could not be locked, so that ANALYSIS must not begin. What only the kernel lacks is no error
/// but an entry in [`Sandbox::lacking`].
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Landlock and seccomp take hold of one thread; others would stay free.
    #[error("{0} threads are running; the lock has to come before the second one")]
    Threads(usize),
    /// The state directory can neither be opened nor made.
    #[error("state directory {}", .path.display())]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The root as state directory would leave everything writable.
    #[error("the state directory may not be the root of the file system")]
    StateIsRoot,
    /// The kernel refused a rule that it should know.
    #[error("landlock")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter could not be made or installed.
    #[error("seccomp")]
    Seccomp(#[from] seccompiler::Error),
    /// Capabilities could not be given up.
    #[error("capabilities")]
    Capabilities(#[source] io::Error),
}

/// Locks this process and all that it will start, for as long as they live. To be called at the very start of
/// ANALYSIS, before any thread exists. `state` is made (mode 0700) where it does not exist.
///
/// Beneath `state` files can be made, written, renamed and removed, and locked as SQLite does it. Their mode,
/// owner and times cannot be set even there (`std::fs::copy` tries to and fails), nor can `flock` be used.
///
/// # Errors
///
/// [`SandboxError`] where the process would be left half locked. A kernel without Landlock or seccomp is not an
/// error: the result then says what is lacking, and the caller decides.
pub fn lock(state: &Path, purpose: Purpose) -> Result<Sandbox, SandboxError> {
    lock_as(state, purpose, u32::MAX)
}

/// [`lock`] as a kernel would do it whose Landlock ABI is at most `newest`. For tests: a host with an old kernel
/// relies on what seccomp makes up for.
///
/// # Errors
///
/// As [`lock`].
#[doc(hidden)]
pub fn lock_as(state: &Path, purpose: Purpose, newest: u32) -> Result<Sandbox, SandboxError> {
    lock_with(Some(state), purpose, newest)
}

/// [`lock`] for a process that has no state directory: it can change nothing at all.
///
/// # Errors
///
/// As [`lock`].
pub fn lock_without_state(purpose: Purpose) -> Result<Sandbox, SandboxError> {
    lock_with(None, purpose, u32::MAX)
}

fn lock_with(state: Option<&Path>, purpose: Purpose, newest: u32) -> Result<Sandbox, SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(SandboxError::Threads(threads));
    }
    let state = state.map(prepare).transpose()?;
    keep_descriptors_from_commands();
    let mut sandbox = Sandbox::default();
    if purpose == Purpose::LiveHost {
        // Without a witness, holders of locks are looked for from inside, and stay unknown.
        let _ = witness::start();
        // Without a messenger, what it would ask stays unknown.
        let _ = messenger::start(newest);
    }
    privileges::drop(privileges::READER).map_err(SandboxError::Capabilities)?;
    sandbox.enforced.push("capabilities: only those that serve reading are left".to_owned());
    let landlock = files::Landlock::of_this_kernel().capped(newest);
    files::restrict(&landlock, state.as_deref(), purpose.into(), &mut sandbox)?;
    syscalls::restrict(&landlock, purpose.into(), &mut sandbox)?;
    crate::bounded::keep_threads();
    Ok(sandbox)
}

/// What a command that asks is held to.
pub(crate) struct Confinement {
    kept: CapabilitySet,
    filter: BpfProgram,
}

/// Makes the confinement of one kind of command.
pub(crate) fn confinement(asks: Asks) -> Result<Confinement, seccompiler::BackendError> {
    let kept = match asks {
        Asks::Network => CapabilitySet::empty(),
        Asks::Firewall => CapabilitySet::NET_ADMIN,
        Asks::LegacyFirewall => CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW),
        // To connect to a socket is to write to it.
        Asks::Libvirt | Asks::OpenVswitch | Asks::Qmp => CapabilitySet::DAC_OVERRIDE,
    };
    Ok(Confinement { kept, filter: syscalls::asking(asks)? })
}

impl Confinement {
    /// Confines the calling thread, and what it executes. Neither allocates nor locks: for a child before its `exec`.
    pub(crate) fn enter(&self) -> io::Result<()> {
        privileges::drop(self.kept)?;
        match syscalls::install(std::slice::from_ref(&self.filter)) {
            Ok(()) => Ok(()),
            Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn prepare(state: &Path) -> Result<PathBuf, SandboxError> {
    let failed = |source| SandboxError::State { path: state.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed)?;
    let state = state.canonicalize().map_err(failed)?;
    if state.parent().is_none() { Err(SandboxError::StateIsRoot) } else { Ok(state) }
}

/// Descriptors that the caller's parent left open for writing stay out of the commands that we run.
fn keep_descriptors_from_commands() {
    // SAFETY: a plain system call without pointers. Kernels before 5.11 do not know the flag and change nothing.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}
