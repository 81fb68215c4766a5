//! A guest without an agent, by a POSIX shell in it: over SSH, or at its first serial port where somebody is logged in.
//!
//! One shell answers all questions. What a command said comes back as hexadecimal lines between marks (od(1) is in POSIX,
//! base64(1) is not), with their length: a line that the kernel's messages tore on a console is noticed, and never taken for
//! an answer. All of it is a stranger's word, like an agent's.

use super::line::Line;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use vmwright_host::ssh::quoted;
use vmwright_review::{GuestError, Ran};

/// How long a shell may take to say its first word: a guest under TCG needs seconds for the keys of SSH.
const GREETS: Duration = Duration::from_secs(30);
/// What a command may take beyond its own time, on the way.
const WAY: Duration = Duration::from_secs(10);
/// The most that is taken of one answer, in bytes of hexadecimal text: 8 MiB of output.
const MOST: usize = 26 << 20;

/// Runs `$1`, and tells its output, behind a sign of equality its status, and its errors in the lines behind that. It starts as few
/// processes as it can: under TCG each takes its time. `$N` is the end of a line.
const RUN: &str = r#"N=$(printf '\n.'); N=${N%.}; r() { a=$({ e=$({ { (eval "$1") </dev/null 4>&-; printf '\n%d' "$?" >&2; } | od -An -v -tx1 >&4; } 2>&1); echo "=${e##*$N}"; e=${e%$N*}; [ -z "$e" ] || printf %s "$e" | od -An -v -tx1; } 4>&1); IFS=$N; printf "$M %s\n" $a; unset IFS; echo "$M=${#a}"; }"#;

/// A shell in the guest that listens.
pub(super) struct Shell {
    line: Line,
    mark: String,
}

impl Shell {
    /// Greets the shell at the end of a line.
    ///
    /// # Errors
    /// Why none answers, for people.
    pub(super) fn greet(mut line: Line, mark: String) -> Result<Self, String> {
        // The mark stands in no line as it is typed: a terminal may echo those, and break off where its echo is turned off meanwhile.
        let (head, tail) = mark.split_at(mark.len() / 2);
        let words = format!("LC_ALL=C; export LC_ALL; M={head}; M=${{M}}{tail}; {RUN}; echo; echo \"$M\"\n");
        line.say(words.as_bytes())?;
        let mut shell = Self { line, mark };
        let mark = shell.mark.clone();
        shell.line.until(Instant::now() + GREETS, MOST, |said| said == mark.as_bytes())?;
        Ok(shell)
    }

    /// Runs a line of shell to its end.
    ///
    /// # Errors
    /// [`GuestError::Silent`]; the shell is of no use afterwards.
    pub(super) fn run(&mut self, script: &str, limit: Duration) -> Result<Ran, GuestError> {
        self.answer(script, limit).map_err(GuestError::Silent)
    }

    fn answer(&mut self, script: &str, limit: Duration) -> Result<Ran, String> {
        self.line.say(format!("r {}\n", quoted(script)).as_bytes())?;
        let end = format!("{}=", self.mark).into_bytes();
        let said = self.line.until(Instant::now() + limit + WAY, MOST, |line| line.starts_with(&end))?;
        read(&said, &self.mark).ok_or_else(|| "other words on the line tore the answer".to_owned())
    }
}

/// The answer among the lines; none where a part of it is missing.
fn read(said: &[u8], mark: &str) -> Option<Ran> {
    let said = String::from_utf8_lossy(said);
    let head = format!("{mark} ");
    let mut lines = Vec::new();
    let mut length: Option<usize> = None;
    for line in said.lines().map(|line| line.trim_end_matches('\r')) {
        if let Some(rest) = line.strip_prefix(&head) {
            lines.push(rest);
        } else if let Some(rest) = line.strip_prefix(mark).and_then(|rest| rest.strip_prefix('=')) {
            length = rest.parse().ok();
        }
    }
    let whole: usize = lines.iter().map(|line| line.len() + 1).sum();
    if length? != whole.saturating_sub(1) {
        return None;
    }
    let middle = lines.iter().position(|line| line.starts_with('='))?;
    let (output, errors) = (bytes(&lines[..middle])?, bytes(&lines[middle + 1..])?);
    let status = lines[middle][1..].parse().ok()?;
    Some(Ran { status: Some(status), output, errors })
}

/// What od(1) wrote.
fn bytes(lines: &[&str]) -> Option<Vec<u8>> {
    let pairs = lines.iter().flat_map(|line| line.split_ascii_whitespace());
    pairs.map(|pair| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten()).collect()
}

/// A program and its arguments, as a line for the shell.
pub(super) fn words(program: &str, arguments: &[&str]) -> String {
    let mut line = quoted(program);
    for argument in arguments {
        // A String takes all that is written into it.
        let _ = write!(line, " {}", quoted(argument));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Shells of this host: those that are not installed are said.
    fn shells() -> Vec<Shell> {
        let known = [vec!["dash"], vec!["bash", "--posix"], vec!["busybox", "sh"]];
        let shell = |words: &Vec<&str>| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).arg("-s");
            let Ok(line) = Line::to(command) else {
                eprintln!("SKIPPED a guest's shell {}: not installed", words.join(" "));
                return None;
            };
            Some(Shell::greet(line, "0123456789abcdef".to_owned()).expect("it answers"))
        };
        known.iter().filter_map(shell).collect()
    }

    #[test]
    fn output_errors_and_status_come_back_byte_for_byte() {
        let mut shells = shells();
        assert!(!shells.is_empty());
        for shell in &mut shells {
            let limit = Duration::from_secs(10);
            let ran = shell.run(r"printf 'a\0b\n\377'; echo why >&2; exit 3", limit).expect("an answer");
            assert_eq!((ran.status, ran.output.as_slice()), (Some(3), b"a\0b\n\xff".as_slice()));
            assert_eq!(ran.errors, b"why\n");
            let open = shell.run("printf 'no\\n\\nend' >&2", limit).expect("an answer");
            assert_eq!((open.status, open.errors.as_slice()), (Some(0), b"no\n\nend".as_slice()));
            let quiet = shell.run("true", limit).expect("an answer");
            assert_eq!(quiet, Ran { status: Some(0), ..Ran::default() });
            let none = shell.run(&words("/no/such program", &["it's", "$(x)"]), limit).expect("an answer");
            assert_eq!(none.status, Some(127));
            let told =
                shell.run(&words("printf", &["%s|", "it's", "$(x)", "a  b"]), limit).expect("an answer");
            assert_eq!(told.output, b"it's|$(x)|a  b|");
            let long = shell.run("head -c 300000 /dev/zero", limit).expect("an answer");
            assert_eq!(long.output, vec![0; 300_000]);
            // What it reads is not the next question.
            assert_eq!(shell.run("cat", limit).expect("an answer").output, b"");
            assert_eq!(shell.run("kill -9 $$; sleep 9", Duration::ZERO).ok(), None);
        }
    }

    #[test]
    fn a_shell_behind_a_part_of_a_line_is_greeted() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf '# LC_ALL=C; exp'; exec sh -s"]);
        let line = Line::to(command).expect("it runs");
        let shell = Shell::greet(line, "0123456789abcdef".to_owned());
        assert!(shell.is_ok(), "{:?}", shell.err());
    }

    #[test]
    fn a_torn_answer_is_none() {
        let whole = "x 61 62\nx =0\nx=8\n";
        let ran = read(whole.as_bytes(), "x").expect("whole");
        assert_eq!((ran.output, ran.status), (b"ab".to_vec(), Some(0)));
        assert!(read(whole.replace('\n', "\r\n").as_bytes(), "x").is_some(), "a terminal's line ends");
        assert!(read(whole.replace("x =", "[ 1.0] usb: x =\nx =").as_bytes(), "x").is_some());
        for torn in [
            whole.replace("x 61 62", "x 61[ 1.0] usb: new device 62"),
            whole.replace("x 61 62\n", ""),
            whole.replace("61", "6g"),
            whole.replace("=8", "=11"),
            whole.replace("x=8", ""),
        ] {
            assert_eq!(read(torn.as_bytes(), "x"), None, "{torn}");
        }
    }
}
