//! Which operation is legal in which state. The one table: every backend obeys it, no caller repeats it.

use std::fmt;
use thiserror::Error;

/// Whether `operation` may be done to a machine in `state`.
#[must_use]
pub const fn legal(state: State, operation: Operation) -> bool {
    use State::{Defined, Failed, Gone, Paused, Receiving, Running, Starting, Stuck};
    match operation {
        // Nothing of a VMM is there. A disk that a VMM writes to is no ground to build a clone on.
        Operation::Start | Operation::Receive | Operation::Delete | Operation::Clone => {
            matches!(state, Defined | Failed | Gone)
        }
        // A paused guest cannot answer the power button, and ending it unasked would lose its work.
        Operation::Stop => matches!(state, Running | Stuck),
        Operation::Kill => matches!(state, Running | Paused | Stuck | Receiving),
        Operation::Pause => matches!(state, Running),
        Operation::Resume => matches!(state, Paused),
        // The guest itself has to act.
        Operation::Exec | Operation::Copy | Operation::Detach => matches!(state, Running),
        // Starting: the monitor serves one client, the one that starts. Stuck: it may not answer at all.
        Operation::Query
        | Operation::Console
        | Operation::Attach
        | Operation::Resize
        | Operation::Limit
        | Operation::Metadata
        | Operation::Migrate
        | Operation::Trace
        | Operation::Stats
        | Operation::Screenshot => matches!(state, Running | Paused),
        // With memory where a guest is there, of the disks alone where none is.
        Operation::Snapshot | Operation::Restore => match state {
            Defined | Failed | Gone | Running | Paused => true,
            Starting | Stuck | Receiving => false,
        },
    }
}

/// Where a machine can stand after a legal operation that succeeded. A failed one leaves it where it was, but for
/// a start, which ends in [`State::Failed`].
#[must_use]
pub const fn after(state: State, operation: Operation) -> &'static [State] {
    match operation {
        Operation::Start | Operation::Resume => &[State::Running],
        Operation::Pause => &[State::Paused],
        // What has gone to another host is here no more.
        Operation::Stop | Operation::Kill | Operation::Delete | Operation::Migrate => &[State::Defined],
        // It goes on as it was at its source.
        Operation::Receive => &[State::Running, State::Paused],
        // A snapshot with memory runs on; one of disks alone stays what it was.
        Operation::Restore => match state {
            State::Running | State::Paused => &[State::Running],
            _ => &[State::Defined],
        },
        _ => match state {
            State::Defined => &[State::Defined],
            State::Starting => &[State::Starting],
            State::Running => &[State::Running],
            State::Paused => &[State::Paused],
            State::Stuck => &[State::Stuck],
            State::Receiving => &[State::Receiving],
            State::Failed => &[State::Failed],
            State::Gone => &[State::Gone],
        },
    }
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It has a specification and no VMM; never started, or stopped by vmwright.
    Defined,
    /// A vmwright is starting or stopping it at this moment.
    Starting,
    /// The guest runs.
    Running,
    /// The guest stands still and can go on.
    Paused,
    /// The VMM waits for a guest that comes from elsewhere: another host, or a file.
    Receiving,
    /// The VMM lives, but the guest cannot go on (internal error, panic), or the monitor does not answer.
    Stuck,
    /// The last start failed; no VMM is left.
    Failed,
    /// The VMM has ended, and vmwright did not stop it: the guest powered off, it was killed, it crashed, or the
    /// host was restarted.
    Gone,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Defined,
        State::Starting,
        State::Running,
        State::Paused,
        State::Receiving,
        State::Stuck,
        State::Failed,
        State::Gone,
    ];

    /// Whether a VMM's process is there.
    #[must_use]
    pub const fn alive(self) -> bool {
        matches!(self, State::Starting | State::Running | State::Paused | State::Receiving | State::Stuck)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Defined => "defined",
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Receiving => "receiving",
            State::Stuck => "stuck",
            State::Failed => "failed",
            State::Gone => "gone",
        })
    }
}

/// What can be done to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Start it.
    Start,
    /// Stop it in order.
    Stop,
    /// Kill its VMM.
    Kill,
    /// Make the guest stand still.
    Pause,
    /// Let it go on.
    Resume,
    /// Ask its monitor or its agent.
    Query,
    /// Look at its console and type there.
    Console,
    /// Run a program in the guest.
    Exec,
    /// Copy a file into the guest or out of it.
    Copy,
    /// Keep its disks, and its memory where it has one, as they are now.
    Snapshot,
    /// Go back to what a snapshot kept.
    Restore,
    /// Make another machine of its disks.
    Clone,
    /// Plug a disk or a network interface.
    Attach,
    /// Unplug one.
    Detach,
    /// Change the size of a disk, the memory, or the number of virtual CPUs.
    Resize,
    /// Change what a device may move in a second.
    Limit,
    /// Read or change what its metadata service tells the guest.
    Metadata,
    /// Send it elsewhere.
    Migrate,
    /// Take it in from elsewhere.
    Receive,
    /// Follow what its VMM does.
    Trace,
    /// Count what it does.
    Stats,
    /// Take a picture of its screen.
    Screenshot,
    /// Remove it from the state directory.
    Delete,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 23] = [
        Operation::Start,
        Operation::Stop,
        Operation::Kill,
        Operation::Pause,
        Operation::Resume,
        Operation::Query,
        Operation::Console,
        Operation::Exec,
        Operation::Copy,
        Operation::Snapshot,
        Operation::Restore,
        Operation::Clone,
        Operation::Attach,
        Operation::Detach,
        Operation::Resize,
        Operation::Limit,
        Operation::Metadata,
        Operation::Migrate,
        Operation::Receive,
        Operation::Trace,
        Operation::Stats,
        Operation::Screenshot,
        Operation::Delete,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Start => "start",
            Operation::Stop => "stop in order",
            Operation::Kill => "kill",
            Operation::Pause => "pause",
            Operation::Resume => "resume",
            Operation::Query => "query",
            Operation::Console => "open the console of",
            Operation::Exec => "run a program in",
            Operation::Copy => "copy files of",
            Operation::Snapshot => "make a snapshot of",
            Operation::Restore => "restore a snapshot of",
            Operation::Clone => "clone",
            Operation::Attach => "attach a device to",
            Operation::Detach => "detach a device from",
            Operation::Resize => "resize",
            Operation::Limit => "limit a device of",
            Operation::Metadata => "use the metadata of",
            Operation::Migrate => "migrate",
            Operation::Receive => "receive",
            Operation::Trace => "trace",
            Operation::Stats => "count",
            Operation::Screenshot => "take a picture of",
            Operation::Delete => "delete",
        })
    }
}

/// An operation that the state forbids.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot {operation} machine `{machine}`: it is {state}{}", because(.why))]
pub struct Illegal {
    /// The machine.
    pub machine: String,
    /// What was asked.
    pub operation: Operation,
    /// Where it stands.
    pub state: State,
    /// What shows that; may be empty.
    pub why: String,
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}

/// Refuses what the table forbids.
pub(crate) fn allow(
    machine: &str,
    condition: &crate::Condition,
    operation: Operation,
) -> Result<(), Illegal> {
    if legal(condition.state, operation) {
        return Ok(());
    }
    Err(Illegal {
        machine: machine.to_owned(),
        operation,
        state: condition.state,
        why: condition.why.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_vmm_and_what_needs_none_never_meet() {
        use Operation::{Clone, Delete, Receive, Restore, Snapshot, Start};
        for state in State::ALL {
            for operation in Operation::ALL.into_iter().filter(|operation| legal(state, *operation)) {
                let (none, either) = ([Start, Receive, Delete, Clone], [Snapshot, Restore]);
                if !either.contains(&operation) {
                    assert_eq!(state.alive(), !none.contains(&operation), "{operation} in {state}");
                }
            }
        }
    }

    #[test]
    fn every_operation_is_legal_somewhere_and_listed_once() {
        let mut seen = std::collections::HashSet::new();
        for operation in Operation::ALL {
            assert!(State::ALL.iter().any(|state| legal(*state, operation)), "{operation}");
            assert!(seen.insert(operation) && seen.len() <= Operation::ALL.len());
        }
    }

    proptest::proptest! {
        /// Whatever legal operations follow one another, and whatever fails or is killed between them, the machine
        /// stands where something can be done with it, and from there it can be brought to an end.
        #[test]
        fn no_life_of_legal_operations_ends_in_a_dead_end(steps in proptest::collection::vec((0_usize..23, 0_usize..4), 0..60)) {
            let mut state = State::Defined;
            for (wanted, fate) in steps {
                let ways: Vec<Operation> =
                    Operation::ALL.into_iter().filter(|operation| legal(state, *operation)).collect();
                let operation = ways[wanted % ways.len()];
                let ends = after(state, operation);
                state = match fate {
                    0 if operation == Operation::Start || operation == Operation::Receive => State::Failed,
                    1 if state.alive() => State::Gone,
                    2 if state.alive() => State::Stuck,
                    3 if operation == Operation::Receive => State::Receiving,
                    _ => ends[wanted % ends.len()],
                };
                // A start or receive holds the lock while it lasts: nobody sees more than its end.
                assert_ne!(state, State::Starting);
                let can = |operation| legal(state, operation);
                assert_eq!(can(Operation::Kill), state.alive(), "{}", state);
                assert_eq!(can(Operation::Start) && can(Operation::Delete), !state.alive(), "{}", state);
            }
        }
    }

    #[test]
    fn a_machine_never_sticks_where_nothing_helps() {
        for state in State::ALL {
            let ways = Operation::ALL.iter().filter(|operation| legal(state, **operation)).count();
            // A start or stop ends by itself: it has a time limit.
            assert_eq!(ways == 0, state == State::Starting, "{state}");
            if state.alive() && state != State::Starting {
                assert!(legal(state, Operation::Kill), "{state}");
            }
        }
    }

    #[test]
    fn pause_and_resume_are_never_legal_together() {
        for state in State::ALL {
            assert!(!(legal(state, Operation::Pause) && legal(state, Operation::Resume)), "{state}");
        }
    }

    #[test]
    fn the_refusal_says_what_and_why() {
        let condition = crate::Condition::new(State::Stuck, "internal-error");
        let refused = allow("web", &condition, Operation::Pause).expect_err("the table forbids it");
        assert_eq!(refused.to_string(), "cannot pause machine `web`: it is stuck (internal-error)");
    }
}
