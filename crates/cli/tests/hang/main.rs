//! What does not answer, does not end or has no measure: an analysis ends all the same, in bounded time, and says
//! what stayed unknown and why.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod daemons;
mod dead_mounts;
mod fuse;
mod measure;
mod names;

use common::{Done, Site};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a call may take: one reading has 10 s, all of them 60 s; the rest is for judging thousands of VMs on a busy
/// machine, in a build that is not optimised.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a call to its end. It fails where that does not come in time, after `give_up` has let go what it waits for.
fn bounded(mut command: Command, give_up: impl FnOnce()) -> (Done, Duration) {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().unwrap();
    let id = child.id();
    let (send, ended) = mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        let _ = send.send(());
        output
    });
    let in_time = ended.recv_timeout(PATIENCE).is_ok();
    let took = began.elapsed();
    if !in_time {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        give_up();
    }
    let output = waiting.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let done = Done { status: output.status.code().unwrap_or(-1), out, err };
    assert!(in_time, "no end within {PATIENCE:?}: {done:#?}");
    (done, took)
}

/// What a source could not be read for.
fn unread(done: &Done, source: &str) -> String {
    let analysis = done.json();
    let unread = analysis["unread"].as_array().unwrap();
    let found = unread.iter().find(|one| one[0].as_str().unwrap().contains(source));
    found.unwrap_or_else(|| panic!("{source} is not in {unread:#?}"))[1].as_str().unwrap().to_owned()
}

/// A shell that sees a host of its own: what it mounts nobody else sees, and it is gone with the shell. None, with the
/// reason said, where that takes more rights than there are.
fn own_host(test: &str, site: &Site, script: &str) -> Option<Command> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED {test}: only root can mount something over the host's folders");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]);
    command.env("VMWRIGHT", env!("CARGO_BIN_EXE_vmwright")).env("SITE", site.dir.path());
    command.env("VMWRIGHT_STATE", site.path("state")).env("VMWRIGHT_CONFIG", site.path("config"));
    Some(command)
}
