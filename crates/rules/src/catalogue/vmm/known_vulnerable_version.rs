//! # The VMM, KVM or libvirt version has a known vulnerability
//!
//! ## What it is
//! The version that was found is one that a published CVE names. A guest, or a user of the management interface, may be
//! able to leave its bounds or stop the service.
//!
//! ## Why it happens
//! The host was not updated, or its distribution's support has ended. Distributions mend without changing the version
//! number in front: their own security tracker decides, not the number.
//!
//! ## Confirm
//! `qemu-system-x86_64 --version`, `virsh -r version`, `firecracker --version`, `uname -r`; then the distribution's
//! tracker for the CVE and the package's full version.
//!
//! ## Refute
//! The package's change log names the CVE as fixed; or the VM has not the device that the CVE is about.
//!
//! ## Fix
//! Update to the version named or a later one, then restart or migrate the VMs: a running VMM keeps the old code.
//!
//! ## References
//! cve.org and each project's advisories (QEMU "Security process", libvirt security notices, Firecracker and Cloud Hypervisor
//! GitHub advisories); kernel CNA announcements; ISO/IEC 27002:2022 8.8 (technical vulnerabilities).

use crate::prelude::*;
use vmwright_formats::QemuLog;
use vmwright_formats::environment::{Version, versions};

pub const RULE: Rule = Rule {
    level: Level::Warn,
    rank: Rank::General,
    tags: &["vmm", "security"],
    needs: &[Need::Command(&["qemu-system-x86_64", "--version"]), Need::Command(&["uname", "-a"])],
    signs: &[
        Sign::support("CVE-20{number}").and(&["fixed version"]),
        Sign::support("CVE-20{number}").and(&["vulnerable version"]),
        Sign::hint("CVE-20{number}"),
        Sign::support("has a known vulnerability"),
        Sign::support("known vulnerabilities"),
    ],
    words: &["cve-20", "vulnerab", "security fix", "security audit", "exploit", "patched"],
    tells: "qemu-system-x86_64 --version",
    remedy: "update to the version that has the fix and restart the VMs",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

/// Whose version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// QEMU.
    Qemu,
    /// libvirt.
    Libvirt,
    /// Firecracker.
    Firecracker,
    /// The host's kernel.
    Kernel,
}

use Program::{Firecracker, Kernel, Libvirt, Qemu};

/// CVE, program, first version that has it, first that has it no more, and what it is about.
type Flaw = (&'static str, Program, &'static [u32], &'static [u32], &'static str);

/// Upstream's versions, newest first: a host that is behind has the newest of them.
const FLAWS: [Flaw; 22] = [
    ("CVE-2024-7409", Qemu, &[1], &[9, 1], "NBD server: clients stop the process"),
    ("CVE-2024-4467", Qemu, &[1], &[9, 1], "qemu-img info: an image reads other files"),
    ("CVE-2024-3446", Qemu, &[1], &[9], "virtio-gpu, serial, crypto: double free"),
    ("CVE-2023-3354", Qemu, &[1], &[8, 1], "VNC: a client stops the process"),
    ("CVE-2023-3180", Qemu, &[2, 5], &[8, 1], "virtio-crypto: heap overflow"),
    ("CVE-2022-26353", Qemu, &[6, 2], &[7], "virtio-net: mapping leak"),
    ("CVE-2021-3748", Qemu, &[1], &[6, 2], "virtio-net: use after free"),
    ("CVE-2020-14364", Qemu, &[1], &[5, 2], "USB: out-of-bounds access"),
    ("CVE-2019-14378", Qemu, &[1], &[4, 1], "user network: heap overflow"),
    ("CVE-2015-3456", Qemu, &[0, 1], &[2, 4], "floppy controller: buffer overflow (VENOM)"),
    ("CVE-2024-4418", Libvirt, &[1], &[10, 3], "RPC client: use after free"),
    ("CVE-2024-2494", Libvirt, &[1], &[10, 2], "RPC: a client stops the daemon"),
    ("CVE-2020-25637", Libvirt, &[1, 2, 14], &[6, 8], "guest agent: double free"),
    ("CVE-2019-10161", Libvirt, &[0, 1], &[5, 5], "read-only clients read and run files"),
    ("CVE-2026-1386", Firecracker, &[0, 1], &[1, 13, 2], "jailer: a symbolic link overwrites host files"),
    ("CVE-2026-1386", Firecracker, &[1, 14], &[1, 14, 1], "jailer: a symbolic link overwrites host files"),
    ("CVE-2020-27174", Firecracker, &[0, 1], &[0, 21, 3], "serial port: memory grows without bound"),
    ("CVE-2026-5747", Firecracker, &[1, 13], &[1, 14, 4], "virtio over PCI: out-of-bounds write"),
    ("CVE-2026-5747", Firecracker, &[1, 15], &[1, 15, 1], "virtio over PCI: out-of-bounds write"),
    ("CVE-2021-3656", Kernel, &[4, 13], &[5, 14], "KVM, nested SVM: a guest reads and writes host memory"),
    ("CVE-2021-22543", Kernel, &[3], &[5, 13], "KVM: read-only pages can be written"),
    ("CVE-2019-14835", Kernel, &[2, 6, 34], &[5, 3], "vhost-net: buffer overflow during migration"),
];

/// Marks of distributions' packages, which mend without a new number.
const PACKAGED: [&str; 9] = ["dfsg", "ubuntu", "deb", ".el", ".fc", "suse", "pve", "-generic", "-amd64"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let asked = RULE.words.iter().any(|word| cx.said(word));
    let mut draft = cx.draft();
    let mut looked = false;
    for program in [Firecracker, Qemu, Libvirt, Kernel] {
        let Some((version, quote)) = version_of(cx, program) else { continue };
        looked = true;
        let flaw = FLAWS.iter().find(|flaw| flaw.1 == program && in_range(&version, flaw.2, flaw.3));
        let Some((cve, _, _, fixed, what)) = flaw else { continue };
        let packaged = PACKAGED.iter().any(|mark| version.text.to_ascii_lowercase().contains(mark));
        let strength = match (asked, packaged, cx.snapshot().live) {
            (true, false, _) => Strength::Strong,
            (true, true, _) | (false, false, true) => Strength::Support,
            // Whoever asks about something else is not told of every old version.
            _ => Strength::Hint,
        };
        let fixed: Vec<String> = fixed.iter().map(u32::to_string).collect();
        draft = draft
            .because(strength, quote, &format!("{cve} ({what}) is fixed in {} upstream", fixed.join(".")))
            .title(format!("{program:?} {} is of the versions that {cve} names", version.text));
        if strength > Strength::Hint {
            break;
        }
    }
    vec![if looked { draft.looked() } else { draft }.verdict()]
}

/// The version of a program that any text names first, with its quote.
pub(crate) fn version_of(cx: &Context<'_>, program: Program) -> Option<(Version, Option<Evidence>)> {
    let starts = cx.all::<QemuLog>();
    for log in &starts {
        let Some(start) = log.last().and_then(|run| run.start.as_ref()) else { continue };
        let text = match program {
            Qemu => &start.qemu,
            Libvirt => &start.libvirt,
            Kernel => &start.kernel,
            Firecracker => continue,
        };
        if let Some(version) = Version::parse(text) {
            return Some((version, log.quote(start.line)));
        }
    }
    cx.texts().iter().find_map(|text| {
        let found = versions(&text.text);
        let version = match program {
            Qemu => found.qemu,
            Libvirt => found.libvirt,
            Firecracker => found.firecracker,
            Kernel => found.kernel,
        }?;
        Some((version.value, text.quote(version.line)))
    })
}

/// Whether a version is the first or a later one, and before the last.
pub(crate) fn in_range(version: &Version, from: &[u32], before: &[u32]) -> bool {
    version.at_least(from) && !version.at_least(before)
}
