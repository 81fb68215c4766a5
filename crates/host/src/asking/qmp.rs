//! QEMU's monitors, asked over QMP (`docs/interop/qmp-spec.rst` of QEMU): state, disks, jobs, migration, processors.
//!
//! A monitor obeys whoever connects, so four things keep this from being more than asking:
//!
//! - the words are [`QUESTIONS`], constants that begin with `query-`, behind the greeting's obligatory answer;
//! - the socket is one that the VMM's own command line names ([`sockets`]), it belongs to the VMM's user, and the process
//!   that listens on it is the VMM ([`monitor`]): nobody can send us to another daemon by a line in `ps`;
//! - a monitor serves one client at a time: one that is held by somebody, or that is libvirt's, is left alone;
//!   vmwright's own QEMUs have a second one, which is for this alone;
//! - a QEMU that waits for its first client, or that would drop descriptors behind its last one, is not asked.
//!
//! It runs in the [messenger](crate::sandbox::messenger), each VM in a thread that is confined to UNIX sockets.

pub(crate) mod monitor;
pub(crate) mod sockets;

use super::{Answer, Asks, Bounds};
use crate::processes::running;
use crate::sandbox::confinement;
use sockets::Machine;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::Missing;

/// The record that says why nothing could be asked, and what the others begin with.
pub(crate) const NAME: &str = "qmp";

/// What is asked, with its arguments. Each only tells (`qapi/*.json` of QEMU); one that a QEMU does not know is left out.
pub(crate) const QUESTIONS: &[(&str, Option<&str>)] = &[
    ("query-version", None),
    ("query-status", None),
    ("query-kvm", None),
    ("query-cpus-fast", None),
    ("query-hotpluggable-cpus", None),
    ("query-iothreads", None),
    ("query-memory-devices", None),
    ("query-balloon", None),
    ("query-sev", None),
    ("query-pci", None),
    ("query-chardev", None),
    ("query-migrate", None),
    ("query-migrate-capabilities", None),
    ("query-migrate-parameters", None),
    ("query-jobs", None),
    ("query-block-jobs", None),
    ("query-blockstats", None),
    ("query-block", None),
    ("query-named-block-nodes", Some("{\"flat\": true}")),
];

/// Most VMs that are asked.
const MOST: usize = 256;

/// How many VMs are asked at once.
const AT_ONCE: usize = 16;

/// How long one VM may take: a healthy one takes milliseconds for each question.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every socket that [`ask`] would connect to now. The command lines of VMMs change while nobody looks; what is asked is
/// looked for anew.
pub(crate) fn sockets() -> Vec<PathBuf> {
    machines().into_iter().flat_map(|machine| machine.sockets).map(|socket| socket.path).collect()
}

/// What is asked now, one VM's socket a line.
pub(crate) fn planned() -> Vec<String> {
    let line = |machine: &Machine| {
        let sockets = machine.sockets.iter().map(|socket| match &socket.not_asked {
            None => format!(
                "{}: QMP, queries alone, of VM {}",
                crate::root::escape_path(&socket.path),
                machine.name
            ),
            Some(why) => format!("not {}: {why}", crate::root::escape_path(&socket.path)),
        });
        sockets.collect::<Vec<_>>()
    };
    machines().iter().flat_map(line).collect()
}

/// Asks every QEMU that has a monitor to ask.
pub(super) fn ask(bounds: Bounds) -> Vec<Answer> {
    let deadline = Instant::now() + bounds.time;
    let machines = machines();
    if machines.is_empty() {
        return vec![(NAME.to_owned(), Err(Missing::Absent))];
    }
    let mut answers = Vec::new();
    for some in machines.chunks(AT_ONCE) {
        // Each has a thread of its own, which is confined for good and ends.
        let told = thread::scope(|scope| {
            let start = |machine| {
                let confined =
                    move || ask_confined(machine, bounds.bytes, deadline.min(Instant::now() + PATIENCE));
                (machine, thread::Builder::new().spawn_scoped(scope, confined))
            };
            let running: Vec<_> = some.iter().map(start).collect();
            let wait = |(machine, thread): (&Machine, std::io::Result<thread::ScopedJoinHandle<'_, _>>)| {
                let answers: Option<Vec<Answer>> = thread.ok().and_then(|thread| thread.join().ok());
                answers.unwrap_or_else(|| {
                    machine.untold(Missing::Failed("there is no thread to ask it".to_owned()))
                })
            };
            running.into_iter().flat_map(wait).collect::<Vec<_>>()
        });
        answers.extend(told);
    }
    answers
}

fn ask_confined(machine: &Machine, bytes: u64, deadline: Instant) -> Vec<Answer> {
    let confined = confinement(Asks::Qmp).map_err(|error| error.to_string());
    let confined = confined.and_then(|confined| confined.enter().map_err(|error| error.to_string()));
    if let Err(error) = confined {
        return machine.untold(Missing::Failed(format!("not asked: it cannot be confined: {error}")));
    }
    // The first monitor that answers tells all that another one would.
    let mut why = Missing::Absent;
    for socket in &machine.sockets {
        if let Some(reason) = &socket.not_asked {
            why = Missing::Failed(format!("not asked: {reason}"));
            continue;
        }
        match monitor::ask(machine, socket, bytes, deadline) {
            Ok(told) => {
                return told.into_iter().map(|(query, text)| (machine.record(query), text)).collect();
            }
            Err(reason) => why = reason,
        }
    }
    machine.untold(why)
}

/// The QEMUs that name a monitor which may be asked, each under a name of its own.
fn machines() -> Vec<Machine> {
    let mut names = BTreeSet::new();
    let mut found: Vec<Machine> = running().iter().filter_map(Machine::of).take(MOST).collect();
    for machine in &mut found {
        if !names.insert(machine.name.clone()) {
            machine.name = format!("{}-{}", machine.name, machine.pid);
        }
    }
    found
}

impl Machine {
    /// The name of a record.
    fn record(&self, query: &str) -> String {
        format!("{NAME}/{}/{query}", self.name)
    }

    /// Why nothing can be told, under the name of what matters most.
    fn untold(&self, why: Missing) -> Vec<Answer> {
        vec![(self.record("query-status"), Err(why))]
    }
}

#[cfg(test)]
mod tests {
    use super::QUESTIONS;

    #[test]
    fn every_question_only_asks() {
        for (question, arguments) in QUESTIONS {
            assert!(question.starts_with("query-"), "{question}");
            let parsed = arguments.map(serde_json::from_str::<serde_json::Value>);
            assert!(parsed.is_none_or(|arguments| arguments.unwrap().is_object()), "{question}");
        }
    }
}
