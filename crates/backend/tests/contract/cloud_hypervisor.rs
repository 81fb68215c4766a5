//! What Cloud Hypervisor alone has: snapshots in its own directories, and disks that come and go.

use crate::guest;
use crate::rig::{self, LONG, Place, eventually, text};
use vmwright_backend::request::{Device, Resize};
use vmwright_backend::{Answer, Request, State, Stop, Stored};

/// Without nested virtualization, whose state not every host's KVM tells.
pub(crate) const PLAIN: &str =
    "[[foreign]]\nformat = 'cloud-hypervisor'\nat = 'cpus/nested'\ntext = 'false'\n";

fn started(rig: &rig::Rig, place: &Place) -> Stored {
    let machine = place.machine(PLAIN);
    rig.backend
        .start(&machine)
        .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    machine
}

#[test]
fn a_snapshot_brings_memory_and_disks_back() {
    let Some(rig) = rig::cloud_hypervisor("a_snapshot_brings_memory_and_disks_back") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place);
    let state = || rig.backend.look(&machine).expect("it can be told").state;
    let kept = rig.ask(&machine, Request::Snapshot { name: "one".to_owned() });
    assert_eq!(state(), State::Running, "also where it could not be kept");
    if let Err(error) = kept {
        let told = vmwright_backend::chain(&error);
        assert!(told.contains("vCPU state"), "{told}");
        println!(
            "SKIPPED a_snapshot_brings_memory_and_disks_back: this host's KVM does not tell all of a vCPU: {told}"
        );
        rig.backend.stop(&machine, Stop::Force).expect("it runs");
        return;
    }
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let before = std::fs::read(&disk).expect("there");
    std::fs::write(&disk, vec![7; before.len()]).expect("written");
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it runs");
    assert_eq!(state(), State::Running);
    assert_eq!(std::fs::read(&disk).expect("there"), before);
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
}

#[test]
fn a_disk_comes_and_counts_are_told() {
    let Some(rig) = rig::cloud_hypervisor("a_disk_comes_and_counts_are_told") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place);
    let device = |name: &str| Device::Disk {
        name: name.to_owned(),
        path: place.disk(),
        format: "raw".to_owned(),
        readonly: true,
    };
    assert_eq!(
        rig.ask(&machine, Request::Attach(device("more"))).expect("it runs"),
        Answer::Attached("more".to_owned())
    );
    assert!(rig.ask(&machine, Request::Attach(device("more"))).is_err(), "the name is taken");
    let Answer::Statistics(counts) = rig.ask(&machine, Request::Stats).expect("it runs") else {
        panic!("counts")
    };
    assert!(counts.resident > 0 && counts.disks.iter().any(|disk| disk.name == "more"), "{counts:?}");
    assert_eq!(counts.cpus.len(), 1, "{counts:?}");
    // Nobody in this guest lets go of it.
    let patience = std::time::Duration::from_millis(200);
    assert!(rig.ask(&machine, Request::Detach { device: "more".to_owned(), patience }).is_err());
    assert!(rig.ask(&machine, Request::Detach { device: "none".to_owned(), patience: LONG }).is_err());
    assert!(rig.ask(&machine, Request::Resize(Resize::Cpus { count: 99 })).is_err(), "more than it can have");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}
