//! The line to a guest's agent that is vsock, with guests that have none: what is there is asked, and nothing waits longer
//! than it is told to.

use crate::cloud_hypervisor::PLAIN;
use crate::guest;
use crate::rig::{self, LONG, Place, Rig, eventually, rustix_pid, text};
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::qemu::agent::{Agent, AgentError};
use vmwright_backend::{ControlError, State, Stop, Stored};

/// How long the agent may take that does not come.
const PATIENCE: Duration = Duration::from_secs(4);

fn asked(
    rig: &Rig,
    agent: impl Fn(&Stored, Duration) -> Result<Agent, ControlError>,
    specification: impl Fn(&str) -> String,
) {
    let place = Place::of(rig);
    for (more, line) in
        [("[vsock]\nagent_port = 9001\n", true), ("agent = false\n[vsock]\n", false), ("", false)]
    {
        let machine = place.machine(&specification(more));
        rig.backend
            .start(&machine)
            .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
        eventually("the guest is up", || text(&machine, "serial.log").contains(guest::READY));
        let running = machine.process().expect("readable").expect("written").running.expect("a process");
        assert_eq!((running.agent.is_some(), running.agent_port), (line, line.then_some(9001)), "{more}");
        let begin = Instant::now();
        match agent(&machine, PATIENCE) {
            Err(ControlError::Agent { source: AgentError::Unheard { port: 9001, .. }, .. }) if line => {}
            Err(ControlError::Agent { source: AgentError::Silent { .. }, .. }) if line => {}
            Err(ControlError::NoVsock { .. }) if !line => {}
            other => panic!("{more}: {other:?}"),
        }
        assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
        rig.backend.stop(&machine, Stop::Force).expect("it runs");
    }
    place.assert_nothing_left(&[]);
}

/// A VMM that was killed leaves its socket, in the machine's directory or where the specification places it.
fn killed_and_started_again(rig: &Rig, specification: impl Fn(&str) -> String) {
    let place = Place::of(rig);
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let named = elsewhere.path().join("vsock");
    for more in ["".to_owned(), format!("socket = '{}'\n", named.display())] {
        let machine = place.machine(&specification(&format!("agent = false\n[vsock]\n{more}")));
        let socket = if more.is_empty() { machine.file("vsock") } else { named.clone() };
        for _ in 0..2 {
            let running = rig
                .backend
                .start(&machine)
                .unwrap_or_else(|error| panic!("{error:?}; log: {}", text(&machine, "qemu.log")));
            kill_process(rustix_pid(running.process.pid), Signal::KILL).expect("it runs");
            eventually("its end is seen", || {
                rig.backend.look(&machine).is_ok_and(|condition| condition.state == State::Gone)
            });
            assert!(socket.exists(), "nobody has cleared up");
        }
        // One at which somebody listens stays, and the VMM says what is there.
        std::fs::remove_file(&socket).expect("there");
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("free");
        assert!(rig.backend.start(&machine).is_err() && socket.exists());
        drop(listener);
        std::fs::remove_file(&socket).expect("there");
    }
    place.assert_nothing_left(&[]);
}

#[test]
fn firecracker_starts_over_the_socket_of_one_that_was_killed() {
    let Some(rig) = rig::firecracker("firecracker_starts_over_the_socket_of_one_that_was_killed") else {
        return;
    };
    killed_and_started_again(&rig, str::to_owned);
}

#[test]
fn cloud_hypervisor_starts_over_the_socket_of_one_that_was_killed() {
    let Some(rig) = rig::cloud_hypervisor("cloud_hypervisor_starts_over_the_socket_of_one_that_was_killed")
    else {
        return;
    };
    killed_and_started_again(&rig, |more| format!("{more}{PLAIN}"));
}

#[test]
fn an_agent_of_firecracker_s_guest_is_asked_in_time() {
    let Some(rig) = rig::firecracker("an_agent_of_firecracker_s_guest_is_asked_in_time") else { return };
    asked(&rig, |machine, patience| Firecracker::default().agent(machine, patience), str::to_owned);
}

#[test]
fn an_agent_of_cloud_hypervisor_s_guest_is_asked_in_time() {
    let Some(rig) = rig::cloud_hypervisor("an_agent_of_cloud_hypervisor_s_guest_is_asked_in_time") else {
        return;
    };
    let with = |more: &str| format!("{more}{PLAIN}");
    asked(&rig, |machine, patience| CloudHypervisor::default().agent(machine, patience), with);
}
