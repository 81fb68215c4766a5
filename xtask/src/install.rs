//! Programs that the tests and the demo call, and the packages that bring them.

use crate::apt::{self, Apt};
use crate::progress::Step;
use crate::run::Run;
use anyhow::{Context as _, Result, bail};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A program, and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
}

const fn wanted(program: &'static str, package: &'static str) -> Wanted {
    Wanted { program, package }
}

/// What is needed to make, start and look at VMs, to sign an approval, and to unpack a kernel.
pub(crate) const FOR_VMS: &[Wanted] = &[
    wanted("qemu-system-x86_64", "qemu-system-x86"),
    wanted("qemu-img", "qemu-utils"),
    wanted("ssh-keygen", "openssh-client"),
    wanted("ip", "iproute2"),
    wanted("unshare", "util-linux"),
    wanted("setpriv", "util-linux"),
    wanted("namei", "util-linux"),
    wanted("mount", "mount"),
];

/// What the tests of the reader ask, and trace it with. These packages bring libvirt's programs without a service that
/// runs them.
pub(crate) const FOR_TESTS: &[Wanted] = &[
    wanted("libvirtd", "libvirt-daemon"),
    // Without its driver for QEMU the daemon takes no connection.
    wanted("virt-qemu-run", "libvirt-daemon-driver-qemu"),
    wanted("virsh", "libvirt-clients"),
    wanted("nft", "nftables"),
    wanted("strace", "strace"),
    wanted("swtpm", "swtpm"),
    // The lab's image is made by it; an ordinary user has it work in a namespace.
    wanted("mmdebstrap", "mmdebstrap"),
    wanted("newuidmap", "uidmap"),
];

/// What builds the fuzz engine's own part, which is C++.
pub(crate) const FOR_FUZZING: &[Wanted] = &[wanted("c++", "g++")];

/// Installs what is missing. Where nothing is missing no package manager is asked, so this also works offline.
///
/// # Errors
/// Names the missing programs where they cannot be installed: no apt, no root and no sudo, or apt fails.
pub(crate) fn ensure(programs: &[Wanted]) -> Result<()> {
    let missing: Vec<Wanted> = programs.iter().copied().filter(|one| find(one.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = join(missing.iter().map(|one| one.program));
    let packages: Vec<&str> = unique(missing.iter().map(|one| one.package));
    let step = Step::begin(format!("installing {names}"));
    if find("apt-get").is_none() {
        bail!(
            "missing programs: {names}; install them with this system's package manager (on Debian and Ubuntu they \
             are in the packages {})",
            packages.join(", ")
        );
    }
    let sudo: &[&str] = match (is_root()?, find("sudo")) {
        (true, _) => &[],
        (false, Some(_)) => &["sudo"],
        (false, None) => bail!(
            "missing programs: {names}; run this as root or install sudo, or have the packages {} installed",
            packages.join(", ")
        ),
    };
    install(sudo, &packages, &step)
        .with_context(|| format!("cannot install the packages {}", packages.join(", ")))?;
    let still = join(programs.iter().map(|one| one.program).filter(|program| find(program).is_none()));
    if !still.is_empty() {
        bail!(
            "the packages {} are installed, but these programs are not to be found: {still}",
            packages.join(", ")
        );
    }
    step.done();
    Ok(())
}

/// Tries the machine's own package lists, then fresh lists, then fresh lists with the release's backports: a
/// machine that has one QEMU package from backports cannot have the others from the release itself.
fn install(sudo: &[&str], packages: &[&str], step: &Step) -> Result<()> {
    let plain = match install_with(sudo, &Apt::system(), None, packages, step) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    step.still("not with the package lists at hand; fetching fresh ones, for this call only");
    let fresh = Apt::fresh(sudo, step).with_context(|| format!("{plain:#}"))?;
    match (install_with(sudo, &fresh, None, packages, step), fresh.backports()) {
        (Err(error), Some(suite)) => {
            step.still(&format!("not from the release itself; trying {suite}"));
            install_with(sudo, &fresh, Some(suite), packages, step).with_context(|| format!("{error:#}"))
        }
        (result, _) => result,
    }
}

fn install_with(sudo: &[&str], apt: &Apt, from: Option<&str>, packages: &[&str], step: &Step) -> Result<()> {
    let mut words = sudo.to_vec();
    words.extend(apt::ENVIRONMENT);
    // Without --no-remove apt would settle a conflict by taking away what the user has.
    words.extend(["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove"]);
    let mut run = Run::new(words).args(apt.options());
    if let Some(suite) = from {
        run = run.args(["--target-release", suite]);
    }
    run.args(packages).quiet(step)
}

/// Where a program is. Ordinary users often lack the `sbin` folders in their path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let also = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(also).map(|dir| dir.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// Whether this program runs as root.
pub(crate) fn is_root() -> Result<bool> {
    // The kernel gives a process's folder to its effective user.
    Ok(std::fs::metadata("/proc/self").context("cannot read /proc/self")?.uid() == 0)
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut list: Vec<&str> = Vec::new();
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    list
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_executable_file_in_the_path() {
        assert!(find("sh").is_some());
        assert!(find("passwd-is-no-program").is_none());
        assert!(!is_program(Path::new("/etc/passwd")) && !is_program(Path::new("/etc")));
    }

    #[test]
    fn nothing_missing_asks_nobody() {
        // No package of this name exists, so this could only succeed without asking.
        ensure(&[wanted("sh", "a-package-that-does-not-exist")]).unwrap();
    }
}
