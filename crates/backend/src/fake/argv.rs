//! The fake's command line.

use std::ffi::OsString;

/// What is run.
pub(super) const PROGRAM: &str = "/bin/sh";

/// Words for the shell: it says what it is told to say and ends, or becomes a process that sleeps. The machine's
/// name and the words are arguments, never script.
pub(super) fn argv(machine: &str, refusal: Option<&str>) -> Vec<OsString> {
    let script = match refusal {
        Some(_) => "printf '%s\\n' \"$2\" >&2; exit 1",
        None => "exec sleep 2147483647",
    };
    let name = format!("guest={machine}");
    let mut words = vec!["-c".into(), script.into(), "fake".into(), name.into()];
    words.extend(refusal.map(OsString::from));
    words
}

#[cfg(test)]
mod tests {
    use super::argv;

    #[test]
    fn nothing_is_taken_for_script() {
        let words = argv("a", Some("$(reboot); 'x'"));
        let output = std::process::Command::new(super::PROGRAM).args(&words).output().expect("sh runs");
        assert_eq!(output.stderr, b"$(reboot); 'x'\n");
        assert_eq!(output.status.code(), Some(1));
    }
}
