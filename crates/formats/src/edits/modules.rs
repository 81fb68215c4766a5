//! Modules of the kernel: modprobe.d(5), modules-load.d(5), initramfs-tools' `modules`.

use super::{Found, Splice, last_line, lines, of_name, same_name, whole_line, words};
use std::ops::Range;

/// `option` in the lines that give options to `module`.
pub(super) fn options(text: &str, module: &str, option: &str) -> Vec<Found> {
    let mut all = Vec::new();
    for line in logical_lines(text) {
        let Some(parameters) = parameters(text, &line, module) else { continue };
        for mut found in of_name(text, &parameters, option) {
            // A line without its only option would stand for nothing.
            if parameters.len() == 1 {
                found.cut = line.start..whole_line(text, line.end).end;
            }
            all.push(found);
        }
    }
    all
}

/// Behind the last option of the module that there is, or in a line of its own.
pub(super) fn option_insertion(text: &str, module: &str, to: &str) -> Vec<Splice> {
    let last = logical_lines(text)
        .into_iter()
        .rev()
        .find_map(|line| parameters(text, &line, module)?.last().map(|last| last.end));
    match last {
        Some(end) => vec![(end, format!(" {to}"))],
        None => vec![last_line(text, &format!("options {module} {to}"))],
    }
}

/// Where the options stand, if a line gives options to the module.
fn parameters(text: &str, line: &Range<usize>, module: &str) -> Option<Vec<Range<usize>>> {
    let all: Vec<Range<usize>> = words(&text[line.clone()], line.start)
        .into_iter()
        .filter(|word| &text[word.clone()] != "\\")
        .collect();
    let [keyword, name, rest @ ..] = &all[..] else { return None };
    let own = &text[keyword.clone()] == "options" && same_name(&text[name.clone()], module);
    own.then(|| rest.to_vec())
}

/// Lines, joined where a backslash ends one; the last line's ending is left out.
fn logical_lines(text: &str) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = None;
    for (at, line) in lines(text) {
        let begin = *start.get_or_insert(at);
        if !line.ends_with('\\') {
            all.push(begin..at + line.len());
            start = None;
        }
    }
    all.extend(start.map(|begin| begin..text.trim_end_matches(['\\', '\n', '\r']).len().max(begin)));
    all
}

/// The lines that name `module`. What stands behind the name goes with it.
pub(super) fn listed(text: &str, module: &str) -> Vec<Found> {
    let own = lines(text).filter_map(|(start, line)| {
        if line.trim_start().starts_with(['#', ';']) {
            return None;
        }
        let name = words(line, start).into_iter().next()?;
        same_name(&text[name.clone()], module).then_some((start, name))
    });
    own.map(|(start, value)| Found { meant: module.to_owned(), value, cut: whole_line(text, start) })
        .collect()
}
