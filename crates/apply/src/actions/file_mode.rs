//! Changes a file's or directory's permission bits.

use super::{Act, ActionError, World};
use crate::files::Handle;
use vmwright_model::Action;

/// See [`Action::FileMode`].
pub(super) struct FileMode<'a> {
    pub(super) path: &'a str,
    pub(super) from: u32,
    pub(super) to: u32,
}

impl FileMode<'_> {
    fn with_mode(&self, mode: u32) -> Result<Handle, ActionError> {
        let handle = Handle::open(self.path)?;
        if handle.mode() == mode {
            return Ok(handle);
        }
        Err(ActionError::Drift {
            what: format!("the mode of {}", self.path),
            expected: format!("{mode:04o}"),
            found: format!("{:04o}", handle.mode()),
        })
    }

    fn undo(&self) -> Action {
        Action::FileMode { path: self.path.to_owned(), from: self.to, to: self.from }
    }
}

impl Act for FileMode<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.with_mode(self.from)?.may_change()?;
        Ok(self.undo())
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        // Compared and changed through one descriptor: what takes the path's place in between is not touched.
        self.with_mode(self.from)?.set_mode(self.to)
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.with_mode(self.to).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{of, tests::nowhere};
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_mode_taken_back_is_the_one_from_before(from in 0..=0o7777_u32, to in 0..=0o7777_u32, directory: bool) {
            let dir = tempfile::tempdir().expect("a directory");
            let place = dir.path().join("x");
            if directory {
                std::fs::create_dir(&place).expect("made");
            } else {
                std::fs::write(&place, "x").expect("written");
            }
            std::fs::set_permissions(&place, PermissionsExt::from_mode(from)).expect("ours");
            let mode = || std::fs::metadata(&place).expect("there").mode() & 0o7777;
            let action = Action::FileMode { path: place.to_str().expect("UTF-8").to_owned(), from, to };
            nowhere(|world| {
                let undo = of(&action).expect(world).expect("as expected");
                of(&action).perform(world, &undo).expect("done");
                of(&action).verify(world).expect("it holds");
                prop_assert_eq!(mode(), to);
                if from != to {
                    let again = of(&action).expect(world);
                    prop_assert!(matches!(again, Err(ActionError::Drift { .. })), "a second time it has drifted");
                }
                let redo = of(&undo).expect(world).expect("as it was left");
                prop_assert_eq!(&redo, &action);
                of(&undo).perform(world, &redo).expect("undone");
                of(&undo).verify(world).expect("it holds");
                Ok(())
            })?;
            let after = mode();
            // So that an ordinary user can remove it.
            std::fs::set_permissions(&place, PermissionsExt::from_mode(0o700)).expect("ours");
            prop_assert_eq!(after, from);
        }
    }
}
