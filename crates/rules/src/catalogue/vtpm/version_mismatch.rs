//! # The guest needs another TPM version or interface
//!
//! ## What it is
//! A TPM is of version 1.2 or 2.0 and is reached through one interface: TIS or CRB on x86, TIS on ARM, SPAPR on
//! POWER. The guest's system, QEMU's build, swtpm's build and the state on disk must agree on both.
//!
//! Heard as: Windows 11 says that the PC does not meet the requirements though a TPM is there.
//!
//! Known by: Windows 11 says TPM 2.0 required; tpm-tis against tpm-crb; TPM 1.2; emulator version; guest does not see
//! TPM; PCR banks.
//!
//! ## Why it happens
//! The default of old tools is 1.2 while Windows 11 and new systems ask for 2.0; TPM 1.2 has no CRB; distributions
//! build swtpm or libtpms without 1.2; this QEMU was built without the model; state was written by a newer swtpm.
//!
//! ## Confirm
//! `virsh dumpxml NAME | grep -A2 '<tpm'`; `virsh domcapabilities | sed -n '/<tpm/,/<\/tpm>/p'`;
//! `swtpm_setup --print-capabilities` lists `tpm-1.2` and `tpm-2.0`.
//!
//! ## Refute
//! Domain capabilities list the model, backend and version that the domain has, and the guest's driver binds.
//!
//! ## Fix
//! Set `<backend type='emulator' version='2.0'/>` with model `tpm-crb` (or `tpm-tis` for older guests). The state
//! of one version cannot be used by the other: keep the old directory and make a new TPM.
//!
//! ## References
//! libvirt `src/qemu/qemu_validate.c`, `qemuValidateDomainDeviceDefTPM()`; QEMU `docs/specs/tpm.rst`,
//! `backends/tpm/tpm_emulator.c`; Microsoft, Windows 11 requirements (TPM 2.0).

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["tpm", "guest"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        // libvirt prints "2.0" as a rule because it finds no swtpm at all.
        Sign::strong("TPM version '1.2' is not supported"),
        Sign::hint("TPM version '{version}' is not supported"),
        Sign::proof("TPM 1.2 is not supported for model"),
        Sign::proof("TPM 1.2 is not supported on architecture"),
        Sign::proof("swtpm at {path} does not support TPM 2"),
        Sign::proof("swtpm at {path} does not support TPM 1.2"),
        Sign::strong("does not support TPM model"),
        Sign::strong("does not support TPM backend type"),
        Sign::proof("tpm-emulator: TPM does not implement minimum set of"),
        Sign::strong("required capabilities for TPM"),
        Sign::strong("Minimum required version for the blob is"),
        Sign::proof("'tpm-crb' is not a valid device model name"),
        Sign::proof("'tpm-tis' is not a valid device model name"),
        Sign::proof("'tpm-tis-device' is not a valid device model name"),
        Sign::proof("'tpm-spapr' is not a valid device model name"),
        Sign::strong("Parameter 'type' expects a TPM backend type"),
        Sign::strong("swtpm_setup has no support for profiles"),
        Sign::strong("requires TPM version '"),
        Sign::strong("There's no --profile support for TPM 1.2"),
        Sign::strong("Could not set profile for TPM2"),
        Sign::strong("is not supported by libtpms"),
        Sign::support("tpm-emulator: TPM result for CMD_INIT: 0x"),
        Sign::strong("tpm_crb MSFT0101:00: "),
        Sign::support("tpm_tis*: probe * failed with error"),
        Sign::strong("TPM 2.0 must be supported and enabled"),
        Sign::strong("TPM 2.0 is required"),
        // Windows' TPM console, where a TPM is there that it does not take.
        Sign::proof("no compatible TPM").and(&["tpmdev"]),
        Sign::proof("ompatible TPM cannot be found").and(&["tpmdev"]),
        Sign::proof("ompatible TPM cannot be found").and(&["<tpm "]),
        Sign::proof("no compatible TPM").and(&["<tpm "]),
        Sign::strong("TPM version 1.2 * Windows 11"),
        Sign::support("This PC can't run Windows 11"),
        Sign::support("This PC doesn't currently meet Windows 11"),
        Sign::strong("<backend type='emulator' version='1.2'").and(&["Windows 11"]),
        Sign::strong("<backend type='emulator' version='1.2'").and(&["win11"]),
        Sign::strong("<backend type='emulator' version='1.2'").and(&["tpm-crb"]),
        // Its tools make no state for a TPM 1.2: swtpm was built without.
        Sign::strong("<backend type='emulator' version='1.2'").and(&["swtpm_setup'. exit"]),
        Sign::hint("<backend type='emulator' version='1.2'"),
        // The 2 MB builds of edk2 with Secure Boot lost TPM 2.0 for want of room (Fedora 43, edk2 202508 and later).
        Sign::support("OVMF_CODE.secboot.fd").and(&["tpmdev emulator"]),
        Sign::support("OVMF_CODE.secboot.fd").and(&["<backend type='emulator'"]),
        Sign::strong("is not emulating TPM device"),
        Sign::strong("requested buffer size of * is smaller than host TPM's fixed buffer size"),
        Sign::strong("version=*1.2").said(&["windows 11", "requirements"]).or_near(),
        Sign::strong("cannot change TPM state version after creation"),
        Sign::strong("TPM version has not been set"),
        Sign::strong("Got unexpected response to TPM_GetCapability"),
        Sign::strong("Got unexpected response to TPM2_GetCapability"),
        Sign::strong("tpm-emulator: probing failed"),
        Sign::strong("Unsupported interface '{i}' for TPM 1.2"),
        Sign::strong("TPM device path {p} is invalid"),
        Sign::strong("Unsupported TPM interface type"),
        Sign::strong("Could not open /dev/vtpmx"),
        Sign::strong("Ioctl to create vtpm proxy failed"),
        Sign::strong("TPM 2 does not support startup deactivated"),
        Sign::strong("Need to start with modified OpenSSL config file"),
        Sign::strong("internal error; invalid TPM version"),
        Sign::support("must support TPM 2.0"),
        Sign::support("must support Secure Boot"),
    ],
    words: &["windows 11", "tpm 2.0", "tpm 1.2", "tpm-crb", "tpm-tis"],
    explains: &["machine/device-model-unsupported"],
    tells: "virsh dumpxml NAME | grep -A2 '<tpm'; virsh domcapabilities",
    remedy: "give the guest the TPM version and interface it needs (2.0 with tpm-crb or tpm-tis), with fresh state",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
