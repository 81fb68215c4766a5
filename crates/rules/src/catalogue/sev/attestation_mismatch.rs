//! # The launch measurement or attestation report is not the one expected
//!
//! ## What it is
//! The security processor measures what the VM starts with: firmware, kernel hashes, CPU state (VMSA), policy. The
//! owner computes the same digest beforehand. If they differ, no secret is released and the VM is not trusted.
//!
//! Heard as: the measurement or report is not what was expected; launch digest.
//!
//! Known by: measurement differs; sevctl or snpguest verify fails; wrong digest, OVMF or kernel hash not included;
//! policy differs; VCEK chain; TIK TEK HMAC; remote owner rejects; expected hash; report data; secret not injected;
//! verifier, guest owner, KBS; calculated launch digest unlike the reported.
//!
//! ## Why it happens
//! Mostly one input of the calculation is another: a newer OVMF, another kernel, initrd or command line (a trailing
//! blank or newline counts), the number of vCPUs, the CPU model (its signature is in the VMSA), the VMM (QEMU, EC2 and
//! Krun set up VMSAs differently), guest features, or kernel hashes on only one side. An ID block with the wrong
//! digest stops SNP at LAUNCH_FINISH. It may also be what it is meant to find: a changed image.
//!
//! ## Confirm
//! Compute again from the very files and numbers of the running VM: `sev-snp-measure --mode snp --vcpus N
//! --vcpu-type ... --ovmf ... --kernel ... --initrd ... --append ...`; compare with the report (`snpguest display
//! report`) or `virsh domlaunchsecinfo`.
//!
//! ## Refute
//! The digests agree and only the certificate chain or TCB version fails: then fetch the right VCEK for the chip.
//!
//! ## Fix
//! Correct the input that differs. Never take the host's own measurement as the expected value.
//!
//! ## References
//! AMD SNP ABI 56860, SNP_LAUNCH_FINISH and ATTESTATION_REPORT; libvirt `tools/virt-qemu-sev-validate`; virtee
//! `sev-snp-measure`; QEMU `target/i386/sev.c`; edk2 `OvmfPkg/AmdSev/BlobVerifierLibSevHashes`.

use super::guest_memory_unpinned::status::weigh;
use crate::prelude::*;

pub const RULE: Rule = Rule {
    rank: Rank::Specific,
    tags: &["confidential", "sev", "security"],
    signs: &[
        Sign::proof("Measurement does not match, VM is not trustworthy"),
        Sign::strong("VerifyBlob: Hash comparison failed"),
        Sign::strong("BlobVerifierLibSevHashes*comparison failed"),
        Sign::support("measurement mismatch"),
        Sign::support("launch digest mismatch"),
        Sign::support("measurement does not match").and(&["amd sev"]),
        Sign::support("measurements do not match"),
        Sign::strong("Expected Measurement (sev-snp-measure)")
            .and(&["Measurement from SNP Attestation Report"]),
        Sign::strong("launch measurement").and(&["mismatch"]),
        Sign::support("REPORT_DATA is different from that in TEE Evidence"),
        Sign::support("Report data mismatch"),
        Sign::support("host_data mismatch"),
        Sign::support("VEK did not sign the Attestation Report"),
        Sign::support("TCB mismatch").and(&["attestation"]),
        Sign::support("Verifier evaluate failed: *measurement"),
        Sign::support("policy evaluation failed").and(&["sev-snp"]),
        Sign::support("SEV: failed to inject secret"),
        Sign::strong("Failed to get attestation report ret="),
        Sign::strong("Failed to query the attestation report length"),
    ],
    words: &["attestation", "measurement", "launch digest", "secret", "not trustworthy"],
    tells: "virsh domlaunchsecinfo",
    remedy: "compute the expected digest again from the firmware, kernel, command line, vCPUs and CPU model that really run",
    escalation: Some(Agent::SecurityEngineer),
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    // BAD_MEASUREMENT: the ID block or the secret names another digest.
    vec![weigh(cx, cx.draft(), &[0x0B], Strength::Proof).verdict()]
}
