//! The machine `web` whose guest is our probe, under TCG: made, started and gone.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

use super::common::Site;
use super::support::Parts;
use serde_json::Value;
use std::path::PathBuf;

/// Its specification, with these parameters for the kernel. `more` begins with keys of the machine itself, if there are any.
pub(crate) fn specified(site: &Site, parts: &Parts, parameters: &str, more: &str) -> PathBuf {
    let initrd = site.file("initrd", &parts.initrd);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\ncpu.model = 'max'\nmemory.size = '192MiB'\nboot.kernel = '{}'\n\
         boot.initrd = '{}'\nboot.cmdline = 'console=ttyS0 no_timer_check panic=-1 {parameters}'\n{more}",
        parts.kernel.display(),
        initrd.display(),
    );
    site.file("web.toml", spec)
}

/// Makes it and starts it.
pub(crate) fn started(site: &Site, parts: &Parts, parameters: &str, more: &str) {
    let path = specified(site, parts, parameters, more);
    site.call(&["vm", "create", path.to_str().unwrap()]).ok();
    site.call(&["vm", "start", "web"]).ok();
}

/// Stops it and forgets it.
pub(crate) fn gone(site: &Site) {
    site.call(&["vm", "stop", "web", "--force"]).ok();
    site.call(&["vm", "delete", "web"]).ok();
}

/// Asserts that a gate fails for this reason.
#[track_caller]
pub(crate) fn fails(gate: &Value, why: &str) {
    assert!(gate["verdict"] == "fail" && gate["why"].as_str().unwrap().contains(why), "{why}: {gate:#}");
}
