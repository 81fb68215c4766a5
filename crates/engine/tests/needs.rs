//! What the rules need can be read.

use vmwright_host::commands::ALLOWED;
use vmwright_model::Need;

#[test]
fn every_command_that_a_rule_needs_is_on_the_readers_list() {
    for need in vmwright_rules::needs() {
        if let Need::Command(words) = need {
            assert!(ALLOWED.contains(&words), "{} is not on the list", words.join(" "));
        }
    }
}
