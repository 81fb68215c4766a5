//! A port of the host's side of a guest's vsock at which we listen for a while: the way from the guest to its host.
//!
//! Behind vhost-vsock it is a port of the kernel's own (vsock(7)), which every guest of the host reaches: who calls is told by the
//! context id. Firecracker and Cloud Hypervisor connect to the UNIX socket `PATH_PORT` beside that of the machine's vsock
//! (`docs/vsock.md` of both), which lies where no other guest comes.

use nix::sys::socket::{VsockAddr, bind, getpeername};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, listen, socket_with, sockopt};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The first port that is tried: half of them are below, where services of hosts are; and how many are tried.
const FIRST: u32 = 1 << 31;
const TRIES: u32 = 16;

/// How often it is looked whether somebody still waits for a call.
const STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How a guest's vsock comes to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the host's kernel, for the guest of this context id.
    Kernel(u32),
    /// By sockets beside this one.
    Beside(PathBuf),
}

/// A port that listens until it is dropped.
#[derive(Debug)]
pub struct VsockPort {
    listener: OwnedFd,
    number: u32,
    /// The only caller who is heard.
    cid: Option<u32>,
    /// Its file, where it has one.
    file: Option<PathBuf>,
}

impl VsockPort {
    /// Listens at a port that nobody has.
    ///
    /// # Errors
    /// The host has no vsock, or no socket can be made there.
    pub fn open(way: &Way) -> io::Result<Self> {
        let begin = FIRST | std::process::id() << 4;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for number in (0..TRIES).map(|at| begin.wrapping_add(at) | FIRST) {
            let opened = match way {
                Way::Kernel(cid) => kernel(number).map(|listener| (listener, Some(*cid), None)),
                Way::Beside(socket) => {
                    beside(socket, number).map(|(listener, file)| (listener, None, Some(file)))
                }
            };
            match opened {
                Ok((listener, cid, file)) => return Ok(Self { listener, number, cid, file }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Waits until the guest calls, sends these bytes, and gives as many as come back. None where nobody calls in time, or
    /// before it is `over`.
    ///
    /// # Errors
    /// The connection breaks, or the time is over.
    pub fn exchange(&self, bytes: &[u8], within: Duration, over: &AtomicBool) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + within;
        let stream = loop {
            let ended = over.load(Ordering::Relaxed) || Instant::now() >= deadline;
            let wait = if ended { Timespec::default() } else { STEP };
            match poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&wait)) {
                Ok(0) if ended => return Ok(None),
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
            let stream = accept_with(&self.listener, SocketFlags::CLOEXEC)?;
            if self.is_the_guest(&stream) {
                break stream;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        for which in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            sockopt::set_socket_timeout(&stream, which, Some(left))?;
        }
        let mut stream = File::from(stream);
        stream.write_all(bytes)?;
        let mut back = Vec::new();
        stream.take(bytes.len() as u64).read_to_end(&mut back)?;
        Ok(Some(back))
    }

    fn is_the_guest(&self, stream: &OwnedFd) -> bool {
        self.cid.is_none_or(|cid| {
            getpeername::<VsockAddr>(stream.as_raw_fd()).is_ok_and(|from| from.cid() == cid)
        })
    }
}

impl Drop for VsockPort {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

fn kernel(number: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // `VMADDR_CID_ANY` of vsock(7).
    bind(socket.as_raw_fd(), &VsockAddr::new(u32::MAX, number))?;
    listen(&socket, 1)?;
    Ok(socket)
}

/// The socket for one port, which the VMM has to be able to connect to: it belongs to whom the machine's own belongs.
fn beside(socket: &Path, number: u32) -> io::Result<(OwnedFd, PathBuf)> {
    let owner = fs::symlink_metadata(socket)?;
    let file = PathBuf::from(format!("{}_{number}", socket.display()));
    let listener = UnixListener::bind(&file)?;
    let open = || {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        if rustix::process::geteuid().as_raw() == owner.uid() {
            return Ok(());
        }
        chown(&file, Some(owner.uid()), Some(owner.gid()))
    };
    if let Err(error) = open() {
        let _ = fs::remove_file(&file);
        return Err(error);
    }
    Ok((listener.into(), file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(30);
    static WAITS: AtomicBool = AtomicBool::new(false);

    /// The socket of a machine's vsock.
    fn socket(place: &tempfile::TempDir) -> PathBuf {
        let socket = place.path().join("vsock");
        drop(UnixListener::bind(&socket).expect("bound"));
        socket
    }

    #[test]
    fn bytes_go_both_ways_and_the_socket_goes_with_the_port() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let socket = socket(&place);
        let port = VsockPort::open(&Way::Beside(socket.clone())).expect("open");
        let second = VsockPort::open(&Way::Beside(socket.clone())).expect("open");
        assert_ne!(port.number(), second.number());
        let path = format!("{}_{}", socket.display(), port.number());
        let guest = std::thread::spawn(move || {
            let mut stream = UnixStream::connect(path).expect("connected");
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).expect("sent");
            bytes.reverse();
            stream.write_all(&bytes).expect("taken");
        });
        assert_eq!(port.exchange(b"hello", LONG, &WAITS).expect("called"), Some(b"olleh".to_vec()));
        guest.join().expect("it ends");
        drop((port, second));
        assert_eq!(fs::read_dir(place.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn nobody_and_a_guest_that_says_nothing_end_in_time() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let socket = socket(&place);
        let port = VsockPort::open(&Way::Beside(socket.clone())).expect("open");
        assert_eq!(port.exchange(b"hello", SHORT, &WAITS).expect("a wait"), None);
        assert_eq!(port.exchange(b"hello", LONG, &AtomicBool::new(true)).expect("no wait"), None);
        let path = format!("{}_{}", socket.display(), port.number());
        let silent = UnixStream::connect(&path).expect("connected");
        assert!(port.exchange(b"hello", SHORT, &WAITS).is_err());
        drop(silent);
        // One that hangs up sends less.
        let short = UnixStream::connect(&path).expect("connected");
        short.shutdown(std::net::Shutdown::Write).expect("shut");
        assert_eq!(port.exchange(b"hello", LONG, &WAITS).expect("called"), Some(Vec::new()));
        assert!(VsockPort::open(&Way::Beside(place.path().join("none"))).is_err());
    }
}
