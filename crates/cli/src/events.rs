//! What is shown while an operation is under way, and at its end.

use crate::output::Output;
use crate::{Format, render};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use vmwright_engine::{Analysed, Outcome, Progress};

/// Progress to standard error, results to the output.
pub(crate) struct Events {
    format: Format,
    output: Output,
    /// Only where several captures are analysed and somebody looks.
    bar: Option<ProgressBar>,
    /// Why a part of the result could not be written.
    failed: Option<anyhow::Error>,
}

/// Why there is no result.
pub(crate) enum Ended {
    /// The outcome cannot be written in the format.
    Unsuitable(anyhow::Error),
    /// The output took it only in part.
    Unwritten(anyhow::Error),
}

impl Events {
    pub(crate) fn new(format: Format, output: Output) -> Self {
        Self { format, output, bar: None, failed: None }
    }

    /// Shows one event; false where going on is of no use.
    pub(crate) fn show(&mut self, event: Progress) -> bool {
        match event {
            Progress::Analysed(one) => self.part(&one),
            event => {
                let line = render::progress(&event);
                match &self.bar {
                    Some(bar) => bar.suspend(|| eprintln!("{line}")),
                    None => eprintln!("{line}"),
                }
            }
        }
        self.failed.is_none()
    }

    /// Writes what came of one of several captures.
    fn part(&mut self, one: &Analysed) {
        if one.number == 1 && std::io::stderr().is_terminal() {
            self.bar = Some(bar(one.of));
        }
        let color = self.output.is_terminal();
        let text = render::captures::part(self.format, one, color);
        let write = || text.and_then(|text| self.output.write(&text));
        // On a terminal the bar would stand in the middle of the text.
        let written = match &self.bar {
            Some(bar) if color => bar.suspend(write),
            _ => write(),
        };
        if let Some(bar) = &self.bar {
            bar.set_position(one.number as u64);
        }
        if let Err(error) = written.context("the output cannot be written") {
            self.failed.get_or_insert(error);
        }
    }

    /// There is no result.
    pub(crate) fn discard(self) {
        self.output.discard();
    }

    /// Writes the outcome.
    pub(crate) fn end(mut self, outcome: &Outcome) -> Result<(), Ended> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(error) = self.failed {
            return Err(Ended::Unwritten(error));
        }
        let color = self.output.is_terminal();
        let text = crate::rendered(self.format, outcome, color).map_err(Ended::Unsuitable)?;
        self.output.write(&text).context("the output cannot be written").map_err(Ended::Unwritten)
    }
}

fn bar(captures: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:32} {pos}/{len} captures, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(captures as u64).with_style(style)
}
