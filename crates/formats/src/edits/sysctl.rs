//! sysctl.d(5): `net.ipv4.ip_forward = 1`.

use super::{Found, lines, whole_line};

/// The lines that set `key`, which may be written with dots or slashes, and with a dash before it.
pub(super) fn values(text: &str, key: &str) -> Vec<Found> {
    let wanted = plain(key);
    let own = lines(text).filter_map(|(start, line)| {
        let trimmed = line.trim_start();
        if trimmed.starts_with(['#', ';']) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        let name = name.trim();
        if plain(name.strip_prefix('-').unwrap_or(name)) != wanted {
            return None;
        }
        let meant = value.trim();
        let from = start + line.len() - value.trim_start().len();
        Some(Found { meant: meant.to_owned(), value: from..from + meant.len(), cut: whole_line(text, start) })
    });
    own.collect()
}

/// A key with slashes. As sysctl.d(5) has it: where the first separator is a slash, slashes separate and dots belong to
/// names; else it is the other way round.
fn plain(key: &str) -> String {
    match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'.') => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}
