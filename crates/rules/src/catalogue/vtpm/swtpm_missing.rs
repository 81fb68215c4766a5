//! # swtpm or swtpm_setup is not installed or not found
//!
//! ## What it is
//! An emulated TPM is a process of its own: libvirt runs `swtpm_setup` once to make the TPM's state and then
//! `swtpm` beside each QEMU, which talks to it through a UNIX socket. One of the programs is missing, or none
//! was started and QEMU finds no socket.
//!
//! Heard as: since a TPM was added the VM does not start; swtpm is not installed.
//!
//! Known by: Unable to find 'swtpm_setup' or 'swtpm' binary in $PATH; TPM emulator not available; Windows 11 VM without
//! TPM; install swtpm-tools.
//!
//! ## Why it happens
//! The packages `swtpm` and `swtpm-tools` are optional and often separate; `swtpm_cert` or `swtpm_localca` is in
//! another package; libvirt's daemon has a shorter `$PATH`; or QEMU was started by hand without swtpm.
//!
//! ## Confirm
//! `command -v swtpm swtpm_setup swtpm_ioctl swtpm_cert`;
//! `virsh domcapabilities | sed -n '/<tpm/,/<\/tpm>/p'` lists no backend `emulator`.
//!
//! ## Refute
//! The programs are there and `/var/log/swtpm/libvirt/qemu/NAME-swtpm.log` has an error of its own.
//!
//! ## Fix
//! Install `swtpm` and `swtpm-tools` and restart the libvirt daemon, which looks for them when it first needs
//! them. By hand: start `swtpm socket --tpm2 --tpmstate dir=DIR --ctrl type=unixio,path=SOCKET` before QEMU.
//!
//! ## References
//! libvirt `src/util/virtpm.c`, `virTPMEmulatorInit()`; `docs/formatdomain.rst`, "TPM device"; QEMU
//! `docs/specs/tpm.rst`; swtpm `swtpm_setup(8)`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["tpm", "install"],
    needs: &[Need::Exists("/usr/bin/swtpm"), Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("Unable to find 'swtpm*' binary in $PATH"),
        Sign::proof("Unable to find swtpm"),
        Sign::proof("Cannot find 'swtpm*' in path"),
        Sign::proof("cannot execute binary *swtpm*: No such file or directory"),
        Sign::proof("swtpm*is not an executable"),
        Sign::proof("exec: \"swtpm*\": executable file not found"),
        Sign::proof("swtpm: command not found"),
        Sign::proof("swtpm_setup: command not found"),
        Sign::proof("swtpm_setup: not found"),
        Sign::proof("swtpm: not found"),
        Sign::proof("No such file or directory: 'swtpm"),
        Sign::proof("Default TPM 'swtpm' could not be found"),
        Sign::proof("Could not find swtpm_cert in PATH"),
        Sign::strong("Could not find swtpm"),
        Sign::strong("Could not find * in PATH").and(&["swtpm"]),
        Sign::strong("swtpm is not installed"),
        Sign::strong("swtpm* is missing"),
        Sign::strong("Could not start swtpm '*': No such file"),
        Sign::strong("Could not run '*swtpm*': No such file or directory"),
        Sign::strong("Could not start the TPM emulator"),
        Sign::strong("Failed to connect to '*swtpm*': No such file or directory"),
        Sign::strong("Failed to connect to '*swtpm*': Connection refused"),
        Sign::strong("Failed to connect to '*tpm*': No such file or directory"),
        Sign::strong("failed to start swtpm"),
        // libvirt asks swtpm_setup for the versions it can do, and knows none without it.
        Sign::support("TPM version '2.0' is not supported").unless(&["swtpm * does not support TPM"]),
        Sign::support("tpm-emulator: tpm chardev '{chardev}' not found"),
        Sign::support("swtpm socket did not show up"),
        Sign::hint("swtpm didn't show up"),
        Sign::strong("tpm-emulator: Failed to send CMD_SET_DATAFD"),
        Sign::strong("tpm_passthrough: Bad TPM device path"),
        Sign::strong("Cannot access TPM device using")
            .unless(&["Device or resource busy", "Permission denied"]),
        Sign::strong("tpm_passthrough: Could not guess TPM cancel path"),
        Sign::strong("to create config files. exitstatus"),
        Sign::strong("--reconfigure'. exitstatus"),
        Sign::strong("Invalid binary").and(&["swtpm"]),
        Sign::strong("Domain caps doesn't report TPM support"),
        Sign::strong("TPM is enabled, but swtpm was not found"),
    ],
    words: &["swtpm", "windows 11", "not installed"],
    explains: &["vtpm/version-mismatch", "libvirt/tool-missing"],
    tells: "command -v swtpm swtpm_setup; virsh domcapabilities",
    remedy: "install swtpm and its tools (swtpm-tools) and restart the libvirt daemon",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::ServiceRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if matches!(cx.file("/usr/bin/swtpm"), Found::Absent) {
        let emulated = |line: &str| {
            let line = line.trim();
            line.starts_with("<backend type='emulator'") || line.starts_with("<backend type=\"emulator\"")
        };
        for text in cx.texts_with("<backend type=") {
            let mut lines = text.lines_with("<backend type=");
            let Some((number, _)) = lines.find(|(_, line)| emulated(line)) else { continue };
            let quote = text.quote(number);
            draft = draft.because(Strength::Strong, quote, "this host has no /usr/bin/swtpm");
        }
    }
    vec![draft.verdict()]
}

#[cfg(test)]
mod tests {
    use crate::{Reading, entry, ranking};
    use vmwright_model::{Kind, Missing, Record, Snapshot, Verdict};

    /// A live host with a VM that has an emulated TPM, with or without the program.
    fn judge(swtpm: Missing) -> Vec<Verdict> {
        let xml = "<tpm model='tpm-crb'>\n  <backend type='emulator' version='2.0'/>\n</tpm>\n";
        let records = vec![
            Record::new("/etc/libvirt/qemu/win.xml", Kind::TEXT, xml),
            Record::missing("/usr/bin/swtpm", Kind::TEXT, swtpm),
        ];
        let snapshot = Snapshot { live: true, records, ..Snapshot::default() };
        ranking::judge(entry("vtpm/swtpm-missing").expect("this file"), &Reading::new(&snapshot, ""))
    }

    #[test]
    fn only_an_absent_program_counts_on_a_live_host() {
        assert!(matches!(judge(Missing::Absent)[..], [Verdict::Fired(_)]));
        assert!(matches!(judge(Missing::Binary)[..], [Verdict::Quiet]));
        assert!(matches!(judge(Missing::Denied)[..], [Verdict::Quiet]));
    }
}
