//! Copies a file that the boot needs; takes the copy away.

use super::{Act, ActionError, World};
use crate::files::kept::{self, look};
use crate::files::{self, Free, Handle};
use vmwright_model::Action;
use vmwright_model::plan::Kept;

/// See [`Action::FileCopy`].
pub(super) struct FileCopy<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
}

impl FileCopy<'_> {
    fn this(&self) -> Action {
        Action::FileCopy { path: self.path.to_owned(), from: self.from.to_owned() }
    }
}

impl Act for FileCopy<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        Free::look(self.path)?;
        let found = look(self.from)?.ok_or_else(|| ActionError::Gone(self.from.to_owned()))?;
        kept::room_for(self.path, kept::length(self.from)?.unwrap_or(0))?;
        let (path, from) = (self.path.to_owned(), self.from.to_owned());
        Ok(Action::FileCopyRemove { path, from, sha256: found.sha256 })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        let Action::FileCopyRemove { sha256, .. } = undo else { return Err(ActionError::OtherUndo) };
        Free::look(self.path)?.create_filled(b"", None, |own| {
            let digest = kept::copied(self.from, own)?;
            if digest == *sha256 {
                return Ok(());
            }
            Err(ActionError::Drift {
                what: format!("content of {}", self.from),
                expected: "what was read a moment ago".to_owned(),
                found: "another: somebody wrote to it at the same time".to_owned(),
            })
        })?;
        // What it was copied from may be made anew later, and tells nothing then.
        kept::note_after(world.state, &self.this(), &[self.path.to_owned()])
    }

    fn verify(&self, world: &World<'_>) -> Result<(), ActionError> {
        let found = look(self.path)?.ok_or_else(|| ActionError::Gone(self.path.to_owned()))?;
        let made = kept::after(world.state, &self.this())?.and_then(|made| made.into_iter().next().flatten());
        if made.as_ref() == Some(&found.sha256) {
            return Ok(());
        }
        Err(ActionError::Drift {
            what: format!("content of {}", self.path),
            expected: format!("that of {} when it was copied", self.from),
            found: "another".to_owned(),
        })
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.path)
    }
}

/// See [`Action::FileCopyRemove`].
pub(super) struct FileCopyRemove<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) sha256: &'a str,
}

impl Act for FileCopyRemove<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        let Some(Kept { sha256, .. }) = look(self.path)? else {
            return Err(ActionError::Gone(self.path.to_owned()));
        };
        if sha256 != self.sha256 {
            return Err(ActionError::Drift {
                what: format!("content of {}", self.path),
                expected: format!("the one with SHA-256 {}", self.sha256),
                found: format!("another, with SHA-256 {sha256}"),
            });
        }
        Handle::open(self.path)?.may_change()?;
        Ok(Action::FileCopy { path: self.path.to_owned(), from: self.from.to_owned() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        let handle = Handle::open(self.path)?;
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        handle.remove()
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        Free::look(self.path).map(drop)
    }

    fn sweep(&self, world: &World<'_>) -> Result<(), ActionError> {
        files::sweep(self.path)?;
        let copy = Action::FileCopy { path: self.path.to_owned(), from: self.from.to_owned() };
        kept::forget(world.state, &copy, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::super::{of, tests::with_state};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_copy_is_whole_and_goes_again(bytes in prop::collection::vec(any::<u8>(), 1..5000), remade: bool) {
            let dir = tempfile::tempdir().expect("a directory");
            let at = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
            std::fs::write(at("initrd"), &bytes).expect("written");
            let action = Action::FileCopy { path: at("before"), from: at("initrd") };
            let state = tempfile::tempdir().expect("a directory");
            with_state(state.path(), |world| {
                let undo = of(&action).expect(world).expect("as expected");
                of(&action).perform(world, &undo).expect("done");
                of(&action).verify(world).expect("it holds");
                prop_assert_eq!(&std::fs::read(at("before")).expect("there"), &bytes);
                if remade {
                    std::fs::write(at("initrd"), "another").expect("written");
                }
                let redo = of(&undo).resume(world).expect("as it was left");
                of(&undo).perform(world, &redo).expect("undone");
                of(&undo).verify(world).expect("it holds");
                of(&undo).sweep(world).expect("nothing is in the way");
                prop_assert_eq!(std::fs::read_dir(state.path().join("kept")).expect("listed").count(), 0);
                Ok(())
            })?;
            prop_assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 1);
        }
    }
}
