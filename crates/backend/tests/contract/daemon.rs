//! A libvirt daemon of the tests' own, in a mount namespace of its own: nothing of the host's libvirt is touched.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use vmwright_backend::libvirt::{Connection, Libvirt};

/// Names the socket for a process that the tests run.
pub(crate) const SOCKET: &str = "VMWRIGHT_TEST_LIBVIRT";

/// Everything that libvirt keeps is in `$1`, whose `run` is also seen from outside. The daemon ends when its standard
/// input does, which is when the test program ends, however that happens; what it runs ends with it. `$2` are more
/// lines for the daemon's settings of its QEMU driver.
const SCRIPT: &str = r#"
    set -e
    place=$1
    mkdir -p "$place/run/libvirt" "$place/run/lock" "$place/lib" "$place/cache" "$place/log" "$place/etc/qemu"
    for folder in lib cache log; do mkdir -p /var/$folder/libvirt; mount --bind "$place/$folder" /var/$folder/libvirt; done
    mkdir -p /etc/libvirt
    printf '%s\n' 'stdio_handler = "file"' 'user = "root"' 'group = "root"' 'security_driver = "none"' \
        'cgroup_controllers = []' 'namespaces = []' "$2" > "$place/etc/qemu.conf"
    # A host of its own, so that guests can move between two of these.
    hostname "vmwright-$$"
    echo "host_uuid = \"$(cat /proc/sys/kernel/random/uuid)\"" > "$place/etc/libvirtd.conf"
    mount --bind "$place/etc" /etc/libvirt
    mount --bind "$place/run" /run
    [ -L /var/run ] || mount --bind "$place/run" /var/run
    daemon() {
        libvirtd --timeout 600 > "$place/daemon.log" 2>&1 &
        daemon=$!
        for _ in $(seq 600); do
            kill -0 $daemon 2>/dev/null || { cat "$place/daemon.log" >&2; exit 1; }
            [ -S /run/libvirt/libvirt-sock ] && virsh -c qemu:///system uri > /dev/null 2>&1 && break
            sleep 0.05
        done
        echo $daemon
    }
    daemon
    # Each line asks for the daemon to be killed and started again.
    while read -r _; do kill -KILL $daemon; wait $daemon || true; rm -f /run/libvirt/libvirtd.pid; daemon; done
    kill -CONT $daemon
    kill $daemon
    # libvirtd 9.0 now and then waits for itself at its end, behind a guest that came or went.
    for _ in $(seq 200); do kill -0 $daemon 2>/dev/null || break; sleep 0.05; done
    kill -KILL $daemon 2>/dev/null || true
    wait $daemon || true
    for pid in "$place"/run/libvirt/qemu/*.pid; do [ -f "$pid" ] && kill -KILL "$(cat "$pid")" 2>/dev/null; done
    rm -rf "$place"
"#;

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    input: Option<ChildStdin>,
    said: BufReader<std::process::ChildStdout>,
    /// Its process.
    pub(crate) pid: i32,
    /// Its socket, as seen from outside of its namespace.
    pub(crate) socket: PathBuf,
}

impl Daemon {
    /// Starts one; or says why that cannot be.
    pub(crate) fn start(settings: &str) -> Result<Self, String> {
        for program in ["libvirtd", "virsh", "unshare", "mount"] {
            if !on_path(program) {
                return Err(format!("no `{program}`"));
            }
        }
        if !Path::new("/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so").exists() {
            return Err("libvirt has no driver for QEMU (package libvirt-daemon-driver-qemu)".to_owned());
        }
        let place = tempfile::Builder::new().prefix("vmwl").tempdir().expect("a temporary directory").keep();
        let mut child = Command::new("unshare")
            .args(["--mount", "--uts", "bash", "-c", SCRIPT, "daemon"])
            .arg(&place)
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = child.stdin.take();
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        said.read_line(&mut line).map_err(|error| error.to_string())?;
        let pid = line.trim().parse().map_err(|_| "the daemon did not come up here".to_owned())?;
        Ok(Self { child, input, said, pid, socket: place.join("run/libvirt/libvirt-sock") })
    }

    /// A backend on it.
    pub(crate) fn backend(&self) -> Libvirt {
        on(&self.socket)
    }

    /// Kills the daemon and starts it again; its domains live on.
    pub(crate) fn restart(&mut self) {
        use std::io::Write;
        self.input.as_mut().expect("open").write_all(b"again\n").expect("it reads");
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it says its number");
        self.pid = line.trim().parse().expect("a number");
    }

    /// Runs virsh in the daemon's namespace and gives what it says.
    pub(crate) fn virsh(&self, words: &[&str]) -> String {
        let uri = format!("qemu:///system?socket={}", self.socket.display());
        let output = Command::new("virsh").args(["-c", &uri]).args(words).output().expect("it runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A backend on a daemon's socket.
pub(crate) fn on(socket: &Path) -> Libvirt {
    let uri = format!("qemu:///system?socket={}", socket.display());
    Libvirt::on(uri.parse::<Connection>().expect("a local one")).with_patience(crate::rig::LONG)
}

/// The backend of the contract's cases: one daemon for all of them, or why there is none.
pub(crate) fn shared() -> &'static Result<Libvirt, String> {
    SHARED.get_or_init(|| {
        if let Some(socket) = std::env::var_os(SOCKET) {
            return Ok(on(Path::new(&socket)));
        }
        let daemon = Daemon::start("")?;
        let backend = daemon.backend();
        // It ends with this program, whose end closes its standard input.
        std::mem::forget(daemon);
        Ok(backend)
    })
}

/// The same where somebody has asked for it before.
pub(crate) fn shared_already() -> Option<&'static Result<Libvirt, String>> {
    SHARED.get()
}

static SHARED: OnceLock<Result<Libvirt, String>> = OnceLock::new();

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        || ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).is_file())
}
