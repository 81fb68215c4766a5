//! A libvirt daemon that a script has to itself, in a mount namespace of its own.

#![allow(dead_code, reason = "not every test uses all of it")]

use super::common::{Done, Site, done, has};
use std::process::Command;

/// Whether such a daemon can be here, with these programs besides; says why not.
pub(crate) fn can_run(test: &str, programs: &[&str]) -> bool {
    let all = ["libvirtd", "virsh", "unshare"].iter().chain(programs);
    if !all.into_iter().all(|program| has(test, program)) {
        return false;
    }
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED {test}: only root can mount something over the host's folders");
    }
    root
}

/// What a script of bash does and says. It has the daemon from its begin, `$VMWRIGHT`, and the site as `$SITE`; `say` tells the
/// words of a call before what it says. `spaces` are further namespaces, as options of unshare(1).
pub(crate) fn run(site: &Site, spaces: &[&str], script: &str) -> Done {
    let begin = concat!(
        include_str!("daemon.sh"),
        "say() { echo \"== $*\"; \"$VMWRIGHT\" \"$@\" || echo \"status $?\"; }\n"
    );
    let mut command = Command::new("unshare");
    command.arg("--mount").args(spaces).args(["--propagation", "private", "bash", "-ec"]);
    command.arg(format!("{begin}{script}"));
    command.env("VMWRIGHT", env!("CARGO_BIN_EXE_vmwright")).env("SITE", site.dir.path());
    command.env("VMWRIGHT_STATE", site.path("state")).env("VMWRIGHT_CONFIG", site.path("config"));
    done(command)
}

/// What was said behind a mark (`== words`), up to the next.
pub(crate) fn after<'a>(said: &'a str, mark: &str) -> &'a str {
    let from = said.find(&format!("== {mark}")).unwrap_or_else(|| panic!("no `{mark}` in {said}"));
    let text = &said[from + 3..];
    &text[..text.find("\n== ").unwrap_or(text.len())]
}
