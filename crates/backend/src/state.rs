//! Which operation is legal in which state. The one table: every backend obeys it, no caller repeats it.

use std::fmt;
use thiserror::Error;

/// Whether `operation` may be done to a machine in `state`.
#[must_use]
pub const fn legal(state: State, operation: Operation) -> bool {
    use State::{Defined, Failed, Gone, Paused, Running, Starting, Stuck};
    match operation {
        // Nothing of a VMM is there.
        Operation::Start | Operation::Delete => matches!(state, Defined | Failed | Gone),
        // A paused guest cannot answer the power button, and ending it unasked would lose its work.
        Operation::Stop => matches!(state, Running | Stuck),
        Operation::Kill => matches!(state, Running | Paused | Stuck),
        Operation::Pause => matches!(state, Running),
        Operation::Resume => matches!(state, Paused),
        Operation::Query => match state {
            Running | Paused => true,
            // Starting: the monitor serves one client, the one that starts. Stuck: it may not answer at all.
            Starting | Stuck | Defined | Failed | Gone => false,
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
    pub const ALL: [State; 7] = [
        State::Defined,
        State::Starting,
        State::Running,
        State::Paused,
        State::Stuck,
        State::Failed,
        State::Gone,
    ];

    /// Whether a VMM's process is there.
    #[must_use]
    pub const fn alive(self) -> bool {
        matches!(self, State::Starting | State::Running | State::Paused | State::Stuck)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Defined => "defined",
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
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
    /// Remove it from the state directory.
    Delete,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 7] = [
        Operation::Start,
        Operation::Stop,
        Operation::Kill,
        Operation::Pause,
        Operation::Resume,
        Operation::Query,
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
        for state in State::ALL {
            for operation in Operation::ALL {
                if !legal(state, operation) {
                    continue;
                }
                let wants_none = matches!(operation, Operation::Start | Operation::Delete);
                assert_eq!(state.alive(), !wants_none, "{operation} in {state}");
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
