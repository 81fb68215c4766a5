use super::*;
use crate::{canonical, lint};
use vmwright_formats::View;
use vmwright_formats::ip_route::IpRoute;

const LINKS: &str = "eth0 ifindex 2\neth0 address 52:54:00:00:00:02\neth1 ifindex 3\neth1 master br1\nbr1 devtype bridge\nwlan0 devtype wlan\nmacvtap0 devtype macvtap\nmacvtap0 lower eth2\neth2 ifindex 5\n";
const ADDRESSES: &str = "2: eth0: <BROADCAST,UP> mtu 1500\n    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0\n    inet6 2001:db8::7/64 scope global\n    inet6 fe80::1/64 scope link\n";
const ROUTES: &str = "default via 192.0.2.1 dev eth0 proto static metric 100\n192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.7\n203.0.113.4 via 192.0.2.9 dev eth0\nlocal 192.0.2.7 dev eth0 table local proto kernel scope host\n";
const ROUTES_6: &str = "default via 2001:db8::1 dev eth0 proto static metric 1024 pref medium\n";
const NETWORK: &str = "/etc/systemd/network/20-eth.network";

fn plan_of(
    addresses: &str,
    routes: &str,
    texts: &[(&'static str, &'static str)],
    (name, card, reboot): (&str, &str, bool),
) -> Result<Plan, String> {
    let (links, addresses) = (Links::read(LINKS).0, IpAddr::read(addresses).0);
    let (four, six) = (IpRoute::read(routes).0, IpRoute::read(ROUTES_6).0);
    let network = Network {
        id: "h",
        links: &links,
        addresses: &addresses,
        routes: four.routes.iter().chain(&six.routes).collect(),
        texts: texts.iter().copied().collect(),
        present: texts.iter().map(|(path, _)| *path).collect(),
    };
    bridge(&network, name, card, reboot).map_err(|error| error.to_string())
}

fn networkd() -> [(&'static str, &'static str); 2] {
    let text = "# the office\n[Match]\nName=eth0\n\n[Network]\nAddress=192.0.2.7/24\nDNS=192.0.2.53\n";
    [
        (
            "/run/systemd/netif/links/2",
            "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/20-eth.network\n",
        ),
        (NETWORK, text),
    ]
}

fn files(plan: &Plan) -> Vec<(&str, &str)> {
    let all = plan.steps.iter().filter_map(|step| match &step.action {
        Action::FileCreate { path, text, .. } | Action::FileWrite { path, text, .. } => {
            Some((path.as_str(), text.as_str()))
        }
        _ => None,
    });
    all.collect()
}

#[test]
fn what_a_card_has_moves_to_its_bridge_at_once_and_stays_there() {
    let plan = plan_of(ADDRESSES, ROUTES, &networkd(), ("br0", "eth0", false)).expect("it can");
    assert_eq!(lint(&plan), []);
    assert!(crate::may_lock_out(&plan), "the run has to be confirmed");
    let Action::UplinkAdd { uplink } = &plan.steps[1].action else { panic!("{plan:?}") };
    assert_eq!(uplink.addresses, ["192.0.2.7/24", "2001:db8::7/64"]);
    let routes: Vec<(&str, &str, u32, &str)> = uplink
        .routes
        .iter()
        .map(|route| {
            (route.to.as_str(), route.via.as_deref().unwrap_or(""), route.metric, route.proto.as_str())
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("0.0.0.0/0", "192.0.2.1", 100, "static"),
            ("203.0.113.4/32", "192.0.2.9", 0, "boot"),
            ("::/0", "2001:db8::1", 1024, "static"),
        ]
    );
    let files = files(&plan);
    assert_eq!(files.len(), 3);
    assert!(
        files[0].1.ends_with("[NetDev]\nName=br0\nKind=bridge\nMACAddress=52:54:00:00:00:02\n"),
        "{files:?}"
    );
    // All but the card's name is as it was.
    assert!(
        files[1]
            .1
            .ends_with("[Match]\nName=br0\n# the office\n[Network]\nAddress=192.0.2.7/24\nDNS=192.0.2.53\n"),
        "{files:?}"
    );
    assert!(
        files[2].0.ends_with("/05-vmwright-eth0.network") && files[2].1.ends_with("[Network]\nBridge=br0\n")
    );
    assert_eq!(
        canonical(&plan),
        canonical(&plan_of(ADDRESSES, ROUTES, &networkd(), ("br0", "eth0", false)).expect("the same"))
    );
}

#[test]
fn what_was_leased_waits_for_the_boot() {
    let leased = ADDRESSES.replace("scope global eth0", "scope global dynamic eth0");
    let said = plan_of(&leased, ROUTES, &networkd(), ("br0", "eth0", false)).expect_err("it cannot");
    assert!(said.contains("eth0 has 192.0.2.7/24 from a DHCP server") && said.contains("--reboot"), "{said}");
    let routes = ROUTES.replace("proto static metric", "proto dhcp metric");
    let said = plan_of(ADDRESSES, &routes, &networkd(), ("br0", "eth0", false)).expect_err("it cannot");
    assert!(said.contains("its route to default"), "{said}");
    let plan = plan_of(&leased, ROUTES, &networkd(), ("br0", "eth0", true)).expect("it can");
    assert_eq!((lint(&plan), plan.steps.len()), (vec![], 4));
    assert!(matches!(plan.steps[3].action, Action::Reboot { left: None }));
    // Without anything that would set it up there is nothing to restart for.
    let said = plan_of(&leased, ROUTES, &[], ("br0", "eth0", true)).expect_err("it cannot");
    assert!(said.contains("it was not found what sets eth0 up"), "{said}");
}

#[test]
fn ifupdown_is_told_too() {
    let interfaces = "auto lo eth0\niface lo inet loopback\n\n# office\niface eth0 inet static\n    address 192.0.2.7/24\n    gateway 192.0.2.1\niface eth0 inet6 static\n    address 2001:db8::7/64\n";
    let path = "/etc/network/interfaces";
    let texts = [(path, interfaces), (keeper::BRIDGE_UTILS, "")];
    let plan = plan_of(ADDRESSES, ROUTES, &texts, ("br0", "eth0", false)).expect("it can");
    assert_eq!(lint(&plan), []);
    assert_eq!(
        files(&plan),
        [(
            path,
            "auto lo br0\niface lo inet loopback\n\n# office\niface eth0 inet manual\n\niface br0 inet static\n    bridge_ports eth0\n    bridge_stp off\n    bridge_fd 0\n    address 192.0.2.7/24\n    gateway 192.0.2.1\niface br0 inet6 static\n    address 2001:db8::7/64\n"
        )]
    );
    let left = |texts: &[(&'static str, &'static str)]| {
        let plan = plan_of(ADDRESSES, ROUTES, texts, ("br0", "eth0", false)).expect("it can");
        assert_eq!(files(&plan), []);
        plan.left[0].clone()
    };
    assert!(left(&[(path, interfaces)]).contains("install it first"));
    let up =
        Box::leak(interfaces.replace("gateway 192.0.2.1", "up ethtool -K eth0 gro off").into_boxed_str());
    let said = left(&[(path, up), (keeper::IFUPDOWN2, "")]);
    assert!(
        said.contains("line 7: a person has to say what becomes of `up ethtool -K eth0 gro off`"),
        "{said}"
    );
    let state = "NETWORK_FILE=/run/systemd/network/10-netplan-eth0.network\n";
    let said = left(&[("/run/systemd/netif/links/2", state)]);
    assert!(said.contains("netplan sets eth0 up, and no file below /etc/netplan/ names eth0"), "{said}");
    let bonded = "[Match]\nName=eth*\n[Network]\nBond=bond0\n";
    assert!(left(&[networkd()[0], (NETWORK, bonded)]).contains("has `Bond=`"));
}

const NETPLAN: &str = "# the office\nnetwork:\n  version: 2\n  ethernets:\n    eth0:\n      # by its plug\n      match:\n        macaddress: 52:54:00:00:00:02\n      set-name: eth0\n      # of the office\n      addresses:\n      - 192.0.2.7/24\n      routes:\n        - to: default\n          via: 192.0.2.1  # the gateway\n\n    # spare\n    eth9: {dhcp4: true}\n";

#[test]
fn netplans_file_gets_a_bridge_and_keeps_its_comments() {
    let path = "/etc/netplan/01-office.yaml";
    let planned = |texts: &[(&'static str, &'static str)]| {
        plan_of(ADDRESSES, ROUTES, texts, ("br0", "eth0", false)).expect("it can")
    };
    let plan = planned(&[(path, NETPLAN)]);
    assert_eq!(lint(&plan), []);
    assert_eq!(
        files(&plan),
        [(
            path,
            "# the office\nnetwork:\n  version: 2\n  ethernets:\n    eth0:\n      # by its plug\n      match:\n        macaddress: 52:54:00:00:00:02\n      set-name: eth0\n      dhcp4: false\n      dhcp6: false\n\n    # spare\n    eth9: {dhcp4: true}\n  bridges:\n    br0:\n      interfaces: [eth0]\n      macaddress: \"52:54:00:00:00:02\"\n      parameters: {stp: false, forward-delay: 0}\n      # of the office\n      addresses:\n      - 192.0.2.7/24\n      routes:\n        - to: default\n          via: 192.0.2.1  # the gateway\n"
        )]
    );
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    // A bridge that is there already gets a neighbour.
    let more = leak(format!("{NETPLAN}  bridges:\n    br7:\n      dhcp4: true\n"));
    let made = planned(&[(path, more)]);
    assert_eq!(files(&made)[0].1.matches("bridges:").count(), 1, "{made:?}");
    assert!(files(&made)[0].1.ends_with("    br7:\n      dhcp4: true\n"), "{made:?}");
    // What cloud-init writes anew at each boot is taken from it.
    let theirs = leak(format!("# This file is generated by cloud-init\n{NETPLAN}"));
    let made = planned(&[(path, theirs)]);
    assert_eq!(files(&made)[1].0, keeper::CLOUD);
    assert_eq!(files(&planned(&[(path, theirs), (keeper::CLOUD, "network: {config: disabled}\n")])).len(), 1);
    for (text, why) in [
        (
            NETPLAN.replace("    eth9: {dhcp4: true}\n", "  vlans:\n    v7: {id: 7, link: eth0}\n"),
            "line 19: a person",
        ),
        ("network: {version: 2, ethernets: {eth0: {dhcp4: true}}}\n".to_owned(), "names eth0 a key a line"),
        (NETPLAN.replace("    eth0:\n", "    eth0: &card\n"), "does not stand a key a line"),
    ] {
        let plan = planned(&[(path, leak(text))]);
        assert!(files(&plan).is_empty() && plan.left[0].contains(why), "{why}: {:?}", plan.left);
    }
    let two = planned(&[(path, NETPLAN), ("/etc/netplan/50-more.yaml", NETPLAN)]);
    assert!(two.left[0].contains("several files"), "{:?}", two.left);
}

const PROFILE: &str = "# mine\n[connection]\nid=Wired\nuuid=1b2e0000-0000-4000-8000-00000000000a\ntype=ethernet\nzone=work\nautoconnect=true\n\n[ethernet]\nmtu=9000\n\n[ipv4]\naddress1=192.0.2.7/24,192.0.2.1\nmethod=manual\n\n[ipv6]\nmethod=auto\n";

#[test]
fn networkmanager_gets_profiles_that_only_root_reads() {
    let path = "/etc/NetworkManager/system-connections/Wired.nmconnection";
    let state = (
        "/run/NetworkManager/devices/2",
        "[device]\nmanaged=1\nconnection-uuid=1b2e0000-0000-4000-8000-00000000000a\n",
    );
    let plan = plan_of(ADDRESSES, ROUTES, &[state, (path, PROFILE)], ("br0", "eth0", false)).expect("it can");
    assert_eq!(lint(&plan), []);
    let made = files(&plan);
    let (bridge, port, own) = (made[0].1, made[1].1, made[2].1);
    for part in [
        "type=bridge\ninterface-name=br0\nautoconnect-slaves=1\nzone=work\n",
        "[ethernet]\ncloned-mac-address=52:54:00:00:00:02\n",
        "[ipv4]\naddress1=192.0.2.7/24,192.0.2.1\nmethod=manual\n",
        "[ipv6]\nmethod=auto\n",
    ] {
        assert!(bridge.contains(part), "{part} is not in {bridge}");
    }
    assert!(port.contains("slave-type=bridge\n\n[ethernet]\nmtu=9000\n"), "{port}");
    assert_eq!(
        own,
        PROFILE
            .replace("autoconnect=true\n", "")
            .replace("[connection]\n", "[connection]\nautoconnect=false\n")
    );
    let modes = plan.steps.iter().filter_map(|step| match &step.action {
        Action::FileCreate { mode, .. } => Some(*mode),
        _ => None,
    });
    assert_eq!(modes.collect::<Vec<_>>(), [0o600, 0o600], "NetworkManager reads no other");
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    for (text, why) in [
        (PROFILE.replace("type=ethernet", "type=wifi"), "of type `wifi`"),
        (PROFILE.replace("zone=work", "master=bond0"), "is a port of something"),
        (format!("{PROFILE}\n[802-1x]\neap=tls;\n"), "has [802-1x]"),
    ] {
        let texts = [state, (path, leak(text))];
        let plan = plan_of(ADDRESSES, ROUTES, &texts, ("br0", "eth0", false)).expect("it can");
        assert!(files(&plan).is_empty() && plan.left[0].contains(why), "{why}: {:?}", plan.left);
    }
}

#[test]
fn what_is_no_card_or_has_another_use_is_refused() {
    for (name, card, why) in [
        ("br0", "eth9", "there is no interface eth9; there are eth0, eth1"),
        ("br1", "eth1", "nothing to do"),
        ("br0", "eth1", "eth1 is a port of br1"),
        ("br1", "eth0", "there is an interface br1 already"),
        ("br0", "wlan0", "wireless"),
        ("br0", "br1", "br1 is a bridge"),
        ("br0", "eth2", "macvtap0 stands on eth2"),
    ] {
        let said = plan_of(ADDRESSES, ROUTES, &[], (name, card, false)).expect_err(why);
        assert!(said.contains(why), "{said}");
    }
    for (route, why) in [
        ("default via 192.0.2.1 dev eth0 table 7\n", "is in table 7"),
        ("default proto static metric 5\n\tnexthop via 192.0.2.1 dev eth0\n", "has several ways"),
    ] {
        let said = plan_of(ADDRESSES, route, &[], ("br0", "eth0", false)).expect_err(why);
        assert!(said.contains(why), "{said}");
    }
}
