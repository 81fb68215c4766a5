//! Changes a path's label for SELinux.

use super::{Act, ActionError, World};
use crate::files::Handle;
use vmwright_model::Action;

/// Where the kernel keeps it, with a zero byte at its end.
const ATTRIBUTE: &str = "security.selinux";

/// See [`Action::FileLabel`].
pub(super) struct FileLabel<'a> {
    pub(super) path: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl FileLabel<'_> {
    fn with(&self, wanted: Option<&str>) -> Result<Handle, ActionError> {
        let handle = Handle::open(self.path)?;
        let found = handle.attribute(ATTRIBUTE)?;
        let found = found.map(|bytes| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned());
        if found.as_deref() == wanted {
            return Ok(handle);
        }
        let told =
            |label: Option<&str>| label.map_or("absent".to_owned(), |label| label.escape_debug().to_string());
        Err(ActionError::Drift {
            what: format!("the label of {}", self.path),
            expected: told(wanted),
            found: told(found.as_deref()),
        })
    }

    fn undo(&self) -> Action {
        let own = |label: Option<&str>| label.map(str::to_owned);
        Action::FileLabel { path: self.path.to_owned(), from: own(self.to), to: own(self.from) }
    }
}

impl Act for FileLabel<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.with(self.from)?.may_change()?;
        Ok(self.undo())
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let value = self.to.map(|label| format!("{label}\0").into_bytes());
        self.with(self.from)?.set_attribute(ATTRIBUTE, value.as_deref())
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        self.with(self.to).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{of, tests::nowhere};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_label_comes_back(before in prop::option::of("[a-z]{1,8}_u:[a-z]{1,8}_r:[a-z]{1,12}_t:s0"), kind in "[a-z]{1,12}_t") {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("x").to_str().expect("UTF-8").to_owned();
            std::fs::write(&path, "x").expect("written");
            let set = before.as_ref().map(|label| format!("{label}\0").into_bytes());
            if let Err(error) = Handle::open(&path).expect("there").set_attribute(ATTRIBUTE, set.as_deref())
                && set.is_some()
            {
                eprintln!("SKIPPED a_label_comes_back: {}", error.chain());
                return Ok(());
            }
            let to = Some(format!("system_u:object_r:{kind}:s0:c1,c2"));
            prop_assume!(to != before);
            let action = Action::FileLabel { path: path.clone(), from: before.clone(), to };
            nowhere(|world| {
                let undo = of(&action).expect(world).expect("as expected");
                match of(&action).perform(world, &undo) {
                    Err(ActionError::Attribute { .. }) if before.is_none() => {
                        eprintln!("SKIPPED a_label_comes_back: labels cannot be set here");
                        return Ok(());
                    }
                    done => done.expect("done"),
                }
                of(&action).verify(world).expect("it holds");
                let redo = of(&undo).expect(world).expect("as it was left");
                prop_assert_eq!(&redo, &action);
                of(&undo).perform(world, &redo).expect("undone");
                of(&undo).verify(world).expect("it holds");
                Ok(())
            })?;
            prop_assert_eq!(Handle::open(&path).expect("there").attribute(ATTRIBUTE).expect("readable"), set);
        }
    }
}
