//! The exit statuses of every command.

/// What a command's exit status means. The numbers are an interface: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing at or above the threshold was found.
    Clean = 0,
    /// Done, and there are findings at or above the threshold.
    Findings = 1,
    /// The call or one of its inputs is wrong.
    Usage = 2,
    /// Done as far as possible; something could not be read or tested.
    Incomplete = 3,
    /// Refused (no approval, wrong host, sandbox missing), or reality has moved on since the plan.
    Refused = 4,
    /// Applied, but a gate or a post-condition failed.
    GateFailed = 5,
    /// Something could not be undone; the message names it.
    UndoIncomplete = 6,
    /// A defect of vmwright itself.
    Internal = 70,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}
