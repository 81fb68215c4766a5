//! The user and group that a VMM runs as.

use nix::unistd::{Gid, Group, User, getegid, geteuid, getgrouplist};
use std::ffi::CString;
use std::io;
use thiserror::Error;
use vmwright_model::machine::Process;

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
    /// The group does not exist.
    #[error("no group `{0}` on this host")]
    UnknownGroup(String),
    /// Only root can become another user or group.
    #[error("only root can start a machine as `{0}`")]
    NotRoot(String),
    /// The user data base gave an error.
    #[error("cannot look up `{name}`")]
    LookUp {
        /// The user or group.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The account to change to; none where it is the caller's own.
pub(crate) fn account(process: &Process) -> Result<Option<Account>, AccountError> {
    let (own_user, own_group) = (geteuid(), getegid());
    let Some(name) = process.user.as_ref().or(process.group.as_ref()) else { return Ok(None) };
    let fail = |errno: nix::errno::Errno| AccountError::LookUp { name: name.clone(), source: errno.into() };
    let unknown = || AccountError::Unknown(name.clone());
    let user = match &process.user {
        Some(name) => User::from_name(name).map_err(fail)?.ok_or_else(unknown)?,
        None => User::from_uid(own_user)
            .map_err(fail)?
            .ok_or_else(|| AccountError::Unknown(own_user.to_string()))?,
    };
    let group = match &process.group {
        Some(name) => {
            let found = Group::from_name(name).map_err(fail)?;
            found.ok_or_else(|| AccountError::UnknownGroup(name.clone()))?.gid
        }
        None => user.gid,
    };
    if user.uid == own_user && (process.group.is_none() || group == own_group) {
        return Ok(None);
    }
    if !own_user.is_root() {
        return Err(AccountError::NotRoot(name.clone()));
    }
    let c_name = CString::new(user.name.as_str()).map_err(|_| unknown())?;
    let groups = getgrouplist(&c_name, group).map_err(fail)?;
    Ok(Some(Account {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: group.as_raw(),
        groups: groups.into_iter().map(Gid::as_raw).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(user: Option<&str>, group: Option<&str>) -> Process {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Process { user: owned(user), group: owned(group), ..Process::default() }
    }

    #[test]
    fn own_user_needs_no_change_and_unknown_is_told() {
        assert_eq!(account(&Process::default()).expect("none asked for"), None);
        let own = User::from_uid(geteuid()).expect("readable");
        if let Some(own) = own {
            assert_eq!(account(&by(Some(&own.name), None)).expect("own"), None);
        }
        let unknown = |user, group| account(&by(user, group)).expect_err("unknown").to_string();
        assert_eq!(unknown(Some("no-such-user-here"), None), "no user `no-such-user-here` on this host");
        assert_eq!(unknown(None, Some("no-such-group-here")), "no group `no-such-group-here` on this host");
    }

    #[test]
    fn nobody_has_its_groups_or_needs_root() {
        match account(&by(Some("nobody"), None)) {
            Ok(Some(nobody)) => {
                assert!(nobody.uid != 0 && nobody.groups.contains(&nobody.gid), "{nobody:?}");
                // Another group than the user's own, and one for root.
                let other =
                    account(&by(Some("nobody"), Some("daemon"))).expect("both exist").expect("another");
                assert!(other.uid == nobody.uid && other.gid != nobody.gid, "{other:?}");
                assert!(other.groups.contains(&other.gid), "{other:?}");
                let own = account(&by(None, Some("daemon"))).expect("it exists").expect("another group");
                assert_eq!((own.uid, own.gid), (0, other.gid));
            }
            Ok(None) => assert!(!rustix::process::geteuid().is_root()),
            Err(error) => assert!(matches!(error, AccountError::NotRoot(_)), "{error}"),
        }
    }
}
