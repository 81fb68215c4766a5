//! Commands that only read. Nothing else is ever run: a [`Need`](vmwright_model::Need) for a command that is not
//! in [`ALLOWED`] (or in [`crate::asking::ASKING`]), word for word, is refused.

mod kept;
mod own;
mod start;

use crate::asking::Asks;
use crate::bounded::within;
use crate::file::is_binary;
use crate::limits::millis;
use crate::sandbox::{Confinement, confinement};
use crate::text::escape;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use start::{Child, start};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use vmwright_model::Missing;

/// Every command that may be run, by its words. Each reads and says, takes no input, writes no file and needs no
/// socket: a socket could carry a change too.
pub const ALLOWED: &[&[&str]] = &[
    &["dmesg"],
    &["findmnt"],
    &["lscpu"],
    &["lsmod"],
    &["lspci", "-nnk"],
    &["lspci", "-nnvv"],
    &["qemu-img", "--version"],
    &["qemu-system-aarch64", "--version"],
    &["qemu-system-x86_64", "--version"],
    &["qemu-system-x86_64", "-cpu", "help"],
    &["qemu-system-x86_64", "-device", "help"],
    &["qemu-system-x86_64", "-machine", "help"],
    &["rpm", "-qa", "--nosignature", "--nodigest"],
    &["uname", "-a"],
    &["virsh", "--version"],
];

/// Where commands are looked for; the caller's `PATH` could name another program.
const PLACES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// How much of what a command says on its standard error is kept.
const ERROR_BYTES: usize = 4096;

/// Time for a command to end by its own alarm after its limit.
const GRACE: Duration = Duration::from_millis(500);

/// Gives what an allowed command says, as [`run`] does it or by a system call of our own; what a program says until it is replaced is kept beneath
/// `state` and asked once. An empty `state` keeps nothing.
pub(crate) fn say(words: &[&str], state: &Path, time: Duration, limit: u64) -> Result<Vec<u8>, Missing> {
    if let Some(answer) = own::answer(words, limit) {
        return answer;
    }
    let question = || kept::Question::of(words, &find(words.first()?)?);
    let asked = if state.as_os_str().is_empty() { None } else { question() };
    if let Some(answer) = asked.as_ref().and_then(|question| question.recall(state, limit)) {
        return Ok(answer);
    }
    let said = run(words, ALLOWED, time, limit);
    // The program may have been replaced meanwhile.
    if let (Some(asked), Ok(answer)) = (asked, &said)
        && question().as_ref() == Some(&asked)
    {
        asked.keep(state, answer);
    }
    said
}

/// Runs an allowed command and gives what it says. It has `C` as its language, an otherwise empty environment,
/// no input, `time` to live and `limit` bytes to say.
fn run(words: &[&str], allowed: &[&[&str]], time: Duration, limit: u64) -> Result<Vec<u8>, Missing> {
    if !allowed.contains(&words) {
        return Err(Missing::Failed("not on the list of commands that may be run".to_owned()));
    }
    run_as(words, None, time, limit)
}

/// Runs a command that asks, confined to what its kind needs. The words are the caller's responsibility.
pub(crate) fn ask(words: &[&str], asks: Asks, time: Duration, limit: u64) -> Result<Vec<u8>, Missing> {
    let confined = confinement(asks)
        .map_err(|error| Missing::Failed(format!("not run: it cannot be confined: {error}")))?;
    run_as(words, Some(confined), time, limit)
}

fn run_as(
    words: &[&str],
    confined: Option<Confinement>,
    time: Duration,
    limit: u64,
) -> Result<Vec<u8>, Missing> {
    let (name, arguments) = words.split_first().ok_or(Missing::Absent)?;
    let program = find(name).ok_or(Missing::Absent)?;
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    // A program on a dead network file system hangs before it is a process that could time out.
    match within(time + 2 * GRACE, move || run_here(&program, &arguments, confined, time, limit)) {
        Ok(output) => output,
        Err(Missing::TimedOut(_)) => Err(Missing::TimedOut(millis(time))),
        Err(other) => Err(other),
    }
}

/// Whether there is a program of this name.
pub(crate) fn installed(name: &str) -> Result<(), Missing> {
    find(name).map(drop).ok_or(Missing::Absent)
}

fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return None;
    }
    PLACES.iter().map(|place| PathBuf::from(place).join(name)).find(|path| path.is_file())
}

fn run_here(
    program: &Path,
    arguments: &[String],
    confined: Option<Confinement>,
    time: Duration,
    limit: u64,
) -> Result<Vec<u8>, Missing> {
    let started = Instant::now();
    let alarm = libc::itimerval {
        it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
        it_value: libc::timeval {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_usec: libc::suseconds_t::from(time.subsec_micros()),
        },
    };
    let mut child =
        start(program, arguments, &alarm, confined.as_ref()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Missing::Absent,
            io::ErrorKind::PermissionDenied => Missing::Denied,
            _ => Missing::Failed(format!("could not be started: {error}")),
        })?;
    let deadline = started + time + GRACE;
    let said = listen(&mut child, deadline, limit);
    let status = wait(child, deadline);
    match (said, status) {
        (Heard::TooMuch(bytes), _) => Err(Missing::TooLarge(bytes)),
        (Heard::All { output, .. }, Some(status)) if status.success() => {
            if is_binary(&output) {
                Err(Missing::Binary)
            } else {
                Ok(output)
            }
        }
        (Heard::All { error, .. }, Some(status)) => Err(failure(status, &error, time)),
        (Heard::Late, _) | (_, None) => Err(Missing::TimedOut(millis(time))),
    }
}

/// What the child does to itself before it becomes the command, on borrowed memory (see [`start`]): it ends by an
/// alarm, since the sandbox lets nobody send it a signal; it leaves no core and writes no file.
fn restrain(alarm: &libc::itimerval) -> io::Result<()> {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: plain system calls on live local values; `SIG_DFL` is a valid disposition.
    let done = unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL) != libc::SIG_ERR
            && libc::setrlimit(libc::RLIMIT_CORE, &raw const nothing) == 0
            && libc::setrlimit(libc::RLIMIT_FSIZE, &raw const nothing) == 0
            && libc::setitimer(libc::ITIMER_REAL, alarm, std::ptr::null_mut()) == 0
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

enum Heard {
    All { output: Vec<u8>, error: Vec<u8> },
    TooMuch(u64),
    Late,
}

/// Reads both ends until they close. Dropping them afterwards ends a command that goes on talking.
fn listen(child: &mut Child, deadline: Instant, limit: u64) -> Heard {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Heard::Late;
    };
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let (mut out_open, mut err_open) = (true, true);
    let mut buffer = vec![0; 64 * 1024];
    while out_open || err_open {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Heard::Late;
        }
        let mut ends = Vec::with_capacity(2);
        if out_open {
            ends.push(PollFd::new(&stdout, PollFlags::IN));
        }
        if err_open {
            ends.push(PollFd::new(&stderr, PollFlags::IN));
        }
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        // An interrupted wait is simply tried again; the deadline ends it.
        let _ = poll(&mut ends, Some(&timeout));
        let mut ready = ends.iter().map(|end| !end.revents().is_empty());
        let out_ready = out_open && ready.next() == Some(true);
        let err_ready = err_open && ready.next() == Some(true);
        if out_ready {
            out_open = take(&stdout, &mut buffer, &mut output);
            if output.len() as u64 > limit {
                return Heard::TooMuch(output.len() as u64);
            }
        }
        if err_ready {
            err_open = take(&stderr, &mut buffer, &mut error);
            error.truncate(ERROR_BYTES);
        }
    }
    Heard::All { output, error }
}

/// Reads once; false at the end.
fn take(end: &impl AsFd, buffer: &mut [u8], into: &mut Vec<u8>) -> bool {
    match rustix::io::read(end, &mut *buffer) {
        Ok(0) => false,
        Ok(read) => {
            into.extend_from_slice(&buffer[..read]);
            true
        }
        Err(error) => error == rustix::io::Errno::INTR,
    }
}

/// The status of a command that has closed its output; none where it does not end in time. Then it is left to
/// its alarm and a thread reaps it.
fn wait(child: Child, deadline: Instant) -> Option<ExitStatus> {
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            Ok(None) | Err(_) => {
                std::thread::spawn(move || child.wait());
                return None;
            }
        }
    }
}

fn failure(status: ExitStatus, error: &[u8], time: Duration) -> Missing {
    if status.signal() == Some(libc::SIGALRM) {
        return Missing::TimedOut(millis(time));
    }
    let first = error.split(|byte| *byte == b'\n').find(|line| !line.is_empty()).unwrap_or_default();
    let first = escape(&first[..first.len().min(400)]);
    if first.ends_with("Permission denied") || first.ends_with("Operation not permitted") {
        return Missing::Denied;
    }
    let status = match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    Missing::Failed(if first.is_empty() { status } else { format!("{status}: {first}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: &[&[&str]] = &[
        &["sleep", "20"],
        &["sh", "-c", "trap '' ALRM; exec sleep 3"],
        &["sh", "-c", "echo no such thing >&2; echo more >&2; exit 3"],
        &["sh", "-c", "echo x: Permission denied >&2; exit 1"],
        &["sh", "-c", "env | sort; cat; ulimit -f"],
        &["yes"],
        &["head", "-c", "100", "/dev/zero"],
        &["sh", "-c", "echo x > \"$0\"", "/tmp/vmwright-command-test"],
        &["vmwright-no-such-command"],
        &["../bin/sh"],
        &["sh", "-c", "kill -s PIPE $$"],
        &["sh", "-c", "echo said; sleep 0.01; echo more"],
    ];

    fn shell(at: usize, milliseconds: u64) -> Result<String, Missing> {
        run(SHELL[at], SHELL, Duration::from_millis(milliseconds), 100_000)
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_command_that_hangs_ends_by_its_alarm() {
        let started = Instant::now();
        assert_eq!(shell(0, 200), Err(Missing::TimedOut(200)));
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        // One that ignores its alarm is left behind.
        assert_eq!(shell(1, 100), Err(Missing::TimedOut(100)));
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    #[test]
    fn failures_say_status_and_first_line() {
        assert_eq!(shell(2, 5000), Err(Missing::Failed("status 3: no such thing".to_owned())));
        assert_eq!(shell(3, 5000), Err(Missing::Denied));
        assert_eq!(shell(8, 5000), Err(Missing::Absent));
        assert_eq!(shell(9, 5000), Err(Missing::Absent));
    }

    /// This process ignores the signal, and blocks all while it starts a command.
    #[test]
    fn signals_are_to_a_command_what_they_are_to_any_program() {
        assert_eq!(shell(10, 5000), Err(Missing::Failed("ended by signal 13".to_owned())));
    }

    #[test]
    fn commands_start_beside_each_other_and_beside_all_that_goes_on() {
        let work = || {
            for _ in 0..10 {
                assert_eq!(shell(11, 20_000).as_deref(), Ok("said\nmore\n"));
                assert_eq!(shell(8, 20_000), Err(Missing::Absent));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(work);
            }
        });
    }

    #[test]
    fn environment_input_and_output_are_bounded() {
        let said = shell(4, 5000).unwrap();
        assert_eq!(
            said.lines().filter(|line| line.starts_with("LC_")).collect::<Vec<_>>(),
            ["LC_ALL=C"],
            "{said}"
        );
        assert!(!said.contains("CARGO"), "{said}");
        assert!(said.ends_with("\n0\n"), "no file may be written: {said}");
        assert!(matches!(shell(5, 5000), Err(Missing::TooLarge(bytes)) if bytes > 100_000));
        assert_eq!(shell(6, 5000), Err(Missing::Binary));
        assert!(matches!(shell(7, 5000), Err(Missing::Failed(_))));
        let _ = std::fs::remove_file(SHELL[7][3]);
    }

    #[test]
    fn what_is_not_listed_is_not_run() {
        let refused = run(&["uname", "-r"], ALLOWED, Duration::from_secs(5), 1000);
        assert_eq!(refused, Err(Missing::Failed("not on the list of commands that may be run".to_owned())));
        let uname = run(&["uname", "-a"], ALLOWED, Duration::from_secs(5), 1000).unwrap();
        assert!(uname.starts_with(b"Linux "));
        assert!(ALLOWED.is_sorted(), "keep the list in order");
    }
}
