//! Second VMMs of microVMs: copies of a guest go on from its state, and it does not notice.

use crate::cloud_hypervisor::PLAIN;
use crate::guest;
use crate::rig::{self, Place, Rig, eventually, text};
use std::path::Path;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::{Copies, Running, State, Stop, Stored, snapshots, store};
use vmwright_formats::machine_spec::write_spec;

/// A machine of the same specification in a state directory of its own, its disk elsewhere where one is named.
fn again(machine: &Stored, backend: &str, state: &Path, disk: Option<&Path>) -> Stored {
    std::fs::create_dir(state).expect("made");
    let mut spec = machine.spec.clone();
    if let Some(disk) = disk {
        spec.disks[0].path = Some(disk.display().to_string());
    }
    let text = write_spec(&spec).expect("sayable");
    store::create_from_text(state, Path::new("of the test"), &text, backend).expect("a machine")
}

fn go_on_beside(test: &str, rig: &Rig, vmm: &dyn Copies, more: &str) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED {test}: to run a VMM apart takes root");
        return;
    }
    let place = Place::of(rig);
    let machine = place.machine(more);
    rig.backend
        .start(&machine)
        .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    let state = |machine: &Stored| rig.backend.look(machine).expect("it can be told").state;
    let process = |machine: &Stored| -> Running {
        machine.process().expect("readable").expect("written").running.expect("a process")
    };
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let written = std::fs::read(&disk).expect("there");
    let other = tempfile::tempdir().expect("a temporary directory");
    let kept = again(&machine, rig.backend.name(), &other.path().join("kept"), None);
    let bytes = match vmm.keep_for_copies(&machine, &kept) {
        Ok(bytes) => bytes,
        Err(error) => {
            let told = vmwright_backend::chain(&error);
            assert!(told.contains("vCPU state"), "{told}");
            assert_eq!(state(&machine), State::Running, "also where it could not be kept");
            println!("SKIPPED {test}: this host's KVM does not tell all of a vCPU: {told}");
            rig.backend.stop(&machine, Stop::Force).expect("it runs");
            return;
        }
    };
    assert!(bytes >= 32 << 20, "{bytes} bytes hold less than its memory");
    assert_eq!((state(&machine), snapshots(&machine).len()), (State::Running, 0));
    for name in ["one", "two"] {
        let own = other.path().join(format!("{name}.raw"));
        let copy = again(&machine, rig.backend.name(), &other.path().join(name), Some(&own));
        let running = vmm
            .go_on_beside(&copy, &machine, &kept)
            .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&copy, "vmm.log")));
        assert_eq!((state(&copy), state(&machine)), (State::Running, State::Running));
        // Both have their socket under the same name, as each of them sees it.
        assert!(copy.directory().join("vsock").exists() && machine.directory().join("vsock").exists());
        assert_eq!(std::fs::read(&own).expect("there"), written);
        for kind in ["mnt", "net", "pid"] {
            let of = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("there");
            assert_ne!(of(running.process.pid), of(process(&machine).process.pid), "{kind}");
        }
        // The guest that goes on waits where it waited: it hears what it is told, and the machine hears nothing.
        let (ended, patience) = &rig.ends;
        assert_eq!(rig.backend.stop(&copy, Stop::Orderly(*patience)).expect("it runs"), *ended);
        assert_eq!(state(&machine), State::Running);
    }
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    assert_eq!(std::fs::read(&disk).expect("there"), written);
    place.assert_nothing_left(&[]);
}

/// What is taken as long as the machine runs: the socket of its vsock, and its tap.
const TAKEN: &str = "agent = false\n[vsock]\n[[network]]\nkind = 'tap'\ntap = 'vmwcopy";

#[test]
fn copies_of_firecracker_s_guest_go_on_beside_it() {
    let test = "copies_of_firecracker_s_guest_go_on_beside_it";
    let Some(rig) = rig::firecracker(test) else { return };
    go_on_beside(test, &rig, &Firecracker::default(), &format!("{TAKEN}0'\n"));
}

#[test]
fn copies_of_cloud_hypervisor_s_guest_go_on_beside_it() {
    let test = "copies_of_cloud_hypervisor_s_guest_go_on_beside_it";
    let Some(rig) = rig::cloud_hypervisor(test) else { return };
    go_on_beside(test, &rig, &CloudHypervisor::default(), &format!("{TAKEN}1'\n{PLAIN}"));
}
