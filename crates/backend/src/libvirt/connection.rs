//! Which daemon to talk to, and where its socket lies.

use super::rpc::{Client, LibvirtError};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A local libvirt: `qemu:///system`, `qemu:///session`, either with `?socket=/path` where the daemon's socket is
/// not where it usually is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    scope: Scope,
    socket: Option<PathBuf>,
}

/// Whose daemon it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scope {
    /// The host's.
    #[default]
    System,
    /// The user's own.
    Session,
}

/// Why a text names no local libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no libvirt of this host: `qemu:///system`, `qemu:///session`, either with `?socket=/path` behind it"
)]
pub struct NotLocal(String);

impl FromStr for Connection {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        let wrong = || NotLocal(text.chars().take(80).flat_map(char::escape_debug).collect());
        let (uri, query) = text.split_once('?').map_or((text, None), |(uri, query)| (uri, Some(query)));
        let scope = match uri {
            "qemu:///system" => Scope::System,
            "qemu:///session" => Scope::Session,
            _ => return Err(wrong()),
        };
        let socket = match query.map(|query| query.strip_prefix("socket=")) {
            None => None,
            Some(Some(path)) if path.starts_with('/') && !path.contains(char::is_control) => {
                Some(PathBuf::from(path))
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self { scope, socket })
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())?;
        match &self.socket {
            Some(path) => write!(f, "?socket={}", path.display()),
            None => Ok(()),
        }
    }
}

impl Connection {
    /// The host's daemon.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// The user's own daemon.
    #[must_use]
    pub fn session() -> Self {
        Self { scope: Scope::Session, socket: None }
    }

    /// The daemons that a user of this host can have: the host's, and for others than root their own.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        let mut all = vec![Self::system()];
        if !rustix::process::geteuid().is_root() {
            all.push(Self::session());
        }
        all
    }

    /// What the daemon is asked to open.
    fn uri(&self) -> &'static str {
        match self.scope {
            Scope::System => "qemu:///system",
            Scope::Session => "qemu:///session",
        }
    }

    /// Whether a daemon has its socket there. Connects to nothing and starts nothing.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.sockets().iter().any(|path| path.symlink_metadata().is_ok())
    }

    /// Connects. A session's daemon that does not run is started, as libvirt's own library does.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn connect(&self, patience: Duration) -> Result<Client, LibvirtError> {
        let deadline = Instant::now() + patience;
        let looked = self.sockets();
        let there = || looked.iter().find(|path| path.symlink_metadata().is_ok());
        let mut found = there();
        if found.is_none() && self.scope == Scope::Session && self.socket.is_none() && start_session_daemon()
        {
            while found.is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
                found = there();
            }
        }
        match found {
            Some(path) => Client::connect(path, self.uri(), patience),
            None => Err(LibvirtError::NoSocket { uri: self.uri().to_owned(), looked }),
        }
    }

    /// The places of its socket, in libvirt's order: the driver's own daemon first, then the one for all drivers.
    fn sockets(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.socket {
            return vec![path.clone()];
        }
        // Root has no session: libvirt gives it the host's daemon.
        let root = rustix::process::geteuid().is_root();
        let folder = match self.scope {
            Scope::Session if !root => match session_folder() {
                Some(folder) => return vec![folder.join("virtqemud-sock"), folder.join("libvirt-sock")],
                None => PathBuf::from("/run/libvirt"),
            },
            _ => PathBuf::from("/run/libvirt"),
        };
        vec![folder.join("virtqemud-sock"), folder.join("libvirt-sock")]
    }
}

/// Where a user's daemons have their sockets.
fn session_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = absolute("XDG_RUNTIME_DIR").or_else(|| absolute("XDG_CACHE_HOME"));
    runtime.or_else(|| absolute("HOME").map(|home| home.join(".cache"))).map(|folder| folder.join("libvirt"))
}

/// Starts the user's own daemon, which ends by itself two minutes after it was last needed. False where there is no
/// program for it.
fn start_session_daemon() -> bool {
    if rustix::process::geteuid().is_root() {
        return false;
    }
    let programs = ["/usr/sbin/virtqemud", "/usr/sbin/libvirtd"];
    let Some(program) = programs.into_iter().find(|program| Path::new(program).is_file()) else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(["--daemon", "--timeout=120"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["qemu:///system", "qemu:///session", "qemu:///system?socket=/tmp/a b/sock"] {
            assert_eq!(text.parse::<Connection>().expect("good").to_string(), text);
        }
        for text in ["", "qemu+ssh://host/system", "xen:///", "qemu:///system?socket=x", "qemu:///system?a=b"]
        {
            text.parse::<Connection>().expect_err(text);
        }
    }

    #[test]
    fn a_missing_socket_is_named() {
        let connection: Connection = "qemu:///system?socket=/none/here".parse().expect("good");
        assert!(!connection.is_there());
        let told = connection.connect(Duration::from_secs(1)).expect_err("nobody listens").to_string();
        assert!(told.contains("there is no `/none/here`"), "{told}");
    }
}
