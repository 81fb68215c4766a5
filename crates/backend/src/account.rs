//! The user and group that a VMM runs as.

use crate::Stored;
use crate::sockets::hash;
use nix::unistd::{Gid, Group, User, getegid, geteuid, getgrouplist};
use std::ffi::CString;
use std::io;
use std::ops::Range;
use thiserror::Error;
use vmwright_model::machine::Process;

/// User and group ids of machines that root starts. They are nobody's: systemd's page "Users, Groups, UIDs and GIDs on
/// systemd Systems" gives out 524288 to 1879048191 to containers, and 2147352576 and above to foreign images.
const OWN: Range<u32> = 0x7000_0000..0x7ffe_0000;

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

/// The id of the user and the group that a machine's VMM runs its guest as, where root starts it and its specification
/// names nobody: this machine's alone, so that who takes over one VMM is nobody to the others. None where vmwright is not
/// root, or the specification says who it is.
///
/// # Errors
/// Why there is no such id.
pub(crate) fn own(machine: &Stored) -> Result<Option<u32>, &'static str> {
    let Process { user: None, group: None, .. } = machine.spec.process else { return Ok(None) };
    if !geteuid().is_root() {
        return Ok(None);
    }
    let span = u64::from(OWN.end - OWN.start);
    let id = OWN.start + u32::try_from(hash(&machine.state, &machine.name) % span).expect("below the span");
    let there = |map: &str| std::fs::read_to_string(map).is_ok_and(|map| is_mapped(&map, id));
    if there("/proc/self/uid_map") && there("/proc/self/gid_map") {
        Ok(Some(id))
    } else {
        Err("vmwright is root of a container whose user namespace has no ids for VMMs (/proc/self/uid_map)")
    }
}

/// Whether an id is one on this side of a user namespace (user_namespaces(7): `inside outside length` on each line).
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
        let (inside, _, length) = (numbers.next().flatten(), numbers.next(), numbers.next().flatten());
        let range = inside.zip(length).map(|(first, length)| first..first.saturating_add(length));
        range.is_some_and(|range| range.contains(&u64::from(id)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::MachineSpec;

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
    fn each_machine_of_root_is_a_user_of_its_own() {
        let machine =
            |name: &str| Stored { name: name.to_owned(), state: "/s".into(), spec: MachineSpec::named(name) };
        let (a, b) = (machine("a"), machine("b"));
        if let Ok(Some(id)) = own(&a) {
            assert!(OWN.contains(&id));
            assert_eq!(own(&a), own(&machine("a")), "each time the same");
            assert_ne!(own(&a), own(&b));
            assert_ne!(own(&a), own(&Stored { state: "/t".into(), ..a.clone() }));
        } else {
            assert!(
                !geteuid().is_root()
                    || !is_mapped(&std::fs::read_to_string("/proc/self/uid_map").unwrap(), OWN.start)
            );
        }
        let with = |change: fn(&mut MachineSpec)| {
            let mut machine = machine("a");
            change(&mut machine.spec);
            own(&machine)
        };
        assert_eq!(with(|spec| spec.process.user = Some("root".to_owned())), Ok(None));
        assert_eq!(with(|spec| spec.process.group = Some("daemon".to_owned())), Ok(None));
    }

    #[test]
    fn ids_of_a_user_namespace() {
        assert!(is_mapped("         0          0 4294967295\n", OWN.start));
        for (map, there) in
            [("0 100000 65536", false), ("0 1 10\n65536 9 4294901759\n", true), ("", false), ("0 x", false)]
        {
            assert_eq!(is_mapped(map, OWN.start), there, "{map}");
        }
        assert!(is_mapped("0 100000 65536", 65535) && !is_mapped("0 100000 65536", 65536));
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
