//! Chains of thoughts: kept in the journal, and answered with what vmwright knows of them.

use crate::mark;
use serde_json::{Value, json};

/// The most codes of one thought that are looked up.
const MOST_CODES: usize = 4;

/// The most names of branches that a session remembers.
const MOST_BRANCHES: usize = 256;

/// One step.
#[derive(Debug, Clone)]
pub(crate) struct Thought {
    pub(crate) text: String,
    pub(crate) number: u64,
    pub(crate) total: u64,
    pub(crate) next: bool,
    pub(crate) revises: Option<u64>,
    pub(crate) from: Option<u64>,
    pub(crate) branch: Option<String>,
}

/// The steps of a session so far.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    length: usize,
    branches: Vec<String>,
}

impl Thought {
    /// The line that it has in the journal.
    pub(crate) fn title(&self) -> String {
        let first = self.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let first: String = first.chars().take(100).collect();
        let total = self.total.max(self.number);
        let what = match (self.revises, self.from) {
            (Some(old), _) => format!(", revising {old}"),
            (None, Some(from)) => format!(", branching from {from}"),
            (None, None) => String::new(),
        };
        format!("thought {} of {total}{what}: {first}", self.number)
    }

    /// What in it may be a code, a rule or a message: the whole, and words that look like one.
    pub(crate) fn codes(&self) -> Vec<String> {
        let mut codes = vec![self.text.trim().to_owned()];
        let words = self.text.split(|c: char| c.is_whitespace() || ",;()\"'`".contains(c));
        for word in words.map(|word| word.trim_end_matches(['.', ':', '!', '?'])) {
            let digits = word.chars().skip(2).all(|c| c.is_ascii_hexdigit());
            let number = word.len() > 2 && (word.starts_with("0x") || word.starts_with("0X")) && digits;
            let name = word.len() >= 5
                && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
                && word.chars().any(|c| c.is_ascii_uppercase());
            if (number || name) && word.len() <= 64 && !codes.iter().any(|known| known == word) {
                codes.push(word.to_owned());
            }
        }
        codes.truncate(MOST_CODES + 1);
        codes
    }
}

impl Chain {
    /// Takes a step in, and tells how long the chain is.
    pub(crate) fn add(&mut self, thought: &Thought) {
        self.length += 1;
        let new = thought.branch.as_ref().filter(|name| !self.branches.contains(name));
        if let Some(name) = new.filter(|_| self.branches.len() < MOST_BRANCHES) {
            self.branches.push(name.clone());
        }
    }

    /// The answer, as callers of this tool expect it, and beside it what is `known`.
    pub(crate) fn answer(&self, thought: &Thought, known: Value) -> Value {
        // Names of branches are the caller's own words.
        let branches: Vec<Value> = self.branches.iter().map(|name| mark::untrusted(name)).collect();
        json!({
            "thoughtNumber": thought.number,
            "totalThoughts": thought.total.max(thought.number),
            "nextThoughtNeeded": thought.next,
            "branches": branches,
            "thoughtHistoryLength": self.length,
            "known": known,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(text: &str) -> Thought {
        Thought {
            text: text.to_owned(),
            number: 3,
            total: 2,
            next: true,
            revises: None,
            from: None,
            branch: None,
        }
    }

    #[test]
    fn codes_are_found_in_prose() {
        let codes = thought("Windows stops with 0x7B (INACCESSIBLE_BOOT_DEVICE), I am sure.").codes();
        assert_eq!(codes[1..], ["0x7B", "INACCESSIBLE_BOOT_DEVICE"]);
        assert_eq!(thought("nothing OK here").codes().len(), 1);
    }

    #[test]
    fn a_chain_counts_and_echoes_no_certainty() {
        let mut chain = Chain::default();
        let mut one = thought("I am 100 % certain that it is the disk");
        one.branch = Some("b".to_owned());
        chain.add(&one);
        chain.add(&one);
        let answer = chain.answer(&one, json!({}));
        assert_eq!((&answer["totalThoughts"], &answer["thoughtHistoryLength"]), (&json!(3), &json!(2)));
        assert_eq!(answer["branches"], json!([{ "untrusted": "b" }]));
        assert!(!answer.to_string().contains("certain"));
    }
}
