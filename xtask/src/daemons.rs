//! Daemons that serve devices of test guests from outside of QEMU: directories (virtiofsd), and the socket between guest and
//! host (vhost-device-vsock). Where one cannot be had that is said, and the tests that need it skip.

use crate::apt::{self, Apt};
use crate::install;
use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::path::Path;

/// The one of rust-vmm, and the version whose command line the tests know.
const VSOCK: &str = "vhost-device-vsock";
const VSOCK_VERSION: &str = "0.3.0";

pub(crate) fn ensure() {
    let of_host =
        ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"].iter().any(|path| Path::new(path).exists());
    let place = workspace::cache().join("virtiofsd");
    if !of_host && install::find("virtiofsd").is_none() && !place.is_dir() {
        let step = Step::begin("fetching virtiofsd for test guests");
        let got = apt::unpack(&place, &step, |apt, to| download(apt, to, &step));
        told(step, got);
    }
    let place = workspace::cache().join("vsock");
    if install::find(VSOCK).is_none() && !place.join("bin").join(VSOCK).exists() {
        let step = Step::begin("building vhost-device-vsock for test guests");
        let cargo = workspace::cargo();
        let words = [cargo.as_str(), "install", VSOCK, "--version", VSOCK_VERSION, "--locked", "--root"];
        let got = Run::new(words).args([&place]).quiet(&step);
        told(step, got);
    }
}

fn told(step: Step, got: Result<()>) {
    match got {
        Ok(()) => step.done(),
        Err(error) => step.failed(&error),
    };
}

/// The package of newer releases, or QEMU's own daemon of a version that still had one.
fn download(apt: &Apt, to: &Path, step: &Step) -> Result<()> {
    let get = |package: &str| {
        Run::new(apt::ENVIRONMENT)
            .args(["apt-get", "download"])
            .args(apt.options())
            .args([package])
            .dir(to)
            .quiet(step)
    };
    if get("virtiofsd").is_ok() {
        return Ok(());
    }
    let known = Run::new(apt::ENVIRONMENT).args(["apt-cache", "madison"]).args(apt.options());
    let known = known.args(["qemu-system-common"]).text()?;
    let version = of_qemu(&known).context("neither virtiofsd nor a QEMU that brings one is to be had")?;
    get(&format!("qemu-system-common={version}"))
}

/// The first version below 8, which had it no more, of the lines `PACKAGE | VERSION | SOURCE` of `apt-cache madison`.
fn of_qemu(lines: &str) -> Option<&str> {
    let versions = lines.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let major = |version: &str| version.rsplit(':').next()?.split('.').next()?.parse::<u32>().ok();
    versions.into_iter().find(|version| major(version).is_some_and(|major| major < 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qemu_that_still_has_it() {
        let lines = "qemu-system-common | 1:10.0.2+ds-2~bpo12+1 | http://x bookworm-backports/main\n\
                     qemu-system-common | 1:7.2+dfsg-7+deb12u18 | http://x bookworm/main\n";
        assert_eq!(of_qemu(lines), Some("1:7.2+dfsg-7+deb12u18"));
        assert_eq!(of_qemu("qemu-system-common | 1:8.2.2 | http://x noble/main\n"), None);
        assert_eq!(of_qemu(""), None);
    }
}
