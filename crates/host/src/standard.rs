//! What is read of every running host, whichever rules are asked: a capture has to hold what a rule of tomorrow needs,
//! and a live analysis reads the same, so that both find the same. One list a topic.

mod confidential;
mod cpu;
mod iommu;
mod kernel;
mod libvirt;
mod memory;
mod network;
mod security;
mod storage;
mod vms;

use vmwright_model::Need;

const TOPICS: [&[Need]; 10] = [
    confidential::NEEDS,
    cpu::NEEDS,
    iommu::NEEDS,
    kernel::NEEDS,
    libvirt::NEEDS,
    memory::NEEDS,
    network::NEEDS,
    security::NEEDS,
    storage::NEEDS,
    vms::NEEDS,
];

/// All of it.
#[must_use]
pub fn needs() -> Vec<Need> {
    TOPICS.concat()
}

/// What `rules` need, and the rest that is read of every host; sorted.
#[must_use]
pub fn with_rules(rules: Vec<Need>) -> Vec<Need> {
    let mut needs = rules;
    needs.extend(self::needs());
    needs.sort_unstable();
    needs.dedup();
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_of_no_device() {
        for topic in TOPICS {
            assert!(topic.is_sorted(), "keep the list in order: {topic:?}");
        }
        for need in needs() {
            match need {
                Need::File(path) | Need::Exists(path) => {
                    assert!(
                        path.starts_with('/') && !path.starts_with("/dev/") && !path.contains('*'),
                        "{path}"
                    );
                }
                Need::Glob(path) => {
                    assert!(
                        path.starts_with('/') && !path.starts_with("/dev/") && path.contains('*'),
                        "{path}"
                    );
                }
                Need::Command(_) | Need::Probe(_) => {}
            }
        }
    }
}
