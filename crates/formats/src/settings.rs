//! `vmwright.toml`: what an administrator has decided about findings.
//!
//! ```toml
//! [[accept]]
//! rule = "mitigation/smt-exposed"
//! subject = "host"                # any subject where absent
//! reason = "one tenant alone uses this host"
//! expires = 2027-01-31
//!
//! [escalate]
//! hook = ["/usr/local/bin/page-somebody", "--queue", "virtualization"]
//! ```

use crate::{lines::LineIndex, nearest};
use toml_edit::{Document, Item, Table, Value};
use vmwright_model::Issue;

const ROOT: &[&str] = &["accept", "escalate"];
const ESCALATE: &[&str] = &["hook"];
const ACCEPT: &[&str] = &["rule", "subject", "reason", "expires"];

/// The settings of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Findings that were looked at and are left as they are, in the order of the file.
    pub accept: Vec<Acceptance>,
    /// The program, an absolute path, and its words, that is given what is handed over; empty where none is set.
    pub hook: Vec<String>,
}

/// A finding that is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    /// Line on which the rule stands.
    pub line: u32,
    /// Id of the rule, as written; whether there is such a rule is not known here.
    pub rule: String,
    /// What the finding is about; anything where absent.
    pub subject: Option<String>,
    /// Why it is left.
    pub reason: String,
    /// The last day on which it counts, `2027-01-31`.
    pub expires: String,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, by line: half of a decision is none.
    pub fn read(text: &str) -> Result<Self, Vec<Issue>> {
        let index = LineIndex::new(text);
        let document = Document::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| index.line(span.start));
            vec![Issue::new(line, error.message().to_owned())]
        })?;
        let mut reader = Reader { index, issues: Vec::new() };
        let settings = reader.settings(document.as_table());
        if reader.issues.is_empty() {
            Ok(settings)
        } else {
            reader.issues.sort_by_key(|issue| issue.line);
            Err(reader.issues)
        }
    }
}

struct Reader {
    index: LineIndex,
    issues: Vec<Issue>,
}

impl Reader {
    fn settings(&mut self, root: &Table) -> Settings {
        self.known(root, ROOT);
        let mut settings = Settings::default();
        if let Some(item) = root.get("accept") {
            match item.as_array_of_tables() {
                Some(tables) => {
                    settings.accept = tables.iter().filter_map(|table| self.acceptance(table)).collect();
                }
                None => self.wrong(item, "`accept` is written as `[[accept]]`".to_owned()),
            }
        }
        if let Some(item) = root.get("escalate") {
            match item.as_table() {
                Some(table) => settings.hook = self.hook(table),
                None => self.wrong(item, "`escalate` is written as `[escalate]`".to_owned()),
            }
        }
        settings
    }

    /// A program with its words; never a line for a shell.
    fn hook(&mut self, table: &Table) -> Vec<String> {
        self.known(table, ESCALATE);
        let Some(item) = table.get("hook") else { return Vec::new() };
        let words: Option<Vec<String>> = item.as_array().and_then(|list| {
            list.iter()
                .map(|word| word.as_str().filter(|word| !word.contains('\0')).map(str::to_owned))
                .collect()
        });
        match words {
            Some(words) if words.first().is_some_and(|program| program.starts_with('/')) => words,
            _ => {
                let form = "`hook` is a list of texts, the first an absolute path: [\"/usr/local/bin/page\"]";
                self.wrong(item, form.to_owned());
                Vec::new()
            }
        }
    }

    fn acceptance(&mut self, table: &Table) -> Option<Acceptance> {
        self.known(table, ACCEPT);
        let rule = self.required(table, "rule");
        let reason = self.required(table, "reason");
        let subject = table.get("subject").and_then(|item| self.text(item, "subject"));
        let line = table.get("rule").and_then(Item::span).map_or(0, |span| self.index.line(span.start));
        let expires = self.expires(table);
        Some(Acceptance { line, rule: rule?, subject, reason: reason?, expires: expires? })
    }

    /// A date of TOML, or the same as a string.
    fn expires(&mut self, table: &Table) -> Option<String> {
        let Some(item) = table.get("expires") else {
            self.missing(table, "expires");
            return None;
        };
        let date = match item.as_value() {
            Some(Value::Datetime(value)) => {
                value.value().date.filter(|_| value.value().time.is_none()).map(|date| date.to_string())
            }
            Some(Value::String(value)) => Some(value.value().clone()).filter(|text| is_date(text)),
            _ => None,
        };
        if date.is_none() {
            self.wrong(item, "`expires` is no date such as 2027-01-31".to_owned());
        }
        date
    }

    fn required(&mut self, table: &Table, key: &str) -> Option<String> {
        match table.get(key) {
            Some(item) => self.text(item, key),
            None => {
                self.missing(table, key);
                None
            }
        }
    }

    fn text(&mut self, item: &Item, key: &str) -> Option<String> {
        let text = item
            .as_str()
            .map(str::trim)
            .filter(|text| !text.is_empty() && !text.chars().any(char::is_control));
        if text.is_none() {
            self.wrong(item, format!("`{key}` is no text of one line"));
        }
        text.map(str::to_owned)
    }

    fn known(&mut self, table: &Table, keys: &[&str]) {
        for (key, _) in table.iter().filter(|(key, _)| !keys.contains(key)) {
            let line =
                table.key(key).and_then(|key| key.span()).map_or(1, |span| self.index.line(span.start));
            let near = nearest(key, keys).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.issues.push(Issue::new(line, format!("there is no key `{key}`{near}")));
        }
    }

    fn missing(&mut self, table: &Table, key: &str) {
        let line = table.span().map_or(1, |span| self.index.line(span.start));
        self.issues.push(Issue::new(line, format!("`{key}` is missing")));
    }

    fn wrong(&mut self, item: &Item, what: String) {
        let line = item.span().map_or(1, |span| self.index.line(span.start));
        self.issues.push(Issue::new(line, what));
    }
}

/// Whether a text has the form of a date; days that no month has are not looked for.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, length: usize, most: u32| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse().is_ok_and(|n| (1..=most).contains(&n))
    };
    matches!(parts[..], [year, month, day] if number(year, 4, 9999) && number(month, 2, 12) && number(day, 2, 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptances_are_read_with_their_lines() {
        let text = "# decided in March\n[[accept]]\nrule = \"perf/halt-polling\"\nreason = \"latency matters more\"\nexpires = 2027-01-31\n\n[[accept]]\nrule = \"vfio/no-reset\"\nsubject = \"pci 0000:01:00.0\"\nreason = \"one start a boot\"\nexpires = \"2026-12-01\"\n";
        let settings = Settings::read(text).unwrap();
        let found: Vec<_> =
            settings.accept.iter().map(|one| (one.line, one.rule.as_str(), one.expires.as_str())).collect();
        assert_eq!(found, [(3, "perf/halt-polling", "2027-01-31"), (8, "vfio/no-reset", "2026-12-01")]);
        assert_eq!(settings.accept[1].subject.as_deref(), Some("pci 0000:01:00.0"));
        assert_eq!(Settings::read(""), Ok(Settings::default()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_the_nearest_name() {
        let check = |text: &str, expect: &[(u32, &str)]| {
            let issues = Settings::read(text).unwrap_err();
            let found: Vec<_> = issues.iter().map(|issue| (issue.line, issue.what.as_str())).collect();
            assert_eq!(found, expect, "{text:?}");
        };
        check("[[acept]]\n", &[(1, "there is no key `acept`; did you mean `accept`?")]);
        check(
            "[[accept]]\nrule = \"a/b\"\nreson = \"x\"\nexpires = 2027-01-31\n",
            &[(1, "`reason` is missing"), (3, "there is no key `reson`; did you mean `reason`?")],
        );
        check(
            "[[accept]]\nrule = 1\nreason = \"x\"\nexpires = 2027-01-31\n",
            &[(2, "`rule` is no text of one line")],
        );
        for bad in ["\"soon\"", "12", "2027-01-31T00:00:00Z", "\"2027-13-01\""] {
            let text = format!("[[accept]]\nrule = \"a/b\"\nreason = \"x\"\nexpires = {bad}\n");
            check(&text, &[(4, "`expires` is no date such as 2027-01-31")]);
        }
        check("accept = 1\n", &[(1, "`accept` is written as `[[accept]]`")]);
        assert_eq!(Settings::read("a = \n").unwrap_err()[0].line, 1);
    }

    #[test]
    fn a_hook_is_a_program_with_its_words() {
        let read = |text: &str| Settings::read(text).map(|settings| settings.hook);
        assert_eq!(read("[escalate]\nhook = [\"/bin/page\", \"-q\"]\n").unwrap(), ["/bin/page", "-q"]);
        assert!(read("[escalate]\n").unwrap().is_empty());
        for wrong in
            ["hook = []", "hook = [\"page\"]", "hook = \"/bin/page -q\"", "hook = [\"/bin/page\", 1]"]
        {
            let issues = read(&format!("[escalate]\n{wrong}\n")).unwrap_err();
            assert_eq!(issues[0].line, 2, "{wrong}: {issues:?}");
        }
        assert!(read("[escalate]\nhok = []\n").unwrap_err()[0].what.contains("did you mean `hook`?"));
    }
}
