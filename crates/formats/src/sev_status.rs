//! Status codes of AMD's SEV and SEV-SNP firmware, and the reasons with which an SEV-ES guest ends itself.
//!
//! Codes are those of Linux `include/uapi/linux/psp-sev.h` (`sev_ret_code`), which follow AMD's "Secure Encrypted
//! Virtualization API" (55766) and "SEV-SNP Firmware ABI Specification" (56860). QEMU writes them in decimal
//! (`fw_error=11`), the kernel's ccp driver in hexadecimal (`error 0x3`).

/// A status of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SevStatus {
    /// The 16-bit code.
    pub code: u16,
    /// Its name in the specification.
    pub name: &'static str,
    /// What it says: a fragment.
    pub meaning: &'static str,
}

/// The status with this code; `None` where the specification has none.
#[must_use]
pub fn sev_status(code: u64) -> Option<&'static SevStatus> {
    STATUS.iter().find(|status| u64::from(status.code) == code)
}

/// The status with this name, without the prefix `SEV_RET_`; `None` where no specification has it.
#[must_use]
pub fn sev_named(name: &str) -> Option<&'static SevStatus> {
    STATUS.iter().find(|status| status.name == name)
}

/// Reads a code as QEMU or the kernel writes it: decimal, or hexadecimal after `0x`; what follows the digits is
/// left.
#[must_use]
pub fn sev_code(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|letter: char| !letter.is_digit(radix)).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], radix).ok()
}

const fn status(code: u16, name: &'static str, meaning: &'static str) -> SevStatus {
    SevStatus { code, name, meaning }
}

/// Every code of the specifications but 0, success.
const STATUS: [SevStatus; 38] = [
    status(0x01, "INVALID_PLATFORM_STATE", "the platform is not in the state that this command needs"),
    status(0x02, "INVALID_GUEST_STATE", "the guest is not in the state that this command needs"),
    status(0x03, "INVALID_CONFIG", "the platform's configuration is not valid: a setting of the BIOS"),
    status(0x04, "INVALID_LEN", "a buffer has the wrong length"),
    status(0x05, "ALREADY_OWNED", "the platform already has an owner"),
    status(0x06, "INVALID_CERTIFICATE", "a certificate is not valid"),
    status(0x07, "POLICY_FAILURE", "the guest policy is not allowed on this platform"),
    status(0x08, "INACTIVE", "the guest is not active on any ASID"),
    status(0x09, "INVALID_ADDRESS", "an address is not valid"),
    status(0x0A, "BAD_SIGNATURE", "a signature is wrong"),
    status(0x0B, "BAD_MEASUREMENT", "the measurement is another one than was given"),
    status(0x0C, "ASID_OWNED", "the ASID belongs to another guest"),
    status(0x0D, "INVALID_ASID", "the ASID is outside the range of this kind of guest"),
    status(0x0E, "WBINVD_REQUIRED", "the caches have not been written back"),
    status(0x0F, "DFFLUSH_REQUIRED", "the data fabric has not been flushed"),
    status(0x10, "INVALID_GUEST", "there is no guest with this handle or context"),
    status(0x11, "INVALID_COMMAND", "the firmware does not know the command"),
    status(0x12, "ACTIVE", "the guest is already active"),
    status(0x13, "HWERROR_PLATFORM", "the hardware has an error, and the platform may still be trusted"),
    status(0x14, "HWERROR_UNSAFE", "the hardware has an error, and the platform is not safe any more"),
    status(0x15, "UNSUPPORTED", "the firmware does not support the feature"),
    status(0x16, "INVALID_PARAM", "a parameter is not valid"),
    status(0x17, "RESOURCE_LIMIT", "the firmware has run out of a resource"),
    status(0x18, "SECURE_DATA_INVALID", "the firmware's own persistent data do not verify"),
    status(0x19, "INVALID_PAGE_SIZE", "the RMP entry has another page size"),
    status(0x1A, "INVALID_PAGE_STATE", "the RMP entry has another page state"),
    status(0x1B, "INVALID_MDATA_ENTRY", "the metadata entry is not valid"),
    status(0x1C, "INVALID_PAGE_OWNER", "the page belongs to another guest"),
    status(0x1D, "AEAD_OFLOW", "the encryption counter would overflow"),
    status(0x1F, "EXIT_RING_BUFFER", "the firmware left the ring buffer mode"),
    status(0x20, "RMP_INIT_REQUIRED", "the RMP must be initialised again"),
    status(0x21, "BAD_SVN", "the security version is older than the one that is committed"),
    status(0x22, "BAD_VERSION", "the firmware version is older than the one that is committed"),
    status(0x23, "SHUTDOWN_REQUIRED", "the platform must be shut down first"),
    status(0x24, "UPDATE_FAILED", "the firmware image could not be installed"),
    status(0x25, "RESTORE_REQUIRED", "the firmware image must be restored"),
    status(0x26, "RMP_INITIALIZATION_FAILED", "the RMP could not be initialised"),
    status(0x27, "INVALID_KEY", "the key is not valid"),
];

/// What the pair of a termination request says, `set:reason`, as KVM prints it for a guest that ends itself
/// ("SEV-ES guest requested termination: 0x1:0x2"): set 0 of the GHCB specification (56421), set 1 of Linux
/// (`arch/x86/include/asm/sev-common.h`).
#[must_use]
pub fn sev_termination(set: u64, reason: u64) -> Option<&'static str> {
    let reasons: &[&str] = match set {
        0 => &[
            "no reason given",
            "the host does not speak the guest's GHCB protocol",
            "an SNP feature is on that the guest does not support",
        ],
        1 => &[
            "the GHCB could not be registered",
            "a page state change failed",
            "a page could not be validated",
            "the guest does not run at VMPL 0",
            "CPUID could not be read",
            "CPUID of the hypervisor is not valid",
            "the secrets page is not valid",
            "an SVSM is needed and is not there",
            "the SVSM does not run at VMPL 0",
            "the SVSM's calling area is not valid",
            "the secure TSC could not be set up",
            "the SVSM's calling area could not be moved",
        ],
        _ => return None,
    };
    reasons.get(usize::try_from(reason).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_and_found() {
        assert!(STATUS.is_sorted_by_key(|status| status.code));
        assert_eq!(sev_status(11).map(|status| status.name), Some("BAD_MEASUREMENT"));
        assert_eq!(sev_status(0x1E), None);
        assert_eq!(sev_status(0x8003), None);
    }

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        for (text, code) in
            [("11", Some(11)), ("0x3,", Some(3)), ("22'", Some(22)), ("x", None), ("", None), ("0x", None)]
        {
            assert_eq!(sev_code(text), code, "{text:?}");
        }
        assert_eq!(sev_code("99999999999999999999999"), None);
    }

    #[test]
    fn terminations_are_told() {
        assert_eq!(sev_termination(1, 3), Some("the guest does not run at VMPL 0"));
        assert_eq!(sev_termination(1, u64::MAX), None);
        assert_eq!(sev_termination(7, 0), None);
    }
}
