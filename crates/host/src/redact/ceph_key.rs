//! Keys of Ceph users, in keyrings and in the file names that QEMU takes (`rbd:pool/image:id=...:key=...`). They
//! begin with `AQ`: the type and the time of making, in base64.

use super::{Counts, Pattern, none, replace};

static KEY: Pattern = Pattern::new(r"\b(?P<secret>AQ[A-Za-z0-9+/]{30,}(?:\\?=){0,2})", &["aq"]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&KEY], "ceph-key", none, text, counts)
}
