//! # The vTPM's state or certificate directory cannot be read or written
//!
//! ## What it is
//! swtpm runs as its own user (`tss`, `swtpm`, or the VM's user) and keeps the TPM's state below
//! `/var/lib/libvirt/swtpm/<uuid>`; `swtpm_localca` keeps a certificate authority in `/var/lib/swtpm-localca`.
//! That user may not enter, read or write one of these places, or the log.
//!
//! Heard as: after a restore as root the VM with a TPM does not start; its state belongs to another user.
//!
//! Known by: swtpm: could not open state, tpm2-00.permall; swtpm-localca permission; /var/lib/swtpm-localca; owner tss
//! or swtpm; cannot create lock file.
//!
//! ## Why it happens
//! The directory was copied or restored as root; `swtpm_user` in `/etc/libvirt/qemu.conf` was changed; the CA was
//! first made by another user; the state lies on NFS with root squash; a session VM uses the system's CA.
//!
//! ## Confirm
//! `namei -l /var/lib/libvirt/swtpm/<uuid>/tpm2/tpm2-00.permall`, `ls -ld /var/lib/swtpm-localca`,
//! `tail /var/log/swtpm/libvirt/qemu/NAME-swtpm.log`, `grep swtpm_ /etc/libvirt/qemu.conf`.
//!
//! ## Refute
//! The user owns all of it, and the kernel log has no DENIED or AVC line for swtpm either.
//!
//! ## Fix
//! Give the directories back to the user that swtpm runs as (as a rule `tss:tss` or `swtpm:swtpm`, mode 0750),
//! without touching the content.
//!
//! ## References
//! libvirt `src/qemu/qemu_tpm.c`, `qemuTPMEmulatorCreateStorage()`; swtpm `src/swtpm_localca/swtpm_localca.c`,
//! `src/swtpm_setup/swtpm_setup.c`, `src/swtpm/swtpm_nvstore_dir.c`.

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["tpm", "permission"],
    needs: &[
        Need::File("/etc/libvirt/qemu.conf"),
        Need::File("/etc/swtpm-localca.conf"),
        Need::Glob("/var/log/swtpm/libvirt/qemu/*.log"),
    ],
    signs: &[
        Sign::proof("Need read/write rights on statedir {path} for user"),
        Sign::proof("Need read/write rights on {path} for user"),
        Sign::proof("Need read rights on {path} for user"),
        Sign::proof("Need read rights on * for user"),
        Sign::proof("SWTPM_NVRAM_Lock_Dir: Could not open lockfile: Permission denied"),
        Sign::strong("SWTPM_NVRAM_Lock_Dir: Could not open lockfile"),
        Sign::strong("SWTPM_NVRAM_*Permission denied"),
        Sign::strong("SWTPM_NVRAM_*Read-only file system"),
        Sign::strong("Could not open UnixIO socket: Permission denied"),
        Sign::strong("Could not open TCP socket").and(&["swtpm"]),
        Sign::strong("Could not chown on swtpm logfile"),
        Sign::strong("Could not create TPM directory"),
        Sign::strong("User {user} cannot read config file"),
        Sign::strong("User {user} cannot read keyfile"),
        Sign::strong("Could not open pidfile *Permission denied").and(&["swtpm"]),
        Sign::strong("Cannot open logfile *Permission denied").and(&["swtpm"]),
        Sign::strong("swtpm*: Permission denied").unless(EXEC),
        Sign::strong("swtpm*Permission denied").unless(EXEC),
        Sign::strong("swtpm-localca*ermission denied"),
        Sign::strong("Could not create directory *swtpm*: Permission denied"),
        Sign::strong("Could not start swtpm '*': Permission denied"),
        Sign::support("An error occurred. Authoring the TPM state failed")
            .unless(&["Could not find * in PATH"]),
        Sign::support("Could not create root-CA"),
        Sign::support("Could not create local-CA"),
        Sign::support("Could not run '*swtpm_setup'. exitstatus"),
        Sign::support("Could not run '*swtpm_setup'. exit status"),
        Sign::support("Could not start 'swtpm'. exitstatus").unless(EXEC),
        Sign::strong("Failed to connect to '*tpm*': Permission denied"),
        Sign::support("swtpm*Could not run * to create config files"),
        Sign::strong("User {user} cannot access directory {path}"),
        Sign::strong("Cannot access TPM device using '{path}': Permission denied"),
        Sign::hint("swtpm died and reported"),
        Sign::hint("swtpm died unexpectedly"),
        Sign::hint("Could not get process id of swtpm"),
        Sign::strong("apparmor=\"DENIED\"*swtpm").against(),
        Sign::strong("avc: * denied *swtpm").against(),
        Sign::strong("Unable to restore labels on TPM state"),
        Sign::strong("Could not create directory").and(&["swtpm"]),
        Sign::strong("Could not open logfile for writing").and(&["swtpm"]),
        Sign::strong("Could not open pidfile"),
        Sign::strong("Could not open UnixIO socket"),
        Sign::strong("Could not change permissions on UnixIO socket"),
        Sign::strong("No TPM state directory is defined"),
        Sign::strong("Error: setuid({u}) failed"),
        Sign::strong("Error: setgid({g}) failed"),
        Sign::strong("Error: initgroups("),
        Sign::strong("Unable to setuid root"),
    ],
    words: &["swtpm", "permission", "swtpm-localca", "restored", "backup"],
    tells: "namei -l of the state directory; the swtpm log below /var/log/swtpm/libvirt/qemu",
    remedy: "give the vTPM's state, CA and log directories back to the user that swtpm runs as",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    ..Rule::NEW
};

/// Not its files, but the program itself.
const EXEC: &[&str] = &["cannot execute binary *swtpm"];
