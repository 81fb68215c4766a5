//! What opens an encrypted disk: keys in tables of the device mapper, recovery keys, keys for libguestfs.

use super::{Counts, Pattern, none, replace};

/// `dmsetup table --showkeys`; a key that lies in a keyring begins with a colon and is none.
static TABLE: Pattern = Pattern::new(r"\bcrypt[ \t]+[a-z0-9:_]+-[a-z0-9:_-]+[ \t]+(?P<secret>[^\s:]{16,})");
/// Of systemd-cryptenroll(1): eight groups of eight letters of modhex. Of BitLocker: eight groups of six digits.
static RECOVERY: Pattern = Pattern::new(
    r"\b(?P<secret>[cbdefghijklnrtuv]{8}(?:-[cbdefghijklnrtuv]{8}){7}|[0-9]{6}(?:-[0-9]{6}){7})\b",
);
static GUESTFS: Pattern = Pattern::new(r"--key[ \t=]+[^\s:]+:key:(?P<secret>\S+)");

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&TABLE, &RECOVERY, &GUESTFS], "disk-key", none, text, counts)
}
