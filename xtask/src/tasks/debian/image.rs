//! The guest's disk, kernel and initramfs, made once of Debian's packages below the tests' own folder.

use crate::progress::Step;
use crate::run::Run;
use crate::{install, workspace};
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's release in the guest.
const SUITE: &str = "bookworm";
/// What a guest of a cloud has, and fio and iperf3 for the review's figures of its disk and network.
const PACKAGES: &str = "linux-image-cloud-amd64,systemd-sysv,udev,dbus,kmod,iproute2,e2fsprogs,openssh-server,qemu-guest-agent,cloud-init,fio,iperf3";
/// The label of its root file system.
pub(super) const LABEL: &str = "guest-root";
/// Its size: about a quarter is taken, and the file is sparse.
const KIB: &str = "2097152k";
/// Raised where the recipe changes, so that another image is made.
const VERSION: &str = "2";

/// Before the kernel is installed: an initramfs of what the guest boots from, since under TCG each megabyte takes its time.
const ESSENTIAL: &str = r#"
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/hooks"
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$1/etc/initramfs-tools/conf.d/guest"
cat >"$1/etc/initramfs-tools/hooks/guest" <<'END'
#!/bin/sh
case "${1:-}" in prereqs) exit 0 ;; esac
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4
END
chmod 755 "$1/etc/initramfs-tools/hooks/guest"
"#;

/// At the end: what every installation has, a seed for cloud-init where the machine brings none, and no identity of its own. A key of one kind is made at the first boot, since
/// under TCG the largest takes long.
const CUSTOMIZE: &str = r#"
set -eu
echo guest >"$1/etc/hostname"
printf '127.0.0.1 localhost guest\n' >"$1/etc/hosts"
echo 'LABEL=guest-root / ext4 noatime 0 1' >"$1/etc/fstab"
: >"$1/etc/machine-id"
rm -f "$1"/etc/ssh/ssh_host_*
printf 'locale: C.UTF-8\nssh_genkeytypes: [ed25519]\n' >"$1/etc/cloud/cloud.cfg.d/90_guest.cfg"
chroot "$1" systemctl -q enable systemd-networkd
mkdir -p "$1/var/lib/cloud/seed/nocloud"
echo 'instance-id: guest' >"$1/var/lib/cloud/seed/nocloud/meta-data"
: >"$1/var/lib/cloud/seed/nocloud/user-data"
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
"#;

/// The tree belongs to root, and so it does on the disk: with root's rights, or where others stand for root and its users.
const PACK: &str = r#"
cd "$1"
mkdir tree
tar -C tree --numeric-owner -xpf tree.tar --exclude='./dev/*'
cp tree/boot/vmlinuz-* kernel
cp tree/boot/initrd.img-* initrd
mke2fs -q -F -t ext4 -L "$2" -E lazy_itable_init=1,nodiscard -d tree disk.raw "$3"
rm -rf tree tree.tar
chmod 644 kernel initrd disk.raw
"#;

/// An image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) disk: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initrd: PathBuf,
}

impl Image {
    fn at(place: &Path) -> Self {
        Self { disk: place.join("disk.raw"), kernel: place.join("kernel"), initrd: place.join("initrd") }
    }

    fn is_there(&self) -> bool {
        [&self.disk, &self.kernel, &self.initrd].into_iter().all(|file| file.is_file())
    }
}

/// The image; made where it is not there.
///
/// # Errors
/// When it cannot be made; the next call begins anew.
pub(super) fn ensure() -> Result<Image> {
    let folder = workspace::cache().join("debian");
    let place = folder.join(format!("image-{SUITE}-{VERSION}"));
    let image = Image::at(&place);
    if image.is_there() {
        return Ok(image);
    }
    let step = Step::begin(format!("making a guest of Debian {SUITE}'s packages: once, some minutes"));
    let work = folder.join("new");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot clear {}", work.display()))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let root = install::is_root()?;
    Run::new([
        "mmdebstrap",
        "--variant=apt",
        "--format=tar",
        "--mode",
        if root { "root" } else { "unshare" },
    ])
    .args([
        format!("--include={PACKAGES}"),
        format!("--essential-hook={ESSENTIAL}"),
        format!("--customize-hook={CUSTOMIZE}"),
    ])
    .args(["--aptopt=Acquire::Languages \"none\""])
    .args(["doc", "man", "locale"].map(|what| format!("--dpkgopt=path-exclude=/usr/share/{what}/*")))
    .args([SUITE])
    .args([work.join("tree.tar")])
    .quiet(&step)?;
    let around: &[&str] = if root { &[] } else { &["unshare", "--map-root-user", "--map-auto", "--mount"] };
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    Run::new(around.iter().copied().chain(["sh", "-eu", "-c", PACK, "pack"]))
        .args([&work])
        .args([LABEL, KIB])
        .env("PATH", path)
        .quiet(&step)?;
    ensure!(Image::at(&work).is_there(), "{} has not all of an image", work.display());
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("cannot clear {}", place.display()))?;
    }
    fs::rename(&work, &place).with_context(|| format!("cannot make {}", place.display()))?;
    step.done();
    Ok(image)
}
