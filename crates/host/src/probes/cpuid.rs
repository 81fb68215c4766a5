//! Record `cpuid -1 -r`: what the CPU itself answers, leaf by leaf, as that tool prints it. Of the leaves that tell
//! about virtualization and encrypted memory; the answers are those of the CPU that this process runs on.

use crate::live::Collector;
use vmwright_model::{Kind, Missing};

/// Leaves with their subleaves. Basic: 0x0 vendor, 0x1 features, 0x7 structured features, 0xd state, 0x14 tracing,
/// 0x21 TDX guest. Hypervisor: 0x40000000 and on. Extended: 0x80000001 SVM, 0x80000008 address sizes, 0x8000000a SVM
/// features, 0x8000001f SEV, 0x80000021 more features, 0x80000022 performance counters.
#[cfg(target_arch = "x86_64")]
const LEAVES: &[(u32, u32)] = &[
    (0x0, 0),
    (0x1, 0),
    (0x6, 0),
    (0x7, 0),
    (0x7, 1),
    (0x7, 2),
    (0xa, 0),
    (0xb, 0),
    (0xb, 1),
    (0xd, 0),
    (0xd, 1),
    (0x14, 0),
    (0x15, 0),
    (0x16, 0),
    (0x21, 0),
    (0x4000_0000, 0),
    (0x4000_0001, 0),
    (0x4000_0003, 0),
    (0x8000_0000, 0),
    (0x8000_0001, 0),
    (0x8000_0002, 0),
    (0x8000_0003, 0),
    (0x8000_0004, 0),
    (0x8000_0007, 0),
    (0x8000_0008, 0),
    (0x8000_000a, 0),
    (0x8000_001a, 0),
    (0x8000_001e, 0),
    (0x8000_001f, 0),
    (0x8000_0021, 0),
    (0x8000_0022, 0),
];

pub(super) fn run(collector: &mut Collector<'_>) {
    collector.push("cpuid -1 -r".to_owned(), Some(Kind::new("cpuid")), list().map(String::into_bytes));
}

#[cfg(target_arch = "x86_64")]
fn list() -> Result<String, Missing> {
    use core::arch::x86_64::__cpuid_count;
    use std::fmt::Write as _;
    let mut text = "CPU:\n".to_owned();
    let ask = |leaf: u32, subleaf: u32| __cpuid_count(leaf, subleaf);
    // The last leaf of a range is the answer to its first.
    let last = |leaf: u32| ask(leaf & 0xc000_0000, 0).eax;
    for (leaf, subleaf) in LEAVES {
        // Without a hypervisor its leaves repeat the last basic one.
        let hypervisor = ask(1, 0).ecx >> 31 == 1;
        if leaf >> 28 == 4 && !hypervisor || *leaf > last(*leaf) && last(*leaf) >> 28 == leaf >> 28 {
            continue;
        }
        let answer = ask(*leaf, *subleaf);
        // Initial APIC ids name the CPU that happened to run this.
        let ebx = if *leaf == 1 { answer.ebx & 0x00ff_ffff } else { answer.ebx };
        let edx = if *leaf == 0xb { 0 } else { answer.edx };
        let eax = if *leaf == 0x8000_001e { 0 } else { answer.eax };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "   {leaf:#010x} {subleaf:#04x}: eax={eax:#010x} ebx={ebx:#010x} ecx={:#010x} edx={edx:#010x}",
            answer.ecx
        );
    }
    Ok(text)
}

#[cfg(not(target_arch = "x86_64"))]
fn list() -> Result<String, Missing> {
    Err(Missing::Absent)
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::list;
    use vmwright_formats::{Cpuid, View};

    #[test]
    fn the_cpu_says_what_the_kernel_read() {
        let text = list().unwrap();
        let (view, issues) = Cpuid::read(&text);
        assert_eq!(issues, [], "{text}");
        let kernel = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let vendor = kernel.lines().find(|line| line.starts_with("vendor_id")).unwrap();
        assert_eq!(vendor.split(": ").nth(1), view.vendor().as_deref(), "{text}");
        assert_eq!(list().unwrap(), text);
    }
}
