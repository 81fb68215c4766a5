//! What is read of every host, whichever rules are asked: a capture has to hold what a rule of tomorrow needs, and a
//! live analysis reads the same, so that both find the same.

mod libvirt;
mod network;

use vmwright_model::Need;

/// All of it.
#[must_use]
pub fn needs() -> Vec<Need> {
    [libvirt::NEEDS, network::NEEDS].concat()
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
