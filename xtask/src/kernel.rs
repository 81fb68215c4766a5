//! A kernel for test guests.

use crate::apt::{self, Apt};
use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Drivers that a test guest cannot do without, as files of `lib/modules` or built in.
const DRIVERS: [&str; 4] = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_console"];

/// A kernel and its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// The compressed image, `vmlinuz`.
    pub(crate) image: PathBuf,
    /// `lib/modules/<release>`.
    pub(crate) modules: PathBuf,
}

/// The host's own kernel where it can be read and has the drivers, else the Debian cloud kernel: its package is
/// downloaded and unpacked below [`workspace::cache`], not installed. The next run finds it there.
///
/// # Errors
/// When neither can be had.
pub(crate) fn ensure() -> Result<Kernel> {
    let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let place = workspace::cache().join("kernel");
    if let Some(kernel) = kernel_below(Path::new("/"), running.trim()).or_else(|| unpacked(&place)) {
        return Ok(kernel);
    }
    let step = Step::begin("fetching a kernel for test guests");
    apt::unpack(&place, &step, |apt, to| download_package("cloud-", apt, to, &step)).context(
        "no kernel for test guests: the host's own in /boot and /lib/modules cannot be read or lacks virtio drivers, \
         and the Debian cloud kernel cannot be had",
    )?;
    let kernel = unpacked(&place).with_context(|| format!("{} has no usable kernel", place.display()))?;
    step.done();
    Ok(kernel)
}

/// A second kernel, with the driver of the VM generation id, for guests that are restored: Debian builds it into the cloud
/// kernel of Linux 6.12. It is unpacked below [`workspace::cache`]. Where it cannot be had that is said, and the test that
/// needs it skips.
pub(crate) fn ensure_with_generation_id() {
    let place = workspace::cache().join("kernel-vmgenid");
    if unpacked(&place).is_some() {
        return;
    }
    let step = Step::begin("fetching a kernel that knows when it was restored");
    match apt::unpack(&place, &step, |apt, to| download_package("6.12-cloud-", apt, to, &step)) {
        Ok(()) => step.done(),
        Err(error) => step.failed(&error),
    };
}

/// A third kernel, for guests with sound cards, watchdogs and USB: Debian's for all machines, as the cloud's has drivers of none.
/// Where it cannot be had that is said, and the test that needs it skips.
pub(crate) fn ensure_with_devices() {
    let place = workspace::cache().join("kernel-devices");
    if unpacked(&place).is_some() {
        return;
    }
    let step = Step::begin("fetching a kernel for guests with more devices");
    match apt::unpack(&place, &step, |apt, to| download_package("", apt, to, &step)) {
        Ok(()) => step.done(),
        Err(error) => step.failed(&error),
    };
}

/// Downloads the package that the meta package of a flavour of the kernel (`cloud-`) stands for at present.
fn download_package(flavour: &str, apt: &Apt, to: &Path, step: &Step) -> Result<()> {
    let arch = Run::new(["dpkg", "--print-architecture"]).text()?;
    let meta = format!("linux-image-{flavour}{}", arch.trim());
    let policy =
        Run::new(["env", "LC_ALL=C", "apt-cache", "policy"]).args(apt.options()).args([&meta]).text()?;
    let version = candidate(&policy).with_context(|| format!("apt knows no package {meta}"))?;
    let stanza = Run::new(["env", "LC_ALL=C", "apt-cache", "show"])
        .args(apt.options())
        .args([format!("{meta}={version}")])
        .text()?;
    let package =
        image_package(&stanza).with_context(|| format!("{meta} {version} names no kernel package"))?;
    step.still(&format!("downloading {package}"));
    Run::new(["apt-get", "download"]).args(apt.options()).args([package]).dir(to).quiet(step)
}

/// The version that `apt-cache policy` would install.
fn candidate(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (version != "(none)").then_some(version)
}

/// The kernel package in the `Depends` of its meta package.
fn image_package(stanza: &str) -> Option<&str> {
    let depends = stanza.lines().find_map(|line| line.strip_prefix("Depends:"))?;
    depends
        .split([',', '|'])
        .filter_map(|one| one.split_whitespace().next())
        .find(|name| name.starts_with("linux-image-"))
}

/// The newest usable kernel of an unpacked package.
fn unpacked(place: &Path) -> Option<Kernel> {
    let mut releases: Vec<String> = fs::read_dir(place.join("lib/modules"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    releases.sort();
    releases.iter().rev().find_map(|release| kernel_below(place, release))
}

fn kernel_below(root: &Path, release: &str) -> Option<Kernel> {
    let image = root.join(format!("boot/vmlinuz-{release}"));
    let modules = root.join("lib/modules").join(release);
    let usable = !release.is_empty() && File::open(&image).is_ok() && has_drivers(&modules);
    usable.then_some(Kernel { image, modules })
}

fn has_drivers(modules: &Path) -> bool {
    let builtin = fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    let mut found: Vec<String> = builtin.lines().map(ToOwned::to_owned).collect();
    let mut open = vec![modules.join("kernel/drivers")];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => found.push(entry.path().display().to_string()),
            }
        }
    }
    // Distributions compress modules in different ways: `virtio_net.ko`, `.ko.xz`, `.ko.zst`.
    DRIVERS.iter().all(|name| found.iter().any(|path| path.contains(&format!("/{name}.ko"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_package_is_read_from_its_meta_package() {
        let policy =
            "linux-image-cloud-amd64:\n  Installed: (none)\n  Candidate: 6.1.170-1\n  Version table:\n";
        assert_eq!(candidate(policy), Some("6.1.170-1"));
        assert_eq!(candidate("x:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate(""), None);
        let stanza =
            "Package: linux-image-cloud-amd64\nDepends: linux-image-6.1.0-50-cloud-amd64 (= 6.1.170-1)\n";
        assert_eq!(image_package(stanza), Some("linux-image-6.1.0-50-cloud-amd64"));
        assert_eq!(image_package("Package: x\nDepends: libc6\n"), None);
    }

    #[test]
    fn a_kernel_without_its_drivers_does_not_serve() {
        let root = tempfile::tempdir().unwrap();
        let modules = root.path().join("lib/modules/1.0/kernel/drivers/virtio");
        fs::create_dir_all(&modules).unwrap();
        fs::create_dir_all(root.path().join("boot")).unwrap();
        fs::write(root.path().join("boot/vmlinuz-1.0"), "x").unwrap();
        assert_eq!(unpacked(root.path()), None);
        fs::write(
            root.path().join("lib/modules/1.0/modules.builtin"),
            "kernel/drivers/virtio/virtio_pci.ko\n",
        )
        .unwrap();
        for name in ["virtio_blk.ko", "virtio_net.ko.xz", "virtio_console.ko.zst"] {
            assert_eq!(unpacked(root.path()), None);
            fs::write(modules.join(name), "x").unwrap();
        }
        assert_eq!(unpacked(root.path()).unwrap().image, root.path().join("boot/vmlinuz-1.0"));
        fs::remove_file(root.path().join("boot/vmlinuz-1.0")).unwrap();
        assert_eq!(unpacked(root.path()), None);
    }
}
