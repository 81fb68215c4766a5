//! MAC addresses of networks that have none of their own.

use vmwright_model::machine::Network;

/// The MAC address of a machine's network: the one given, else made from the machine's name and the network's
/// place, in QEMU's own range 52:54:00 (locally administered).
#[must_use]
pub fn mac(machine: &str, at: usize, network: &Network) -> String {
    if let Some(mac) = &network.mac {
        return mac.clone();
    }
    // FNV-1a: well spread for short texts, and the same for ever.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in machine.bytes().chain([0]).chain(at.to_string().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The high bits are the better mixed ones.
    let [_, _, a, b, c, ..] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::machine::NetworkKind;

    #[test]
    fn macs_are_stable_distinct_and_unicast() {
        let network =
            |mac: Option<&str>| Network { mac: mac.map(str::to_owned), ..Network::of(NetworkKind::User) };
        assert_eq!(mac("web", 0, &network(Some("02:00:00:00:00:01"))), "02:00:00:00:00:01");
        let made: Vec<String> = ["web", "web1", "db", "a", "b"]
            .iter()
            .flat_map(|name| (0..12).map(|at| mac(name, at, &network(None))))
            .collect();
        assert_eq!(made[0], mac("web", 0, &network(None)));
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), made.len(), "{made:?}");
        assert!(made.iter().all(|mac| mac.starts_with("52:54:00:") && mac.len() == 17));
    }
}
