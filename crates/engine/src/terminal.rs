//! The user's terminal, letter by letter, for a guest's console.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Standard input without lines, echo and signals, until this value goes.
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// None where standard input is no terminal: then it is taken as it comes.
    pub(crate) fn of_input() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
