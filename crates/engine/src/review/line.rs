//! The bytes that go to a shell in a guest and come from it: those of a program's pipes (`ssh`), or of the guest's first
//! serial port.

use crate::backends;
use crate::error::chain;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_backend::store::Stored;
use vmwright_backend::{Request, Unwatched, perform};
use vmwright_host::ssh::{self, Target};

/// How long a console may take to show its prompt.
const PROMPT: Duration = Duration::from_secs(3);
/// What a user may have seen on a console before; more is no prompt.
const PAGE: usize = 64 << 10;
/// How much of what `ssh` says on its standard error is told, in bytes.
const SAID: usize = 4096;
/// The byte that ends a visit at a console. Nothing that is said to a shell has it.
const WAY_OUT: u8 = 0;

/// A line to a shell; given back when dropped.
pub(super) struct Line {
    to: Option<File>,
    from: File,
    /// What has come and was not asked for yet.
    rest: Vec<u8>,
    end: End,
    /// Whether a shell of ours runs within the one at a console.
    within: bool,
}

enum End {
    /// A program of ours that ends with its input.
    Program(Child),
    /// A visit at a console; what it says in the end is why.
    Console(Receiver<Result<(), String>>),
}

impl Line {
    /// The pipes of a program.
    ///
    /// # Errors
    /// It cannot be run.
    pub(super) fn to(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| format!("`{program}` cannot be run: {error}"))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(format!("`{program}` has no pipes"));
        };
        let file = |fd: OwnedFd| File::from(fd);
        let end = End::Program(child);
        Ok(Self { to: Some(file(to.into())), from: file(from.into()), rest: Vec::new(), end, within: false })
    }

    /// A shell on the guest's own SSH server. Nobody is asked for a password.
    ///
    /// # Errors
    /// `ssh` cannot be run.
    pub(super) fn by_ssh(target: &Target) -> Result<Self, String> {
        // A question at the terminal would stand among the gates.
        Self::to(ssh::command(target, &["BatchMode=yes"]))
    }

    /// The shell that somebody has left open at the first serial port of a machine.
    ///
    /// # Errors
    /// Nothing of the kind is there.
    pub(super) fn at_console(machine: &Stored) -> Result<Self, String> {
        let pipe = || std::io::pipe().map_err(|error| format!("no pipe: {error}"));
        let ((input, to), (from, output)) = (pipe()?, pipe()?);
        let machine = machine.clone();
        let (says, end) = channel();
        thread::spawn(move || {
            let request = Request::Console { input: input.into(), output: output.into(), way_out: WAY_OUT };
            let ended = backends::of(&machine).map_err(|error| chain(&error)).and_then(|backend| {
                perform(&*backend, &machine, request, &mut Unwatched).map(drop).map_err(|error| chain(&error))
            });
            // Nobody waits for it where the line was given back.
            let _ = says.send(ended);
        });
        let (to, from): (OwnedFd, OwnedFd) = (to.into(), from.into());
        let mut line = Self {
            to: Some(to.into()),
            from: from.into(),
            rest: Vec::new(),
            end: End::Console(end),
            within: false,
        };
        line.say(b"\n")?;
        let prompt = line.heard(Instant::now() + PROMPT)?;
        is_prompt(&prompt)?;
        // The shell within is no interactive one: it prints no prompt and edits no line. The terminal is as before behind it.
        line.within = true;
        line.say(b"s=$(stty -g); stty -echo -icanon; sh -s 2>/dev/null | cat; stty \"$s\"\n")?;
        Ok(line)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The other end is closed; why.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = self.to.as_mut().map(|to| to.write_all(bytes));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.why()),
        }
    }

    /// What comes until a line (without its end) is `the_last`, with that.
    ///
    /// # Errors
    /// The other end is closed, the time is over, or more than `most` bytes come.
    pub(super) fn until(
        &mut self,
        deadline: Instant,
        most: usize,
        the_last: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, String> {
        // Where the first line begins that was not looked at.
        let mut begin = 0;
        loop {
            while let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'\n') {
                let line = self.rest[begin..begin + length].trim_ascii_end();
                let is_last = the_last(line);
                begin += length + 1;
                if is_last {
                    return Ok(self.rest.drain(..begin).collect());
                }
            }
            if self.rest.len() > most {
                return Err("there is no end of what it says".to_owned());
            }
            if !self.more(deadline)? {
                return Err("no answer in time".to_owned());
            }
        }
    }

    /// What comes until nothing came for half a second, or the time is over.
    fn heard(&mut self, deadline: Instant) -> Result<Vec<u8>, String> {
        let quiet = Duration::from_millis(500);
        while self.rest.len() < PAGE && self.more(deadline.min(Instant::now() + quiet))? {}
        while self.rest.is_empty() && self.more(deadline)? {}
        Ok(std::mem::take(&mut self.rest))
    }

    /// Takes what has come; false where the time is over.
    fn more(&mut self, deadline: Instant) -> Result<bool, String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|error| error.to_string())?;
        match poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(errno) => return Err(errno.to_string()),
        }
        let mut buffer = vec![0; 64 << 10];
        match self.from.read(&mut buffer) {
            Ok(0) | Err(_) => Err(self.why()),
            Ok(count) => {
                self.rest.extend_from_slice(&buffer[..count]);
                Ok(true)
            }
        }
    }

    /// Why the other end is closed, as far as it tells.
    fn why(&mut self) -> String {
        self.to = None;
        let told = match &mut self.end {
            End::Program(child) => {
                let said = child.stderr.take().map(|errors| last_words(File::from(OwnedFd::from(errors))));
                String::from_utf8_lossy(&said.unwrap_or_default()).trim().to_owned()
            }
            End::Console(end) => match end.recv_timeout(Duration::from_secs(1)) {
                Ok(Err(why)) => why,
                _ => String::new(),
            },
        };
        if told.is_empty() { "the shell has ended".to_owned() } else { told }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A shell ends with its input; a console's own is there again, once it shows its prompt: the guest is then quiet, and whoever
        // comes next finds it so. Where none of ours runs, a word would be typed into a login.
        if let (Some(to), true) = (&mut self.to, self.within) {
            // It may have gone with its machine.
            let _ = to.write_all(b"exit\n");
            let _ = self.heard(Instant::now() + PROMPT);
        }
        self.to = None;
        if let End::Console(end) = &self.end {
            // The port is given back, as the next visitor needs it.
            let _ = end.recv_timeout(PROMPT);
        }
        if let End::Program(child) = &mut self.end {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What a program said in the end. It is not waited for: where the user shares connections (`ControlPersist`), another process
/// of `ssh` has the pipe for longer.
fn last_words(mut errors: File) -> Vec<u8> {
    let (mut said, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(1));
    let mut buffer = [0; 1024];
    while said.len() < SAID {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).unwrap_or_default();
        match poll(&mut [PollFd::new(&errors, PollFlags::IN)], Some(&left)) {
            Ok(1..) => {}
            _ => break,
        }
        match errors.read(&mut buffer) {
            Ok(count @ 1..) => said.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    said
}

/// Whether a shell waits for words, by the last line that a console shows.
fn is_prompt(said: &[u8]) -> Result<(), String> {
    let text = plain(&String::from_utf8_lossy(said));
    let last = text.lines().rev().map(str::trim_end).find(|line| !line.is_empty()).unwrap_or_default();
    if last.ends_with(['#', '$', '>', '%']) {
        return Ok(());
    }
    let shown: String = last.chars().take(80).collect();
    Err(match last {
        "" => "the console says nothing: no shell listens at the guest's first serial port (in it, \
               `systemctl enable --now serial-getty@ttyS0` has one asked for; then log in with `vmwright vm console`)"
            .to_owned(),
        _ if last.ends_with("login:") || last.ends_with("assword:") => {
            format!(
                "nobody is logged in at the console (`{shown}`): log in with `vmwright vm console`, and leave it so"
            )
        }
        _ => format!("no shell waits for words at the console; its last line is `{shown}`"),
    })
}

/// A terminal's text without its escape sequences (ECMA-48: CSI to a letter, OSC to BEL or ST).
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.extend((letter == '\n' || !letter.is_control()).then_some(letter));
            continue;
        }
        match letters.next() {
            Some('[') => while letters.next().is_some_and(|letter| !('@'..='~').contains(&letter)) {},
            Some(']') => {
                while let Some(letter) = letters.next() {
                    if letter == '\u{7}' || (letter == '\u{1b}' && letters.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_known_by_its_end_and_a_login_is_told() {
        for prompt in [
            "\r\nroot@web:~# ",
            "/ # ",
            "\u{1b}[01;32mroot@web\u{1b}[0m:~$ \u{1b}[K",
            "\u{1b}]0;t\u{7}sh-5.2# ",
        ] {
            assert_eq!(is_prompt(prompt.as_bytes()), Ok(()), "{prompt:?}");
        }
        let refused = |said: &str| is_prompt(said.as_bytes()).expect_err("no prompt");
        assert!(refused("Debian GNU/Linux 12 web ttyS0\r\n\r\nweb login: ").contains("logged in"));
        assert!(refused("[    1.2] usb 1-1: new device\r\n").contains("usb 1-1"));
        assert!(refused("").contains("says nothing"));
    }

    #[test]
    fn a_program_that_ends_tells_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'Connection refused' >&2; exit 255"]);
        let mut line = Line::to(command).expect("it runs");
        let why = line.until(Instant::now() + Duration::from_secs(10), 100, |_| true);
        assert_eq!(why, Err("Connection refused".to_owned()));
    }

    #[test]
    fn without_end_and_without_answer_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "exec cat /dev/zero"]);
        let soon = || Instant::now() + Duration::from_secs(10);
        let mut line = Line::to(command).expect("it runs");
        assert_eq!(line.until(soon(), 1000, |_| true), Err("there is no end of what it says".to_owned()));
        let mut line = Line::to(Command::new("cat")).expect("it runs");
        line.say(b"word\n").expect("it listens");
        let word = line.until(soon(), 100, |said| said == b"word");
        assert_eq!(word, Ok(b"word\n".to_vec()));
        assert_eq!(line.until(Instant::now(), 100, |_| true), Err("no answer in time".to_owned()));
    }
}
