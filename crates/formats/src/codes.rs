//! What numbers and fixed messages of KVM, VFIO, QEMU, libvirt, Windows, Firecracker and Cloud Hypervisor mean. Each
//! table names its source; what a guest does with a number is the reader's to check.

mod firmware;
mod kernel_panic;
mod kvm;
mod libvirt;
mod qemu_migration;
mod versions;
mod vfio;
mod vmm_api;
mod windows;

use vmwright_model::Meaning;

/// A number with its name.
struct Code {
    number: u64,
    name: &'static str,
    means: &'static str,
    rules: &'static [&'static str],
}

const fn code(number: u64, name: &'static str, means: &'static str, rules: &'static [&'static str]) -> Code {
    Code { number, name, means, rules }
}

/// A message, in lower case.
struct Line {
    text: &'static str,
    means: &'static str,
    rules: &'static [&'static str],
}

const fn line(text: &'static str, means: &'static str, rules: &'static [&'static str]) -> Line {
    Line { text, means, rules }
}

/// Numbers of one kind.
struct Numbers {
    of: &'static str,
    source: &'static str,
    codes: &'static [Code],
    /// What stands before the number in messages, in lower case.
    before: &'static [&'static str],
    /// Whether people write it in hexadecimal, with or without `0x`.
    hexadecimal: bool,
}

const NUMBERS: &[Numbers] = &[
    Numbers {
        of: "KVM exit reason",
        source: "Linux include/uapi/linux/kvm.h",
        codes: kvm::EXITS,
        before: &["exit_reason", "exit reason", "kvm: unknown exit reason"],
        hexadecimal: false,
    },
    Numbers {
        of: "suberror of a KVM internal error",
        source: "Linux include/uapi/linux/kvm.h",
        codes: kvm::SUBERRORS,
        before: &["suberror:", "suberror"],
        hexadecimal: false,
    },
    Numbers {
        of: "reason of a failed entry into a guest",
        source: "Intel SDM volume 3, appendix C; AMD APM volume 2",
        codes: kvm::ENTRY_FAILURES,
        before: &["hardware error", "hardware_entry_failure_reason ="],
        hexadecimal: true,
    },
    Numbers {
        of: "libvirt error",
        source: "libvirt include/libvirt/virterror.h",
        codes: libvirt::ERRORS,
        before: &["virerror(code="],
        hexadecimal: false,
    },
    Numbers {
        of: "part of libvirt that reports an error",
        source: "libvirt include/libvirt/virterror.h",
        codes: libvirt::DOMAINS,
        before: &[", domain="],
        hexadecimal: false,
    },
    Numbers {
        of: "Windows stop code",
        source: "Microsoft, Bug check code reference",
        codes: windows::STOPS,
        before: &["stop code:", "stop code", "stop:", "bugcheck", "bsod", "bug check"],
        hexadecimal: true,
    },
    Numbers {
        of: "exit status of Firecracker",
        source: "Firecracker src/vmm/src/lib.rs",
        codes: vmm_api::FIRECRACKER_EXITS,
        before: &["firecracker exited with", "firecracker exiting with error code"],
        hexadecimal: false,
    },
    Numbers {
        of: "HTTP status of Cloud Hypervisor",
        source: "Cloud Hypervisor vmm/src/api/http/mod.rs",
        codes: vmm_api::CLOUD_HYPERVISOR_HTTP,
        before: &["server responded with an error:"],
        hexadecimal: false,
    },
];

/// Messages of one kind: what they are, their source, and the messages.
const LINES: &[(&str, &str, &[Line])] = &[
    ("QEMU migration stream", "QEMU migration/savevm.c", qemu_migration::LINES),
    ("answer of a microVM's API", "Firecracker and Cloud Hypervisor sources", vmm_api::FAULTS),
    ("kernel panic", "Linux init, kernel and arch/x86", kernel_panic::HEADS),
];

/// The longest text that is looked at, in bytes: a message, not a log.
const LONGEST: usize = 4096;

/// What a number, a name or a message means; empty where nothing of it is known. A bare number can mean several things.
#[must_use]
pub fn meanings(text: &str) -> Vec<Meaning> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return Vec::new();
    }
    if let Some((number, hexadecimal)) = number(text) {
        return of_number(number, hexadecimal);
    }
    let mut found = of_name(text);
    found.extend(firmware::of_name(text));
    found.extend(versions::of_name(text));
    found.extend(versions::of_message(text));
    let lower = text.to_ascii_lowercase();
    found.extend(NUMBERS.iter().filter_map(|table| in_message(table, &lower)));
    for (of, source, lines) in LINES {
        let hit = lines.iter().find(|line| lower.contains(line.text));
        found.extend(hit.map(|line| meaning(of, "", line.text, line.means, line.rules, source)));
    }
    let refusal = vfio::REFUSALS.iter().find(|one| {
        one.calls.iter().any(|call| lower.contains(call))
            && (lower.contains(one.errno.0)
                || lower.split(|c: char| !c.is_alphanumeric()).any(|word| word == one.errno.1)
                || lower.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == one.errno.2))
    });
    found.extend(refusal.map(|one| {
        let name = one.errno.1.to_ascii_uppercase();
        meaning("errno of a VFIO call", "", &name, one.means, one.rules, "Linux drivers/vfio")
    }));
    found.extend(firmware::of_message(&lower));
    found
}

fn of_number(number: u64, hexadecimal: bool) -> Vec<Meaning> {
    let tables = NUMBERS.iter().filter(|table| table.hexadecimal == hexadecimal || !hexadecimal);
    let mut found: Vec<Meaning> = tables.filter_map(|table| in_table(table, number)).collect();
    found.extend(firmware::of_number(number));
    found
}

fn of_name(text: &str) -> Vec<Meaning> {
    let named = |table: &Numbers| {
        let code = table.codes.iter().find(|code| code.name.eq_ignore_ascii_case(text))?;
        Some(of_code(table, code))
    };
    NUMBERS.iter().filter_map(named).collect()
}

/// The number behind one of a table's words.
fn in_message(table: &Numbers, lower: &str) -> Option<Meaning> {
    let rest = table.before.iter().find_map(|before| lower.split_once(before))?.1;
    let word = rest.trim_start_matches([' ', '=', ':', '(']);
    let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
    let (number, _) = if table.hexadecimal {
        (u64::from_str_radix(word[..end].trim_start_matches("0x"), 16).ok()?, true)
    } else {
        number(&word[..end])?
    };
    in_table(table, number)
}

fn in_table(table: &Numbers, number: u64) -> Option<Meaning> {
    Some(of_code(table, table.codes.iter().find(|code| code.number == number)?))
}

fn of_code(table: &Numbers, code: &Code) -> Meaning {
    let number = if table.hexadecimal { format!("{:#x}", code.number) } else { code.number.to_string() };
    meaning(table.of, &number, code.name, code.means, code.rules, table.source)
}

fn meaning(of: &str, code: &str, name: &str, means: &str, rules: &[&str], source: &str) -> Meaning {
    Meaning {
        of: of.to_owned(),
        code: code.to_owned(),
        name: name.to_owned(),
        means: means.to_owned(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        source: source.to_owned(),
    }
}

/// A number as people type it, and whether it was hexadecimal.
fn number(text: &str) -> Option<(u64, bool)> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|number| (number, true)),
        None => lower.parse().ok().map(|number| (number, false)),
    }
}

/// Every rule that a table names, for the test that they are rules.
#[must_use]
pub fn named_rules() -> Vec<&'static str> {
    let codes = NUMBERS.iter().flat_map(|table| table.codes).flat_map(|code| code.rules);
    let lines = LINES.iter().flat_map(|(.., lines)| *lines).flat_map(|line| line.rules);
    let refusals = vfio::REFUSALS.iter().flat_map(|one| one.rules);
    codes.chain(lines).chain(refusals).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)]) {
        let found = meanings(text);
        let found: Vec<_> = found.iter().map(|one| (one.of.as_str(), one.name.as_str())).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn messages_are_read_as_programs_print_them() {
        check(
            "KVM internal error. Suberror: 3",
            &[("suberror of a KVM internal error", "KVM_INTERNAL_ERROR_DELIVERY_EV")],
        );
        check(
            "KVM: entry failed, hardware error 0x80000021",
            &[("reason of a failed entry into a guest", "VMX: invalid guest state")],
        );
        check(
            "libvirt: virError(Code=81, Domain=10, Message='x')",
            &[
                ("libvirt error", "VIR_ERR_MIGRATE_UNSAFE"),
                ("part of libvirt that reports an error", "VIR_FROM_QEMU"),
            ],
        );
        check("STOP: 0x0000007B (0xF78D2524, ...)", &[("Windows stop code", "INACCESSIBLE_BOOT_DEVICE")]);
        check(
            "qemu-system-x86_64: load of migration failed: Invalid argument",
            &[("QEMU migration stream", "load of migration failed: invalid argument")],
        );
        check(
            "qemu-system-x86_64: VFIO_MAP_DMA failed: Cannot allocate memory",
            &[("errno of a VFIO call", "ENOMEM")],
        );
        check(
            "vfio_container_dma_map(0x55, 0x0, 0x1000, 0x7f) = -22 (Invalid argument)",
            &[("errno of a VFIO call", "EINVAL")],
        );
        check("qemu-system-x86_64: VFIO_MAP_DMA : -28", &[("errno of a VFIO call", "ENOSPC")]);
        check(
            "sev_launch_start: LAUNCH_START ret=1 fw_error=16 'Resource limit'",
            &[("status of the SEV firmware", crate::sev_status(16).unwrap().name)],
        );
        check(
            "SEAMCALL (0x0000000000000021) failed: 0xc000030000000001",
            &[("status of the TDX module", "")],
        );
        check(
            "kvm_amd: SEV-ES guest requested termination: 0x1:0x3",
            &[("why an SEV guest ended itself", "")],
        );
        check(
            "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            &[("kernel panic", "vfs: unable to mount root fs")],
        );
    }

    #[test]
    fn bare_numbers_and_names() {
        check("0x101", &[("Windows stop code", "CLOCK_WATCHDOG_TIMEOUT")]);
        check("clock_watchdog_timeout", &[("Windows stop code", "CLOCK_WATCHDOG_TIMEOUT")]);
        check("EPYC-Genoa", &[("CPU model of QEMU", "EPYC-Genoa")]);
        check("libvirt 10.4", &[("change of libvirt", "nftables")]);
        assert!(meanings("libvirt").len() > 10);
        check("-no-hpet", &[("option that QEMU had", "-no-hpet")]);
        check("no-hpet", &[("option that QEMU had", "-no-hpet")]);
        check("qemu-kvm: -runas: invalid option", &[("option that QEMU had", "-runas")]);
        check("unable to find CPU model 'SierraForest'", &[("CPU model of QEMU", "SierraForest")]);
        check("148", &[("exit status of Firecracker", "BadSyscall")]);
        check("BAD_MEASUREMENT", &[("status of the SEV firmware", "BAD_MEASUREMENT")]);
        check("TDX_OPERAND_BUSY", &[("status of the TDX module", "OPERAND_BUSY")]);
        check("pc-i440fx-2.3", &[("machine type of QEMU", "pc-i440fx-2.3")]);
        assert!(
            meanings("0xC0000B1200000000").is_empty()
                == crate::seamcall_words(0xC000_0B12_0000_0000).is_none()
        );
        assert!(meanings("17").len() > 1);
        for nothing in ["", "hello", "99999999999999999999", &"x".repeat(5000)] {
            check(nothing, &[]);
        }
    }

    #[test]
    fn numbers_and_names_are_there_once() {
        for table in NUMBERS {
            assert!(
                table.codes.is_sorted_by(|one, other| one.number < other.number || table.hexadecimal),
                "{}",
                table.of
            );
            for (at, code) in table.codes.iter().enumerate() {
                assert!(
                    table.codes[..at]
                        .iter()
                        .all(|other| other.number != code.number && other.name != code.name),
                    "{}",
                    code.name
                );
                assert!(!code.means.is_empty());
            }
        }
        for (of, _, lines) in LINES {
            for line in *lines {
                assert_eq!(line.text, line.text.to_ascii_lowercase(), "{of}");
                assert!(meanings(line.text).iter().any(|one| one.of == *of), "{}", line.text);
            }
        }
    }
}
