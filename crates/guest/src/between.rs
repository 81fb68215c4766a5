//! What goes between a test guest and its host beside the network: files of a directory that both have, and the host's side of
//! vsock.

use nix::sys::socket::{VsockAddr, connect};
use rustix::fs::OFlags;
use rustix::mount::{MountFlags, mount as mount_at};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// The host's context id, `VMADDR_CID_HOST` of vsock(7).
const HOST: u32 = 2;

/// Mounts what a host shares under this tag at a place that is made for it: `rw` or `ro`.
pub(crate) fn mount(kind: &str, tag: &str, place: &str, mode: &str) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let flags = if mode == "ro" { MountFlags::RDONLY } else { MountFlags::empty() };
    Ok(mount_at(tag, place, kind, flags, None)?)
}

/// Says what is in a file.
pub(crate) fn show(path: &str) -> io::Result<()> {
    io::copy(&mut File::open(path)?, &mut io::stdout()).map(drop)
}

/// Carries a file's bytes through the guest into another, which is not there yet. The kernel's own copy could leave them where
/// they are, at the host.
pub(crate) fn carry(from: &str, to: &str) -> io::Result<()> {
    let bytes = fs::read(from)?;
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = File::options().write(true).create_new(true).custom_flags(flags).open(to)?;
    file.write_all(&bytes)?;
    file.sync_all()
}

/// Calls a port of the host, and sends back as many bytes as are said of those that come.
pub(crate) fn call(port: u32, bytes: u64) -> io::Result<()> {
    let socket = socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(socket.as_raw_fd(), &VsockAddr::new(HOST, port))?;
    let (mut stream, mut came) = (File::from(socket), Vec::new());
    Read::by_ref(&mut stream).take(bytes).read_to_end(&mut came)?;
    stream.write_all(&came)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_carried_into_a_file_that_was_not_there() {
        let place = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| place.path().join(name).display().to_string());
        fs::write(&from, [7; 70_000]).unwrap();
        carry(&from, &to).unwrap();
        assert_eq!(fs::read(&to).unwrap(), [7; 70_000]);
        assert!(carry(&from, &to).is_err());
        assert!(carry("/no/such/file", &format!("{to}2")).is_err());
    }
}
