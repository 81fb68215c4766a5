//! Files of a guest that a shell in it reads and writes at any place, by dd(1), as QEMU's guest agent does by handles
//! (`guest-file-open` and its like). Every read and every write opens the file anew, so that Linux forgets between them what it
//! has cached of a disk that nobody else has open.

use super::by_shell::refused;
use serde_json::{Value, json};
use vmwright_formats::base64;
use vmwright_host::ssh::quoted;
use vmwright_review::GuestError;

/// The largest block that dd(1) is told to use, in bytes, as a power of two: 64 KiB.
const BLOCK: u32 = 16;
/// The most that is read at once, in bytes: in hexadecimal lines it is a part of what a shell may say.
const MOST: u64 = 1 << 20;
/// What the agent reads where it is not told how much, in bytes (`guest-file-read` in QEMU's `qga/qapi-schema.json`).
const USUAL: u64 = 4096;

/// A file that is open: where the next byte is read or written.
struct Open {
    path: String,
    at: u64,
    reads: bool,
    writes: bool,
}

/// The files that are open, by their handles.
#[derive(Default)]
pub(super) struct Files(Vec<Option<Open>>);

impl Files {
    /// Opens a file where the guest's kernel lets it be opened; `ask` runs a line of shell, and gives what it says where it
    /// succeeds. A file that is opened to be written keeps what it holds: the only ones that gates write are disks.
    pub(super) fn open(
        &mut self,
        arguments: &Value,
        ask: impl Fn(&str) -> Result<Vec<u8>, GuestError>,
    ) -> Result<Value, GuestError> {
        let path = arguments.get("path").and_then(Value::as_str);
        let path = path.ok_or_else(|| refused("it opens a file that is named"))?;
        let mode = arguments.get("mode").and_then(Value::as_str).unwrap_or("r");
        let (reads, writes) = match mode {
            "r" | "rb" => (true, false),
            "w" | "wb" => (false, true),
            "r+" | "rb+" | "r+b" => (true, true),
            other => return Err(refused(format!("a shell does not open a file as `{other}`"))),
        };
        let word = quoted(path);
        if reads {
            // Reading comes first: to open it for both would make a file where there is none.
            let both = if writes { format!(" && true <>{word}") } else { String::new() };
            ask(&format!("true <{word}{both}"))?;
        }
        self.0.push(Some(Open { path: path.to_owned(), at: 0, reads, writes }));
        Ok(json!(self.0.len() - 1))
    }

    pub(super) fn seek(&mut self, arguments: &Value) -> Result<Value, GuestError> {
        let file = self.of(arguments)?;
        let offset = arguments.get("offset").and_then(Value::as_i64);
        let offset = offset.ok_or_else(|| refused("it goes to a place that is told"))?;
        let whence = arguments.get("whence").cloned().unwrap_or(json!(0));
        let from = match (whence.as_u64(), whence.as_str()) {
            (Some(0), _) | (_, Some("set")) => 0,
            (Some(1), _) | (_, Some("cur")) => file.at,
            _ => return Err(refused("a shell goes to places from the begin of a file, or from where it is")),
        };
        let to = from.checked_add_signed(offset).ok_or_else(|| refused("there is no such place"))?;
        file.at = to;
        Ok(json!({ "position": to, "eof": false }))
    }

    pub(super) fn read(
        &mut self,
        arguments: &Value,
        ask: impl Fn(&str) -> Result<Vec<u8>, GuestError>,
    ) -> Result<Value, GuestError> {
        let file = self.of(arguments)?;
        if !file.reads {
            return Err(refused("the file is open to be written only"));
        }
        let count = arguments.get("count").and_then(Value::as_u64).unwrap_or(USUAL);
        if count > MOST {
            return Err(refused(format!("a shell reads at most {MOST} bytes at once")));
        }
        let (from, block) = (quoted(&format!("if={}", file.path)), block(file.at | count));
        let place = format!("bs={block} skip={} count={}", file.at / block, count / block);
        let bytes = if count == 0 { Vec::new() } else { ask(&format!("dd {from} {place}"))? };
        let told = bytes.len() as u64;
        if told > count {
            return Err(refused(format!("its dd(1) gives {told} bytes where {count} are asked for")));
        }
        file.at += told;
        Ok(json!({ "count": told, "buf-b64": base64::encode(&bytes), "eof": told < count }))
    }

    /// Writes, down to the disk.
    pub(super) fn write(
        &mut self,
        arguments: &Value,
        ask: impl Fn(&str) -> Result<Vec<u8>, GuestError>,
    ) -> Result<Value, GuestError> {
        let file = self.of(arguments)?;
        if !file.writes {
            return Err(refused("the file is open to be read only"));
        }
        let text = arguments.get("buf-b64").and_then(Value::as_str);
        let (text, bytes) = text
            .and_then(|text| Some((text, base64::decode(text)?)))
            .ok_or_else(|| refused("it writes bytes that are told in base64"))?;
        let block = block(file.at);
        let (words, to) = (quoted(text), quoted(&format!("of={}", file.path)));
        // A guest that cannot read base64 would write nothing, and dd(1) be content with that.
        let said = ask(&format!(
            "{{ {{ printf %s {words} | base64 -d || echo base64 >&3; }} | dd bs={block} seek={} conv=notrunc,fsync {to}; }} 3>&1",
            file.at / block
        ))?;
        if !said.is_empty() {
            return Err(refused("its base64(1) is missing, or does not decode"));
        }
        file.at += bytes.len() as u64;
        Ok(json!({ "count": bytes.len() }))
    }

    /// What was written is on the disk already.
    pub(super) fn flush(&mut self, arguments: &Value) -> Result<Value, GuestError> {
        self.of(arguments).map(|_| json!({}))
    }

    pub(super) fn close(&mut self, arguments: &Value) -> Result<Value, GuestError> {
        self.of(arguments)?;
        if let Some(slot) = handle(arguments).and_then(|at| self.0.get_mut(at)) {
            *slot = None;
        }
        Ok(json!({}))
    }

    fn of(&mut self, arguments: &Value) -> Result<&mut Open, GuestError> {
        let slot = handle(arguments).and_then(|at| self.0.get_mut(at)?.as_mut());
        slot.ok_or_else(|| refused("no such file is open"))
    }
}

fn handle(arguments: &Value) -> Option<usize> {
    usize::try_from(arguments.get("handle")?.as_u64()?).ok()
}

/// The largest block that divides a number, up to [`BLOCK`]: what stands before a place is a whole number of such.
fn block(number: u64) -> u64 {
    1 << number.trailing_zeros().min(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_a_place_begins() {
        assert_eq!(
            [0, 1, 3, 512, 4096 * 3, (8 << 20) + 65536 * 3, 1 << 40].map(block),
            [65536, 1, 1, 512, 4096, 65536, 65536]
        );
    }

    #[test]
    fn what_is_not_open_or_open_otherwise_is_refused() {
        let said = |result: Result<Value, GuestError>| result.expect_err("refused").to_string();
        let nothing = |_: &str| Ok(Vec::new());
        let mut files = Files::default();
        assert!(said(files.open(&json!({ "path": "/dev/vda", "mode": "a" }), nothing)).contains("`a`"));
        let open =
            |files: &mut Files, mode| files.open(&json!({ "path": "/dev/vda", "mode": mode }), nothing);
        let read = open(&mut files, "r").expect("open");
        let write = open(&mut files, "w").expect("open");
        let text = json!({ "handle": read, "buf-b64": "AAEC" });
        assert!(said(files.write(&text, nothing)).contains("read only"));
        assert!(said(files.read(&json!({ "handle": write }), nothing)).contains("written only"));
        assert!(said(files.read(&json!({ "handle": read, "count": 1 << 30 }), nothing)).contains("at most"));
        assert!(
            said(files.read(&json!({ "handle": read, "count": 1 }), |_: &str| Ok(vec![0; 2])))
                .contains("2 bytes")
        );
        assert!(said(files.write(&json!({ "handle": write, "buf-b64": "A" }), nothing)).contains("base64"));
        let before = json!({ "handle": read, "offset": -1, "whence": "cur" });
        assert!(said(files.seek(&before)).contains("no such place"));
        assert!(
            said(files.seek(&json!({ "handle": read, "offset": 0, "whence": 2 }))).contains("from the begin")
        );
        files.close(&json!({ "handle": read })).expect("closed");
        for answer in [files.flush(&json!({ "handle": read })), files.close(&json!({ "handle": 7 }))] {
            assert!(said(answer).contains("no such file is open"));
        }
    }
}
