//! # The host's TPM that the VM is given is in use
//!
//! ## What it is
//! A TPM of the host (`<backend type='passthrough'>`, `-tpmdev passthrough`) has one user at a time: `/dev/tpm0` can be
//! opened once. Where the host's own software, or another VM, has it open, QEMU cannot have it.
//!
//! Heard as: passing the host's TPM through says that the device or resource is busy.
//!
//! Known by: Cannot access TPM device; Device or resource busy; /dev/tpm0; tpm-passthrough, TPM passthrough; tcsd, trousers;
//! tpm2-abrmd; another VM has the host's TPM; only one user of the chip.
//!
//! ## Why it happens
//! A resource manager in user space (tcsd, tpm2-abrmd) holds `/dev/tpm0` for as long as it runs; a second VM was given the
//! same TPM; a VM that ended badly left its QEMU behind. `/dev/tpmrm0`, the kernel's resource manager, is no way out: a
//! guest's TPM driver needs the chip for itself.
//!
//! ## Confirm
//! `fuser -v /dev/tpm0` or `lsof /dev/tpm0` as root; `systemctl status tcsd tpm2-abrmd`; the domains that have the TPM:
//! `grep -l "backend type='passthrough'" /etc/libvirt/qemu/*.xml`.
//!
//! ## Refute
//! Nobody has it open, and the message ends with "Permission denied" (`vtpm/state-permission`) or "No such file or
//! directory" (the host has no TPM, or its firmware switched it off).
//!
//! ## Fix
//! Stop who holds it, or give the VM an emulated TPM of its own (`<backend type='emulator' version='2.0'/>`), which can be
//! saved and migrated too.
//!
//! ## References
//! QEMU `backends/tpm/tpm_passthrough.c`, `tpm_passthrough_handle_device_opts()`, `docs/specs/tpm.rst`; Linux
//! `drivers/char/tpm/tpm-dev.c`, `tpm_open()`; libvirt `docs/formatdomain.rst`, "TPM device".

use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["tpm", "passthrough"],
    needs: &[Need::Glob("/etc/libvirt/qemu/*.xml")],
    signs: &[
        Sign::proof("Cannot access TPM device using '{path}': Device or resource busy"),
        Sign::proof("tpm*/dev/tpm0*Device or resource busy"),
        Sign::strong("/dev/tpm0: Device or resource busy"),
        Sign::strong("'/dev/tpm0': Device or resource busy"),
    ],
    words: &["tpm0", "tpm passthrough", "host's tpm", "hardware tpm", "physical tpm"],
    tells: "fuser -v /dev/tpm0",
    remedy: "stop who holds the host's TPM, or give the VM an emulated one",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};
