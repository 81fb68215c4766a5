//! Settings of the host that stand in a file of one line, in listings of such files, or in what somebody typed.

use crate::prelude::*;

/// A setting and where it stands.
pub(crate) struct Setting {
    /// Its value.
    pub value: String,
    /// Its line.
    pub quote: Option<Evidence>,
}

impl Setting {
    /// The value as a whole number.
    pub(crate) fn number(&self) -> Option<u64> {
        self.value.parse().ok()
    }
}

/// The value of a setting: the file of this path, or a line that holds its tail (`ksm/run`) followed by `:`, `=` or
/// blanks and the value, or with nothing behind it and the value on the next line, as after `cat`.
pub(crate) fn setting(cx: &Reading<'_>, path: &str, tail: &str) -> Option<Setting> {
    if let Found::Text(text) = cx.file(path)
        && let Some((number, line)) = text.lines().find(|(_, line)| !line.trim().is_empty())
    {
        return Some(Setting { value: line.trim().to_owned(), quote: text.quote(number) });
    }
    cx.lines_with(tail).find_map(|(text, number, line)| {
        let (before, rest) = line.trim().split_once(tail)?;
        if before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
            return None;
        }
        if rest.trim().is_empty() {
            let below = (number + 1..).map_while(|number| Some((number, text.line(number)?.trim())));
            let (number, value) = below.into_iter().find(|(_, line)| !line.is_empty())?;
            return Some(Setting { value: value.to_owned(), quote: text.quote(number) });
        }
        let value = rest.trim_start_matches([':', '=', ' ', '\t', '"', '\'']);
        (value.len() < rest.len() && !value.is_empty())
            .then(|| Setting { value: value.trim().to_owned(), quote: text.quote(number) })
    })
}

/// The lines that say that a switch is off, one a text: in its file, or below a command that names it (`cat`).
pub(crate) fn switched_off<'r>(
    cx: &'r Context<'_>,
    file: &'r str,
) -> impl Iterator<Item = (&'r Text<'r>, u32)> {
    let off =
        |text: &Text<'_>, number| text.line(number).is_some_and(|line| matches!(line.trim(), "N" | "0"));
    let files = cx.texts_named(move |source| source.ends_with(file)).filter(move |text| off(text, 1));
    let answers = cx.texts_with(file).filter_map(move |text| {
        let number = text.lines_with(file).map(|(number, _)| number + 1).find(|number| off(text, *number))?;
        Some((text, number))
    });
    files.map(|text| (text, 1)).chain(answers)
}

/// Every file of one line whose path has these parts, with its content: files of sysfs, one a record.
pub(crate) fn files(cx: &Reading<'_>, begin: &str, end: &str) -> Vec<(String, Setting)> {
    let fits = |source: &str| source.contains(begin) && source.ends_with(end);
    cx.texts_named(fits)
        .filter_map(|text| {
            let value = text.line(1)?.trim().to_owned();
            Some((text.source.to_owned(), Setting { value, quote: text.quote(1) }))
        })
        .collect()
}

/// The kernel's limit of CPUs (`NR_CPUS` of x86 with MAXSMP).
const MANY: usize = 8192;

/// Numbers of a list such as `0-3,8,^2`, sorted; [`MANY`] at most.
pub(crate) fn ids(list: &str) -> Vec<u32> {
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for part in list.split(',') {
        let part = part.trim();
        let (part, into) = match part.strip_prefix('^') {
            Some(part) => (part, &mut without),
            None => (part, &mut found),
        };
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if into.len() >= MANY {
            continue;
        }
        let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) else {
            continue;
        };
        into.extend((first..=last).take(MANY));
        into.truncate(MANY);
    }
    without.sort_unstable();
    found.retain(|id| without.binary_search(id).is_err());
    found.sort_unstable();
    found.dedup();
    found
}

/// A line of `top` or `ps aux` by which a task takes at least this share of a CPU, in percent.
pub(crate) fn busy(cx: &Context<'_>, task: &str, percent: f64) -> Option<Evidence> {
    cx.lines_with(task).find_map(|(text, number, line)| {
        let words: Vec<&str> = line.split_whitespace().take(16).collect();
        // top begins with the process id and has its share in column 9, ps with the user, and column 3.
        let top = words.first()?.parse::<u32>().is_ok();
        let share = words.get(if top { 8 } else { 2 })?.parse::<f64>().ok()?;
        (share >= percent && words.len() >= 11).then(|| text.quote(number)).flatten()
    })
}

/// The first line of any text that holds a part, as evidence: for what no view reads.
pub(crate) fn line_with(cx: &Context<'_>, part: &str) -> Option<Evidence> {
    cx.lines_with(part).find_map(|(text, number, _)| text.quote(number))
}
