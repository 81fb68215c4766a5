//! A card of the host becomes the way out of a bridge, and is given back: in a network namespace, with a real card.

use crate::common::{Hooks, Host, again_in, is_child, plan, step};
use std::process::Command;
use vmwright_apply::{ApplyError, Point};
use vmwright_model::plan::{Uplink, UplinkRoute};
use vmwright_model::{Action, Plan, RunState};

pub(crate) fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().expect("run");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs the test again in a network of its own, and gives whether this was not that run yet.
fn elsewhere(name: &str) -> bool {
    if is_child() {
        return false;
    }
    if let Err(why) = again_in(&["--net"], name) {
        eprintln!("SKIPPED {name}: no network namespace ({why})");
    }
    true
}

/// Addresses and routes as `ip` tells them, without the numbers of interfaces, which count on, and without what
/// the kernel gives by itself.
pub(crate) fn look() -> String {
    let addresses = ip("-o address show scope global");
    let addresses = addresses.lines().filter_map(|line| line.split_once(": ")).map(|(_, rest)| rest);
    let mut all: Vec<String> = addresses.map(str::to_owned).collect();
    all.extend(ip("-4 route show table main").lines().map(str::to_owned));
    all.extend(
        ip("-6 route show table main").lines().filter(|line| !line.contains("fe80::/64")).map(str::to_owned),
    );
    all.extend(ip("-br link show").lines().map(str::to_owned));
    all.join("\n")
}

fn uplink() -> Uplink {
    let route = |to: &str, via: Option<&str>, metric| UplinkRoute {
        to: to.into(),
        via: via.map(Into::into),
        metric,
        proto: "static".into(),
        src: None,
        onlink: false,
    };
    Uplink {
        card: "up0".into(),
        bridge: "vmw0".into(),
        addresses: vec![
            "192.0.2.7/24".into(),
            "198.51.100.9/32".into(),
            "192.0.2.6/24".into(),
            "2001:db8::7/64".into(),
        ],
        routes: vec![
            route("0.0.0.0/0", Some("192.0.2.1"), 100),
            route("203.0.113.0/24", None, 0),
            route("::/0", Some("2001:db8::1"), 1024),
        ],
    }
}

fn wanted() -> Plan {
    let bridge = Action::BridgeAdd { name: "vmw0".into(), address: None };
    plan(vec![step(bridge, None), step(Action::UplinkAdd { uplink: uplink() }, None)])
}

/// A card with addresses and routes, and somebody at its other end.
fn card() {
    for words in [
        "link set lo up",
        "link add up0 type veth peer name far0",
        "link set far0 up",
        "link set up0 up",
        "address add 192.0.2.7/24 broadcast 192.0.2.255 dev up0",
        "address add 198.51.100.9/32 dev up0",
        "address add 192.0.2.6/24 dev up0",
        "address add 2001:db8::7/64 dev up0 nodad",
        "route add default via 192.0.2.1 metric 100 proto static dev up0",
        "route add 203.0.113.0/24 proto static dev up0",
        "-6 route add default via 2001:db8::1 proto static dev up0",
    ] {
        ip(words);
    }
}

#[test]
fn a_card_becomes_the_way_out_of_a_bridge_and_gets_everything_back() {
    if elsewhere("uplinks::a_card_becomes_the_way_out_of_a_bridge_and_gets_everything_back") {
        return;
    }
    card();
    let before = look();
    let host = Host::new();
    let wanted = wanted();
    assert_eq!(vmwright_plan::lint(&wanted), []);
    assert!(vmwright_plan::may_lock_out(&wanted), "the run has to be confirmed");
    let approved = host.approver.approve(&wanted);
    let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");

    // The card has nothing, and the bridge all of it, with the hardware address that the network knows.
    let after = look();
    let of = |name: &str| ip(&format!("-o address show dev {name} scope global"));
    assert_eq!(of("up0"), "");
    assert!(
        of("vmw0").contains("192.0.2.7/24 brd 192.0.2.255") && of("vmw0").contains("2001:db8::7/64"),
        "{after}"
    );
    for route in ["default via 192.0.2.1 dev vmw0 proto static metric 100", "203.0.113.0/24 dev vmw0"] {
        assert!(after.contains(route), "{route} is not in\n{after}");
    }
    assert!(after.contains("default via 2001:db8::1 dev vmw0"), "{after}");
    let mac =
        |name: &str| ip(&format!("-br link show dev {name}")).split_whitespace().nth(2).map(str::to_owned);
    assert_eq!(mac("vmw0"), mac("up0"));
    assert!(ip("-d link show dev up0").contains("master vmw0"));

    assert_eq!(host.undo(&report.run, &mut Hooks::default()).expect("begun").state, RunState::Undone);
    assert_eq!(look(), before);
}

#[test]
fn a_move_that_was_cut_off_is_taken_back_wherever_it_stood() {
    if elsewhere("uplinks::a_move_that_was_cut_off_is_taken_back_wherever_it_stood") {
        return;
    }
    card();
    let before = look();
    let host = Host::new();
    let wanted = wanted();
    let approved = host.approver.approve(&wanted);
    // Each set of orders takes the bridge back to where the batch may have been cut off.
    let cuts: [&[&str]; 3] = [
        &[],
        &["address add 198.51.100.9/32 dev up0", "address del 198.51.100.9/32 dev vmw0"],
        // All are on both sides, and then some on one alone.
        &["address add 192.0.2.7/24 broadcast 192.0.2.255 dev up0", "address add 198.51.100.9/32 dev up0"],
    ];
    for cut in cuts {
        let error =
            host.apply(&wanted, &approved, &mut Hooks::crash_at(Point::AfterDo(1))).expect_err("it crashes");
        let ApplyError::Injected { run, .. } = error else { panic!("{error}") };
        for words in cut {
            ip(words);
        }
        assert!(host.recover()[0].undo_possible, "{cut:?}");
        let undone = host.undo(&run, &mut Hooks::default()).expect("begun");
        assert_eq!(undone.state, RunState::Undone, "{cut:?}: {undone:?}");
        assert_eq!(look(), before, "{cut:?}");
    }
}

#[test]
fn what_is_not_as_the_plan_says_is_left_alone() {
    if elsewhere("uplinks::what_is_not_as_the_plan_says_is_left_alone") {
        return;
    }
    card();
    let host = Host::new();
    let wanted = wanted();
    let approved = host.approver.approve(&wanted);
    let refused = |change: &str, back: &str, why: &str| {
        ip(change);
        let before = look();
        let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
        let stop = report.stopped.expect("stopped");
        assert!(stop.step == 2 && stop.why.contains(why), "{}", stop.why);
        assert_eq!((report.state, look()), (RunState::Undone, before));
        ip(back);
    };
    refused("address add 192.0.2.8/24 dev up0", "address del 192.0.2.8/24 dev up0", "192.0.2.8/24");
    refused(
        "route add 203.0.114.0/24 proto static dev up0",
        "route del 203.0.114.0/24 dev up0",
        "with routes 0.0.0.0/0 via 192.0.2.1 metric 100 proto static",
    );
    ip("link add other type bridge");
    refused("link set up0 master other", "link set up0 nomaster", "interface up0 is a port of other");

    // Somebody gave the bridge another address since: it is in use, and stays.
    let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    ip("address add 10.9.9.9/24 dev vmw0");
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::UndoIncomplete);
    assert!(undone.not_undone.iter().any(|left| left.why.contains("10.9.9.9/24")), "{undone:?}");
}

#[test]
fn who_takes_the_bridge_away_and_gives_the_card_everything_has_taken_it_back() {
    if elsewhere("uplinks::who_takes_the_bridge_away_and_gives_the_card_everything_has_taken_it_back") {
        return;
    }
    card();
    let host = Host::new();
    let wanted = wanted();
    let approved = host.approver.approve(&wanted);
    let applied = |back: &[&str]| {
        let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
        assert_eq!(report.state, RunState::Applied, "{report:?}");
        // As NetworkManager does where its profiles are as before, which counts metrics by its own cards.
        ip("link del vmw0");
        for words in back {
            ip(words);
        }
        report.run
    };
    let addresses = [
        "address add 192.0.2.7/24 broadcast 192.0.2.255 dev up0",
        "address add 198.51.100.9/32 dev up0",
        "address add 192.0.2.6/24 dev up0",
        "address add 2001:db8::7/64 dev up0 nodad",
    ];
    let routes = [
        "route add default via 192.0.2.1 metric 425 proto static dev up0",
        "route add 203.0.113.0/24 proto static dev up0",
        "-6 route add default via 2001:db8::1 proto static dev up0",
    ];
    let whole: Vec<&str> = addresses.iter().chain(&routes).copied().collect();
    let run = applied(&whole);
    let undone = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert_eq!((undone.state, undone.not_undone.len()), (RunState::Undone, 0), "{undone:?}");

    // Without its way out the card is not as before.
    ip("route del default dev up0");
    ip("route add default via 192.0.2.1 metric 100 proto static dev up0");
    let run = applied(&whole[..whole.len() - 3]);
    let undone = host.undo(&run, &mut Hooks::default()).expect("begun");
    assert_eq!(undone.state, RunState::UndoIncomplete, "{undone:?}");
}
