//! What is asked of a running guest. One guest serves all of it: it takes seconds to boot.

use crate::rig::{Notes, Site, agent, ask, boot, eventually, qemu, state, text};
use serde_json::json;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use vmwright_backend::Backend as _;
use vmwright_backend::request::{Exec, Picture};
use vmwright_backend::{Answer, ControlError, Request, State, Stop, Stored, Told, perform};

#[test]
fn a_guest_is_asked_everything() {
    let Some(site) = Site::new("a_guest_is_asked_everything") else { return };
    let machine = site.machine("host", "everyday", "");
    let qemu = qemu().with_words(&["-device", "VGA"]);
    boot(&qemu, &machine);
    programs_run(&machine);
    files_are_copied_both_ways(&site, &machine);
    a_terminal_joins_the_console(&machine);
    pictures_are_taken(&site, &machine);
    counts_grow(&machine);
    events_are_followed_and_switched_off(&machine);
    it_is_paused_and_resumed(&machine);
    qemu.stop(&machine, Stop::Force).expect("it runs");
}

fn program(words: &[&str]) -> Exec {
    let arguments = words.iter().map(|word| (*word).to_owned()).collect();
    Exec { program: "/init".to_owned(), arguments, ..Exec::default() }
}

fn programs_run(machine: &Stored) {
    let run = |what: Exec| match ask(machine, Request::Exec(what)) {
        Ok(Answer::Executed(executed)) => executed,
        other => panic!("{other:?}"),
    };
    let done = run(program(&["say", "to you", "complain", "of you", "end", "7"]));
    assert_eq!((done.status, done.signal), (Some(7), None));
    assert_eq!((done.output.as_slice(), done.errors.as_slice()), (&b"to you\n"[..], &b"of you\n"[..]));
    let done = run(Exec { input: b"\x00back\xff".to_vec(), ..program(&["echo"]) });
    assert_eq!((done.status, done.output.as_slice()), (Some(0), &b"\x00back\xff"[..]));
    let done = run(program(&["fill", "300000"]));
    assert_eq!(done.output.len(), 300_000);
    assert!(!done.cut);
    // What is not there, and what does not end.
    match ask(machine, Request::Exec(Exec { program: "/no/such".to_owned(), ..Exec::default() })) {
        Err(ControlError::Agent { source, .. }) => {
            assert!(source.to_string().contains("/no/such"), "{source}")
        }
        other => panic!("{other:?}"),
    }
    match ask(machine, Request::Exec(Exec { limit: 1, ..program(&["sleep", "5000"]) })) {
        Err(ControlError::Failed { why, .. }) => assert!(why.contains("it goes on in the guest"), "{why}"),
        other => panic!("{other:?}"),
    }
    let mut impatient = Notes { stop_at: Some(1), ..Notes::default() };
    let stopped = perform(&qemu(), machine, Request::Exec(program(&["sleep", "5000"])), &mut impatient);
    assert!(stopped.is_err_and(|error| error.to_string().contains("stopped waiting")));
}

fn files_are_copied_both_ways(site: &Site, machine: &Stored) {
    let (from, to) = (site.path("from"), site.path("to"));
    let bytes: Vec<u8> =
        (0..700_001_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&from, &bytes).expect("written");
    let size = bytes.len() as u64;
    let copied = ask(machine, Request::CopyIn { from: from.clone(), to: "/copied".to_owned() });
    assert_eq!(copied.expect("there is room"), Answer::Copied(size));
    let mut notes = Notes::default();
    let request = Request::CopyOut { from: "/copied".to_owned(), to: to.clone() };
    assert_eq!(perform(&qemu(), machine, request, &mut notes).expect("it is there"), Answer::Copied(size));
    assert!(std::fs::read(&to).expect("there") == bytes, "the same bytes");
    assert_eq!(notes.told.last(), Some(&Told::Copied { done: size, of: None }));
    // A directory of the host takes the guest's name; what is in the way stays.
    let copied = ask(machine, Request::CopyOut { from: "/copied".to_owned(), to: site.path("") });
    assert_eq!(copied.expect("it is there"), Answer::Copied(size));
    assert_eq!(std::fs::read(site.path("copied")).expect("there").len(), bytes.len());
    for (request, words) in [
        (Request::CopyOut { from: "/none".to_owned(), to: to.clone() }, "No such file"),
        (Request::CopyOut { from: "/copied".to_owned(), to: "/dev/null".into() }, "/dev/null"),
        (Request::CopyOut { from: "/copied".to_owned(), to: site.path("none/x") }, "none"),
        (Request::CopyIn { from: "/dev/zero".into(), to: "/z".to_owned() }, "/dev/zero"),
        (Request::CopyIn { from: from.clone(), to: "/none/z".to_owned() }, "No such file"),
    ] {
        let told = vmwright_backend::chain(&ask(machine, request).expect_err("it cannot be"));
        assert!(told.contains(words), "{told}");
    }
    assert!(std::fs::read(&to).expect("there") == bytes, "what was there stays");
    let hidden = std::fs::read_dir(site.directory.path()).expect("readable").flatten();
    assert!(!hidden.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".part")));
}

fn a_terminal_joins_the_console(machine: &Stored) {
    let open = || {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let output = OwnedFd::from(theirs.try_clone().expect("cloned"));
        let machine = machine.clone();
        let thread = std::thread::spawn(move || {
            ask(&machine, Request::Console { input: theirs.into(), output, way_out: 0x1d })
        });
        ours.set_read_timeout(Some(crate::rig::LONG)).expect("set");
        (ours, thread)
    };
    // Twice: the way out puts the log back as it was. The terminal's echo in the guest's kernel answers.
    for round in 0..2 {
        let (mut terminal, thread) = open();
        let mut seen = String::new();
        let mut read_until = |terminal: &mut UnixStream, wanted: &str| {
            let mut buffer = [0; 4096];
            while !seen.contains(wanted) {
                let count = terminal.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {seen}"));
                assert!(count > 0, "{seen}");
                seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        };
        read_until(&mut terminal, "vmwright-guest: agent ");
        let typed = format!("typed-{round}");
        eventually("the port is joined", || {
            let devices =
                qemu().monitor(machine).expect("it runs").execute("query-chardev", None).expect("told");
            devices.to_string().contains("\"unix:\"")
        });
        terminal.write_all(format!("{typed}\r").as_bytes()).expect("sent");
        read_until(&mut terminal, &typed);
        if round == 1 {
            let (_second, refused) = open();
            let told = refused.join().expect("no panic").expect_err("it is taken").to_string();
            assert!(told.ends_with("another terminal is at its console"), "{told}");
        }
        terminal.write_all(&[0x1d]).expect("sent");
        assert_eq!(thread.join().expect("no panic").expect("it ends"), Answer::Done);
        eventually("the log has it too", || text(machine, "serial.log").contains(&typed));
    }
}

fn pictures_are_taken(site: &Site, machine: &Stored) {
    for (format, magic) in [(Picture::Png, &b"\x89PNG\r\n\x1a\n"[..]), (Picture::Ppm, b"P6\n")] {
        let to = site.path("screen");
        match ask(machine, Request::Screenshot { to: to.clone(), format }) {
            Ok(Answer::Copied(size)) => assert!(size > 100),
            other => panic!("{other:?}"),
        }
        assert!(std::fs::read(&to).expect("there").starts_with(magic));
    }
    let told = ask(machine, Request::Screenshot { to: site.path("none/x"), format: Picture::Png });
    assert!(told.is_err_and(|error| error.to_string().contains("none/x")));
}

fn counts_grow(machine: &Stored) {
    let count = || match ask(machine, Request::Stats) {
        Ok(Answer::Statistics(counts)) => counts,
        other => panic!("{other:?}"),
    };
    let before = count();
    agent(machine, "guest-ping", json!({}));
    let after = count();
    assert!(after.process_ns > before.process_ns && after.at_ms >= before.at_ms);
    assert!(after.resident > 16 << 20, "{after:?}");
    assert_eq!(after.cpus.len(), 1);
    assert!(after.cpus[0].ran_ns > before.cpus[0].ran_ns && after.cpus[0].thread > 0, "{after:?}");
    assert!(after.kvm.is_empty(), "there is no KVM below it");
}

fn events_are_followed_and_switched_off(machine: &Stored) {
    let states = || {
        let mut qmp = qemu().monitor(machine).expect("it runs");
        let told =
            qmp.execute("trace-event-get-state", Some(json!({ "name": "virtio_serial_*" }))).expect("told");
        told.to_string().matches("\"enabled\"").count()
    };
    assert_eq!(states(), 0);
    let mut notes = Notes { stop_at: Some(6), ..Notes::default() };
    let other = machine.clone();
    let talk = std::thread::spawn(move || (0..40).for_each(|_| drop(agent(&other, "guest-ping", json!({})))));
    let events = vec!["virtio_serial_*".to_owned(), "no_such_event".to_owned()];
    let traced =
        perform(&qemu(), machine, Request::Trace { events, limit: Some(crate::rig::LONG) }, &mut notes);
    let Ok(Answer::Traced(counts)) = traced else { panic!("{traced:?}") };
    assert!(counts.iter().map(|(_, count)| count).sum::<u64>() >= 4, "{counts:?}");
    let shown = notes
        .told
        .iter()
        .filter(|told| matches!(told, Told::Traced { event, .. } if event.starts_with("virtio_serial_")));
    assert!(shown.count() >= 4);
    assert_eq!(states(), 0, "they are off again");
    talk.join().expect("no panic");
    let none = ask(machine, Request::Trace { events: vec!["no_such_event".to_owned()], limit: None });
    assert!(
        none.is_err_and(|error| error.to_string().contains("no event of this QEMU is named no_such_event"))
    );
}

fn it_is_paused_and_resumed(machine: &Stored) {
    ask(machine, Request::Pause).expect("it runs");
    assert_eq!(state(machine), State::Paused);
    match ask(machine, Request::Exec(program(&["end", "0"]))) {
        Err(ControlError::Illegal(illegal)) => assert_eq!(illegal.state, State::Paused),
        other => panic!("{other:?}"),
    }
    ask(machine, Request::Resume).expect("it is paused");
    assert_eq!(state(machine), State::Running);
    agent(machine, "guest-ping", json!({}));
}
