//! A process that is not ours to wait for: found by pid, told from its successors by start time and boot.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Which process. A pid alone comes again; with the start time and the boot it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its pid.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)): when it started, in clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id` of the boot that it started in.
    pub boot_id: String,
}

/// How a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is there.
    Alive,
    /// It is there and stopped by a signal.
    Stopped,
    /// It is not, or only as a zombie.
    Dead,
}

/// The effective user and group of a process (proc_pid_status(5)).
///
/// # Errors
/// Where there is no such process, or the kernel does not tell.
pub fn user_of(pid: i32) -> io::Result<(u32, u32)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let effective = |name: &str| -> Option<u32> {
        status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().nth(1)?.parse().ok())
    };
    effective("Uid:").zip(effective("Gid:")).ok_or_else(|| io::Error::other("its status tells no user"))
}

impl Identity {
    /// The identity of a process that exists.
    ///
    /// # Errors
    /// Where there is none, or the kernel does not tell.
    pub fn of(pid: i32) -> io::Result<Self> {
        let stat = stat(pid)?.ok_or_else(|| io::Error::from(Errno::SRCH))?;
        Ok(Self { pid, start_time: stat.start_time, boot_id: boot_id()? })
    }

    /// When it started, in milliseconds since 1970 by the host's clock of now.
    pub(crate) fn began_ms(&self) -> io::Result<u64> {
        let since = self.start_time.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
        Ok(booted()?.saturating_mul(1000).saturating_add(since))
    }

    /// Whether this very process is there, stopped, or gone. A zombie that is our own child is reaped.
    pub(crate) fn life(&self) -> io::Result<Life> {
        if self.boot_id != boot_id()? {
            return Ok(Life::Dead);
        }
        let Some(stat) = stat(self.pid)?.filter(|stat| stat.start_time == self.start_time) else {
            return Ok(Life::Dead);
        };
        // States of proc_pid_stat(5): Z zombie, X and x dead, T stopped by a signal. The state is that of the first
        // thread; while others are still ending the process has its files open, with their locks.
        match stat.state {
            b'Z' if stat.threads > 1 => Ok(Life::Alive),
            b'Z' | b'X' | b'x' => {
                if stat.parent == i32::try_from(std::process::id()).unwrap_or(-1)
                    && let Some(pid) = Pid::from_raw(self.pid)
                {
                    // Failing means that someone else has reaped it meanwhile.
                    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                }
                Ok(Life::Dead)
            }
            b'T' => Ok(Life::Stopped),
            _ => Ok(Life::Alive),
        }
    }

    /// Whether it is there.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn alive(&self) -> io::Result<bool> {
        Ok(self.life()? != Life::Dead)
    }

    /// Sends a signal. False where the process is gone; no other process is ever hit.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(false) };
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it is gone; false where it is still there after `patience`.
    pub(crate) fn wait_gone(&self, patience: Duration) -> io::Result<bool> {
        let Some(handle) = self.handle()? else { return Ok(true) };
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            // A pidfd is readable when its process has ended (pidfd_open(2)).
            match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(!self.alive()?),
                Ok(_) => return self.reaped(deadline),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The process has ended: reaps it where it is ours.
    fn reaped(&self, deadline: Instant) -> io::Result<bool> {
        // The pidfd is readable a moment before the state in /proc says so.
        while self.alive()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    /// A pidfd of this very process; none where it is gone.
    fn handle(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Only now: the pid cannot go to another process between this look and the use of the handle.
        Ok(self.alive()?.then_some(handle))
    }
}

struct Stat {
    state: u8,
    parent: i32,
    threads: i64,
    start_time: u64,
}

/// `/proc/PID/stat`; none where there is no such process.
fn stat(pid: i32) -> io::Result<Option<Stat>> {
    let text = match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(text) => text,
        // ESRCH: it ended between open and read.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let malformed =
        || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is not understood"));
    parse_stat(&text).ok_or_else(malformed).map(Some)
}

/// The second field is the command in brackets and may hold blanks and brackets, so the last bracket counts.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&text[end + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // fields[0] is field 3 of the manual page.
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// When the host was started, in seconds since 1970 by its clock of now (`btime` of proc_stat(5)).
pub(crate) fn booted() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let told = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
    told.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_the_command_do_not_confuse() {
        let text = b"7 (a) b ) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let stat = parse_stat(text).expect("a stat line");
        assert_eq!((stat.state, stat.parent, stat.threads, stat.start_time), (b'S', 1, 1, 4711));
        assert!(parse_stat(b"7 (a").is_none());
        assert!(parse_stat(b"7 (a) S 1 2").is_none());
    }

    #[test]
    fn a_child_is_followed_from_life_to_death() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        let identity = Identity::of(pid).expect("it lives");
        assert_eq!(identity.life().expect("readable"), Life::Alive);
        assert!(!identity.wait_gone(Duration::from_millis(20)).expect("pollable"));
        let other = Identity { start_time: identity.start_time + 1, ..identity.clone() };
        assert_eq!(other.life().expect("readable"), Life::Dead);
        assert!(!other.signal(Signal::KILL).expect("nothing is hit"));
        let earlier_boot = Identity { boot_id: "0".into(), ..identity.clone() };
        assert!(!earlier_boot.signal(Signal::KILL).expect("nothing is hit"));
        assert_eq!(identity.life().expect("readable"), Life::Alive);
        assert!(identity.signal(Signal::KILL).expect("it is there"));
        assert!(identity.wait_gone(Duration::from_secs(10)).expect("pollable"));
        assert!(!identity.signal(Signal::KILL).expect("gone"));
        // Reaped already.
        assert!(child.wait().is_err() || identity.life().is_ok());
    }
}
