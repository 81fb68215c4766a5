//! Two machines that would have one thing: a disk, a context id, a socket.

use vmwright_backend::fake::Fake;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{Backend, StartError, State, Stop, Stored, chain, store};

fn pair(place: &std::path::Path, more: &str) -> [Stored; 2] {
    ["one", "two"].map(|name| {
        let name = format!("h{}-{name}", std::process::id());
        let spec = place.join(format!("{name}.toml"));
        let text = format!("name = '{name}'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n{more}");
        std::fs::write(&spec, text).expect("written");
        store::create(&place.join("state"), &spec).expect("a good specification")
    })
}

#[test]
fn two_machines_do_not_write_to_one_disk() {
    const TEST: &str = "two_machines_do_not_write_to_one_disk";
    if let Err(error) = Qemu::default().program() {
        return eprintln!("SKIPPED {TEST}: {error}");
    }
    let qemu = Qemu::default().with_patience(crate::rig::LONG);
    for format in ["raw", "qcow2"] {
        let place = tempfile::Builder::new().prefix("vmh").tempdir().expect("a temporary directory");
        let disk = place.path().join(format!("disk.{format}"));
        crate::rig::image(&["create", "-q", "-f", format, disk.to_str().expect("text"), "1M"]);
        let table = format!("[[disk]]\npath = '{}'\nformat = '{format}'\n", disk.display());
        let [one, two] = pair(place.path(), &table);
        qemu.start(&one).expect("it is free");
        match qemu.start(&two) {
            Err(StartError::Exited { said, .. }) => assert!(said.contains("lock"), "{said}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(qemu.look(&one).expect("told").state, State::Running, "the first goes on");
        qemu.stop(&one, Stop::Force).expect("it runs");
        qemu.start(&two).expect("it is free again");
        qemu.stop(&two, Stop::Force).expect("it runs");
        if format == "qcow2" {
            crate::rig::image(&["check", "-q", disk.to_str().expect("text")]);
        }
    }
}

/// QEMU itself would take the socket of the first away, and tells of the context id in the kernel's words.
#[test]
fn two_machines_do_not_share_a_context_id_or_a_socket() {
    let place = tempfile::Builder::new().prefix("vmh").tempdir().expect("a temporary directory");
    let socket = place.path().join("serial");
    let serial = format!("[[serial]]\nto = 'unix'\npath = '{}'\nserver = true\n", socket.display());
    for (number, (more, words)) in [
        ("vsock.cid = 77\n".to_owned(), "has the context id 77 too".to_owned()),
        (serial, format!("has the socket `{}` too", socket.display())),
    ]
    .into_iter()
    .enumerate()
    {
        let own = place.path().join(number.to_string());
        std::fs::create_dir(&own).expect("made");
        let [one, two] = pair(&own, &more);
        let fake = Fake::default();
        fake.start(&one).expect("it is free");
        let told = chain(&fake.start(&two).expect_err("it is taken"));
        assert!(told.ends_with(&words), "{told}");
        fake.stop(&one, Stop::Force).expect("it runs");
        fake.start(&two).expect("it is free again");
        fake.stop(&two, Stop::Force).expect("it runs");
    }
}
