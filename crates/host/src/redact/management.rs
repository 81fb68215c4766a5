//! Passwords of management controllers, as ipmitool(1), racadm and the fence agents take them.

use super::{Counts, Pattern, none, replace};

static IPMITOOL: Pattern = Pattern::new(r"\bipmitool\b[^\n]*?[ \t]-P[ \t]*(?P<secret>\S+)", &["ipmitool"]);
static AGENT: Pattern = Pattern::new(
    r"\b(?:fence_[a-z0-9_]+|racadm)\b[^\n]*?[ \t]-p[ \t]*(?P<secret>\S+)",
    &["fence_", "racadm"],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&IPMITOOL, &AGENT], "management-password", none, text, counts)
}
