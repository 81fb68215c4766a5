//! The host's network: how large packets may be, and whether bridged frames pass the firewall for IP.

use super::{IntentError, Wanted, made};
use crate::header;
use crate::preview::GIVEN_UP;
use std::collections::BTreeMap;
use vmwright_formats::OvsShow;
use vmwright_formats::links::Links;
use vmwright_model::plan::OvsPort;
use vmwright_model::{Action, Disruption, Need, Plan};

/// Smallest and largest packet of IP, in bytes (RFC 791; the length's 16 bits).
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// Smallest packet that IPv6 goes over, in bytes (RFC 8200).
const MTU_OF_IPV6: u32 = 1280;

const KEPT: &str = "/etc/sysctl.d/90-vmwright-bridge.conf";

/// Switches of `br_netfilter` (kernel, Documentation/networking/bridge.rst).
const FILTERS: [&str; 3] = [
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-arptables",
];

/// What has to be read of a host.
pub const NETWORK_NEEDS: &[Need] = &[
    Need::File("/proc/sys/net/bridge/bridge-nf-call-iptables"),
    Need::File("/proc/sys/net/bridge/bridge-nf-call-ip6tables"),
    Need::File("/proc/sys/net/bridge/bridge-nf-call-arptables"),
    Need::File(KEPT),
];

/// The plan that gives an interface this MTU; of a bridge or bond its ports too.
///
/// # Errors
/// [`IntentError`]: there is no such interface, or it has it.
pub fn mtu(host_id: &str, links: &Links, interface: &str, to: u32) -> Result<Plan, IntentError> {
    let Some(link) = links.of(interface) else {
        let names: Vec<&str> = links.links.iter().map(|link| link.name.as_str()).take(20).collect();
        return Err(IntentError::Cannot(format!(
            "there is no interface {interface}; there are {}",
            names.join(", ")
        )));
    };
    if !MTU.contains(&to) {
        return Err(IntentError::Cannot(format!("{to} is no MTU: {} to {} bytes", MTU.start(), MTU.end())));
    }
    let mut steps: Vec<Wanted> = Vec::new();
    let ports: Vec<_> = links.ports(interface).collect();
    for one in ports.iter().copied().chain([link]) {
        let Some(from) = one.mtu().map(|mtu| mtu.value) else {
            return Err(IntentError::Cannot(format!("the MTU of {} was not read", one.name)));
        };
        if from == to {
            continue;
        }
        let path = format!("/sys/class/net/{}/mtu", one.name);
        let why = match one.name == interface {
            true => format!("{interface} takes packets of {to} bytes"),
            false => {
                format!("{} is a port of {interface}, which is no wider than its narrowest port", one.name)
            }
        };
        steps.push((Action::Sysfs { path, from: from.to_string(), to: to.to_string() }, why));
    }
    if steps.is_empty() {
        return Err(IntentError::Nothing(format!("{interface} and its ports have an MTU of {to}")));
    }
    // What is above is never wider than what is below: it is made wider last, and narrower first.
    if link.mtu().is_some_and(|from| from.value > to) {
        steps.reverse();
    }
    let steps = steps.into_iter().map(|(action, why)| (action, why, Disruption::None)).collect();
    let mut plan = made(host_id, None, format!("give {interface} an MTU of {to}"), steps);
    if to < MTU_OF_IPV6 {
        plan.left.push(format!("{GIVEN_UP}for packets of {to} bytes: IPv6, which needs {MTU_OF_IPV6}"));
    }
    plan.left.push(
        "it holds until the next boot, or until the host's own network configuration is applied again: write it there too, and into the guests"
            .to_owned(),
    );
    Ok(plan)
}

/// The plan that makes `port` a port of an Open vSwitch bridge, or gives it another VLAN there.
///
/// # Errors
/// [`IntentError`]: there is no such bridge or interface, it is a port of something else, or it is so already.
pub fn ovs_port(
    host_id: &str,
    switch: &OvsShow,
    links: &Links,
    port: &str,
    bridge: &str,
    vlan: Option<u16>,
) -> Result<Plan, IntentError> {
    let cannot = |why: String| Err(IntentError::Cannot(why));
    if switch.bridge(bridge).is_none() {
        let names: Vec<&str> = switch.bridges.iter().map(|bridge| bridge.name.as_str()).take(20).collect();
        return cannot(format!("Open vSwitch has no bridge {bridge}; it has {}", names.join(", ")));
    }
    let to = |internal| OvsPort { bridge: bridge.to_owned(), tag: vlan, internal };
    let from = match switch.port(port) {
        Some((other, _)) if other.name != bridge => {
            return cannot(format!("{port} is a port of bridge {}", other.name));
        }
        Some((_, found)) => {
            let tag = found.tag.as_ref().map(|tag| tag.value.parse::<u16>());
            let Ok(tag) = tag.transpose() else {
                return cannot(format!("the VLAN of {port} is no number"));
            };
            let internal = found.types.iter().any(|kind| kind.value == "internal");
            Some(OvsPort { bridge: bridge.to_owned(), tag, internal })
        }
        None => None,
    };
    if from.is_none() {
        match links.of(port) {
            None => return cannot(format!("there is no interface {port}")),
            Some(link) => {
                if let Some(master) = link.get("master") {
                    return cannot(format!("{port} is a port of {}", master.value));
                }
            }
        }
    }
    let to = to(from.as_ref().is_some_and(|from| from.internal));
    if from.as_ref() == Some(&to) {
        return Err(IntentError::Nothing(format!("{port} is so in bridge {bridge}")));
    }
    let what = vlan.map_or("all VLANs".to_owned(), |vlan| format!("VLAN {vlan}"));
    let why = format!("{port} takes and sends frames of {what} in bridge {bridge}");
    let action = Action::OvsPort { port: port.to_owned(), from, to: Some(to) };
    let title = format!("give {port} {what} of bridge {bridge}");
    let mut plan = made(host_id, None, title, vec![(action, why, Disruption::None)]);
    plan.left.push("Open vSwitch keeps it over restarts of the host".to_owned());
    Ok(plan)
}

/// The plan that lets bridged frames pass by the host's firewall for IP. `values` are those of [`NETWORK_NEEDS`] that are
/// there, by path.
///
/// # Errors
/// [`IntentError`]: they do so already.
pub fn bridge_filter_off(host_id: &str, values: &BTreeMap<&str, &str>) -> Result<Plan, IntentError> {
    let mut steps: Vec<(Action, String, Disruption)> = Vec::new();
    let mut kept = String::from("# Frames between VMs on a bridge do not pass the firewall for IP.\n");
    for key in FILTERS {
        let Some(from) = values.get(format!("/proc/sys/{key}").as_str()).map(|value| value.trim()) else {
            continue;
        };
        kept.push_str(&format!("{} = 0\n", key.replace('/', ".")));
        if from != "0" {
            let action = Action::Sysctl { key: key.to_owned(), from: from.to_owned(), to: "0".to_owned() };
            let why =
                "frames that only cross a bridge are not dropped by rules that were made for routed ones";
            steps.push((action, why.to_owned(), Disruption::None));
        }
    }
    if steps.is_empty() {
        return Err(IntentError::Nothing(
            "bridged frames pass by the firewall (br_netfilter is off or not loaded)".to_owned(),
        ));
    }
    let mut left = vec![format!(
        "{GIVEN_UP}for VMs on bridges: rules of Docker, Kubernetes and libvirt's filters by address no longer see frames that stay on a bridge"
    )];
    match values.get(KEPT) {
        None => {
            let file = Action::FileCreate { path: KEPT.to_owned(), text: header::with(&kept), mode: 0o644 };
            steps.insert(0, (file, "it is so after the next boot too".to_owned(), Disruption::None));
        }
        Some(text) if header::without(text) == kept => {}
        Some(_) => left.push(format!("{KEPT} is there with another text, and stays")),
    }
    let mut plan = made(host_id, None, "let bridged frames pass by the firewall for IP".to_owned(), steps);
    plan.left = left;
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, lint};
    use vmwright_formats::View;

    fn links() -> Links {
        let text = "br0 devtype bridge\nbr0 mtu 1500\neth0 master br0\neth0 mtu 1500\nvnet0 master br0\nvnet0 mtu 9000\n";
        Links::read(text).0
    }

    fn does(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect()
    }

    #[test]
    fn a_bridge_is_never_wider_than_its_ports() {
        let wider = mtu("h", &links(), "br0", 9000).expect("it can");
        assert_eq!(lint(&wider), []);
        assert!(crate::may_lock_out(&wider), "the run has to be confirmed");
        assert_eq!(
            does(&wider),
            [
                "writes `9000` to /sys/class/net/eth0/mtu, until the next boot",
                "writes `9000` to /sys/class/net/br0/mtu, until the next boot",
            ]
        );
        let narrower = mtu("h", &links(), "br0", 1000).expect("it can");
        assert!(does(&narrower)[0].contains("br0") && narrower.steps.len() == 3, "{:?}", does(&narrower));
        assert!(narrower.left[0].contains("IPv6, which needs 1280"), "{:?}", narrower.left);
        assert_eq!(canonical(&wider), canonical(&mtu("h", &links(), "br0", 9000).expect("the same")));
        let said = |name: &str, to| mtu("h", &links(), name, to).expect_err("it cannot").to_string();
        assert!(said("br1", 9000).contains("there is no interface br1; there are br0, eth0, vnet0"));
        assert!(said("br0", 67).contains("67 is no MTU"));
        assert!(said("eth0", 1500).contains("nothing to do"));
    }

    #[test]
    fn a_port_of_open_vswitch_gets_its_vlan() {
        let show = "    Bridge ovs0\n        Port vnet1\n            tag: 7\n            Interface vnet1\n        Port ovs0\n            Interface ovs0\n                type: internal\n    Bridge ovs1\n";
        let switch = OvsShow::read(show).0;
        let links = Links::read("vnet1 mtu 1500\nvnet2 mtu 1500\neth0 master br0\nbr0 devtype bridge\n").0;
        let plan = |port: &str, bridge: &str, vlan| {
            ovs_port("h", &switch, &links, port, bridge, vlan).map_err(|error| error.to_string())
        };
        let moved = plan("vnet1", "ovs0", Some(8)).expect("it can");
        assert_eq!(lint(&moved), []);
        assert!(crate::may_lock_out(&moved), "the run has to be confirmed");
        assert_eq!(does(&moved), ["has port vnet1 in bridge ovs0 with VLAN 8"]);
        let new = plan("vnet2", "ovs1", None).expect("it can");
        assert_eq!(
            (lint(&new), does(&new)),
            (vec![], vec!["makes port vnet2 in bridge ovs1 with all VLANs".to_owned()])
        );
        assert_eq!(canonical(&new), canonical(&plan("vnet2", "ovs1", None).expect("the same")));
        for (port, bridge, vlan, why) in [
            ("vnet1", "ovs0", Some(7), "nothing to do"),
            ("vnet1", "ovs1", None, "vnet1 is a port of bridge ovs0"),
            ("vnet1", "ovs9", None, "Open vSwitch has no bridge ovs9; it has ovs0, ovs1"),
            ("vnet9", "ovs0", None, "there is no interface vnet9"),
            ("eth0", "ovs0", None, "eth0 is a port of br0"),
        ] {
            let said = plan(port, bridge, vlan).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
        let wrong = plan("vnet2", "ovs0", Some(4095)).expect("it is lint's to refuse");
        assert!(lint(&wrong)[0].to_string().contains("4095 is no VLAN"), "{:?}", lint(&wrong));
    }

    #[test]
    fn bridged_frames_pass_by_what_was_made_for_routed_ones() {
        let on = [("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")].into();
        let plan = bridge_filter_off("h", &on).expect("it can");
        assert_eq!(lint(&plan), []);
        assert!(crate::may_lock_out(&plan));
        assert_eq!(does(&plan)[1], "sets net.bridge.bridge-nf-call-iptables = 0, until the next boot");
        assert!(plan.left[0].contains("rules of Docker"), "{:?}", plan.left);
        let off = [("/proc/sys/net/bridge/bridge-nf-call-iptables", "0\n")].into();
        assert!(bridge_filter_off("h", &off).is_err() && bridge_filter_off("h", &BTreeMap::new()).is_err());
    }
}
