//! # The vTPM's state did not come with the VM
//!
//! ## What it is
//! Keys that the guest sealed (BitLocker, LUKS by systemd-cryptenroll or clevis, Windows Hello) live in the vTPM's
//! state on the host, outside the disk image. The VM arrived with another state, an older one, or none, so the
//! TPM is a stranger to the guest.
//!
//! Heard as: Windows asks for the BitLocker recovery key after a copy, move, restore or snapshot of the VM.
//!
//! Known by: BitLocker recovery key asked after copying or restoring; PIN no longer works; TPM empty behind migration,
//! clone or snapshot; new TPM state directory.
//!
//! ## Why it happens
//! The disk was copied without `/var/lib/libvirt/swtpm/<uuid>`; the VM got a new UUID or was cloned; a backup or a
//! snapshot leaves the state out; a migration's state blob was refused because libtpms differs or because both
//! sides share a directory; the encryption key of the state is not on this host.
//!
//! ## Confirm
//! `ls -l /var/lib/libvirt/swtpm/<uuid>/tpm2/` (age and UUID), `/var/log/swtpm/libvirt/qemu/NAME-swtpm.log`,
//! `virsh dumpxml NAME | grep -E 'uuid|<tpm|<encryption'` on both hosts.
//!
//! ## Refute
//! The state file is older than the move and unchanged, and the UUID is the same: then boot measurements (PCRs)
//! changed, by firmware or Secure Boot settings.
//!
//! ## Fix
//! Bring the state directory of the same moment with its owner and the same UUID, and its secret where it is
//! encrypted. Without it use the recovery key and seal anew.
//!
//! ## References
//! QEMU `backends/tpm/tpm_emulator.c`, `tpm_emulator_set_state_blob()`; `docs/specs/tpm.rst`, "Migration";
//! libvirt `src/qemu/qemu_tpm.c`; swtpm `src/swtpm/swtpm_nvstore.c`.

use crate::prelude::*;

/// What people say of a TPM that has forgotten.
const RECOVERY: &[&str] = &["bitlocker", "recovery key", "recovery screen", "pin is no longer", "hello"];

pub const RULE: Rule = Rule {
    tags: &["tpm", "migration"],
    needs: &[Need::Glob("/var/log/swtpm/libvirt/qemu/*.log")],
    signs: &[
        Sign::proof("tpm-emulator: Setting the stateblob (type {kind}) failed with a TPM error"),
        Sign::strong("tpm-emulator: Setting the stateblob"),
        Sign::strong("tpm-emulator: could not set state blob"),
        Sign::strong("tpm-emulator: Writing the stateblob"),
        Sign::support("tpm-emulator: Getting the stateblob"),
        Sign::strong("load of migration failed*").and(&["tpm-emulator"]),
        Sign::proof("Missing state key to decrypt"),
        Sign::proof("Missing migration key to decrypt"),
        Sign::proof("blob with the state key failed"),
        Sign::strong("blob with the migration key failed"),
        Sign::strong("Verification of HMAC failed").and(&["swtpm"]),
        Sign::strong("Wrong decryption key. Need"),
        Sign::strong("SWTPM_NVRAM_LoadData*: Error (fatal)"),
        Sign::hint("SWTPM_NVRAM_LoadData: No such file"),
        Sign::strong("SWTPM_NVRAM_LoadData: No such file").and(&["recovery key"]),
        Sign::strong("SWTPM_NVRAM_LoadData: No such file").and(&["bitlocker"]),
        Sign::support("SWTPM_NVRAM_LoadData: No such file").and(&["migrat"]),
        Sign::support("tpm2-00.permall").and(&["bitlocker"]),
        Sign::strong("SWTPM_NVRAM_LoadData: Error from SWTPM_NVRAM_GetDecryptedData"),
        Sign::strong("TPM state * No such file or directory"),
        Sign::strong("the running swtpm does not support migration with shared storage"),
        Sign::strong("does not support the --migration option needed for migration with shared storage"),
        Sign::support("tpm-emulator: TPM result for CMD_INIT: 0x").and(&["migrat"]),
        Sign::strong("tpm-emulator: Could not lock storage within"),
        Sign::strong("Failed to unseal secret using TPM2"),
        Sign::support("Failed to unseal"),
        Sign::support("Entering failure mode; code: 8, location: NvPowerOn"),
        Sign::support("Entering failure mode; code:"),
        Sign::support("Esys_Load*integrity"),
        Sign::strong("tpm:parameter(1):integrity check failed"),
        Sign::support("Your PIN is no longer available"),
        Sign::support("Your Trusted Platform Module has malfunctioned"),
        Sign::support("Enter the recovery key"),
        Sign::support("BitLocker recovery"),
        Sign::hint("bitlocker"),
        // What a complaint makes of a configuration.
        Sign::support("<tpm model").said(RECOVERY).or_near(),
        Sign::support("tpmstate").said(RECOVERY).or_near(),
        Sign::support("swtpm").said(RECOVERY).or_near(),
        Sign::support("tpm-emulator: could not get state blob"),
        Sign::support("tpm-emulator: Reading response from writing stateblob"),
        Sign::support("tpm-emulator: Expecting to read * bytes but would get"),
        Sign::strong("tpm-emulator: Could not read stateblob"),
        Sign::strong("tpm-emulator: TPM result for CMD_LOCK_STORAGE"),
        Sign::strong("Setting the stateblob"),
        Sign::support("tpm-emulator: TPM result for CMD_INIT"),
        Sign::strong("Verification of hash failed. Data integrity is compromised"),
        Sign::strong("Could not find HMAC or encrypted data"),
        Sign::strong("HMAC calculation failed"),
        Sign::strong("PKCS5_PBKDF2_HMAC with"),
        Sign::strong("Attempting to start with backup state file"),
        Sign::strong("Profile could not be applied to an existing TPM 2 instance"),
        Sign::strong("Could not find plain data in byte stream"),
        Sign::strong("Unknown blob type"),
    ],
    words: &["bitlocker", "recovery key", "after migrat", "restored", "clone", "snapshot", "restart"],
    tells: "ls -l /var/lib/libvirt/swtpm/<uuid>/tpm2/ on both hosts",
    remedy: "bring the vTPM's state directory (same moment, same UUID, its secret) with the VM, or use the recovery key",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    // KubeVirt: `tpm: {}` is empty again at each start of the VM; `persistent: true` keeps it on a volume.
    for text in cx.texts_with(["kubevirt.io/", "domain:"]) {
        let tpm = text.lines_with("tpm: {").find(|(_, line)| matches!(line.trim(), "tpm: {}" | "tpm: { }"));
        let strength = if cx.said("bitlocker") || cx.said("recovery key") || cx.said("restart") {
            Strength::Strong
        } else {
            Strength::Hint
        };
        let quote = tpm.and_then(|(at, _)| text.quote(at));
        draft = draft.because(strength, quote, "this vTPM does not outlive the VM's process");
    }
    vec![draft.verdict()]
}
