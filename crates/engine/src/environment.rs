//! Where vmwright keeps what is its own.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The directories of this call, and the flag that asks it to stop.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Machines, plans, approvals, runs, reviews and the journal.
    pub state: PathBuf,
    /// What the administrator decides: the allowed signers.
    pub config: PathBuf,
    /// Set when the user asks to stop.
    pub stop: Arc<AtomicBool>,
}

/// Why there is no place to keep anything.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// Neither a directory was given nor a home is known.
    #[error("no state directory: neither --state nor $HOME is set")]
    NoHome,
    /// The directory cannot be made or looked at.
    #[error("the state directory {path}")]
    State {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could have put plans there.
    #[error("the state directory {0} belongs to another user or others may write to it")]
    NotOurs(PathBuf),
}

impl Environment {
    /// The directories for this user: `state` where given, else the system's as root and the user's own else.
    /// Configuration is read from `$VMWRIGHT_CONFIG`, else `/etc/vmwright`. The state directory is made (0700).
    ///
    /// # Errors
    /// [`EnvironmentError`] where the directory cannot be made or is not safe to use.
    pub fn new(state: Option<PathBuf>, stop: Arc<AtomicBool>) -> Result<Self, EnvironmentError> {
        let state = match state {
            Some(state) => state,
            None if is_root() => PathBuf::from("/var/lib/vmwright"),
            None => home_state().ok_or(EnvironmentError::NoHome)?,
        };
        let fail = |source| EnvironmentError::State { path: state.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&state).map_err(fail)?;
        let state = state.canonicalize().map_err(fail)?;
        let meta =
            state.metadata().map_err(|source| EnvironmentError::State { path: state.clone(), source })?;
        if meta.uid() != own_uid() || meta.mode() & 0o022 != 0 {
            return Err(EnvironmentError::NotOurs(state));
        }
        let config =
            env::var_os("VMWRIGHT_CONFIG").map_or_else(|| PathBuf::from("/etc/vmwright"), PathBuf::from);
        Ok(Self { state, config, stop })
    }

    /// For questions that need no memory, on a host where none can be kept: nothing is recalled or remembered, and
    /// the result says so.
    #[must_use]
    pub fn without_state(stop: Arc<AtomicBool>) -> Self {
        Self { state: PathBuf::new(), config: PathBuf::new(), stop }
    }

    /// The state directory, if there is one.
    #[must_use]
    pub fn kept(&self) -> Option<&Path> {
        (!self.state.as_os_str().is_empty()).then_some(&self.state)
    }

    /// A path below the state directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// The journal's file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path("journal.db")
    }
}

fn home_state() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let xdg = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(absolute);
    let home =
        || env::var_os("HOME").map(PathBuf::from).filter(absolute).map(|home| home.join(".local/state"));
    xdg.or_else(home).map(|base| base.join("vmwright"))
}

fn is_root() -> bool {
    own_uid() == 0
}

/// The effective user id, as the kernel shows it for this process.
fn own_uid() -> u32 {
    Path::new("/proc/self").metadata().map_or(u32::MAX, |meta| meta.uid())
}
