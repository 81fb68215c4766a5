//! Gives files that a program made their old bytes back.

use super::{Act, ActionError, World};
use crate::files::kept::{self, look};
use vmwright_model::Action;
use vmwright_model::plan::{Generator, Output};

/// See [`Action::Restore`].
pub(super) struct Restore<'a> {
    pub(super) generator: &'a Generator,
    pub(super) outputs: &'a [Output],
    pub(super) holds: &'a [String],
}

impl Restore<'_> {
    fn this(&self) -> Action {
        Action::Restore {
            generator: self.generator.clone(),
            outputs: self.outputs.to_vec(),
            holds: self.holds.to_vec(),
        }
    }
}

impl Act for Restore<'_> {
    /// Each file is as before, or as the program left it. Where a crash came before that was noted, nobody can tell
    /// what the program would have left, and any content is taken for its own.
    fn expect(&self, world: &World<'_>) -> Result<Action, ActionError> {
        let after = kept::after(world.state, &self.this())?;
        for (at, output) in self.outputs.iter().enumerate() {
            let found = look(&output.path)?;
            let left = after.as_ref().and_then(|after| after.get(at));
            let known = found == output.was
                || left.is_none_or(|left| found.as_ref().map(|found| &found.sha256) == left.as_ref());
            if !known {
                return Err(ActionError::Drift {
                    what: format!("content of {}", output.path),
                    expected: "as the program left it".to_owned(),
                    found: "another: somebody made it anew since".to_owned(),
                });
            }
            kept::is_kept(world.state, output)?;
        }
        Ok(Action::Regenerate {
            generator: self.generator.clone(),
            outputs: self.outputs.iter().map(|output| output.path.clone()).collect(),
            holds: self.holds.to_vec(),
        })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        self.outputs.iter().try_for_each(|output| kept::put_back(world.state, output))
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        for output in self.outputs {
            if look(&output.path)? != output.was {
                return Err(ActionError::Drift {
                    what: format!("content of {}", output.path),
                    expected: "the one from before".to_owned(),
                    found: "another".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn sweep(&self, world: &World<'_>) -> Result<(), ActionError> {
        for output in self.outputs {
            crate::files::sweep(&output.path)?;
        }
        kept::forget(world.state, &self.this(), self.outputs)
    }
}
