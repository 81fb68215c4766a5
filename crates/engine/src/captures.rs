//! ANALYSIS of several captures: each is read and judged by itself, on all processors at once, and told in its turn.

use crate::analysis::{Question, of_capture};
use crate::{Analysed, AnalysesMade, Environment, Error, Outcome, Progress, error, memory};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use vmwright_model::{Analysis, Exit};

/// How far a worker may be ahead of the capture that is told next, for each worker. It bounds the memory: a capture
/// that takes long holds the others up instead of piling up their results.
const AHEAD: usize = 4;

/// What is common to all captures.
struct Work<'a> {
    question: &'a Question<'a>,
    captures: &'a [PathBuf],
    environment: &'a Environment,
    /// The capture that nobody has taken yet.
    next: AtomicUsize,
    /// The capture that is told next, and when it changes.
    told: (Mutex<usize>, Condvar),
}

type Analysing = Result<Box<Analysis>, String>;

/// Analyses each of `captures`. To be called once the process is locked: its threads are then locked too.
pub(crate) fn analyze(
    question: &Question<'_>,
    captures: &[PathBuf],
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(captures.len());
    let (next, told) = (AtomicUsize::new(0), (Mutex::new(0), Condvar::new()));
    let work = Work { question, captures, environment, next, told };
    let mut made = AnalysesMade { captures: captures.len(), ..AnalysesMade::default() };
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..workers {
            let (work, sender) = (&work, sender.clone());
            scope.spawn(move || work.go(workers * AHEAD, &sender));
        }
        drop(sender);
        let mut early: BTreeMap<usize, Analysing> = BTreeMap::new();
        let mut turn = 0;
        for (at, result) in results {
            early.insert(at, result);
            while let Some(result) = early.remove(&turn) {
                count(&result, &mut made, &mut rules);
                let from = captures[turn].clone();
                turn += 1;
                progress(Progress::Analysed(Analysed { from, number: turn, of: captures.len(), result }));
                work.tell(turn);
            }
        }
        made.unread += captures.len() - turn;
    });
    if let Err(error) = remember(question.challenge, &made, &rules, environment) {
        progress(Progress::Note(format!("journal: {}", error::chain(&error))));
    }
    Ok(Outcome::Analyses(made))
}

impl Work<'_> {
    /// Takes one capture after the other until there is none left or the user stops it.
    fn go(&self, ahead: usize, results: &mpsc::Sender<(usize, Analysing)>) {
        while !self.environment.stop.load(Ordering::Relaxed) {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = self.captures.get(at) else { return };
            let told = self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The one whose turn it is never waits, so the others do not wait for ever.
            let far = |told: &mut usize| at >= *told + ahead;
            drop(self.told.1.wait_while(told, far).unwrap_or_else(PoisonError::into_inner));
            let made = of_capture(path, self.question, self.environment);
            if results.send((at, made.map(Box::new).map_err(|error| error::chain(&error)))).is_err() {
                return;
            }
        }
    }

    /// Says which capture is told next.
    fn tell(&self, next: usize) {
        *self.told.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
        self.told.1.notify_all();
    }
}

fn count(result: &Analysing, made: &mut AnalysesMade, rules: &mut BTreeMap<String, usize>) {
    let Ok(analysis) = result else {
        made.unread += 1;
        return;
    };
    match crate::analysis::exit(analysis) {
        Exit::Findings => made.with_findings += 1,
        Exit::Incomplete => made.incomplete += 1,
        _ => {}
    }
    let mut named: Vec<&str> = analysis.causes.iter().map(|cause| cause.rule.as_str()).collect();
    named.sort_unstable();
    named.dedup();
    for rule in named {
        *rules.entry(rule.to_owned()).or_default() += 1;
    }
}

/// One entry for all: which causes stand in how many captures.
fn remember(
    challenge: &str,
    made: &AnalysesMade,
    rules: &BTreeMap<String, usize>,
    environment: &Environment,
) -> Result<(), Error> {
    let mut causes: Vec<(&String, &usize)> = rules.iter().collect();
    causes.sort_by_key(|(rule, count)| (std::cmp::Reverse(**count), *rule));
    let mut body = format!("{} captures, {} with findings\n", made.captures, made.with_findings);
    for (rule, count) in causes.iter().take(20) {
        body.push_str(&format!("- {rule} in {count}\n"));
    }
    let mut entry = memory::entry("analyze", challenge.to_owned(), body, "");
    entry.rules = rules.keys().cloned().collect();
    memory::append(entry, environment)?;
    Ok(())
}
