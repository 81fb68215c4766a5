//! Interrupts and their CPUs as vmwright's probe writes them from `/proc/irq`.

use crate::machine_spec::parse_cpu_list;
use crate::{View, lines::lines};
use vmwright_model::topology::CpuSet;
use vmwright_model::{Issue, Kind};

/// As many groups of 32 as hold the most CPUs that a kernel is made for (`NR_CPUS_RANGE_END` of x86 in its
/// `arch/x86/Kconfig`).
const GROUPS: usize = 8192 / 32;

/// One interrupt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irq {
    /// Line in the text.
    pub line: u32,
    /// Its number.
    pub number: u32,
    /// CPUs that may serve it, as a list (`0-3,8`); `?` where unknown.
    pub allowed: String,
    /// CPUs that serve it; `?` where the kernel does not say.
    pub effective: String,
    /// NUMA node of its device; none where it has none.
    pub node: Option<u32>,
    /// Who handles it: `vfio-msix[0](0000:01:00.0)`, `eth0-rx-1`.
    pub handlers: String,
}

/// The interrupts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IrqAffinity {
    /// In the order of their numbers.
    pub irqs: Vec<Irq>,
}

impl View for IrqAffinity {
    const KIND: Kind = Kind::new("irq_affinity");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &[" allowed "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.starts_with("default mask ") {
                continue;
            }
            match irq(number, line) {
                Some(irq) => view.irqs.push(irq),
                None => issues.push(Issue::new(number, "not a line of the probe of interrupts")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (hits, all) = crate::lines::share(head, |line| irq(1, line).is_some());
        match hits > 0 && hits * 2 >= all {
            true => 95,
            false if name == "irq-affinity" => 30,
            false => 0,
        }
    }
}

fn irq(line: u32, text: &str) -> Option<Irq> {
    let (number, rest) = text.trim_end().strip_prefix("irq ")?.split_once(" allowed ")?;
    let (allowed, rest) = rest.split_once(" effective ")?;
    let (effective, rest) = rest.split_once(" node ")?;
    let (node, handlers) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Irq {
        line,
        number: number.parse().ok()?,
        allowed: allowed.to_owned(),
        effective: effective.to_owned(),
        node: node.parse().ok(),
        handlers: handlers.to_owned(),
    })
}

/// A list of CPUs, `0-3,8`.
#[must_use]
pub fn cpus(list: &str) -> Option<CpuSet> {
    let ranges = parse_cpu_list(list).ok()?;
    Some(CpuSet(ranges.into_iter().map(|range| (*range.start(), *range.end())).collect()))
}

/// The CPUs of a mask, `ff,ffffffff`, as the kernel writes one: in hexadecimal groups of 32, the highest first.
#[must_use]
pub fn cpus_of_mask(text: &str) -> Option<CpuSet> {
    let groups: Vec<&str> = text.split(',').collect();
    if groups.len() > GROUPS || groups.iter().skip(1).any(|group| group.len() != 8) {
        return None;
    }
    let mut cpus = Vec::new();
    for (first, group) in (0..).step_by(32).zip(groups.iter().rev()) {
        let digits = (1..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = digits.then(|| u32::from_str_radix(group, 16).ok()).flatten()?;
        cpus.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| first + bit));
    }
    Some(cpus.into_iter().collect())
}

/// CPUs as a mask.
#[must_use]
pub fn mask(cpus: &CpuSet) -> String {
    let last = cpus.0.last().map_or(0, |(_, last)| *last);
    let group = |group: u32| (0..32).filter(|bit| cpus.has(group * 32 + bit)).fold(0_u32, |bits, bit| bits | 1 << bit);
    let rest = (0..last / 32).rev().map(|at| format!(",{:08x}", group(at)));
    std::iter::once(format!("{:x}", group(last / 32))).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_lists_say_the_same() {
        for (text, list) in [("1", "0"), ("ff", "0-7"), ("f,fffffff3", "0-1,4-35"), ("80000000,00000000,00000001", "0,95")] {
            let read = cpus_of_mask(text).expect("it is one");
            assert_eq!(read.to_string(), list);
            assert_eq!(Some(&read), cpus(list).as_ref());
            assert_eq!(mask(&read), text);
        }
        assert_eq!(cpus_of_mask("000f").map(|cpus| cpus.to_string()).as_deref(), Some("0-3"), "padded");
        for bad in ["", "g", "f,f", "fffffffff", "1,2345678,", &["ffffffff"; 300].join(",")] {
            assert_eq!(cpus_of_mask(bad), None, "{bad}");
        }
        for bad in ["", "a", "3-1", "0-9999999", "8192"] {
            assert_eq!(cpus(bad).filter(|cpus| !cpus.0.is_empty()), None, "{bad}");
        }
    }

    #[test]
    fn interrupts() {
        let (view, issues) = IrqAffinity::read(
            "default mask ff\nirq 24 allowed 0-3,8 effective 2 node -1 vfio-msix[0](0000:01:00.0) x\nodd\n",
        );
        assert_eq!(issues, [Issue::new(3, "not a line of the probe of interrupts")]);
        let irq = &view.irqs[0];
        assert_eq!(
            (irq.line, irq.number, irq.allowed.as_str(), irq.effective.as_str()),
            (2, 24, "0-3,8", "2")
        );
        assert_eq!((irq.node, irq.handlers.as_str()), (None, "vfio-msix[0](0000:01:00.0) x"));
    }
}
