//! A second daemon on this host, for as long as copies of a guest need one: beside the daemon that runs the guest itself no
//! domain of the same UUID can run, and no domain moves from a daemon to itself.
//!
//! It lies in namespaces of its own. It has its own host name and UUID, which libvirt asks of the two ends of a move; no
//! network, so that a copy answers nobody at the guest's address; its own folders in place of the host's; and its own process
//! ids, so that it ends with all its VMMs when its standard input is closed: by [`Drop`], or by the end of this process,
//! however that comes.

use super::Connection;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Where the daemon and its VMMs see the place that it was given.
pub const INSIDE: &str = "/run/vmwright";

/// How long it may take until it answers. It asks QEMU for its capabilities before.
const COMES_UP: Duration = Duration::from_secs(60);

/// The programs, in libvirt's order: the driver's own daemon, then the one for all drivers.
const PROGRAMS: [&str; 2] = ["/usr/sbin/virtqemud", "/usr/sbin/libvirtd"];

/// The largest part of its log that is told, in bytes.
const TOLD: usize = 400;

/// What makes the daemon's surroundings, run by `sh` as the first process of its own: `$1` is the daemon's program, `$2` its
/// host name, `$3` its folder, `$4` the place that it shares, `$5` where it sees that. A folder that the host has not got is not
/// made. The shell reaps what has lost its parent, which the daemon waits for.
const SURROUNDINGS: &str = r#"
set -e
hostname "$2"
mount --bind "$3/etc" /etc/libvirt
for of in lib cache log; do
    if [ -d "/var/$of/libvirt/qemu" ]; then mount --bind "$3/$of" "/var/$of/libvirt/qemu"; fi
done
mount --bind "$4" "$3/run${5#/run}"
[ -L /var/run ] || mount --rbind "$3/run" /var/run
mount --rbind "$3/run" /run
exec 3<&0
"$1" --config /etc/libvirt/second.conf </dev/null &
daemon=$!
(read -r _ <&3 || :; kill -KILL "$daemon") &
wait "$daemon"
"#;

/// Why there is no second daemon.
#[derive(Debug, Error)]
pub enum SecondError {
    /// Namespaces are root's.
    #[error("only root can give a second libvirt namespaces of its own")]
    NotRoot,
    /// Nothing to run.
    #[error("there is no program of libvirt's daemon: neither {} nor {}", PROGRAMS[0], PROGRAMS[1])]
    NoProgram,
    /// Its folders cannot be made.
    #[error("cannot make `{}`", .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `unshare` cannot be run.
    #[error("cannot run unshare")]
    Unshare(#[source] io::Error),
    /// It has ended, or does not answer.
    #[error("a second libvirt does not come up: {0}")]
    Silent(String),
}

/// A daemon beside the host's own. It ends, with all that it runs, with this value.
#[derive(Debug)]
pub struct Second {
    connection: Connection,
    seen: String,
    process: Child,
}

impl Second {
    /// Begins one whose folder is `name` in `place`, and which sees `place` as [`INSIDE`]. Others than its users reach it no
    /// more than `place`. Its VMMs run as `who`, a user and a group.
    ///
    /// # Errors
    /// [`SecondError`].
    pub fn begin(place: &Path, name: &str, who: (u32, u32)) -> Result<Self, SecondError> {
        if !rustix::process::geteuid().is_root() {
            return Err(SecondError::NotRoot);
        }
        let program = PROGRAMS.into_iter().find(|program| Path::new(program).is_file());
        let program = program.ok_or(SecondError::NoProgram)?;
        let folder = place.join(name);
        let log = folders(place, &folder, name, who)?;
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.args(["--propagation", "private", "sh", "-c", SURROUNDINGS, "sh", program]);
        command.arg(format!("vmwright-{name}")).arg(&folder).arg(place).arg(INSIDE);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().map_err(SecondError::Unshare)?;
        let file = if program.ends_with("virtqemud") { "virtqemud-sock" } else { "libvirt-sock" };
        let socket = folder.join("sock").join(file);
        let uri = |path: &Path| format!("qemu:///system?socket={}", path.display());
        let connection = uri(&socket).parse().map_err(|error| SecondError::Silent(format!("{error}")))?;
        // libvirt's library has the way to the socket in the scheme.
        let seen =
            uri(&Path::new(INSIDE).join(name).join("sock").join(file)).replacen("qemu:", "qemu+unix:", 1);
        let mut second = Self { connection, seen, process };
        second.comes_up(&folder.join("log.txt"))?;
        Ok(second)
    }

    /// How it is reached from here.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How another second daemon of the same place reaches it: a URI of libvirt's.
    #[must_use]
    pub fn seen_from_another(&self) -> &str {
        &self.seen
    }

    fn comes_up(&mut self, log: &Path) -> Result<(), SecondError> {
        let began = Instant::now();
        let mut why = "its socket is not there".to_owned();
        while began.elapsed() < COMES_UP {
            if let Ok(Some(status)) = self.process.try_wait() {
                let said = fs::read(log).unwrap_or_default();
                let said = String::from_utf8_lossy(&said[said.len().saturating_sub(TOLD)..]).into_owned();
                return Err(SecondError::Silent(format!("{status}: {}", said.trim())));
            }
            if self.connection.is_there() {
                match self.connection.connect(COMES_UP) {
                    Ok(_) => return Ok(()),
                    Err(error) => why = crate::chain(&error),
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(SecondError::Silent(why))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // What it waits for: its namespace ends with it.
        drop(self.process.stdin.take());
        // It has been started, and so it ends.
        let _ = self.process.wait();
    }
}

/// Makes what the daemon needs in its folder, and gives the file of its log.
fn folders(place: &Path, folder: &Path, name: &str, who: (u32, u32)) -> Result<fs::File, SecondError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| SecondError::Folder { path, source }
    };
    // The user of its VMMs goes through here, and reads what libvirt gives it.
    fs::set_permissions(place, fs::Permissions::from_mode(0o711)).map_err(fail(place))?;
    let shared = INSIDE.trim_start_matches("/run/");
    for part in ["etc", "lib", "cache", "log", "sock", "run/lock", "run/libvirt", &format!("run/{shared}")] {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(fail(&path))?;
    }
    let sockets = Path::new(INSIDE).join(name).join("sock");
    let digest = Sha256::digest(folder.display().to_string().as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let uuid = format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32]);
    let second = format!(
        "host_uuid = \"{uuid}\"\nunix_sock_dir = \"{}\"\nauth_unix_rw = \"none\"\n",
        sockets.display()
    );
    for (file, text) in [("etc/second.conf", second), ("etc/qemu.conf", qemu_conf(who))] {
        let path = folder.join(file);
        fs::write(&path, text).map_err(fail(&path))?;
    }
    let log = folder.join("log.txt");
    fs::File::create(&log).map_err(fail(&log))
}

/// The settings of its VMMs. They run as the guest's own does: libvirt keeps with each file whose it has made it, and gives none
/// that is in use to somebody else. Without labels of a security driver, because those of AppArmor have the guest's UUID for a
/// name and would be taken from the guest itself; without control groups, which have the guest's name.
fn qemu_conf((user, group): (u32, u32)) -> String {
    format!(
        "user = \"+{user}\"\ngroup = \"+{group}\"\nstdio_handler = \"file\"\nsecurity_driver = \"none\"\n\
         cgroup_controllers = []\nnamespaces = []\n"
    )
}
