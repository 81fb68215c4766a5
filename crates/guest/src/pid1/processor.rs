//! What the processor says of itself at this moment. A kernel asks once, at boot: behind a move or a restore the two may differ.

use serde_json::{Value, json};

/// Leaves whose words are features: 0x1, 0x7, 0x80000001, 0x80000008 and 0x80000021 (Intel SDM volume 2, `CPUID`; AMD APM
/// volume 3, appendix E).
#[cfg(target_arch = "x86_64")]
const LEAVES: [u32; 5] = [0x1, 0x7, 0x8000_0001, 0x8000_0008, 0x8000_0021];

/// `vmwright-cpuid`: the answers of those leaves that there are, of the processor that runs this.
#[cfg(target_arch = "x86_64")]
pub(super) fn cpuid() -> Result<Value, String> {
    use core::arch::x86_64::__cpuid_count;
    // The last leaf of a range is the answer to its first.
    let there = |leaf: &u32| *leaf <= __cpuid_count(leaf & 0x8000_0000, 0).eax;
    let answer = |leaf: u32| {
        let words = __cpuid_count(leaf, 0);
        json!({ "leaf": leaf, "eax": words.eax, "ebx": words.ebx, "ecx": words.ecx, "edx": words.edx })
    };
    Ok(LEAVES.into_iter().filter(there).map(answer).collect())
}

/// Other processors have no such instruction.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn cpuid() -> Result<Value, String> {
    Err("this processor has no CPUID".to_owned())
}
