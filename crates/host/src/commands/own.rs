//! Commands whose whole answer one system call gives. To start a program for it takes ten times as long, and `dmesg`
//! reads the log message by message. What is said here is what the program would say, but for the later lines of one message:
//! the program indents them, and the call gives them the time of the first.

use crate::file::words as system_words;
use rustix::io::Errno;
use std::fmt::Write as _;
use vmwright_model::Missing;

/// The answer to a command that needs no program; none where the program must be asked.
pub(super) fn answer(words: &[&str], limit: u64) -> Option<Result<Vec<u8>, Missing>> {
    match words {
        ["dmesg"] => kernel_log(limit),
        ["uname", "-a"] => Some(Ok(uname())),
        _ => None,
    }
}

/// Actions of `syslog(2)` that only look.
const SYSLOG_ACTION_READ_ALL: libc::c_int = 3;
const SYSLOG_ACTION_SIZE_BUFFER: libc::c_int = 10;

/// The kernel's log as `dmesg` shows it. None where the kernel writes no times (`printk.time=0`), which the program
/// knows from elsewhere.
fn kernel_log(limit: u64) -> Option<Result<Vec<u8>, Missing>> {
    let size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, &mut []).ok()?;
    // What is kept without its prefixes is told with them, which can be twice as long.
    let mut log = vec![0; size.saturating_mul(2)];
    let length = match klogctl(SYSLOG_ACTION_READ_ALL, &mut log) {
        Ok(length) => length,
        Err(Errno::PERM) => return Some(Err(Missing::Denied)),
        Err(error) => return Some(Err(Missing::Failed(system_words(error)))),
    };
    log.truncate(length);
    // The ring may be far larger than what it holds.
    let said = shown(&log)?;
    Some(if said.len() as u64 > limit { Err(Missing::TooLarge(said.len() as u64)) } else { Ok(said) })
}

fn klogctl(action: libc::c_int, into: &mut [u8]) -> Result<usize, Errno> {
    let length = libc::c_int::try_from(into.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: both actions write at most `length` bytes to the buffer, which is that long, and change nothing.
    let done = unsafe { libc::klogctl(action, into.as_mut_ptr().cast(), length) };
    usize::try_from(done)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// Lines without their levels (`<6>[    0.000000] Linux version`), and with letters for bytes that a terminal would obey.
/// None where a line has no time.
fn shown(log: &[u8]) -> Option<Vec<u8>> {
    let mut shown = Vec::with_capacity(log.len());
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_prefix(b"<")?;
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = text[digits..].strip_prefix(b">")?;
        if !text.starts_with(b"[") {
            return None;
        }
        for byte in text {
            match byte {
                b'\t'..=b'\r' | b' '..=b'~' => shown.push(*byte),
                other => {
                    let mut letters = String::new();
                    let _ = write!(letters, "\\x{other:02x}");
                    shown.extend(letters.as_bytes());
                }
            }
        }
    }
    Some(shown)
}

/// What `uname -a` of GNU's coreutils says on Linux, where the kinds of processor and of platform are not known.
fn uname() -> Vec<u8> {
    let of = rustix::system::uname();
    let parts = [of.sysname(), of.nodename(), of.release(), of.version(), of.machine()];
    let mut said = parts.map(|part| part.to_bytes()).join(&b' ');
    said.extend(b" GNU/Linux\n");
    said
}

#[cfg(test)]
mod tests {
    use super::{answer, shown};
    use std::process::Command;
    use vmwright_model::Missing;

    fn program(words: &[&str]) -> Option<Vec<u8>> {
        let said = Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C").output().ok()?;
        said.status.success().then_some(said.stdout)
    }

    #[test]
    fn it_says_what_the_program_says() {
        let name = answer(&["uname", "-a"], 1 << 20).unwrap().unwrap();
        assert_eq!(Some(name), program(&["uname", "-a"]), "uname");
        let (Some(theirs), Some(Ok(ours))) = (program(&["dmesg"]), answer(&["dmesg"], 64 << 20)) else {
            println!("SKIPPED it_says_what_the_program_says: the kernel log may not be read here");
            return;
        };
        // The log goes on, and its oldest lines are lost meanwhile.
        let ours: Vec<&[u8]> = ours.split(|byte| *byte == b'\n').collect();
        let theirs: Vec<&[u8]> = theirs.split(|byte| *byte == b'\n').collect();
        let last = theirs.iter().rev().find(|line| !line.is_empty()).unwrap();
        let at = ours.iter().rposition(|line| line == last).expect("the program's last line");
        let back = ours[..=at].iter().rev().zip(theirs.iter().rev().skip_while(|line| line.is_empty()));
        let later = |one: &[u8], other: &[u8]| {
            let text = one.iter().position(|byte| *byte == b']').map_or(one, |at| &one[at + 1..]);
            other.starts_with(b" ") && text.trim_ascii() == other.trim_ascii()
        };
        let same = back.take_while(|(one, other)| one == other || later(one, other)).count();
        assert!(same + 8 >= at.min(theirs.len()), "{same} of {at} lines are the program's");
    }

    #[test]
    fn what_is_said_is_limited_and_not_the_ring() {
        if let Some(Ok(whole)) = answer(&["dmesg"], u64::MAX) {
            let said = answer(&["dmesg"], 1).unwrap();
            assert!(whole.len() < 2 || matches!(said, Err(Missing::TooLarge(_))), "{said:?}");
        } else {
            println!("SKIPPED what_is_said_is_limited_and_not_the_ring: the kernel log may not be read here");
        }
    }

    #[test]
    fn a_log_without_times_is_left_to_the_program() {
        let log = b"<6>[    0.000000] Linux version\n<12>[    1.5] a\x1b[2Jb\tc\xc3\n";
        let expect = b"[    0.000000] Linux version\n[    1.5] a\\x1b[2Jb\tc\\xc3\n";
        assert_eq!(shown(log).unwrap(), expect);
        assert_eq!(shown(b""), Some(Vec::new()));
        assert_eq!(shown(b"<6>Linux version\n"), None);
        assert_eq!(shown(b"cut off\n"), None);
    }
}
