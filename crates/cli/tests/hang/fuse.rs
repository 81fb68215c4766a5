//! A file system that takes requests and never answers some of them: what a dead server behind NFS, sshfs or
//! GlusterFS looks like to whoever reads. Speaks the kernel's FUSE protocol by hand (`include/uapi/linux/fuse.h`).

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Requests by their number in the protocol.
pub(crate) const LOOKUP: u32 = 1;
pub(crate) const GETATTR: u32 = 3;
pub(crate) const OPEN: u32 = 14;
pub(crate) const READ: u32 = 15;
pub(crate) const OPENDIR: u32 = 27;
pub(crate) const READDIR: u32 = 28;
const FORGET: u32 = 2;
const INIT: u32 = 26;
const BATCH_FORGET: u32 = 42;

const ENOSYS: i32 = 38;
const ROOT: u64 = 1;

/// A mounted one. Its root holds, under every name, a file of 4096 bytes.
pub(crate) struct Silent {
    pub(crate) path: PathBuf,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Silent {
    /// Mounts one that does not answer these requests; none, with the reason said, where that is not possible here.
    pub(crate) fn mount(test: &str, path: &Path, unanswered: &'static [u32]) -> Option<Self> {
        let device = match open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(device) => device,
            Err(error) => {
                eprintln!("SKIPPED {test}: /dev/fuse cannot be opened: {error}");
                return None;
            }
        };
        std::fs::create_dir_all(path).unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let options = CString::new(options).unwrap();
        if let Err(error) =
            mount("silent", path, "fuse", MountFlags::NOSUID | MountFlags::NODEV, Some(&*options))
        {
            eprintln!("SKIPPED {test}: no FUSE file system can be mounted: {error}");
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let server = std::thread::spawn(move || serve(&device, unanswered, &told));
        Some(Self { path: path.to_owned(), stop, server: Some(server) })
    }
}

impl Drop for Silent {
    /// With the device closed, the kernel gives up on everything that was not answered.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.server.take().map(JoinHandle::join);
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

fn serve(device: &OwnedFd, unanswered: &[u32], stop: &AtomicBool) {
    let mut buffer = vec![0; 256 << 10];
    while !stop.load(Ordering::Relaxed) {
        let patience = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        if poll(&mut [PollFd::new(device, PollFlags::IN)], Some(&patience)).unwrap_or(0) == 0 {
            continue;
        }
        let Ok(length @ 40..) = rustix::io::read(device, &mut *buffer) else { continue };
        let number = |at: usize| u64::from_le_bytes(buffer[at..at + 8].try_into().unwrap());
        let opcode = u32::from_le_bytes(buffer[4..8].try_into().unwrap());
        let (unique, node) = (number(8), number(16));
        assert!(length >= 40, "the kernel gives whole requests");
        if unanswered.contains(&opcode) || matches!(opcode, FORGET | BATCH_FORGET) {
            continue;
        }
        let (error, body) = match opcode {
            INIT => (0, initial()),
            LOOKUP => (0, [numbers(&[2, 0, 0, 0, 0]), attributes(2)].concat()),
            GETATTR => (0, [numbers(&[0, 0]), attributes(node)].concat()),
            OPEN | OPENDIR => (0, numbers(&[1, 0])),
            READ => (0, vec![b'x'; 4096]),
            READDIR => (0, Vec::new()),
            _ => (-ENOSYS, Vec::new()),
        };
        let size = u32::try_from(16 + body.len()).unwrap();
        let head = [&size.to_le_bytes()[..], &i32::to_le_bytes(error), &unique.to_le_bytes()].concat();
        // The request may have been given up meanwhile.
        let _ = rustix::io::write(device, &[head, body].concat());
    }
}

fn numbers(list: &[u64]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// `struct fuse_init_out` of version 7.31: one page at a time, no further feature.
fn initial() -> Vec<u8> {
    let mut body = [7_u32, 31, 0, 0].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    body.extend([16_u16, 12].iter().flat_map(|number| number.to_le_bytes()));
    body.extend([4096_u32, 1].iter().flat_map(|number| number.to_le_bytes()));
    body.resize(64, 0);
    body
}

/// `struct fuse_attr`: the root is a directory, everything else a file.
fn attributes(node: u64) -> Vec<u8> {
    let mode: u32 = if node == ROOT { 0o040_755 } else { 0o100_644 };
    let mut body = numbers(&[node, 4096, 8, 0, 0, 0]);
    let rest = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0];
    body.extend(rest.iter().flat_map(|number: &u32| number.to_le_bytes()));
    body
}
