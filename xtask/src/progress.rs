//! What is being done, on standard error, in plain lines that a log keeps as they are.

use std::time::{Duration, Instant};

/// Something that takes a while. Says so when it begins.
pub(crate) struct Step {
    what: String,
    began: Instant,
}

impl Step {
    /// Announces it.
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        eprintln!("==> {what}");
        Self { what, began: Instant::now() }
    }

    /// Says that it is still going on.
    pub(crate) fn still(&self, detail: &str) {
        eprintln!("    {} s: {detail}", self.began.elapsed().as_secs());
    }

    /// Says why it came to nothing.
    pub(crate) fn failed(self, why: &anyhow::Error) -> Duration {
        let took = self.began.elapsed();
        eprintln!("    FAILED after {:.1} s: {}: {why:#}", took.as_secs_f64(), self.what);
        took
    }

    /// Says how long it took.
    pub(crate) fn done(self) -> Duration {
        let took = self.began.elapsed();
        eprintln!("    done in {:.1} s: {}", took.as_secs_f64(), self.what);
        took
    }
}
