//! The agent's port of vsock, where the guest has vsock: VMMs without virtio-serial reach an agent by it.

use super::{agent, complain, sysfs};
use nix::sys::socket::{VsockAddr, bind};
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, listen, socket_with};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread;

/// The port where nobody said another: the one that a machine's specification means where it says none
/// (`vsock.agent_port`).
const PORT: u32 = 1234;

/// The kernel's parameter that says another one.
const PARAMETER: &str = "vmwright.agent_port=";

/// Connections that wait while one is served.
const WAITING: i32 = 8;

/// A socket device among those of virtio: its number by the virtio specification, section 5.
const DEVICE: &str = "0x0013";

/// Whether the guest has a way to its host by vsock.
pub(super) fn is_there() -> bool {
    sysfs::has_virtio(DEVICE)
}

/// Begins to answer at the port, where the guest has vsock.
pub(super) fn start() {
    if !is_there() {
        return;
    }
    let port = port(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    match listener(port) {
        Ok(listener) => drop(thread::spawn(move || agent::serve_vsock(&listener))),
        Err(error) => complain(format_args!("vsock port {port}: {error}")),
    }
}

fn port(cmdline: &str) -> u32 {
    let said = cmdline.split_whitespace().find_map(|word| word.strip_prefix(PARAMETER)?.parse().ok());
    said.unwrap_or(PORT)
}

fn listener(port: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // `VMADDR_CID_ANY` of vsock(7): a guest that went on elsewhere has another id.
    bind(socket.as_raw_fd(), &VsockAddr::new(u32::MAX, port))?;
    listen(&socket, WAITING)?;
    Ok(socket)
}

/// The next connection.
pub(super) fn accept(listener: &OwnedFd) -> io::Result<File> {
    Ok(accept_with(listener, SocketFlags::CLOEXEC)?.into())
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn the_port_is_the_usual_one_or_that_of_the_command_line() {
        assert_eq!(port("quiet vmwright.agent_port=9001 x"), 9001);
        assert_eq!(port("vmwright.agent_port=x"), 1234);
        assert_eq!(port(""), 1234);
    }
}
