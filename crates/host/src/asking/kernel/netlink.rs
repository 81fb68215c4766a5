//! Questions to the kernel over netlink (Documentation/userspace-api/netlink/intro.rst), and what their answers are made of.

use rustix::fd::OwnedFd;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// A request for a list.
#[derive(Debug)]
pub(super) struct Question {
    /// None stands for NETLINK_ROUTE, which is 0.
    protocol: Option<Protocol>,
    /// Type of the message.
    pub(super) kind: u16,
    /// What follows the message's head.
    body: &'static [u8],
    /// Types of the answers.
    answers: u16,
}

// linux/rtnetlink.h.
const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_GETROUTE: u16 = 26;
const RTM_NEWNEIGH: u16 = 28;
pub(super) const RTM_GETNEIGH: u16 = 30;
const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_GETRULE: u16 = 34;
const RTM_NEWVLAN: u16 = 112;
pub(super) const RTM_GETVLAN: u16 = 114;
// linux/netfilter/nf_tables.h, behind the number of the subsystem in linux/netfilter/nfnetlink.h.
const NFT_MSG_NEWTABLE: u16 = 10 << 8;
pub(super) const NFT_MSG_GETTABLE: u16 = 10 << 8 | 1;

const AF_INET: u8 = libc::AF_INET as u8;
const AF_INET6: u8 = libc::AF_INET6 as u8;
const AF_BRIDGE: u8 = libc::AF_BRIDGE as u8;

const fn routing(kind: u16, body: &'static [u8], answers: u16) -> Question {
    Question { protocol: None, kind, body, answers }
}

/// Ports of bridges, and what else forwards by a table of its own.
pub(super) const BRIDGE_PORTS: Question =
    routing(RTM_GETLINK, &[AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], RTM_NEWLINK);
/// VLANs of bridges and their ports: BRIDGE_VLANDB_DUMP_FLAGS (1) without any.
pub(super) const BRIDGE_VLANS: Question =
    routing(RTM_GETVLAN, &[AF_BRIDGE, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0], RTM_NEWVLAN);
/// Interfaces, without their counters: IFLA_EXT_MASK with RTEXT_FILTER_VF and RTEXT_FILTER_SKIP_STATS.
pub(super) const LINKS: Question = routing(
    RTM_GETLINK,
    &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 29, 0, 9, 0, 0, 0],
    RTM_NEWLINK,
);
/// The same with their counters.
pub(super) const COUNTED_LINKS: Question = routing(
    RTM_GETLINK,
    &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 29, 0, 1, 0, 0, 0],
    RTM_NEWLINK,
);
/// Addresses of all families.
pub(super) const ADDRESSES: Question = routing(RTM_GETADDR, &[0; 8], RTM_NEWADDR);
/// Rules of IPv4 that choose a table of routes.
pub(super) const RULES: Question =
    routing(RTM_GETRULE, &[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], RTM_NEWRULE);
/// Routes of all tables and families.
pub(super) const ROUTES: Question = routing(RTM_GETROUTE, &[0; 12], RTM_NEWROUTE);
/// Those of IPv6.
pub(super) const ROUTES_V6: Question =
    routing(RTM_GETROUTE, &[AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], RTM_NEWROUTE);
/// Neighbours of all families.
pub(super) const NEIGHBOURS: Question = routing(RTM_GETNEIGH, &[0; 12], RTM_NEWNEIGH);
/// Tables of the firewall of all families: struct nfgenmsg.
pub(super) const TABLES: Question = Question {
    protocol: Some(netlink::NETFILTER),
    kind: NFT_MSG_GETTABLE,
    body: &[0; 4],
    answers: NFT_MSG_NEWTABLE,
};

/// Bytes of a message's head: length, type, flags, number and port.
const HEAD: usize = 16;

/// NLM_F_REQUEST and NLM_F_DUMP of linux/netlink.h.
const LIST: u16 = 1 | 0x300;
/// NLM_F_DUMP_INTR: the list changed while it was told.
const INTERRUPTED: u16 = 0x10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// What the kernel tells at once: `NLMSG_GOODSIZE` and what dumps may grow to is 32 KiB.
const ROOM: usize = 64 * 1024;

/// The longest answer that is listened to, in bytes. A longer one is left to the program, which can be stopped.
const MOST: usize = 1 << 20;

/// How long the kernel may take between two parts of an answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Question {
    /// The message, as it is sent.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEAD + self.body.len());
        message.extend(((HEAD + self.body.len()) as u32).to_ne_bytes());
        message.extend(self.kind.to_ne_bytes());
        message.extend(LIST.to_ne_bytes());
        // Its number; the port is the kernel's affair.
        message.extend(1_u32.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend(self.body);
        message
    }
}

/// What the kernel says to a question.
pub(super) enum Said {
    /// The bodies of all answers.
    List(Vec<Vec<u8>>),
    /// It refuses the list, for this error.
    Refused(i32),
}

/// Puts a question; none where there is no answer, or where what it lists changed meanwhile.
pub(super) fn dump(question: &Question) -> Option<Said> {
    let socket = ask(question).ok()?;
    let (mut told, mut bytes, mut room) = (Vec::new(), 0, vec![0; ROOM]);
    loop {
        let (_, length) = rustix::net::recv(&socket, &mut *room, RecvFlags::TRUNC).ok()?;
        bytes += length;
        if length == 0 || length > ROOM || bytes > MOST {
            return None;
        }
        for message in Messages(&room[..length]) {
            match message?.take(question)? {
                Told::One(body) => told.push(body.to_vec()),
                Told::End(0) => return Some(Said::List(told)),
                Told::End(error) => return Some(Said::Refused(-error)),
            }
        }
    }
}

fn ask(question: &Question) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        question.protocol,
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    // To a port that the kernel chooses: sending would do so too, but then no tracer could name the question.
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    rustix::net::send(&socket, &question.message(), SendFlags::empty())?;
    Ok(socket)
}

/// A part of an answer.
struct Message<'a> {
    kind: u16,
    flags: u16,
    body: &'a [u8],
}

enum Told<'a> {
    One(&'a [u8]),
    /// With 0, or the number of an error below it.
    End(i32),
}

impl<'a> Message<'a> {
    fn take(self, question: &Question) -> Option<Told<'a>> {
        if self.flags & INTERRUPTED != 0 {
            return None;
        }
        match self.kind {
            NLMSG_DONE if self.body.is_empty() => Some(Told::End(0)),
            NLMSG_DONE | NLMSG_ERROR => Some(Told::End(number(self.body.get(..4)?)?.cast_signed())),
            kind => (kind == question.answers).then_some(Told::One(self.body)),
        }
    }
}

/// The messages in what was received; none for what is none.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Option<Message<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let all = std::mem::take(&mut self.0);
        let length = all.get(..4).and_then(number).map_or(0, |length| length as usize);
        let Some(message) = all.get(..length).filter(|message| message.len() >= HEAD) else {
            return Some(None);
        };
        self.0 = all.get(length.next_multiple_of(4)..).unwrap_or_default();
        let short = |at: usize| u16::from_ne_bytes([message[at], message[at + 1]]);
        Some(Some(Message { kind: short(4), flags: short(6), body: &message[HEAD..] }))
    }
}

/// A number of four bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// The type of an attribute, and its value.
type Attribute<'a> = (u16, &'a [u8]);

/// The head of an entry, which its family begins, and its attributes. None where an entry is cut off.
pub(super) fn parts(entry: &[u8], head: usize) -> Option<(&[u8], Vec<Attribute<'_>>)> {
    let (head, mut rest) = entry.split_at_checked(head)?;
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let short = |at: usize| Some(u16::from_ne_bytes([*rest.get(at)?, *rest.get(at + 1)?]));
        let length = usize::from(short(0)?);
        attributes.push((short(2)?, rest.get(4..length)?));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some((head, attributes))
}

/// An address as programs write it, of a family that is known.
pub(super) fn address(family: u8, bytes: &[u8]) -> Option<String> {
    match family {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

/// How many bits an address of this family has.
pub(super) fn bits(family: u8) -> Option<u8> {
    match family {
        AF_INET => Some(32),
        AF_INET6 => Some(128),
        _ => None,
    }
}

/// A table of routes that has a name everywhere.
pub(super) fn table(number: u32) -> Option<&'static str> {
    match number {
        253 => Some("default"),
        254 => Some("main"),
        255 => Some("local"),
        _ => None,
    }
}

/// An interface.
#[derive(Debug)]
struct Link {
    index: u32,
    name: String,
    /// As `ARPHRD_*` of linux/if_arp.h.
    kind: u16,
}

/// All interfaces.
#[derive(Debug)]
pub(super) struct Links(Vec<Link>);

/// Bytes of struct ifinfomsg.
const LINK: usize = 16;
const IFLA_IFNAME: u16 = 3;
const ARPHRD_ETHER: u16 = 1;

impl Links {
    pub(super) fn all() -> Option<Self> {
        let link = |entry: &Vec<u8>| {
            let (head, attributes) = parts(entry, LINK)?;
            let name = attributes.iter().find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
            let name = name.strip_suffix(b"\0").unwrap_or(name);
            Some(Link {
                index: number(&head[4..8])?,
                name: std::str::from_utf8(name).ok()?.to_owned(),
                kind: u16::from_ne_bytes([head[2], head[3]]),
            })
        };
        let Said::List(links) = dump(&LINKS)? else { return None };
        links.iter().map(link).collect::<Option<Vec<_>>>().map(Self)
    }

    fn of(&self, index: u32) -> Option<&Link> {
        self.0.iter().find(|link| link.index == index)
    }

    pub(super) fn name(&self, index: u32) -> Option<&str> {
        self.of(index).map(|link| link.name.as_str())
    }

    /// The address of a neighbour on this interface, where it is one of Ethernet.
    pub(super) fn hardware_address(&self, index: u32, bytes: &[u8]) -> Option<String> {
        let of_ethernet = self.of(index)?.kind == ARPHRD_ETHER && bytes.len() == 6;
        of_ethernet.then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
    }
}
