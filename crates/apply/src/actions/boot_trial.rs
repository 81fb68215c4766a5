//! Has the boot loader boot the changed entry once, and an older one from then on; ends that.

use super::{Act, ActionError, World};
use crate::files::{self, Content, counted};
use vmwright_formats::grub_environment::{self, EnvironmentError};
use vmwright_model::Action;
use vmwright_model::plan::Trial;

/// Variables of GRUB's: the entry that it boots once, and whether it boots the one from before behind that.
const NEXT: &str = "next_entry";
const TRIAL: &str = "vmwright_trial";

/// See [`Action::BootTrial`].
pub(super) struct BootTrial<'a>(pub(super) &'a Trial);

impl Act for BootTrial<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        match self.0 {
            Trial::Grub { environment, .. } => {
                let block = Content::read(environment)?;
                block.may_replace()?;
                for name in [NEXT, TRIAL] {
                    must_be(&block, environment, name, &[None])?;
                }
            }
            Trial::Counted { entry } => counted::must_be_plain(entry)?,
        }
        Ok(Action::BootTrialEnd { trial: self.0.clone() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        match self.0 {
            Trial::Grub { environment, entry } => {
                write(environment, &[(NEXT, Some(entry)), (TRIAL, Some("1"))])
            }
            Trial::Counted { entry } => counted::begin(entry),
        }
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        match self.0 {
            Trial::Grub { environment, entry } => {
                let block = Content::read(environment)?;
                must_be(&block, environment, NEXT, &[Some(entry)])?;
                must_be(&block, environment, TRIAL, &[Some("1")])
            }
            Trial::Counted { entry } => counted::must_be_counted(entry),
        }
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        sweep(self.0)
    }
}

/// See [`Action::BootTrialEnd`].
pub(super) struct BootTrialEnd<'a>(pub(super) &'a Trial);

impl Act for BootTrialEnd<'_> {
    /// GRUB takes the entry out when it has booted it, and systemd-boot counts.
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        match self.0 {
            Trial::Grub { environment, entry } => {
                let block = Content::read(environment)?;
                block.may_replace()?;
                must_be(&block, environment, NEXT, &[Some(entry), None])?;
                must_be(&block, environment, TRIAL, &[Some("1")])?;
            }
            Trial::Counted { entry } => counted::must_be_counted(entry)?,
        }
        Ok(Action::BootTrial { trial: self.0.clone() })
    }

    fn perform(&self, world: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.expect(world)? != *undo {
            return Err(ActionError::OtherUndo);
        }
        match self.0 {
            Trial::Grub { environment, .. } => write(environment, &[(NEXT, None), (TRIAL, None)]),
            Trial::Counted { entry } => counted::end(entry),
        }
    }

    fn verify(&self, _: &World<'_>) -> Result<(), ActionError> {
        match self.0 {
            Trial::Grub { environment, .. } => {
                let block = Content::read(environment)?;
                must_be(&block, environment, NEXT, &[None])?;
                must_be(&block, environment, TRIAL, &[None])
            }
            Trial::Counted { entry } => counted::must_be_plain(entry),
        }
    }

    fn sweep(&self, _: &World<'_>) -> Result<(), ActionError> {
        sweep(self.0)
    }
}

fn must_be(block: &Content, path: &str, name: &str, good: &[Option<&str>]) -> Result<(), ActionError> {
    // GRUB takes a variable out by saving it without a value (`util/grub.d/00_header.in`), and takes that for none.
    let found = grub_environment::get(&block.text, name).filter(|value| !value.is_empty());
    if good.contains(&found) {
        return Ok(());
    }
    let told = |value: Option<&str>| match value {
        Some(value) => format!("`{}`", value.escape_debug()),
        None => "absent".to_owned(),
    };
    Err(ActionError::Drift {
        what: format!("`{name}` in {path}"),
        expected: good.iter().map(|value| told(*value)).collect::<Vec<_>>().join(" or "),
        found: told(found),
    })
}

fn write(path: &str, variables: &[(&str, Option<&str>)]) -> Result<(), ActionError> {
    let block = Content::read(path)?;
    let mut text = block.text.clone();
    for (name, value) in variables {
        text = grub_environment::set(&text, name, *value)
            .map_err(|source: EnvironmentError| ActionError::Environment { path: path.to_owned(), source })?;
    }
    block.replace(&text)
}

fn sweep(trial: &Trial) -> Result<(), ActionError> {
    match trial {
        Trial::Grub { environment, .. } => files::sweep(environment),
        Trial::Counted { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{of, tests::nowhere};
    use super::*;
    use proptest::prelude::*;

    fn there_and_back(trial: Trial, booted: impl Fn()) {
        let action = Action::BootTrial { trial };
        nowhere(|world| {
            let undo = of(&action).expect(world).expect("as expected");
            of(&action).perform(world, &undo).expect("done");
            of(&action).verify(world).expect("it holds");
            assert!(of(&action).expect(world).is_err(), "a second time it has drifted");
            booted();
            let redo = of(&undo).resume(world).expect("as it was left");
            assert_eq!(redo, action);
            of(&undo).perform(world, &redo).expect("undone");
            of(&undo).verify(world).expect("it holds");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_environment_block_comes_back_byte_for_byte(
            variables in prop::collection::btree_map("[a-z]{1,8}", "[ -~&&[^\\\\#]]{1,30}", 0..6),
            entry in "[a-z0-9>-]{1,40}", boots: bool,
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let path = dir.path().join("grubenv").to_str().expect("UTF-8").to_owned();
            let mut text = "# GRUB Environment Block\n".to_owned();
            for (name, value) in &variables {
                text.push_str(&format!("{name}={value}\n"));
            }
            let text = format!("{text:#<1024}");
            std::fs::write(&path, &text).expect("written");
            let chosen = entry.clone();
            there_and_back(Trial::Grub { environment: path.clone(), entry }, || {
                // As GRUB does when it boots the entry: it saves the variable without a value.
                if boots {
                    let block = std::fs::read_to_string(&path).expect("there");
                    let block = block.replacen(&format!("{NEXT}={chosen}\n"), &format!("{NEXT}=\n"), 1);
                    std::fs::write(&path, format!("{block:#<1024}")).expect("written");
                }
            });
            prop_assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
        }
    }

    #[test]
    fn an_entry_with_tries_gets_its_name_back() {
        // As systemd-boot renames it: not yet booted, booted once, and told that it is good.
        for booted in [None, Some("a-6.1+0-1.conf"), Some("a-6.1.conf")] {
            let dir = tempfile::tempdir().expect("a directory");
            let at = |name: &str| dir.path().join(name);
            let entry = at("a-6.1.conf").to_str().expect("UTF-8").to_owned();
            std::fs::write(&entry, "title a\n").expect("written");
            std::fs::write(at("a-6.10+2.conf"), "title another\n").expect("written");
            let action = Action::BootTrial { trial: Trial::Counted { entry: entry.clone() } };
            nowhere(|world| {
                let undo = of(&action).expect(world).expect("as expected");
                of(&action).perform(world, &undo).expect("done");
                of(&action).verify(world).expect("it holds");
                assert!(at("a-6.1+1.conf").is_file() && !at("a-6.1.conf").exists());
                if let Some(name) = booted {
                    std::fs::rename(at("a-6.1+1.conf"), at(name)).expect("renamed");
                }
                if of(&undo).verify(world).is_err() {
                    let redo = of(&undo).resume(world).expect("as it was left");
                    of(&undo).perform(world, &redo).expect("undone");
                }
                of(&undo).verify(world).expect("it holds");
            });
            assert_eq!(std::fs::read_to_string(&entry).expect("there"), "title a\n");
            assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 2);
        }
    }
}
