//! Huge pages that the host keeps.

use super::{Facts, Fault, Phase, change};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::Action;

/// See [`Action::HugePages`].
pub(super) struct HugePages {
    pub(super) node: Option<u32>,
    pub(super) size_kib: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl HugePages {
    fn place(&self) -> String {
        match self.node {
            Some(node) => format!("node {node}"),
            None => "the host".to_owned(),
        }
    }
}

impl Facts for HugePages {
    fn target(&self) -> Target {
        Target::HugePages { node: self.node, size_kib: self.size_kib }
    }

    fn words(&self) -> Words {
        let (place, size) = (self.place(), self.size_kib);
        let Self { from, to, .. } = self;
        Words {
            expects: format!("{from} huge pages of {size} KiB on {place}"),
            does: format!("keeps {to} huge pages of {size} KiB on {place}, until the next boot"),
            undone_by: format!("keeps {from} huge pages of {size} KiB on {place}, if they are still {to}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Kernel
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::HugePages { node, to, .. } if *node == self.node && *to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        // The smallest huge page of any architecture has 64 KiB (arm64's contiguous PTEs), the largest 16 GiB.
        if !self.size_kib.is_power_of_two() || !(64..=16 << 20).contains(&self.size_kib) {
            faults.push(Fault::Value(format!("{} KiB is no size of a huge page", self.size_kib)));
        }
        // As many as 2^52 bytes of memory could hold.
        if [self.from, self.to].iter().any(|count| count.saturating_mul(self.size_kib) > 1 << 42) {
            faults.push(Fault::Value(format!("{} huge pages fit no host", self.from.max(self.to))));
        }
        if self.node.is_some_and(|node| node > 1023) {
            faults.push(Fault::Value("a node above 1023".to_owned()));
        }
        faults
    }
}
