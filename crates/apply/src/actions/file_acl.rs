//! Changes a path's access control list.

use super::{Act, ActionError, World};
use crate::files::Handle;
use vmwright_formats::acl::{Acl, AclError};
use vmwright_model::Action;

/// Where the kernel keeps it.
const ATTRIBUTE: &str = "system.posix_acl_access";

/// See [`Action::FileAcl`].
pub(super) struct FileAcl<'a> {
    pub(super) path: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl FileAcl<'_> {
    fn with(&self, wanted: &str) -> Result<Handle, ActionError> {
        let handle = Handle::open(self.path)?;
        let found = match handle.attribute(ATTRIBUTE)? {
            Some(bytes) => Acl::of_bytes(&bytes).map_err(|error| self.wrong(&error))?,
            None => Acl::of_mode(handle.mode()),
        };
        if found.to_string() == wanted {
            return Ok(handle);
        }
        Err(ActionError::Drift {
            what: format!("who may access {}", self.path),
            expected: wanted.to_owned(),
            found: found.to_string(),
        })
    }

    fn undo(&self) -> Action {
        Action::FileAcl { path: self.path.to_owned(), from: self.to.to_owned(), to: self.from.to_owned() }
    }

    fn wrong(&self, error: &AclError) -> ActionError {
        ActionError::NotPermitted { path: self.path.to_owned(), why: format!("its list of access: {error}") }
    }
}

impl Act for FileAcl<'_> {
    fn expect(&self, _: &World<'_>) -> Result<Action, ActionError> {
        self.with(self.from)?.may_change()?;
        Ok(self.undo())
    }

    fn perform(&self, _: &World<'_>, undo: &Action) -> Result<(), ActionError> {
        if self.undo() != *undo {
            return Err(ActionError::OtherUndo);
        }
        let acl = Acl::read(self.to).map_err(|error| self.wrong(&error))?;
        // One that says no more than permission bits becomes those, and no list is left (`posix_acl_update_mode()`).
        self.with(self.from)?.set_attribute(ATTRIBUTE, Some(&acl.bytes()))
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
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn bits() -> impl Strategy<Value = String> {
        (0..8_u8).prop_map(|bits| Acl::of_mode(u32::from(bits) << 6).to_string()[6..9].to_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn who_may_access_a_file_comes_back(
            mode in 0..0o777_u32, user in bits(), group in bits(), mask in bits(), id in 1..70_000_u32, listed: bool,
        ) {
            let dir = tempfile::tempdir().expect("a directory");
            let place = dir.path().join("x");
            std::fs::write(&place, "x").expect("written");
            std::fs::set_permissions(&place, PermissionsExt::from_mode(mode)).expect("ours");
            let path = place.to_str().expect("UTF-8").to_owned();
            let plain = Acl::of_mode(mode).to_string();
            let with = |id: u32, bits: &str| {
                format!("user::rw-,user:{id}:{bits},group::{group},mask::{mask},other::---")
            };
            let action = |from: &str, to: &str| Action::FileAcl {
                path: path.clone(),
                from: from.to_owned(),
                to: to.to_owned(),
            };
            let mut from = plain.clone();
            if listed {
                let first = action(&plain, &with(id + 1, "r--"));
                let done = nowhere(|world| of(&first).perform(world, &action(&with(id + 1, "r--"), &plain)));
                match done {
                    Err(ActionError::Attribute { source, .. })
                        if source.raw_os_error() == Some(rustix::io::Errno::NOTSUP.raw_os_error()) =>
                    {
                        eprintln!("SKIPPED who_may_access_a_file_comes_back: no access lists on this file system");
                        return Ok(());
                    }
                    done => done.expect("ours"),
                }
                from = with(id + 1, "r--");
            }
            let before = std::fs::metadata(&place).expect("there").mode();
            let step = action(&from, &with(id, &user));
            nowhere(|world| {
                let undo = of(&step).expect(world).expect("as expected");
                of(&step).perform(world, &undo).expect("done");
                of(&step).verify(world).expect("it holds");
                prop_assert!(of(&step).expect(world).is_err(), "a second time it has drifted");
                let redo = of(&undo).expect(world).expect("as it was left");
                prop_assert_eq!(&redo, &step);
                of(&undo).perform(world, &redo).expect("undone");
                of(&undo).verify(world).expect("it holds");
                Ok(())
            })?;
            prop_assert_eq!(std::fs::metadata(&place).expect("there").mode(), before);
            let listed_now = Handle::open(&path).expect("there").attribute(ATTRIBUTE).expect("readable").is_some();
            prop_assert_eq!(listed_now, listed, "a list that was not there is gone");
        }
    }
}
