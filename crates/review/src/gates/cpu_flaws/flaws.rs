//! The flaws that Linux states, and how it states them. Names are those of
//! `Documentation/ABI/testing/sysfs-devices-system-cpu`; flags are those of `arch/x86/include/asm/cpufeatures.h`
//! as `/proc/cpuinfo` shows them; switches are those of `Documentation/admin-guide/kernel-parameters.txt`.

/// One flaw.
pub(super) struct Flaw {
    /// Name of its file.
    pub(super) name: &'static str,
    /// Processor flags that a guest needs to mitigate it; any that the host has.
    pub(super) flags: &'static [&'static str],
    /// Kernel parameters that switch its mitigation off, with `_` for `-`.
    pub(super) switches: &'static [&'static str],
    /// Whether only the host can do something about it, so that the guest's statement does not count.
    pub(super) hosts_matter: bool,
}

const fn flaw(name: &'static str, flags: &'static [&'static str], switches: &'static [&'static str]) -> Flaw {
    Flaw { name, flags, switches, hosts_matter: false }
}

const fn of_host(name: &'static str) -> Flaw {
    Flaw { name, flags: &[], switches: &[], hosts_matter: true }
}

/// Every flaw that a kernel may state, by name.
pub(super) const FLAWS: &[Flaw] = &[
    flaw("gather_data_sampling", &["arch_capabilities"], &["gather_data_sampling=off"]),
    flaw("ghostwrite", &[], &[]),
    flaw("indirect_target_selection", &["arch_capabilities"], &["indirect_target_selection=off"]),
    // Guests that crash their host through page size changes: the host protects itself.
    of_host("itlb_multihit"),
    flaw("l1tf", &["flush_l1d"], &["l1tf=off"]),
    flaw("mds", &["md_clear", "arch_capabilities"], &["mds=off"]),
    flaw("meltdown", &["arch_capabilities", "pcid"], &["nopti", "pti=off", "kpti=0"]),
    flaw("mmio_stale_data", &["md_clear", "arch_capabilities"], &["mmio_stale_data=off"]),
    // Microcode is loaded by the host; a guest kernel has no say.
    of_host("old_microcode"),
    flaw("reg_file_data_sampling", &["arch_capabilities"], &["reg_file_data_sampling=off"]),
    flaw("retbleed", &["ibpb", "ibrs", "arch_capabilities"], &["retbleed=off"]),
    flaw("spec_rstack_overflow", &["ibpb", "ibpb_brtype", "sbpb", "srso_no"], &["spec_rstack_overflow=off"]),
    flaw(
        "spec_store_bypass",
        &["ssbd", "amd_ssbd", "virt_ssbd", "ssb_no"],
        &["nospec_store_bypass_disable", "spec_store_bypass_disable=off"],
    ),
    flaw("spectre_v1", &[], &["nospectre_v1"]),
    flaw(
        "spectre_v2",
        &["ibrs", "ibpb", "stibp", "ibrs_enhanced", "autoibrs", "arch_capabilities"],
        &["nospectre_v2", "spectre_v2=off", "spectre_bhi=off"],
    ),
    flaw("srbds", &["arch_capabilities"], &["srbds=off"]),
    flaw("tsa", &["verw_clear", "tsa_sq_no", "tsa_l1_no"], &["tsa=off"]),
    flaw("tsx_async_abort", &["md_clear", "arch_capabilities"], &["tsx_async_abort=off"]),
    // Guests that attack the host's userspace: the host protects itself.
    of_host("vmscape"),
];

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    NotAffected,
    Mitigated,
    Vulnerable,
    /// `Unknown: Dependent on hypervisor status`, or words that no kernel known here uses.
    Untold,
}

impl State {
    /// Reads a statement: one of four beginnings, and for some flaws parts after `;` with states of their own
    /// (`BHI: Vulnerable`). One vulnerable part makes the whole vulnerable; `SMT vulnerable` does not, because it
    /// is a remark on sharing a core and stands in nearly every statement of a host with SMT.
    pub(crate) fn of(statement: &str) -> Self {
        // `KVM: Mitigation: ...` is how itlb_multihit puts it.
        let whole = statement.trim().strip_prefix("KVM: ").unwrap_or(statement.trim());
        let part = |part: &str| part.rsplit(": ").next().unwrap_or_default().trim().starts_with("Vulnerable");
        if whole.starts_with("Vulnerable") || whole == "Processor vulnerable" || whole.split(';').any(part) {
            State::Vulnerable
        } else if whole.starts_with("Mitigation") {
            State::Mitigated
        } else if whole.starts_with("Not affected") {
            State::NotAffected
        } else {
            State::Untold
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_real_kernels() {
        for (statement, state) in [
            ("Not affected", State::NotAffected),
            ("Vulnerable", State::Vulnerable),
            ("Vulnerable: Safe RET, no microcode", State::Vulnerable),
            ("Vulnerable; IBPB: disabled; STIBP: disabled", State::Vulnerable),
            ("Mitigation: Clear CPU buffers; SMT vulnerable", State::Mitigated),
            ("Mitigation: usercopy/swapgs barriers and __user pointer sanitization", State::Mitigated),
            ("Mitigation: Retpolines; STIBP: disabled; RSB filling; PBRSB-eIBRS: Not affected; BHI: Not affected", State::Mitigated),
            ("Mitigation: Enhanced / Automatic IBRS; IBPB: conditional; PBRSB-eIBRS: SW sequence; BHI: Vulnerable", State::Vulnerable),
            ("Unknown: Dependent on hypervisor status", State::Untold),
            ("KVM: Mitigation: Split huge pages", State::Mitigated),
            ("KVM: Vulnerable", State::Vulnerable),
            ("Processor vulnerable", State::Vulnerable),
            ("", State::Untold),
        ] {
            assert_eq!(State::of(statement), state, "{statement}");
        }
    }

    #[test]
    fn names_are_sorted_and_once() {
        assert!(FLAWS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
