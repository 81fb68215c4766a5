//! What holds a VMM, and what guards a guest.

use crate::live::{failure, gate, review, spec};
use crate::support::{Options, Vm, parts};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use vmwright_model::machine::{Confidential, Technology, Tpm};
use vmwright_model::{GateOutcome, Review};

/// What vmwright gives QEMU.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// `nobody` of every distribution.
const NOBODY: u32 = 65534;

/// A VM of this user, in a sandbox or not. As an ordinary user there is only that user.
fn start(parts: &crate::support::Parts, user: u32, sandbox: &str) -> Vm {
    let mut options = Options { user: is_root().then_some(user), agent: false, ..Options::default() };
    if !sandbox.is_empty() {
        options.more = vec!["-sandbox".to_owned(), sandbox.to_owned()];
    }
    Vm::start(parts, &options)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// What holds a VMM does not depend on how far its guest has come.
fn isolation(vm: &Vm) -> Review {
    review(vm, &spec(), &["isolation"], Some(Duration::ZERO))
}

#[test]
fn a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails() {
    let Some(parts) = parts("a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails") else { return };
    let mut vm = start(parts, NOBODY, SANDBOX);
    let good = isolation(&vm);
    assert_eq!(gate(&good, "isolation").outcome, GateOutcome::Pass);
    let rows = &gate(&good, "isolation").tables[0].rows;
    let held = rows.iter().find(|row| row[0] == "seccomp").unwrap()[1].clone();
    let (inside, all) = held.split_once(" of ").unwrap();
    assert_eq!(all, format!("{inside} threads"), "each thread is held");

    // Another VM's image that anybody may read.
    let theirs = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = theirs.path().display().to_string();
    vm.neighbours = vec![("other".to_owned(), path.clone())];
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert!(why.contains(&format!("may open files of vm other (`{path}`)")), "{why}");
    // As it should be, where there is somebody else for it to belong to.
    if is_root() {
        std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(gate(&isolation(&vm), "isolation").outcome, GateOutcome::Pass);
    }
    drop(vm);

    let vm = start(parts, NOBODY, "");
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert!(why.contains("no thread of the VMM is held by seccomp"), "{why}");
    assert!(why.contains("QEMU was started without -sandbox"), "{why}");
    drop(vm);

    let vm = start(parts, NOBODY, "on,obsolete=deny");
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert_eq!(why, "-sandbox leaves elevateprivileges, spawn, resourcecontrol allowed");
    drop(vm);

    if is_root() {
        let vm = start(parts, 0, SANDBOX);
        let why = failure(&isolation(&vm), "isolation").to_owned();
        assert!(why.contains("runs as root") && why.contains("CAP_SYS_ADMIN"), "{why}");
    } else {
        eprintln!(
            "SKIPPED the part of a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails about root: the test is not"
        );
    }
}

#[test]
fn a_guest_without_the_guards_of_its_specification_fails_each() {
    let Some(parts) = parts("a_guest_without_the_guards_of_its_specification_fails_each") else { return };
    let vm = Vm::start(parts, &Options::default());
    let gates = ["secure-boot", "vtpm", "confidential", "fips"];
    let plain = review(&vm, &spec(), &gates, None);
    for name in &gates[..3] {
        assert!(matches!(gate(&plain, name).outcome, GateOutcome::NotApplicable(_)), "{name}");
    }
    let mut guarded = spec();
    guarded.firmware.secure_boot = Some(true);
    guarded.tpm = Some(Tpm::default());
    guarded.confidential = Some(Confidential::by(Technology::SevSnp));
    let bare = review(&vm, &guarded, &gates, None);
    assert!(failure(&bare, "secure-boot").contains("no UEFI firmware started the guest"));
    assert!(failure(&bare, "vtpm").contains("the guest's kernel has no trusted platform module"));
    assert!(failure(&bare, "confidential").contains("the host can read its memory"));
    let fips = failure(&bare, "fips");
    assert!(fips.contains("the guest's kernel"), "{fips}");
}
