//! Rules that choose a table of routes, as `ip rule list` shows them.

use super::netlink::{number, parts, table};

// linux/fib_rules.h.
const HEAD: usize = 12;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PROTOCOL: u16 = 21;
const FR_ACT_TO_TBL: u8 = 1;
const RTPROT_KERNEL: u8 = 2;

/// The line of a rule for all packets; none for any other.
pub(super) fn line(entry: &[u8]) -> Option<String> {
    let (head, attributes) = parts(entry, HEAD)?;
    let [_, to, from, tos, of, _, _, action, flags @ ..] = head else { return None };
    let mut chosen = u32::from(*of);
    let mut priority = 0;
    for (kind, value) in attributes {
        match kind {
            FRA_PRIORITY => priority = number(value)?,
            FRA_TABLE => chosen = number(value)?,
            // All bits stand for none.
            FRA_SUPPRESS_IFGROUP | FRA_SUPPRESS_PREFIXLEN if number(value)? == u32::MAX => {}
            FRA_PROTOCOL if value == [0] || value == [RTPROT_KERNEL] => {}
            _ => return None,
        }
    }
    let plain = [*to, *from, *tos] == [0; 3] && *action == FR_ACT_TO_TBL && flags == [0; 4];
    plain.then_some(())?;
    Some(format!("{priority}:\tfrom all lookup {}\n", table(chosen)?))
}
