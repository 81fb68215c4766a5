//! A guest that moves between two hosts: two network namespaces with a wire between them, so that nothing but TCP leads
//! from one QEMU to the other.

use crate::moves::two_hosts;
use crate::rig::{Notes, ask, check_memory, eventually, qemu, state};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use vmwright_backend::request::{Channel, Migrate, Place, Receive, receive};
use vmwright_backend::{Answer, Backend as _, Request, State, Stop, Stored, chain};

/// Where the second host is for the first one, and the port that QEMU listens at there.
const TARGET: &str = "10.213.77.2";
const PORT: u16 = 49152;

/// Two namespaces and their wire; they go with the test.
struct Hosts([String; 2]);

impl Hosts {
    fn make() -> Result<Self, String> {
        let own = std::process::id();
        let hosts = Self(["a", "b"].map(|end| format!("vmwh{own}{end}")));
        let [a, b] = &hosts.0;
        let (here, there) = (format!("vmwa{own}"), format!("vmwb{own}"));
        for words in [
            format!("netns add {a}"),
            format!("netns add {b}"),
            format!("-n {a} link add {here} type veth peer name {there} netns {b}"),
            format!("-n {a} address add 10.213.77.1/30 dev {here}"),
            format!("-n {b} address add {TARGET}/30 dev {there}"),
            format!("-n {a} link set {here} up"),
            format!("-n {b} link set {there} up"),
        ] {
            let output =
                Command::new("ip").args(words.split(' ')).output().map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
        }
        Ok(hosts)
    }

    fn path(&self, host: usize) -> PathBuf {
        Path::new("/run/netns").join(&self.0[host])
    }

    /// Does something in a thread that lives on one of the hosts: what it starts does too.
    fn on<T: Send + 'static>(
        &self,
        host: usize,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let path = self.path(host);
        std::thread::spawn(move || {
            let namespace = File::open(&path).expect("it was made");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            what()
        })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

fn pid(machine: &Stored) -> i32 {
    let record = machine.process().expect("readable").expect("written");
    record.running.expect("a process").process.pid
}

/// Whether a process's host listens at the port (`/proc/PID/net/tcp`: state 0A).
fn listens(pid: i32) -> bool {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    lines.lines().any(|line| line.contains(&format!(":{PORT:04X} ")) && line.contains(" 0A "))
}

#[test]
fn a_guest_moves_over_the_wire_between_two_hosts() {
    const TEST: &str = "a_guest_moves_over_the_wire_between_two_hosts";
    let hosts = match Hosts::make() {
        Ok(hosts) => hosts,
        Err(why) => return eprintln!("SKIPPED {TEST}: no network namespaces: {why}"),
    };
    let Some((_site, here, there)) = hosts.on(0, || two_hosts(TEST)).join().expect("no panic") else {
        return;
    };
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("it runs");
    let many = Channel { connections: 2, compression: Some("zstd".to_owned()), ..Channel::default() };
    for (round, channel) in [Channel::default(), many].into_iter().enumerate() {
        let from = Place::Tcp { host: TARGET.to_owned(), port: PORT };
        let to = there.clone();
        let over = channel.clone();
        let arrival = hosts.on(1, move || {
            receive(&qemu(), &to, &Receive { from, channel: over, within: None }, &mut Notes::default())
                .map(drop)
        });
        eventually("the target listens", || {
            arrival.is_finished() || (state(&there) == State::Receiving && listens(pid(&there)))
        });
        let before = check_memory(&here);
        let left = pid(&here);
        assert_ne!(namespace(left), namespace(pid(&there)), "each QEMU is on a host of its own");
        let place = Place::Tcp { host: TARGET.to_owned(), port: PORT };
        let how = Migrate { channel, bandwidth: 1 << 30, auto_converge: true, ..Migrate::to(place) };
        let sent = ask(&here, Request::Migrate(how)).unwrap_or_else(|error| panic!("{}", chain(&error)));
        arrival.join().expect("no panic").unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert_eq!((state(&here), state(&there)), (State::Defined, State::Running));
        assert!(check_memory(&there) >= before);
        let Answer::Migrated(how) = sent else { panic!("{sent:?}") };
        eprintln!(
            "round {round}: {:?} bytes in {} ms, stood still for {:?} ms",
            how.sent, how.total_ms, how.downtime_ms
        );
        if round == 0 {
            // Back where it was: the wire leads from the first to the second alone.
            qemu().stop(&there, Stop::Force).expect("it runs");
            let again = here.clone();
            hosts.on(0, move || crate::rig::boot(&qemu(), &again)).join().expect("no panic");
            crate::rig::agent(
                &here,
                "vmwright-memory-fill",
                serde_json::json!({ "mib": 40, "pause-us": 300 }),
            );
        }
    }
    // Where nobody listens the guest stays.
    qemu().stop(&there, Stop::Force).expect("it runs");
    let again = here.clone();
    hosts.on(0, move || crate::rig::boot(&qemu(), &again)).join().expect("no panic");
    let nobody = Migrate::to(Place::Tcp { host: TARGET.to_owned(), port: PORT + 1 });
    let told = chain(&ask(&here, Request::Migrate(nobody)).expect_err("nobody listens"));
    assert_eq!(state(&here), State::Running, "{told}");
    qemu().stop(&here, Stop::Force).expect("it runs");
}
