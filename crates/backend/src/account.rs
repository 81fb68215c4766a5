//! The user that a VMM runs as.

use nix::unistd::{Gid, User, getgrouplist};
use std::ffi::CString;
use std::io;
use thiserror::Error;

/// A user with the groups that a login would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: libc::uid_t,
    pub(crate) gid: libc::gid_t,
    pub(crate) groups: Vec<libc::gid_t>,
}

/// Why a VMM cannot run as a user.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The user does not exist.
    #[error("no user `{0}` on this host")]
    Unknown(String),
    /// Only root can become another user.
    #[error("only root can start a machine as user `{0}`")]
    NotRoot(String),
    /// The user data base gave an error.
    #[error("cannot look up user `{name}`")]
    LookUp {
        /// The user.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The account to change to; none where it is the caller's own.
pub(crate) fn account(name: Option<&str>) -> Result<Option<Account>, AccountError> {
    let Some(name) = name else { return Ok(None) };
    let fail =
        |errno: nix::errno::Errno| AccountError::LookUp { name: name.to_owned(), source: errno.into() };
    let user = User::from_name(name).map_err(fail)?.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
    let own = rustix::process::geteuid();
    if user.uid.as_raw() == own.as_raw() {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(AccountError::NotRoot(name.to_owned()));
    }
    let c_name = CString::new(name).map_err(|_| AccountError::Unknown(name.to_owned()))?;
    let groups = getgrouplist(&c_name, user.gid).map_err(fail)?;
    Ok(Some(Account {
        name: name.to_owned(),
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_user_needs_no_change_and_unknown_is_told() {
        assert_eq!(account(None).expect("none asked for"), None);
        let own = User::from_uid(nix::unistd::geteuid()).expect("readable");
        if let Some(own) = own {
            assert_eq!(account(Some(&own.name)).expect("own"), None);
        }
        let unknown = account(Some("no-such-user-here")).expect_err("unknown").to_string();
        assert_eq!(unknown, "no user `no-such-user-here` on this host");
    }

    #[test]
    fn nobody_has_its_groups_or_needs_root() {
        match account(Some("nobody")) {
            Ok(Some(nobody)) => assert!(nobody.uid != 0 && nobody.groups.contains(&nobody.gid), "{nobody:?}"),
            Ok(None) => assert!(!rustix::process::geteuid().is_root()),
            Err(error) => assert!(matches!(error, AccountError::NotRoot(_)), "{error}"),
        }
    }
}
