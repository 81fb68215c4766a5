//! What is shown while an operation is under way, and at its end.

use crate::output::Output;
use crate::render::came;
use crate::{Format, render};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use vmwright_engine::{Analysed, Came, MigrationProgress, Outcome, Progress, Told};

/// Progress to standard error, results to the output.
pub(crate) struct Events {
    format: Format,
    output: Output,
    /// Only where several captures are analysed and somebody looks.
    bar: Option<ProgressBar>,
    /// What was told last of a migration, and when.
    last: Option<(String, Instant)>,
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
        Self { format, output, bar: None, last: None, failed: None }
    }

    /// Shows one event; false where going on is of no use.
    pub(crate) fn show(&mut self, event: Progress) -> bool {
        match event {
            Progress::Analysed(one) => self.part(&one),
            Progress::Told(Told::Migration(how)) => self.migration(&how),
            Progress::Told(Told::Copied { done, of }) => self.copied(done, of),
            Progress::Told(Told::Traced { event, text }) => self.piece(
                || came::told(&Told::Traced { event: event.clone(), text: text.clone() }) + "\n",
                || json!({ "event": event, "text": text }),
            ),
            Progress::Counted(counts) => self.piece(
                || came::statistics(&counts) + "\n",
                || serde_json::to_value(&counts).unwrap_or_default(),
            ),
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

    /// A piece of a result that comes bit by bit: text, or a line of JSON. One JSON document holds the end alone.
    fn piece(&mut self, text: impl Fn() -> String, value: impl Fn() -> Value) {
        let written = match self.format {
            Format::Text => self.output.write(&text()),
            Format::Jsonl => self.output.write(&render::inert(&format!("{}\n", value()))),
            _ => Ok(()),
        };
        if let Err(error) = written.context("the output cannot be written") {
            self.failed.get_or_insert(error);
        }
    }

    /// A bar where somebody looks, else a line when it changes and now and then.
    fn migration(&mut self, how: &MigrationProgress) {
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| ProgressBar::new(1).with_style(moving()));
            bar.set_length(how.total.max(1));
            bar.set_position(how.total.saturating_sub(how.remaining));
            bar.set_message(came::migration(how));
        } else if self.last.as_ref().is_none_or(|(status, at)| *status != how.status || at.elapsed() >= LINE)
        {
            self.last = Some((how.status.clone(), Instant::now()));
            eprintln!("  {}", came::migration(how));
        }
    }

    /// The same for a copy, which tells nothing where nobody looks.
    fn copied(&mut self, done: u64, of: Option<u64>) {
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| ProgressBar::new(1).with_style(moving()));
            bar.set_length(of.unwrap_or(done).max(1));
            bar.set_position(done);
            bar.set_message(came::told(&Told::Copied { done, of }));
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
        if let Outcome::Came(came) = outcome {
            said_in_the_guest(came);
        }
        let color = self.output.is_terminal();
        let text = crate::rendered(self.format, outcome, color).map_err(Ended::Unsuitable)?;
        self.output.write(&text).context("the output cannot be written").map_err(Ended::Unwritten)
    }
}

/// What a program in a guest said on its standard error, and how it ended, where that needs a word.
fn said_in_the_guest(came: &Came) {
    let Came::Executed { status, signal, errors, cut, .. } = came else { return };
    for line in errors.lines() {
        eprintln!("{}", render::shown(line));
    }
    match (status, signal) {
        (Some(0), _) => {}
        (Some(status), _) => eprintln!("it ended with status {status}"),
        (None, Some(signal)) => eprintln!("it was ended by signal {signal}"),
        (None, None) => eprintln!("the agent does not say how it ended"),
    }
    if *cut {
        eprintln!("the agent has cut its output short");
    }
}

/// How often a line tells of a migration where nothing changes.
const LINE: Duration = Duration::from_secs(5);

fn moving() -> ProgressStyle {
    ProgressStyle::with_template("  {bar:24} {percent:>3} % {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn bar(captures: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {bar:32} {pos}/{len} captures, {per_sec}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(captures as u64).with_style(style)
}
