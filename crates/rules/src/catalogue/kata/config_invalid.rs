//! # Kata's configuration names something missing or contradictory
//!
//! ## What it is
//! The runtime reads `configuration.toml` (and drop-ins, and pod annotations) before it starts the VM: paths of VMM,
//! kernel, image and virtiofsd, and options that must fit each other. A file that is not there, an unknown key or two
//! options that exclude each other stop it.
//!
//! Heard as: Kata pods cannot be created since the configuration.toml was copied or edited; a path in it does not
//! exist.
//!
//! ## Why it happens
//! Paths of one installation (`/usr/share/kata-containers`) on a host with another (`/opt/kata`); both `image` and
//! `initrd` set; `shared_fs` without the daemon's path, or one that the VMM does not have; an annotation that
//! `enable_annotations` does not list; a typing error in TOML; hot and cold plug ports both set.
//!
//! ## Confirm
//! `kata-runtime env` (which file was read), `kata-runtime --show-default-config-paths`, then `ls -l` of each path.
//! containerd may name a file of its own by `ConfigPath` in the runtime's options: that one counts.
//!
//! ## Refute
//! `kata-runtime env` succeeds with this file and the pod uses no annotations.
//!
//! ## Fix
//! Correct the key that is named; take the shipped file of the same release as a base and keep changes in drop-ins.
//!
//! ## References
//! Kata Containers `src/runtime/pkg/katautils/config.go`, `src/runtime/config/configuration-qemu.toml.in`,
//! `docs/how-to/how-to-set-sandbox-config-kata.md`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["kata", "config"],
    signs: &[
        Sign::proof("image or initrd must be defined in the configuration file"),
        Sign::proof("having both an image and an initrd defined in the configuration file is not supported"),
        Sign::proof("cannot set both image and initrd at the same time"),
        Sign::proof("without daemon path in configuration file"),
        Sign::strong("Cannot find usable config file ("),
        Sign::strong("cannot determine runtime config"),
        Sign::strong("cannot determine config file").and(&["kata"]),
        Sign::proof("having neither an image nor an initrd defined"),
        Sign::strong("image and initrd path cannot both be set"),
        Sign::strong("both of image and initrd isn't set"),
        Sign::strong("guest kernel image file {path} is invalid"),
        Sign::strong("Image and initrd path cannot be both set"),
        Sign::strong("Missing image and initrd path"),
        Sign::strong("Missing kernel path").and(&["kata"]),
        Sign::strong("Invalid hypervisor shared file system"),
        Sign::strong("Invalid hypervisor block storage driver"),
        Sign::strong("Cloud Hypervisor does not support {fs} shared filesystem option"),
        Sign::strong("configuration file contains invalid hypervisor section"),
        Sign::strong("QEMU path ({path}) does not exist"),
        Sign::strong("Cloud-Hypervisor path ({path}) is not accessible"),
        Sign::strong("configuration*.toml: file {path} does not exist"),
        Sign::strong("/kata*: no such file or directory").and(&["configuration"]),
        Sign::strong("is not enabled").and(&["annotation io.katacontainers"]),
        Sign::strong("annotation io.katacontainers.{name} is not enabled"),
        Sign::strong("required from annotation is not valid"),
        Sign::strong("hot-plug={hot} and cold-plug={cold} settings, only one of them can be set"),
        Sign::strong("invalid vfio_port="),
        Sign::strong("disable_new_netns only works with 'none' internetworking_model"),
        Sign::strong("NUMA support requires static_sandbox_resource_mgmt to be enabled"),
        Sign::strong("Vhost-user-blk/scsi is enabled without HugePages"),
        Sign::strong("VM templating has been enabled with virtio-fs"),
        Sign::strong("VM memory cannot be zero"),
        Sign::strong("error decoding file \"*toml").and(&["kata"]),
        Sign::strong("configuration.toml: toml: "),
        Sign::strong("configuration.toml: Near line"),
        Sign::strong("load TOML config failed"),
        Sign::support("image \"{path}\" is empty"),
        Sign::support("Unsupported experimental feature \""),
        Sign::support("no runtime for \"kata"),
        Sign::support("RuntimeHandler \"kata*\" not supported"),
        // runtime-rs (Kata 3.x) and kata-types.
        Sign::strong("hypervisor {name} not found in config"),
        Sign::strong("failed to load toml config").and(&["kata"]),
        Sign::strong("can not load config toml"),
        Sign::strong("No valid executable found in paths").and(&["kata"]),
        Sign::strong("validate hypervisor config").and(&["kata"]),
        Sign::strong("missing image and initrd path"),
        Sign::strong("both of image and initrd"),
        Sign::support("try init runtime instance").and(&["load config"]),
        Sign::strong("Invalid agent name "),
        Sign::strong("Unsupported hypervisor ").and(&["kata"]),
        Sign::strong("failed to access config file").and(&["kata"]),
        // The Go runtime's checks of annotations and of its own file.
        Sign::strong("Number of cpus {n} in annotation"),
        Sign::strong("Number of cpus {n} specified in annotation"),
        Sign::strong("Memory specified in annotation {name} is less than minimum required"),
        Sign::strong("specified in annotation (support"),
        Sign::strong("specified for annotation shared_fs"),
        Sign::strong("cannot enable virtio-fs without daemon path"),
        Sign::strong("Missing virtiofsDaemon configuration"),
        Sign::strong("Firmware path is not specified").and(&["kata"]),
        Sign::strong("Error reading Runtime config "),
        Sign::strong("Expected * path {path}, got").and(&["kata"]),
        Sign::strong("StratoVirt path ({path}) does not exist"),
        Sign::strong("Host networking requested, not supported by runtime"),
        Sign::support("fork/exec *: no such file or directory").and(&["containerd-shim-kata"]),
        Sign::support("unable to find runtime class *kata"),
        Sign::support("RuntimeClass.node.k8s.io \"kata"),
        Sign::support("runtime \"io.containerd.kata"),
    ],
    words: &["kata", "configuration.toml", "kata-runtime env", "annotation", "config file"],
    explains: &["firmware/ovmf-missing", "libvirt/emulator-missing"],
    tells: "kata-runtime env",
    remedy: "correct the key or path that the message names in Kata's configuration or annotations",
    disruption: Disruption::GuestRestart,
    needs: &[
        Need::File("/etc/kata-containers/configuration.toml"),
        Need::File("/usr/share/defaults/kata-containers/configuration.toml"),
    ],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for text in cx.texts_with("[hypervisor.") {
        let (mut image, mut initrd) = (None, None);
        for (number, line) in text.lines() {
            // A new section is another hypervisor.
            if line.starts_with('[') {
                (image, initrd) = (None, None);
            }
            match line.split_once('=').map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))) {
                Some(("image", path)) if !path.is_empty() => image = Some(number),
                Some(("initrd", path)) if !path.is_empty() => initrd = Some(number),
                _ => {}
            }
            if let (Some(image), Some(initrd)) = (image, initrd) {
                draft = draft
                    .because(Strength::Strong, text.quote(initrd), "an initrd is set")
                    .because(Strength::Support, text.quote(image), "and an image as well")
                    .title("Kata's configuration sets both an image and an initrd");
                return vec![draft.verdict()];
            }
            draft = draft.looked();
        }
    }
    vec![draft.verdict()]
}
