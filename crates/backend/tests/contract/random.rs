//! Random lives of a machine, against a model of five lines: the table decides, nothing else does.

use crate::rig::{self, LONG, Place, Rig, eventually, rustix_pid};
use proptest::prelude::*;
use rustix::process::{Signal, kill_process};
use vmwright_backend::state::after;
use vmwright_backend::{ControlError, Operation, StartError, State, Stop, Stored, legal, store};

/// What happens to the machine.
#[derive(Debug, Clone, Copy)]
enum Event {
    Done(Operation),
    /// Its VMM is killed from outside.
    Killed,
    /// It is started by a backend whose VMM refuses.
    Refused,
}

fn event() -> impl Strategy<Value = Event> {
    // A start more often than others: most of what can happen needs a running machine.
    let operation = prop_oneof![
        3 => Just(Operation::Start),
        1 => Just(Operation::Stop),
        1 => Just(Operation::Kill),
        2 => Just(Operation::Pause),
        2 => Just(Operation::Resume),
        1 => Just(Operation::Delete),
    ];
    prop_oneof![8 => operation.prop_map(Event::Done), 1 => Just(Event::Killed), 1 => Just(Event::Refused)]
}

fn act(rig: &Rig, machine: &Stored, operation: Operation) -> Result<(), String> {
    let backend = &rig.backend;
    let control = |result: Result<(), ControlError>| match result {
        Err(ControlError::Illegal(illegal)) => Err(illegal.to_string()),
        other => other.map_err(|error| panic!("{error:?}")),
    };
    match operation {
        Operation::Start => match backend.start(machine) {
            Err(StartError::Illegal(illegal)) => Err(illegal.to_string()),
            other => other.map(drop).map_err(|error| panic!("{error:?}")),
        },
        Operation::Stop => control(backend.stop(machine, Stop::Orderly(LONG)).map(drop)),
        Operation::Kill => control(backend.stop(machine, Stop::Force).map(drop)),
        Operation::Pause | Operation::Resume => {
            control(rig.ask(machine, crate::cases::request(operation)).map(drop))
        }
        Operation::Delete => match store::delete(&machine.state, &machine.name) {
            Err(store::StoreError::Illegal(illegal)) => Err(illegal.to_string()),
            other => other.map_err(|error| panic!("{error:?}")),
        },
        other => panic!("{other} is not among the events"),
    }
}

fn live(events: &[Event]) -> Result<(), TestCaseError> {
    let rig = rig::fake();
    let place = Place::new();
    let machine = place.machine("");
    let specification = place.directory.path().join(format!("{}.toml", machine.name));
    let mut state = State::Defined;
    for event in events {
        match *event {
            Event::Done(operation) => {
                let done = act(&rig, &machine, operation);
                prop_assert_eq!(
                    done.is_ok(),
                    legal(state, operation),
                    "{} in {}: {:?}",
                    operation,
                    state,
                    done
                );
                if done.is_ok() {
                    [state] = after(state, operation).try_into().expect("one end");
                    if operation == Operation::Delete {
                        store::create(&place.state, &specification).expect("a good specification");
                    }
                }
            }
            Event::Killed if state.alive() => {
                let record = machine.process().expect("readable").expect("written");
                let pid = record.running.expect("a process").process.pid;
                kill_process(rustix_pid(pid), Signal::KILL).expect("it runs");
                eventually("its end is seen", || {
                    rig.backend.look(&machine).expect("told").state == State::Gone
                });
                state = State::Gone;
            }
            Event::Killed => {}
            Event::Refused => {
                let refused = (rig.refusing)(&machine.name).0.start(&machine);
                prop_assert!(refused.is_err());
                if legal(state, Operation::Start) {
                    state = State::Failed;
                }
            }
        }
        prop_assert_eq!(
            rig.backend.look(&machine).expect("it can be told").state,
            state,
            "after {:?}",
            event
        );
    }
    if state.alive() {
        rig.backend.stop(&machine, Stop::Force).expect("it runs");
    }
    place.assert_nothing_left(&[]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_decides(events in prop::collection::vec(event(), 1..14)) {
        live(&events)?;
    }
}
