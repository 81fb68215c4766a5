//! Status codes of the TDX module's calls: what the 64 bits say that Linux prints after "SEAMCALL ... failed".
//!
//! Bits 63:32 are class and reason, bits 31:0 a detail: the number of an operand, MSR or CPUID leaf. The kernel adds
//! three values of its own (`arch/x86/include/asm/tdx.h`): no module, SEAM not switched on, and VMX not switched on.

mod tables;

use tables::{LEAVES, OPERANDS, STATUS};

/// A completion status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeamcallStatus {
    /// Bits 63:32.
    pub high: u32,
    /// Its name in the ABI specification, without `TDX_`.
    pub name: &'static str,
    /// What it says: a fragment.
    pub meaning: &'static str,
}

const fn status(high: u32, name: &'static str, meaning: &'static str) -> SeamcallStatus {
    SeamcallStatus { high, name, meaning }
}

/// What the kernel returns where no module answered.
const NO_MODULE: u64 = 0x8000_FF00_FFFF_0000;
const GENERAL_PROTECTION: u64 = 0x8000_FF00_0000_000D;
const INVALID_OPCODE: u64 = 0x8000_FF00_0000_0006;

/// The status by its bits 63:32; `None` where the specification has none.
#[must_use]
pub fn seamcall_status(status: u64) -> Option<&'static SeamcallStatus> {
    STATUS.iter().find(|one| u64::from(one.high) == status >> 32)
}

/// The status with this name, without the prefix `TDX_`; `None` where the specification has none.
#[must_use]
pub fn seamcall_named(name: &str) -> Option<&'static SeamcallStatus> {
    STATUS.iter().find(|one| one.name == name)
}

/// The name of a SEAMCALL leaf, such as `TDH.SYS.INIT` of 0x21. Bits 23:16 are the version and are left.
#[must_use]
pub fn seamcall_leaf(leaf: u64) -> Option<String> {
    let (_, name) = LEAVES.iter().find(|(number, _)| *number == leaf & 0xFFFF)?;
    Some(format!("TDH.{name}"))
}

/// A status in words with its name, and with the operand, MSR or CPUID leaf that its low half names; `None` where
/// it is not known.
#[must_use]
pub fn seamcall_words(status: u64) -> Option<String> {
    match status {
        NO_MODULE => return Some("no TDX module is loaded".to_owned()),
        GENERAL_PROTECTION => return Some("the BIOS has not switched TDX on".to_owned()),
        INVALID_OPCODE => return Some("the CPU is not in VMX operation".to_owned()),
        _ => {}
    }
    let known = seamcall_status(status)?;
    let low = status & 0xFFFF_FFFF;
    // Classes 01 and 02 name an operand, 0900 to 0908 a CPUID leaf, 0920 and 0921 an MSR.
    let detail = match known.high & 0xFFFF {
        0x0100..=0x0205 | 0x0300..=0x0308 => {
            let operand = OPERANDS.iter().find(|(number, _)| *number == low);
            operand.map(|(_, name)| format!(", operand {name}"))
        }
        0x0900..=0x0908 if low != 0 => Some(format!(", CPUID leaf {low:#x}")),
        0x0920 | 0x0921 => Some(format!(", MSR {low:#x}")),
        _ if low != 0 => Some(format!(", detail {low:#x}")),
        _ => None,
    };
    Some(format!("{} ({}{})", known.meaning, known.name, detail.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u64, expect: &str) {
        assert_eq!(seamcall_words(status).as_deref(), Some(expect), "{status:#x}");
    }

    #[test]
    fn codes_from_logs_are_told() {
        check(
            0xC000_0921_0000_0122,
            "the module refuses the value of an MSR: BIOS or microcode (INCORRECT_MSR_VALUE, MSR 0x122)",
        );
        check(
            0xC000_0900_0000_0000,
            "a CPUID value is not what the module needs: BIOS or microcode (INCORRECT_CPUID_VALUE)",
        );
        check(
            0xC000_0300_0000_0001,
            "a page is in another state than the kernel believes (PAGE_METADATA_INCORRECT, operand RCX)",
        );
        check(0xC000_0100_0000_0045, "an operand is not valid (OPERAND_INVALID, operand CPUID_CONFIG)");
        check(0x8000_FF00_FFFF_0000, "no TDX module is loaded");
    }

    #[test]
    fn unknown_codes_are_not_guessed() {
        assert_eq!(seamcall_words(0xC000_FFFF_0000_0000), None);
        assert_eq!(seamcall_words(0), None);
    }

    #[test]
    fn leaves_are_named_without_their_version() {
        assert_eq!(seamcall_leaf(0x21).as_deref(), Some("TDH.SYS.INIT"));
        assert_eq!(seamcall_leaf(0x1_0009).as_deref(), Some("TDH.MNG.CREATE"));
        assert_eq!(seamcall_leaf(0xFFFF), None);
    }

    #[test]
    fn reasons_are_unique() {
        let mut reasons: Vec<u32> = STATUS.iter().map(|one| one.high & 0xFFFF).collect();
        reasons.sort_unstable();
        assert!(reasons.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
