//! Sending a guest to another Cloud Hypervisor.
//!
//! Up to version 51 or so the request is answered when the guest is there; later ones answer at once and go on in a thread of
//! their own. In both the VMM ends once its guest runs elsewhere, and where that fails it lets the guest run on.

use super::CloudHypervisor;
use super::control::{look, put};
use crate::http::{Api, ApiError};
use crate::microvm::api;
use crate::place::address;
use crate::process::Life;
use crate::request::{Answer, Channel, Migrate, Migrated, Place, Told, Watch};
use crate::supervise::{Trace, finish, running, said, wait_gone};
use crate::{ControlError, Operation, Running, Stored, chain};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a migration may take before its answer: a day, which is for ever.
pub(super) const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the VMM may take to end once it says that nothing is under way any more.
const END: Duration = Duration::from_secs(5);
/// What it says to a request beside a migration that is under way.
const UNDER_WAY: &str = "ongoing migration";
/// What begins the line of its log that tells why one failed.
const FAILED: &str = "Migration failed: ";

fn failed(machine: &Stored, why: impl Into<String>) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation: Operation::Migrate, why: why.into() }
}

/// What of a channel Cloud Hypervisor has no words for; the rest, as its requests say it. `own` is the key of the address.
pub(super) fn channel(channel: &Channel, place: &Place, own: &str) -> Result<Value, String> {
    let to = match place {
        Place::File(_) => {
            return Err(
                "Cloud Hypervisor sends a guest to another one alone; 'vm snapshot' keeps it in files"
                    .to_owned(),
            );
        }
        place => address(place)?,
    };
    if channel.compression.is_some() {
        return Err("Cloud Hypervisor does not compress what goes over".to_owned());
    }
    if channel.post_copy {
        return Err(
            "Cloud Hypervisor's post-copy is an experiment, and a lost connection loses the guest".to_owned()
        );
    }
    if channel.tls_name.is_some() {
        return Err("Cloud Hypervisor takes the name of the target's certificate from its address".to_owned());
    }
    let mut body = json!({ own: to });
    let is_tcp = matches!(place, Place::Tcp { .. });
    if let Some(directory) = &channel.tls {
        let text = directory.to_str().filter(|_| directory.is_absolute());
        let text = text.ok_or("the directory of certificates needs an absolute path in UTF-8")?;
        if !is_tcp {
            return Err("Cloud Hypervisor encrypts between hosts alone: name a host and port".to_owned());
        }
        body["tls_dir"] = text.into();
    }
    if channel.connections > 1 && !is_tcp {
        return Err(
            "Cloud Hypervisor has several connections between hosts alone: name a host and port".to_owned()
        );
    }
    Ok(body)
}

/// The request, or what cannot be wished for.
fn request(what: &Migrate) -> Result<Value, String> {
    let refused = [
        (what.auto_converge, "Cloud Hypervisor does not slow a guest down"),
        (what.bandwidth > 0, "Cloud Hypervisor has no limit for what goes over"),
        (what.post_copy || what.resume, "Cloud Hypervisor has no post-copy migration that can be resumed"),
    ];
    if let Some((_, why)) = refused.into_iter().find(|(wished, _)| *wished) {
        return Err(why.to_owned());
    }
    let mut body = channel(&what.channel, &what.to, "destination_url")?;
    if what.channel.connections > 1 {
        body["connections"] = what.channel.connections.into();
    }
    if what.downtime > 0 {
        body["downtime_ms"] = what.downtime.into();
    }
    Ok(body)
}

/// Sends it. Where that fails the guest runs on here.
pub(super) fn migrate(
    vmm: &CloudHypervisor,
    machine: &Stored,
    what: &Migrate,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let body = request(what).map_err(|why| failed(machine, why))?;
    let running = running(machine)?;
    let socket = running.qmp.clone().unwrap_or_default();
    let began = Instant::now();
    let (answered, answer) = mpsc::channel();
    // Where the VMM never answers, the thread is left to it.
    std::thread::spawn(move || {
        answered.send(put(&Api::at(&socket, FOREVER), "vm.send-migration", Some(&body)))
    });
    let (mut dispatched, mut warned) = (false, false);
    loop {
        if running.process.life().is_ok_and(|life| life == Life::Dead) {
            return gone(machine, &running, began);
        }
        match answer.recv_timeout(LOOK) {
            // Whether it is done or has just begun, what follows tells.
            Ok(Ok(_)) => dispatched = true,
            Ok(Err(ApiError::Refused { said, .. })) => return Err(runs_on(vmm, machine, said)),
            // It has ended before it had answered.
            Ok(Err(ApiError::Closed(_) | ApiError::Io(_))) if wait_gone(machine, &running, END)? => {
                return gone(machine, &running, began);
            }
            Ok(Err(error)) => return Err(runs_on(vmm, machine, chain(&error))),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
        }
        if dispatched && !under_way(&api(vmm, &running)) {
            if wait_gone(machine, &running, END)? {
                return gone(machine, &running, began);
            }
            return Err(runs_on(vmm, machine, reason(&said(machine))));
        }
        if watch.stopped() && !warned {
            warned = true;
            let why = "Cloud Hypervisor cannot be told to give a migration up: it goes on";
            watch.tell(Told::Note(why.to_owned()));
        }
    }
}

/// Whether it is still at it: asked for another migration to nowhere, it says so before it looks where that would lead.
fn under_way(api: &Api) -> bool {
    let nowhere = json!({ "destination_url": "" });
    match put(api, "vm.send-migration", Some(&nowhere)) {
        Err(ApiError::Refused { said, .. }) => said.contains(UNDER_WAY),
        _ => false,
    }
}

/// Why one failed, by the VMM's log.
fn reason(log: &str) -> String {
    let line = log.lines().rev().find_map(|line| line.split_once(FAILED));
    line.map_or_else(
        || "Cloud Hypervisor gave it up and tells no reason".to_owned(),
        |(_, why)| why.trim().to_owned(),
    )
}

/// The VMM has ended: in order, because its guest is elsewhere.
fn gone(machine: &Stored, running: &Running, began: Instant) -> Result<Answer, ControlError> {
    match finish(machine, running)? {
        Trace::Abrupt => {
            let last = said(machine);
            let last = last.lines().last().unwrap_or_default().to_owned();
            Err(failed(
                machine,
                format!("the virtual machine monitor was killed or has crashed on the way: {last}"),
            ))
        }
        Trace::Orderly | Trace::Cleared => Ok(Answer::Migrated(Migrated {
            total_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..Migrated::default()
        })),
    }
}

fn runs_on(vmm: &CloudHypervisor, machine: &Stored, why: String) -> ControlError {
    match look(vmm, machine) {
        Ok(now) => failed(machine, format!("{why}; here it is {}", now.state)),
        Err(_) => failed(machine, why),
    }
}

/// Whether these words started a VMM that has no machine of its own and waits for one.
pub(super) fn waits(argv: &Path) -> bool {
    let words = std::fs::read_to_string(argv).unwrap_or_default();
    !words.is_empty()
        && !words.lines().any(|word| matches!(word, "--kernel" | "--firmware" | "--restore" | "--cpus"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_cannot_is_refused_by_name() {
        let to = || Place::Tcp { host: "hv2".to_owned(), port: 4444 };
        let plain = request(&Migrate { downtime: 50, ..Migrate::to(to()) });
        assert_eq!(plain, Ok(json!({ "destination_url": "tcp:hv2:4444", "downtime_ms": 50 })));
        let many = Channel { connections: 4, tls: Some("/etc/pki".into()), ..Channel::default() };
        assert_eq!(
            request(&Migrate { channel: many.clone(), ..Migrate::to(to()) }),
            Ok(json!({ "destination_url": "tcp:hv2:4444", "tls_dir": "/etc/pki", "connections": 4 }))
        );
        let unix = Place::Unix("/run/m".into());
        for (what, word) in [
            (Migrate { auto_converge: true, ..Migrate::to(to()) }, "slow"),
            (Migrate { bandwidth: 1, ..Migrate::to(to()) }, "limit"),
            (Migrate { post_copy: true, ..Migrate::to(to()) }, "post-copy"),
            (Migrate::to(Place::File("/x".into())), "vm snapshot"),
            (Migrate { channel: many, ..Migrate::to(unix.clone()) }, "host and port"),
            (
                Migrate {
                    channel: Channel { compression: Some("zstd".to_owned()), ..Channel::default() },
                    ..Migrate::to(unix)
                },
                "compress",
            ),
        ] {
            assert!(request(&what).is_err_and(|why| why.contains(word)), "{what:?}");
        }
    }

    #[test]
    fn the_log_tells_why() {
        let log = "cloud-hypervisor: 1.0s: <vmm> ERROR:vmm/src/lib.rs:1 -- Migration failed: cannot connect: refused \nmore\n";
        assert_eq!(reason(log), "cannot connect: refused");
        assert!(reason("").contains("no reason"));
    }

    #[test]
    fn one_that_waits_has_no_machine_of_its_own() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let argv = folder.path().join("argv");
        assert!(!waits(&argv));
        for (words, expect) in [
            ("/usr/bin/cloud-hypervisor\n--api-socket\npath=/x\n", true),
            ("c\n--api-socket\npath=/x\n--kernel\n/k\n", false),
        ] {
            std::fs::write(&argv, words).expect("written");
            assert_eq!(waits(&argv), expect, "{words}");
        }
    }
}
