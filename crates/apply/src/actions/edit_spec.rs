//! Replaces one value in a machine's specification.

use super::ActionError;
use super::edited::Edit;
use vmwright_formats::machine_spec::{EditError, set_value};

/// See [`Action::EditSpec`].
pub(super) struct EditSpec<'a> {
    pub(super) path: &'a str,
    pub(super) key: &'a str,
    pub(super) from: Option<&'a str>,
    pub(super) to: Option<&'a str>,
}

impl Edit for EditSpec<'_> {
    fn path(&self) -> &str {
        self.path
    }

    fn edited(&self, text: &str) -> Result<String, ActionError> {
        set_value(text, self.key, self.from, self.to).map_err(|error| self.error(error))
    }

    fn holds(&self, text: &str) -> Result<(), ActionError> {
        // Setting a value to itself succeeds exactly where it stands there.
        set_value(text, self.key, self.to, self.to).map(|_| ()).map_err(|error| self.error(error))
    }
}

impl EditSpec<'_> {
    fn error(&self, error: EditError) -> ActionError {
        match error {
            EditError::Drift { key, found, expected } => {
                ActionError::Drift { what: format!("`{key}` in {}", self.path), expected, found }
            }
            source => ActionError::Spec { path: self.path.to_owned(), source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ActionError, of, tests::nowhere};
    use proptest::prelude::*;
    use vmwright_model::Action;
    use vmwright_plan::canonical::sha256;

    const KEYS: [&str; 6] = ["name", "agent", "cpu.model", "cpu.count", "memory.size", "boot.cmdline"];
    const VALUES: [&str; 5] = ["\"a # b\"", "'x'", "17", "true", "[ 1, 2 ]"];

    /// A specification as a person may have written it: any of the keys, comments, blanks, either line end.
    fn specs() -> impl Strategy<Value = (String, Vec<Option<&'static str>>)> {
        let values = prop::collection::vec(prop::option::of(prop::sample::select(&VALUES[..])), KEYS.len());
        let noise = prop::collection::vec(
            prop::sample::select(&["", "# why\n", "\n\n", "  # \u{e9}\n"][..]),
            KEYS.len(),
        );
        (values, noise, any::<bool>(), any::<bool>()).prop_map(|(values, noise, crlf, comment)| {
            let mut text = String::new();
            let mut table = "";
            for ((key, value), noise) in KEYS.iter().zip(&values).zip(noise) {
                text.push_str(noise);
                let (above, last) = key.rsplit_once('.').unwrap_or(("", key));
                let Some(value) = value else { continue };
                if above != table {
                    text.push_str(&format!("[{above}]\n"));
                    table = above;
                }
                text.push_str(&format!("{last}  =   {value}{}\n", if comment { "  # note" } else { "" }));
            }
            (if crlf { text.replace('\n', "\r\n") } else { text }, values)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn edits_taken_back_leave_every_byte_as_it_was(
            (text, mut values) in specs(),
            edits in prop::collection::vec((0..KEYS.len(), prop::option::of(prop::sample::select(&VALUES[..]))), 1..5),
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("m.toml").to_str().expect("UTF-8").to_owned();
            std::fs::write(&path, &text).expect("written");
            let mut undos = Vec::new();
            nowhere(|world| {
                for (at, to) in edits {
                    let from = values[at];
                    let action = Action::EditSpec {
                        path: path.clone(),
                        key: KEYS[at].to_owned(),
                        from: from.map(str::to_owned),
                        to: to.map(str::to_owned),
                    };
                    let undo = of(&action).expect(world).expect("it stands there");
                    of(&action).perform(world, &undo).expect("done");
                    of(&action).verify(world).expect("it holds");
                    prop_assert!(of(&undo).verify(world).is_err() || from == to || undo_changes_nothing(&undo));
                    values[at] = to;
                    undos.push(undo);
                }
                for undo in undos.iter().rev() {
                    let redo = of(undo).expect(world).expect("as it was left");
                    of(undo).perform(world, &redo).expect("undone");
                    of(undo).verify(world).expect("it holds");
                }
                Ok(())
            })?;
            prop_assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
    }

    fn undo_changes_nothing(undo: &Action) -> bool {
        matches!(undo, Action::FileWrite { from_sha256, text, .. } if sha256(text.as_bytes()) == *from_sha256)
    }

    #[test]
    fn a_file_changed_after_the_announcement_is_not_edited() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("m.toml").to_str().expect("UTF-8").to_owned();
        std::fs::write(&path, "a = 1\nb = 2\n").expect("written");
        let action = Action::EditSpec {
            path: path.clone(),
            key: "a".into(),
            from: Some("1".into()),
            to: Some("3".into()),
        };
        nowhere(|world| {
            let undo = of(&action).expect(world).expect("it stands there");
            // The value still stands, but the recorded text would put the other one back.
            std::fs::write(&path, "a = 1\nb = 9\n").expect("written");
            assert!(matches!(of(&action).perform(world, &undo), Err(ActionError::Drift { .. })));
        });
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "a = 1\nb = 9\n");
    }
}
