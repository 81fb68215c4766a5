//! Many writers, sudden death, a locked-down process, a full disk, missing rights.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails its test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use vmwright_journal::{Error, Journal};
use vmwright_model::{Entry, EntryId, EntryState};

fn note(title: &str) -> Entry {
    Entry {
        title: title.to_owned(),
        body: "some text that fills a line or two, so that pages split now and then".to_owned(),
        operation: "note".to_owned(),
        host_id: String::new(),
        rules: Vec::new(),
        evidence: Vec::new(),
        state: EntryState::Pending,
        written: "2026-01-01T00:00:00Z".to_owned(),
        project: None,
    }
}

/// The example `append_lines`, which cargo builds for the tests, as a process of its own.
fn writer(journal: &Path) -> Child {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples/append_lines");
    Command::new(&example)
        .arg(journal)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", example.display()))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn eight_processes_append_fifty_entries_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut writers: Vec<_> = (0..8).map(|_| writer(&path)).collect();
    for (n, writer) in writers.iter_mut().enumerate() {
        let mut stdin = writer.stdin.take().unwrap();
        for line in 0..50 {
            writeln!(stdin, "writer {n} line {line}").unwrap();
        }
    }
    let mut ids = Vec::new();
    for writer in writers {
        let done = writer.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        ids.extend(String::from_utf8(done.stdout).unwrap().lines().map(|id| id.parse::<i64>().unwrap()));
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=400).collect::<Vec<_>>());
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.verify().unwrap(), 400);
    let mut each: BTreeMap<String, usize> = BTreeMap::new();
    for (_, entry) in journal.list(1000).unwrap() {
        *each.entry(entry.title).or_default() += 1;
    }
    assert_eq!(each.len(), 400, "every line once");
}

#[test]
fn threads_of_one_process_append_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for line in 0..25 {
                    // Opened anew each time: closing must not drop another thread's lock.
                    Journal::open(path).unwrap().append(&note(&format!("{n}.{line}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(Journal::open(&path).unwrap().verify().unwrap(), 100);
}

#[test]
fn a_killed_writer_leaves_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut reported = 0;
    for round in 0..15 {
        let mut victim = writer(&path);
        let mut stdin = victim.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || while stdin.write_all(b"one more line\n").is_ok() {});
        let mut out = BufReader::new(victim.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        // From "just after the first entry" to "somewhere in the tenth or so".
        std::thread::sleep(Duration::from_micros(1700 * round));
        victim.kill().unwrap();
        victim.wait().unwrap();
        feeder.join().unwrap();
        let ids = std::iter::once(line).chain(out.lines().map_while(Result::ok));
        let last = ids.filter_map(|id| id.trim().parse::<u64>().ok()).max().unwrap();
        assert!(last > reported);
        let count = Journal::open(&path).unwrap().verify().unwrap();
        assert!(count == last || count == last + 1, "{last} were reported written, {count} are there");
        reported = count;
    }
}

/// In a thread of its own, because the kernel locks a thread and not a process.
fn alone<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(what).join().unwrap())
}

/// What ANALYSIS does to itself: everything may be read, the state directory may be written, ownership and mode
/// may not be changed.
fn lock_down(writable: &Path) -> Result<(), String> {
    use landlock::{ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset};
    use landlock::{RulesetAttr as _, RulesetCreatedAttr as _};
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let abi = ABI::V3;
    let landlock = || -> Result<(), Box<dyn std::error::Error>> {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?
            .create()?
            .add_rule(PathBeneath::new(PathFd::new("/")?, AccessFs::from_read(abi)))?
            .add_rule(PathBeneath::new(PathFd::new(writable)?, AccessFs::from_all(abi)))?
            .restrict_self()?;
        Ok(())
    };
    landlock().map_err(|error| error.to_string())?;
    let calls = [
        libc::SYS_chmod,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_fchown,
        libc::SYS_fchownat,
    ];
    let filter = SeccompFilter::new(
        calls.into_iter().map(|call| (call, Vec::new())).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

#[test]
fn a_locked_down_process_makes_writes_and_searches_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    alone(|| {
        if let Err(why) = lock_down(&state) {
            eprintln!("SKIPPED a_locked_down_process_makes_writes_and_searches_its_journal: {why}");
            return;
        }
        // The lock holds: this is what the journal has to live with.
        assert!(fs::write(folder.path().join("outside"), "x").is_err());
        fs::write(state.join("inside"), "x").unwrap();
        assert!(fs::set_permissions(state.join("inside"), fs::Permissions::from_mode(0o644)).is_err());

        let path = state.join("journal.db");
        let mut journal = Journal::open(&path).unwrap();
        for n in 1..=30 {
            assert_eq!(journal.append(&note(&format!("write lock {n}"))).unwrap(), EntryId(n));
        }
        assert_eq!(journal.search("write lock", 100).unwrap().len(), 30);
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        journal.restate(EntryId(30), EntryState::Verified, &[], "2026-01-02T00:00:00Z").unwrap();
        assert_eq!(journal.verify().unwrap(), 31);
    });
}

#[test]
fn a_locked_down_process_takes_back_the_half_entry_of_a_killed_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let half = half_entry(folder.path(), &path);
    alone(|| {
        if let Err(why) = lock_down(folder.path()) {
            eprintln!("SKIPPED a_locked_down_process_takes_back_the_half_entry_of_a_killed_one: {why}");
            return;
        }
        assert!(matches!(Journal::open_read_only(&half), Err(Error::Interrupted { .. })));
        let mut journal = Journal::open(&half).unwrap();
        assert_eq!(journal.verify().unwrap(), 1);
        assert_eq!(journal.append(&note("next")).unwrap(), EntryId(2));
        assert_eq!(journal.verify().unwrap(), 2);
    });
}

/// A journal whose writer died between changing pages and committing: the copy of both files while a transaction
/// that has spilled to disk is open is exactly what a crash leaves.
fn half_entry(folder: &Path, path: &Path) -> PathBuf {
    let mut journal = Journal::open(path).unwrap();
    journal.append(&note("whole")).unwrap();
    drop(journal);
    let direct = rusqlite::Connection::open(path).unwrap();
    direct.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE").unwrap();
    direct
        .execute(
            "INSERT INTO entry (id, title, body, operation, host_id, rules, evidence, state, written, previous, hash) \
             SELECT 2, 'half', ?1, 'note', '', '[]', '[]', 'pending', '', hash, zeroblob(32) FROM entry",
            ["words of a long text ".repeat(20_000)],
        )
        .unwrap();
    let half = folder.join("half.db");
    fs::copy(path, &half).unwrap();
    fs::copy(folder.join("journal.db-journal"), folder.join("half.db-journal")).unwrap();
    assert!(fs::metadata(&half).unwrap().len() > 100_000, "the transaction was not spilled to disk");
    half
}

#[test]
fn a_full_file_system_loses_nothing() {
    if !is_root() {
        eprintln!("SKIPPED a_full_file_system_loses_nothing: only root can mount a small file system");
        return;
    }
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_remount};
    let folder = tempfile::tempdir().unwrap();
    alone(|| {
        // SAFETY: this thread alone gets a mount namespace; it shares no file descriptor table with it.
        let own = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let mounted = own.and_then(|()| {
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            mount("none", folder.path(), "tmpfs", MountFlags::empty(), Some(c"size=256k"))
        });
        if let Err(why) = mounted {
            eprintln!("SKIPPED a_full_file_system_loses_nothing: no mount namespace: {why}");
            return;
        }
        let path = folder.path().join("journal.db");
        let mut journal = Journal::open(&path).unwrap();
        let refused = loop {
            if let Err(error) = journal.append(&note("one of many")) {
                break error;
            }
        };
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
        let count = journal.verify().unwrap();
        assert!(count > 10, "{count}");
        assert_eq!(journal.search("many", 1000).unwrap().len() as u64, count);
        drop(journal);
        // What a later process finds, and what it can do once there is space again.
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.verify().unwrap(), count);
        mount_remount(folder.path(), MountFlags::empty(), c"size=4m").unwrap();
        assert_eq!(u64::try_from(journal.append(&note("after")).unwrap().0).unwrap(), count + 1);
        assert_eq!(journal.verify().unwrap(), count + 1);
    });
    // And where there is no space for the very first page.
    alone(|| {
        // SAFETY: as above.
        let own = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let mounted = own.and_then(|()| {
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            mount("none", folder.path(), "tmpfs", MountFlags::empty(), Some(c"size=8k"))
        });
        if mounted.is_ok() {
            let error = Journal::open(&folder.path().join("journal.db")).unwrap_err();
            assert!(matches!(error, Error::Full { .. }), "{error}");
        }
    });
}

#[test]
fn missing_rights_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("journal.db");
    let mut journal = Journal::open(&path).unwrap();
    journal.append(&note("root's own")).unwrap();
    drop(journal);
    if is_root() {
        let error = alone(|| {
            drop_root();
            Journal::open(&path).unwrap_err()
        });
        assert!(matches!(error, Error::Unreadable { .. } | Error::Sqlite { .. }), "{error:?}");
        assert!(error.to_string().starts_with("cannot open"), "{error}");
    } else {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot open"), "{error}");
    }
    // Readable, but neither the file nor its folder may be written: reading works, writing says why not.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    alone(|| {
        drop_root();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.search("own", 10).unwrap().len(), 1);
        assert_eq!(journal.verify().unwrap(), 1);
        let error = journal.append(&note("no")).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        let error = Journal::open(&folder.path().join("new.db")).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    });
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// This thread becomes nobody; the others stay root.
fn drop_root() {
    if is_root() {
        let nobody = rustix::process::Uid::from_raw(65534);
        // SAFETY: the raw call changes this thread alone, which ends soon and shares nothing that depends on it.
        let done = unsafe { libc::syscall(libc::SYS_setresuid, -1, nobody.as_raw(), -1) };
        assert_eq!(done, 0);
    }
}
