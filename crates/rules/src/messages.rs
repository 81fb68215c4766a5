//! What a single message or number is to the rules: for people who ask what a line means.

use crate::catalogue::vmm::known_vulnerable_version::{self as vulnerable, FLAWS};
use crate::{CATALOGUE, Pattern};
use vmwright_model::{Meaning, Strength};

/// How many rules are named.
const MOST: usize = 5;

/// The longest text that is looked at, in bytes: a message, not a log.
const LONGEST: usize = 4096;

/// The rules that take a message as evidence, those first that it proves; and the vulnerability of this number. Conditions
/// of messages are not looked at: what else must stand in the logs is the rule's to say. Empty where no rule has it.
#[must_use]
pub fn meanings(text: &str) -> Vec<Meaning> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return Vec::new();
    }
    if let Some(flaw) = FLAWS.iter().find(|flaw| flaw.id.eq_ignore_ascii_case(text)) {
        return vec![vulnerable::meaning(flaw)];
    }
    let mut found: Vec<(Strength, Meaning)> = Vec::new();
    for entry in CATALOGUE {
        let stands = |text: &str, pattern: &str| Pattern::new(pattern).find(text).is_some();
        let signs = entry.rule.signs.iter().filter(|sign| !sign.against && entry.area() != "healthy");
        let best = signs.filter(|sign| stands(text, sign.text)).max_by_key(|sign| sign.strength);
        let Some(sign) = best else { continue };
        let alone = if sign.and.is_empty() && sign.unless.is_empty() && sign.said.is_empty() {
            ""
        } else {
            ", together with others"
        };
        let meaning = Meaning {
            of: format!("{}{alone}", weighs(sign.strength)),
            code: String::new(),
            name: text.lines().next().unwrap_or_default().to_owned(),
            means: entry.title().to_owned(),
            rules: vec![entry.id.to_owned()],
            source: "messages of the rule".to_owned(),
        };
        found.push((sign.strength, meaning));
    }
    found.sort_by_key(|(strength, _)| std::cmp::Reverse(*strength));
    found.into_iter().map(|(_, one)| one).take(MOST).collect()
}

/// What a message says of its cause, by the strength that rules give it.
fn weighs(strength: Strength) -> &'static str {
    match strength {
        Strength::Proof => "a message that proves it",
        Strength::Strong => "a message that is seldom seen without it",
        Strength::Support => "a message that is usual for it",
        Strength::Hint => "a message that goes with it, and with much else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        meanings(text).into_iter().flat_map(|one| one.rules).collect()
    }

    #[test]
    fn a_message_leads_to_its_rules_the_proven_first() {
        let all = meanings(
            "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 12 is not viable",
        );
        assert_eq!(
            (all[0].rules[0].as_str(), all[0].of.as_str()),
            ("vfio/group-not-viable", "a message that proves it")
        );
        assert!(all.len() <= MOST);
    }

    #[test]
    fn a_vulnerability_is_known_by_its_number() {
        assert_eq!(rules("cve-2024-7409"), ["vmm/known-vulnerable-version"]);
        assert!(meanings("CVE-2024-7409")[0].means.contains("fixed in 9.1"));
    }

    #[test]
    fn what_no_program_says_leads_nowhere() {
        for nothing in ["", "hello", "the weather is fine", &"x".repeat(LONGEST + 1)] {
            assert!(meanings(nothing).is_empty(), "{nothing}");
        }
    }
}
