//! What a guest reaches, and what it must not.

use crate::live::{MAC, failure, gate, network, review, spec};
use crate::support::{Options, Vm, parts};
use std::net::TcpListener;
use vmwright_model::GateOutcome;
use vmwright_model::machine::NetworkKind;

/// The host as QEMU's user-mode network shows it to its guest.
const HOST: &str = "10.0.2.2";

#[test]
fn a_leak_is_found_and_so_is_a_service_that_is_cut_off() {
    let Some(parts) = parts("a_leak_is_found_and_so_is_a_service_that_is_cut_off") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = format!("{HOST}:{}", listener.local_addr().unwrap().port());
    // A port that was free a moment ago: nobody listens there.
    let silent = format!("{HOST}:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let start = |netdev: &str| {
        let vm = Vm::start(
            parts,
            &Options {
                cmdline: "vmwright.net0=10.0.2.15/24".to_owned(),
                networks: vec![(netdev.to_owned(), MAC.to_owned())],
                ..Options::default()
            },
        );
        // Where a guest does not come up, its console says why.
        vm.wait_for("vmwright-guest: agent ", std::time::Duration::from_secs(120));
        vm
    };
    let mut wanted = spec();
    wanted.networks = vec![network(NetworkKind::User, Some("10.0.2.15/24"))];
    let open = start("user");
    wanted.review.reach = vec![service.clone()];
    wanted.review.no_reach = vec![silent];
    let good = review(&open, &wanted, &["network"], None);
    assert_eq!(gate(&good, "network").outcome, GateOutcome::Pass);
    wanted.review.no_reach = vec![service.clone()];
    let leaks = review(&open, &wanted, &["network"], None);
    assert_eq!(failure(&leaks, "network"), format!("the guest reaches {service}, which it must not"));
    drop(open);

    let closed = start("user,restrict=on");
    let held = review(&closed, &wanted, &["network"], None);
    let why = failure(&held, "network");
    assert!(why.starts_with(&format!("the guest does not reach {service}: ")), "{why}");
    wanted.review.reach.clear();
    assert_eq!(gate(&review(&closed, &wanted, &["network"], None), "network").outcome, GateOutcome::Pass);
}
