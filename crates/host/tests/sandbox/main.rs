//! A hostile collector inside the lock, and an honest one. The process under test is this program itself, run
//! again in a role, because a lock is for the life of a process and has to come before its second thread; for
//! the same reason there is no test harness here.

#![allow(clippy::unwrap_used, reason = "a test without a harness, which clippy does not know for one")]

mod attempts;
mod scene;

use scene::{NOBODY, Place, Scene};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vmwright_host::sandbox::{Purpose, SandboxError, lock, lock_as};
use vmwright_host::{Limits, Root, Subject, collect};
use vmwright_model::{Need, Probe};

/// Refusals: of seccomp, of Landlock, of "no such call", of moving between directories under Landlock.
const REFUSALS: [i32; 4] = [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EXDEV];

fn main() -> ExitCode {
    match std::env::var("VMWRIGHT_ROLE").as_deref() {
        Ok("hostile-unlocked") => hostile_unlocked(),
        Ok("hostile") => hostile(Purpose::LiveHost, u32::MAX),
        Ok("hostile-abi-2") => hostile(Purpose::LiveHost, 2),
        Ok("hostile-abi-1") => hostile(Purpose::LiveHost, 1),
        Ok("hostile-records") => hostile(Purpose::Records, u32::MAX),
        Ok("honest") => honest(u32::MAX),
        Ok("honest-abi-2") => honest(2),
        Ok("honest-records") => honest_records(),
        Ok("abort") => abort(u32::MAX),
        Ok("abort-abi-2") => abort(2),
        Ok("lock-without-landlock") => lock_without_landlock(),
        Ok("lock-with-threads") => lock_with_threads(),
        Ok(other) => panic!("no role {other}"),
        Err(_) => return tests(),
    }
    ExitCode::SUCCESS
}

fn tests() -> ExitCode {
    let tests: [(&str, fn()); 8] = [
        ("hostile_attempts_fail_in_the_lock", hostile_attempts_fail_in_the_lock),
        ("hostile_attempts_fail_with_an_old_landlock", hostile_attempts_fail_with_an_old_landlock),
        ("hostile_attempts_fail_without_privilege", hostile_attempts_fail_without_privilege),
        ("reading_works_in_the_lock", reading_works_in_the_lock),
        ("reading_works_without_privilege", reading_works_without_privilege),
        ("records_need_neither_commands_nor_devices", records_need_neither_commands_nor_devices),
        ("abort_ends_the_process", abort_ends_the_process),
        ("what_cannot_be_locked_is_said", what_cannot_be_locked_is_said),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let result = std::panic::catch_unwind(test);
        println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
        *if result.is_ok() { &mut passed } else { &mut failed } += 1;
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!("test result: {result}. {passed} passed; {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Name of each attempt and the errno of its answer, 0 where it worked.
fn answers(said: &str) -> BTreeMap<String, i32> {
    said.lines()
        .filter_map(|line| line.strip_prefix("attempt "))
        .filter_map(|line| line.rsplit_once(": "))
        .map(|(name, errno)| (name.to_owned(), errno.parse().unwrap()))
        .collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The attempts that tell something on this machine, with their answers without the lock: those that are not
/// refused anyway.
fn telling(user: Option<u32>) -> BTreeMap<String, i32> {
    let mut scene = Scene::new(user);
    let before = scene.fingerprint();
    let mut free = answers(&scene.play("hostile-unlocked", user));
    assert_ne!(scene.fingerprint(), before, "unlocked, the attempts change things");
    let silent = free.extract_if(.., |_, errno| [libc::EPERM, libc::EACCES].contains(errno));
    let silent: Vec<String> = silent.map(|(name, _)| name).collect();
    if !silent.is_empty() {
        println!("refused to this user without the lock too: {}", silent.join(", "));
    }
    free
}

fn assert_refused(role: &str, user: Option<u32>, telling: &BTreeMap<String, i32>) -> String {
    let mut scene = Scene::new(user);
    let before = scene.fingerprint();
    let said = scene.play(role, user);
    let locked = answers(&said);
    for (name, free) in telling {
        let answer = locked[name];
        assert!(REFUSALS.contains(&answer), "{role}: `{name}` gave {answer}, unlocked {free}");
        // A kernel without modules says ENOSYS; then EPERM still shows the lock.
        if answer == *free {
            assert_eq!(answer, libc::ENOSYS, "{role}: `{name}`");
            println!("this kernel has no `{name}` to refuse");
        }
    }
    assert_eq!(scene.fingerprint(), before, "{role} changed a file");
    scene.assert_unharmed();
    assert_gone(&said);
    said
}

/// That the witness ends with the process that started it.
fn assert_gone(said: &str) {
    let witness = said.lines().find_map(|line| line.strip_prefix("witness "));
    let Some(witness) = witness else { return };
    let process = Path::new("/proc").join(witness);
    let ends = Instant::now() + Duration::from_secs(2);
    // A zombie that nobody reaps yet has no command line.
    while std::fs::read(process.join("cmdline")).is_ok_and(|words| !words.is_empty()) {
        assert!(Instant::now() < ends, "the witness {witness} is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn hostile_attempts_fail_in_the_lock() {
    let telling = telling(None);
    if is_root() {
        for must in ["chmod", "mount", "kill", "ptrace", "finit_module", "connect by TCP", "write a sysctl"] {
            assert!(telling.contains_key(must), "`{must}` has to tell something as root");
        }
    }
    let said = assert_refused("hostile", None, &telling);
    assert!(said.contains("\nwitness "), "{said}");
    let said = assert_refused("hostile-records", None, &telling);
    assert!(!said.contains("\nwitness "), "{said}");
    println!("{} attempts refused, of {}", telling.len(), attempts::all().len());
}

fn hostile_attempts_fail_with_an_old_landlock() {
    let telling = telling(None);
    for role in ["hostile-abi-2", "hostile-abi-1"] {
        assert_refused(role, None, &telling);
    }
}

fn hostile_attempts_fail_without_privilege() {
    if !is_root() {
        eprintln!("SKIPPED hostile_attempts_fail_without_privilege: only root can become somebody else");
        return;
    }
    let telling = telling(Some(NOBODY));
    for must in ["create a file", "chmod", "connect by TCP", "unlink"] {
        assert!(telling.contains_key(must), "`{must}` has to tell something as nobody");
    }
    assert_refused("hostile", Some(NOBODY), &telling);
}

fn reading_works_in_the_lock() {
    for role in ["honest", "honest-abi-2"] {
        let mut scene = Scene::new(None);
        let before = scene.fingerprint();
        let said = scene.play(role, None);
        assert_eq!(scene.fingerprint(), before);
        let disk = scene.disk();
        assert!(said.contains("sqlite: 1\n"), "{said}");
        assert!(said.contains("\n/etc/passwd: root:"), "{said}");
        assert!(said.contains("\nuname -a: Linux "), "{said}");
        assert!(said.contains("\nip -d address: 1: lo: <"), "the messenger asks the kernel: {said}");
        let refused = "\nip link add dummy: MISSING failed: not on the list of commands that may be run\n";
        assert!(said.contains(refused), "{said}");
        assert!(said.contains("\nvirsh -r list --all: "), "{said}");
        assert!(said.contains(&format!("\nnamei -l {}: f: {}\n", disk.display(), disk.display())), "{said}");
        if is_root() {
            assert!(said.contains("\ndmesg: ["), "the kernel log is read: {said}");
            let holder = format!("pid {} user root holds {} name - : ", std::process::id(), disk.display());
            assert!(said.contains(&holder), "{said}");
        }
        let outside = vmwright_host::kvm::probe().to_text();
        assert!(said.contains(&format!("\nkvm-probe: {outside}")), "{outside}\n{said}");
        assert_gone(&said);
    }
}

fn reading_works_without_privilege() {
    if !is_root() {
        eprintln!("SKIPPED reading_works_without_privilege: only root can become somebody else");
        return;
    }
    let mut scene = Scene::new(Some(NOBODY));
    let said = scene.play("honest", Some(NOBODY));
    let disk = scene.disk();
    assert!(said.contains("sqlite: 1\n"), "{said}");
    let hidden =
        format!("unknown {}: locked by a process that cannot be looked into from here\n", disk.display());
    assert!(said.contains(&hidden), "{said}");
    assert!(said.contains("\n/etc/shadow: MISSING permission denied\n"), "{said}");
}

fn records_need_neither_commands_nor_devices() {
    let said = Scene::new(None).play("honest-records", None);
    let rest = "command: refused\nkvm: refused\nwrite in state: ok\n";
    assert_eq!(said, format!("kept: as it was\nsecret: mine\n{rest}"));
    if !is_root() {
        eprintln!("SKIPPED records_need_neither_commands_nor_devices: only root can become somebody else");
        return;
    }
    let said = Scene::new(Some(NOBODY)).play("honest-records", Some(NOBODY));
    assert_eq!(said, format!("kept: as it was\nsecret: permission denied\n{rest}"));
}

fn abort_ends_the_process() {
    for role in ["abort", "abort-abi-2"] {
        let status = Scene::new(None).start(role, None).wait().unwrap();
        assert_eq!(status.code(), None, "{role} ends by a signal: {status}");
    }
}

fn what_cannot_be_locked_is_said() {
    let said = Scene::new(None).play("lock-without-landlock", None);
    assert!(said.contains("lacking: files: "), "{said}");
    let said = Scene::new(None).play("lock-with-threads", None);
    assert!(said.contains("refused: 2 threads"), "{said}");
    assert!(matches!(lock(Path::new("/"), Purpose::Records), Err(SandboxError::StateIsRoot)));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(lock(&file.path().join("x"), Purpose::Records), Err(SandboxError::State { .. })));
}

// From here on: the roles, each in a process of its own.

/// Each attempt in a process of its own, so that one cannot spoil the next.
fn attempt_all(place: &Place) {
    for (name, attempt) in attempts::all() {
        // SAFETY: this process has one thread; the child only makes one attempt and ends.
        let errno = match unsafe { libc::fork() } {
            0 => {
                let answer = attempt(place).map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
                // SAFETY: ends the child without the parent's exit handlers.
                unsafe { libc::_exit(answer) }
            }
            child => {
                let mut status = 0;
                // SAFETY: a live integer.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert!(libc::WIFEXITED(status), "{name}: {status}");
                libc::WEXITSTATUS(status)
            }
        };
        println!("attempt {name}: {errno}");
    }
}

fn hostile_unlocked() {
    // Mounts and host names stay in namespaces of this process's own, where it may have them.
    // SAFETY: numbers, and strings that live.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS) == 0 {
            let root = c"/".as_ptr();
            let none = std::ptr::null();
            libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast());
        }
    }
    attempt_all(&Place::from_environment());
}

fn hostile(purpose: Purpose, newest: u32) {
    let place = Place::from_environment();
    // Open for writing before the lock, as a careless caller would have it: not for commands to inherit.
    // SAFETY: a string that lives.
    let inherited = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY) };
    let sandbox = lock_as(&place.state, purpose, newest).unwrap();
    assert!(!sandbox.enforced.is_empty() && sandbox.lacking.is_empty(), "{sandbox:?}");
    // SAFETY: a number.
    assert_eq!(unsafe { libc::fcntl(inherited, libc::F_GETFD) } & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    println!("locked");
    let witness =
        std::fs::read_to_string(format!("/proc/self/task/{}/children", std::process::id())).unwrap();
    for witness in witness.split_whitespace() {
        println!("witness {witness}");
        let pid: i32 = witness.parse().unwrap();
        // SAFETY: numbers.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, -1, "the witness can be killed");
        let memory = std::fs::File::options().write(true).open(format!("/proc/{pid}/mem"));
        assert!(memory.is_err(), "the witness can be written to");
    }
    attempt_all(&place);
}

fn honest(newest: u32) {
    let place = Place::from_environment();
    let sandbox = lock_as(&place.state, Purpose::LiveHost, newest).unwrap();
    assert!(sandbox.lacking.is_empty(), "{sandbox:?}");
    println!("locked");
    println!("sqlite: {}", use_sqlite(&place.state.join("journal.db")).unwrap());
    std::fs::write(place.state.join("draft"), "x").unwrap();
    std::fs::rename(place.state.join("draft"), place.state.join("machines/final")).unwrap();
    std::fs::remove_file(place.state.join("machines/final")).unwrap();
    let subject = Subject { vm: Some("web".to_owned()), state: place.state };
    let needs = [
        Need::File("/etc/passwd"),
        Need::File("/etc/shadow"),
        Need::Command(&["uname", "-a"]),
        Need::Command(&["dmesg"]),
        Need::Command(&["ip", "-d", "address"]),
        Need::Command(&["ip", "link", "add", "dummy"]),
        Need::Probe(Probe::Libvirt),
        Need::Probe(Probe::Kvm),
        Need::Probe(Probe::ImagePaths),
        Need::Probe(Probe::ImageLocks),
        Need::Probe(Probe::Vmms),
    ];
    let snapshot = collect(&Root::Live, &needs, &subject, &Limits::default()).unwrap();
    assert_eq!(snapshot.host_id.len(), 32);
    for record in snapshot.records {
        match record.content {
            Ok(bytes) => println!("{}: {}", record.source, String::from_utf8_lossy(&bytes)),
            Err(why) => println!("{}: MISSING {why}", record.source),
        }
    }
}

/// A journal's life: write-ahead log, a table, a row, a search, a checkpoint.
fn use_sqlite(path: &Path) -> rusqlite::Result<i64> {
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE entry(text TEXT); INSERT INTO entry VALUES ('write lock');")?;
    connection.pragma_update(None, "wal_checkpoint", "truncate")?;
    drop(connection);
    // And without one, where rollback journals are made and removed.
    let connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "delete")?;
    connection.execute("UPDATE entry SET text = text || '!'", [])?;
    connection.query_row("SELECT count(*) FROM entry WHERE text LIKE '%lock!'", [], |row| row.get(0))
}

fn honest_records() {
    let place = Place::from_environment();
    let sandbox = lock(&place.state, Purpose::Records).unwrap();
    assert!(sandbox.lacking.is_empty(), "{sandbox:?}");
    let root = Root::Folder(place.outside);
    let subject = Subject { vm: None, state: place.state.clone() };
    let snapshot = collect(&root, &[], &subject, &Limits::default()).unwrap();
    for name in ["kept", "secret"] {
        match &snapshot.record(name).unwrap().content {
            Ok(bytes) => print!("{name}: {}", String::from_utf8_lossy(bytes)),
            Err(why) => println!("{name}: {why}"),
        }
    }
    let told = |refused: bool| if refused { "refused" } else { "allowed" };
    println!("command: {}", told(std::process::Command::new("/bin/true").status().is_err()));
    println!("kvm: {}", told(std::fs::File::options().write(true).open("/dev/kvm").is_err()));
    println!("write in state: {}", std::fs::write(place.state.join("x"), "x").map_or("failed", |()| "ok"));
}

fn abort(newest: u32) {
    let place = Place::from_environment();
    // A core file is a change too, and none of the test's business.
    // SAFETY: a live structure.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 }) };
    lock_as(&place.state, Purpose::LiveHost, newest).unwrap();
    std::process::abort();
}

fn lock_without_landlock() {
    let place = Place::from_environment();
    let sandbox = lock_as(&place.state, Purpose::LiveHost, 0).unwrap();
    for what in sandbox.lacking {
        println!("lacking: {what}");
    }
}

fn lock_with_threads() {
    let place = Place::from_environment();
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || receiver.recv());
        println!("refused: {}", lock(&place.state, Purpose::LiveHost).unwrap_err());
        drop(sender);
    });
}
