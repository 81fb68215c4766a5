//! Finding a kernel that a test guest can boot, with the modules that it needs.

mod modules;

pub use modules::{MODULE_LIMIT, Module, ModulesError, modules_for};

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Modules without which a test guest has no disk, no network, no agent or no entropy.
pub const REQUIRED: &[&str] = &["virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_rng"];

/// Modules that are loaded where the kernel has them: the power button, devices of fuller machines, the variables of
/// UEFI, and what a machine without PCI and virtio-serial has instead of them.
pub const WELCOME: &[&str] = &[
    "button",
    "evdev",
    "virtio_balloon",
    "virtio_scsi",
    "sd_mod",
    "ahci",
    "nvme",
    "efivarfs",
    "virtio_mmio",
    "vmw_vsock_virtio_transport",
    "virtiofs",
];

/// A kernel that can be booted directly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The compressed image, `vmlinuz`.
    pub image: PathBuf,
    /// `lib/modules/<release>` of the same kernel; none where all that is needed is said to be built in.
    pub modules_dir: Option<PathBuf>,
}

impl Kernel {
    /// What goes into the initramfs: [`REQUIRED`] and those of [`WELCOME`] that this kernel has, in load order.
    ///
    /// # Errors
    /// When a required module is missing, or a file cannot be read or decompressed.
    pub fn guest_modules(&self) -> Result<Vec<Module>, ModulesError> {
        let Some(dir) = &self.modules_dir else { return Ok(Vec::new()) };
        modules::load(dir, REQUIRED, WELCOME)
    }
}

/// Where to look, in this order. Fill it with [`Places::of_this_machine`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// An image that somebody named; if it cannot serve, that is an error and nothing else is tried.
    pub image: Option<PathBuf>,
    /// Modules of that image, `lib/modules/<release>`; without it the image must have all drivers built in.
    pub modules: Option<PathBuf>,
    /// Root of the host that has `boot/vmlinuz-<release>` and `lib/modules/<release>`.
    pub host: PathBuf,
    /// Release of the host's running kernel, as `uname -r` says it.
    pub release: String,
    /// A directory where a kernel package was unpacked: `boot/vmlinuz-*`, `lib/modules/*`.
    pub unpacked: Option<PathBuf>,
}

impl Places {
    /// `VMWRIGHT_TEST_KERNEL` (an image) with `VMWRIGHT_TEST_MODULES` (its module directory), then the host's
    /// own kernel, then the package unpacked under `unpacked`.
    #[must_use]
    pub fn of_this_machine(unpacked: Option<&Path>) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            image: variable("VMWRIGHT_TEST_KERNEL"),
            modules: variable("VMWRIGHT_TEST_MODULES"),
            host: PathBuf::from("/"),
            release: rustix::system::uname().release().to_string_lossy().into_owned(),
            unpacked: unpacked.map(Path::to_owned),
        }
    }
}

/// No place had a kernel that a test guest can boot.
#[derive(Debug, thiserror::Error)]
#[error("no kernel for test guests: {}", tried.join("; "))]
pub struct NoKernel {
    /// Each place and what was wrong with it.
    pub tried: Vec<String>,
}

/// The first kernel of `places` that is a bootable image, can be read, and has every module of [`REQUIRED`].
///
/// # Errors
/// [`NoKernel`] tells what was wrong with each place.
pub fn find(places: &Places) -> Result<Kernel, NoKernel> {
    if let Some(image) = &places.image {
        let kernel = Kernel { image: image.clone(), modules_dir: places.modules.clone() };
        return check(&kernel).map(|()| kernel).map_err(|why| NoKernel { tried: vec![why] });
    }
    let mut tried = Vec::new();
    let mut candidates = vec![(places.host.clone(), places.release.clone())];
    if let Some(root) = &places.unpacked {
        match releases(root) {
            Ok(found) if found.is_empty() => {
                tried.push(format!("{}: no vmlinuz-*", root.join("boot").display()))
            }
            Ok(found) => candidates.extend(found.into_iter().map(|release| (root.clone(), release))),
            Err(error) => tried.push(format!("{}: {error}", root.join("boot").display())),
        }
    }
    for (root, release) in candidates {
        let kernel = Kernel {
            image: root.join(format!("boot/vmlinuz-{release}")),
            modules_dir: Some(root.join("lib/modules").join(&release)),
        };
        match check(&kernel) {
            Ok(()) => return Ok(kernel),
            Err(why) => tried.push(why),
        }
    }
    Err(NoKernel { tried })
}

/// Releases of the images in `root/boot`, newest name first.
fn releases(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("boot"))? {
        if let Some(release) = entry?.file_name().to_str().and_then(|name| name.strip_prefix("vmlinuz-")) {
            found.push(release.to_owned());
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

fn check(kernel: &Kernel) -> Result<(), String> {
    is_bootable(&kernel.image).map_err(|why| format!("{}: {why}", kernel.image.display()))?;
    match &kernel.modules_dir {
        Some(dir) => modules_for(dir, REQUIRED).map(drop).map_err(|error| describe(&error)),
        None => Ok(()),
    }
}

/// The whole chain of an error, as one line.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// An x86 image has `HdrS` at 0x202 (`Documentation/arch/x86/boot.rst`).
fn is_bootable(image: &Path) -> Result<(), String> {
    let meta = std::fs::metadata(image).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut magic = [0; 4];
    let read = || -> io::Result<[u8; 4]> {
        let mut file = File::open(image)?;
        file.seek(SeekFrom::Start(0x202))?;
        file.read_exact(&mut magic)?;
        Ok(magic)
    };
    match { read }() {
        Ok(magic) if &magic == b"HdrS" => Ok(()),
        Ok(_) => Err("not an x86 Linux image".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err("not an x86 Linux image".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::module;
    use std::fs;

    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 0x300];
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes
    }

    /// A host with one kernel whose required drivers are `builtin`, or else modules.
    fn host(root: &Path, release: &str, builtin: bool) {
        fs::create_dir_all(root.join("boot")).unwrap();
        fs::write(root.join(format!("boot/vmlinuz-{release}")), image()).unwrap();
        let dir = root.join("lib/modules").join(release);
        fs::create_dir_all(dir.join("kernel/drivers")).unwrap();
        let list: String = REQUIRED.iter().map(|name| format!("kernel/drivers/{name}.ko\n")).collect();
        fs::write(dir.join("modules.builtin"), if builtin { list } else { String::new() }).unwrap();
        if !builtin {
            for name in REQUIRED {
                fs::write(dir.join(format!("kernel/drivers/{name}.ko")), module(b"depends=\0")).unwrap();
            }
        }
    }

    #[test]
    fn the_hosts_own_kernel_comes_before_the_unpacked_one() {
        let temp = tempfile::tempdir().unwrap();
        let (own, unpacked) = (temp.path().join("own"), temp.path().join("unpacked"));
        host(&own, "6.1", true);
        host(&unpacked, "6.12", false);
        let mut places = Places {
            host: own.clone(),
            release: "6.1".to_owned(),
            unpacked: Some(unpacked.clone()),
            ..Places::default()
        };
        assert_eq!(find(&places).unwrap().image, own.join("boot/vmlinuz-6.1"));
        // The host runs a kernel of which it has no file.
        places.release = "6.18-own".to_owned();
        let kernel = find(&places).unwrap();
        assert_eq!(kernel.image, unpacked.join("boot/vmlinuz-6.12"));
        assert_eq!(kernel.guest_modules().unwrap().len(), REQUIRED.len());
    }

    #[test]
    fn a_named_image_is_used_or_refused_but_never_replaced() {
        let temp = tempfile::tempdir().unwrap();
        host(temp.path(), "6.1", true);
        let text = temp.path().join("text");
        fs::write(&text, "no kernel").unwrap();
        let places = Places {
            image: Some(text.clone()),
            host: temp.path().to_owned(),
            release: "6.1".to_owned(),
            ..Places::default()
        };
        let error = find(&places).unwrap_err().to_string();
        assert!(
            error.contains("not an x86 Linux image") && error.contains(text.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn every_place_that_failed_is_named() {
        let temp = tempfile::tempdir().unwrap();
        host(temp.path(), "6.1", true);
        fs::write(temp.path().join("lib/modules/6.1/modules.builtin"), "kernel/virtio_pci.ko\n").unwrap();
        let places = Places {
            host: temp.path().to_owned(),
            release: "6.1".to_owned(),
            unpacked: Some(temp.path().join("none")),
            ..Places::default()
        };
        let error = find(&places).unwrap_err();
        assert_eq!(error.tried.len(), 2);
        let text = error.to_string();
        assert!(text.contains("virtio_blk") && text.contains("none/boot"), "{text}");
    }
}
