//! What a review lays between a VM and this host for a moment: a file in a directory that both have, a port of the
//! host's vsock, the host's end of iperf3(1).

use crate::backends::Chosen;
use crate::error::chain;
use std::fs;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_backend::deposit::Deposit;
use vmwright_backend::store::Stored;
use vmwright_backend::vsock_port::{VsockPort, Way};
use vmwright_review::Undone;

/// How long a guest may take to call and to send back, under TCG too.
const CALLS: Duration = Duration::from_secs(20);

/// How long iperf3 may take to listen.
const LISTENS: Duration = Duration::from_secs(5);

pub(super) fn shared(
    directory: &str,
    bytes: &[u8],
    look: &mut dyn FnMut(&str, &str),
) -> Result<Option<Vec<u8>>, Undone> {
    let laid = Deposit::lay(Path::new(directory), bytes);
    let laid =
        laid.map_err(|error| Undone::Cannot(format!("no file can be laid into `{directory}`: {error}")))?;
    look(&laid.sent(), &laid.back());
    let most = bytes.len() as u64 + 1;
    laid.came(most).map_err(|error| Undone::Failed(format!("what the guest left in `{directory}`: {error}")))
}

pub(super) fn called(
    machine: &Stored,
    bytes: &[u8],
    look: &mut dyn FnMut(u32),
) -> Result<Option<Vec<u8>>, Undone> {
    let way = way(machine).map_err(Undone::Cannot)?;
    let port = VsockPort::open(&way)
        .map_err(|error| Undone::Cannot(format!("this host cannot listen there: {error}")))?;
    let over = AtomicBool::new(false);
    let came = thread::scope(|scope| {
        let came = scope.spawn(|| port.exchange(bytes, CALLS, &over));
        look(port.number());
        over.store(true, Ordering::Relaxed);
        came.join()
    });
    match came {
        Ok(Ok(came)) => Ok(came),
        Ok(Err(error)) => Err(Undone::Failed(format!("the connection that the guest made: {error}"))),
        Err(_) => Err(Undone::Cannot("the one who listened was lost".to_owned())),
    }
}

/// How the guest's vsock comes to this host: as the record of what runs says, else as the specification does.
fn way(machine: &Stored) -> Result<Way, String> {
    let vsock = machine.spec.vsock.as_ref().ok_or("the specification has no vsock")?;
    let running = machine.process().ok().flatten().and_then(|record| record.running);
    match Chosen::of(machine).map_err(|error| chain(&error))? {
        Chosen::Firecracker | Chosen::CloudHypervisor => {
            let by_agent = running.and_then(|running| running.agent.filter(|_| running.agent_port.is_some()));
            let socket = by_agent.or_else(|| vsock.socket.as_ref().map(PathBuf::from));
            socket
                .map(Way::Beside)
                .ok_or_else(|| "where the socket of its vsock lies is not known".to_owned())
        }
        Chosen::Qemu | Chosen::Libvirt(_) => {
            vsock.cid.map(Way::Kernel).ok_or_else(|| "the guest's context id is not known".to_owned())
        }
    }
}

/// iperf3's server, which ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn iperf3(at: IpAddr, look: &mut dyn FnMut(u16)) -> Result<(), Undone> {
    let cannot = |error: std::io::Error| Undone::Cannot(format!("iperf3 on this host: {error}"));
    // A port that was free a moment ago; who comes first to it has it.
    let port = TcpListener::bind((at, 0)).and_then(|free| free.local_addr()).map_err(cannot)?.port();
    let server = Command::new("iperf3")
        // For one client, and for no longer.
        .args(["--server", "--one-off", "--bind", &at.to_string(), "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut server = Server(server.map_err(cannot)?);
    let began = Instant::now();
    while !listens(port) {
        if server.0.try_wait().map_err(cannot)?.is_some() || began.elapsed() > LISTENS {
            return Err(Undone::Cannot(format!("iperf3 does not listen at port {port} of this host")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    look(port);
    Ok(())
}

/// Whether somebody listens at a TCP port: state 0A of proc_pid_net(5). To connect would be to be its one client.
fn listens(port: u16) -> bool {
    let local = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next().is_some_and(|address| address.ends_with(&local)) && words.nth(1) == Some("0A")
        })
    })
}
