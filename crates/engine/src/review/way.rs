//! How a guest is asked that a review is about.

use super::by_shell::ByShell;
use super::line::Line;
use super::shell::Shell;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::str::FromStr;
use std::thread;
use std::time::Duration;
use vmwright_backend::store::Stored;
use vmwright_host::ssh::Target;
use vmwright_review::GuestError;

/// What `ssh` says where it will say the same in a minute (OpenSSH, `sshconnect2.c`, `sshconnect.c`); who comes again and again
/// is shut out by a guest that counts.
const FINAL: [&str; 3] =
    ["Permission denied", "Host key verification failed", "Too many authentication failures"];
/// How long a server that does not answer is left in peace.
const AGAIN: Duration = Duration::from_secs(1);

/// The way to a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Way {
    /// By the agent in it.
    #[default]
    Agent,
    /// By the shell at its first serial port.
    Console,
    /// By its own SSH server.
    Ssh(Target),
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "agent" => Ok(Self::Agent),
            "console" => Ok(Self::Console),
            other if other.starts_with("ssh://") => other
                .parse()
                .map(Self::Ssh)
                .map_err(|error: vmwright_host::ssh::TargetError| error.to_string()),
            other => Err(format!(
                "`{}` is no way to a guest: `agent`, `console` or ssh://user@address",
                other.escape_debug().take(80).collect::<String>()
            )),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Console => f.write_str("console"),
            Self::Ssh(target) => target.fmt(f),
        }
    }
}

impl Way {
    /// The guest's shell at the end of this way; none where an agent is asked.
    ///
    /// # Errors
    /// [`GuestError::Silent`] where there is none now, and [`GuestError::Refused`] where waiting for one is of no use.
    pub(super) fn shell(&self, machine: &Stored) -> Option<Result<ByShell, GuestError>> {
        let line = match self {
            Self::Agent => return None,
            Self::Console => Line::at_console(machine),
            Self::Ssh(target) => Line::by_ssh(target),
        };
        let shell = line.and_then(|line| Shell::greet(line, mark()?)).map(ByShell::new);
        Some(shell.map_err(|why| {
            let is_final = FINAL.iter().any(|word| why.contains(word));
            if *self != Self::Console && !is_final {
                thread::sleep(AGAIN);
            }
            let why = format!("{self}: {why}");
            if is_final { GuestError::Refused(why) } else { GuestError::Silent(why) }
        }))
    }
}

/// A word that nobody in the guest knows before.
fn mark() -> Result<String, String> {
    let mut bytes = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes));
    read.map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
