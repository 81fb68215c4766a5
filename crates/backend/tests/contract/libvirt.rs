//! What libvirt alone has: a daemon that restarts, that never answers, that is not there; other people's domains.

use crate::daemon::{self, Daemon};
use crate::rig::{LONG, Place, eventually, rustix_pid, text};
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};
use vmwright_backend::libvirt::rpc::{Client, Device, Value};
use vmwright_backend::libvirt::{Libvirt, LibvirtError, edit};
use vmwright_backend::request::{Device as AnyDevice, Resize};
use vmwright_backend::{
    Answer, Backend, ControlError, Request, StartError, State, Stop, Stored, Unwatched, chain, perform, store,
};

/// The shared daemon's backend; says why where there is none.
fn backend(test: &str) -> Option<Libvirt> {
    match daemon::shared() {
        Ok(backend) => Some(backend.clone()),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            None
        }
    }
}

fn own_daemon(test: &str) -> Option<Daemon> {
    match Daemon::start("") {
        Ok(daemon) => Some(daemon),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            None
        }
    }
}

fn connect(backend: &Libvirt) -> Client {
    backend.connection().connect(LONG).expect("it listens")
}

fn state(backend: &Libvirt, machine: &Stored) -> State {
    backend.look(machine).expect("it can be told").state
}

/// A domain as a person has it: comments aside, which libvirt does not keep, everything that vmwright has no word for.
fn theirs(name: &str) -> String {
    format!(
        "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>{name}</name>\
         <title>keep &amp; care</title><metadata><app:note xmlns:app='urn:app'>mine &lt;all&gt;</app:note></metadata>\
         <memory unit='MiB'>32</memory><vcpu placement='static'>1</vcpu>\
         <os><type arch='x86_64' machine='q35'>hvm</type></os><on_crash>coredump-destroy</on_crash>\
         <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>\
         <qemu:commandline><qemu:arg value='-msg'/><qemu:arg value='timestamp=on'/></qemu:commandline></domain>"
    )
}

#[test]
fn other_peoples_domains_stay_as_they_are() {
    let Some(backend) = backend("other_peoples_domains_stay_as_they_are") else { return };
    let place = Place::new();
    let machine = place.machine("");
    let mut client = connect(&backend);
    let domain = client.define(&theirs(&machine.name)).expect("a good domain");
    let before = client.xml(&domain, true).expect("there");
    // The machine of the same name is another one.
    assert_eq!(state(&backend, &machine), State::Defined);
    match backend.start(&machine) {
        Err(StartError::Foreign(name)) => assert_eq!(name, machine.name),
        other => panic!("{other:?}"),
    }
    backend.undefine(&machine).expect("nothing of ours is there");
    assert_eq!(client.xml(&domain, true).expect("still there"), before);
    let found = backend.domains().expect("a list");
    let found = found.iter().find(|found| found.name == machine.name).expect("in the list");
    assert_eq!((found.condition.state, &found.uuid), (State::Defined, &domain.uuid_text()));
    // One change, and not a byte beside it.
    backend.edit(&machine.name, |xml| edit::set_text(xml, "vcpu", "2")).expect("taken");
    let after = client.xml(&domain, true).expect("there");
    assert_eq!(after, before.replacen(">1</vcpu>", ">2</vcpu>", 1));
    assert!(after.contains("mine &lt;all&gt;") && after.contains("qemu:arg value='-msg'"), "{after}");
    // What libvirt refuses changes nothing.
    backend.edit(&machine.name, |xml| edit::set_text(xml, "vcpu", "none")).expect_err("no number");
    assert_eq!(client.xml(&domain, true).expect("there"), after);
    client.undefine(&domain).expect("it does not run");
}

#[test]
fn what_others_change_in_our_domain_stays() {
    let Some(backend) = backend("what_others_change_in_our_domain_stays") else { return };
    let place = Place::new();
    let machine = place.machine("");
    backend.define(&machine).expect("a good machine");
    backend.edit(&machine.name, |xml| edit::set_text(xml, "on_crash", "preserve")).expect("taken");
    backend.start(&machine).expect("the specification is what it was");
    let (mut client, domain) = backend.client(&machine).expect("it runs");
    let xml = client.xml(&domain, true).expect("there");
    assert!(xml.contains("<on_crash>preserve</on_crash>"), "{xml}");
    assert!(xml.contains("Assisted-By: vmwright ("), "{xml}");
    backend.stop(&machine, Stop::Force).expect("it runs");
    // A change of the specification changes those places alone: theirs stay, and what nobody of us has a word for.
    let note = "<app:note xmlns:app=\"urn:app\"><!-- by hand --><app:deep kept=\"yes\"/></app:note>";
    let mark = |xml: &str| {
        let xml = edit::insert(xml, "metadata", note)?;
        edit::insert(&xml, "devices", "<watchdog model='i6300esb'/>")
    };
    backend.edit(&machine.name, mark).expect("taken");
    let change = |from: &str, to: &str| {
        let text = text(&machine, "machine.toml").replace(from, to);
        std::fs::write(machine.file("machine.toml"), text).expect("written");
        store::open(&place.state, &machine.name).expect("good")
    };
    let before = client.xml(&domain, true).expect("there");
    let larger = change("32MiB", "48MiB");
    backend.define(&larger).expect("nobody else has changed the memory");
    let after = client.xml(&domain, true).expect("there");
    let lines = |xml: &str| xml.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let (old, new) = (lines(&before), lines(&after));
    assert_eq!(old.len(), new.len(), "{after}");
    let changed: Vec<&str> =
        old.iter().zip(&new).filter(|(old, new)| old != new).map(|(_, new)| new.trim()).collect();
    assert!(
        changed.iter().all(|line| ["memory", "currentMemory", "vmwright:", "memory.size"]
            .iter()
            .any(|known| line.trim_start_matches('<').starts_with(known))),
        "{changed:?}"
    );
    assert!(after.contains("<!-- by hand -->") && after.contains("<app:deep kept=\"yes\"/>"), "{after}");
    assert!(after.contains("i6300esb") && after.contains("<on_crash>preserve</on_crash>"), "{after}");
    backend.start(&larger).expect("both sides' changes are there");
    let (mut client, again) = backend.client(&larger).expect("it runs");
    assert_eq!(again.uuid, domain.uuid);
    assert!(client.xml(&again, false).expect("there").contains(">49152</memory>"));
    backend.stop(&larger, Stop::Force).expect("it runs");
    // Both have changed the same thing: nobody's change is thrown away, and the place is named.
    backend.edit(&machine.name, |xml| edit::set_text(xml, "memory", "65536")).expect("taken");
    let smaller = change("48MiB", "40MiB");
    match backend.start(&smaller) {
        Err(StartError::Edited { what, .. }) => {
            assert_eq!(what, "`memory[1]`, which somebody else has set to `65536` from `49152`");
        }
        other => panic!("{other:?}"),
    }
    // Once theirs is undone, ours is carried out.
    backend.edit(&machine.name, |xml| edit::set_text(xml, "memory", "49152")).expect("taken");
    backend.define(&smaller).expect("nobody else's change of it is there");
    assert!(client.xml(&again, true).expect("there").contains(">40960</memory>"));
    backend.undefine(&machine).expect("it does not run");
    place.assert_nothing_left(&[]);
}

#[test]
fn changes_are_told_as_they_come() {
    let Some(backend) = backend("changes_are_told_as_they_come") else { return };
    let place = Place::new();
    let machine = place.machine("");
    let mut watcher = connect(&backend);
    watcher.watch().expect("allowed");
    backend.start(&machine).expect("a good machine");
    perform(&backend, &machine, Request::Pause, &mut Unwatched).expect("it runs");
    perform(&backend, &machine, Request::Resume, &mut Unwatched).expect("it stands");
    backend.stop(&machine, Stop::Force).expect("it runs");
    backend.undefine(&machine).expect("it does not run");
    let mut seen = Vec::new();
    while seen.last() != Some(&1) {
        let event = watcher.next_event(LONG).expect("the daemon lives").expect("in time");
        if event.domain.name == machine.name {
            seen.push(event.event);
        }
    }
    // Defined, started, suspended, stopped, undefined; between them it is resumed from its start and from its pause, and
    // QEMU may tell that it ends.
    let others: Vec<i32> = seen.iter().copied().filter(|event| ![4, 6].contains(event)).collect();
    assert_eq!(others, [0, 2, 3, 5, 1], "{seen:?}");
    assert!(seen.contains(&4), "{seen:?}");
}

#[test]
fn a_running_machine_is_changed_saved_and_looked_into() {
    let Some(backend) = backend("a_running_machine_is_changed_saved_and_looked_into") else { return };
    let place = Place::new();
    let machine = place.machine("");
    backend.define(&machine).expect("a good machine");
    backend
        .edit(&machine.name, |xml| edit::insert(xml, "devices", "<video><model type='vga'/></video>"))
        .expect("taken");
    backend.start(&machine).expect("a good machine");
    let (mut client, domain) = backend.client(&machine).expect("it runs");
    assert!(client.version().expect("told") >= 9_000_000);
    // The console, from before the guest speaks.
    let mut said = Vec::new();
    let mut console = client.console(&domain, None).expect("it has one");
    while !String::from_utf8_lossy(&said).contains(crate::guest::READY) {
        said.extend(console.read(LONG).expect("in time").expect("it goes on"));
    }
    console.write(b"anybody there?").expect("it is open");
    drop(console);
    // A picture of the screen.
    let (kind, picture) = client.screenshot(&domain).expect("it has a screen");
    assert!(kind.starts_with("image/") && picture.len() > 1000, "{kind}, {} bytes", picture.len());
    // Figures.
    let all = client.all_stats().expect("told");
    let ours = all.iter().find(|stats| stats.domain.name == machine.name).expect("among them");
    assert_eq!(ours.figures["state.state"], Value::Whole(1));
    assert!(matches!(ours.figures["block.0.capacity"], Value::Whole(bytes) if bytes == 1 << 20));
    // A disk more, for now; and another number of CPUs, for later.
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vdb' bus='virtio'/></disk>",
        place.disk().display()
    );
    client.attach(&domain, &disk, Device::Live).expect("there is room");
    assert!(client.xml(&domain, false).expect("told").contains("vdb"));
    assert!(!client.xml(&domain, true).expect("told").contains("vdb"));
    let more = disk.replace("vdb", "vdc").replace(&place_of(&disk), &place.disk().display().to_string());
    client.attach(&domain, &more, Device::Live).expect("there is room for more than one");
    client.resize_disk(&domain, "vdb", 2 << 20).expect("larger");
    client.set_vcpus(&domain, 2, Device::Config).expect_err("one is the most");
    // The same as requests: plugged under a name, grown, counted; and a guest that lets nothing go is told of.
    let ask = |request| perform(&backend, &machine, request, &mut Unwatched);
    let path = place.disk();
    let extra = || AnyDevice::Disk {
        name: "extra".to_owned(),
        path: path.clone(),
        format: "raw".to_owned(),
        readonly: false,
    };
    assert_eq!(ask(Request::Attach(extra())).expect("there is room"), Answer::Attached("extra".to_owned()));
    let told = ask(Request::Attach(extra())).expect_err("it is there").to_string();
    assert!(told.ends_with("it has a device `extra` already"), "{told}");
    ask(Request::Resize(Resize::Disk { disk: "extra".to_owned(), bytes: 3 << 20 })).expect("larger");
    match ask(Request::Stats).expect("it runs") {
        Answer::Statistics(counts) => {
            assert!(counts.process_ns > 0 && counts.cpus.len() == 1, "{counts:?}");
            assert_eq!(counts.disks.len(), 4, "{counts:?}");
        }
        other => panic!("{other:?}"),
    }
    let detach = Request::Detach { device: "extra".to_owned(), patience: Duration::from_secs(1) };
    let told = ask(detach).expect_err("the guest knows no unplugging").to_string();
    assert!(told.contains("has not let go of `extra` within 1 s"), "{told}");
    // Nobody in the guest speaks for it.
    let refused = client.agent(&domain, r#"{"execute":"guest-ping"}"#, Duration::from_secs(1));
    assert!(matches!(refused, Err(LibvirtError::Refused { .. })), "{refused:?}");
    backend.stop(&machine, Stop::Force).expect("it runs");
    // Saved, the machine is off; the next start goes on from there.
    backend.start(&machine).expect("a good machine");
    client.managed_save(&domain).expect("it runs");
    assert!(client.has_managed_save(&domain).expect("told"));
    let condition = backend.look(&machine).expect("told");
    assert!(condition.state == State::Gone && condition.why.contains("its state was saved"), "{condition:?}");
    client.discard_managed_save(&domain).expect("there");
    backend.undefine(&machine).expect("it does not run");
    place.assert_nothing_left(&[]);
}

/// The file that a disk's XML names.
fn place_of(disk: &str) -> String {
    let rest = &disk[disk.find("file='/").expect("it names one") + 6..];
    rest[..rest.find('\'').expect("closed")].to_owned()
}

#[test]
fn a_qcow2_machine_goes_back_to_its_snapshot() {
    let test = "a_qcow2_machine_goes_back_to_its_snapshot";
    let Some(backend) = backend(test) else { return };
    let place = Place::new();
    let image = place.directory.path().join("disk.qcow2");
    let made = std::process::Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([&place.disk(), &image])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED {test}: no qemu-img that makes an image");
        return;
    }
    let name = format!("t{}-snap", std::process::id());
    let text = format!(
        "name = '{name}'\nmemory.size = '32MiB'\naccelerator = 'tcg'\n[[disk]]\npath = '{}'\nformat = 'qcow2'\n",
        image.display()
    );
    let spec = place.directory.path().join("snap.toml");
    std::fs::write(&spec, text).expect("written");
    let machine = store::create(&place.state, &spec).expect("good");
    backend.start(&machine).expect("a good machine");
    let (mut client, domain) = backend.client(&machine).expect("it runs");
    let ask = |request| perform(&backend, &machine, request, &mut Unwatched);
    ask(Request::Snapshot { name: "first".to_owned() }).expect("qcow2 can");
    assert_eq!(backend.snapshots(&machine).expect("told"), ["first"]);
    ask(Request::Restore { name: "first".to_owned() }).expect("there");
    assert_eq!(state(&backend, &machine), State::Running);
    // The record follows where libvirt has started another VMM for it.
    let record = machine.process().expect("readable").expect("written").running.expect("a process");
    assert_eq!(crate::rig::processes(&name), [record.process.pid]);
    let told = client.revert(&domain, "second").expect_err("none").to_string();
    assert!(told.contains("second"), "{told}");
    client.delete_snapshot(&domain, "first").expect("there");
    assert!(client.snapshots(&domain).expect("told").is_empty());
    backend.stop(&machine, Stop::Force).expect("it runs");
    backend.undefine(&machine).expect("it does not run");
    store::delete(&place.state, &name).expect("nothing runs");
}

#[test]
fn a_domain_that_vanishes_is_told_as_gone() {
    let Some(backend) = backend("a_domain_that_vanishes_is_told_as_gone") else { return };
    let place = Place::new();
    let machine = place.machine("");
    backend.start(&machine).expect("a good machine");
    let (mut client, domain) = backend.client(&machine).expect("it runs");
    // By somebody else, behind vmwright's back.
    client.destroy(&domain, false).expect("it runs");
    client.undefine(&domain).expect("there");
    let told = client.state(&domain).expect_err("there is none");
    assert!(told.is_no_domain(), "{told:?}");
    let condition = backend.look(&machine).expect("told");
    assert!(
        condition.state == State::Gone && condition.why.ends_with("libvirt has no such domain"),
        "{condition:?}"
    );
    backend.start(&machine).expect("it is made anew");
    backend.stop(&machine, Stop::Force).expect("it runs");
    place.assert_nothing_left(&[]);
}

#[test]
fn a_daemon_out_of_reach_is_named() {
    let place = Place::new();
    let machine = place.machine("");
    let at = |path: &str| {
        let uri = format!("qemu:///system?socket={path}");
        Libvirt::on(uri.parse().expect("good")).with_patience(Duration::from_secs(1))
    };
    let told = |backend: &Libvirt| match backend.look(&machine) {
        Err(error @ ControlError::Libvirt { .. }) => chain(&error),
        other => panic!("{other:?}"),
    };
    assert!(told(&at("/none/at/all")).contains("there is no `/none/at/all`"));
    // A socket without a listener, and one whose listener is no libvirt and says nothing.
    let path = place.directory.path().join("sock");
    let path = path.to_str().expect("text");
    let listener = std::os::unix::net::UnixListener::bind(path).expect("free");
    assert!(told(&at(path)).contains("gave no answer to the list of ways to log in within 1 s"));
    drop(listener);
    assert!(told(&at(path)).contains("Connection refused"));
    // A socket that is closed to this user. Rights of files are a thread's own on Linux.
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED a_daemon_out_of_reach_is_named: its last part needs root");
        return;
    }
    let closed = place.directory.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("set");
    let path = closed.join("sock");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("free");
    let refused = std::thread::spawn(move || {
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65534));
        Client::connect(&path, "qemu:///system", LONG).map(drop)
    });
    let told = chain(&refused.join().expect("no panic").expect_err("it is closed to others"));
    assert!(told.starts_with("cannot connect to `") && told.contains("Permission denied"), "{told}");
}

#[test]
fn a_daemon_stands_still_and_restarts_and_has_500_domains() {
    let Some(mut daemon) = own_daemon("a_daemon_stands_still_and_restarts_and_has_500_domains") else {
        return;
    };
    let backend = daemon.backend();
    let place = Place::new();
    let machine = place.machine("");
    let running = backend.start(&machine).expect("a good machine");
    // It stands still: every question ends, and says so.
    kill_process(rustix_pid(daemon.pid), Signal::STOP).expect("it lives");
    let hasty = backend.clone().with_patience(Duration::from_secs(1));
    match hasty.look(&machine) {
        Err(ControlError::Libvirt { source: LibvirtError::Silent { .. }, .. }) => {}
        other => panic!("{other:?}"),
    }
    kill_process(rustix_pid(daemon.pid), Signal::CONT).expect("it lives");
    assert_eq!(state(&backend, &machine), State::Running);
    // It is killed: the one who watches is told, and its machines live on.
    let mut watcher = connect(&backend);
    watcher.watch().expect("allowed");
    daemon.restart();
    let told = watcher.next_event(LONG).expect_err("the connection is closed");
    assert!(matches!(told, LibvirtError::Closed(_)), "{told:?}");
    eventually("the new daemon knows it", || {
        backend.look(&machine).is_ok_and(|condition| condition.state == State::Running)
    });
    assert_eq!(machine.process().expect("readable").expect("written").running, Some(running));
    // 500 domains are listed by one call.
    let mut client = connect(&backend);
    for number in 0..500 {
        client.define(&theirs(&format!("many{number:03}"))).expect("a good domain");
    }
    let began = Instant::now();
    let found = backend.domains().expect("a list");
    println!("{} domains listed in {:?}", found.len(), began.elapsed());
    assert_eq!(found.iter().filter(|found| found.name.starts_with("many")).count(), 500);
    assert!(daemon.virsh(&["list", "--all", "--name"]).contains("many499"));
    backend.stop(&machine, Stop::Force).expect("it runs");
}
