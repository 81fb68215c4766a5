//! # A helper program that libvirt or a VM tool calls is not installed
//!
//! ## What it is
//! libvirt starts other programs for parts of its work: dnsmasq for networks, qemu-img for volumes, dmidecode
//! for host SMBIOS, passt for user networks, tc, lvm, iscsiadm, nbdkit and more. Wrappers call mkisofs,
//! xorriso, qemu-nbd or cloud-localds. The program is not in the daemon's `$PATH`.
//! Heard as: libvirt lacks a helper program, such as dnsmasq, qemu-img, dmidecode, passt or mkisofs.
//!
//! Known by: cannot find dmidecode, passt, slirp4netns, swtpm, virtiofsd, dnsmasq, radvd, ebtables or genisoimage in
//! PATH; executable file not found; unable to find; install package; minimal installation, dependency not pulled in,
//! recommended package skipped; command not found; NixOS, Alpine, Guix or Arch; helper not in the service's PATH.
//!
//! ## Why it happens
//! Distributions make these packages optional, minimal images leave them out, and a service's `$PATH` is
//! shorter than a shell's (`/usr/sbin` is missing, or the tool lies in `/usr/local`, a Nix profile or a snap).
//!
//! ## Confirm
//! `command -v dnsmasq qemu-img dmidecode passt`, and `systemctl show libvirtd -p Environment` for the path that
//! the daemon has. libvirt looks at some programs only when it starts.
//!
//! ## Refute
//! The program is there for the daemon as well and runs with `--version`. A missing QEMU, swtpm or virtiofsd has
//! a page of its own.
//!
//! ## Fix
//! Install the package that holds the program, then restart the daemon: it remembers what it did not find.
//!
//! ## References
//! libvirt `src/util/vircommand.c`, `virCommandRun*()` and `virFindFileInPath()`; `src/util/virdnsmasq.c`,
//! `dnsmasqCapsNewFromBinary()`; `src/storage/storage_util.c`.

use crate::Hit;
use crate::prelude::*;

#[path = "messages/tool_missing.rs"]
mod messages;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "install"],
    signs: messages::SIGNS,
    words: &["dnsmasq", "qemu-img", "dmidecode", "passt", "not installed", "executable file not found"],
    explains: &["libvirt/default-network-inactive"],
    tells: "command -v dnsmasq qemu-img dmidecode passt",
    remedy: "install the package of the program that is named, then restart the libvirt daemon",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    needs: &[
        Need::Exists("/usr/bin/cloud-localds"),
        Need::Exists("/usr/bin/genisoimage"),
        Need::Exists("/usr/bin/mkisofs"),
        Need::Exists("/usr/bin/passt"),
        Need::Exists("/usr/bin/qemu-img"),
        Need::Exists("/usr/bin/qemu-nbd"),
        Need::Exists("/usr/bin/slirp-helper"),
        Need::Exists("/usr/bin/xorriso"),
        Need::Exists("/usr/lib/qemu/qemu-bridge-helper"),
        Need::Exists("/usr/libexec/qemu-bridge-helper"),
        Need::Exists("/usr/sbin/dmidecode"),
        Need::Exists("/usr/sbin/dnsmasq"),
        Need::Exists("/usr/sbin/iscsiadm"),
        Need::Exists("/usr/sbin/lvm"),
        Need::Exists("/usr/sbin/tc"),
    ],
    check,
    ..Rule::NEW
};

/// Whether the host has the tool now, where a rule's needs look for programs.
fn is_there(cx: &Context<'_>, tool: &str) -> bool {
    let name = tool.rsplit('/').next().unwrap_or(tool);
    let places = RULE.needs.iter().filter_map(|need| match need {
        Need::Exists(path) if path.rsplit('/').next() == Some(name) => Some(*path),
        _ => None,
    });
    places.into_iter().any(|path| matches!(cx.file(path), Found::Text(_)))
}

/// The tool that a sign is about: what stands in its place, or the first that the sign itself names.
fn tool_of<'a>(sign: &'a Sign, hit: &'a Hit) -> Option<&'a str> {
    let named = hit.get("tool").map(|tool| tool.trim_matches(['\'', '"', '`', ':']));
    named.or_else(|| {
        let names = RULE.needs.iter().filter_map(|need| match need {
            Need::Exists(path) => path.rsplit('/').next(),
            _ => None,
        });
        names.into_iter().find(|name| sign.text.contains(name))
    })
}

/// Programs whose absence has a rule of its own.
const OTHERS: [&str; 7] =
    ["qemu-system", "qemu-kvm", "swtpm", "virtiofsd", "firecracker", "kata", "cloud-hyp"];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // A log remembers what was missing when its daemon started. What is there by now is no problem of today, unless
    // the user complains of it.
    let all: Vec<(&Sign, &Hit)> =
        RULE.signs.iter().flat_map(|sign| cx.hits_of(sign).into_iter().map(move |hit| (sign, hit))).collect();
    let old = |(sign, hit): &(&Sign, &Hit)| tool_of(sign, hit).is_some_and(|tool| is_there(cx, tool));
    if !all.is_empty() && all.iter().all(old) && !RULE.signs.iter().any(|sign| cx.said(sign.text)) {
        return vec![Verdict::Quiet];
    }
    let hits = RULE.signs.iter().flat_map(|sign| cx.hits_of(sign));
    let tools: Vec<&str> =
        hits.filter_map(|hit| hit.get("tool")).map(|tool| tool.trim_matches(['\'', '"', '`', ':'])).collect();
    let other = |tool: &&str| OTHERS.iter().any(|other| tool.contains(other));
    vec![match tools.iter().find(|tool| !other(tool)) {
        Some(tool) => cx
            .draft()
            .title(format!("the helper program {tool} is not installed or not in the path"))
            .verdict(),
        None if !tools.is_empty() => Verdict::Quiet,
        None => cx.draft().verdict(),
    }]
}
