//! `known-flaws` of a host: whether published vulnerabilities of what runs VMs here concern it, by the rules of ANALYSIS.

use super::HostScope;
use crate::gates::{Judged, known_flaws};

pub(super) fn observe(scope: &HostScope<'_>) -> known_flaws::Observed {
    known_flaws::ask(scope.rules)
}

pub(super) fn judge(seen: &known_flaws::Observed) -> Judged {
    known_flaws::judge_rules(seen)
}
