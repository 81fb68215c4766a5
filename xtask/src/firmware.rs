//! UEFI firmware for test guests.

use crate::apt;
use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use std::path::Path;

/// UEFI firmware with and without the keys of a secure boot: the host's own, or the package `ovmf` unpacked below
/// [`workspace::cache`]. Where it cannot be had that is said, and the tests that need it skip.
pub(crate) fn ensure() {
    let image = "usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
    let place = workspace::cache().join("firmware");
    if Path::new("/").join(image).exists() || place.join(image).exists() {
        return;
    }
    let step = Step::begin("fetching UEFI firmware for test guests");
    let got = apt::unpack(&place, &step, |apt, to| {
        Run::new(["apt-get", "download"]).args(apt.options()).args(["ovmf"]).dir(to).quiet(&step)
    });
    match got {
        Ok(()) => step.done(),
        Err(error) => step.failed(&error),
    };
}
