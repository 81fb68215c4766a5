//! REVIEW of a plan before it is approved: it is carried out in a lab that was made like the host, restarts and all, and
//! what came of it is judged.
//!
//! The plan that the lab carries out is bound to the lab, and signed there with a key that is made in it: neither is good for any
//! other host, so that a rehearsal approves nothing.

mod hands;
mod host;
mod like;
mod play;
pub(crate) mod policy;
pub mod report;
mod stage;
mod stand_in;

use crate::asks::Shown;
use crate::{Environment, Error, Outcome, PlanMade, Progress, memory, plans};
use hands::Hands;
use host::Host;
use jiff::Timestamp;
use report::{REHEARSAL_SCHEMA, Rehearsal, Verdict};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use vmwright_host::{Limits, Root, Subject};
use vmwright_lab::likeness::Likeness;
use vmwright_lab::{Hardware, Lab, LabError, Labs};
use vmwright_model::{Action, EntryState, Mode, Need, Plan, Probe, Snapshot};

/// The largest report that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// A plan to rehearse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearse {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    pub plan: String,
    /// A capture of the host that the lab is made like; the running host where absent.
    pub like: Option<PathBuf>,
    /// The lab stays up.
    pub keep: bool,
    /// Where Debian's packages come from, where the lab's image has to be made.
    pub mirror: Option<String>,
}

/// Rehearses a plan.
pub(crate) fn rehearse(
    what: &Rehearse,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let made = plans::load(&what.plan, environment)?;
    let problems = vmwright_plan::lint(&made.plan);
    if !problems.is_empty() {
        return Err(Error::Lint(problems.iter().map(ToString::to_string).collect()));
    }
    let challenge = format!("rehearsal of plan {}: {}", short(&made.id), made.plan.title);
    progress(Progress::Banner(Mode::Review.banner(&challenge)));
    let snapshot = read(&made.plan, what, environment)?;
    let labs = Labs::of(&environment.state);
    let mut shown = Shown { stop: &environment.stop, progress };
    let host = Host::of(&snapshot);
    let (hardware, not_copied) = hardware(&host, what.like.is_some());
    let name = format!("rehearsal-{}-{}", &made.id[..8], std::process::id());
    let lab = labs.up(&name, &hardware, what.mirror.as_deref(), &mut shown).map_err(lab_error)?;
    let mut rehearsal = Rehearsal {
        schema: REHEARSAL_SCHEMA.to_owned(),
        plan: made.id.clone(),
        title: made.plan.title.clone(),
        at: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        lab: format!(
            "{} with {} MiB, {}",
            hardware.machine,
            hardware.memory,
            crate::machines::accelerator(hardware.accelerator)
        ),
        like: what.like.as_ref().map(|path| path.display().to_string()),
        stood_in: Vec::new(),
        not_copied,
        steps: Vec::new(),
        boots: Vec::new(),
        reached: Vec::new(),
        run: None,
        stopped: None,
        came_back: None,
        failed_units: Vec::new(),
        verdict: Verdict::Unknown,
        why: Vec::new(),
    };
    let played = play::play(&made.plan, &host, what.like.is_some(), &lab, &mut rehearsal, &mut shown);
    if what.keep {
        (shown.progress)(Progress::Note(format!("the lab stays up: vmwright lab exec {name} -- ...")));
    } else if let Err(error) = labs.down(&name) {
        (shown.progress)(Progress::Note(format!("the lab is not down: {}", crate::error::chain(&error))));
    }
    played.map_err(lab_error)?;
    rehearsal.judge();
    keep(&rehearsal, environment)?;
    remember(&rehearsal, &made, environment, progress);
    Ok(Outcome::Rehearsed(Box::new(rehearsal)))
}

/// What the lab is made of; and what of the host it has not, where it shall be like that.
fn hardware(host: &Host<'_>, like: bool) -> (Hardware, Vec<String>) {
    let mut hardware = Hardware { accelerator: crate::lab::chosen().0, ..Hardware::default() };
    let mut not = Vec::new();
    if like {
        let (likeness, left) = like::hardware(host, hardware.memory);
        // Nothing in particular is a lab like every other.
        (hardware.like, not) = (Some(likeness).filter(|one| *one != Likeness::default()), left);
    }
    (hardware, not)
}

/// Reads the capture of a host that a lab is to be like, for its hardware.
///
/// # Errors
/// [`Error::Collect`].
pub(crate) fn capture(path: &std::path::Path, environment: &Environment) -> Result<Snapshot, Error> {
    let root = Root::at(path).map_err(Error::Collect)?;
    let subject = Subject { vm: None, state: environment.state.clone() };
    crate::analysis::read_with(NEEDS, &root, &subject, environment)
}

/// The hardware of a lab with so much memory that is like a host; and what of the host it has not.
pub(crate) fn likeness(snapshot: &Snapshot, memory: u64) -> (Likeness, Vec<String>) {
    like::hardware(&Host::of(snapshot), memory)
}

/// Makes a lab like a host that was read, and restarts it so that it stands as after a boot. Gives what of the host could not be
/// copied.
///
/// # Errors
/// [`LabError`]; the lab stays as it is then.
pub(crate) fn dress(snapshot: &Snapshot, lab: &Lab, shown: &mut Shown<'_>) -> Result<Vec<String>, LabError> {
    let host = Host::of(snapshot);
    let mut hands = Hands::on(lab, shown);
    hands.network(&host)?;
    hands.dress(&host)?;
    hands.reboot()?;
    Ok(hands.not_copied)
}

fn lab_error(error: vmwright_lab::LabError) -> Error {
    Error::Lab(Box::new(error))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// What is read of a host, besides the files that the plan names.
const NEEDS: &[Need] = &[
    Need::File("/proc/sys/kernel/osrelease"),
    Need::File("/etc/default/grub"),
    Need::Glob("/etc/default/grub.d/*.cfg"),
    Need::Command(&["ip", "route", "show", "table", "all"]),
    Need::Probe(Probe::Links),
    Need::Probe(Probe::Libvirt),
];

/// Reads the host that the plan is for.
fn read(plan: &Plan, what: &Rehearse, environment: &Environment) -> Result<Snapshot, Error> {
    let root = match &what.like {
        Some(path) => return capture(path, environment),
        None => {
            let this = vmwright_host::host_id(&environment.state).map_err(Error::Identity)?.id;
            if this != plan.host_id {
                return Err(Error::OtherHost { plan: plan.host_id.clone(), this });
            }
            Root::Live
        }
    };
    let mut needs = NEEDS.to_vec();
    // A process serves one operation: what is named here lives as long as that.
    let paths = plan.steps.iter().filter_map(|step| path(&step.action));
    needs.extend(paths.map(|path| Need::File(String::leak(path.to_owned()))));
    needs.sort_unstable();
    needs.dedup();
    let subject = Subject { vm: None, state: environment.state.clone() };
    vmwright_host::collect(&root, &needs, &subject, &Limits::default()).map_err(Error::Collect)
}

/// The file whose text an action expects.
fn path(action: &Action) -> Option<&str> {
    match action {
        Action::EditSetting { path, .. }
        | Action::EditSpec { path, .. }
        | Action::FileWrite { path, .. }
        | Action::FileRemove { path, .. }
        | Action::FileMode { path, .. }
        | Action::FileOwner { path, .. } => Some(path),
        _ => None,
    }
}

/// Keeps a report: `STATE/rehearsals/<plan id>.json`. The last one of a plan counts.
fn keep(rehearsal: &Rehearsal, environment: &Environment) -> Result<(), Error> {
    let folder = environment.path("rehearsals");
    let path = folder.join(format!("{}.json", rehearsal.plan));
    let write = || -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let new = folder.join(format!(".{}.{}", rehearsal.plan, std::process::id()));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        let text = serde_json::to_vec_pretty(rehearsal).map_err(std::io::Error::other)?;
        file.write_all(&text).and_then(|()| file.sync_all())?;
        fs::rename(&new, &path)
    };
    write().map_err(|source| Error::File { path: path.clone(), source })
}

/// The last rehearsal of a plan; none where there was none.
///
/// # Errors
/// [`Error`] where there is a report that cannot be relied on: it is of no use then.
pub(crate) fn of(plan: &str, environment: &Environment) -> Result<Option<Rehearsal>, Error> {
    let path = environment.path("rehearsals").join(format!("{plan}.json"));
    let fail = |source| Error::File { path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(fail)?,
    };
    vmwright_apply::trust::check(&path).map_err(Error::Untrusted)?;
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(fail)?;
    let read: Rehearsal =
        serde_json::from_slice(&bytes).map_err(|error| fail(std::io::Error::other(error)))?;
    Ok(Some(read).filter(|read| read.plan == plan && read.schema == REHEARSAL_SCHEMA))
}

fn remember(
    rehearsal: &Rehearsal,
    made: &PlanMade,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) {
    let host = vmwright_host::identity(&environment.state).id;
    let title = format!("rehearsal of plan {}: {}: {}", short(&made.id), rehearsal.verdict, made.plan.title);
    let mut entry = memory::entry("rehearse", title, rehearsal.why.join("\n"), &host);
    entry.evidence = vec![format!("plan {}", made.id)];
    entry.state = EntryState::Pending;
    if let Err(error) = memory::append(entry, environment) {
        progress(Progress::Note(format!("not in the journal: {}", crate::error::chain(&error))));
    }
}
