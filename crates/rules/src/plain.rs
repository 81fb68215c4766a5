//! Lines as their program printed them, where a text has them otherwise.
//!
//! What people paste went through a terminal, a mail, a forum or a log in JSON on its way: a message stands on two lines,
//! its quotes are escaped or typographic, colours stand between its words. Signs are written as programs print them. So
//! each such line is read a second time in its plain form; what stands there is told as a hit of the line that it is of.
//!
//! | a text has | the plain form |
//! |---|---|
//! | `reason=\"Failed to get \\\"write\\\" lock\"` | the escapes undone; at `\n` a new line begins |
//! | colours and other sequences of terminals (ECMA-48) | without them |
//! | ‘typographic’ and “double” quotes, no-break spaces | ASCII |
//! | `&quot;`, `&lt;` | the character |
//! | an error of the C library in another language | in English (see `translated.rs`) |
//! | a sentence that was broken because the line was full | both lines as one, in what was pasted |
//! | a value of YAML that goes on in deeper lines, as `kubectl` and `oc` print messages | the lines as one |
//! | `''` in a quoted value of YAML | `'` |

use crate::{Text, translated};
use memchr::memmem;

/// How many plain lines are made at most, in bytes: far more than people paste, and little beside a host's logs.
const MOST: usize = 128 << 10;

/// How long a text may be whose broken lines are joined, in bytes.
const BROKEN: usize = 64 << 10;

/// How long a text may be that is looked through for other languages, in bytes.
const FOREIGN: usize = 256 << 10;

/// How short a line is at least that was broken because it was full: mails break at 60 to 80 columns, terminals at 80.
const FULL: usize = 56;

/// Where it and the first word of the next would end at least.
const WIDTH: usize = 72;

/// How many lines one message is joined from at most.
pub(crate) const JOINED: u32 = 3;

/// How often escapes are undone: a log in JSON within a log in JSON.
const LAYERS: usize = 3;

/// What stands in lines that have a plain form.
const TRACES: &[&[u8]] = &[
    b"\\\"",
    b"\\n",
    b"\x1b[",
    "\u{2018}".as_bytes(),
    "\u{2019}".as_bytes(),
    "\u{201c}".as_bytes(),
    "\u{a0}".as_bytes(),
    b"&quot;",
    b"&lt;",
    b"&#39;",
    b"''",
];

/// Where these stand, in three passes for all of them, of which most texts need two: each begins with one of few bytes,
/// and hardly any text has those at all.
fn traces(text: &[u8]) -> Vec<usize> {
    let begins = |at: &usize| TRACES.iter().any(|trace| text[*at..].starts_with(trace));
    let mut places: Vec<usize> =
        memchr::memchr3_iter(b'\\', b'\x1b', b'&', text).filter(begins).take(MOST).collect();
    places.extend(memmem::find_iter(text, b"''").take(MOST));
    if !text.is_ascii() {
        places.extend(memchr::memchr2_iter(0xe2, 0xc2, text).filter(begins).take(MOST));
    }
    places
}

/// Plain forms of lines, one below the other.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    text: String,
    /// Where each begins.
    starts: Vec<usize>,
    /// Which line each is of: the text and its line.
    of: Vec<(usize, u32)>,
}

impl Plain {
    /// The plain forms of what has one. `pasted` says that somebody chose these texts: only they are broken by hand.
    pub(crate) fn of(texts: &[Text<'_>], pasted: bool) -> Self {
        let mut plain = Self::default();
        for (number, text) in texts.iter().enumerate().filter(|(_, text)| !text.is_silent()) {
            // What is remarked in settings says nothing in any form.
            let remark = |line: &str| text.is_settings() && line.trim_start().starts_with('#');
            let places = traces(text.whole().as_bytes());
            let mut lines: Vec<usize> =
                places.iter().map(|at| text.starts.partition_point(|start| start <= at)).collect();
            lines.sort_unstable();
            lines.dedup();
            for line in lines {
                let number_of_line = u32::try_from(line).unwrap_or(u32::MAX);
                let Some(had) = text.line(number_of_line) else { continue };
                let form = bare(had);
                if form != had && !remark(had) {
                    form.split('\n').for_each(|form| plain.add(form, number, number_of_line));
                }
            }
            if foreign(text) {
                let told = translated::english(text.whole(), &text.starts).into_iter();
                told.filter(|(_, form)| !remark(form))
                    .for_each(|(line, form)| plain.add(&form, number, line));
            }
            if pasted && !text.is_settings() && text.whole().len() <= BROKEN {
                plain.join(number, text);
            }
        }
        plain
    }

    /// The forms as a text, and which line each is of: the text and its line.
    pub(crate) fn into_text(self) -> (Text<'static>, Vec<(usize, u32)>) {
        (Text::of_lines(self.text, self.starts), self.of)
    }

    fn add(&mut self, line: &str, text: usize, number: u32) {
        if self.text.len() + line.len() < MOST && !line.trim().is_empty() {
            self.starts.push(self.text.len());
            self.of.push((text, number));
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// Joins the lines of a text that were one.
    fn join(&mut self, number: usize, text: &Text<'_>) {
        let count = u32::try_from(text.starts.len()).unwrap_or(u32::MAX);
        let widest = (1..=count).filter_map(|at| text.line(at)).map(str::len).max().unwrap_or(0);
        let full = |line: &str| line.len() == widest && widest >= WIDTH;
        for first in 1..count {
            let Some(begin) = text.line(first) else { continue };
            let (mut spaced, mut close) = (begin.trim_end().to_owned(), begin.to_owned());
            let mut last = begin;
            let (mut hard, mut value) = (false, false);
            for next in (first + 1)..=(first + JOINED - 1).min(count) {
                let Some(line) = text.line(next) else { break };
                value = if next == first + 1 {
                    folded(begin, line)
                } else {
                    value && indent(line) == indent(last) && !fresh_in_yaml(line.trim_start())
                };
                if !value && !goes_on(last, line) {
                    break;
                }
                hard |= full(last);
                let rest = unquoted(line).trim_start();
                spaced.push(' ');
                spaced.push_str(rest.trim_end());
                close.push_str(rest);
                last = line;
            }
            if spaced.len() > begin.trim_end().len() {
                self.add(&undoubled(spaced), number, first);
                if hard {
                    self.add(&close, number, first);
                }
            }
        }
    }
}

/// Whether messages in other languages may stand in a text.
fn foreign(text: &Text<'_>) -> bool {
    let bytes = text.whole().as_bytes();
    let traced = || translated::TRACES.iter().any(|trace| memmem::find(bytes, trace).is_some());
    // The first byte of a Latin letter with a mark, of a Cyrillic one, of a Japanese or Chinese one (UTF-8).
    let letter = |byte: &u8| matches!(byte, 0xc3 | 0xd0 | 0xd1 | 0xe3..=0xe9);
    bytes.len() <= FOREIGN && (!bytes.is_ascii() && bytes.iter().any(letter) || traced())
}

/// Whether a line goes on in the next because it was full, as far as the two tell.
fn goes_on(line: &str, next: &str) -> bool {
    let (begin, rest) = (unquoted(line), unquoted(next));
    let first = rest.split_whitespace().next().unwrap_or("");
    let sentence = !begin.trim_end().ends_with(['.', '!', '?', ':', ';', '{', '}', '>', ']']);
    begin.len() >= FULL
        && begin.len() + 1 + first.len() >= WIDTH
        && sentence
        && indent(begin) >= indent(rest)
        && !fresh(first)
}

/// How far a line is indented, in bytes.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a value of YAML goes on in the next line, which is deeper then (YAML 1.2, 7.3.3): `kubectl` folds them at 80
/// columns.
fn folded(line: &str, next: &str) -> bool {
    let key = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"_-./".contains(&letter))
    };
    let entry = line.trim_start().trim_start_matches("- ").split_once(": ");
    let value = entry.is_some_and(|(name, value)| key(name) && !value.starts_with(['|', '>', '{', '[']));
    let first = next.split_whitespace().next().unwrap_or("");
    value && indent(next) > indent(line) && line.len() + 1 + first.len() >= WIDTH && !fresh_in_yaml(first)
}

/// Whether a line within YAML is an entry of its own and no rest of a value.
fn fresh_in_yaml(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("");
    first.is_empty() || first.ends_with(':') || first == "-" || first.starts_with('#')
}

/// A quoted value of YAML without the doubled quotes that stand for single ones in it (YAML 1.2, 7.3.2).
fn undoubled(line: String) -> String {
    match line.find(": '") {
        Some(at) if line[at + 3..].contains("''") && line.trim_end().ends_with('\'') => {
            let (name, value) = line.split_at(at + 3);
            format!("{name}{}", value.replace("''", "'"))
        }
        _ => line,
    }
}

/// Whether a word begins a line of its own: a time, an option, a program's name, a prompt.
fn fresh(word: &str) -> bool {
    let mut letters = word.bytes();
    match letters.next() {
        None | Some(b'[' | b'<' | b'{' | b'}' | b'#' | b'$' | b'/' | b'-' | b'*' | b'|' | b'+' | b'"') => {
            true
        }
        Some(first) if first.is_ascii_digit() => {
            let rest = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
            rest.starts_with([':', '-', '.'])
        }
        _ => word.ends_with(':') || word.contains('='),
    }
}

/// A line of a mail without the marks of who quotes it.
fn unquoted(line: &str) -> &str {
    let mut rest = line;
    while let Some(after) = rest.strip_prefix("> ").or_else(|| rest.strip_prefix('>')) {
        rest = after;
    }
    rest
}

/// A line without escapes, sequences of terminals, typographic quotes and entities.
fn bare(line: &str) -> String {
    let mut bare = without_sequences(line);
    for (from, to) in [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&amp;", "&")] {
        if bare.contains(from) {
            bare = bare.replace(from, to);
        }
    }
    let ascii = |letter: char| match letter {
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' => '"',
        '\u{a0}' => ' ',
        other => other,
    };
    bare = bare.chars().map(ascii).collect();
    // A backslash alone is a path of Windows.
    for _ in 0..LAYERS {
        if !(bare.contains("\\\"") || bare.contains("\\n") && bare.contains('"')) {
            break;
        }
        bare = unescaped(&bare);
    }
    undoubled(bare)
}

/// A line without sequences that begin with ESC and `[` (ECMA-48, 5.4).
fn without_sequences(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("\x1b[") {
        kept.push_str(&rest[..at]);
        // Parameters and intermediate characters, then the one that ends it.
        let mut letters = rest[at + 2..].chars();
        letters.find(|letter| !(' '..'@').contains(letter));
        rest = letters.as_str();
    }
    kept.push_str(rest);
    kept
}

/// One layer of the escapes of JSON (RFC 8259, 7), as far as they stand in messages.
fn unescaped(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        kept.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let mut letters = after.chars();
        let code = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?);
        match letters.next() {
            Some('n' | 'r') => kept.push('\n'),
            Some('t') => kept.push(' '),
            Some(same @ ('"' | '\\' | '/')) => kept.push(same),
            Some('u') if after.get(1..5).and_then(code).is_some() => {
                kept.extend(after.get(1..5).and_then(code));
                letters = after[5..].chars();
            }
            _ => {
                kept.push('\\');
                letters = after.chars();
            }
        }
        rest = letters.as_str();
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reading;
    use vmwright_model::{Kind, Record, Snapshot};

    /// The lines in which a sign of the catalogue is found.
    fn lines(text: &str, sign: &str) -> Vec<u32> {
        let snapshot =
            Snapshot { records: vec![Record::new("a.txt", Kind::TEXT, text)], ..Snapshot::default() };
        Reading::new(&snapshot, "").hits(sign).iter().map(|hit| hit.line).collect()
    }

    #[test]
    fn a_remark_in_settings_says_nothing_in_any_form() {
        let of = |source: &str| {
            let text =
                "# \u{201c}\nx\n  # Failed to get &quot;write&quot; lock\n# Failed to get \"write\" lock\n";
            let records = vec![Record::new("a.txt", Kind::TEXT, ""), Record::new(source, Kind::TEXT, text)];
            let snapshot = Snapshot { records, ..Snapshot::default() };
            Reading::new(&snapshot, "").hits(LOCK).len()
        };
        assert_eq!((of("/etc/libvirt/qemu.conf"), of("etc/libvirt/qemu.conf"), of("notes")), (0, 0, 1));
    }

    const LOCK: &str = "Failed to get \"write\" lock";

    #[test]
    fn a_message_is_found_whatever_it_went_through() {
        for line in [
            r#"{"msg":"qemu: Failed to get \"write\" lock"}"#,
            r#"level=error msg="a: {\"b\":\"Failed to get \\\"write\\\" lock\"}""#,
            "qemu: Failed to get \u{201c}write\u{201d} lock",
            "qemu: Failed to get &quot;write&quot; lock",
            "qemu: \u{1b}[31mFailed to get \u{1b}[1;33m\"write\"\u{1b}[0m lock",
            "qemu: Failed\u{a0}to get \"write\" lock",
        ] {
            assert_eq!(lines(&format!("one\n{line}\nthree\n"), LOCK), [2], "{line}");
        }
        assert_eq!(lines(&format!("a\n{LOCK}\n"), LOCK), [2], "and once where it stands as it was printed");
    }

    #[test]
    fn a_message_that_was_broken_is_found_at_its_first_line() {
        let soft =
            "qemu-system-x86_64: -device virtio-blk-pci,drive=first,id=disk: Failed to get\n\"write\" lock\n";
        // A quote begins no new line here, but may: it is told from what stands before.
        assert_eq!(lines(soft, LOCK), [] as [u32; 0]);
        let soft =
            "qemu-system-x86_64: -device virtio-blk-pci,drive=first,id=disk: Failed to\nget \"write\" lock\n";
        assert_eq!(lines(&format!("\n{soft}"), LOCK), [2]);
        let mail = "> qemu-system-x86_64: -device virtio-blk-pci,drive=first,id=disk: Failed to\n> get \"write\" lock\n";
        assert_eq!(lines(mail, LOCK), [1]);
        let hard = "2022-07-20T06:13:31.090440Z qemu-system-x86_64: -device ide-hd,drive=a: Failed to g\net \"write\" lock\n";
        assert_eq!(lines(hard, LOCK), [1]);
    }

    #[test]
    fn a_folded_value_of_yaml_is_one_message() {
        let sign = "hardware emulation device '/dev/kvm' not present";
        let text = "status:\n    message: 'server error. command Launcher.Sync failed: hardware emulation device\n      ''/dev/kvm'' not present'\n    reason: x\n";
        assert_eq!(lines(text, sign), [2]);
        let text = "    message: 'server error: hardware emulation device ''/dev/kvm'' not present'\n";
        assert_eq!(lines(text, sign), [1]);
        // An entry below is no rest of it.
        let text = "    message: server error. command Launcher.Sync failed: the hardware emulation device\n      '/dev/kvm': not present\n";
        assert_eq!(lines(text, sign), [] as [u32; 0]);
        assert_eq!(undoubled("unknown mode ''".to_owned()), "unknown mode ''");
    }

    #[test]
    fn lines_of_their_own_stay_so() {
        for text in [
            "2022-07-20T06:13:31.090440Z qemu-system-x86_64: -device ide-hd: Failed to\nerror: get \"write\" lock\n",
            "2022-07-20T06:13:31.090440Z qemu-system-x86_64: -device ide-hd: Failed to\n    get \"write\" lock\n",
            "Failed to\nget \"write\" lock\n",
        ] {
            assert_eq!(lines(text, LOCK), [] as [u32; 0], "{text}");
        }
    }

    #[test]
    fn hostile_lines_stay_small() {
        let text = format!("{}\n{}\n", "\\\"".repeat(200_000), "\u{1b}[".repeat(50_000));
        let snapshot =
            Snapshot { records: vec![Record::new("a", Kind::TEXT, text.as_str())], ..Snapshot::default() };
        let _ = Reading::new(&snapshot, &text);
        assert_eq!(bare("C:\\new\\table"), "C:\\new\\table");
        assert_eq!(bare("\"\\u003cdomain\\u003e\\\" \\u00"), "\"<domain>\" \\u00");
        assert_eq!(bare("\u{1b}["), "");
    }
}
