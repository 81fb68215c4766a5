//! Names of users and groups, as the system's own tools print them.

use std::collections::HashMap;
use std::ffi::{CStr, c_char};

/// Names that were asked for once.
#[derive(Default)]
pub(super) struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// Name of a user, or the number where it has none.
    pub(super) fn user(&mut self, id: u32) -> String {
        self.users.entry(id).or_insert_with(|| user_name(id).unwrap_or_else(|| id.to_string())).clone()
    }

    /// Name of a group, or the number where it has none.
    pub(super) fn group(&mut self, id: u32) -> String {
        self.groups.entry(id).or_insert_with(|| group_name(id).unwrap_or_else(|| id.to_string())).clone()
    }
}

/// Room for one entry; `getgrgid_r` needs it for all members of a group.
const ROOM: usize = 64 * 1024;

fn user_name(id: u32) -> Option<String> {
    let mut room: Vec<c_char> = vec![0; ROOM];
    // SAFETY: an all-zero passwd is a valid one to be filled; the room is as long as said; the name, where there
    // is one, lies in that room and ends with NUL.
    unsafe {
        let mut entry: libc::passwd = std::mem::zeroed();
        let mut found = std::ptr::null_mut();
        libc::getpwuid_r(id, &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut found);
        if found.is_null() { None } else { name(entry.pw_name) }
    }
}

fn group_name(id: u32) -> Option<String> {
    let mut room: Vec<c_char> = vec![0; ROOM];
    // SAFETY: as in `user_name`.
    unsafe {
        let mut entry: libc::group = std::mem::zeroed();
        let mut found = std::ptr::null_mut();
        libc::getgrgid_r(id, &raw mut entry, room.as_mut_ptr(), room.len(), &raw mut found);
        if found.is_null() { None } else { name(entry.gr_name) }
    }
}

/// # Safety
///
/// `text` is null or points to bytes that end with NUL.
unsafe fn name(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by this function's own condition.
    let name = crate::text::escape(unsafe { CStr::from_ptr(text) }.to_bytes());
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn numbers_without_a_name_stay_numbers() {
        let mut names = Names::default();
        assert_eq!((names.user(0), names.group(0)), ("root".to_owned(), "root".to_owned()));
        assert_eq!(
            (names.user(4_000_000_001), names.group(4_000_000_002)),
            ("4000000001".into(), "4000000002".into())
        );
    }
}
