//! Interrupts and their CPUs as vmwright's probe writes them from `/proc/irq`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

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

#[cfg(test)]
mod tests {
    use super::*;

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
