//! One file: opened without side effects, read within a limit.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use vmwright_formats::{recognise, text};
use vmwright_model::{Kind, Missing};

/// How much of a text is looked at to tell text from binary, and to tell what it is.
pub(crate) const HEAD: usize = 64 * 1024;

/// What is read at first. Nearly all files that the kernel makes are shorter, and there are a thousand of them: room for a
/// head would be cleared for each.
const PAGE: usize = 4096;

/// Reads a regular file. Symbolic links are followed. `limit` is in bytes.
///
/// The file is first opened with `O_PATH`: opening a FIFO would wake its writer and opening some devices (a
/// watchdog, a tape) acts on them.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
    read_text(&found, limit)
}

/// [`read`] of a file that the kernel makes, of a file system that has nothing but such files: neither a FIFO nor a device
/// can be there, so that it is opened at once.
pub(crate) fn read_made(path: &Path, limit: u64) -> Result<Vec<u8>, Missing> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty()).map_err(missing)?;
    check(&file, limit)?;
    let bytes = read_up_to(&file, limit)?;
    if is_binary(&bytes) { Err(Missing::Binary) } else { Ok(bytes) }
}

/// [`read`], but of a log that is larger than `limit` its end.
pub(crate) fn read_newest(path: &Path, limit: u64) -> Result<Part, Missing> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
    read_part(&found, &path.to_string_lossy(), limit)
}

/// [`read_newest`] of a file that must belong to `owner`: somebody else named it, who could name a file that only we may read.
pub(crate) fn read_of(path: &Path, limit: u64, owner: u32) -> Result<Part, Missing> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
    if fstat(&found).map_err(missing)?.st_uid != owner {
        return Err(Missing::Failed(
            "not read: it is not the file of the user whose process names it".to_owned(),
        ));
    }
    read_part(&found, &path.to_string_lossy(), limit)
}

/// The first `most` bytes of a regular file of any size, text or not.
pub(crate) fn read_head(path: &Path, most: usize) -> Result<Vec<u8>, Missing> {
    let found = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
    let file = File::from(reopen(&found, u64::MAX)?);
    let mut bytes = Vec::new();
    let failed = |error| missing(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    file.take(most as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Reads what an `O_PATH` descriptor stands for, if it is a regular file that holds text.
pub(crate) fn read_text(found: &OwnedFd, limit: u64) -> Result<Vec<u8>, Missing> {
    let file = reopen(found, limit)?;
    let bytes = read_up_to(&file, limit)?;
    if is_binary(&bytes) { Err(Missing::Binary) } else { Ok(bytes) }
}

/// The words of a process's command line. What lies beyond 128 KiB, which is also the longest single word that
/// the kernel takes (`MAX_ARG_STRLEN`), is cut off.
pub(crate) fn read_words(pid: u32) -> std::io::Result<Vec<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/cmdline"))?.take(128 * 1024).read_to_end(&mut bytes)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    Ok(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

/// The first word of a process's command line, at most 4 KiB of it; empty for a thread of the kernel.
pub(crate) fn first_word(pid: u32) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let length = File::open(format!("/proc/{pid}/cmdline")).ok()?.read(&mut bytes).ok()?;
    bytes.truncate(bytes[..length].iter().position(|byte| *byte == 0).unwrap_or(length));
    bytes.shrink_to_fit();
    Some(bytes)
}

/// What was read of a text: all of it, or, of a log that is larger than its limit, the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// Size of the whole, where this is its end.
    pub(crate) end_of: Option<u64>,
}

impl Part {
    /// All of it.
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        Self { bytes, end_of: None }
    }
}

/// [`read_text`] under a name, which says, with the content, whether it is a log: of one that is larger than `limit`
/// the newest lines are read.
pub(crate) fn read_part(found: &OwnedFd, name: &str, limit: u64) -> Result<Part, Missing> {
    match read_text(found, limit) {
        // Less than a head is no use to anybody.
        Err(Missing::TooLarge(size)) if limit >= HEAD as u64 => read_end(found, name, size, limit),
        read => read.map(Part::whole),
    }
}

fn read_end(found: &OwnedFd, name: &str, size: u64, limit: u64) -> Result<Part, Missing> {
    let failed = |error| missing(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    let mut file = File::from(reopen(found, u64::MAX)?);
    let mut head = Vec::new();
    (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    if !is_log(name, &head) {
        return Err(Missing::TooLarge(size));
    }
    if is_binary(&head) {
        return Err(Missing::Binary);
    }
    // Of the file as it is now: it may have grown, or begun anew.
    let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.seek(SeekFrom::Start(size.saturating_sub(limit))).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if is_binary(&bytes) {
        return Err(Missing::Binary);
    }
    Ok(if size > limit { end(bytes, size) } else { Part::whole(bytes) })
}

/// The end of a text of `size` bytes, without the rest of the line in which it begins.
pub(crate) fn end(mut bytes: Vec<u8>, size: u64) -> Part {
    let begin = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.drain(..begin);
    Part { bytes, end_of: Some(size) }
}

/// Whether what has this name and this head is a log: lines that somebody adds to, the newest of which matter most.
pub(crate) fn is_log(name: &str, head: &[u8]) -> bool {
    let named = name.starts_with("var/log/") || name.contains("/var/log/") || name.ends_with(".log");
    named || is_log_kind(&kind_of(name, head))
}

fn is_log_kind(kind: &Kind) -> bool {
    kind.0.ends_with("_log") || kind.0 == "guest_console"
}

/// Whether this is a regular file that says to be no larger than `limit`.
fn check(found: &OwnedFd, limit: u64) -> Result<(), Missing> {
    let stat = fstat(found).map_err(missing)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Missing::NotRegular);
    }
    // Files of procfs and sysfs say 0 or 4096 here; they are bounded while they are read.
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > limit {
        return Err(Missing::TooLarge(size));
    }
    Ok(())
}

fn reopen(found: &OwnedFd, limit: u64) -> Result<OwnedFd, Missing> {
    check(found, limit)?;
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(again, flags, Mode::empty()).map_err(missing)
}

/// Reads to the end, or fails with [`Missing::TooLarge`] one byte behind `limit`; early where the head is no
/// text.
fn read_up_to(file: &impl AsFd, limit: u64) -> Result<Vec<u8>, Missing> {
    let mut bytes = Vec::new();
    let (mut page, mut more) = ([0; PAGE], Vec::new());
    loop {
        let room = if more.is_empty() { &mut page[..] } else { &mut more[..] };
        let read = match rustix::io::read(file, &mut *room) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(missing(error)),
        };
        bytes.extend_from_slice(&room[..read]);
        if bytes.len() as u64 > limit {
            return Err(Missing::TooLarge(bytes.len() as u64));
        }
        if bytes.len() == read && is_binary(&bytes) {
            return Err(Missing::Binary);
        }
        if read == PAGE {
            more.resize(HEAD, 0);
        }
    }
}

/// Whether a NUL byte stands in the first 64 KiB.
pub(crate) fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(HEAD)].contains(&0)
}

/// What a text is. Attributes of sysfs and sysctl are single values: no content tells them apart, and their
/// path says all.
pub(crate) fn kind_of(source: &str, bytes: &[u8]) -> Kind {
    if is_value(source) {
        return Kind::TEXT;
    }
    recognise(source, &text(&bytes[..bytes.len().min(HEAD)]))
}

/// Whether a path is that of an attribute of sysfs or sysctl.
pub(crate) fn is_value(path: &str) -> bool {
    path.starts_with("/sys/") || path.starts_with("/proc/sys/")
}

/// Why there are no bytes, by the system's answer.
pub(crate) fn missing(error: Errno) -> Missing {
    match error {
        Errno::NOENT | Errno::NOTDIR => Missing::Absent,
        Errno::ACCESS | Errno::PERM => Missing::Denied,
        other => Missing::Failed(words(other)),
    }
}

/// The system's words for an error, in lower case.
pub(crate) fn words(error: Errno) -> String {
    let mut words = system_words(error);
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    words
}

/// The system's words for an error, as it says them.
pub(crate) fn system_words(error: Errno) -> String {
    let words = std::io::Error::from(error).to_string();
    // The standard library adds the number.
    words.split(" (os error").next().unwrap_or_default().to_owned()
}
