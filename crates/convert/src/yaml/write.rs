//! Writing: two blanks a level, words without quotes where they mean the same, texts of several lines as blocks.

use super::scalar::resolve;
use serde_json::Value;
use std::fmt::Write as _;

/// The text of a document.
pub(crate) fn print(document: &Value) -> String {
    let mut text = String::new();
    write(&mut text, document, 0);
    text
}

/// Writes a value behind what stands in the line, and ends the line.
fn write(text: &mut String, value: &Value, level: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            begin(text);
            for (number, (key, value)) in members.iter().enumerate() {
                indent(text, level, number);
                text.push_str(&word(key));
                text.push(':');
                // A list's dashes stand below its key, as Kubernetes' own tools write them.
                let deeper = if value.is_array() { level } else { level + 1 };
                write(text, value, deeper);
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            begin(text);
            for (number, element) in elements.iter().enumerate() {
                indent(text, level, number);
                text.push('-');
                write(text, element, level + 1);
            }
        }
        Value::String(line) if is_block(line) => block(text, line, level.max(1)),
        Value::String(line) => line_end(text, &word(line)),
        other => line_end(text, &other.to_string()),
    }
}

fn line_end(text: &mut String, word: &str) {
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{}{word}", if text.is_empty() || text.ends_with('\n') { "" } else { " " });
}

/// What stands in lines of its own begins a new one; an element of a list begins beside its dash.
fn begin(text: &mut String) {
    if text.ends_with(':') {
        text.push('\n');
    } else if text.ends_with('-') {
        text.push(' ');
    }
}

fn indent(text: &mut String, level: usize, number: usize) {
    if number > 0 || text.is_empty() || text.ends_with('\n') {
        text.extend(std::iter::repeat_n("  ", level));
    }
}

/// Whether a text of several lines is the same as a block, which keeps all but what it cannot show.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text.lines().all(|line| !line.ends_with([' ', '\t', '\r']))
        && text.chars().all(|letter| letter == '\n' || letter == '\t' || is_shown(letter))
}

fn block(text: &mut String, lines: &str, level: usize) {
    text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
    for line in lines.lines() {
        if !line.is_empty() {
            indent(text, level, 1);
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn is_shown(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A text in one line: as it is where that is read as the same, else in double quotes, which are JSON's.
fn word(text: &str) -> String {
    let first = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || "/_.".contains(letter));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./+=@,() ".contains(letter);
    let colons = |text: &str| !text.contains(": ") && !text.ends_with(':');
    let fits = first
        && text.chars().all(|letter| plain(letter) || letter == ':')
        && colons(text)
        && !text.ends_with(' ')
        && !text.starts_with("...")
        && text != "<<"
        && resolve(text) == *text;
    if fits { text.to_owned() } else { quoted(text) }
}

/// JSON's quotes, with what YAML's reader would take for the end of a line escaped too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if is_shown(letter) && letter != '\u{85}' => quoted.push(letter),
            letter => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}
