//! A vmwright that is killed: the test program runs itself again, as another process, and that one dies.

use crate::rig::{self, Rig};
use rustix::process::{Signal, getpid, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;
use vmwright_backend::{Stored, store};

const STATE: &str = "VMWRIGHT_TEST_STATE";
const NAME: &str = "VMWRIGHT_TEST_NAME";
const BACKEND: &str = "VMWRIGHT_TEST_BACKEND";
const DELAY: &str = "VMWRIGHT_TEST_DELAY_US";

/// Starts a machine in another process, which kills itself: after this time, or once the start is done.
pub(crate) fn start_and_die(rig: &Rig, machine: &Stored, delay: Option<Duration>) {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "killed::the_one_that_dies", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(STATE, &machine.state).env(NAME, &machine.name).env(BACKEND, rig.backend.name());
    if let Some(Ok(libvirt)) = crate::daemon::shared_already() {
        let uri = libvirt.connection().to_string();
        command.env(crate::daemon::SOCKET, uri.split_once('=').expect("it names its socket").1);
    }
    if let Some(delay) = delay {
        command.env(DELAY, delay.as_micros().to_string());
    }
    let output = command.output().expect("it runs");
    assert_eq!(output.status.signal(), Some(9), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "run by the cases of a killed vmwright, in a process of its own"]
fn the_one_that_dies() {
    let value = |name: &str| std::env::var(name).expect("set by the case that runs this");
    let die = || kill_process(getpid(), Signal::KILL).expect("we are there");
    let rig = match value(BACKEND).as_str() {
        "qemu" => rig::qemu("the_one_that_dies").expect("the case has looked"),
        "libvirt" => rig::libvirt("the_one_that_dies").expect("the case has looked"),
        "cloud-hypervisor" => rig::cloud_hypervisor("the_one_that_dies").expect("the case has looked"),
        "firecracker" => rig::firecracker("the_one_that_dies").expect("the case has looked"),
        _ => rig::fake(),
    };
    let machine = store::open(value(STATE).as_ref(), &value(NAME)).expect("made by the case");
    if let Ok(delay) = std::env::var(DELAY) {
        let delay = Duration::from_micros(delay.parse().expect("a number"));
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            kill_process(getpid(), Signal::KILL).expect("we are there");
        });
        rig.backend.start(&machine).expect("a good machine");
        std::thread::sleep(Duration::from_secs(5));
    }
    rig.backend.start(&machine).expect("a good machine");
    die();
}
