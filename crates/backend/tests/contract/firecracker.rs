//! What Firecracker alone has: a console on its own streams, snapshots of raw images, a balloon, and machines that it
//! cannot be told.

use crate::guest;
use crate::rig::{self, LONG, Place, Rig, eventually, text};
use std::io::Read as _;
use std::process::Command;
use vmwright_backend::http::Api;
use vmwright_backend::request::Resize;
use vmwright_backend::{
    Answer, Backend as _, ControlError, Request, StartError, State, Stop, Stored, snapshots,
};

fn state(rig: &Rig, machine: &Stored) -> State {
    rig.backend.look(machine).expect("it can be told").state
}

fn started(rig: &Rig, place: &Place, more: &str) -> Stored {
    let machine = place.machine(more);
    rig.backend
        .start(&machine)
        .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
    eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
    machine
}

#[test]
fn a_snapshot_brings_memory_and_disks_back() {
    let Some(rig) = rig::firecracker("a_snapshot_brings_memory_and_disks_back") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "");
    rig.ask(&machine, Request::Snapshot { name: "one".to_owned() }).expect("it runs");
    assert_eq!((state(&rig, &machine), snapshots(&machine)), (State::Running, vec!["one".to_owned()]));
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let before = std::fs::read(&disk).expect("there");
    std::fs::write(&disk, vec![7; before.len()]).expect("written");
    let first = machine.process().expect("readable").expect("written").running.expect("a process");
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it runs");
    assert_eq!(state(&rig, &machine), State::Running);
    let second = machine.process().expect("readable").expect("written").running.expect("a process");
    assert_ne!(first.process, second.process);
    assert_eq!(std::fs::read(&disk).expect("there"), before);
    // The guest that goes on waits where it waited: it hears the same key.
    assert_eq!(
        rig.backend.stop(&machine, Stop::Orderly(LONG)).expect("it runs"),
        vmwright_backend::Ended::ByItself
    );
    // Without a guest the disks go back alone.
    std::fs::write(&disk, vec![7; before.len()]).expect("written");
    rig.ask(&machine, Request::Restore { name: "one".to_owned() }).expect("it is there");
    assert_eq!(std::fs::read(&disk).expect("there"), before);
    assert_eq!(state(&rig, &machine), State::Defined);
}

#[test]
fn a_balloon_and_a_disk_change_their_size() {
    let Some(rig) = rig::firecracker("a_balloon_and_a_disk_change_their_size") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "[balloon]\ndeflate_on_oom = true\n");
    let memory = |bytes| rig.ask(&machine, Request::Resize(Resize::Memory { bytes }));
    // A guest without a driver for it keeps what it has: Firecracker may say so.
    match memory(24 << 20) {
        Ok(answer) => assert_eq!(answer, Answer::Resized(24 << 20)),
        Err(ControlError::Api { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
    assert!(memory(64 << 20).is_err(), "more than it has");
    let disk = machine.spec.disks[0].path.clone().expect("a path");
    let grown = rig.ask(&machine, Request::Resize(Resize::Disk { disk: "0".to_owned(), bytes: 2 << 20 }));
    assert_eq!(grown.expect("it runs"), Answer::Resized(2 << 20));
    assert_eq!(std::fs::metadata(&disk).expect("there").len(), 2 << 20);
    assert!(rig.ask(&machine, Request::Resize(Resize::Disk { disk: "vda".to_owned(), bytes: 1 })).is_err());
    assert!(rig.ask(&machine, Request::Resize(Resize::Cpus { count: 2 })).is_err());
    let Answer::Statistics(counts) = rig.ask(&machine, Request::Stats).expect("it runs") else {
        panic!("counts")
    };
    assert!(counts.resident > 0 && counts.process_ns > 0, "{counts:?}");
    assert_eq!(counts.cpus.len(), 1, "{counts:?}");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

/// A tap of the host, which goes with the test.
struct Tap(String);

impl Tap {
    fn make() -> Result<Self, String> {
        let name = format!("vmwt{}", std::process::id());
        let words = ["tuntap", "add", "dev", &name, "mode", "tap"];
        let output = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(Self(name)) } else { Err(told) }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).status();
    }
}

#[test]
fn words_of_its_own_reach_it_and_its_metadata_service_has_the_data() {
    const TEST: &str = "words_of_its_own_reach_it_and_its_metadata_service_has_the_data";
    let Some(rig) = rig::firecracker(TEST) else { return };
    let tap = match Tap::make() {
        Ok(tap) => tap,
        Err(why) => return println!("SKIPPED {TEST}: no tap can be made: {why}"),
    };
    let place = Place::of(&rig);
    let data = place.disk().with_extension("json");
    std::fs::write(&data, r#"{"latest": {"meta-data": {"role": "web"}}}"#).expect("written");
    let more = format!(
        "[process]\nsandbox = true\narguments = ['--metadata', '{}']\n[[network]]\nkind = 'tap'\ntap = '{}'\n\
         [[foreign]]\nformat = 'firecracker'\nat = 'mmds-config'\ntext = '{{\"network_interfaces\": [\"eth0\"]}}'\n",
        data.display(),
        tap.0
    );
    let machine = started(&rig, &place, &more);
    let running = machine.process().expect("readable").expect("written").running.expect("a process");
    let api = Api::at(&running.qmp.expect("an API"), LONG);
    assert_eq!(api.get("/mmds").expect("it is there")["latest"]["meta-data"]["role"], "web");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn its_console_shows_what_the_guest_said() {
    let Some(rig) = rig::firecracker("its_console_shows_what_the_guest_said") else { return };
    let place = Place::of(&rig);
    let machine = started(&rig, &place, "");
    let (input, typed) = std::io::pipe().expect("a pipe");
    let (mut shown, output) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut &typed, b"x\x1d").expect("written");
    rig.ask(&machine, Request::Console { input: input.into(), output: output.into(), way_out: 0x1d })
        .expect("it runs");
    let mut said = String::new();
    shown.read_to_string(&mut said).expect("text");
    assert!(said.contains(guest::READY), "{said:?}");
    rig.backend.stop(&machine, Stop::Force).expect("it runs");
}

#[test]
fn a_machine_that_it_cannot_be_told_is_refused_item_by_item() {
    let place = Place::new();
    let backend = vmwright_backend::firecracker::Firecracker::default();
    let machine = place.machine("accelerator = 'kvm'\nboot.kernel = '/k'\n[[video]]\nmodel = 'virtio'\n[[disk]]\npath = '/a'\nformat = 'qcow2'\n");
    match backend.start(&machine) {
        Err(StartError::Unsayable { items, .. }) => {
            assert!(items.iter().any(|item| item.starts_with("disk.0.format: ")), "{items:?}");
            assert!(items.iter().any(|item| item.starts_with("video")), "{items:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(backend.look(&machine).expect("it can be told").state, State::Failed);
    place.assert_nothing_left(&[]);
}
