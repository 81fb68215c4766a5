//! Machines that cannot be, each told in words that name the place.

use crate::rig::{Site, qemu};
use vmwright_backend::store::{self, StoreError};
use vmwright_backend::{Backend as _, StartError, State, Stop, chain};

#[test]
fn names_that_are_none_make_no_machine() {
    let Some(site) = Site::new("names_that_are_none_make_no_machine") else { return };
    for name in ["a/b", "a\\nb", "..", "-x", ""] {
        let spec = site.path("odd.toml");
        std::fs::write(&spec, format!("name = \"{name}\"\n")).expect("written");
        let told = store::create(&site.path("host"), &spec).expect_err(name);
        assert!(chain(&told).contains("name"), "{told}");
    }
    for name in ["a/b", "../x", "a\nb"] {
        assert!(
            matches!(store::open(&site.path("host"), name), Err(store::StoreError::BadName(_))),
            "{name:?}"
        );
    }
}

#[test]
fn what_no_host_has_is_refused_by_qemu_and_leaves_nothing() {
    let Some(site) = Site::new("what_no_host_has_is_refused_by_qemu_and_leaves_nothing") else { return };
    for (name, more, words) in [
        ("memory", "memory.size = '1000GiB'\n", "allocate memory"),
        ("kind", "machine = 'no-such-machine'\n", "unsupported machine type"),
    ] {
        let machine = site.machine("host", name, more);
        match qemu().start(&machine) {
            Err(error @ StartError::Exited { .. }) => {
                let StartError::Exited { said, .. } = &error else { unreachable!("matched above") };
                assert!(said.contains(words), "{said}");
                assert_eq!(qemu().look(&machine).expect("told").state, State::Failed);
            }
            // A host that overcommits without limit takes any promise.
            Ok(_) if name == "memory" => {
                eprintln!(
                    "SKIPPED the part of what_no_host_has_is_refused_by_qemu_and_leaves_nothing with 1000 GiB: this host promises them"
                );
                qemu().stop(&machine, Stop::Force).expect("it runs");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_no_machine_has_is_refused_before_qemu_is_asked() {
    let Some(site) = Site::new("what_no_machine_has_is_refused_before_qemu_is_asked") else { return };
    for (more, words) in [
        ("memory.size = '10TiB'\n", "reaches 1 TiB"),
        ("machine = 'pc'\ncpu.count = 4096\n", "at most 255 virtual CPUs"),
    ] {
        let spec = site.path("huge.toml");
        std::fs::write(&spec, format!("name = 'huge'\naccelerator = 'tcg'\n{more}")).expect("written");
        match store::create(&site.path("host"), &spec) {
            Err(StoreError::Spec { issues, .. }) => {
                assert!(issues.iter().any(|issue| issue.what.contains(words)), "{issues:?}");
            }
            other => panic!("{more}: {other:?}"),
        }
    }
}

#[test]
fn two_machines_on_one_bridge_do_not_share_a_mac_address() {
    let Some(site) = Site::new("two_machines_on_one_bridge_do_not_share_a_mac_address") else { return };
    // The fake looks for the bridge's interface alone.
    let fake = vmwright_backend::fake::Fake::default();
    let table = "[[network]]\nkind = 'bridge'\nbridge = 'lo'\nmac = '52:54:00:00:00:77'\n";
    let (one, two) = (site.machine("host", "one", table), site.machine("host", "two", table));
    fake.start(&one).expect("it is free");
    let told = fake.start(&two).expect_err("it is taken");
    assert_eq!(told.to_string(), "machine `one` runs and has the MAC address 52:54:00:00:00:77 too");
    fake.stop(&one, Stop::Force).expect("it runs");
    fake.start(&two).expect("it is free again");
    fake.stop(&two, Stop::Force).expect("it runs");
}
