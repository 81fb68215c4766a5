//! Interfaces, as `ip -s -d link` shows them, and the first lines of each in `ip -d address`.

use super::netlink::{number, parts};
use std::fmt::Write as _;

/// Bytes of struct ifinfomsg.
const HEAD: usize = 16;

// linux/if_link.h.
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_QDISC: u16 = 6;
const IFLA_STATS: u16 = 7;
const IFLA_TXQLEN: u16 = 13;
const IFLA_MAP: u16 = 14;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NUM_VF: u16 = 21;
const IFLA_STATS64: u16 = 23;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_PROTO_DOWN: u16 = 39;
const IFLA_GSO_MAX_SEGS: u16 = 40;
const IFLA_GSO_MAX_SIZE: u16 = 41;
const IFLA_XDP: u16 = 43;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;
const IFLA_GRO_MAX_SIZE: u16 = 58;
const IFLA_TSO_MAX_SIZE: u16 = 59;
const IFLA_TSO_MAX_SEGS: u16 = 60;
const IFLA_ALLMULTI: u16 = 61;
/// What kernels after 6.0 tell besides, which the programs of then do not show.
const LATER: std::ops::RangeInclusive<u16> = 62..=69;
/// The first of a kind's own attributes, which names it.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// Marks an attribute that has others in it (linux/netlink.h).
const NESTED: u16 = 0x8000;

// linux/if_arp.h.
const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;

// linux/if.h.
const IFF_UP: u32 = 1;
const IFF_POINTOPOINT: u32 = 1 << 4;
const IFF_RUNNING: u32 = 1 << 6;

/// The flags that are shown, by their bits, in the order of the program.
const FLAGS: [(u32, &str); 17] = [
    (1 << 3, "LOOPBACK"),
    (1 << 1, "BROADCAST"),
    (1 << 12, "MULTICAST"),
    (1 << 7, "NOARP"),
    (1 << 9, "ALLMULTI"),
    (1 << 8, "PROMISC"),
    (1 << 10, "MASTER"),
    (1 << 11, "SLAVE"),
    (1 << 2, "DEBUG"),
    (1 << 15, "DYNAMIC"),
    (1 << 14, "AUTOMEDIA"),
    (1 << 13, "PORTSEL"),
    (1 << 5, "NOTRAILERS"),
    (IFF_UP, "UP"),
    (1 << 16, "LOWER_UP"),
    (1 << 17, "DORMANT"),
    (1 << 18, "ECHO"),
];

/// States by RFC 2863, in the order of linux/if.h.
const STATES: [&str; 7] = ["UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"];

const MODES: [&str; 2] = ["DEFAULT", "DORMANT"];

/// How addresses of IPv6 are made (linux/if_link.h).
const ADDRESS_MODES: [&str; 4] = ["eui64", "none", "stable_secret", "random"];

/// Kinds of which the program shows no more than the name.
const PLAIN_KINDS: [&str; 2] = ["ifb", "veth"];

/// What one interface tells.
pub(super) struct Interface {
    pub(super) index: u32,
    /// Its lines, from its number to where the addresses begin.
    pub(super) lines: String,
}

/// The interfaces; none where one is unusual. `counted` says that its counters are asked for too, as `ip -s -d link`
/// shows them.
pub(super) fn interfaces(told: &[Vec<u8>], counted: bool) -> Option<Vec<Interface>> {
    let heads = told.iter().map(|entry| head_of(entry)).collect::<Option<Vec<_>>>()?;
    told.iter().map(|entry| interface(entry, &heads, counted)).collect()
}

/// Number, flags and name of an interface.
fn head_of(entry: &[u8]) -> Option<(u32, u32, String)> {
    let (head, attributes) = parts(entry, HEAD)?;
    let name = attributes.iter().find(|(kind, _)| *kind == IFLA_IFNAME)?.1;
    Some((number(&head[4..8])?, number(&head[8..12])?, word(name)?.to_owned()))
}

fn interface(entry: &[u8], all: &[(u32, u32, String)], counted: bool) -> Option<Interface> {
    let (head, attributes) = parts(entry, HEAD)?;
    let (index, flags, name) = head_of(entry)?;
    let kind = u16::from_ne_bytes([head[2], head[3]]);
    let find = |wanted: u16| attributes.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    usual(&attributes, flags)?;
    let mut lines = format!("{index}: {name}");
    let mut below_is_down = false;
    if let Some(link) = find(IFLA_LINK) {
        let link = number(link)?;
        let (_, flags, name) = all.iter().find(|(index, ..)| *index == link)?;
        let _ = write!(lines, "@{name}");
        below_is_down = flags & IFF_UP == 0;
    }
    let _ = write!(lines, ": <{}> ", shown(flags, below_is_down)?);
    let count = |wanted: u16| find(wanted).map(number);
    let counts = |lines: &mut String, wanted: &[(u16, &str)]| {
        for (wanted, name) in wanted {
            if let Some(count) = count(*wanted) {
                let _ = write!(lines, "{name} {} ", count?);
            }
        }
        Some(())
    };
    counts(&mut lines, &[(IFLA_MTU, "mtu")])?;
    if let Some(discipline) = find(IFLA_QDISC) {
        let _ = write!(lines, "qdisc {} ", word(discipline)?);
    }
    let of = |wanted: u16, names: &[&'static str]| {
        find(wanted).and_then(|value| names.get(usize::from(*value.first()?)).copied())
    };
    let _ = write!(lines, "state {} ", of(IFLA_OPERSTATE, &STATES)?);
    if counted {
        let _ = write!(lines, "mode {} ", of(IFLA_LINKMODE, &MODES)?);
    }
    lines.push_str("group default ");
    match count(IFLA_TXQLEN)?? {
        0 => {}
        length => lines.push_str(&format!("qlen {length}")),
    }
    let named = match kind {
        ARPHRD_ETHER => "ether",
        ARPHRD_LOOPBACK => "loopback",
        _ => return None,
    };
    let (own, every) = (hardware(find(IFLA_ADDRESS)?)?, hardware(find(IFLA_BROADCAST)?)?);
    let _ = write!(lines, "\n    link/{named} {own} brd {every}");
    let more = [
        (IFLA_PROMISCUITY, " promiscuity"),
        (IFLA_ALLMULTI, " allmulti"),
        (IFLA_MIN_MTU, "minmtu"),
        (IFLA_MAX_MTU, "maxmtu"),
    ];
    counts(&mut lines, &more)?;
    if let Some(about) = find(IFLA_LINKINFO) {
        let _ = write!(lines, "\n    {} ", plain_kind(about)?);
    }
    if counted && let Some(mode) = address_mode(find(IFLA_AF_SPEC)?)? {
        let _ = write!(lines, "addrgenmode {mode} ");
    }
    let more = [
        (IFLA_NUM_TX_QUEUES, "numtxqueues"),
        (IFLA_NUM_RX_QUEUES, "numrxqueues"),
        (IFLA_GSO_MAX_SIZE, "gso_max_size"),
        (IFLA_GSO_MAX_SEGS, "gso_max_segs"),
        (IFLA_TSO_MAX_SIZE, "tso_max_size"),
        (IFLA_TSO_MAX_SEGS, "tso_max_segs"),
        (IFLA_GRO_MAX_SIZE, "gro_max_size"),
    ];
    counts(&mut lines, &more)?;
    for (wanted, name) in [(IFLA_PARENT_DEV_BUS_NAME, "parentbus"), (IFLA_PARENT_DEV_NAME, "parentdev")] {
        if let Some(parent) = find(wanted) {
            let _ = write!(lines, "{name} {} ", word(parent)?);
        }
    }
    if counted {
        lines.push_str(&counters(find(IFLA_STATS64)?)?);
    }
    for other in other_names(find(IFLA_PROP_LIST | NESTED))? {
        let _ = write!(lines, "\n    altname {other}");
    }
    lines.push('\n');
    Some(Interface { index, lines })
}

/// Nothing where an interface has what is shown in a way that is not known here.
fn usual(attributes: &[(u16, &[u8])], flags: u32) -> Option<()> {
    let find = |wanted: u16| attributes.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    let fits = |(kind, value): &(u16, &[u8])| match *kind & !NESTED {
        IFLA_ADDRESS
        | IFLA_BROADCAST
        | IFLA_IFNAME
        | IFLA_MTU
        | IFLA_LINK
        | IFLA_QDISC
        | IFLA_STATS
        | IFLA_TXQLEN
        | IFLA_MAP
        | IFLA_OPERSTATE
        | IFLA_LINKMODE
        | IFLA_LINKINFO
        | IFLA_STATS64
        | IFLA_AF_SPEC
        | IFLA_PROMISCUITY
        | IFLA_NUM_TX_QUEUES
        | IFLA_NUM_RX_QUEUES
        | IFLA_CARRIER
        | IFLA_CARRIER_CHANGES
        | IFLA_GSO_MAX_SEGS
        | IFLA_GSO_MAX_SIZE
        | IFLA_CARRIER_UP_COUNT
        | IFLA_CARRIER_DOWN_COUNT
        | IFLA_MIN_MTU
        | IFLA_MAX_MTU
        | IFLA_PROP_LIST
        | IFLA_PARENT_DEV_NAME
        | IFLA_PARENT_DEV_BUS_NAME
        | IFLA_GRO_MAX_SIZE
        | IFLA_TSO_MAX_SIZE
        | IFLA_TSO_MAX_SEGS
        | IFLA_ALLMULTI => true,
        // The group without a number has the name `default`; VFs have lines of their own.
        IFLA_GROUP | IFLA_NUM_VF => number(value) == Some(0),
        IFLA_PROTO_DOWN => *value == [0],
        IFLA_PERM_ADDRESS => find(IFLA_ADDRESS) == Some(*value),
        IFLA_XDP => inner(value).is_some_and(|inner| inner == [(IFLA_XDP_ATTACHED, &[0][..])]),
        other => LATER.contains(&other),
    };
    (flags & IFF_POINTOPOINT == 0 && attributes.iter().all(fits)).then_some(())
}

/// The flags between angle brackets; none where one has no name here.
fn shown(flags: u32, below_is_down: bool) -> Option<String> {
    let no_carrier = flags & IFF_UP != 0 && flags & IFF_RUNNING == 0;
    let known = FLAGS.iter().fold(IFF_RUNNING, |all, (bit, _)| all | bit);
    (flags & !known == 0).then_some(())?;
    let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    let first = no_carrier.then_some("NO-CARRIER");
    let last = below_is_down.then_some("M-DOWN");
    Some(first.into_iter().chain(set).chain(last).collect::<Vec<_>>().join(","))
}

/// A word that ends with a zero byte.
fn word(bytes: &[u8]) -> Option<&str> {
    let word = std::str::from_utf8(bytes.strip_suffix(b"\0")?).ok()?;
    word.bytes().all(|byte| byte.is_ascii_graphic()).then_some(word)
}

fn hardware(bytes: &[u8]) -> Option<String> {
    (bytes.len() == 6).then_some(())?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

/// The attributes in an attribute.
fn inner(bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    parts(bytes, 0).map(|(_, attributes)| attributes)
}

/// The name of a kind of which no more than that is shown.
fn plain_kind(about: &[u8]) -> Option<&str> {
    let [(IFLA_INFO_KIND, name)] = inner(about)?[..] else { return None };
    word(name).filter(|name| PLAIN_KINDS.contains(name))
}

/// How an interface makes its addresses of IPv6, if it has any such.
fn address_mode(families: &[u8]) -> Option<Option<&'static str>> {
    let families = inner(families)?;
    let Some((_, own)) = families.iter().find(|(family, _)| i32::from(family & !NESTED) == libc::AF_INET6)
    else {
        return Some(None);
    };
    let own = inner(own)?;
    let Some((_, mode)) = own.iter().find(|(kind, _)| *kind == IFLA_INET6_ADDR_GEN_MODE) else {
        return Some(None);
    };
    Some(Some(ADDRESS_MODES.get(usize::from(*mode.first()?))?))
}

/// The other names of an interface.
fn other_names(list: Option<&[u8]>) -> Option<Vec<&str>> {
    let names = list.map_or(Some(Vec::new()), inner)?;
    names.iter().map(|(kind, name)| (*kind == IFLA_ALT_IFNAME).then(|| word(name)).flatten()).collect()
}

/// The counters, in columns that are as wide as the longest of each.
fn counters(bytes: &[u8]) -> Option<String> {
    /// Places in struct rtnl_link_stats64: bytes, packets, errors, dropped, missed, multicast; and of what was sent bytes,
    /// packets, errors, dropped, carrier errors, collisions.
    const RECEIVED: [usize; 6] = [2, 0, 4, 6, 15, 8];
    const SENT: [usize; 6] = [3, 1, 5, 7, 17, 9];
    /// Of packed packets, which have a column only where there are some.
    const COMPRESSED: [usize; 2] = [21, 22];
    const HEADS: [[&str; 6]; 2] = [
        ["bytes", "packets", "errors", "dropped", "missed", "mcast"],
        ["bytes", "packets", "errors", "dropped", "carrier", "collsns"],
    ];
    /// The width of the column that is empty then.
    const LAST: usize = "compressed".len();
    let counter = |place: usize| {
        Some(u64::from_ne_bytes(bytes.get(8 * place..8 * place + 8)?.try_into().ok()?).to_string())
    };
    COMPRESSED.iter().all(|place| counter(*place).as_deref() == Some("0")).then_some(())?;
    // The widths that the program begins with, those of its longest words: `*X errors:`, `heartbt`, `overrun`.
    let mut widths = [10, 7, 6, 7, 7, 7];
    let rows =
        [RECEIVED, SENT].map(|row| row.iter().map(|place| counter(*place)).collect::<Option<Vec<_>>>());
    for row in &rows {
        for (width, counter) in widths.iter_mut().zip(row.as_ref()?) {
            *width = (*width).max(counter.len());
        }
    }
    let mut lines = String::new();
    for ((direction, heads), row) in ["RX", "TX"].iter().zip(HEADS).zip(&rows) {
        let _ = write!(lines, "\n    {direction}:");
        for (at, (head, width)) in heads.iter().zip(widths).enumerate() {
            // The first column begins where the direction does.
            let width = if at == 0 { width - 4 } else { width };
            let _ = write!(lines, " {head:>width$}");
        }
        let _ = write!(lines, " {:LAST$}\n    ", "");
        for (counter, width) in row.as_ref()?.iter().zip(widths) {
            let _ = write!(lines, "{counter:>width$} ");
        }
    }
    Some(lines)
}
