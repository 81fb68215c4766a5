use super::netlink::{
    NFT_MSG_GETTABLE, RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETROUTE, RTM_GETRULE, RTM_GETVLAN,
};
use super::*;
use std::process::Command;

#[test]
fn every_question_only_asks_for_a_list() {
    for (words, question) in QUESTIONS {
        assert!(super::super::ASKING.iter().any(|asking| asking.words == *words), "{words:?}");
        let message = question.message();
        assert_eq!(message.len(), u32::from_ne_bytes(message[..4].try_into().unwrap()) as usize);
        assert_eq!(message[6..8], (0x301_u16).to_ne_bytes(), "NLM_F_REQUEST and NLM_F_DUMP: {words:?}");
        let lists = [
            RTM_GETADDR,
            RTM_GETLINK,
            RTM_GETNEIGH,
            RTM_GETROUTE,
            RTM_GETRULE,
            RTM_GETVLAN,
            NFT_MSG_GETTABLE,
        ];
        assert!(lists.contains(&question.kind), "{words:?}");
    }
}

/// Does `work` in a network of its own where `scene` was set up: the test runs itself there as a process.
fn in_a_network(test: &str, tools: &[&str], scene: &str, work: impl FnOnce()) {
    const INSIDE: &str = "VMWRIGHT_TEST_NETWORK";
    if std::env::var_os(INSIDE).is_some() {
        return work();
    }
    let apart = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-e", "-c", script]).arg(std::env::current_exe().unwrap());
        command.env(INSIDE, "1");
        command
    };
    let can = tools.iter().chain(&["ip", "unshare"]).all(|tool| crate::commands::installed(tool).is_ok());
    let pair = "ip link add v0 type veth peer name v1\nip link set lo up";
    if !can || !apart(pair).output().is_ok_and(|done| done.status.success()) {
        println!("SKIPPED {test}: there can be no network of its own with {tools:?}");
        return;
    }
    let run = format!("exec \"$0\" --exact --nocapture {}", module(test));
    let done = apart(&format!("{pair}\n{scene}\n{run}")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let wrong = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{wrong}");
}

fn module(test: &str) -> String {
    format!("{}::{test}", module_path!().split_once("::").unwrap().1)
}

/// As commands are told.
fn program(words: &[&str]) -> Result<String, Missing> {
    let said = Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C").output().unwrap();
    if said.status.success() {
        return Ok(String::from_utf8(said.stdout).unwrap());
    }
    let error = String::from_utf8(said.stderr).unwrap();
    let status = said.status.code().unwrap();
    Err(Missing::Failed(format!("status {status}: {}", error.lines().next().unwrap_or_default())))
}

#[test]
fn it_says_what_the_program_says() {
    let scene = "
        ip address add 192.0.2.1/24 dev v0
        ip address add 2001:db8::1/64 dev v0 nodad
        ip link set v0 up
        ip link set v1 up
        ip route add default via 192.0.2.9 dev v0 proto static metric 100
        ip route add 198.51.100.0/24 via 192.0.2.8 dev v0 proto dhcp src 192.0.2.1
        ip route add 203.0.113.7 via 203.0.113.1 dev v0 onlink
        ip route add unreachable 10.0.0.0/8 metric 7
        ip route add blackhole 172.16.0.0/12 table local
        ip -6 route add 2001:db8:1::/48 via 2001:db8::9 dev v0 metric 5 expires 900
        ip -6 route add default via 2001:db8::8 dev v0 proto ra pref high
        ip link add v2 type veth peer name v3
        ip address add 10.1.2.3/31 dev v2
        ip link set v2 up
        ip neigh add 192.0.2.50 lladdr 02:00:00:00:00:50 dev v0 nud permanent
        ip neigh add 192.0.2.51 lladdr 02:00:00:00:00:51 dev v0 nud stale
        ip neigh add 2001:db8::50 lladdr 02:00:00:00:00:50 dev v0 nud reachable router
        ip neigh add 192.0.2.52 dev v0 nud failed
        ip neigh add 192.0.2.53 lladdr 02:00:00:00:00:53 dev v0 nud noarp
        ip address add 192.0.2.77/24 brd + dev v2 metric 50 valid_lft 9000 preferred_lft 8000
        ip -6 address add 2001:db8:7::1/64 dev v0 noprefixroute valid_lft 9000 preferred_lft 0
        ip link property add dev v2 altname other
        ip link set v2 mtu 1400 txqueuelen 0
        ip link set v2 promisc on";
    in_a_network("it_says_what_the_program_says", &["bridge"], scene, || {
        let mut kernel = Kernel::default();
        for (words, _) in QUESTIONS.iter().filter(|(words, _)| words[0] != "nft") {
            assert_eq!(kernel.answer(words), Some(program(words)), "{words:?}");
        }
        let routes = program(&["ip", "route", "show", "table", "all"]).unwrap();
        for shown in ["linkdown", "onlink", "expires", "unreachable", "table local", "pref high"] {
            assert!(routes.contains(shown), "{shown}: {routes}");
        }
        let links = program(&["ip", "-s", "-d", "link"]).unwrap();
        for shown in ["altname other", "NO-CARRIER", "M-DOWN", "v0@v1", "promiscuity 1"] {
            assert!(links.contains(shown), "{shown}: {links}");
        }
        let addresses = program(&["ip", "-d", "address"]).unwrap();
        for shown in ["metric 50 brd 192.0.2.255", "dynamic", "deprecated", "noprefixroute"] {
            assert!(addresses.contains(shown), "{shown}: {addresses}");
        }
    });
}

#[test]
fn what_is_unusual_is_left_to_the_program() {
    let scene = "
        ip link set v0 up
        ip link set v1 up
        ip address add 192.0.2.1/24 dev v0
        ip route add 198.51.100.0/24 nexthop via 192.0.2.2 nexthop via 192.0.2.3
        ip -6 route add 2001:db8::/32 dev v0 mtu 1400
        ip rule add from 192.0.2.0/24 lookup 7
        ip neigh add proxy 192.0.2.50 dev v0
        ip neigh add 192.0.2.51 lladdr 02:00:00:00:00:51 dev v0 protocol 42
        ip link add bridge type bridge
        ip link set v1 master bridge";
    in_a_network("what_is_unusual_is_left_to_the_program", &["bridge"], scene, || {
        let mut kernel = Kernel::default();
        for (words, _) in QUESTIONS.iter().filter(|(words, _)| words[0] != "nft") {
            let said = kernel.answer(words);
            // A kernel whose bridges have no VLANs says so, as the program does.
            let as_refused = said.as_ref().is_some_and(|said| said.is_err() && *said == program(words));
            assert!(said.is_none() || as_refused, "{words:?}: {said:?}");
        }
    });
}

#[test]
fn a_firewall_with_tables_is_left_to_the_program() {
    let words = &["nft", "list", "ruleset"];
    let scene = "nft add table inet vmwright";
    in_a_network("a_firewall_with_tables_is_left_to_the_program", &["nft"], scene, || {
        assert_eq!(Kernel::default().answer(words), None);
        program(&["nft", "delete", "table", "inet", "vmwright"]).unwrap();
        assert_eq!(Kernel::default().answer(words), Some(program(words)));
    });
}
