//! # The emulator does not exist or cannot be run
//!
//! ## What it is
//! libvirt, and every wrapper around QEMU, starts a program by path: the `<emulator>` of the domain, or the first
//! `qemu-system-<arch>` in `$PATH`. That program is not installed for this architecture, lies elsewhere, is not
//! executable, or the driver that would look for it is not loaded.
//!
//! Heard as: the emulator's path in the old definition does not exist on this distribution.
//!
//! Known by: Cannot check QEMU binary: No such file or directory; could not find suitable emulator for x86_64; no
//! emulator found for arch; /usr/libexec/qemu-kvm against /usr/bin/qemu-system-x86_64; exec format error; imported XML
//! names another distribution's path; QEMU package removed or for other architecture not installed; qemu-system-aarch64
//! or qemu-kvm not installed; no such binary.
//!
//! ## Why it happens
//! The domain was defined on another distribution (`/usr/libexec/qemu-kvm` against `/usr/bin/qemu-kvm` or
//! `/usr/bin/qemu-system-x86_64`); QEMU was removed or moved by an upgrade; only some architectures are
//! installed; a self-built QEMU in `/usr/local` may not be run by libvirt's user.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep emulator`, `ls -lL <that path>`, `virsh capabilities | grep emulator`,
//! `command -v qemu-system-x86_64`.
//!
//! ## Refute
//! The path exists and `<path> --version` answers for the user that starts it. "could not find capabilities for
//! domaintype=kvm" is no missing emulator: there KVM is not usable.
//!
//! ## Fix
//! Install the QEMU package for the guest's architecture, or correct `<emulator>` in the domain.
//!
//! ## References
//! libvirt `src/qemu/qemu_capabilities.c`, `virQEMUCapsNewForBinaryInternal()`; `src/conf/capabilities.c`,
//! `virCapabilitiesDomainDataLookup()`; `docs/formatdomain.rst`, "emulator".

use crate::prelude::*;
use vmwright_formats::DomainXml;
use vmwright_model::plan::DomainEdit;

pub const RULE: Rule = Rule {
    tags: &["libvirt", "install"],
    needs: &[
        Need::Glob("/etc/libvirt/qemu/*.xml"),
        Need::Exists("/usr/bin/qemu-system-x86_64"),
        Need::Exists("/usr/bin/qemu-kvm"),
        Need::Exists("/usr/bin/kvm"),
        // Ubuntu's name for it.
        Need::Exists("/usr/bin/kvm-spice"),
        Need::Exists("/usr/libexec/qemu-kvm"),
    ],
    signs: &[
        Sign::proof("Cannot check QEMU binary {path}: No such file or directory"),
        Sign::strong("Cannot check QEMU binary {path}: Permission denied"),
        Sign::proof("Cannot find suitable emulator for"),
        Sign::proof("unable to find any emulator to serve"),
        Sign::proof("Cannot find QEMU binary {path}: No such file or directory"),
        Sign::strong("cannot execute binary *qemu-system-*: No such file or directory"),
        Sign::strong("cannot execute binary *qemu-kvm: No such file or directory"),
        Sign::strong("cannot execute binary *qemu-*: Permission denied"),
        Sign::strong("no emulator for domain {name} os type"),
        Sign::strong("could not find capabilities for domaintype=qemu"),
        Sign::support("could not find capabilities for arch={arch}").unless(&["domaintype=kvm"]),
        Sign::support("unknown OS type hvm").unless(&["domaintype=kvm"]),
        Sign::strong("no connection driver available for qemu:///"),
        Sign::strong("Host does not support any virtualization options"),
        Sign::support("Host does not support virtualization type 'hvm'"),
        Sign::strong("No hypervisor options were found for this connection"),
        Sign::strong("usually means that QEMU or KVM is not installed"),
        Sign::strong("no connection driver available for No connection for URI"),
        Sign::strong("Unable to find a connection driver for 'qemu"),
        Sign::proof("exec: \"qemu-system-*\": executable file not found"),
        Sign::proof("exec: \"qemu-kvm\": executable file not found"),
        Sign::proof("exec: \"*/qemu-system-*\": stat *: no such file or directory"),
        Sign::proof("No such file or directory: 'qemu-system-"),
        Sign::proof("No such file or directory: '/usr/bin/qemu-system-"),
        Sign::proof("qemu-system-{arch}: command not found"),
        Sign::proof("qemu-system-{arch}: not found"),
        Sign::proof("qemu-kvm: command not found"),
        Sign::proof("qemu-system-{arch}: No such file or directory"),
        Sign::strong("execvp: *qemu-system-*No such file"),
        Sign::strong("fork/exec *qemu*: no such file or directory"),
        Sign::proof("QEMU command not available for CPU architecture"),
        Sign::support("could not find capabilities for*domaintype=kvm").against(),
        // libvirt 0.x and 1.x; where KVM is asked for, it may be KVM that lacks.
        Sign::strong("no supported architecture for os type").unless(&["/dev/kvm"]),
        Sign::strong("does not support os type").and(&["Emulator"]),
        Sign::strong("Emulator '{path}' does not support arch"),
        Sign::strong("invalid argument: could not find matching emulator"),
        Sign::strong("Unable to find suitable emulator"),
        // A wrapper that may not be run: AppArmor, or a missing mode bit.
        Sign::strong("cannot execute binary {path}: Permission denied")
            .and(&["-help) unexpected exit status"]),
        Sign::strong("Failed to probe capabilities for {path}: *Permission denied"),
        Sign::strong("domain '{d}' has no capabilities recorded"),
        Sign::strong("QEMU command not available"),
        Sign::strong("exec: \"qemu-system-x86_64\": executable file not found"),
        Sign::strong("exec: \"qemu-system-aarch64\": executable file not found"),
        Sign::strong("exec: \"qemu-kvm\": executable file not found"),
        Sign::strong("qemu-system-x86_64: command not found"),
        Sign::strong("qemu-kvm: command not found"),
        Sign::strong("failed to find the QEMU binary for the architecture"),
    ],
    words: &["emulator", "qemu not found", "install qemu", "/usr/libexec/qemu-kvm", "aarch64"],
    tells: "virsh dumpxml NAME | grep emulator; ls -lL <the path>",
    remedy: "install QEMU for the guest's architecture or correct the domain's <emulator> path",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for (text, number, line) in cx.lines_with("<emulator>") {
        let path = line.trim().strip_prefix("<emulator>").and_then(|rest| rest.split('<').next());
        let Some(path) = path.filter(|path| path.starts_with('/')) else { continue };
        if matches!(cx.file(path), Found::Absent) {
            let quote = text.quote(number);
            draft = draft
                .because(Strength::Proof, quote, "no such file on this host")
                .title(format!("the emulator {path} does not exist"));
        }
    }
    if draft.any() {
        for seen in cx.all::<DomainXml>() {
            draft = draft.actions(corrected(cx, &seen));
        }
    }
    vec![draft.verdict()]
}

/// QEMU's own program for the architecture of a domain, where distributions place it.
const EMULATORS: [(&str, &str); 2] =
    [("x86_64", "/usr/bin/qemu-system-x86_64"), ("x86_64", "/usr/libexec/qemu-kvm")];

/// What gives domains whose emulator is not there the one that is.
fn corrected(cx: &Context<'_>, seen: &Seen<'_, DomainXml>) -> Vec<Action> {
    let mut actions = Vec::new();
    if !seen.text.source.starts_with("/etc/libvirt/qemu/") {
        return actions;
    }
    for domain in &seen.domains {
        let (Some(name), Some(arch)) = (&domain.name, &domain.os.arch) else { continue };
        let line = seen.text.lines_with("<emulator>").next().map(|(_, line)| line.trim());
        let path = line.and_then(|line| line.strip_prefix("<emulator>")?.strip_suffix("</emulator>"));
        let Some(from) = path.filter(|path| matches!(cx.file(path), Found::Absent)) else { continue };
        let here = |path: &str| matches!(cx.file(path), Found::Text(_));
        let Some((_, to)) = EMULATORS.iter().find(|(of, path)| *of == arch.value && here(path)) else {
            continue;
        };
        actions.push(Action::EditDomain {
            connection: "qemu:///system".to_owned(),
            domain: name.value.clone(),
            edits: vec![DomainEdit::Text {
                path: "devices[1]/emulator[1]".to_owned(),
                from: from.to_owned(),
                to: (*to).to_owned(),
            }],
        });
    }
    actions
}

#[cfg(test)]
mod tests {
    use crate::{Reading, entry, ranking};
    use vmwright_model::{Kind, Missing, Record, Snapshot, Verdict};

    fn judge(live: bool) -> Vec<Verdict> {
        let records = vec![
            Record::new("/etc/libvirt/qemu/old.xml", Kind::TEXT, "<emulator>/usr/bin/kvm</emulator>\n"),
            Record::missing("/usr/bin/kvm", Kind::TEXT, Missing::Absent),
        ];
        let snapshot = Snapshot { live, records, ..Snapshot::default() };
        ranking::judge(entry("libvirt/emulator-missing").expect("this file"), &Reading::new(&snapshot, ""))
    }

    #[test]
    fn a_named_emulator_that_is_absent_counts_on_a_live_host_only() {
        assert!(matches!(judge(true)[..], [Verdict::Fired(_)]));
        assert!(matches!(judge(false)[..], [Verdict::Quiet]));
    }
}
