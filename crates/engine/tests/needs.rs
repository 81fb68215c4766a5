//! What the rules need can be read.

use vmwright_host::asking::ASKING;
use vmwright_host::commands::ALLOWED;
use vmwright_model::Need;

#[test]
fn every_command_that_is_needed_is_on_the_readers_list() {
    for need in vmwright_host::standard::with_rules(vmwright_rules::needs()) {
        if let Need::Command(words) = need {
            let asks = ASKING.iter().any(|asking| asking.words == words);
            assert!(asks || ALLOWED.contains(&words), "{} is not on the list", words.join(" "));
        }
    }
}
