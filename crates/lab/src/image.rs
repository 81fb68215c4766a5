//! The image that all labs begin with: a Debian with what a hypervisor host has, on a disk that a BIOS boots. Made once
//! with Debian's own tools and without root, where the user may have other users in a namespace.

use crate::{LabError, mbr, run};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use vmwright_backend::{Told, Watch};

/// Debian's release in a lab. Its kernel, QEMU and libvirt are those that the rules were first written for.
pub const SUITE: &str = "bookworm";
/// Bytes of the system's disk. It is sparse: an image takes about a third of it.
const DISK: u64 = 6 << 30;
/// The packages, one a line.
const PACKAGES: &str = include_str!("../recipe/packages.txt");
/// Run in the new tree before all packages but the essential ones.
const ESSENTIAL: &str = include_str!("../recipe/essential.sh");
/// Run in the new tree at the end.
const CUSTOMIZE: &str = include_str!("../recipe/customize.sh");
/// Makes a disk of a tree: `$1` the folder of the work, `$2` where the file system begins, `$3` its size in KiB. The tree
/// belongs to root, and so it does on the disk: with root's rights, or where others stand for root and its users.
const PACK: &str = r#"
cd "$1"
mkdir tree
tar -C tree --numeric-owner -xpf tree.tar --exclude='./dev/*'
cp tree/boot/grub/i386-pc/boot.img tree/boot/grub/core.img .
mke2fs -q -F -t ext4 -L lab-root -O ^metadata_csum,^64bit -E "offset=$2,lazy_itable_init=1,nodiscard" -d tree disk.img "$3k"
rm -rf tree tree.tar
"#;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of its recipe.
    pub id: String,
    /// The disk, raw.
    pub disk: PathBuf,
}

/// The image of this program's recipe below `images`: made where it is not there. `mirror` is where packages come from,
/// and no part of what the image is.
///
/// # Errors
/// [`LabError`]; nothing is left of an image that could not be made.
pub fn ensure(images: &Path, mirror: Option<&str>, watch: &mut dyn Watch) -> Result<Image, LabError> {
    let id = id();
    let place = images.join(&id);
    let image = Image { disk: place.join("disk.img"), id };
    if image.disk.is_file() {
        return Ok(image);
    }
    let work = images.join(format!(".new-{}", std::process::id()));
    fs::create_dir_all(&work).map_err(LabError::file("make", &work))?;
    let made = make(&work, mirror, watch)
        .and_then(|()| fs::rename(&work, &place).map_err(LabError::file("make", &place)));
    if let Err(error) = made {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&work);
        return Err(error);
    }
    Ok(image)
}

/// Digest of everything that decides what is on the disk, but for what Debian has changed in a package since.
fn id() -> String {
    let mut digest = Sha256::new();
    for part in [SUITE, PACKAGES, ESSENTIAL, CUSTOMIZE, PACK, &DISK.to_string()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn make(work: &Path, mirror: Option<&str>, watch: &mut dyn Watch) -> Result<(), LabError> {
    let mmdebstrap = run::find("mmdebstrap", "makes the lab's system of Debian's packages", "mmdebstrap")?;
    run::find("mke2fs", "makes its file system", "e2fsprogs")?;
    let root = rustix::process::geteuid().is_root();
    if !root {
        run::find(
            "newuidmap",
            "lets an ordinary user make files that belong to others, in a namespace",
            "uidmap",
        )?;
    }
    watch.tell(Told::Note(format!("making the lab's image of Debian {SUITE}: once, some minutes")));
    let mut command = Command::new(mmdebstrap);
    command.args(["--variant=apt", "--mode", if root { "root" } else { "unshare" }, "--format=tar"]);
    command.arg(format!("--include={}", packages().join(",")));
    command.args([
        "--aptopt=Acquire::Languages \"none\"",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        // What no lab has, half of the kernel's package.
        "--dpkgopt=path-exclude=/lib/modules/*/kernel/drivers/gpu/*",
        "--dpkgopt=path-exclude=/lib/modules/*/kernel/drivers/media/*",
        "--dpkgopt=path-exclude=/lib/modules/*/kernel/drivers/net/wireless/*",
        "--dpkgopt=path-exclude=/lib/modules/*/kernel/sound/*",
    ]);
    // As texts: in a namespace the one who runs them could not read a file of ours.
    command.arg(format!("--essential-hook={ESSENTIAL}"));
    command.arg(format!("--customize-hook={CUSTOMIZE}"));
    command.arg(SUITE).arg(work.join("tree.tar")).args(mirror);
    run::run("image", &mut command, watch)?;
    watch.tell(Told::Note("image: making the disk".to_owned()));
    pack(work, root, watch)?;
    for name in ["boot.img", "core.img"] {
        // They are of no more use; where one stays, it does no harm.
        let _ = fs::remove_file(work.join(name));
    }
    Ok(())
}

fn pack(work: &Path, root: bool, watch: &mut dyn Watch) -> Result<(), LabError> {
    let disk = work.join("disk.img");
    let size = DISK - mbr::BEGIN;
    let make = || File::create_new(&disk).and_then(|file| file.set_len(DISK));
    make().map_err(LabError::file("make", &disk))?;
    let mut command = if root {
        Command::new("sh")
    } else {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--map-auto", "--mount", "sh"]);
        unshare
    };
    command.args(["-eu", "-c", PACK, "pack"]).arg(work);
    command.args([mbr::BEGIN.to_string(), (size >> 10).to_string()]);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    run::run("make the disk", &mut command, watch)?;
    let read = |name: &str| fs::read(work.join(name)).map_err(LabError::file("read", work.join(name)));
    let gap = mbr::gap(&read("boot.img")?, &read("core.img")?, size).map_err(LabError::Image)?;
    let mut file = File::options().write(true).open(&disk).map_err(LabError::file("open", &disk))?;
    let written =
        file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&gap)).and_then(|()| file.sync_all());
    written.map_err(LabError::file("write", &disk))
}

fn packages() -> Vec<&'static str> {
    PACKAGES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_names_packages_and_its_digest_stays() {
        let packages = packages();
        assert!(packages.contains(&"libvirt-daemon-system") && packages.contains(&"qemu-guest-agent"));
        assert!(
            packages
                .iter()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte)))
        );
        assert_eq!((id(), id().len()), (id(), 16));
    }
}
