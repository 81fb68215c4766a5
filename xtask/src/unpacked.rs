//! Programs that tests run and no machine gets installed for them: their packages start a service for everybody, or
//! change how the machine works. They are unpacked into a folder, which a test lays over `/usr` for its own processes.

use crate::apt::{self, Apt};
use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder for the tests.
pub(crate) const VARIABLE: &str = "VMWRIGHT_TEST_PROGRAMS";

/// A switch, a server that hosts are read through, another shell to read them with, and the older firewall tables.
const PACKAGES: [&str; 4] = ["openvswitch-switch", "openssh-server", "busybox", "iptables"];

/// What reads the files that set a host's network up, with the libraries that only it has, the FIDO authenticator of
/// OpenSSH's tests, and a boot loader. Their packages ask for a whole system besides, of which this needs nothing.
const ALONE: [&str; 7] =
    ["netplan.io", "libnetplan0", "network-manager", "libnm0", "openssh-tests", "grub-common", "grub-pc-bin"];

/// What was unpacked, in the folder itself: one of other packages is made anew.
const LIST: &str = "packages";

/// The folder, made where it is not there. None where the packages cannot be had, which is said: the tests that need
/// them skip then.
pub(crate) fn ensure() -> Option<PathBuf> {
    let place = workspace::cache().join("programs");
    let list = [&PACKAGES[..], &ALONE].concat().join("\n");
    if fs::read_to_string(place.join(LIST)).is_ok_and(|found| found == list) {
        return Some(place);
    }
    if !place.is_dir() || fs::remove_dir_all(&place).is_ok() {
        let step = Step::begin(format!("unpacking {} for tests", PACKAGES.join(", ")));
        let unpacked = apt::unpack(&place, &step, |apt, to| download(apt, to, &step));
        let noted = |()| fs::write(place.join(LIST), list).context("cannot note what was unpacked");
        if let Err(error) = unpacked.and_then(noted) {
            step.failed(&error);
            return None;
        }
        step.done();
    }
    Some(place)
}

/// Downloads the packages and what they need that is not installed.
fn download(apt: &Apt, to: &Path, step: &Step) -> Result<()> {
    let partial = to.join("partial");
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    Run::new(apt::ENVIRONMENT)
        .args(["apt-get", "install", "--download-only", "--yes", "--no-install-recommends"])
        .args(apt.options())
        // Nothing is installed, so that apt's lock is not needed, for which one must be root.
        .args(["-o", "Debug::NoLocking=1", "-o", &format!("Dir::Cache::archives={}", to.display())])
        .args(PACKAGES)
        .quiet(step)?;
    // Other releases call a library otherwise: the tests that need it say that they skip.
    let alone =
        Run::new(apt::ENVIRONMENT).args(["apt-get", "download"]).args(apt.options()).args(ALONE).dir(to);
    if let Err(error) = alone.quiet(step) {
        step.still(&format!("without {}: {error:#}", ALONE.join(", ")));
    }
    Ok(())
}
