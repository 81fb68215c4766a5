//! `fips` of a host: whether its kernel runs in the FIPS mode of its module.

use super::HostScope;
use crate::aspects::Aspects;
use crate::gates::fips::{self, Mode};
use crate::gates::{Judged, table};

/// What was seen: the mode, and the module's name and version.
pub(super) struct Observed {
    pub(super) mode: Mode,
    pub(super) module: String,
}

pub(super) fn observe(scope: &HostScope<'_>) -> Observed {
    let read = |path: &str| fips::of_host(scope.host, path);
    Observed { mode: read(fips::ENABLED), module: fips::module(&read) }
}

pub(super) fn judge(seen: &Observed) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("FIPS mode", &["kernel", "mode", "module"]);
    fips::one("host", &seen.mode, &seen.module, &mut aspects, &mut table);
    Judged { tables: vec![table], ..Judged::of(aspects, "") }
}
