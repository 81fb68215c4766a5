//! # The kernel arguments do not fit the microVM
//!
//! ## What it is
//! Firecracker has no boot loader: `boot_args` is all that the guest kernel is told. A wrong argument shows as no
//! console, a root device that is not found, PCI devices that are not seen, or a reboot that hangs.
//!
//! Heard as: the microVM's kernel starts and finds no root or no console or never reaches init; with the example's
//! arguments it does.
//!
//! Known by: kernel panics in Firecracker: unable to mount root fs; pci=off, reboot=k, panic=1, console=ttyS0,
//! root=/dev/vda; no serial output; init not found; duplicate root device.
//!
//! ## Why it happens
//! Given `boot_args` replace the default (`reboot=k panic=1 nomodule 8250.nr_uarts=0 ...`) as a whole. That default
//! itself shows no console. `pci=off` is copied from old guides although PCI is enabled; `root=` names `sda` or a
//! partition where the disk is `/dev/vda`; `init=` names a file that the root file system lacks; `ip=` is malformed or
//! names a card as udev would rename it, while the kernel sets addresses before udev runs.
//!
//! ## Confirm
//! `curl --unix-socket <socket> http://localhost/vm/config` or the configuration file: `boot-source.boot_args`;
//! in the guest's output the line "Kernel command line:".
//! `cat /proc/cmdline` inside a guest that does run shows what arrived, with what Firecracker added.
//!
//! ## Refute
//! The line in the guest's output shows `console=ttyS0`, the right `root=` and no `pci=off` with PCI enabled.
//!
//! ## Fix
//! `console=ttyS0 reboot=k panic=1`, plus `pci=off` only without `--enable-pci`; let Firecracker add `root=` by
//! `is_root_device`, and name an `init=` that exists.
//!
//! ## References
//! Firecracker `docs/kernel-policy.md` (boot arguments, PCI), `docs/getting-started.md`; Linux `init/main.c`.

use crate::prelude::*;
use vmwright_formats::{FirecrackerConfig, View};

/// Words of those who see nothing of a guest.
const SILENT: [&str; 5] = ["no console", "no output", "prints nothing", "nothing is printed", "ever printed"];

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["firecracker", "boot"],
    signs: &[
        Sign::proof("The kernel command line is invalid"),
        Sign::strong("Invalid kernel command line: ").unless(&["cloud-hypervisor"]),
        Sign::strong("Cannot load command line string").unless(&["cloud-hypervisor"]),
        Sign::strong("Kernel command line: *pci=off").and(&["--enable-pci"]),
        Sign::strong("VFS: Cannot open root device \"(null)\"").and(&["firecracker"]),
        Sign::strong("VFS: Cannot open root device \"sda").and(&["firecracker"]),
        Sign::strong("VFS: Cannot open root device \"vda1").and(&["firecracker"]),
        Sign::strong("Requested init {path} failed (error -2)").and(&["firecracker"]),
        Sign::support("Requested init {path} failed (error").and(&["kernel_image_path"]),
        Sign::support("No working init found").and(&["firecracker"]),
        // The disk is there (254 is virtio-blk's), and the root file system lies in one of its partitions.
        Sign::strong("Unable to mount root fs on unknown-block(254,0)")
            .and(&["virtio_mmio.device=", " vda1"]),
        Sign::strong("Unable to mount root fs on unknown-block(254,0)").and(&["firecracker", " vda1"]),
        Sign::support("Malformed early option").and(&["firecracker"]),
        Sign::proof("boot_args*root=/dev/sd"),
        Sign::proof("boot_args*root=/dev/hd"),
        Sign::strong("boot_args*root=/dev/nvme"),
    ],
    words: &[
        "boot_args",
        "kernel args",
        "firecracker",
        "pci=off",
        SILENT[0],
        SILENT[1],
        SILENT[2],
        SILENT[3],
        SILENT[4],
    ],
    explains: &[
        "guest/console-missing",
        "firmware/guest-lacks-boot-driver",
        "firecracker/guest-kernel-config",
        "guest/kernel-panic",
    ],
    tells: "boot_args of the configuration",
    remedy: "set boot_args to console=ttyS0 reboot=k panic=1 with the right root and init, and pci=off only without PCI",
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let silent = SILENT.iter().any(|words| cx.said(words));
    for (args, quote) in all_boot_args(cx) {
        draft = draft.looked();
        let has = |name: &str| args.split_whitespace().any(|word| word.starts_with(name));
        if silent && !has("console=") {
            draft = draft
                .because(Strength::Strong, quote.clone(), "no console is named")
                .title("boot_args name no console, so the guest prints nothing");
        }
        if has("pci=off") && cx.stands("--enable-pci") {
            draft = draft
                .because(Strength::Strong, quote.clone(), "PCI is enabled and the guest is told to ignore it")
                .title("boot_args have pci=off although the microVM's devices are on PCI");
        }
        if let Some(card) = card(&args).filter(|card| !card.starts_with("eth")) {
            draft = draft
                .because(
                    Strength::Strong,
                    quote.clone(),
                    "the kernel sets addresses before udev renames a card: its cards are eth0 and so on",
                )
                .title(format!("boot_args give the address to {card}, and the guest's card is eth0"));
        }
    }
    vec![draft.verdict()]
}

/// The kernel arguments of configurations, and those that scripts, notes and consoles show.
fn all_boot_args(cx: &Context<'_>) -> Vec<(String, Option<Evidence>)> {
    let configs = cx.all::<FirecrackerConfig>();
    let named = configs.iter().filter_map(|seen| {
        let args = seen.boot_args.as_ref()?;
        Some((args.value.clone(), seen.quote(args.line)))
    });
    let mut found: Vec<(String, Option<Evidence>)> = named.collect();
    for (text, number, line) in cx.lines_with(["boot_args", "BOOT_ARGS", "reboot=k"]) {
        if text.kind != FirecrackerConfig::KIND
            && let Some(args) = boot_args(line)
        {
            found.push((args.to_owned(), text.quote(number)));
        }
    }
    found
}

/// The kernel arguments in a line of a configuration, script or note: after `boot_args`, or a whole line that has
/// two of the arguments that only microVMs get.
fn boot_args(line: &str) -> Option<&str> {
    let Some(at) = line.to_ascii_lowercase().find("boot_args") else {
        return (line.contains("reboot=k") && line.contains("panic=1")).then_some(line);
    };
    let is_filling = |letter: char| "\\\"':= ".contains(letter);
    let args = line[at + "boot_args".len()..].trim_start_matches(is_filling);
    Some(args.split(['"', '\'', '\\']).next().unwrap_or(""))
}

/// The card that `ip=<client>:<server>:<gateway>:<netmask>:<hostname>:<device>:<autoconf>` names.
fn card(args: &str) -> Option<&str> {
    let address = args.split_whitespace().find_map(|word| word.strip_prefix("ip="))?;
    address.split(':').nth(5).filter(|card| !card.is_empty())
}
