//! As `generated`, of what the kernel's network holds: bridges, taps and a card that becomes a bridge's way out, in a
//! network of their own with generated addresses and routes.

use crate::common::{Hooks, Host, again_in, is_child, plan, step};
use crate::uplinks::{ip, look};
use proptest::prelude::*;
use proptest::sample::subsequence;
use vmwright_model::plan::{Uplink, UplinkRoute};
use vmwright_model::{Action, RunState};

/// What the network is made of, and what is done to it.
#[derive(Debug, Clone)]
struct Made {
    /// A bridge of somebody else's, with a port.
    theirs: bool,
    /// Address of the bridge that is made: 4 or 6, its number, its prefix.
    address: Option<(bool, u8, u8)>,
    /// Whether a tap is plugged into that bridge, into nothing, or is not made.
    tap: Option<bool>,
    user: u32,
    /// Which addresses and routes the card has; none where it stays as it is.
    card: Option<(Vec<usize>, Vec<usize>)>,
}

fn made() -> impl Strategy<Value = Made> {
    let card =
        (subsequence((0..4).collect::<Vec<_>>(), 1..=4), subsequence((0..4).collect::<Vec<_>>(), 0..=4));
    (
        any::<bool>(),
        prop::option::of((any::<bool>(), 1..250_u8, 8..=30_u8)),
        prop::option::of(any::<bool>()),
        1..60_000_u32,
        prop::option::of(card),
    )
        .prop_map(|(theirs, address, tap, user, card)| Made { theirs, address, tap, user, card })
}

/// Addresses that a card can have, of which the first one is always there for routes to lead through.
const ADDRESSES: [&str; 4] = ["192.0.2.7/24", "198.51.100.9/32", "192.0.2.6/24", "2001:db8::7/64"];

/// Routes of it: to, by, metric.
const ROUTES: [(&str, Option<&str>, u32); 4] = [
    ("0.0.0.0/0", Some("192.0.2.1"), 100),
    ("203.0.113.0/24", None, 0),
    ("203.0.114.0/24", Some("192.0.2.2"), 7),
    ("0.0.0.0/0", Some("192.0.2.3"), 200),
];

/// Gives the card what is generated, and says it as a plan does.
fn card(addresses: &[usize], routes: &[usize]) -> Uplink {
    for words in ["link add up0 type veth peer name far0", "link set far0 up", "link set up0 up"] {
        ip(words);
    }
    let mut chosen: Vec<&str> = vec![ADDRESSES[0]];
    chosen.extend(addresses.iter().map(|at| ADDRESSES[*at]).filter(|address| *address != ADDRESSES[0]));
    for address in &chosen {
        let how = match address.contains(':') {
            true => " nodad",
            false if address.ends_with("/24") => " broadcast 192.0.2.255",
            false => "",
        };
        ip(&format!("address add {address} dev up0{how}"));
    }
    let mut uplink = Uplink {
        card: "up0".into(),
        bridge: "vmw0".into(),
        addresses: chosen.iter().map(|address| (*address).to_owned()).collect(),
        routes: Vec::new(),
    };
    for (to, via, metric) in routes.iter().map(|at| ROUTES[*at]) {
        let by = via.map_or_else(String::new, |via| format!(" via {via}"));
        ip(&format!("route add {to}{by} metric {metric} proto static dev up0"));
        uplink.routes.push(UplinkRoute {
            to: to.into(),
            via: via.map(Into::into),
            metric,
            proto: "static".into(),
            src: None,
            onlink: false,
        });
    }
    uplink
}

fn there_and_back(made: &Made) -> Result<(), TestCaseError> {
    if made.theirs {
        ip("link add theirs type bridge");
        ip("address add 203.0.113.250/32 dev theirs");
        ip("link set theirs up");
    }
    let uplink = made.card.as_ref().map(|(addresses, routes)| card(addresses, routes));
    let address = made.address.filter(|_| uplink.is_none()).map(|(six, number, prefix)| match six {
        true => format!("fd00:{number:x}::1/{}", 64 + u32::from(prefix)),
        false => format!("10.{number}.0.1/{prefix}"),
    });
    let mut steps = vec![Action::BridgeAdd { name: "vmw0".into(), address }];
    if let Some(plugged) = made.tap {
        let bridge = plugged.then(|| "vmw0".to_owned());
        steps.push(Action::TapAdd { name: "tap7".into(), user: made.user, bridge });
    }
    steps.extend(uplink.map(|uplink| Action::UplinkAdd { uplink }));
    let wanted = plan(steps.into_iter().map(|action| step(action, None)).collect());
    prop_assert_eq!(vmwright_plan::lint(&wanted), []);
    let (host, before) = (Host::new(), look());
    let approved = host.approver.approve(&wanted);
    let report = host.apply(&wanted, &approved, &mut Hooks::default()).expect("begun");
    prop_assert_eq!(report.state, RunState::Applied, "{:?}", report);
    prop_assert_ne!(&look(), &before);
    let undone = host.undo(&report.run, &mut Hooks::default()).expect("begun");
    prop_assert_eq!(undone.state, RunState::Undone, "{:?}", undone);
    prop_assert_eq!(look(), before);
    for (there, name) in [(made.theirs, "theirs"), (made.card.is_some(), "up0")] {
        if there {
            ip(&format!("link del {name}"));
        }
    }
    Ok(())
}

#[test]
fn links_are_undone_as_they_were() {
    let name = "generated_links::links_are_undone_as_they_were";
    if !is_child() {
        if let Err(why) = again_in(&["--net"], name) {
            eprintln!("SKIPPED {name}: no network namespace ({why})");
        }
        return;
    }
    ip("link set lo up");
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    // What a failed case leaves would fail the smaller ones too.
    let config = ProptestConfig { max_shrink_iters: 0, ..config };
    proptest::test_runner::TestRunner::new(config)
        .run(&made(), |made| there_and_back(&made))
        .expect("every one is undone");
}
