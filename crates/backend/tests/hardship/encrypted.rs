//! Migrations over TLS, with certificates made for the test.

use crate::has;
use crate::rig::{Site, agent, ask, boot, check_memory, eventually, qemu, state};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use vmwright_backend::request::{Channel, Migrate, Place, Receive, receive};
use vmwright_backend::{Answer, Backend as _, Request, StartError, State, Stop, Stored, Told, Watch, chain};

/// A folder as QEMU's `tls-creds-x509` wants it, both ends' certificates in it, signed by an authority of its own.
fn certificates(folder: &Path, name: &str) -> PathBuf {
    std::fs::create_dir_all(folder).expect("made");
    let openssl = |words: &[&str]| {
        let output =
            Command::new("openssl").args(words).current_dir(folder).output().expect("it is installed");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"];
    let make = |more: &[&str]| openssl(&[&["req", "-x509"][..], &key, more].concat());
    make(&[
        "-keyout",
        "ca-key.pem",
        "-out",
        "ca-cert.pem",
        "-subj",
        "/CN=authority",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ]);
    for (end, usage) in [("server", "serverAuth"), ("client", "clientAuth")] {
        let (own_key, own) = (format!("{end}-key.pem"), format!("{end}-cert.pem"));
        let (subject, names, usage) = (
            format!("/CN={name}"),
            format!("subjectAltName=DNS:{name}"),
            format!("extendedKeyUsage={usage}"),
        );
        make(&[
            "-CA",
            "ca-cert.pem",
            "-CAkey",
            "ca-key.pem",
            "-keyout",
            &own_key,
            "-out",
            &own,
            "-subj",
            &subject,
            "-addext",
            &names,
            "-addext",
            &usage,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "keyUsage=critical,digitalSignature,keyEncipherment",
        ]);
    }
    folder.to_owned()
}

/// Stops waiting when it is told to: a source that has refused the target keeps its connection open.
struct Called(Arc<AtomicBool>);

impl Watch for Called {
    fn tell(&mut self, _: Told) {}

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

type Arrival = JoinHandle<Result<(), StartError>>;

fn expect(to: &Stored, socket: &Path, channel: &Channel) -> (Arrival, Arc<AtomicBool>) {
    let (to, channel, from) = (to.clone(), channel.clone(), Place::Unix(socket.to_owned()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut called = Called(Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        receive(&qemu(), &to, &Receive { from, channel, within: None }, &mut called).map(drop)
    });
    eventually("the target listens", || socket.exists() || thread.is_finished());
    (thread, stop)
}

#[test]
fn a_guest_moves_over_tls_and_only_to_the_right_one() {
    const TEST: &str = "a_guest_moves_over_tls_and_only_to_the_right_one";
    if !has(TEST, "openssl") {
        return;
    }
    let Some(site) = Site::new(TEST) else { return };
    let right = certificates(&site.path("right"), "target.example");
    let other = certificates(&site.path("other"), "target.example");
    let (here, there) = (site.machine("a", "secret", ""), site.machine("b", "secret", ""));
    boot(&qemu(), &here);
    agent(&here, "vmwright-memory-fill", json!({ "mib": 16, "pause-us": 300 }));
    let over = |folder: &Path, name: &str| Channel {
        tls: Some(folder.to_owned()),
        tls_name: Some(name.to_owned()),
        ..Channel::default()
    };
    let channel = over(&right, "target.example");
    let send = |channel: &Channel, socket: PathBuf| {
        let what =
            Migrate { channel: channel.clone(), bandwidth: 1 << 30, ..Migrate::to(Place::Unix(socket)) };
        ask(&here, Request::Migrate(what))
    };
    // Another authority's word, another name, and no encryption at all.
    for (number, (wrong, what)) in [
        (over(&other, "target.example"), "another authority"),
        (over(&right, "elsewhere.example"), "another name"),
        (Channel::default(), "in the clear"),
    ]
    .into_iter()
    .enumerate()
    {
        let socket = site.path(&format!("door{number}"));
        let (arrival, stop) = expect(&there, &socket, &channel);
        let told = chain(&send(&wrong, socket).expect_err(what));
        eprintln!("{what}: {told}");
        assert!(told.contains("here it is running"), "{what}: {told}");
        stop.store(true, Ordering::Relaxed);
        assert!(arrival.join().expect("no panic").is_err(), "{what}");
        assert_eq!((state(&here), state(&there).alive()), (State::Running, false));
    }
    let before = check_memory(&here);
    let socket = site.path("door");
    let (arrival, _) = expect(&there, &socket, &channel);
    match send(&channel, socket).unwrap_or_else(|error| panic!("{}", chain(&error))) {
        Answer::Migrated(how) => eprintln!("over TLS: {how:?}"),
        other => panic!("{other:?}"),
    }
    arrival.join().expect("no panic").unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!((state(&here), state(&there)), (State::Defined, State::Running));
    assert!(check_memory(&there) >= before);
    qemu().stop(&there, Stop::Force).expect("it runs");
}
