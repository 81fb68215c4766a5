//! A terminal at the serial port of a microVM's guest: what is typed comes to the guest, and its answer to the log.

use crate::guest;
use crate::rig::{self, Place, Rig, eventually, text};
use std::io::Write as _;
use vmwright_backend::{Answer, Request, Stop, Stored};

/// What ends a visit.
const WAY_OUT: u8 = 0x1d;

/// The same with a guest that answers what is typed.
fn answering(rig: Rig) -> Rig {
    Rig { guest: |directory, _| guest::lines(directory, &guest::swapping()), ..rig }
}

fn started(rig: &Rig, place: &Place, more: &str) -> Stored {
    let machine = place.machine(more);
    rig.backend
        .start(&machine)
        .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    machine
}

/// Comes, types, waits until this is in the log as often, and leaves.
pub(crate) fn visit(rig: &Rig, machine: &Stored, typed: &[u8], (answer, times): (&str, usize)) {
    let (input, mut keys) = std::io::pipe().expect("a pipe");
    let output = std::fs::OpenOptions::new().write(true).open("/dev/null").expect("there").into();
    // The keys go with it: where nothing is answered, the visit ends.
    std::thread::scope(move |scope| {
        let request = Request::Console { input: input.into(), output, way_out: WAY_OUT };
        let visit = scope.spawn(move || rig.ask(machine, request));
        keys.write_all(typed).expect("written");
        eventually(answer, || text(machine, "serial.log").matches(answer).count() == times);
        keys.write_all(&[WAY_OUT]).expect("written");
        assert_eq!(visit.join().expect("no panic").expect("it runs"), Answer::Done);
    });
}

/// Every byte comes as it is: none is echoed before it, or means something to a terminal's line (termios(3)).
fn hears(rig: &Rig, more: &str) -> (Place, Stored) {
    let place = Place::of(rig);
    let machine = started(rig, &place, more);
    visit(rig, &machine, b"ping\r\x03\x04\x11\x13\x1c\x7f", ("PING-#$13<_", 1));
    // Who comes later is heard too, while nobody was there in between.
    visit(rig, &machine, b"again", ("AGAIN", 1));
    let said = text(&machine, "serial.log");
    assert_eq!(said, format!("{}\r\nPING-#$13<_AGAIN", guest::READY), "and nothing else");
    (place, machine)
}

#[test]
fn firecracker_s_guest_hears_what_is_typed() {
    let Some(rig) = rig::firecracker("firecracker_s_guest_hears_what_is_typed") else { return };
    let rig = answering(rig);
    let (place, machine) = hears(&rig, "");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn cloud_hypervisor_s_guest_hears_what_is_typed() {
    let Some(rig) = rig::cloud_hypervisor("cloud_hypervisor_s_guest_hears_what_is_typed") else { return };
    let rig = answering(rig);
    let (place, machine) = hears(&rig, "");
    // Also behind a reset, for which Cloud Hypervisor makes the port anew.
    visit(&rig, &machine, &[guest::RESETS], (guest::READY, 2));
    visit(&rig, &machine, b"still", ("STILL", 1));
    // Where its VMM reads no terminal nobody types in vain.
    let record = machine.process().expect("readable").expect("written");
    let link = record.sockets.expect("a directory").join("typed");
    std::fs::remove_file(&link).expect("there");
    let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").expect("there").into();
    for to in [None, Some("/dev/null")] {
        to.map_or(Ok(()), |to| std::os::unix::fs::symlink(to, &link)).expect("linked");
        let request = Request::Console { input: null(), output: null(), way_out: WAY_OUT };
        let told = rig.ask(&machine, request).expect_err("it hears nothing").to_string();
        assert!(told.contains("pseudo-terminal"), "{told}");
    }
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}
