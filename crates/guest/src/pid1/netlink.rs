//! The few requests to the kernel's routing socket that setting and listing addresses takes. Layouts and numbers
//! are those of `<linux/netlink.h>`, `<linux/rtnetlink.h>`, `<linux/if_link.h>` and `<linux/if_addr.h>`.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE_OR_CREATE: u16 = 0x100 | 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// No duplicate address detection, or an IPv6 address would be of no use for its first second.
const IFA_F_NODAD: u8 = 2;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// Number of the interface.
    pub(super) interface: u32,
    pub(super) ip: IpAddr,
    /// Length of the network part, in bits.
    pub(super) prefix: u8,
}

/// Brings an interface up.
pub(super) fn set_up(interface: u32) -> io::Result<()> {
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&interface.to_ne_bytes());
    body[8..12].copy_from_slice(&IFF_UP.to_ne_bytes());
    body[12..16].copy_from_slice(&IFF_UP.to_ne_bytes());
    change(RTM_NEWLINK, 0, body)
}

/// Gives an interface another MAC address; those of virtio take one while they are up.
pub(super) fn set_mac(interface: u32, mac: [u8; 6]) -> io::Result<()> {
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&interface.to_ne_bytes());
    attribute(&mut body, IFLA_ADDRESS, &mac);
    change(RTM_NEWLINK, 0, body)
}

/// Gives an interface an address; having it already is fine.
pub(super) fn add(address: Address) -> io::Result<()> {
    change(RTM_NEWADDR, NLM_F_REPLACE_OR_CREATE, body(address))
}

/// Takes an address from an interface.
pub(super) fn remove(address: Address) -> io::Result<()> {
    change(RTM_DELADDR, 0, body(address))
}

/// An address as the kernel takes it.
fn body(address: Address) -> Vec<u8> {
    let (family, octets, flags) = match address.ip {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec(), 0),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec(), IFA_F_NODAD),
    };
    let mut body = vec![family, address.prefix, flags, 0];
    body.extend_from_slice(&address.interface.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        attribute(&mut body, kind, &octets);
    }
    body
}

/// Appends an attribute, which begins at a multiple of four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u16::try_from(4 + value.len()).expect("an address has 16 bytes at most");
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
}

/// Every address of every interface.
pub(super) fn addresses() -> io::Result<Vec<Address>> {
    let socket = open()?;
    send(&socket, RTM_GETADDR, NLM_F_DUMP, vec![0; 8])?;
    let mut found = Vec::new();
    while !receive(&socket, |kind, body| {
        if kind == RTM_NEWADDR {
            found.extend(parse_address(body));
        }
    })? {}
    Ok(found)
}

fn change(kind: u16, flags: u16, body: Vec<u8>) -> io::Result<()> {
    let socket = open()?;
    send(&socket, kind, flags | NLM_F_ACK, body)?;
    while !receive(&socket, |_, _| {})? {}
    Ok(())
}

fn open() -> io::Result<OwnedFd> {
    // No protocol is NETLINK_ROUTE, which is 0.
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, kind: u16, flags: u16, body: Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(16 + body.len()).expect("requests are short");
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
    message.extend_from_slice(&1_u32.to_ne_bytes()); // sequence number
    message.extend_from_slice(&0_u32.to_ne_bytes()); // port: the kernel fills it in
    message.extend_from_slice(&body);
    rustix::net::sendto(socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    Ok(())
}

/// Takes one packet of answers; true at the end of them.
fn receive(socket: &OwnedFd, mut each: impl FnMut(u16, &[u8])) -> io::Result<bool> {
    let mut buffer = vec![0; 32 << 10];
    let (count, _) = rustix::net::recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
    let mut rest = &buffer[..count];
    if rest.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    while let Some((kind, body, after)) = next_message(rest) {
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                return if code == 0 { Ok(true) } else { Err(io::Error::from_raw_os_error(-code)) };
            }
            _ => each(kind, body),
        }
        rest = after;
    }
    Ok(false)
}

/// Type and body of the first message, and what follows it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let body = bytes.get(16..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn parse_address(body: &[u8]) -> Option<Address> {
    let prefix = *body.get(1)?;
    let interface = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let mut attributes = body.get(8..)?;
    let mut ip = None;
    while attributes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]]));
        let kind = u16::from_ne_bytes([attributes[2], attributes[3]]);
        let value = attributes.get(4..length)?;
        // On point-to-point links IFA_ADDRESS is the other end; IFA_LOCAL is this one wherever it is there.
        if kind == IFA_LOCAL || (kind == IFA_ADDRESS && ip.is_none()) {
            ip = <[u8; 4]>::try_from(value)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from))
                .ok();
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Address { interface, ip: ip?, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_lists_the_loopback_address() {
        let found = addresses().expect("listing needs no privilege");
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(found.iter().any(|address| address.ip == loopback && address.prefix == 8), "{found:?}");
    }

    #[test]
    fn the_kernel_refuses_what_does_not_exist() {
        let address = Address { interface: 0x7fff_fff0, ip: "10.0.0.1".parse().unwrap(), prefix: 8 };
        assert!(add(address).is_err());
        assert!(remove(address).is_err());
        assert!(set_mac(0x7fff_fff0, [2, 0, 0, 0, 0, 1]).is_err());
        assert!(set_up(0x7fff_fff0).is_err());
    }

    #[test]
    fn cut_messages_give_nothing() {
        let mut body = vec![2, 8, 0, 0, 1, 0, 0, 0, 8, 0, 2, 0, 127, 0, 0, 1];
        assert_eq!(
            parse_address(&body),
            Some(Address { interface: 1, ip: "127.0.0.1".parse().unwrap(), prefix: 8 })
        );
        body.pop();
        assert_eq!(parse_address(&body), None);
        // An attribute that claims to have no length would never end.
        assert_eq!(parse_address(&[2, 8, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0]), None);
        assert_eq!(next_message(&[40, 0, 0, 0, 20, 0]), None);
    }
}
