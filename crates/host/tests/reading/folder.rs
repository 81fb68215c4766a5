//! A folder of records.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};
use vmwright_host::{CollectError, Limits, Root, Subject, collect};
use vmwright_model::{Missing, Snapshot};

fn subject() -> Subject {
    Subject { vm: None, state: "/nonexistent".into() }
}

fn read(folder: &Path, limits: &Limits) -> Snapshot {
    collect(&Root::Folder(folder.to_owned()), &[], &subject(), limits).unwrap()
}

fn content<'a>(snapshot: &'a Snapshot, source: &str) -> Result<&'a str, &'a Missing> {
    let record = snapshot.record(source).unwrap_or_else(|| panic!("{source} in {:?}", sources(snapshot)));
    record.content.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap())
}

fn sources(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.records.iter().map(|record| record.source.as_str()).collect()
}

fn mkfifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o644.into(), 0).unwrap();
}

#[test]
fn what_is_no_text_file_costs_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    mkfifo(&at("fifo.log"));
    let _socket = UnixListener::bind(at("qemu.sock")).unwrap();
    File::create(at("sparse.log")).unwrap().set_len(2 << 30).unwrap();
    File::create(at("holes.log")).unwrap().set_len(32 << 20).unwrap();
    fs::write(at("core"), b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    fs::write(at("empty.txt"), "").unwrap();
    fs::write(at("dmesg.txt"), "[    0.000000] Linux version 6.1.0\n").unwrap();
    let started = Instant::now();
    let snapshot = read(folder.path(), &Limits::default());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(content(&snapshot, "fifo.log"), Err(&Missing::NotRegular));
    assert_eq!(content(&snapshot, "qemu.sock"), Err(&Missing::NotRegular));
    assert_eq!(content(&snapshot, "sparse.log"), Err(&Missing::Binary));
    assert_eq!(content(&snapshot, "holes.log"), Err(&Missing::Binary));
    assert_eq!(content(&snapshot, "core"), Err(&Missing::Binary));
    assert_eq!(content(&snapshot, "empty.txt"), Ok(""));
    assert_eq!(content(&snapshot, "dmesg.txt"), Ok("[    0.000000] Linux version 6.1.0\n"));
    assert_eq!(snapshot.records.len(), 7);
    assert!(!snapshot.live && snapshot.host_id.is_empty() && snapshot.taken.is_empty());
}

#[test]
fn links_stay_in_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("records");
    fs::create_dir_all(folder.join("logs/deep")).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    fs::write(folder.join("logs/a.txt"), "a").unwrap();
    for (target, link) in [
        ("../secret", "up"),
        ("/etc/passwd", "absolute"),
        ("logs/deep/../../../secret", "winding"),
        ("logs/a.txt", "inside"),
        ("logs/deep/../a.txt", "inside-winding"),
        ("../logs/inside-again", "logs/chain"),
        ("deep/../a.txt", "logs/inside-again"),
        ("nothing", "dangling"),
        ("loop", "loop"),
        ("logs", "directory"),
        ("logs/a.txt/below", "below-a-file"),
        ("..", "parent"),
    ] {
        symlink(target, folder.join(link)).unwrap();
    }
    let snapshot = read(&folder, &Limits::default());
    for escaping in ["up", "absolute", "winding", "parent"] {
        assert_eq!(content(&snapshot, escaping), Err(&Missing::Escapes), "{escaping}");
    }
    for inside in ["inside", "inside-winding", "logs/a.txt", "logs/chain", "logs/inside-again"] {
        assert_eq!(content(&snapshot, inside), Ok("a"), "{inside}");
    }
    assert_eq!(content(&snapshot, "dangling"), Err(&Missing::Absent));
    assert_eq!(content(&snapshot, "below-a-file"), Err(&Missing::Absent));
    assert_eq!(content(&snapshot, "directory"), Err(&Missing::NotRegular));
    assert!(matches!(content(&snapshot, "loop"), Err(Missing::Failed(why)) if why.contains("symbolic link")));
    // The folder itself may be given through a link.
    symlink(&folder, outer.path().join("shortcut")).unwrap();
    assert_eq!(read(&outer.path().join("shortcut"), &Limits::default()), snapshot);
}

#[test]
fn names_are_one_line_and_unique() {
    let folder = tempfile::tempdir().unwrap();
    for name in [&b"a\xff"[..], b"a\\xff", b"line\nbreak", b"plain.txt", "ünïcode".as_bytes()] {
        fs::write(folder.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    let snapshot = read(folder.path(), &Limits::default());
    let found = sources(&snapshot);
    assert_eq!(found, ["a\\xff", "a\\xff~2", "line\\x0abreak", "plain.txt", "ünïcode"]);
    assert_eq!(read(folder.path(), &Limits::default()), snapshot, "the same folder gives the same records");
}

#[test]
fn breadth_depth_and_bytes_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("1/2/3/4")).unwrap();
    fs::write(folder.path().join("1/2/3/4/deep.txt"), "x").unwrap();
    fs::write(folder.path().join("1/2/shallow.txt"), "x").unwrap();
    let limits = Limits { depth: 3, ..Limits::default() };
    let snapshot = read(folder.path(), &limits);
    assert_eq!(sources(&snapshot), ["1/2/3", "1/2/shallow.txt"]);
    assert!(
        matches!(content(&snapshot, "1/2/3"), Err(Missing::Failed(why)) if why.starts_with("deeper than 3"))
    );

    let wide = tempfile::tempdir().unwrap();
    for number in 0..30 {
        fs::write(wide.path().join(format!("{number:02}.txt")), "0123456789").unwrap();
    }
    let snapshot = read(wide.path(), &Limits { records: 10, ..Limits::default() });
    assert_eq!(snapshot.records.len(), 11);
    assert!(
        matches!(content(&snapshot, "."), Err(Missing::Failed(why)) if why.starts_with("more than 10 files"))
    );

    let snapshot = read(wide.path(), &Limits { total: 45, ..Limits::default() });
    assert_eq!(content(&snapshot, "03.txt"), Ok("0123456789"));
    assert!(matches!(content(&snapshot, "04.txt"), Err(Missing::Failed(why)) if why.starts_with("not read")));
    let snapshot = read(wide.path(), &Limits { total_time: Duration::ZERO, ..Limits::default() });
    assert_eq!(content(&snapshot, "."), Err(&Missing::TimedOut(0)));
    let snapshot = read(wide.path(), &Limits { record: 9, ..Limits::default() });
    assert_eq!(content(&snapshot, "00.txt"), Err(&Missing::TooLarge(10)));
}

#[test]
fn of_a_log_that_is_too_large_the_newest_lines_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    fs::write(folder.path().join("qemu.log"), &lines).unwrap();
    fs::write(folder.path().join("notes.txt"), &lines).unwrap();
    fs::write(folder.path().join("one.log"), "x".repeat(200_000)).unwrap();
    let snapshot = read(folder.path(), &Limits { record: 100_000, ..Limits::default() });
    let text = content(&snapshot, "qemu.log").unwrap();
    assert!(text.starts_with("line ") && lines.ends_with(text) && text.len() <= 100_000, "{}", &text[..20]);
    assert!(text.len() > 100_000 - "line 19999\n".len(), "no more is left out than one line");
    let record = snapshot.record("qemu.log").unwrap();
    assert_eq!(record.end_of, Some(lines.len() as u64));
    let why = record.unread().unwrap();
    assert!(why.starts_with("only the last 97.6 KiB of 204.0 KiB were read"), "{why}");
    assert_eq!(content(&snapshot, "notes.txt"), Err(&Missing::TooLarge(lines.len() as u64)), "it is no log");
    assert_eq!(content(&snapshot, "one.log").map(str::len), Ok(100_000), "a line without an end");

    // What is read of it counts as what is kept.
    let snapshot = read(folder.path(), &Limits { total: 100_000, record: 80_000, ..Limits::default() });
    assert_eq!(content(&snapshot, "one.log").map(str::len), Ok(80_000));
    assert!(content(&snapshot, "qemu.log").is_err(), "less than 64 KiB is left");
}

#[test]
fn a_folder_that_is_none_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = |path: &Path| {
        collect(&Root::Folder(path.to_owned()), &[], &subject(), &Limits::default()).unwrap_err()
    };
    let none = error(file.path());
    assert!(matches!(none, CollectError::NotFolder(_)), "{none}");
    assert_eq!(none.to_string(), format!("{} is not a folder", file.path().display()));
    let missing = error(Path::new("/nonexistent/records"));
    assert_eq!(missing.to_string(), "folder /nonexistent/records cannot be opened");
    let source = std::error::Error::source(&missing).unwrap().to_string();
    assert!(source.starts_with("No such file or directory"), "{source}");
    let fifo = tempfile::tempdir().unwrap();
    mkfifo(&fifo.path().join("fifo"));
    assert!(matches!(error(&fifo.path().join("fifo")), CollectError::NotFolder(_)));
}
