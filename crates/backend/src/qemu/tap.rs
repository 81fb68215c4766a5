//! Taps: network interfaces whose other end is an open file. vmwright opens them, so that QEMU needs no
//! privilege; they vanish when QEMU ends.

use crate::StartError;
use crate::supervise::interface_exists;
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Name pattern; the kernel puts the lowest free number in (`dev_alloc_name`).
const PATTERN: &CStr = c"vmwtap%d";

/// `SIOCBRADDIF` of `linux/sockios.h`: adds a port to a bridge.
const SIOCBRADDIF: libc::c_ulong = 0x89a2;

/// A tap that is a port of a bridge, and up.
#[derive(Debug)]
pub(super) struct Tap {
    /// Its name on the host.
    pub(super) name: String,
    /// Its other end.
    pub(super) file: File,
    /// More of them, one for each further pair of queues.
    more: Vec<File>,
}

impl Tap {
    /// The numbers of its other ends.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        std::iter::once(&self.file).chain(&self.more).map(AsRawFd::as_raw_fd).collect()
    }
}

/// A tap that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub(super) bridge: &'a str,
    /// Its name; the next free one where absent.
    pub(super) name: Option<&'a str>,
    /// Pairs of queues, at least one.
    pub(super) queues: u32,
    /// Whether it sends nothing to other ports of its kind.
    pub(super) isolated: bool,
}

impl<'a> Wanted<'a> {
    /// A usual port of a bridge.
    pub(super) fn on(bridge: &'a str) -> Self {
        Self { bridge, name: None, queues: 1, isolated: false }
    }
}

/// Makes a tap on a bridge.
pub(super) fn open(wanted: Wanted<'_>) -> Result<Tap, StartError> {
    let Wanted { bridge, name, queues, isolated } = wanted;
    if !interface_exists(bridge) {
        return Err(StartError::NoBridge(bridge.to_owned()));
    }
    // The kernel makes this directory for bridges only (`br_sysfs_addbr`).
    if !Path::new("/sys/class/net").join(bridge).join("bridge").is_dir() {
        return Err(StartError::NotABridge(bridge.to_owned()));
    }
    let fail = |doing: &'static str| {
        move |source: io::Error| StartError::Tap { bridge: bridge.to_owned(), doing, source }
    };
    if name.is_some_and(interface_exists) {
        // The kernel would join it, and it would be gone when QEMU ends.
        return Err(fail("make a tap of a name that is taken")(io::ErrorKind::AlreadyExists.into()));
    }
    let wanted = name.map(CString::new).transpose().map_err(|error| fail("name a tap")(error.into()))?;
    let (name, file) = queue(wanted.as_deref().unwrap_or(PATTERN), queues > 1).map_err(fail("make a tap"))?;
    let mut more = Vec::new();
    for _ in 1..queues {
        more.push(queue(&name, true).map_err(fail("add a pair of queues to a tap"))?.1);
    }

    let socket = socket().map_err(fail("open a control socket"))?;
    let index = index(&socket, &name).map_err(fail("find the tap"))?;
    let bridge_name = CString::new(bridge).map_err(|error| fail("name the bridge")(error.into()))?;
    let mut port = self::request(&bridge_name);
    port.ifr_ifru.ifru_ifindex = index;
    control(&socket, SIOCBRADDIF, &mut port).map_err(fail("add a tap as a port"))?;

    if isolated {
        // Before it is up, so that nothing passes (`br_port_flags` of the kernel).
        let file = Path::new("/sys/class/net").join(&*name.to_string_lossy()).join("brport/isolated");
        std::fs::write(file, "1").map_err(fail("isolate a tap"))?;
    }
    let mut flags = self::request(&name);
    control(&socket, libc::SIOCGIFFLAGS as libc::c_ulong, &mut flags)
        .map_err(fail("read the tap's flags"))?;
    // SAFETY: SIOCGIFFLAGS has filled the flags, and any bits are a valid value of them.
    unsafe { flags.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    control(&socket, libc::SIOCSIFFLAGS as libc::c_ulong, &mut flags).map_err(fail("bring a tap up"))?;
    Ok(Tap { name: name.to_string_lossy().into_owned(), file, more })
}

/// The other end of a tap, which is made where there is none of the name; and its name. One that may have `many` ends
/// gives each a pair of queues.
fn queue(name: &CStr, many: bool) -> io::Result<(CString, File)> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let mut request = request(name);
    // The flags have 16 bits (linux/if_tun.h); the header is what virtio-net needs for its offloads.
    let many = if many { libc::IFF_MULTI_QUEUE } else { 0 };
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | many;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    control(&file, libc::TUNSETIFF as libc::c_ulong, &mut request)?;
    Ok((name_of(&request)?, file))
}

fn index(socket: &OwnedFd, name: &CStr) -> io::Result<libc::c_int> {
    let mut request = request(name);
    control(socket, libc::SIOCGIFINDEX as libc::c_ulong, &mut request)?;
    // SAFETY: SIOCGIFINDEX has filled the index, and any bits are a valid value of it.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex })
}

/// An interface request for a name. A longer name than fits is cut, and then not found: the specification
/// allows no longer one.
fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: `ifreq` is plain data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    request
}

fn name_of(request: &libc::ifreq) -> io::Result<CString> {
    let bytes: Vec<u8> =
        request.ifr_name.iter().map(|letter| *letter as u8).take_while(|letter| *letter != 0).collect();
    CString::new(bytes).map_err(Into::into)
}

fn control(file: &impl AsRawFd, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: every request used here takes a pointer to an `ifreq`, which lives during the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), what as _, std::ptr::from_mut(request)) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socket() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    Ok(socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_bridge_is_named() {
        let told = open(Wanted::on("vmw-nobridge")).expect_err("no such bridge");
        assert_eq!(told.to_string(), "no bridge `vmw-nobridge` on this host");
        assert_eq!(
            open(Wanted::on("lo")).expect_err("loopback").to_string(),
            "interface `lo` is not a bridge"
        );
    }
}
