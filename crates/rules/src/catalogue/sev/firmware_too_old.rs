//! # The firmware of AMD's security processor is older than this feature needs
//!
//! ## What it is
//! SEV, SEV-ES and SEV-SNP are run by the firmware of the security processor (PSP). Its API version decides what
//! exists: SEV-ES needs 0.17, SEV-SNP hosts need 1.51, later features (range lists, ciphertext hiding) more.
//!
//! Heard as: the SEV firmware or API version is older than what is needed.
//!
//! Known by: SEV API version too low; update of PSP firmware, amd_sev_fam19h.sbin; SNP needs 1.51 or later;
//! download_firmware; TCB version; security processor, PSP, fTPM update from vendor; API major minor build; platform
//! status; unsupported command; update BIOS or firmware blob.
//!
//! ## Why it happens
//! The firmware comes with the BIOS. The kernel can load a newer one from `/lib/firmware/amd/amd_sev_fam*.sbin`
//! for the time until reboot, but only if the package has a file for this family and model, the running firmware
//! is new enough to take it (0.15), and the file is in the initramfs when `ccp` loads.
//!
//! ## Confirm
//! `dmesg | grep -E 'SEV API|SEV-SNP API|failed to INIT'`: the line names major.minor and build.
//! `ls /lib/firmware/amd/`.
//!
//! ## Refute
//! The API version is at least the one needed. INIT error 3 is a BIOS setting (sev/disabled-in-firmware).
//!
//! ## Fix
//! Update the BIOS, or install the newest `amd_sev_fam*.sbin` of linux-firmware, rebuild the initramfs, reboot.
//!
//! ## References
//! AMD SEV firmware ABI specification 56860 (SNP) and 55766 (SEV), status codes; Linux
//! `drivers/crypto/ccp/sev-dev.c` `__sev_snp_init_locked()`, `sev_update_firmware()`,
//! `include/uapi/linux/psp-sev.h`; QEMU `target/i386/sev.c` `sev_fw_errlist`.

use super::guest_memory_unpinned::{Level, asked, status::weigh};
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev"],
    signs: &[
        Sign::proof("SEV-SNP support requires firmware version >= {version}"),
        // Seen with the first BIOSes of EPYC 7001; a BIOS update cures it.
        Sign::strong("SEV: failed to INIT error 0x8004"),
        Sign::support("Failed to update SEV firmware"),
        Sign::support("failed to load amd/amd_sev_fam").and(&["failed to INIT"]),
        Sign::support("DOWNLOAD_FIRMWARE not supported"),
        Sign::strong("firmware version is too old").and(&["sev-snp"]),
        Sign::strong("SEV firmware version is too old"),
        Sign::hint("SEV: failed to INIT error "),
        Sign::support("timed out, disabling PSP"),
        Sign::support("SEV: retrying INIT command because of SECURE_DATA_INVALID"),
    ],
    words: &["sev firmware", "firmware version", "amd_sev_fam", "sev-snp", "api version"],
    tells: "dmesg",
    remedy: "update the BIOS, or put the newest amd_sev_fam*.sbin of linux-firmware into the initramfs and reboot",
    disruption: Disruption::HostReboot,
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

/// Answers of a firmware that does not know what is asked, or may not be installed: INVALID_COMMAND, UNSUPPORTED,
/// BAD_SVN, BAD_VERSION, UPDATE_FAILED, RESTORE_REQUIRED.
const UNKNOWN: [u16; 6] = [0x11, 0x15, 0x21, 0x22, 0x24, 0x25];

/// Answers that a new BIOS has cured: errors of the hardware and of the firmware's own data.
const BROKEN: [u16; 3] = [0x13, 0x14, 0x18];

/// Lines in which the kernel prints the firmware's API version.
const API: &str = "SEV API:{version} build:";
const SNP_API: &str = "SEV-SNP API:{version} build:";

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = weigh(cx, cx.draft(), &UNKNOWN, Strength::Strong);
    draft = weigh(cx, draft, &BROKEN, Strength::Support);
    let level = match asked(cx) {
        Some((level, _)) => Some(level),
        None if cx.said("sev-snp") => Some(Level::Snp),
        None => None,
    };
    // SNP_MIN_API_MAJOR and _MINOR of sev-dev.c; SEV-ES: `sev_version_greater_or_equal(0, 17)`.
    let least = match level {
        Some(Level::Snp) => (1, 51),
        Some(Level::Es) => (0, 17),
        _ => return vec![draft.verdict()],
    };
    for (text, number, line) in cx.lines_with(["API:", "api:"]) {
        let Some(version) = api(line) else { continue };
        draft = draft.looked();
        if version < least {
            let title = format!(
                "SEV firmware API {}.{} is older than {}.{}, which this VM needs",
                version.0, version.1, least.0, least.1
            );
            return vec![
                draft.because(Strength::Strong, text.quote(number), "too old").title(title).verdict(),
            ];
        }
        return vec![draft.despite(Strength::Support, text.quote(number), "new enough").verdict()];
    }
    vec![draft.verdict()]
}

/// The version in a line of the kernel such as `ccp 0000:22:00.1: SEV API:0.24 build:15`.
fn api(line: &str) -> Option<(u32, u32)> {
    let found = [SNP_API, API].iter().find_map(|pattern| {
        let pattern = crate::Pattern::new(pattern);
        let captures = pattern.find(line)?;
        captures.first().map(|(_, version)| (*version).to_owned())
    })?;
    let (major, minor) = found.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
