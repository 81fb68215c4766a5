//! What vmwright found by opening `/dev/kvm` and running a page of guest code in it, one `key: value` a line.

use crate::{View, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// Keys that the probe writes.
const KEYS: [&str; 6] = ["open", "api", "real-mode", "long-mode-bmi2", "verdict", "reason"];

/// The probe's answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvmProbe {
    /// Key and value of each line, in order.
    pub answers: Vec<Spanned<(String, String)>>,
}

impl KvmProbe {
    /// The answer to one key: `open`, `api`, `real-mode`, `long-mode-bmi2`, `verdict` or `reason`. The first
    /// one where a key stands twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Spanned<&str>> {
        let found = self.answers.iter().find(|answer| answer.value.0 == key)?;
        Some(Spanned::new(found.value.1.as_str(), found.line))
    }

    /// `usable`, `paravirtual-only` (stock kernels do not boot) or `unusable`.
    #[must_use]
    pub fn verdict(&self) -> Option<Spanned<&str>> {
        self.get("verdict")
    }

    /// Why, in one line; for people.
    #[must_use]
    pub fn reason(&self) -> Option<Spanned<&str>> {
        self.get("reason")
    }
}

impl View for KvmProbe {
    const KIND: Kind = Kind::new("kvm_probe");
    const SUREST: u8 = 95;
    const MARKS: &[&str] = &["open:", "verdict:"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((key, value)) if KEYS.contains(&key.trim()) => {
                    let answer = (key.trim().to_owned(), value.trim().to_owned());
                    view.answers.push(Spanned::new(answer, number));
                }
                _ => issues.push(Issue::new(number, "not an answer of the KVM probe")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |key: &str| {
            having(head, key).any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
        };
        match (has("open"), has("real-mode") || has("long-mode-bmi2"), has("verdict")) {
            (true, true, _) | (_, true, true) | (true, _, true) => 95,
            _ if name == "kvm-probe" => 30,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_lines() {
        let text = "open: ok\napi: 12\nreal-mode: ok\nlong-mode-bmi2: failed exit: 17\nverdict: paravirtual-only\nreason: x\nwhat\n";
        let (view, issues) = KvmProbe::read(text);
        assert_eq!(view.get("long-mode-bmi2"), Some(Spanned::new("failed exit: 17", 4)));
        assert_eq!(view.verdict(), Some(Spanned::new("paravirtual-only", 5)));
        assert_eq!(view.reason(), Some(Spanned::new("x", 6)));
        assert_eq!(view.get("what"), None);
        assert_eq!(issues, [Issue::new(7, "not an answer of the KVM probe")]);
        assert_eq!(KvmProbe::recognise("x", text), 95);
        assert_eq!(KvmProbe::recognise("x", "open: yes\nwindow: no\n"), 0);
    }
}
