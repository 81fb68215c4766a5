//! Makes, protects, releases and removes snapshots of images in Ceph pools, by `rbd`.

use super::{Act, ActionError, World, succeed};
use serde::Deserialize;
use vmwright_model::Action;
use vmwright_model::plan::RbdSnapshot as State;

/// See [`Action::RbdSnapshot`].
pub(super) struct RbdSnapshot<'a> {
    pub(super) image: &'a str,
    pub(super) snapshot: &'a str,
    pub(super) from: State,
    pub(super) to: State,
}

/// A snapshot as `rbd snap ls --format json` lists it; `protected` is a word there (Ceph, `src/tools/rbd/action/Snap.cc`).
#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    protected: String,
}

impl RbdSnapshot<'_> {
    fn name(&self) -> String {
        format!("{}@{}", self.image, self.snapshot)
    }

    fn found(&self, world: &World<'_>) -> Result<State, ActionError> {
        let said = succeed(world, "rbd", &["snap", "ls", "--format", "json", self.image])?;
        let listed: Vec<Listed> = serde_json::from_str(&said).map_err(|error| ActionError::Refused {
            program: format!("rbd snap ls {}", self.image),
            complaint: format!("what it printed is no list of snapshots: {error}"),
        })?;
        let found = listed.iter().find(|one| one.name == self.snapshot);
        Ok(found.map_or(State::Absent, |one| match one.protected.as_str() {
            "true" => State::Protected,
            _ => State::There,
        }))
    }

    fn drift(&self, wanted: &str, found: &str) -> ActionError {
        let what = format!("snapshot {}", self.name());
        ActionError::Drift { what, expected: wanted.to_owned(), found: found.to_owned() }
    }

    fn undo(&self) -> Action {
        let (image, snapshot) = (self.image.to_owned(), self.snapshot.to_owned());
        Action::RbdSnapshot { image, snapshot, from: self.to, to: self.from }
    }

    /// The state to begin with: as expected, or on the way between both ends, which is what an action that is taken back
    /// leaves where it is cut off.
    fn begin(&self, world: &World<'_>) -> Result<State, ActionError> {
        let found = self.found(world)?;
        let rank = |state| match state {
            State::Absent => 0,
            State::There => 1,
            State::Protected => 2,
        };
        let (low, high) = (rank(self.from).min(rank(self.to)), rank(self.from).max(rank(self.to)));
        let between = found != self.to && (low..=high).contains(&rank(found));
        if between { Ok(found) } else { Err(self.drift(told(self.from), told(found))) }
    }
}

fn told(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::There => "there, not protected",
        State::Protected => "protected",
    }
}

impl Act for RbdSnapshot<'_> {
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let found = self.found(world)?;
        if found != self.from {
            return Err(self.drift(told(self.from), told(found)));
        }
        if self.to == State::Absent {
            // One that is made anew is the same only where nothing was written since.
            let name = self.name();
            let words = ["diff", "--format", "json", "--from-snap", self.snapshot, self.image];
            let said = succeed(world, "rbd", &words)?;
            if said.trim() != "[]" {
                return Err(ActionError::Drift {
                    what: format!("what was written to {} since {name}", self.image),
                    expected: "nothing: the snapshot could not be made again".to_owned(),
                    found: "something".to_owned(),
                });
            }
        }
        Ok(self.undo())
    }

    fn resume(&self, world: &World<'_>) -> Result<Action, ActionError> {
        // What was made by the plan is taken back whatever the image holds by now.
        self.begin(world)?;
        Ok(self.undo())
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let mut found = self.begin(world)?;
        let name = self.name();
        let run = |verb: &str| succeed(world, "rbd", &["snap", verb, &name]).map(drop);
        while found != self.to {
            found = match (found, self.to) {
                (State::Absent, _) => run("create").map(|()| State::There)?,
                (State::There, State::Protected) => run("protect").map(|()| State::Protected)?,
                // Ceph itself refuses to release one that has clones.
                (State::Protected, _) => run("unprotect").map(|()| State::There)?,
                (State::There, _) => run("rm").map(|()| State::Absent)?,
            };
        }
        Ok(())
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        let found = self.found(world)?;
        if found == self.to { Ok(()) } else { Err(self.drift(told(self.to), told(found))) }
    }
}
