use super::*;
use crate::gates::tests_support::{network, spec};
use std::collections::BTreeMap;
use vmwright_model::GateOutcome;
use vmwright_model::machine::NetworkKind;

const MAC: &str = "52:54:00:00:00:01";

/// A guest under TCG with one card, whose kernel states a flaw that it mitigates.
pub(crate) fn seen() -> Seen {
    let interface = interfaces::Interface {
        name: "eth0".to_owned(),
        mac: Some(MAC.to_owned()),
        addresses: ["10.0.0.2", "fe80::1"].map(|ip| (ip.parse().expect("an address"), 24)).to_vec(),
    };
    Seen {
        boot_id: Ok("b".to_owned()),
        uptime: Ok(1.0),
        ahead: Ok(0.0),
        memory: None,
        cards: Ok(vec![Card { interface, cable: Some(true) }]),
        flaws: Ok(BTreeMap::from([("mds", Some("Mitigation: Clear CPU buffers".to_owned())), ("tsa", None)])),
        features: Some(Ok(BTreeMap::from([((0x7, "edx"), 1 << 10), ((0x7, "ebx"), 0b1001)]))),
    }
}

pub(crate) fn ground() -> Ground {
    Ground {
        accelerator: Ok(Accelerator::Tcg),
        host: BTreeMap::from([("mds", Ok("Mitigation: Clear CPU buffers".to_owned()))]),
        macs: Ok(vec![MAC.to_owned()]),
        several: false,
    }
}

/// What is said of this guest behind a restore, with a network of this address.
fn judged(
    after: &Seen,
    ground: &Ground,
    address: Option<&str>,
) -> (GateOutcome, Vec<(String, &'static str)>) {
    let mut spec = spec();
    spec.networks = vec![network(NetworkKind::Bridge, address, None)];
    let mut aspects = Aspects::default();
    keeps((&seen(), after), ground, &spec, "guest 1", &mut aspects, &mut Vec::new());
    let (outcome, checks) = aspects.conclude("");
    (outcome, checks.into_iter().map(|check| (check.name, check.outcome.word())).collect())
}

fn why(after: &Seen, address: Option<&str>) -> String {
    format!("{:?}", judged(after, &ground(), address).0)
}

fn card(seen: &mut Seen) -> &mut Card {
    &mut seen.cards.as_mut().expect("cards")[0]
}

#[test]
fn a_guest_that_has_what_it_had_passes_each() {
    let names = ["MAC and address", "processor flaws", "processor"];
    let passes = names.map(|name| (name.to_owned(), "pass")).to_vec();
    for address in [None, Some("10.0.0.2/24")] {
        assert_eq!(judged(&seen(), &ground(), address), (GateOutcome::Pass, passes.clone()));
    }
}

#[test]
fn a_lost_address_fails_unless_the_cable_went_first() {
    let mut after = seen();
    // What only counts on the link is made anew.
    card(&mut after).interface.addresses.pop();
    assert_eq!(why(&after, None), "Pass");
    card(&mut after).interface.addresses.clear();
    let told = why(&after, Some("10.0.0.2/24"));
    assert!(
        told.contains(
            "Fail(\"guest 1: network 0: the guest does not have 10.0.0.2/24 there, but none; it had it before"
        ),
        "{told}"
    );
    assert_eq!(why(&after, None), told);
    card(&mut after).cable = Some(false);
    let told = why(&after, None);
    assert!(told.starts_with("Unknown(") && told.contains("gave it up with its cable"), "{told}");
    // It never had this one: that is nothing of the cable's.
    assert!(
        why(&after, Some("10.0.0.9/24"))
            .contains("10.0.0.9/24 there, but none; it did not have it before either")
    );
    card(&mut after).interface.mac = Some("52:54:00:00:00:02".to_owned());
    assert!(why(&after, None).contains("no interface with MAC address 52:54:00:00:00:01; it had one before"));
    after.cards = Err("closed".to_owned());
    assert!(why(&after, None).starts_with("Unknown("));
}

#[test]
fn flaws_that_the_guest_tells_otherwise_fail() {
    let mut after = seen();
    let set = |after: &mut Seen, text: &str| {
        after.flaws.as_mut().expect("flaws").insert("mds", Some(text.to_owned()));
    };
    set(&mut after, "Vulnerable: Clear CPU buffers attempted, no microcode");
    let told = why(&after, None);
    assert!(told.contains("of mds the guest says `Vulnerable: Clear CPU buffers attempted, no microcode`, before it said `Mitigation"), "{told}");
    // Under TCG the host's is another processor.
    assert!(!told.contains("which the host mitigates"), "{told}");
    let kvm = Ground { accelerator: Ok(Accelerator::Kvm), ..ground() };
    let told = format!("{:?}", judged(&after, &kvm, None).0);
    assert!(
        told.contains("guest 1: the guest is vulnerable to mds") && told.contains("which the host mitigates"),
        "{told}"
    );
    let both = Ground { host: BTreeMap::from([("mds", Ok("Vulnerable".to_owned()))]), ..kvm };
    let told = format!("{:?}", judged(&after, &both, None).0);
    assert!(!told.contains("the guest is vulnerable to mds"), "{told}");
    after.flaws = Err("closed".to_owned());
    assert!(why(&after, None).starts_with("Unknown("));
}

#[test]
fn a_processor_that_lost_something_fails_and_what_rests_on_it_is_named() {
    let mut after = seen();
    let words = |ebx, edx| Some(Ok(BTreeMap::from([((0x7, "edx"), edx), ((0x7, "ebx"), ebx)])));
    after.features = words(0b0001, 0);
    let (outcome, checks) = judged(&after, &ground(), None);
    let told = format!("{outcome:?}");
    assert!(told.contains("has lost what its kernel found at boot: bit 3 of EBX of CPUID 0x7, `md_clear` (bit 10 of EDX of CPUID 0x7)"), "{told}");
    assert!(told.contains("has lost `md_clear`, which what its kernel says of mds, mmio_stale_data, tsx_async_abort rests on"), "{told}");
    assert_eq!((checks[1].1, checks[2].1), ("fail", "fail"));
    // What no flaw is fought by is no matter of flaws.
    after.features = words(0b0001, 1 << 10);
    assert_eq!(judged(&after, &ground(), None).1[1].1, "pass");
    // More than before does no harm, and another agent cannot tell.
    after.features = words(0b1011, 1 << 10);
    assert_eq!(why(&after, None), "Pass");
    after.features = None;
    let (outcome, checks) = judged(&after, &ground(), None);
    assert_eq!((outcome, checks[2].1), (GateOutcome::Pass, "not applicable"));
    after.features = Some(Err("closed".to_owned()));
    assert!(why(&after, None).starts_with("Unknown("));
}
