//! Configurations of libvirt's daemons, as `virConfParse` reads them: `security_driver = "selinux" # why`. A text stands
//! in one kind of quotes, which have no escapes, a number in none.

use super::{EditError, Found, line_at, lines, whole_line};

/// The lines that set `option`. What stands behind it on its line stays.
pub(super) fn values(text: &str, option: &str) -> Result<Vec<Found>, EditError> {
    // What looks like a setting may stand in it.
    if let Some(at) = text.find("\"\"\"") {
        return Err(EditError::Written { line: line_at(text, at), how: "a text of several lines" });
    }
    let mut all = Vec::new();
    for (start, line) in lines(text) {
        let Some((name, rest)) = line.split_once('=') else { continue };
        if name.trim() != option {
            continue;
        }
        let wrong =
            || EditError::Written { line: line_at(text, start), how: "something else than one value" };
        let from = start + line.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let (value, behind, at) = match rest.chars().next().ok_or_else(wrong)? {
            quote @ ('"' | '\'') => {
                let (value, behind) = rest[1..].split_once(quote).ok_or_else(wrong)?;
                (value, behind, from + 1)
            }
            _ => {
                let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
                (&rest[..end], &rest[end..], from)
            }
        };
        let behind = behind.trim_start();
        if value.is_empty() || !(behind.is_empty() || behind.starts_with('#')) {
            return Err(wrong());
        }
        let value_at = at..at + value.len();
        all.push(Found { meant: value.to_owned(), value: value_at, cut: whole_line(text, start) });
    }
    Ok(all)
}

/// A line that sets it.
pub(super) fn line(option: &str, to: &str) -> String {
    match to.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{option} = {to}"),
        false => format!("{option} = \"{to}\""),
    }
}
