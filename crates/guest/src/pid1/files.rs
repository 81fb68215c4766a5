//! The files of the agent protocol.

use super::base64;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

/// Files open at once.
pub(super) const HANDLES: usize = 64;

/// The most bytes of one `guest-file-read`; a longer read is cut, which the protocol allows.
const READ_LIMIT: u64 = 1 << 20;

/// Arguments of a command.
pub(super) type Arguments = Map<String, Value>;

/// Files that are open.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: BTreeMap<i64, File>,
    last_handle: i64,
}

impl Files {
    pub(super) fn open(&mut self, arguments: &Arguments) -> Result<Value, String> {
        let path = arguments.get("path").and_then(Value::as_str).ok_or("Parameter 'path' is missing")?;
        let mode = arguments.get("mode").and_then(Value::as_str).unwrap_or("r");
        let (write, append) = match mode.trim_end_matches('b') {
            "r" => (false, false),
            "w" | "r+" => (true, false),
            "a" => (true, true),
            _ => return Err(format!("invalid file open mode '{mode}'")),
        };
        if self.open.len() >= HANDLES {
            return Err(format!("{HANDLES} files are open already"));
        }
        // Without NONBLOCK a FIFO would hold the agent for ever.
        let file = OpenOptions::new()
            .read(!write)
            .write(write && !append)
            .append(append)
            .create(write && !mode.starts_with('r'))
            .truncate(mode.starts_with('w'))
            .custom_flags(i32::from_ne_bytes(rustix::fs::OFlags::NONBLOCK.bits().to_ne_bytes()))
            .open(path)
            .map_err(|error| format!("failed to open file '{path}' (mode: '{mode}'): {}", plain(&error)))?;
        if file.metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(format!("failed to open file '{path}' (mode: '{mode}'): Is a directory"));
        }
        self.last_handle += 1;
        self.open.insert(self.last_handle, file);
        Ok(self.last_handle.into())
    }

    pub(super) fn read(&mut self, arguments: &Arguments) -> Result<Value, String> {
        let handle = integer(arguments, "handle")?;
        let count = match arguments.get("count") {
            None => 4096,
            Some(count) => count.as_u64().ok_or("value for argument count cannot be negative")?,
        };
        let file = self.open.get_mut(&handle).ok_or_else(|| unknown_handle(handle))?;
        let (bytes, eof) = read_up_to(file, count.min(READ_LIMIT)).map_err(|error| plain(&error))?;
        Ok(json!({ "count": bytes.len(), "buf-b64": base64::encode(&bytes), "eof": eof }))
    }

    pub(super) fn close(&mut self, arguments: &Arguments) -> Result<Value, String> {
        let handle = integer(arguments, "handle")?;
        self.open.remove(&handle).map(|_| json!({})).ok_or_else(|| unknown_handle(handle))
    }

    pub(super) fn seek(&mut self, arguments: &Arguments) -> Result<Value, String> {
        let offset = integer(arguments, "offset")?;
        // By name, or by the number that fseek(3) has for it.
        let to = match arguments.get("whence") {
            Some(Value::String(word)) if word == "set" => u64::try_from(offset).map(SeekFrom::Start).ok(),
            Some(Value::Number(number)) if number.as_u64() == Some(0) => {
                u64::try_from(offset).map(SeekFrom::Start).ok()
            }
            Some(Value::String(word)) if word == "cur" => Some(SeekFrom::Current(offset)),
            Some(Value::Number(number)) if number.as_u64() == Some(1) => Some(SeekFrom::Current(offset)),
            Some(Value::String(word)) if word == "end" => Some(SeekFrom::End(offset)),
            Some(Value::Number(number)) if number.as_u64() == Some(2) => Some(SeekFrom::End(offset)),
            _ => None,
        };
        let to = to.ok_or("invalid whence code or offset")?;
        let position = self.file(arguments)?.seek(to).map_err(|error| plain(&error))?;
        Ok(json!({ "position": position, "eof": false }))
    }

    pub(super) fn write(&mut self, arguments: &Arguments) -> Result<Value, String> {
        let text =
            arguments.get("buf-b64").and_then(Value::as_str).ok_or("Parameter 'buf-b64' is missing")?;
        let bytes = base64::decode(text).ok_or("buf-b64 is no base64")?;
        let count = arguments.get("count").and_then(Value::as_u64).map_or(bytes.len(), |count| {
            usize::try_from(count).map_or(bytes.len(), |count| count.min(bytes.len()))
        });
        let file = self.file(arguments)?;
        file.write_all(&bytes[..count]).map_err(|error| plain(&error))?;
        Ok(json!({ "count": count, "eof": false }))
    }

    pub(super) fn flush(&mut self, arguments: &Arguments) -> Result<Value, String> {
        self.file(arguments)?.flush().map(|()| json!({})).map_err(|error| plain(&error))
    }

    fn file(&mut self, arguments: &Arguments) -> Result<&mut File, String> {
        let handle = integer(arguments, "handle")?;
        self.open.get_mut(&handle).ok_or_else(|| unknown_handle(handle))
    }
}

/// Up to `count` bytes, and whether the file's end was met. Files of sysfs and procfs come in short pieces.
fn read_up_to(file: &mut File, count: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    let eof = (bytes.len() as u64) < count;
    Ok((bytes, eof))
}

fn unknown_handle(handle: i64) -> String {
    format!("handle '{handle}' has not been found")
}

pub(super) fn integer(arguments: &Arguments, name: &str) -> Result<i64, String> {
    arguments
        .get(name)
        .and_then(Value::as_i64)
        .ok_or_else(|| format!("Parameter '{name}' is missing or no integer"))
}

/// An error's text without Rust's ` (os error 2)`.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
