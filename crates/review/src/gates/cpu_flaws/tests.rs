use super::*;
use crate::gates::tests_support::spec;
use vmwright_model::GateOutcome;

fn words(text: &str) -> Option<BTreeSet<String>> {
    Some(text.split(' ').map(str::to_owned).collect())
}

/// A guest under KVM that says of every flaw what its host says.
fn equal() -> Observed {
    let statement = |name: &str| match name {
        "spectre_v1" => "Mitigation: usercopy/swapgs barriers and __user pointer sanitization",
        "spec_store_bypass" => "Mitigation: Speculative Store Bypass disabled via prctl",
        _ => "Not affected",
    };
    Observed {
        accelerator: Ok(Accelerator::Kvm),
        host: FLAWS.iter().map(|flaw| (flaw.name, Ok(statement(flaw.name).to_owned()))).collect(),
        guest: Ok(FLAWS.iter().map(|flaw| (flaw.name, Some(statement(flaw.name).to_owned()))).collect()),
        host_flags: words("fpu ssbd ibrs ibpb"),
        guest_flags: words("fpu ssbd ibrs ibpb"),
        guest_cmdline: "console=ttyS0".to_owned(),
    }
}

fn set_guest(seen: &mut Observed, name: &'static str, text: Option<&str>) {
    seen.guest.as_mut().unwrap().insert(name, text.map(str::to_owned));
}

fn set_host(seen: &mut Observed, name: &'static str, text: &str) {
    seen.host.insert(name, Ok(text.to_owned()));
}

fn outcome(seen: &Observed) -> GateOutcome {
    judge(seen, &spec()).outcome
}

#[test]
fn a_guest_that_says_what_its_host_says_passes() {
    let judged = judge(&equal(), &spec());
    assert_eq!(judged.outcome, GateOutcome::Pass);
    assert_eq!(judged.tables[0].rows.len(), FLAWS.len());
}

#[test]
fn a_guest_worse_than_its_host_fails_and_the_missing_flag_is_named() {
    let mut seen = equal();
    set_guest(&mut seen, "spec_store_bypass", Some("Vulnerable"));
    seen.guest_flags = words("fpu ibrs ibpb");
    let expected = "the guest is vulnerable to spec_store_bypass (`Vulnerable`), which the host mitigates: \
                    its processor model lacks `ssbd`, which the host's has";
    assert_eq!(outcome(&seen), GateOutcome::Fail(expected.to_owned()));
    // Without the flags the reason is left open, not made up.
    seen.guest_flags = None;
    let expected = "the guest is vulnerable to spec_store_bypass (`Vulnerable`), which the host mitigates";
    assert_eq!(outcome(&seen), GateOutcome::Fail(expected.to_owned()));
}

#[test]
fn a_guest_booted_without_mitigations_is_told_so() {
    for (word, name) in [("mitigations=off", "spectre_v1"), ("nospectre_v1", "spectre_v1"), ("spec_store_bypass_disable=off", "spec_store_bypass")] {
        let mut seen = equal();
        set_guest(&mut seen, name, Some("Vulnerable"));
        seen.guest_cmdline = format!("quiet {word}");
        let GateOutcome::Fail(why) = outcome(&seen) else { panic!("{word}") };
        assert!(why.ends_with(&format!("it was booted with `{word}`")), "{why}");
    }
}

#[test]
fn a_vulnerable_host_fails_in_its_own_words() {
    let mut seen = equal();
    set_host(&mut seen, "spec_rstack_overflow", "Vulnerable: Safe RET, no microcode");
    let expected = "the host itself is vulnerable to spec_rstack_overflow (`Vulnerable: Safe RET, no microcode`)";
    assert_eq!(outcome(&seen), GateOutcome::Fail(expected.to_owned()));
    // That the guest is vulnerable too is no second failure.
    set_guest(&mut seen, "spec_rstack_overflow", Some("Vulnerable"));
    assert_eq!(outcome(&seen), GateOutcome::Fail(expected.to_owned()));
}

#[test]
fn under_tcg_nothing_is_compared_and_the_host_is_still_judged() {
    let mut seen = equal();
    seen.accelerator = Ok(Accelerator::Tcg);
    set_guest(&mut seen, "spec_store_bypass", Some("Vulnerable"));
    let judged = judge(&seen, &spec());
    assert!(matches!(&judged.outcome, GateOutcome::NotApplicable(why) if why.contains("TCG")), "{judged:?}");
    let row = judged.tables[0].rows.iter().find(|row| row[0] == "spec_store_bypass").unwrap();
    assert_eq!((row[2].as_str(), row[3].as_str()), ("Vulnerable", "the guest's processor is emulated"));
    set_host(&mut seen, "tsa", "Vulnerable");
    assert!(matches!(outcome(&seen), GateOutcome::Fail(_)));
}

#[test]
fn silence_of_an_old_guest_counts_only_where_the_host_is_concerned() {
    let mut seen = equal();
    set_guest(&mut seen, "tsa", None);
    assert_eq!(outcome(&seen), GateOutcome::Pass);
    set_host(&mut seen, "tsa", "Mitigation: Clear CPU buffers");
    assert!(matches!(outcome(&seen), GateOutcome::Unknown(why) if why.contains("says nothing of tsa")));
    // Nothing that a guest could do about this one.
    let mut seen = equal();
    set_guest(&mut seen, "vmscape", None);
    set_host(&mut seen, "vmscape", "Mitigation: IBPB before exit to userspace");
    assert_eq!(outcome(&seen), GateOutcome::Pass);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let mut seen = equal();
    seen.guest = Err("the guest's agent does not answer: closed".to_owned());
    assert!(matches!(outcome(&seen), GateOutcome::Unknown(_)));
    let mut seen = equal();
    seen.host = FLAWS.iter().map(|flaw| (flaw.name, Err(Missing::Absent))).collect();
    assert!(matches!(outcome(&seen), GateOutcome::Unknown(why) if why.contains("the host has no")));
    let mut seen = equal();
    seen.host.insert("mds", Err(Missing::Denied));
    assert!(matches!(outcome(&seen), GateOutcome::Unknown(why) if why == "mds of the host: permission denied"));
    let mut seen = equal();
    seen.accelerator = Err("query-kvm: broken pipe".to_owned());
    assert!(matches!(outcome(&seen), GateOutcome::Unknown(_)));
}

#[test]
fn flags_of_the_first_processor() {
    let text = "processor\t: 0\nvmx flags\t: x\nflags\t\t: fpu ssbd\n\nprocessor\t: 1\nflags\t\t: other\n";
    assert_eq!(flags(text), words("fpu ssbd"));
    assert_eq!(flags("flags"), None);
}
