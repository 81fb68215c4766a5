//! Changing one setting in a file of the host that people edit too: comments, blanks, order and every other byte stay.
//!
//! Each kind of file tells where a setting stands and where a new one belongs; what is done there is the same for all.
//! A setting that stands twice, or that a program of the shell computes, is left to a person.

mod dracut;
mod kernel_parameters;
mod libvirt_conf;
mod modules;
mod shell;
mod sysctl;

use std::ops::Range;
use thiserror::Error;
use vmwright_model::plan::Setting;

/// The longest value that is written, in bytes: the kernel's own limit for its whole command line is 2048 on x86
/// (`COMMAND_LINE_SIZE`).
pub const LONGEST: usize = 2048;

/// Why a setting was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// Something other than the expected value stands there.
    #[error("{setting} is {found}; expected {expected}")]
    Drift {
        /// The setting.
        setting: String,
        /// What stands there; `absent` where nothing does.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// It stands more than once, so that nobody can tell which one is meant.
    #[error("{setting} stands {times} times, on the lines {}; edit by hand", list(.lines))]
    Several {
        /// The setting.
        setting: String,
        /// How often.
        times: usize,
        /// Where, from 1.
        lines: Vec<usize>,
    },
    /// It stands where a condition or a loop of the shell decides about it.
    #[error("line {line} sets it inside a condition or a loop of the shell; edit by hand")]
    Conditional {
        /// The line, from 1.
        line: usize,
    },
    /// It is written in a way that cannot be changed without writing it anew.
    #[error("line {line} is written with {how}; edit by hand")]
    Written {
        /// The line, from 1.
        line: usize,
        /// What is in the way.
        how: &'static str,
    },
    /// A quote that never ends.
    #[error("the quote that begins on line {line} does not end")]
    OpenQuote {
        /// The line, from 1.
        line: usize,
    },
    /// The value cannot stand in such a file.
    #[error("`{}` cannot be written here: {why}", value.escape_debug())]
    BadValue {
        /// The value.
        value: String,
        /// Why not.
        why: &'static str,
    },
}

fn list(lines: &[usize]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Where a setting stands.
struct Found {
    /// Bytes of its value.
    value: Range<usize>,
    /// Bytes that go with it where it is taken away.
    cut: Range<usize>,
    /// The value as it is meant.
    meant: String,
}

/// Bytes that are put in at an offset.
type Splice = (usize, String);

/// What stands for `setting` in a text; none where nothing does.
///
/// # Errors
/// [`EditError`]: it cannot be told.
pub fn get(text: &str, setting: &Setting) -> Result<Option<String>, EditError> {
    Ok(one(text, setting)?.map(|found| found.meant))
}

/// The text with `to` in the place of `from`; none stands for an absent setting. Setting a value to itself succeeds
/// exactly where it stands there, and changes nothing.
///
/// # Errors
/// [`EditError`]; also where something other than `from` stands there.
pub fn set(text: &str, setting: &Setting, from: Option<&str>, to: Option<&str>) -> Result<String, EditError> {
    let found = one(text, setting)?;
    let meant = found.as_ref().map(|found| found.meant.as_str());
    if meant != from {
        let shown = |value: Option<&str>| value.map_or("absent".to_owned(), |value| format!("`{value}`"));
        return Err(EditError::Drift {
            setting: setting.to_string(),
            found: shown(meant),
            expected: shown(from),
        });
    }
    if from == to {
        return Ok(text.to_owned());
    }
    if let Some(to) = to {
        may_stand(setting, to)?;
    }
    let new = match (found, to) {
        (None, None) => text.to_owned(),
        (Some(found), Some(to)) => format!("{}{to}{}", &text[..found.value.start], &text[found.value.end..]),
        (Some(found), None) => format!("{}{}", &text[..found.cut.start], &text[found.cut.end..]),
        (None, Some(to)) => spliced(text, insertion(text, setting, to)?),
    };
    // What stands around it may be broken in ways that swallow a new line: a condition without its end.
    match get(&new, setting) {
        Ok(read) if read.as_deref() == to => Ok(new),
        _ => Err(EditError::Written { line: line_at(text, text.len()), how: "something that has no end" }),
    }
}

/// Whether a value may be written for a setting: one word of printable ASCII, without what a shell or the kernel's own
/// parser acts on. A parameter has to be the one that it is written for.
///
/// # Errors
/// [`EditError::BadValue`].
pub fn may_stand(setting: &Setting, value: &str) -> Result<(), EditError> {
    let bad = |why| Err(EditError::BadValue { value: value.chars().take(80).collect(), why });
    if value.is_empty() || value.len() > LONGEST {
        return bad("it does not have 1 to 2048 bytes");
    }
    let words = matches!(setting, Setting::Sysctl { .. });
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"'\"$`\\#".contains(&byte) || (words && byte == b' ');
    if !value.bytes().all(fits) || value.trim() != value {
        return bad("it has a blank, a quote or a character that a shell acts on");
    }
    let own = match setting {
        Setting::GrubParameter { parameter: name, .. }
        | Setting::EntryParameter { parameter: name }
        | Setting::CmdlineParameter { parameter: name }
        | Setting::ModuleOption { option: name, .. } => same_name(name_of(value), name),
        Setting::Module { module: name } | Setting::DracutWord { word: name, .. } => value == name,
        Setting::Sysctl { .. } | Setting::LibvirtOption { .. } => true,
    };
    if own { Ok(()) } else { bad("it is another setting") }
}

/// Whether a file of the shell assigns a variable, whatever stands around it.
#[must_use]
pub fn assigns(text: &str, variable: &str) -> bool {
    shell::assignments(text, variable).is_ok_and(|all| !all.is_empty())
}

/// The one place of a setting.
fn one(text: &str, setting: &Setting) -> Result<Option<Found>, EditError> {
    let mut found = match setting {
        Setting::GrubParameter { variable, parameter } => kernel_parameters::grub(text, variable, parameter)?,
        Setting::EntryParameter { parameter } => kernel_parameters::entry(text, parameter),
        Setting::CmdlineParameter { parameter } => kernel_parameters::cmdline(text, parameter),
        Setting::ModuleOption { module, option } => modules::options(text, module, option),
        Setting::Module { module } => modules::listed(text, module),
        Setting::DracutWord { list, word } => dracut::words(text, list, word)?,
        Setting::Sysctl { key } => sysctl::values(text, key),
        Setting::LibvirtOption { option } => libvirt_conf::values(text, option)?,
    };
    if found.len() > 1 {
        return Err(EditError::Several {
            setting: setting.to_string(),
            times: found.len(),
            lines: found.iter().take(8).map(|found| line_at(text, found.value.start)).collect(),
        });
    }
    Ok(found.pop())
}

/// Where a setting is put that does not stand in the text yet.
fn insertion(text: &str, setting: &Setting, to: &str) -> Result<Vec<Splice>, EditError> {
    match setting {
        Setting::GrubParameter { variable, .. } => kernel_parameters::grub_insertion(text, variable, to),
        Setting::EntryParameter { .. } => Ok(kernel_parameters::entry_insertion(text, to)),
        Setting::CmdlineParameter { .. } => Ok(kernel_parameters::cmdline_insertion(text, to)),
        Setting::ModuleOption { module, .. } => Ok(modules::option_insertion(text, module, to)),
        Setting::Module { .. } => Ok(vec![last_line(text, to)]),
        Setting::DracutWord { list, .. } => dracut::insertion(text, list, to),
        Setting::Sysctl { key } => Ok(vec![last_line(text, &format!("{key} = {to}"))]),
        Setting::LibvirtOption { option } => Ok(vec![last_line(text, &libvirt_conf::line(option, to))]),
    }
}

fn spliced(text: &str, splices: Vec<Splice>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (offset, new) in splices {
        out.push_str(&text[at..offset]);
        out.push_str(&new);
        at = offset;
    }
    out.push_str(&text[at..]);
    out
}

/// A new line behind the last one, ended as the others are.
fn last_line(text: &str, line: &str) -> Splice {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { end };
    (text.len(), format!("{gap}{line}{end}"))
}

/// The lines of a text with their offsets, endings left out.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line)))
    })
}

/// A line that was found, with its ending.
fn whole_line(text: &str, start: usize) -> Range<usize> {
    let end = text[start..].find('\n').map_or(text.len(), |end| start + end + 1);
    start..end
}

/// The line of an offset, from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The words of a piece of text that begins at `offset`, as the kernel separates them: at blanks that stand in no
/// double quotes (`next_arg` in the kernel's `lib/cmdline.c`).
fn words(piece: &str, offset: usize) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (at, byte) in piece.bytes().enumerate() {
        quoted ^= byte == b'"';
        match (start, byte.is_ascii_whitespace() && !quoted) {
            (None, false) => start = Some(at),
            (Some(begin), true) => {
                words.push(offset + begin..offset + at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|begin| offset + begin..offset + piece.len()));
    words
}

/// The words among these that set `name`, each with a blank beside it to be cut.
fn of_name(text: &str, all: &[Range<usize>], name: &str) -> Vec<Found> {
    let own = |range: &&Range<usize>| same_name(name_of(&text[(*range).clone()]), name);
    all.iter().filter(own).map(|range| found(text, range.clone())).collect()
}

/// A word, and what is cut with it: the blank before it, or where it is the first the blank behind it.
fn found(text: &str, range: Range<usize>) -> Found {
    let bytes = text.as_bytes();
    let blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    let mut cut = range.clone();
    if range.start > 0 && blank(range.start - 1) {
        cut.start -= 1;
    } else if blank(range.end) {
        cut.end += 1;
    }
    Found { meant: text[range.clone()].to_owned(), value: range, cut }
}

fn name_of(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// Whether two names of parameters are one: the kernel takes `-` and `_` as the same (`parameq`).
fn same_name(a: &str, b: &str) -> bool {
    let byte = |byte: u8| if byte == b'-' { b'_' } else { byte };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| byte(a) == byte(b))
}

#[cfg(test)]
mod tests;
