//! The write-ahead log of a run, as a crash may have left it.

use super::text;
use std::fs;
use vmwright_apply::log;
use vmwright_model::{Action, RunEvent, RunState};

pub(super) fn run(bytes: &[u8]) {
    let state = super::scratch();
    fs::create_dir(state.path().join("runs")).unwrap();
    fs::write(state.path().join("runs/20300101T000000Z-abc.jsonl"), bytes).unwrap();
    match log::read(state.path(), "20300101T000000Z-abc") {
        Ok(Some(read)) => assert!(!read.events.is_empty() && read.events.len() <= bytes.split(|b| *b == b'\n').count()),
        Ok(None) => {}
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}: {}", text(bytes)),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let text = str::to_owned;
    let events = [
        RunEvent::Began {
            plan: "0".repeat(64),
            host_id: "0".repeat(32),
            approved_by: text("tester"),
            at: text("2030-01-01T00:00:00Z"),
            assisted_by: text("Assisted-By: vmwright"),
        },
        RunEvent::Intent { step: 0, undo: Action::MachineStop { machine: text("web") } },
        RunEvent::Done { step: 0 },
        RunEvent::Ended { state: RunState::Applied },
    ];
    vec![events.iter().flat_map(|event| [serde_json::to_vec(event).unwrap(), b"\n".to_vec()].concat()).collect()]
}
