//! Files into the guest and out of it, through its agent.

use super::agent::{AgentError, Ask};
use crate::ControlError;
use crate::request::{Told, Watch};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vmwright_formats::base64;

/// How much is asked for at a time, in bytes; an agent may send less.
const READ: usize = 256 << 10;
/// How much is sent at a time: as base64 in its command it stays below 64 KiB.
const WRITE: usize = 32 << 10;

/// Why a copy is not there.
#[derive(Debug)]
pub(crate) enum CopyError {
    /// The agent.
    Agent(AgentError),
    /// The host's file.
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// The user stopped it.
    Stopped,
}

impl CopyError {
    pub(crate) fn of(self, machine: &str) -> ControlError {
        match self {
            CopyError::Agent(source) => ControlError::Agent { machine: machine.to_owned(), source },
            CopyError::File { doing, path, source } => ControlError::File { doing, path, source },
            CopyError::Stopped => ControlError::Failed {
                machine: machine.to_owned(),
                operation: crate::Operation::Copy,
                why: "it was stopped; what was copied so far is no whole file".to_owned(),
            },
        }
    }
}

/// Copies a guest's file; the host's file appears whole or not at all.
pub(crate) fn copy_out(
    agent: &mut dyn Ask,
    from: &str,
    to: &Path,
    watch: &mut dyn Watch,
) -> Result<u64, CopyError> {
    let fail = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| CopyError::File { doing, path, source }
    };
    let to = if to.is_dir() { to.join(base_name(from)) } else { to.to_owned() };
    if to.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "it is there, and is not a regular file");
        return Err(CopyError::File { doing: "replace", path: to, source });
    }
    let handle = open(agent, from, "r")?;
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let part = to.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let copied = options.open(&part).map_err(fail("make", &part)).and_then(|mut file| {
        let done = read_all(agent, handle, &mut file, &part, watch)?;
        file.sync_all().map_err(fail("write", &part))?;
        Ok(done)
    });
    let closed = close(agent, handle);
    let copied =
        copied.and_then(|done| std::fs::rename(&part, &to).map(|()| done).map_err(fail("make", &to)));
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    copied.and_then(|done| closed.map(|()| done))
}

fn read_all(
    agent: &mut dyn Ask,
    handle: i64,
    file: &mut File,
    path: &Path,
    watch: &mut dyn Watch,
) -> Result<u64, CopyError> {
    let mut done = 0;
    loop {
        let piece = ask(agent, "guest-file-read", json!({ "handle": handle, "count": READ }))?;
        let bytes = piece["buf-b64"].as_str().and_then(base64::decode).filter(|bytes| bytes.len() <= READ);
        let (Some(bytes), Some(end)) = (bytes, piece["eof"].as_bool()) else {
            return Err(unclear("guest-file-read", &piece));
        };
        file.write_all(&bytes).map_err(|source| CopyError::File {
            doing: "write",
            path: path.to_owned(),
            source,
        })?;
        done += bytes.len() as u64;
        watch.tell(Told::Copied { done, of: None });
        // An agent that neither reads nor ends would be asked for ever.
        if end || bytes.is_empty() {
            return Ok(done);
        }
        if watch.stopped() {
            return Err(CopyError::Stopped);
        }
    }
}

/// Copies a host's file into the guest.
pub(crate) fn copy_in(
    agent: &mut dyn Ask,
    from: &Path,
    to: &str,
    watch: &mut dyn Watch,
) -> Result<u64, CopyError> {
    let fail = |source| CopyError::File { doing: "read", path: from.to_owned(), source };
    let (mut file, size) = regular(from).map_err(fail)?;
    let handle = open(agent, to, "w")?;
    let written = (|| {
        let (mut done, mut buffer) = (0, vec![0; WRITE]);
        loop {
            let count = file.read(&mut buffer).map_err(fail)?;
            if count == 0 {
                ask(agent, "guest-file-flush", json!({ "handle": handle }))?;
                return Ok(done);
            }
            let mut left = &buffer[..count];
            while !left.is_empty() {
                let text = base64::encode(left);
                let told = ask(agent, "guest-file-write", json!({ "handle": handle, "buf-b64": text }))?;
                let taken = told["count"].as_u64().and_then(|taken| usize::try_from(taken).ok());
                let Some(taken) = taken.filter(|taken| (1..=left.len()).contains(taken)) else {
                    return Err(unclear("guest-file-write", &told));
                };
                left = &left[taken..];
                done += taken as u64;
            }
            watch.tell(Told::Copied { done, of: Some(size) });
            if watch.stopped() {
                return Err(CopyError::Stopped);
            }
        }
    })();
    let closed = close(agent, handle);
    written.and_then(|done| closed.map(|()| done))
}

/// A regular file, open for reading, with its size. A pipe or a device would not end.
fn regular(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file, meta.len()))
}

/// The last part of a path in the guest, as a name that stays in its directory.
fn base_name(path: &str) -> &str {
    match path.rsplit('/').find(|part| !part.is_empty()) {
        None | Some("." | "..") => "guest-file",
        Some(name) => name,
    }
}

fn open(agent: &mut dyn Ask, path: &str, mode: &str) -> Result<i64, CopyError> {
    let answer = ask(agent, "guest-file-open", json!({ "path": path, "mode": mode }))?;
    answer.as_i64().ok_or_else(|| unclear("guest-file-open", &answer))
}

/// A handle left open stays open in the guest until its agent ends.
fn close(agent: &mut dyn Ask, handle: i64) -> Result<(), CopyError> {
    ask(agent, "guest-file-close", json!({ "handle": handle })).map(drop)
}

fn ask(agent: &mut dyn Ask, command: &str, arguments: Value) -> Result<Value, CopyError> {
    agent.execute(command, Some(arguments)).map_err(CopyError::Agent)
}

fn unclear(command: &str, answer: &Value) -> CopyError {
    let answer = crate::lines::quote(answer.to_string().as_bytes());
    CopyError::Agent(AgentError::Rubbish { command: command.to_owned(), answer })
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn a_name_stays_in_its_directory() {
        for (path, name) in
            [("/etc/hosts", "hosts"), ("a", "a"), ("/x/", "x"), ("/", "guest-file"), ("..", "guest-file")]
        {
            assert_eq!(base_name(path), name);
        }
    }
}
