//! Record `links`: what sysfs tells of each network interface, `<name> <fact> <value>`, one fact a line. Netlink would
//! tell more, but its socket can also change the network.

use super::attribute::{link, names, value};
use super::users::Names;
use crate::live::Collector;
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::{Kind, Missing};

/// Most interfaces; a host of thousands of taps has fewer.
const MOST: usize = 4096;

/// Most entries of one interface's folder.
const ENTRIES: usize = 512;

/// Attributes under their own names (`Documentation/ABI/testing/sysfs-class-net`), those of bridges and ports with
/// their folder.
pub(crate) const PLAIN: [&str; 25] = [
    "operstate",
    "carrier",
    "mtu",
    "address",
    "flags",
    "type",
    "ifindex",
    "iflink",
    "speed",
    "duplex",
    "tx_queue_len",
    "phys_port_name",
    "bridge/stp_state",
    "bridge/forward_delay",
    "bridge/vlan_filtering",
    "bridge/default_pvid",
    "bridge/multicast_snooping",
    "bridge/nf_call_iptables",
    "brport/state",
    "brport/isolated",
    "brport/hairpin_mode",
    "bonding/mode",
    "bonding/slaves",
    "tun_flags",
    "statistics/tx_dropped",
];

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/sys/class/net"))).and_then(|list| list);
    collector.push("links".to_owned(), Some(Kind::new("links")), content.map(String::into_bytes));
}

fn list(folder: &Path) -> Result<String, Missing> {
    let mut users = Names::default();
    let mut text = String::new();
    for name in names(folder, MOST)? {
        let folder = folder.join(&name);
        // `bonding_masters` is a file.
        if folder.is_dir() {
            one(&folder, &name, &mut users, &mut text);
        }
    }
    Ok(text)
}

fn one(folder: &Path, name: &str, users: &mut Names, text: &mut String) {
    let there = names(folder, ENTRIES).unwrap_or_default();
    let has = |name: &str| there.binary_search_by(|other| other.as_str().cmp(name)).is_ok();
    let mut tell = |fact: &str, value: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{name} {fact} {value}");
    };
    let uevent = value(&folder.join("uevent")).unwrap_or_default();
    // `bridge`, `vlan`, `bond`, `vxlan`, `wlan`; nothing for plain Ethernet and taps.
    if let Some(kind) = uevent.split("\\x0a").find_map(|line| line.strip_prefix("DEVTYPE=")) {
        tell("devtype", kind);
    }
    for fact in PLAIN {
        // Down or virtual: the kernel answers EINVAL for speed, duplex and carrier.
        if has(fact.split('/').next().unwrap_or(fact))
            && let Some(value) = value(&folder.join(fact)).filter(|value| !value.is_empty())
        {
            tell(fact, &value);
        }
    }
    for (fact, entry) in
        [("master", "master"), ("device", "device"), ("physfn", "device/physfn"), ("driver", "device/driver")]
    {
        if let Some(target) = link(&folder.join(entry)) {
            tell(fact, &target);
        }
    }
    for lower in there.iter().filter_map(|entry| entry.strip_prefix("lower_")) {
        tell("lower", lower);
    }
    if has("tun_flags") {
        // -1 where nobody is named.
        let id = |file: &str| value(&folder.join(file))?.parse::<u32>().ok();
        tell("tap-owner", &id("owner").map_or("-".to_owned(), |id| users.user(id)));
        tell("tap-group", &id("group").map_or("-".to_owned(), |id| users.group(id)));
    }
    let queues = names(&folder.join("queues"), ENTRIES).unwrap_or_default();
    if !queues.is_empty() {
        let count = |start: &str| queues.iter().filter(|queue| queue.starts_with(start)).count();
        tell("queues", &format!("rx {} tx {}", count("rx-"), count("tx-")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn facts_of_made_up_interfaces() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("br0/uevent", "DEVTYPE=bridge\nINTERFACE=br0\n"),
            ("br0/mtu", "1500\n"),
            ("br0/bridge/vlan_filtering", "1\n"),
            ("br0/lower_tap0/x", ""),
            ("tap0/mtu", "1450\n"),
            ("tap0/tun_flags", "0x1002\n"),
            ("tap0/owner", "0\n"),
            ("tap0/group", "-1\n"),
            ("tap0/queues/rx-0/x", ""),
            ("tap0/queues/tx-0/x", ""),
            ("bonding_masters", ""),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        symlink("../br0", root.path().join("tap0/master")).unwrap();
        assert_eq!(
            list(root.path()).unwrap(),
            "br0 devtype bridge\nbr0 mtu 1500\nbr0 bridge/vlan_filtering 1\nbr0 lower tap0\n\
             tap0 mtu 1450\ntap0 tun_flags 0x1002\ntap0 master br0\ntap0 tap-owner root\ntap0 tap-group -\n\
             tap0 queues rx 1 tx 1\n"
        );
        assert_eq!(list(&root.path().join("none")), Err(Missing::Absent));
    }

    #[test]
    fn the_live_host_has_a_loop_back() {
        let text = list(Path::new("/sys/class/net")).unwrap();
        assert!(text.contains("lo mtu "), "{text}");
    }
}
