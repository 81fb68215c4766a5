//! Addresses of interfaces, as `ip -d address` shows them.

use super::interfaces::Interface;
use super::netlink::{address, number, parts};
use std::fmt::Write as _;

/// Bytes of struct ifaddrmsg.
const HEAD: usize = 8;

// linux/if_addr.h.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;
const IFA_F_PERMANENT: u32 = 0x80;

/// The flags that have one name in both families, by their bits, in the order of the program.
const FLAGS: [(u32, &str); 9] = [
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "home"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (0x100, "mngtmpaddr"),
    (0x200, "noprefixroute"),
    (0x800, "stable-privacy"),
];

/// Scopes that have a name everywhere (linux/rtnetlink.h).
const SCOPES: [(u8, &str); 4] = [(0, "global"), (200, "site"), (253, "link"), (254, "host")];

/// All interfaces with their addresses; none where one is unusual.
pub(super) fn all(interfaces: Vec<Interface>, told: &[Vec<u8>]) -> Option<String> {
    let addresses = told.iter().map(|entry| of(entry)).collect::<Option<Vec<_>>>()?;
    let mut lines = String::new();
    for interface in interfaces {
        lines.push_str(&interface.lines);
        addresses.iter().filter(|(index, _)| *index == interface.index).for_each(|(_, own)| {
            lines.push_str(own);
        });
    }
    Some(lines)
}

/// The lines of an address, and the number of its interface.
fn of(entry: &[u8]) -> Option<(u32, String)> {
    let (head, attributes) = parts(entry, HEAD)?;
    let [family, bits, _, scope, ..] = *head else { return None };
    let name = match i32::from(family) {
        libc::AF_INET => "inet",
        libc::AF_INET6 => "inet6",
        _ => return None,
    };
    let (mut target, mut local) = (None, None);
    let [mut metric, mut everybody, mut label, mut ends] = [const { String::new() }; 4];
    let mut flags = None;
    for (kind, value) in attributes {
        match kind {
            IFA_ADDRESS => target = Some(address(family, value)?),
            IFA_LOCAL => local = Some(address(family, value)?),
            IFA_BROADCAST => everybody = format!("brd {} ", address(family, value)?),
            IFA_LABEL => label = std::str::from_utf8(value.strip_suffix(b"\0")?).ok()?.to_owned(),
            IFA_RT_PRIORITY => metric = format!("metric {} ", number(value)?),
            IFA_FLAGS => flags = Some(number(value)?),
            IFA_CACHEINFO => ends = lifetimes(value)?,
            // Who made it, which the programs that know of it show in another place each.
            IFA_PROTO => {}
            _ => return None,
        }
    }
    let target = target?;
    // Where they are two, it is the address of another host at the other end.
    local.is_none_or(|local| local == target).then_some(())?;
    let scope = SCOPES.iter().find(|(number, _)| *number == scope)?.1;
    let flags = flag_names(flags?)?;
    let lines = format!(
        "    {name} {target}/{bits} {metric}{everybody}scope {scope} {flags}{label}\n       {ends}\n"
    );
    Some((number(&head[4..8])?, lines))
}

/// The names of flags, each with a blank behind it; none where one has no name here.
fn flag_names(flags: u32) -> Option<String> {
    let known = FLAGS.iter().fold(IFA_F_PERMANENT, |all, (bit, _)| all | bit);
    (flags & !known == 0).then_some(())?;
    let mut names = String::new();
    let (before, behind) = FLAGS.split_at(6);
    let set = |flag: &&(u32, &str)| flags & flag.0 != 0;
    before.iter().filter(set).for_each(|(_, name)| _ = write!(names, "{name} "));
    if flags & IFA_F_PERMANENT == 0 {
        names.push_str("dynamic ");
    }
    behind.iter().filter(set).for_each(|(_, name)| _ = write!(names, "{name} "));
    Some(names)
}

/// How long an address lasts: the beginning of struct ifa_cacheinfo.
fn lifetimes(bytes: &[u8]) -> Option<String> {
    let last = |at: usize| {
        Some(match number(bytes.get(at..at + 4)?)? {
            u32::MAX => "forever".to_owned(),
            seconds => format!("{seconds}sec"),
        })
    };
    Some(format!("valid_lft {} preferred_lft {}", last(4)?, last(0)?))
}
