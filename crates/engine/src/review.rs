//! REVIEW: starts the VM in scope where it does not run, lets the gates look, and keeps the report.

mod beside;
mod between;
mod by_libvirt;
mod by_microvm;
mod by_shell;
mod channels;
mod exercise;
mod here;
mod leads;
mod line;
pub(crate) mod oscal;
mod plug;
mod rules;
pub(crate) mod seal;
mod shell;
mod shell_files;
mod standing;
mod twin;
pub(crate) mod unfinished;
mod way;

use crate::backends::Chosen;
use crate::lent::Named;
use crate::{Environment, Error, Outcome, Progress, ReviewMade, Reviewing, backends, machines, memory};
use channels::Channels;
use exercise::Exerciser;
use here::Here;
use rules::Asked;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;
use vmwright_backend::store;
use vmwright_model::{EntryState, Gate, Mode, Review};
use vmwright_review::{HostScope, Scope, Verdict, Wanted, subject};
use way::Way;

pub(crate) fn review(
    what: &Reviewing,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let vm = what.vm.as_str();
    if let Some(name) = this_host(vm, environment) {
        return host(&name, what, environment, progress);
    }
    let wanted = Wanted { gates: what.gates.clone(), depth: what.depth, frameworks: what.frameworks.clone() };
    wanted.check().map_err(Error::Gate)?;
    let way =
        what.guest.as_deref().map(Way::from_str).transpose().map_err(Error::Argument)?.unwrap_or_default();
    progress(Progress::Banner(Mode::Review.banner(&format!("vm {vm}"))));
    let mut named = Named::open(vm, environment)?;
    if !backends::of(&named.machine)?.look(&named.machine).map_err(Error::Control)?.state.alive() {
        progress(Progress::Note(format!("{vm} does not run: starting it")));
        machines::start(vm, environment, &mut || {})?;
        // Its folder is that of the next.
        drop(named);
        named = Named::open(vm, environment)?;
    }
    let machine = &named.machine;
    let baseline =
        what.baseline.as_deref().map(|name| earlier(name, &machine.name, environment)).transpose()?;
    let channels = Channels::among(machine, &environment.state).by(way.clone());
    let asked = Asked { vm: Some(vm), environment, vmm: rules::vmm(machine) };
    let exerciser = Exerciser { channels: &channels, vm, stop: &environment.stop };
    let began = memory::now();
    // A guest that is asked by its shell is asked, whether or not it has an agent.
    let mut spec = machine.spec.clone();
    spec.agent |= way != Way::Agent;
    let scope = Scope {
        spec: &spec,
        guest: &channels,
        vmm: &channels,
        host: &channels,
        rules: &asked,
        exercise: Some(&exerciser),
        baseline: baseline.as_ref(),
        began: &began,
        patience: if way == Way::Agent { patience(machine)? } else { None },
    };
    let mut review =
        vmwright_review::run(&scope, &wanted, &mut |gate| told(gate, progress)).map_err(Error::Gate)?;
    leads::follow(&mut review, Some(vm), environment, progress);
    made(review, what, environment, progress)
}

/// How long the guest's console is followed where its VMM has no line to an agent that could answer.
const CONSOLE: Duration = Duration::from_secs(5);

/// How long an agent is waited for, where that is not the accelerator's own limit.
fn patience(machine: &store::Stored) -> Result<Option<Duration>, Error> {
    let line = || machine.process().ok().flatten()?.running?.agent;
    Ok(match Chosen::of(machine)? {
        Chosen::Firecracker | Chosen::CloudHypervisor if line().is_none() => Some(CONSOLE),
        _ => None,
    })
}

/// What stands for the host that vmwright runs on.
pub const THIS_HOST: &str = "localhost";

/// What the names of the reviews of this host begin with. No VM's name has the sign, so that no VM's are among them.
pub const HOST_REVIEWS: &str = "host@localhost";

/// The host's own name where it is meant: its name or [`THIS_HOST`], and no VM is called so.
fn this_host(name: &str, environment: &Environment) -> Option<String> {
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    if name != THIS_HOST && (name != own || own.is_empty()) {
        return None;
    }
    let is_vm = store::open(&environment.state, name).is_ok();
    (!is_vm).then(|| if own.is_empty() { THIS_HOST.to_owned() } else { own.to_owned() })
}

/// Reviews this host: reads, and changes and starts nothing.
fn host(
    name: &str,
    what: &Reviewing,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let wanted = Wanted { gates: what.gates.clone(), depth: what.depth, frameworks: what.frameworks.clone() };
    if what.guest.is_some() {
        return Err(Error::Argument("`--guest` goes with a VM: a host's review asks no guest".to_owned()));
    }
    if what.baseline.is_some() {
        let why = "a host's review measures nothing that an earlier one is compared with: `--baseline` goes with a VM";
        return Err(Error::Argument(why.to_owned()));
    }
    let began = memory::now();
    let asked = Asked { vm: None, environment, vmm: None };
    let scope = HostScope { name, host: &Here, rules: &asked, began: &began };
    progress(Progress::Banner(Mode::Review.banner(&format!("host {name}"))));
    let mut review = vmwright_review::hosts::run(&scope, &wanted, &mut |gate| told(gate, progress))
        .map_err(Error::Gate)?;
    leads::follow(&mut review, None, environment, progress);
    made(review, what, environment, progress)
}

fn told(gate: &Gate, progress: &mut dyn FnMut(Progress)) {
    progress(Progress::Note(format!("{}: {} ({:.1} s)", gate.name, gate.outcome.word(), gate.seconds)));
}

/// Keeps the files of a review, and remembers it.
fn made(
    review: Review,
    what: &Reviewing,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let verdict = vmwright_review::verdict(&review);
    let html = keep(&review, what.key.as_deref(), environment)?;
    remember(&review, verdict, &html, environment, progress);
    Ok(Outcome::Review(Box::new(ReviewMade { review, html, verdict: verdict.to_string() })))
}

/// The largest review that is read, in bytes.
const REVIEW_LIMIT: u64 = 64 << 20;

/// An earlier review: by the name of its file in the state directory, by `last`, or by a path.
fn earlier(name: &str, vm: &str, environment: &Environment) -> Result<Review, Error> {
    let folder = environment.path("reviews");
    let path = match name {
        "last" => {
            let mut all: Vec<PathBuf> = fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| stem(path).is_some_and(|stem| is_of(&stem, vm)))
                .collect();
            all.sort();
            all.pop().ok_or_else(|| Error::Argument(format!("there is no earlier review of vm {vm}")))?
        }
        name if name.contains('/') => PathBuf::from(name),
        name => folder.join(format!("{}.json", name.trim_end_matches(".json"))),
    };
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(REVIEW_LIMIT).read_to_end(&mut bytes));
    read.map_err(|source| Error::File { path: path.clone(), source })?;
    let review: Review = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Argument(format!("`{}` is no review: {error}", path.display())))?;
    if review.vm == vm {
        Ok(review)
    } else {
        Err(Error::Argument(format!("`{}` is a review of another vm", path.display())))
    }
}

/// The name of a review, of the file that holds it.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".json")?;
    (!name.ends_with(".oscal")).then(|| name.to_owned())
}

/// Whether a file `VM-TIME` is of this VM and not of one whose name begins alike.
fn is_of(stem: &str, vm: &str) -> bool {
    let time = stem.strip_prefix(vm).and_then(|rest| rest.strip_prefix('-'));
    time.is_some_and(|time| {
        time.len() >= 17
            && time.starts_with(|digit: char| digit.is_ascii_digit())
            && time.as_bytes().get(10) == Some(&b'T')
    })
}

/// Writes the review as JSON, as a page, and where it was sorted by frameworks for assessors' tools; and the manifest of these
/// files, signed where a key is given. Gives the page's path.
fn keep(review: &Review, key: Option<&Path>, environment: &Environment) -> Result<PathBuf, Error> {
    let folder = environment.path("reviews");
    let of = review.host.as_ref().map_or(review.vm.as_str(), |_| HOST_REVIEWS);
    let stem = folder.join(format!("{of}-{}", review.began.replace(':', "")));
    // What follows a dot in a VM's name is no ending.
    let ending = |ending: &str| PathBuf::from(format!("{}.{ending}", stem.display()));
    let page = ending("html");
    let json = serde_json::to_vec_pretty(review).map_err(|error| Error::Argument(error.to_string()))?;
    let mut files =
        vec![(ending("json"), json), (page.clone(), vmwright_review::reports::html(review).into_bytes())];
    if let Some(results) = oscal::results(review) {
        files.push((ending("oscal.json"), format!("{results:#}\n").into_bytes()));
    }
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(&folder)?;
        files.iter().try_for_each(|(path, bytes)| fs::write(path, bytes))
    };
    write().map_err(|source| Error::File { path: page.clone(), source })?;
    let paths: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
    seal::seal(&ending(seal::ENDING), &paths, key)?;
    Ok(page)
}

fn remember(
    review: &Review,
    verdict: Verdict,
    page: &Path,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let host = vmwright_host::identity(&environment.state);
    let lines = review.gates.iter().map(|gate| {
        let causes: Vec<&str> = gate.leads.iter().map(|cause| cause.rule.as_str()).collect();
        let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
        match gate.outcome.why() {
            "" => format!("- {}: {}", gate.name, gate.outcome.word()),
            why => format!("- {}: {}: {why}{causes}", gate.name, gate.outcome.word()),
        }
    });
    let under = match review.accelerator.as_str() {
        "" => String::new(),
        word => format!(" under {word}"),
    };
    let title = format!("review of {}{under}: {verdict}", subject(review));
    let mut entry = memory::entry("review", title, lines.collect::<Vec<_>>().join("\n"), &host.id);
    entry.evidence = vec![page.display().to_string()];
    entry.evidence.extend(memory::under(&host, environment));
    // The review is its own proof of what it saw.
    entry.state = EntryState::Verified;
    let written = memory::append(entry, environment);
    if let Err(error) = written {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}
