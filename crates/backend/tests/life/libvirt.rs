//! A guest that answers, by way of libvirt: what is asked of it, devices that come and go, and its way to another
//! libvirt.

use crate::daemon::Daemon;
use crate::rig::{Notes, Site, eventually, image, text};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use vmwright_backend::libvirt::Libvirt;
use vmwright_backend::request::{Device, Exec, Limit, Limited, Migrate, Picture, Place};
use vmwright_backend::{
    Answer, Backend as _, ControlError, Request, State, Stop, Stored, Told, chain, perform,
};

#[test]
fn a_guest_of_libvirts_is_asked_everything_and_moves() {
    let test = "a_guest_of_libvirts_is_asked_everything_and_moves";
    let Some(site) = Site::new(test) else { return };
    let daemons = Daemon::start("").and_then(|one| Daemon::start("").map(|other| (one, other)));
    let (here, there) = match daemons {
        Ok(both) => both,
        Err(why) => return eprintln!("SKIPPED {test}: {why}"),
    };
    let backend = here.backend();
    let machine = site.machine("host", "asked", "[[video]]\nmodel = 'vga'\n");
    backend.start(&machine).unwrap_or_else(|error| panic!("{}", chain(&error)));
    eventually("the agent is up", || text(&machine, "serial.log").contains("vmwright-guest: agent "));
    let ask = |request| perform(&backend, &machine, request, &mut Notes::default());
    programs_run_and_files_are_copied(&site, &ask);
    a_terminal_joins_the_console(&backend, &machine);
    match ask(Request::Screenshot { to: site.path("screen"), format: Picture::Png }) {
        Ok(Answer::Copied(size)) => assert!(size > 100),
        // Before QEMU 7.1 its pictures are PPM alone.
        Err(ControlError::Failed { why, .. }) => assert!(why.contains("image/x-portable-pixmap"), "{why}"),
        other => panic!("{other:?}"),
    }
    devices_come_and_go(&site, &ask, &|| backend.domain_xml(&machine.name).expect("told"));
    it_moves(&backend, &there, &machine);
}

type Ask<'a> = &'a dyn Fn(Request) -> Result<Answer, ControlError>;

fn program(words: &[&str]) -> Exec {
    let arguments = words.iter().map(|word| (*word).to_owned()).collect();
    Exec { program: "/init".to_owned(), arguments, ..Exec::default() }
}

fn programs_run_and_files_are_copied(site: &Site, ask: Ask<'_>) {
    match ask(Request::Exec(program(&["say", "to you", "complain", "of you", "end", "7"]))) {
        Ok(Answer::Executed(done)) => {
            assert_eq!((done.status, done.signal), (Some(7), None));
            let said = (done.output.as_slice(), done.errors.as_slice());
            assert_eq!(said, (&b"to you\n"[..], &b"of you\n"[..]));
        }
        other => panic!("{other:?}"),
    }
    let none = ask(Request::Exec(Exec { program: "/no/such".to_owned(), ..Exec::default() }));
    assert!(none.is_err_and(|error| chain(&error).contains("/no/such")));
    let (from, to) = (site.path("from"), site.path("to"));
    let bytes: Vec<u8> =
        (0..300_001_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&from, &bytes).expect("written");
    let size = bytes.len() as u64;
    let copied = ask(Request::CopyIn { from, to: "/copied".to_owned() });
    assert_eq!(copied.expect("there is room"), Answer::Copied(size));
    let copied = ask(Request::CopyOut { from: "/copied".to_owned(), to: to.clone() });
    assert_eq!(copied.expect("it is there"), Answer::Copied(size));
    assert!(std::fs::read(&to).expect("there") == bytes, "the same bytes");
}

fn a_terminal_joins_the_console(backend: &Libvirt, machine: &Stored) {
    let (mut terminal, theirs) = UnixStream::pair().expect("a pair");
    terminal.set_read_timeout(Some(crate::rig::LONG)).expect("set");
    let output = OwnedFd::from(theirs.try_clone().expect("cloned"));
    let (joined, at) = (backend.clone(), machine.clone());
    let thread = std::thread::spawn(move || {
        let request = Request::Console { input: theirs.into(), output, way_out: 0x1d };
        perform(&joined, &at, request, &mut Notes::default())
    });
    let mut seen = String::new();
    let mut read_until = |terminal: &mut UnixStream, wanted: &str| {
        let mut buffer = [0; 4096];
        while !seen.contains(wanted) {
            let count = terminal.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {seen}"));
            assert!(count > 0, "{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    // What it said before; then the terminal's echo in the guest's kernel answers.
    read_until(&mut terminal, "vmwright-guest: agent ");
    terminal.write_all(b"typed-here\r").expect("sent");
    read_until(&mut terminal, "typed-here");
    terminal.write_all(&[0x1d]).expect("sent");
    assert_eq!(thread.join().expect("no panic").expect("it ends"), Answer::Done);
    eventually("the log has it too", || text(machine, "serial.log").contains("typed-here"));
}

fn devices_come_and_go(site: &Site, ask: Ask<'_>, xml: &dyn Fn() -> String) {
    for name in ["one", "two"] {
        let path = site.path(&format!("{name}.qcow2"));
        image(&["create", "-q", "-f", "qcow2", path.to_str().expect("text"), "1M"]);
        let device =
            Device::Disk { name: name.to_owned(), path, format: "qcow2".to_owned(), readonly: false };
        assert_eq!(ask(Request::Attach(device)).expect("there is room"), Answer::Attached(name.to_owned()));
    }
    let limit = |device, bytes, operations| ask(Request::Limit(Limit { device, bytes, operations }));
    let one = || Limited::Disk("one".to_owned());
    assert_eq!(limit(one(), Some(3 << 20), None).expect("it is limited"), Answer::Done);
    assert_eq!(limit(one(), None, Some(77)).expect("it is limited"), Answer::Done);
    let told = xml();
    for part in ["<total_bytes_sec>3145728<", "<total_iops_sec>77<"] {
        assert!(told.contains(part), "{told}");
    }
    limit(one(), Some(0), Some(0)).expect("the limits are taken away");
    assert!(!xml().contains("total_bytes_sec"), "{}", xml());
    assert!(limit(Limited::Disk("none".to_owned()), Some(1), None).is_err());
    let told = limit(Limited::Network(9), Some(1), None).expect_err("there is none").to_string();
    assert!(told.contains("no network interface number 9"), "{told}");
    let detach = |device: &str| Request::Detach { device: device.to_owned(), patience: crate::rig::LONG };
    assert_eq!(ask(detach("one")).expect("the guest lets go"), Answer::Done);
    let gone = ask(detach("one")).expect_err("it is gone").to_string();
    assert!(gone.contains("no device `one`"), "{gone}");
    // It would have to be on both hosts.
    assert_eq!(ask(detach("two")).expect("the guest lets go"), Answer::Done);
}

/// To a libvirt that has another name and number than this one, as another host's has.
fn it_moves(backend: &Libvirt, there: &Daemon, machine: &Stored) {
    let ask = |what, notes: &mut Notes| perform(backend, machine, Request::Migrate(what), notes);
    let place = Migrate::to(Place::Unix("/no/where".into()));
    let told = ask(place, &mut Notes::default()).expect_err("no place for libvirt").to_string();
    assert!(told.contains("name its URI"), "{told}");
    let nobody = "qemu+unix:///system?socket=/no/such/socket".to_owned();
    let told = ask(Migrate::to(Place::Libvirt(nobody)), &mut Notes::default()).expect_err("nobody is there");
    assert!(chain(&told).contains("/no/such/socket"), "{}", chain(&told));
    assert_eq!(backend.look(machine).expect("told").state, State::Running);
    let uri = format!("qemu+unix:///system?socket={}#tcp://127.0.0.1", there.socket.display());
    // Stopped on the way it runs on here.
    let slow = Migrate { bandwidth: 1 << 20, ..Migrate::to(Place::Libvirt(uri.clone())) };
    let mut impatient = Notes { stop_at: Some(2), ..Notes::default() };
    let told = ask(slow, &mut impatient).expect_err("it is stopped").to_string();
    assert!(told.contains("it was stopped; the guest runs on here"), "{told}");
    assert!(impatient.told.iter().any(|told| matches!(told, Told::Migration(how) if how.remaining > 0)));
    assert_eq!(backend.look(machine).expect("told").state, State::Running);
    let sent = ask(Migrate::to(Place::Libvirt(uri)), &mut Notes::default());
    match sent.unwrap_or_else(|error| panic!("{}", chain(&error))) {
        Answer::Migrated(how) => {
            eprintln!("moved to another libvirt: {how:?}");
            assert!(how.sent > Some(1 << 20) && how.total_ms > 0, "{how:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(backend.look(machine).expect("told").state, State::Defined, "it is here no more");
    let target = there.backend();
    let found = target.domains().expect("a list");
    let found = found.iter().find(|found| found.name == machine.name).expect("it is there");
    assert_eq!(found.condition.state, State::Running);
    target.stop_domain(&machine.name, Stop::Force).expect("it runs");
}

#[test]
fn an_interface_of_libvirts_is_limited_while_it_runs() {
    let test = "an_interface_of_libvirts_is_limited_while_it_runs";
    let Some(site) = Site::new(test) else { return };
    let daemon = match Daemon::start("") {
        Ok(daemon) => daemon,
        Err(why) => return eprintln!("SKIPPED {test}: {why}"),
    };
    let ip = |words: &str| {
        let output = std::process::Command::new("ip").args(words.split(' ')).output();
        output.is_ok_and(|output| output.status.success())
    };
    let bridge = format!("vmwl{}", std::process::id());
    // libvirt limits what passes by it.
    if std::process::Command::new("tc").arg("-V").output().is_err() {
        return eprintln!("SKIPPED {test}: no tc");
    }
    if !ip(&format!("link add {bridge} type bridge")) {
        return eprintln!("SKIPPED {test}: no bridge can be made");
    }
    let backend = daemon.backend();
    let network = format!("[[network]]\nkind = 'bridge'\nbridge = '{bridge}'\n");
    let machine = site.machine("host", "limited", &network);
    let limit = |bytes| {
        let what = Limit { device: Limited::Network(0), bytes: Some(bytes), operations: None };
        perform(&backend, &machine, Request::Limit(what), &mut Notes::default())
    };
    let mut told = Vec::new();
    let started = backend.start(&machine);
    if started.is_ok() {
        for bytes in [3 << 20, 0] {
            told.push((limit(bytes), backend.domain_xml(&machine.name).expect("told")));
        }
        backend.stop(&machine, Stop::Force).expect("it runs");
    }
    ip(&format!("link delete {bridge}"));
    started.unwrap_or_else(|error| panic!("{}", chain(&error)));
    // What libvirt calls for it is tc, and this needs the kernel's `htb` and `sfq`.
    if let Some((Err(error), _)) = told.first()
        && chain(error).contains("qdisc kind is unknown")
    {
        return eprintln!("SKIPPED {test}: {}", chain(error));
    }
    let [limited, free] = &told[..] else { panic!("{told:?}") };
    assert!(matches!(limited.0, Ok(Answer::Done)) && matches!(free.0, Ok(Answer::Done)), "{told:?}");
    for direction in ["inbound", "outbound"] {
        let part = format!("<{direction} average='3072'/>");
        assert!(limited.1.contains(&part) && !free.1.contains(&part), "{told:?}");
    }
}
