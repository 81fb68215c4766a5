//! The faults of the story, made on the spot: real files, a real running VM, a real missing bridge.

use super::stage::{BRIDGE, Stage};
use crate::progress::Step;
use crate::run::Run;
use crate::{install, workspace};
use anyhow::{Context as _, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// The disk of `web`, below the demo's folder. Its own folder is the one that cannot be traversed.
const DISK: &str = "images/web.qcow2";

/// What the VMM's user may not use when the story begins, below the demo's folder.
pub(crate) struct Barred {
    pub(crate) path: &'static str,
    pub(crate) mode: u32,
    /// What the other administrator makes of it: still barred, but not what was seen.
    pub(crate) drifted: u32,
}

/// As root QEMU runs as another user, who may not enter the disk's folder. Without root it runs as its caller, and
/// the VM's own copy of the kernel is closed: a closed folder would hide the disk's lock from the caller too.
pub(crate) fn barred(root: bool) -> Barred {
    if root {
        Barred { path: "images", mode: 0o700, drifted: 0o640 }
    } else {
        Barred { path: "boot/vmlinuz-web", mode: 0o200, drifted: 0o220 }
    }
}

/// Where the kernel and initramfs of the guests are packed.
pub(crate) fn boot_files() -> PathBuf {
    workspace::cache().join("boot")
}

/// Makes both machines, starts the one that holds the disk, and notes which causes must be found.
pub(crate) fn machines(stage: &mut Stage) -> Result<()> {
    let root = install::is_root()?;
    let place = stage.place.clone();
    let disk = place.join(DISK);
    let folder = disk.parent().context("the disk lies in a folder")?.to_owned();
    fs::create_dir_all(place.join("boot"))?;
    fs::create_dir_all(&folder)?;
    for file in ["vmlinuz", "initrd"] {
        fs::copy(boot_files().join(file), place.join("boot").join(file))?;
        fs::set_permissions(place.join("boot").join(file), fs::Permissions::from_mode(0o644))?;
    }
    fs::set_permissions(place.join("boot"), fs::Permissions::from_mode(0o755))?;
    let step = Step::begin("making the disk");
    Run::new(["qemu-img", "create", "-q", "-f", "qcow2"])
        .args([disk.as_os_str()])
        .args(["64M"])
        .quiet(&step)?;
    step.done();

    stage.chapter("Which host is this?");
    stage.show(&["analyze"], super::FINDINGS).or_else(|_| stage.show(&["analyze"], super::CLEAN))?;
    let kvm = stage.json(&["analyze", "--select", "kvm"])?;
    let kvm = kvm["causes"].as_array().and_then(|causes| causes.first()).map(|cause| cause["rule"].clone());
    let mut web = fs::read_to_string(workspace::root().join("examples/web.toml"))?;
    stage.causes = vec!["storage/image-locked".into(), "access/image-permission".into()];
    match kvm.as_ref().and_then(|rule| rule.as_str()) {
        Some(rule) => {
            println!(
                "KVM cannot run a stock kernel on this host ({rule}), so the repaired VM will run under TCG."
            );
            stage.causes.push(rule.to_owned());
        }
        None => {
            println!(
                "KVM runs stock kernels on this host; the third fault is a CPU model that QEMU does not know."
            );
            web = web.replace("model = \"host\"", "model = \"Haswel\"");
            stage.causes.push("cpu/model-unknown".into());
        }
    }
    if root {
        stage.causes.push("network/bridge-missing".into());
        Run::new(["chown", "nobody"]).args([disk.as_os_str()]).show()?;
    } else {
        println!("Without root no bridge can be made: the VM gets QEMU's user-mode network.");
        web = without_bridge(&web);
        let user = Run::new(["id", "-un"]).text()?;
        web = web.replace("\"nobody\"", &format!("{:?}", user.trim()));
        web = web.replace("boot/vmlinuz", "boot/vmlinuz-web");
        fs::copy(place.join("boot/vmlinuz"), place.join("boot/vmlinuz-web"))?;
    }
    fs::write(place.join("web.toml"), web)?;
    fs::copy(workspace::root().join("examples/holder.toml"), place.join("holder.toml"))?;

    stage.chapter("Another VM still runs with web's disk, and what web needs was closed");
    stage.show(&["vm", "create", &place.join("holder.toml").display().to_string()], super::CLEAN)?;
    stage.show(&["vm", "create", &place.join("web.toml").display().to_string()], super::CLEAN)?;
    stage.show(&["vm", "start", "holder"], super::CLEAN)?;
    let barred = barred(root);
    fs::set_permissions(place.join(barred.path), fs::Permissions::from_mode(barred.mode))?;

    stage.chapter("web does not start");
    if root {
        Run::new(["ip", "link", "add", BRIDGE, "type", "bridge"]).show()?;
    }
    let started = stage.show(&["vm", "start", "web"], super::FINDINGS);
    if root {
        println!("(its bridge was made by hand, and goes)");
        Run::new(["ip", "link", "del", BRIDGE]).show()?;
    }
    started.map(drop)
}

/// The specification with QEMU's user-mode network in place of the bridge.
fn without_bridge(web: &str) -> String {
    let bridge_only =
        |line: &&str| !["bridge = ", "host_address = ", "address = "].iter().any(|key| line.starts_with(key));
    let kept: Vec<&str> = web.lines().filter(bridge_only).collect();
    kept.join("\n").replace("kind = \"bridge\"", "kind = \"user\"") + "\n"
}
