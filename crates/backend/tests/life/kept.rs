//! What is kept and gone back to: snapshots with memory and without, and clones.

use crate::rig::{Site, agent, ask, boot, check_memory, image, qemu, state};
use serde_json::json;
use vmwright_backend::request::Exec;
use vmwright_backend::{Answer, Backend as _, ControlError, Request, State, Stop, Stored, snapshots, store};

#[test]
fn snapshots_bring_back_memory_and_disks() {
    let Some(site) = Site::new("snapshots_bring_back_memory_and_disks") else { return };
    for format in ["qcow2", "raw"] {
        let disk = site.path(&format!("disk.{format}"));
        image(&["create", "-q", "-f", format, disk.to_str().expect("text"), "8M"]);
        let table = format!("[[disk]]\npath = '{}'\nformat = '{format}'\n", disk.display());
        let machine = site.machine("host", &format!("kept-{format}"), &table);
        boot(&qemu(), &machine);
        agent(&machine, "vmwright-memory-fill", json!({ "mib": 16, "pause-us": 500 }));
        let before = check_memory(&machine);
        ask(&machine, Request::Snapshot { name: "before".to_owned() }).expect("it is kept");
        assert_eq!(state(&machine), State::Running);
        mark(&machine);
        assert!(marked(&machine));
        let machine = store::open(&machine.state, &machine.name).expect("there");
        let twice = ask(&machine, Request::Snapshot { name: "before".to_owned() });
        assert!(twice.is_err_and(|error| error.to_string().contains("exists already")));
        ask(&machine, Request::Restore { name: "before".to_owned() }).expect("it is there");
        let machine = store::open(&machine.state, &machine.name).expect("there");
        assert_eq!(state(&machine), State::Running);
        assert!(!marked(&machine), "what came after is gone, in {format}");
        assert!(check_memory(&machine) >= before);
        let none = ask(&machine, Request::Restore { name: "none".to_owned() });
        assert!(none.is_err_and(|error| error.to_string().contains("no snapshot `none`; it has before")));
        qemu().stop(&machine, Stop::Force).expect("it runs");
        // And of the disks alone, where nobody runs.
        ask(&machine, Request::Snapshot { name: "off".to_owned() }).expect("it is kept");
        let machine = store::open(&machine.state, &machine.name).expect("there");
        ask(&machine, Request::Restore { name: "off".to_owned() }).expect("it is there");
        assert_eq!(snapshots(&machine), ["before", "off"]);
        let machine = store::open(&machine.state, &machine.name).expect("there");
        let used = machine.spec.disks[0].path.clone().expect("a path");
        image(&["check", "-q", &used]);
        clones_share_a_base(&machine);
    }
}

fn clones_share_a_base(machine: &Stored) {
    let name = format!("{}-twin", machine.name);
    let Ok(Answer::Cloned(clone)) = ask(machine, Request::Clone { name: name.clone() }) else {
        panic!("it clones")
    };
    assert_eq!(clone.name, name);
    let machine = store::open(&machine.state, &machine.name).expect("there");
    assert_ne!(clone.spec.disks[0].path, machine.spec.disks[0].path);
    let again = ask(&machine, Request::Clone { name: name.clone() }).expect_err("there is one");
    assert!(matches!(again, ControlError::Store(store::StoreError::Exists(_))), "{again}");
    // Both run at once: nobody writes to what they share.
    for one in [&machine, &clone] {
        qemu().start(one).expect("a good machine");
    }
    assert_eq!((state(&machine), state(&clone)), (State::Running, State::Running));
    let running = ask(&machine, Request::Clone { name: "third".to_owned() });
    assert!(matches!(running, Err(ControlError::Illegal(_))), "{running:?}");
    for one in [&machine, &clone] {
        qemu().stop(one, Stop::Force).expect("it runs");
        image(&["check", "-q", one.spec.disks[0].path.as_deref().expect("a path")]);
    }
}

fn mark(machine: &Stored) {
    let from = machine.file("machine.toml");
    ask(machine, Request::CopyIn { from, to: "/marked".to_owned() }).expect("there is room");
}

fn marked(machine: &Stored) -> bool {
    let what = Exec {
        program: "/init".to_owned(),
        arguments: vec!["end".to_owned(), "0".to_owned()],
        ..Exec::default()
    };
    assert!(matches!(ask(machine, Request::Exec(what)), Ok(Answer::Executed(_))), "the guest answers");
    let to = machine.file("marked.out");
    let copied = ask(machine, Request::CopyOut { from: "/marked".to_owned(), to: to.clone() });
    let _ = std::fs::remove_file(to);
    copied.is_ok()
}
