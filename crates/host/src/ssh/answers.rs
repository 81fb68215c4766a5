//! What the other host's shell printed, read back.

use crate::file::{self, Part, is_binary, kind_of};
use crate::limits::{Limits, millis};
use crate::mark::Mark;
use crate::probes::images;
use crate::text::escape;
use vmwright_model::{Missing, Record};

/// How much of what a failed command said is kept, in bytes.
const SAID: usize = 400;

/// What came back.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) records: Vec<Record>,
    /// Whether the shell printed anything at all.
    pub(super) begun: bool,
}

/// Reads the parts. Without the end's part, or where the output was cut off, the last record says so.
pub(super) fn read(output: &[u8], mark: &Mark, limits: &Limits, whole: bool) -> Answered {
    let parts = mark.sections(output);
    let begun = !parts.is_empty();
    let ended = whole && parts.last().is_some_and(|(tag, _)| *tag == b"z");
    let mut records: Vec<Record> = Vec::new();
    let mut name: Option<String> = None;
    for (tag, bytes) in parts {
        // Each part ends with the line end that stands before the next one's mark.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if tag == b"n" {
            records.extend(name.take().map(|name| unanswered(&name)));
            name = Some(escape(bytes));
            continue;
        }
        let Some(source) = name.take().or_else(|| again(tag, &mut records)) else { continue };
        let most = if source.starts_with('/') { limits.of_live_file(&source) } else { limits.command };
        let mut end_of = None;
        let content = match tag {
            b"k" if bytes.len() as u64 > most => Err(Missing::TooLarge(bytes.len() as u64)),
            b"k" if is_binary(bytes) => Err(Missing::Binary),
            b"k" if source == "images" => {
                Ok(images::with_headers(&String::from_utf8_lossy(bytes)).into_bytes())
            }
            b"k" => Ok(bytes.to_vec()),
            b"l" => end(bytes, most).map(|part| {
                end_of = part.end_of;
                part.bytes
            }),
            b"e" => Ok(Vec::new()),
            b"a" => Err(Missing::Absent),
            b"d" => Err(Missing::Denied),
            b"r" => Err(Missing::NotRegular),
            b"s" => Err(status(bytes)),
            b"o" => {
                let why = format!("more than {} files match; the rest was not read", limits.matches);
                Err(Missing::Failed(why))
            }
            b"t" => Err(Missing::TimedOut(millis(limits.read_time))),
            _ => continue,
        };
        let kind = kind_of(&source, content.as_deref().unwrap_or_default());
        records.push(Record { source, kind, content, end_of });
    }
    records.extend(name.map(|name| unanswered(&name)));
    if begun && !ended {
        let why = "the answers were cut off here; what was still to come was not read".to_owned();
        records.push(Record::missing("ssh", vmwright_model::Kind::TEXT, Missing::Failed(why)));
    }
    Answered { records, begun }
}

/// The end of a log that is larger than `most`, behind a line with its size.
fn end(bytes: &[u8], most: u64) -> Result<Part, Missing> {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let size = String::from_utf8_lossy(&bytes[..line]).trim().parse::<u64>().ok();
    let end = bytes.get(line + 1..).unwrap_or_default();
    match size {
        Some(size) if end.len() as u64 > most => Err(Missing::TooLarge(size)),
        Some(_) if is_binary(end) => Err(Missing::Binary),
        Some(size) => Ok(file::end(end.to_vec(), size)),
        None => Err(Missing::Failed("the other host's shell told no size".to_owned())),
    }
}

/// A second word about the last record, which it replaces: a status or a lapse of time behind some output.
fn again(tag: &[u8], records: &mut Vec<Record>) -> Option<String> {
    [&b"s"[..], b"t"].contains(&tag).then(|| records.pop().map(|record| record.source)).flatten()
}

fn unanswered(name: &str) -> Record {
    let why = Missing::Failed("the other host's shell gave no answer".to_owned());
    Record::missing(name, kind_of(name, b""), why)
}

/// A failed command's status and the first line that it said: `timeout` ends with 124.
fn status(bytes: &[u8]) -> Missing {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SAID)]).into_owned();
    let (status, said) = text.split_once(' ').unwrap_or((&text, ""));
    let said = escape(said.trim().as_bytes());
    if status == "124" {
        return Missing::TimedOut(10_000);
    }
    if said.ends_with("Permission denied") || said.ends_with("Operation not permitted") {
        return Missing::Denied;
    }
    Missing::Failed(if said.is_empty() {
        format!("status {status}")
    } else {
        format!("status {status}: {said}")
    })
}
