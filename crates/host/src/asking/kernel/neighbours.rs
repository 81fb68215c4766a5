//! Neighbours, as `ip neigh show` shows them.

use super::netlink::{Links, address, number, parts};

// linux/neighbour.h.
const HEAD: usize = 12;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_CACHEINFO: u16 = 3;
const NDA_PROBES: u16 = 4;
const NTF_ROUTER: u8 = 0x80;
const NUD_NOARP: u16 = 0x40;

/// The states that are shown, by their bits.
const STATES: [(u16, &str); 7] = [
    (0x01, "INCOMPLETE"),
    (0x02, "REACHABLE"),
    (0x04, "STALE"),
    (0x08, "DELAY"),
    (0x10, "PROBE"),
    (0x20, "FAILED"),
    (0x80, "PERMANENT"),
];

/// The line of a neighbour, which is empty for one that needs no asking; none for what is unusual.
pub(super) fn line(entry: &[u8], links: &Links) -> Option<String> {
    let (head, attributes) = parts(entry, HEAD)?;
    let (family, index) = (head[0], number(&head[4..8])?);
    let (state, flags) = (u16::from_ne_bytes([head[8], head[9]]), head[10]);
    let mut line = String::new();
    let mut hardware = String::new();
    for (kind, value) in attributes {
        match kind {
            NDA_DST => line = format!("{} ", address(family, value)?),
            NDA_LLADDR if state == NUD_NOARP => {}
            NDA_LLADDR => hardware = format!("lladdr {} ", links.hardware_address(index, value)?),
            NDA_CACHEINFO | NDA_PROBES => {}
            _ => return None,
        }
    }
    if state == NUD_NOARP && flags == 0 {
        return Some(String::new());
    }
    let (_, state) = STATES.iter().find(|(bit, _)| *bit == state)?;
    let router = match flags {
        0 => "",
        NTF_ROUTER => "router ",
        _ => return None,
    };
    Some(format!("{line}dev {} {hardware}{router}{state} \n", links.name(index)?))
}
