//! Routes, as `ip route show table all` shows them.

use super::netlink::{Links, address, bits, number, parts, table};

// linux/rtnetlink.h.
const HEAD: usize = 12;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_PREF: u16 = 20;
const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;
const RT_TABLE_MAIN: u32 = 254;
const RT_SCOPE_UNIVERSE: u8 = 0;

/// What the kernel counts time in for programs, per second (`USER_HZ`).
const TICKS: i32 = 100;

const KINDS: [(u8, &str); 9] = [
    (RTN_UNICAST, "unicast"),
    (2, "local"),
    (3, "broadcast"),
    (4, "anycast"),
    (5, "multicast"),
    (6, "blackhole"),
    (7, "unreachable"),
    (8, "prohibit"),
    (9, "throw"),
];

const PROTOCOLS: [(u8, &str); 12] = [
    (1, "redirect"),
    (2, "kernel"),
    (RTPROT_BOOT, "boot"),
    (4, "static"),
    (9, "ra"),
    (11, "zebra"),
    (12, "bird"),
    (16, "dhcp"),
    (18, "keepalived"),
    (186, "bgp"),
    (188, "ospf"),
    (189, "rip"),
];

const SCOPES: [(u8, &str); 3] = [(RT_SCOPE_UNIVERSE, "global"), (253, "link"), (254, "host")];

/// `RTNH_F_DEAD`, `RTNH_F_ONLINK` and `RTNH_F_LINKDOWN`, in the order in which they are shown.
const FLAGS: [(u32, &str); 3] = [(1, "dead"), (4, "onlink"), (16, "linkdown")];

/// Preferences of routers (RFC 4191).
const PREFERENCES: [(u8, &str); 3] = [(3, "low"), (0, "medium"), (1, "high")];

fn named<'n, T: Copy + PartialEq>(names: &[(T, &'n str)], number: T) -> Option<&'n str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The line of a route; none for what is unusual.
pub(super) fn line(entry: &[u8], links: &Links) -> Option<String> {
    let (head, attributes) = parts(entry, HEAD)?;
    let [family, to, from, tos, of, protocol, scope, kind, ..] = *head else { return None };
    let flags = number(&head[8..])?;
    let plain = from == 0 && tos == 0 && flags & !FLAGS.iter().fold(0, |all, (bit, _)| all | bit) == 0;
    plain.then_some(())?;
    let mut target = match to {
        0 => "default".to_owned(),
        bits => format!("0/{bits}"),
    };
    let mut chosen = u32::from(of);
    let [mut gateway, mut device, mut source, mut metric, mut expires, mut preference] =
        [const { String::new() }; 6];
    for (kind, value) in attributes {
        match kind {
            RTA_DST if to == bits(family)? => target = address(family, value)?,
            RTA_DST => target = format!("{}/{to}", address(family, value)?),
            RTA_TABLE => chosen = number(value)?,
            RTA_GATEWAY => gateway = format!("via {} ", address(family, value)?),
            RTA_OIF => device = format!("dev {} ", links.name(number(value)?)?),
            RTA_PREFSRC => source = format!("src {} ", address(family, value)?),
            RTA_PRIORITY => metric = format!("metric {} ", number(value)?),
            RTA_PREF => preference = format!("pref {}", named(&PREFERENCES, *value.first()?)?),
            // struct rta_cacheinfo: when it ends, and the error that it gives to who uses it.
            RTA_CACHEINFO => match (number(value.get(8..12)?)?.cast_signed(), number(value.get(12..16)?)?) {
                (0, 0) => {}
                (ticks, 0) => expires = format!("expires {}sec ", ticks / TICKS),
                _ => return None,
            },
            _ => return None,
        }
    }
    // What a family without addresses routes to is unknown, also where it has no target.
    bits(family)?;
    let shown = |is: bool, name: &str, value: &str| match is {
        true => format!("{name}{value} "),
        false => String::new(),
    };
    let (kind_name, protocol_name) = (named(&KINDS, kind)?, named(&PROTOCOLS, protocol)?);
    let set = FLAGS.iter().filter(|(bit, _)| flags & bit != 0);
    let parts = [
        shown(kind != RTN_UNICAST, "", kind_name),
        target,
        " ".to_owned(),
        gateway,
        device,
        shown(chosen != RT_TABLE_MAIN, "table ", table(chosen)?),
        shown(protocol != RTPROT_BOOT, "proto ", protocol_name),
        shown(scope != RT_SCOPE_UNIVERSE, "scope ", named(&SCOPES, scope)?),
        source,
        metric,
        set.map(|(_, name)| format!("{name} ")).collect(),
        expires,
        preference,
        "\n".to_owned(),
    ];
    Some(parts.concat())
}
