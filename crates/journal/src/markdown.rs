//! Entries as Markdown files, in the form that private-journal gives its own: a head of YAML between two lines of `---`
//! with title, date and timestamp, then the text with its `## Sections`. What only vmwright knows of an entry stands in
//! further keys of the head, which other readers pass over.

use serde_json::Value;
use vmwright_model::{Entry, EntryState};

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// One line; of a file that vmwright did not write the first line of its text, since the title there is a time.
    pub title: String,
    /// The text.
    pub body: String,
    /// When it was written, as the file says it: RFC 3339.
    pub date: Option<String>,
    /// When it was written, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The operation that wrote it; `note` where the file does not say.
    pub operation: String,
    /// Ids of the rules concerned.
    pub rules: Vec<String>,
}

/// Longest title that is made of a text's first line, in characters.
const TITLE: usize = 120;

/// An entry as a file. `timestamp` is `entry.written` in milliseconds since 1970.
#[must_use]
pub fn write(entry: &Entry, timestamp: i64) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let mut file = format!(
        "---\ntitle: {}\ndate: {}\ntimestamp: {timestamp}\noperation: {}\nstate: {}\n",
        text(&entry.title),
        text(&entry.written),
        text(&entry.operation),
        match entry.state {
            EntryState::Pending => "pending",
            EntryState::Verified => "verified",
            EntryState::Superseded => "superseded",
            EntryState::Stale => "stale",
        }
    );
    if !entry.rules.is_empty() {
        file.push_str(&format!("rules: {}\n", Value::from(entry.rules.clone())));
    }
    if let Some(project) = &entry.project {
        file.push_str(&format!("project: {}\n", text(project)));
    }
    file.push_str("---\n\n");
    file.push_str(&entry.body);
    if !entry.body.ends_with('\n') {
        file.push('\n');
    }
    file
}

/// Reads a file; total. None where it has no head.
#[must_use]
pub fn read(text: &str) -> Option<File> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (head, body) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
    let value = |key: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.trim() == key).map(|(_, value)| plain(value.trim())).next()
    };
    let body = body.trim_matches('\n').to_owned();
    let operation = value("operation").filter(|word| is_word(word));
    let first = || body.lines().map(|line| line.trim_start_matches(['#', ' ', '-', '*'])).nth(line_of(&body));
    let title = match &operation {
        Some(_) => value("title").unwrap_or_default(),
        None => first().unwrap_or_default().chars().take(TITLE).collect(),
    };
    let rules: Vec<String> =
        value("rules").and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
    Some(File {
        title,
        date: value("date"),
        timestamp: value("timestamp").and_then(|number| number.parse().ok()),
        operation: operation.unwrap_or_else(|| "note".to_owned()),
        rules: rules.into_iter().filter(|rule| is_rule(rule)).collect(),
        body,
    })
}

/// The number of the first line that says something: no heading, and not empty.
fn line_of(body: &str) -> usize {
    let says = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    body.lines().position(says).unwrap_or(0)
}

/// A value of YAML: in double quotes as JSON has them, in single ones, or plain.
fn plain(value: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(value) {
        return text;
    }
    let single = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    single.map_or_else(|| value.to_owned(), |inside| inside.replace("''", "'"))
}

fn is_word(text: &str) -> bool {
    (1..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn is_rule(text: &str) -> bool {
    let part = |part: &str| is_word(&part.replace(|letter: char| letter.is_ascii_digit(), "n"));
    text.len() <= 64
        && text.split_once('/').is_some_and(|(area, problem)| part(area) && problem.split('-').all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was() {
        for body in ["", "one line", "## Technical Insights\n\nA \"quote\": yes\n---\nand a line\n\n    code"]
        {
            let entry = Entry {
                title: "it: \"does\" not\\start # really".to_owned(),
                body: body.to_owned(),
                operation: "analyze".to_owned(),
                host_id: "0123456789abcdef".to_owned(),
                rules: vec!["storage/image-locked".to_owned()],
                evidence: Vec::new(),
                state: EntryState::Verified,
                written: "2026-01-31T09:15:00Z".to_owned(),
                project: Some("/srv/a project".to_owned()),
            };
            let file = read(&write(&entry, 1_769_850_900_000)).unwrap();
            assert_eq!((&file.title, file.body.as_str()), (&entry.title, body));
            assert_eq!((file.operation.as_str(), &file.rules), ("analyze", &entry.rules));
            assert_eq!(
                (file.date.as_deref(), file.timestamp),
                (Some("2026-01-31T09:15:00Z"), Some(1_769_850_900_000))
            );
        }
    }

    #[test]
    fn a_file_of_private_journal_is_read() {
        let text = "---\ntitle: \"2:41:52 PM - July 4, 2025\"\ndate: 2025-07-04T21:41:52.123Z\n\
                    timestamp: 1751665312123\n---\n\n## Technical Insights\n\nPinning needs isolated CPUs.\nMore.\n\n\
                    ## Feelings\n\nGood.\n";
        let file = read(text).unwrap();
        assert_eq!((file.title.as_str(), file.operation.as_str()), ("Pinning needs isolated CPUs.", "note"));
        assert_eq!(file.date.as_deref(), Some("2025-07-04T21:41:52.123Z"));
        assert!(
            file.body.starts_with("## Technical Insights\n") && file.body.ends_with("Good."),
            "{}",
            file.body
        );
        let crlf = read(&text.replace('\n', "\r\n")).unwrap();
        assert_eq!(crlf, file);
    }

    #[test]
    fn what_is_no_such_file_is_none_and_what_is_odd_says_less() {
        for text in ["", "---", "---\n", "no head\n", "---\ntitle: x\n"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        let odd = read(
            "---\ndate\ntimestamp: soon\noperation: ../../x\nrules: [\"a/../b\", \"x/y\", 3]\n---\n# Head\n",
        )
        .unwrap();
        assert_eq!((odd.timestamp, odd.operation.as_str(), odd.rules.len()), (None, "note", 0));
        assert_eq!(odd.title, "Head");
    }
}
