//! Access control lists of POSIX (acl(5)): as people write them, with numbers for users and groups, and as the kernel
//! keeps them in `system.posix_acl_access` (`include/uapi/linux/posix_acl_xattr.h`).

use std::fmt;
use thiserror::Error;

/// Version of the kernel's form.
const VERSION: u32 = 2;

/// The most entries: the kernel's own limit for the value of an attribute is 64 KiB.
const MOST: usize = 8190;

/// In the kernel's form, of an entry that is nobody's in particular.
const NOBODY: u32 = u32::MAX;

/// Whom an entry is for, in the order of the kernel's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The owner.
    Owner,
    /// A user, by number.
    User(u32),
    /// The group.
    OwningGroup,
    /// A group, by number.
    Group(u32),
    /// What users, groups and the owning group can have at most.
    Mask,
    /// Everybody else.
    Other,
}

/// A whole list, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl(Vec<(Who, u8)>);

/// Why something is no list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AclError {
    /// An entry that cannot be one.
    #[error("`{}` is no entry: `user:NUMBER:rwx` or the like", .0.escape_debug())]
    Entry(String),
    /// It stands twice.
    #[error("`{0}` stands twice")]
    Twice(String),
    /// Something has to be there.
    #[error("it has no `{0}`")]
    Lacks(&'static str),
    /// Too many entries, or bytes that are no list.
    #[error("it is no list of the kernel's")]
    Bytes,
}

impl Acl {
    /// Reads a list: `user::rw-,user:107:r--,group::r--,mask::r--,other::---`, in any order.
    ///
    /// # Errors
    /// [`AclError`].
    pub fn read(text: &str) -> Result<Self, AclError> {
        let entry = |entry: &str| -> Option<(Who, u8)> {
            let mut parts = entry.split(':');
            let (kind, whom, bits) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let number = || {
                let digits = !whom.is_empty() && whom.bytes().all(|byte| byte.is_ascii_digit());
                whom.parse::<u32>().ok().filter(|number| digits && *number != NOBODY)
            };
            let who = match (kind, whom) {
                ("user", "") => Who::Owner,
                ("group", "") => Who::OwningGroup,
                ("mask", "") => Who::Mask,
                ("other", "") => Who::Other,
                ("user", _) => Who::User(number()?),
                ("group", _) => Who::Group(number()?),
                _ => return None,
            };
            let &[r, w, x] = bits.as_bytes() else { return None };
            let bit = |byte: u8, letter: u8, value: u8| match byte {
                b'-' => Some(0),
                byte if byte == letter => Some(value),
                _ => None,
            };
            Some((who, bit(r, b'r', 4)? | bit(w, b'w', 2)? | bit(x, b'x', 1)?))
        };
        let wrong = |text: &str| AclError::Entry(text.chars().take(80).collect());
        let entries: Result<Vec<_>, _> =
            text.split(',').take(MOST + 1).map(|text| entry(text).ok_or_else(|| wrong(text))).collect();
        Self::of(entries?)
    }

    /// The list that says no more than permission bits.
    #[must_use]
    pub fn of_mode(mode: u32) -> Self {
        let bits = |shift: u32| u8::try_from(mode >> shift & 7).unwrap_or(0);
        Self(vec![(Who::Owner, bits(6)), (Who::OwningGroup, bits(3)), (Who::Other, bits(0))])
    }

    /// Reads the kernel's form.
    ///
    /// # Errors
    /// [`AclError`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, AclError> {
        let (version, rest) = bytes.split_at_checked(4).ok_or(AclError::Bytes)?;
        if version != VERSION.to_le_bytes() || rest.len() % 8 != 0 {
            return Err(AclError::Bytes);
        }
        let entry = |entry: &[u8]| -> Option<(Who, u8)> {
            let tag = u16::from_le_bytes(entry.get(..2)?.try_into().ok()?);
            let bits = u16::from_le_bytes(entry.get(2..4)?.try_into().ok()?);
            let id = u32::from_le_bytes(entry.get(4..)?.try_into().ok()?);
            let who = match tag {
                0x01 => Who::Owner,
                0x02 => Who::User(id),
                0x04 => Who::OwningGroup,
                0x08 => Who::Group(id),
                0x10 => Who::Mask,
                0x20 => Who::Other,
                _ => return None,
            };
            Some((who, u8::try_from(bits).ok().filter(|bits| *bits <= 7)?))
        };
        let entries: Option<Vec<_>> = rest.chunks_exact(8).take(MOST + 1).map(entry).collect();
        Self::of(entries.ok_or(AclError::Bytes)?)
    }

    /// The kernel's form.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        for (who, bits) in &self.0 {
            let (tag, id): (u16, u32) = match who {
                Who::Owner => (0x01, NOBODY),
                Who::User(id) => (0x02, *id),
                Who::OwningGroup => (0x04, NOBODY),
                Who::Group(id) => (0x08, *id),
                Who::Mask => (0x10, NOBODY),
                Who::Other => (0x20, NOBODY),
            };
            out.extend(tag.to_le_bytes());
            out.extend(u16::from(*bits).to_le_bytes());
            out.extend(id.to_le_bytes());
        }
        out
    }

    fn of(mut entries: Vec<(Who, u8)>) -> Result<Self, AclError> {
        if entries.len() > MOST {
            return Err(AclError::Bytes);
        }
        entries.sort_unstable();
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(AclError::Twice(shown(&pair[0])));
        }
        let has = |wanted: Who| entries.iter().any(|(who, _)| *who == wanted);
        let named = entries.iter().any(|(who, _)| matches!(who, Who::User(_) | Who::Group(_)));
        for (who, name) in [(Who::Owner, "user::"), (Who::OwningGroup, "group::"), (Who::Other, "other::")] {
            if !has(who) {
                return Err(AclError::Lacks(name));
            }
        }
        if named && !has(Who::Mask) {
            return Err(AclError::Lacks("mask::"));
        }
        Ok(Self(entries))
    }
}

fn shown((who, bits): &(Who, u8)) -> String {
    let bit = |value: u8, letter: char| if bits & value == 0 { '-' } else { letter };
    let bits: String = [bit(4, 'r'), bit(2, 'w'), bit(1, 'x')].iter().collect();
    match who {
        Who::Owner => format!("user::{bits}"),
        Who::User(id) => format!("user:{id}:{bits}"),
        Who::OwningGroup => format!("group::{bits}"),
        Who::Group(id) => format!("group:{id}:{bits}"),
        Who::Mask => format!("mask::{bits}"),
        Who::Other => format!("other::{bits}"),
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(shown).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_back_in_either_form() {
        let text = "user::rwx,user:107:r-x,group::r-x,group:0:--x,mask::r-x,other::---";
        let acl = Acl::read(text).expect("it is one");
        assert_eq!(acl.to_string(), text);
        assert_eq!(Acl::of_bytes(&acl.bytes()), Ok(acl.clone()));
        let other_order = "other::---,mask::r-x,user::rwx,group:0:--x,user:107:r-x,group::r-x";
        assert_eq!(Acl::read(other_order), Ok(acl));
        assert_eq!(Acl::of_mode(0o100_640).to_string(), "user::rw-,group::r--,other::---");
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (text, why) in [
            ("user::rw-,group::r--", "it has no `other::`"),
            ("user::rw-,user:7:r--,group::r--,other::---", "it has no `mask::`"),
            ("user::rw-,user::rw-,group::r--,other::---", "`user::rw-` stands twice"),
            ("user:root:rw-", "`user:root:rw-` is no entry: `user:NUMBER:rwx` or the like"),
            ("user::wr-", "`user::wr-` is no entry: `user:NUMBER:rwx` or the like"),
            ("user:4294967295:rw-", "`user:4294967295:rw-` is no entry: `user:NUMBER:rwx` or the like"),
            ("", "`` is no entry: `user:NUMBER:rwx` or the like"),
        ] {
            assert_eq!(Acl::read(text).expect_err(text).to_string(), why);
        }
        for bytes in [&b""[..], b"\x02\0\0\0\x01\0", b"\x03\0\0\0", b"\x02\0\0\0\x01\0\x09\0\xff\xff\xff\xff"]
        {
            assert!(Acl::of_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}
