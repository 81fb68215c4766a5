//! What opens an encrypted disk: keys in tables of the device mapper, recovery keys, keys for libguestfs.

use super::{Counts, Pattern, none, replace};

/// `dmsetup table --showkeys`; a key that lies in a keyring begins with a colon and is none.
static TABLE: Pattern =
    Pattern::new(r"\bcrypt[ \t]+[a-z0-9:_]+-[a-z0-9:_-]+[ \t]+(?P<secret>[^\s:]{16,})", &["crypt"]);
/// Of systemd-cryptenroll(1): eight groups of eight letters of modhex. Of BitLocker: eight groups of six digits.
static RECOVERY: Pattern = Pattern::new(
    r"\b(?P<secret>[cbdefghijklnrtuv]{8}(?:-[cbdefghijklnrtuv]{8}){7}|[0-9]{6}(?:-[0-9]{6}){7})\b",
    &[],
);
static GUESTFS: Pattern = Pattern::new(r"--key[ \t=]+[^\s:]+:key:(?P<secret>\S+)", &["--key"]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let (some, all) = ([&TABLE, &GUESTFS], [&TABLE, &RECOVERY, &GUESTFS]);
    replace(if has_groups(text) { &all } else { &some }, "disk-key", none, text, counts)
}

/// Whether two dashes have six or eight letters between them, as in a recovery key: no word tells that there can be one.
fn has_groups(text: &[u8]) -> bool {
    let dash = |at: usize| text.get(at) == Some(&b'-');
    memchr::memchr_iter(b'-', text).any(|at| dash(at + 7) || dash(at + 9))
}
