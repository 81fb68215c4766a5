//! Answers of programs that say the same until they are replaced, kept beneath the state directory: to ask a QEMU for
//! its models takes it longer than everything else that is read.
//!
//! A kept answer counts only where nobody but the user who runs this process can have written it, where it is whole,
//! and where the program is the one that was asked: the same file, of the same size and times. Else it is as if there
//! were none. What is read with it is, byte for byte, what would be read without.

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat, stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Commands whose answer depends on nothing but their program and its modules.
pub(super) const STEADY: &[&[&str]] = &[
    &["qemu-img", "--version"],
    &["qemu-system-aarch64", "--version"],
    &["qemu-system-x86_64", "--version"],
    &["qemu-system-x86_64", "-cpu", "help"],
    &["qemu-system-x86_64", "-device", "help"],
    &["qemu-system-x86_64", "-machine", "help"],
    &["virsh", "--version"],
];

/// The folder beneath the state directory.
const FOLDER: &str = "answers";

/// Most bytes that stand before an answer.
const HEAD: u64 = 4096;

/// Where QEMU loads modules from, which add devices to it (`CONFIG_QEMU_MODDIR` of Fedora, Arch and Debian).
fn module_folders() -> [String; 3] {
    let debian = format!("/usr/lib/{}-linux-gnu/qemu", std::env::consts::ARCH);
    ["/usr/lib64/qemu".to_owned(), "/usr/lib/qemu".to_owned(), debian]
}

/// A question to a program, and which program that is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name of the file that keeps the answer.
    name: String,
    /// What stands before the answer: the question, the program and its modules.
    head: String,
}

impl Question {
    /// The question that this command asks of `program`; none where the answer may change by itself. A script could
    /// start another program, and is asked anew each time.
    pub(super) fn of(words: &[&str], program: &Path) -> Option<Self> {
        if !STEADY.contains(&words) || !is_elf(program) {
            return None;
        }
        let mut head = format!(
            "vmwright answer 1\n{}\n{} {}\n",
            words.join(" "),
            program.display(),
            identity(&stat(program).ok()?)
        );
        for folder in module_folders() {
            if let Ok(found) = stat(&folder) {
                let _ = writeln!(head, "{folder} {}", identity(&found));
            }
        }
        Some(Self { name: words.join("_"), head })
    }

    /// The answer that is kept, where there is one that may be trusted, of at most `limit` bytes.
    pub(super) fn recall(&self, state: &Path, limit: u64) -> Option<Vec<u8>> {
        let folder = open_folder(state).ok()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&folder, &self.name, flags, Mode::empty()).ok()?;
        if !is_ours(&fstat(&file).ok()?, FileType::RegularFile) {
            return None;
        }
        let mut bytes = Vec::new();
        File::from(file).take(limit.saturating_add(HEAD)).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(self.head.as_bytes())?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (sum, answer) = (&rest[..end], &rest[end + 1..]);
        (sum == checksum(answer).as_bytes() && answer.len() as u64 <= limit).then(|| answer.to_vec())
    }

    /// Keeps an answer. Where that fails the program is asked again the next time.
    pub(super) fn keep(&self, state: &Path, answer: &[u8]) {
        let folder = state.join(FOLDER);
        if open_folder(state).is_err_and(|error| error == Errno::NOENT) {
            let _ = fs::DirBuilder::new().mode(0o700).create(&folder);
        }
        if open_folder(state).is_err() {
            return;
        }
        let (place, new) = (folder.join(&self.name), folder.join(format!("{}.new", self.name)));
        // Left behind by a process that was killed.
        let _ = fs::remove_file(&new);
        let whole = [self.head.as_bytes(), checksum(answer).as_bytes(), b"\n", answer].concat();
        let made = File::options().write(true).create_new(true).mode(0o600).open(&new);
        let written = made.and_then(|mut file| file.write_all(&whole));
        if written.and_then(|()| fs::rename(&new, place)).is_err() {
            let _ = fs::remove_file(&new);
        }
    }
}

/// The folder of answers; refused where others could have put something there.
fn open_folder(state: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let state = open(state, flags, Mode::empty())?;
    let folder = openat(&state, FOLDER, flags, Mode::empty())?;
    let ours = [&state, &folder]
        .into_iter()
        .map(fstat)
        .all(|found| found.is_ok_and(|found| is_ours(&found, FileType::Directory)));
    if ours { Ok(folder) } else { Err(Errno::PERM) }
}

/// Whether it is of this kind, belongs to the user who runs this process, and nobody else may write to it.
fn is_ours(found: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(found.st_mode) == kind
        && found.st_uid == geteuid().as_raw()
        && found.st_mode & 0o022 == 0
}

/// What changes when a file is replaced or written, or a folder gets or loses an entry.
fn identity(found: &Stat) -> String {
    let Stat { st_dev, st_ino, st_size, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, .. } = found;
    format!("{st_dev} {st_ino} {st_size} {st_mtime}.{st_mtime_nsec} {st_ctime}.{st_ctime_nsec}")
}

fn is_elf(program: &Path) -> bool {
    crate::file::read_head(program, 4).is_ok_and(|head| head == b"\x7fELF")
}

fn checksum(answer: &[u8]) -> String {
    Sha256::digest(answer).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const WORDS: &[&str] = &["qemu-img", "--version"];

    /// A program that is none, but looks like one, and a state directory.
    fn scene() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (program, state) = (dir.path().join("program"), dir.path().join("state"));
        fs::write(&program, b"\x7fELF first").unwrap();
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        (dir, program, state)
    }

    #[test]
    fn an_answer_is_kept_until_its_program_is_another() {
        let (_dir, program, state) = scene();
        let question = Question::of(WORDS, &program).unwrap();
        assert_eq!(question.recall(&state, 100), None);
        question.keep(&state, b"version 1\n");
        let again = Question::of(WORDS, &program).unwrap();
        assert_eq!(again, question);
        assert_eq!(again.recall(&state, 100).unwrap(), b"version 1\n");
        assert_eq!(again.recall(&state, 9), None, "larger than may be read");

        // Written in place, with the same size and its old times.
        let times = fs::metadata(&program).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&program, b"\x7fELF other").unwrap();
        File::options().write(true).open(&program).unwrap().set_modified(times).unwrap();
        let other = Question::of(WORDS, &program).unwrap();
        assert_eq!(other.recall(&state, 100), None);
        other.keep(&state, b"version 2\n");
        assert_eq!(other.recall(&state, 100).unwrap(), b"version 2\n");
        assert_eq!(question.recall(&state, 100), None);
        assert_eq!(fs::read_dir(state.join(FOLDER)).unwrap().count(), 1, "nothing piles up");
    }

    #[test]
    fn a_damaged_answer_is_none() {
        let (_dir, program, state) = scene();
        let question = Question::of(WORDS, &program).unwrap();
        question.keep(&state, b"version 1\n");
        let file = state.join(FOLDER).join(&question.name);
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&file, &damaged).unwrap();
            assert_eq!(question.recall(&state, 100), None, "byte {at}");
            fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(question.recall(&state, 100), None, "cut at {at}");
        }
        fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(question.recall(&state, 100), None);
        question.keep(&state, b"version 1\n");
        assert_eq!(question.recall(&state, 100).unwrap(), b"version 1\n");
    }

    #[test]
    fn what_others_could_have_written_counts_for_nothing() {
        let (_dir, program, state) = scene();
        let question = Question::of(WORDS, &program).unwrap();
        question.keep(&state, b"version 1\n");
        let file = state.join(FOLDER).join(&question.name);
        for (path, mode) in [(&file, 0o600), (&state.join(FOLDER), 0o700), (&state, 0o700)] {
            for others in [0o020, 0o002] {
                fs::set_permissions(path, fs::Permissions::from_mode(mode | others)).unwrap();
                assert_eq!(question.recall(&state, 100), None, "{}", path.display());
            }
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(question.recall(&state, 100).is_some());
        }
        // A link could lead anywhere.
        let elsewhere = state.join("elsewhere");
        fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert_eq!(question.recall(&state, 100), None);
        // Writing goes beside it and takes its place; what it led to stays as it was.
        let before = fs::read(&elsewhere).unwrap();
        question.keep(&state, b"version 2\n");
        assert_eq!(question.recall(&state, 100).unwrap(), b"version 2\n");
        assert_eq!(fs::read(&elsewhere).unwrap(), before);
        if geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(1), None).unwrap();
            assert_eq!(question.recall(&state, 100), None, "it belongs to somebody else");
        } else {
            eprintln!("SKIPPED ownership of kept answers: only root can give files away");
        }
    }

    #[test]
    fn only_programs_are_asked_once_and_only_what_stays_the_same() {
        let (dir, program, state) = scene();
        assert_eq!(Question::of(&["dmesg"], &program), None);
        let script = dir.path().join("script");
        fs::write(&script, "#!/bin/sh\nexec qemu-img\n").unwrap();
        assert_eq!(Question::of(WORDS, &script), None);
        let question = Question::of(WORDS, &program).unwrap();
        // No place to keep it is no trouble.
        question.keep(Path::new(""), b"x");
        question.keep(&dir.path().join("nowhere"), b"x");
        assert_eq!(question.recall(Path::new(""), 100), None);
        assert!(!state.join(FOLDER).exists());
        assert!(STEADY.is_sorted() && STEADY.iter().all(|words| super::super::ALLOWED.contains(words)));
    }
}
