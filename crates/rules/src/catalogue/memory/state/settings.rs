//! Settings of the host that stand in a file of one line, in listings of such files, or in what somebody typed.

use crate::prelude::*;
use vmwright_formats::lines::lines;

/// Texts longer than this are logs: no listing of settings is looked for in them.
const LONG: usize = 1 << 20;

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
        && let Some((number, line)) = lines(&text.text).find(|(_, line)| !line.trim().is_empty())
    {
        return Some(Setting { value: line.trim().to_owned(), quote: text.quote(number) });
    }
    for text in cx.texts().iter().filter(|text| text.text.len() <= LONG && text.text.contains(tail)) {
        let mut asked = false;
        for (number, line) in lines(&text.text) {
            let line = line.trim();
            if asked && !line.is_empty() {
                return Some(Setting { value: line.to_owned(), quote: text.quote(number) });
            }
            let Some((before, rest)) = line.split_once(tail) else { continue };
            if before.ends_with(|last: char| last.is_alphanumeric() || last == '_') {
                continue;
            }
            if rest.trim().is_empty() {
                asked = true;
                continue;
            }
            let value = rest.trim_start_matches([':', '=', ' ', '\t', '"', '\'']);
            if value.len() < rest.len() && !value.is_empty() {
                return Some(Setting { value: value.trim().to_owned(), quote: text.quote(number) });
            }
        }
    }
    None
}

/// Every file of one line whose path has these parts, with its content: files of sysfs, one a record.
pub(crate) fn files(cx: &Reading<'_>, begin: &str, end: &str) -> Vec<(String, Setting)> {
    let fits = |source: &str| source.contains(begin) && source.ends_with(end);
    let texts = cx.texts().iter().filter(|text| fits(text.source));
    texts
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
    let texts = cx.texts().iter().filter(|text| text.text.contains(task));
    let lines = texts.flat_map(|text| lines(&text.text).map(move |line| (text, line)));
    lines.filter(|(_, (_, line))| line.contains(task)).find_map(|(text, (number, line))| {
        let words: Vec<&str> = line.split_whitespace().take(16).collect();
        // top begins with the process id and has its share in column 9, ps with the user, and column 3.
        let top = words.first()?.parse::<u32>().is_ok();
        let share = words.get(if top { 8 } else { 2 })?.parse::<f64>().ok()?;
        (share >= percent && words.len() >= 11).then(|| text.quote(number)).flatten()
    })
}

/// The first line of any text that holds a part, as evidence: for what no view reads.
pub(crate) fn line_with(cx: &Context<'_>, part: &str) -> Option<Evidence> {
    let texts = cx.texts().iter().filter(|text| text.text.contains(part));
    texts
        .flat_map(|text| lines(&text.text).map(move |line| (text, line)))
        .find_map(|(text, (number, line))| line.contains(part).then(|| text.quote(number)).flatten())
}
