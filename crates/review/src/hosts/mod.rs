//! The gates of a host itself, without a VM: what each guest on it rests on. A gate has the name of the VM's gate that asks
//! the same of one VM, and its things the same names, so that controls of compliance frameworks mean both.

mod cpu_flaws;
mod fips;
mod isolation;
mod known_flaws;
pub(crate) mod threads;
mod utilisation;
mod vmms;

use crate::gates::Judged;
use crate::scope::{Host, Rules};
use crate::{SCHEMA, Unknown, Wanted, compliance};
use std::time::Instant;
use vmms::Vmms;
use vmwright_model::{Depth, Gate, Missing, Review};

/// The host under review.
pub struct HostScope<'a> {
    /// Its name.
    pub name: &'a str,
    /// The host.
    pub host: &'a dyn Host,
    /// What the rules say of it.
    pub rules: &'a dyn Rules,
    /// When the review began, RFC 3339, UTC; copied into the report.
    pub began: &'a str,
}

impl HostScope<'_> {
    /// A text file.
    fn file(&self, path: &str) -> Result<String, Missing> {
        self.host.file(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A gate as it is found by its name.
struct Entry {
    name: &'static str,
    /// The shallowest review that runs it unasked; none where only its name or a framework does.
    from: Option<Depth>,
    run: fn(&HostScope<'_>, &Vmms) -> Judged,
}

/// Every gate, in the order in which they run. None of them disturbs anybody.
const GATES: [Entry; 5] = [
    Entry {
        name: "cpu-flaws",
        from: Some(Depth::Quick),
        run: |scope, _| cpu_flaws::judge(&cpu_flaws::observe(scope)),
    },
    Entry {
        name: "isolation",
        from: Some(Depth::Quick),
        run: |scope, vmms| isolation::judge(&isolation::observe(scope, vmms)),
    },
    Entry {
        name: "known-flaws",
        from: Some(Depth::Usual),
        run: |scope, _| known_flaws::judge(&known_flaws::observe(scope)),
    },
    Entry {
        name: "utilisation",
        from: Some(Depth::Quick),
        run: |scope, vmms| utilisation::judge(&utilisation::observe(scope, vmms)),
    },
    Entry { name: "fips", from: None, run: |scope, _| fips::judge(&fips::observe(scope)) },
];

/// Names of a host's gates, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    GATES.iter().map(|gate| gate.name)
}

/// A gate that a host does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a host has no gate `{name}`; its gates are {}", names().collect::<Vec<_>>().join(", "))]
pub struct NotOfHost {
    /// The gate's name.
    pub name: String,
}

/// Runs the gates of a host that are wanted, each once; `each` is told of one when it is done. Nothing is changed or
/// started, and no guest is asked.
///
/// # Errors
/// [`Unknown`], before anything is read.
pub fn run(scope: &HostScope<'_>, wanted: &Wanted, each: &mut dyn FnMut(&Gate)) -> Result<Review, Unknown> {
    if let Some(name) = wanted.gates.iter().find(|name| !names().any(|known| known == name.as_str())) {
        return Err(NotOfHost { name: name.clone() }.into());
    }
    let asked = compliance::gates(&wanted.frameworks)?;
    let runs = |entry: &&Entry| match wanted.gates.is_empty() {
        true => entry.from.map_or(asked.contains(&entry.name), |from| from <= wanted.depth),
        false => wanted.gates.iter().any(|name| name == entry.name),
    };
    let vmms = vmms::find(scope);
    let mut gates = Vec::new();
    for entry in GATES.iter().filter(runs) {
        let began = Instant::now();
        let mut gate = (entry.run)(scope, &vmms).named(entry.name);
        gate.seconds = began.elapsed().as_secs_f64();
        each(&gate);
        gates.push(gate);
    }
    let left_out = GATES.iter().filter(|entry| !runs(entry) && entry.from.is_some());
    let mut review = Review {
        schema: SCHEMA.to_owned(),
        host: Some(scope.name.to_owned()),
        began: scope.began.to_owned(),
        depth: wanted.depth,
        left_out: left_out.map(|entry| entry.name.to_owned()).collect(),
        gates,
        ..Review::default()
    };
    let frameworks = wanted.frameworks.iter().map(|name| compliance::assess(&review, name));
    review.frameworks = frameworks.collect::<Result<_, _>>()?;
    Ok(review)
}

#[cfg(test)]
mod tests;
