//! Running other programs: never with standard input, and with an error that says what was run and how it ended.

use crate::progress::Step;
use anyhow::{Context as _, Result, bail};
use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How often a silent program is said to be still running.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Lines of its output that are shown of a program that failed.
const TAIL: usize = 30;

/// A program that is about to run.
pub(crate) struct Run {
    command: Command,
    shown: String,
}

impl Run {
    /// `words` are the program and its first arguments.
    pub(crate) fn new<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let mut words = words.into_iter();
        let program = words.next().expect("callers name a program");
        let mut run = Self {
            command: Command::new(program.as_ref()),
            shown: program.as_ref().to_string_lossy().into_owned(),
        };
        run.command.stdin(Stdio::null());
        run.args(words)
    }

    /// More arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of its environment.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The folder that it runs in.
    pub(crate) fn dir(mut self, dir: impl AsRef<std::path::Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Its output goes where ours goes.
    ///
    /// # Errors
    /// When it cannot start or does not end with status 0.
    pub(crate) fn show(mut self) -> Result<()> {
        let status = self.command.status().with_context(|| format!("cannot start `{}`", self.shown))?;
        ended(&self.shown, status)
    }

    /// Runs it and gives what it wrote to standard output.
    ///
    /// # Errors
    /// When it cannot start or does not end with status 0; with what it wrote to standard error.
    pub(crate) fn text(mut self) -> Result<String> {
        let done = self.command.output().with_context(|| format!("cannot start `{}`", self.shown))?;
        if !done.status.success() {
            bail!("`{}` ended with {}: {}", self.shown, done.status, tail(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Runs it without a word unless it takes long or fails.
    ///
    /// # Errors
    /// When it cannot start or does not end with status 0; with its last lines.
    pub(crate) fn quiet(mut self, step: &Step) -> Result<()> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().with_context(|| format!("cannot start `{}`", self.shown))?;
        let (send, receive) = mpsc::channel::<Vec<u8>>();
        pump(child.stdout.take().expect("piped above"), send.clone());
        pump(child.stderr.take().expect("piped above"), send);
        let mut output = Vec::new();
        loop {
            match receive.recv_timeout(HEARTBEAT) {
                Ok(bytes) => output.extend(bytes),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    step.still(tail(&output).lines().last().unwrap_or("no output yet"));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait().with_context(|| format!("cannot wait for `{}`", self.shown))?;
        match tail(&output).as_str() {
            "" => ended(&self.shown, status),
            _ if status.success() => Ok(()),
            said => bail!("`{}` ended with {status} and said:\n{said}", self.shown),
        }
    }

    /// Runs it with standard error as ours, and gives each line of standard output to `each` as it comes.
    ///
    /// # Errors
    /// When it cannot start; how it ended is for the caller to judge.
    pub(crate) fn lines(mut self, each: impl FnMut(&str)) -> Result<ExitStatus> {
        self.command.stdout(Stdio::piped());
        let mut child = self.command.spawn().with_context(|| format!("cannot start `{}`", self.shown))?;
        let out = child.stdout.take().expect("piped above");
        followed(&self.shown, child, out, each)
    }

    /// The same with standard error among them, in the order in which it was written.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub(crate) fn all_lines(mut self, each: impl FnMut(&str)) -> Result<ExitStatus> {
        let (out, write) = std::io::pipe().context("cannot make a pipe")?;
        self.command.stdout(write.try_clone().context("cannot make a pipe")?).stderr(write);
        let Self { mut command, shown } = self;
        let child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
        // It holds the pipe's other end, which would never close.
        drop(command);
        followed(&shown, child, out, each)
    }
}

/// Gives each line of what a program writes to `each`, and waits for its end.
fn followed(shown: &str, mut child: Child, out: impl Read, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    use std::io::BufRead as _;
    let mut out = std::io::BufReader::new(out);
    let mut line = Vec::new();
    while out.read_until(b'\n', &mut line).with_context(|| format!("cannot read from `{}`", shown))? > 0 {
        each(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        line.clear();
    }
    child.wait().with_context(|| format!("cannot wait for `{}`", shown))
}

fn ended(shown: &str, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    bail!("`{shown}` ended with {status}");
}

/// Sends on what a stream gives until it ends.
fn pump(mut stream: impl Read + Send + 'static, to: mpsc::Sender<Vec<u8>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if to.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
}

fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_program_its_status_and_its_last_words() {
        let step = Step::begin("a failing program");
        let error = Run::new(["sh", "-c", "echo first; echo last >&2; exit 3"]).quiet(&step).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("last") && text.contains("exit status: 3") && text.contains("sh -c"), "{text}");
        let error = Run::new(["sh", "-c", "echo why >&2; exit 1"]).text().unwrap_err();
        assert!(format!("{error:#}").ends_with("exit status: 1: why"), "{error:#}");
        let error = Run::new(["no-such-program-anywhere"]).show().unwrap_err();
        assert!(format!("{error:#}").contains("cannot start `no-such-program-anywhere`"), "{error:#}");
    }

    #[test]
    fn lines_of_both_streams_come_in_their_order() {
        let mut seen = Vec::new();
        let status = Run::new(["sh", "-c", "echo a; echo b >&2; echo c; exit 5"])
            .all_lines(|line| seen.push(line.to_owned()));
        assert_eq!((seen.join("|").as_str(), status.unwrap().code()), ("a|b|c", Some(5)));
    }

    #[test]
    fn lines_come_one_by_one_and_without_standard_input() {
        let mut seen = Vec::new();
        let status =
            Run::new(["sh", "-c", "printf 'a\\nb'; cat; exit 5"]).lines(|line| seen.push(line.to_owned()));
        assert_eq!((seen.join("|").as_str(), status.unwrap().code()), ("a|b", Some(5)));
    }
}
