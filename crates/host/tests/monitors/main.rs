//! QEMU's monitors, asked from inside the lock: a real QEMU that executes its guest itself, and processes that call
//! themselves QEMU and say nothing, half a line, or rubbish. This program runs again in a role for each of them, because
//! a lock comes before the second thread; for the same reason there is no test harness here.

#![allow(clippy::unwrap_used, reason = "a test without a harness, which clippy does not know for one")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use vmwright_host::sandbox::{Purpose, lock};
use vmwright_host::{Limits, Root, Subject, collect, work_list};
use vmwright_model::{Missing, Need, Probe};

/// Somebody without privilege.
const NOBODY: u32 = 65534;

fn main() -> ExitCode {
    match std::env::var("VMWRIGHT_ROLE").as_deref() {
        Ok("reader") => read_locked(),
        Ok(role) => be_a_monitor(role),
        Err(_) => return tests(),
    }
    ExitCode::SUCCESS
}

fn tests() -> ExitCode {
    let tests: [(&str, fn()); 4] = [
        ("a_real_qemu_tells_and_goes_on", a_real_qemu_tells_and_goes_on),
        ("a_monitor_that_is_held_is_left_alone", a_monitor_that_is_held_is_left_alone),
        ("hostile_monitors_end_by_their_time", hostile_monitors_end_by_their_time),
        ("a_command_line_cannot_send_us_to_others", a_command_line_cannot_send_us_to_others),
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

/// A process that ends with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a locked reader is told, record by record.
fn told(state: &Path) -> Vec<(String, String)> {
    let output = Command::new(std::env::current_exe().unwrap())
        .env("VMWRIGHT_ROLE", "reader")
        .env("STATE", state)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn read_locked() {
    let state = PathBuf::from(std::env::var("STATE").unwrap());
    lock(&state, Purpose::LiveHost).unwrap();
    let subject = Subject { vm: None, state };
    let snapshot = collect(&Root::Live, &[Need::Probe(Probe::Qmp)], &subject, &Limits::default()).unwrap();
    let text = |content: Result<Vec<u8>, Missing>| match content {
        Ok(bytes) => String::from_utf8(bytes).unwrap(),
        Err(why) => format!("MISSING {why}"),
    };
    let told: Vec<_> =
        snapshot.records.into_iter().map(|record| (record.source, text(record.content))).collect();
    println!("{}", serde_json::to_string(&told).unwrap());
}

fn of<'t>(told: &'t [(String, String)], source: &str) -> &'t str {
    &told.iter().find(|record| record.0 == source).unwrap_or_else(|| panic!("no {source}: {told:#?}")).1
}

/// Waits for a socket that somebody else makes.
fn wait_for(socket: &Path) {
    let ends = Instant::now() + Duration::from_secs(60);
    while !socket.exists() {
        assert!(Instant::now() < ends, "there is no {}", socket.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A QEMU without a guest; none where there is no QEMU.
fn qemu(test: &str, name: &str, socket: &Path) -> Option<Ends> {
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    let started = Command::new("qemu-system-x86_64")
        .args(["-name", name, "-M", "q35", "-accel", "tcg", "-m", "64", "-display", "none", "-qmp", &monitor])
        .args(["-drive", "driver=null-co,read-zeroes=on,if=virtio,id=disk7"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        eprintln!("SKIPPED {test}: qemu-system-x86_64 is not installed");
        return None;
    };
    let qemu = Ends(child);
    wait_for(socket);
    Some(qemu)
}

/// Greets a monitor as its client and gives the state that it tells.
fn status(stream: &UnixStream) -> String {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    for command in ["qmp_capabilities", "query-status"] {
        writeln!(&*stream, "{{\"execute\": \"{command}\"}}").unwrap();
        line.clear();
        lines.read_line(&mut line).unwrap();
    }
    line
}

fn a_real_qemu_tells_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("q.sock");
    let Some(mut qemu) = qemu("a_real_qemu_tells_and_goes_on", "vmw-tells", &socket) else { return };
    let subject = Subject { vm: None, state: folder.path().into() };
    let plan = work_list(&Root::Live, &[Need::Probe(Probe::Qmp)], &subject).join("\n");
    let line = format!("{}: QMP, queries alone, of VM vmw-tells", socket.display());
    assert!(plan.contains(&line), "{plan}");
    // Twice: whoever was here leaves the monitor to the next one.
    for _ in 0..2 {
        let told = told(folder.path());
        assert!(
            of(&told, "qmp/vmw-tells/query-status").contains("\n    \"status\": \"running\"\n"),
            "{told:#?}"
        );
        assert!(of(&told, "qmp/vmw-tells/query-version").contains("\"major\": "), "{told:#?}");
        assert!(of(&told, "qmp/vmw-tells/query-block").contains("\"device\": \"disk7\""), "{told:#?}");
        assert!(of(&told, "qmp/vmw-tells/query-named-block-nodes").contains("null-co"), "{told:#?}");
        assert_eq!(of(&told, "qmp/vmw-tells/query-balloon"), "MISSING does not exist");
    }
    assert!(status(&UnixStream::connect(&socket).unwrap()).contains("\"running\": true"));
    assert!(qemu.0.try_wait().unwrap().is_none(), "QEMU has ended");
}

fn a_monitor_that_is_held_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("q.sock");
    let Some(_qemu) = qemu("a_monitor_that_is_held_is_left_alone", "vmw-held", &socket) else { return };
    let client = UnixStream::connect(&socket).unwrap();
    assert!(status(&client).contains("running"));
    let told = told(folder.path());
    let why = of(&told, "qmp/vmw-held/query-status");
    assert!(why.starts_with("MISSING failed: not asked: ") && why.ends_with("serves one at a time"), "{why}");
    // Nobody waits behind the client.
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let waiting = sockets.lines().filter(|line| line.ends_with(socket.to_str().unwrap())).count();
    assert_eq!(waiting, 2, "the listener and the client's connection");
}

/// A process that calls itself QEMU, with a monitor in the manner of `role`, or with none of its own.
fn pretender(role: &str, name: &str, socket: &Path, user: Option<u32>, folder: &Path) -> Ends {
    let mut program = std::env::current_exe().unwrap();
    if user.is_some() {
        // The build may lie where another user cannot go.
        let copy = folder.join("again");
        if !copy.exists() {
            std::fs::copy(&program, &copy).unwrap();
        }
        program = copy;
    }
    let mut command = Command::new(program);
    let monitor = format!("unix:{},server=on,wait=off", socket.display());
    command.arg0("/usr/bin/qemu-system-x86_64").args(["-name", name, "-qmp", &monitor]);
    command.env("VMWRIGHT_ROLE", role).env("SOCKET", socket).stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    Ends(command.spawn().unwrap())
}

/// The life of a pretender.
fn be_a_monitor(role: &str) {
    let socket = PathBuf::from(std::env::var("SOCKET").unwrap());
    if role == "nobody-there" {
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let listener = UnixListener::bind(socket).unwrap();
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let greeting = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n";
        let spoken = |stream: &mut UnixStream, text: &str| stream.write_all(text.as_bytes()).is_ok();
        match role {
            "silent" => {}
            "half-line" => _ = spoken(&mut stream, "{\"QMP\": {\"versi"),
            "rubbish" => _ = spoken(&mut stream, "SSH-2.0-OpenSSH\r\n\0\u{1b}[2J\n"),
            "hangs-up" => continue,
            "mute-later" => _ = spoken(&mut stream, greeting),
            "endless" => while spoken(&mut stream, &"x".repeat(65536)) {},
            "events" => {
                let _ = spoken(&mut stream, greeting);
                while spoken(&mut stream, "{\"event\": \"RESUME\", \"data\": {}}\n") {}
            }
            "deep" | "wide" => {
                let _ = spoken(&mut stream, &format!("{greeting}{{\"return\": {{}}}}\n"));
                let text = match role {
                    "deep" => "[".repeat(100_000),
                    // Indented, it would be a hundred times as long.
                    _ => format!("{}{}1{}", "[".repeat(110), "1,".repeat(500_000), "]".repeat(110)),
                };
                let _ = spoken(&mut stream, &format!("{{\"id\": \"query-version\", \"return\": {text}}}\n"));
            }
            other => panic!("no role {other}"),
        }
        // Whatever is said to it, it goes on in its manner.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let _ = std::io::copy(&mut stream.take(1 << 20), &mut std::io::sink());
    }
}

fn hostile_monitors_end_by_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let roles = [
        ("silent", "no answer within "),
        ("half-line", "no answer within "),
        ("rubbish", "does not speak QMP"),
        ("hangs-up", "closed the connection"),
        ("mute-later", "no answer within "),
        ("endless", "larger than the limit"),
        ("events", "QMP"),
    ];
    let running: Vec<Ends> = roles
        .iter()
        .chain(&[("deep", ""), ("wide", "")])
        .map(|(role, _)| {
            let socket = folder.path().join(role);
            let pretender = pretender(role, &format!("vmw-{role}"), &socket, None, folder.path());
            wait_for(&socket);
            pretender
        })
        .collect();
    let told = told(folder.path());
    for (role, expected) in roles {
        let why = of(&told, &format!("qmp/vmw-{role}/query-status"));
        // A flood of events ends by its number, its bytes or its time, whichever comes first.
        let fits = why.contains(expected) || role == "events" && why.starts_with("MISSING ");
        assert!(fits, "{role}: {why}");
    }
    assert!(of(&told, "qmp/vmw-deep/query-version").contains("does not speak QMP"), "{told:#?}");
    assert!(of(&told, "qmp/vmw-wide/query-version").starts_with("MISSING larger than"), "{told:#?}");
    // What came after it was not asked, and says so.
    assert!(of(&told, "qmp/vmw-deep/query-block").contains("gave no answer to `query-version`"), "{told:#?}");
    drop(running);
}

fn a_command_line_cannot_send_us_to_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let socket = folder.path().join("daemon.sock");
    let daemon = UnixListener::bind(&socket).unwrap();
    daemon.set_nonblocking(true).unwrap();
    let _mine = pretender("nobody-there", "vmw-mine", &socket, None, folder.path());
    let other = rustix::process::geteuid().is_root();
    let _theirs =
        other.then(|| pretender("nobody-there", "vmw-theirs", &socket, Some(NOBODY), folder.path()));
    std::thread::sleep(Duration::from_millis(300));
    let told = told(folder.path());
    // A process of the same user: it is connected to, and left without a word.
    let why = of(&told, "qmp/vmw-mine/query-status");
    assert!(why.contains("not that process which listens"), "{why}");
    let (mut stream, _) = daemon.accept().unwrap();
    let mut said = String::new();
    assert_eq!(stream.read_to_string(&mut said).unwrap(), 0, "{said}");
    // A process of somebody else: it is not even connected to, or a sleeping daemon could be woken.
    if other {
        let why = of(&told, "qmp/vmw-theirs/query-status");
        assert!(why.contains("not the socket of the user"), "{why}");
    } else {
        eprintln!("SKIPPED the socket of another user: only root can become somebody else");
    }
    assert!(daemon.accept().is_err(), "somebody else has connected");
}
