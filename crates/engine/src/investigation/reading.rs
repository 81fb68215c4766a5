//! What an investigation has read, and what it could still read.

use crate::remote::{self, Place};
use crate::{Analyze, Environment, Error, analysis, memory, preflight};
use std::path::{Path, PathBuf};
use vmwright_formats::nearest;
use vmwright_host::{Limits, Root, Subject};
use vmwright_model::investigation::{Hypothesis, ProbeStep, Standing};
use vmwright_model::{Need, Snapshot};
use vmwright_rules::weighing::SHOWS;
use vmwright_rules::{CATALOGUE, entry, hypotheses};

/// The name of the look that an analysis takes.
pub(crate) const EVERYTHING: &str = "everything that an analysis reads";

/// How many sources and reasons a look names that it could not read.
const UNREAD: usize = 8;

/// What was read, and where more of it is.
pub(crate) struct Evidence {
    snapshot: Snapshot,
    /// What was asked of the running host.
    asked: Vec<Need>,
    /// How many records, archives or hosts were taken as a whole.
    taken: usize,
    subject: Subject,
    place: At,
    environment: Environment,
}

enum At {
    /// The running host, source by source.
    Here,
    /// Records that somebody kept, each as a whole.
    Records(Vec<PathBuf>),
    /// Another host, as a whole, over a connection that is up until it was read.
    Far(String, Option<Place>),
}

impl Evidence {
    pub(crate) fn new(asked: &Analyze, far: Option<Place>, environment: &Environment) -> Self {
        let place = match (&asked.host, asked.from.is_empty()) {
            (Some(host), _) => At::Far(host.clone(), far),
            (None, true) => At::Here,
            (None, false) => At::Records(asked.from.clone()),
        };
        let live = matches!(place, At::Here);
        Self {
            snapshot: Snapshot { live, vm: asked.vm.clone(), ..Snapshot::default() },
            asked: Vec::new(),
            taken: 0,
            subject: preflight::subject(asked, environment),
            place,
            environment: environment.clone(),
        }
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(crate) fn is_here(&self) -> bool {
        matches!(self.place, At::Here)
    }

    /// Whether it is there as a whole, and not source by source.
    pub(crate) fn is_records(&self) -> bool {
        !self.is_here()
    }

    /// Whether what was not seen is not there: of a host that was read as a whole, by vmwright or by sos.
    pub(crate) fn is_whole(&self) -> bool {
        let report = || self.snapshot.records.iter().any(|one| one.source.starts_with("sos_commands/"));
        self.is_here() || self.taken > 0 && (self.snapshot.live || report())
    }

    /// Reads again what earlier steps have read: quotes are of now.
    pub(crate) fn again(&mut self, steps: &[ProbeStep]) -> Result<(), Error> {
        if self.is_here() {
            let mut needs: Vec<Need> = Vec::new();
            for step in steps {
                match step.probe.as_str() {
                    EVERYTHING => needs.extend(analysis::needs(&Root::Live)),
                    name => needs.extend(named(name)),
                }
            }
            if !needs.is_empty() {
                let environment = self.environment.clone();
                self.look(&needs, &environment)?;
            }
            return Ok(());
        }
        for path in self.records().into_iter().filter(|path| is_step(path, steps)) {
            self.take(&path)?;
        }
        Ok(())
    }

    /// What is there and was in no step yet.
    pub(crate) fn unread_records(&self, steps: &[ProbeStep]) -> Vec<PathBuf> {
        self.records().into_iter().filter(|path| !is_step(path, steps)).collect()
    }

    fn records(&self) -> Vec<PathBuf> {
        match &self.place {
            At::Here => Vec::new(),
            At::Records(paths) => paths.clone(),
            At::Far(host, _) => vec![PathBuf::from(host)],
        }
    }

    /// Reads sources of the running host. Gives how many there were, and what could not be read.
    pub(crate) fn look(
        &mut self,
        needs: &[Need],
        environment: &Environment,
    ) -> Result<(usize, Vec<(String, String)>), Error> {
        let mut read = vmwright_host::collect(&Root::Live, needs, &self.subject, &Limits::default())
            .map_err(Error::Collect)?;
        read.taken = memory::now();
        read.host_id = vmwright_host::identity(&environment.state).id;
        self.asked
            .extend(needs.iter().filter(|need| !self.asked.contains(need)).copied().collect::<Vec<_>>());
        Ok(self.merge(read))
    }

    /// Reads records, or the other host, as a whole.
    pub(crate) fn take(&mut self, path: &Path) -> Result<(usize, Vec<(String, String)>), Error> {
        let place = match &mut self.place {
            At::Far(_, connection) => match connection.take() {
                Some(place) => place,
                // It was read a moment ago.
                None => return Ok((0, Vec::new())),
            },
            _ => Place::Here(Root::at(path).map_err(Error::Collect)?),
        };
        let read = remote::read(place, &self.subject, &self.environment)?;
        self.snapshot.live = read.live && self.taken == 0;
        self.taken += 1;
        Ok(self.merge(read))
    }

    fn merge(&mut self, read: Snapshot) -> (usize, Vec<(String, String)>) {
        let mut unread = analysis::unread(&read);
        unread.truncate(UNREAD);
        let there = read.records.iter().filter(|record| record.content.is_ok()).count();
        self.snapshot.host_id = read.host_id;
        self.snapshot.taken = read.taken;
        self.snapshot.vm = self.snapshot.vm.take().or(read.vm);
        self.snapshot.records.extend(read.records);
        // Of two with one name, the one that was read first stays: quotes of it were shown.
        self.snapshot.records.sort_by(|a, b| a.source.cmp(&b.source));
        self.snapshot.records.dedup_by(|a, b| a.source == b.source);
        (there, unread)
    }

    pub(crate) fn has(&self, need: &Need) -> bool {
        self.asked.contains(need)
    }

    /// The part of a hypothesis's sources that was read, 0 to 1.
    pub(crate) fn looked(&self, one: &Hypothesis) -> f64 {
        if self.is_records() {
            return if self.taken > 0 { 1.0 } else { 0.0 };
        }
        let Some(entry) = one.rule.as_deref().and_then(entry) else { return 0.0 };
        let sources = hypotheses::sources(entry);
        let all: f64 = sources.iter().map(|(_, weight)| weight).sum();
        let read: f64 = sources.iter().filter(|(need, _)| self.has(need)).map(|(_, weight)| weight).sum();
        if all > 0.0 { read / all } else { 0.0 }
    }

    /// How likely a look at a source shows a hypothesis if it holds, 0 to 1.
    pub(crate) fn shows(&self, one: &Hypothesis, need: &Need) -> f64 {
        let Some(entry) = one.rule.as_deref().and_then(entry) else { return 0.0 };
        if one.standing == Standing::Refuted || self.has(need) {
            return 0.0;
        }
        let sources = hypotheses::sources(entry);
        let all: f64 = sources.iter().map(|(_, weight)| weight).sum();
        let this = sources.iter().find(|(source, _)| source == need).map_or(0.0, |(_, weight)| *weight);
        if all > 0.0 { SHOWS * this / all } else { 0.0 }
    }
}

fn is_step(path: &Path, steps: &[ProbeStep]) -> bool {
    let name = path.display().to_string();
    steps.iter().any(|step| step.probe == name)
}

/// The source of this name.
pub(crate) fn named(name: &str) -> Option<Need> {
    all().into_iter().find(|need| hypotheses::name(need) == name)
}

/// That there is no source of this name.
pub(crate) fn unknown(name: &str) -> Error {
    let names: Vec<String> = all().iter().map(hypotheses::name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let near = nearest(name, &names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Error::Argument(format!("no source is called `{name}`{near}"))
}

fn all() -> Vec<Need> {
    let mut all = analysis::needs(&Root::Live);
    for entry in CATALOGUE {
        all.extend(hypotheses::sources(entry).into_iter().map(|(need, _)| need));
    }
    all.sort_unstable();
    all.dedup();
    all
}
