//! # The firmware has not reserved memory for the RMP table
//!
//! ## What it is
//! SEV-SNP records the owner of each page of memory in the reverse map table (RMP). The BIOS must set the table's
//! memory aside before the kernel starts: 16 bytes for each 4 KiB page, or segments of it on newer processors.
//! Without it, or with a table that does not cover all memory, the kernel gives SNP up.
//!
//! Heard as: SNP is not enabled as no RMP table is reserved.
//!
//! Known by: RMP table memory not reserved by BIOS; SEV-SNP: Memory for the RMP table has not been reserved; SNP memory
//! coverage; rmptable.
//!
//! ## Why it happens
//! The BIOS setting "SNP Memory (RMP Table) Coverage" is off, or is set by hand ("custom") to less than the
//! installed memory, often after memory was added. Some BIOSes leave the default at off although SNP is on.
//!
//! ## Confirm
//! `dmesg | grep -E 'RMP|SNP'`: "Memory for the RMP table has not been reserved by BIOS", or "does not cover full
//! system RAM" with the sizes expected and found.
//!
//! ## Refute
//! `dmesg` prints "RMP table physical range [...]" and no error after it.
//! An INIT error 3 after a good range is another BIOS setting: sev/disabled-in-firmware.
//!
//! ## Fix
//! In the BIOS: SNP memory coverage on, for all of the memory; reboot.
//!
//! ## References
//! AMD APM volume 2, 15.36.4; Linux `arch/x86/virt/svm/sev.c` `snp_probe_rmptable_info()`,
//! `snp_rmptable_init()`; `Documentation/arch/x86/amd-memory-encryption.rst`.

use super::guest_memory_unpinned::status::weigh;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev"],
    signs: &[
        Sign::proof("Memory for the RMP table has not been reserved by BIOS"),
        Sign::proof("Memory reserved for the RMP table does not cover full system RAM"),
        Sign::proof("RMP configuration not valid: base="),
        Sign::proof("Memory for the RMP segments has not been reserved"),
        Sign::strong("does not cover full system RAM").and(&["RMP table"]),
        Sign::strong("Failed to map RMP table"),
        Sign::strong("Failed to map RMP bookkeeping area"),
        Sign::strong("Invalid RMP size {size} for configured segment size"),
        Sign::strong("Invalid RMP segment base address"),
        Sign::strong("RMP segment size (*) is not within advertised bounds"),
        Sign::strong("Segmented RMP enabled but RMP_END MSR is non-zero"),
        Sign::strong("Failed to map RMP segment table"),
        Sign::support("SNP: RMP initialization failed, SNP cannot be supported"),
        Sign::support("FAIL*RMP table addresses"),
        Sign::support("FAIL*RMP INIT"),
        Sign::hint("not covered by the RMP table"),
        Sign::strong("SNP: Too late to enable SNP for IOMMU"),
    ],
    words: &["rmp table", "sev-snp", "snp memory coverage", "reserved by bios"],
    explains: &["sev/kernel-unsupported"],
    tells: "dmesg",
    remedy: "switch on SNP memory (RMP table) coverage of all memory in the BIOS and reboot",
    disruption: Disruption::HostReboot,
    needs: &[Need::Command(&["dmesg"])],
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // RMP_INIT_REQUIRED and RMP_INITIALIZATION_FAILED.
    vec![weigh(cx, cx.draft(), &[0x20, 0x26], Strength::Strong).verdict()]
}
