//! One message of a rule in one line: the first line is the pattern.

use super::{first_line, text};
use vmwright_rules::{CATALOGUE, Pattern};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (message, line) = first_line(&text);
    let pattern = Pattern::new(message);
    let Some(captures) = pattern.find(line) else { return };
    assert!(line.to_ascii_lowercase().contains(&Pattern::anchor(message)), "{pattern:?} in {line:?}");
    for (_, value) in captures {
        assert!(!value.is_empty() && line.contains(value) && !value.contains(char::is_whitespace), "{value:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let signs = CATALOGUE.iter().flat_map(|entry| entry.rule.signs).map(|sign| sign.text);
    let hard = signs.filter(|text| text.contains(['*', '{', '\\'])).step_by(8);
    hard.map(|text| format!("{text}\n{}", text.replace(['*', '{', '}', '\\'], "x")).into_bytes()).collect()
}
