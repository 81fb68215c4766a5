//! A disk of a VM changed: larger, flat, upon another base, or so that it gives room back. A VM that runs is stopped for
//! what cannot be done while it has the image open, and started again.

use super::create::Lies;
use super::ground::Draft;
use super::{Guest, IntentError, Wanted, made};
use vmwright_model::machine::{Disk, DiskFormat};
use vmwright_model::plan::{Base, ImageFormat, QmpValue, RbdSnapshot};
use vmwright_model::{Action, Disruption, Plan};

/// What is wanted of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageWish {
    /// The guest sees so many bytes of it.
    Grow(u64),
    /// It builds upon nothing any more.
    Flatten,
    /// It builds upon this image, and the guest sees the same.
    Rebase(String),
    /// What the guest deletes is free on the host.
    Trim,
    /// It moves so much in a second at most, at once and from the next start; 0 for any number.
    Limit {
        /// Bytes; as they are where absent.
        bytes: Option<u64>,
        /// Requests; as they are where absent.
        requests: Option<u64>,
    },
    /// Its image in a Ceph pool is kept as it is now, under this name, and protected from removal.
    Snapshot(String),
}

/// A disk as it was found.
#[derive(Debug, Clone)]
pub struct Found<'d> {
    /// The VM.
    pub guest: Guest<'d>,
    /// Number of the disk in its specification, counted from 1.
    pub number: usize,
    /// What lies at its path.
    pub lies: &'d Lies,
    /// What it builds upon, and its format, as its header says.
    pub base: Option<(&'d str, &'d str)>,
    /// What lies at the new base's path, for [`StorageWish::Rebase`].
    pub new: Option<&'d Lies>,
    /// Whether the VM runs.
    pub running: bool,
    /// Whether its QEMU's monitor is vmwright's own, so that it can be told at once.
    pub monitored: bool,
}

/// The plan.
///
/// # Errors
/// [`IntentError`]: there is no such disk, it cannot be changed so, or it is as wanted.
pub fn storage(host_id: &str, found: &Found<'_>, wish: &StorageWish) -> Result<Plan, IntentError> {
    let mut draft = Draft::new(&found.guest)?;
    let (vm, number) = (found.guest.name, found.number);
    let at = number.saturating_sub(1);
    let count = draft.spec.disks.len();
    let Some(disk) = draft.spec.disks.get(at).filter(|_| number > 0).cloned() else {
        return Err(IntentError::Cannot(format!("{vm} has no disk {number}: it has {count}")));
    };
    let mut steps: Vec<Wanted> = Vec::new();
    let title = match wish {
        StorageWish::Trim => {
            if disk.discard.is_none_or(|discard| discard == vmwright_model::machine::Discard::Ignore) {
                draft.set(
                    &format!("disk.{at}.discard"),
                    "\"unmap\"",
                    "what the guest deletes is free on the host",
                )?;
            }
            if disk.detect_zeroes.is_none() {
                draft.set(
                    &format!("disk.{at}.detect_zeroes"),
                    "\"unmap\"",
                    "zeros that the guest writes take no room",
                )?;
            }
            format!("let disk {number} of vm {vm} give room back")
        }
        StorageWish::Limit { bytes, requests } => {
            for (key, value, to) in [
                ("bytes", QmpValue::DiskBytes { disk: index(at)? }, bytes),
                ("iops", QmpValue::DiskRequests { disk: index(at)? }, requests),
            ] {
                steps.extend(limit(found, &disk, &mut draft, (key, value, *to))?);
            }
            format!("limit what disk {number} of vm {vm} moves in a second")
        }
        StorageWish::Snapshot(name) => {
            steps.push(snapshot(found, &disk, name)?);
            format!("keep disk {number} of vm {vm} as {name}")
        }
        StorageWish::Grow(to) => {
            steps.push(grow(found, &disk, *to)?);
            format!("give disk {number} of vm {vm} {to} bytes")
        }
        StorageWish::Flatten | StorageWish::Rebase(_) => {
            let to = match wish {
                StorageWish::Rebase(path) => Some(new_base(found, path)?),
                _ => None,
            };
            steps.push(rebase(found, &disk, to.clone())?);
            // What the specification says of the base has to stay true.
            let said = disk.backing.is_some() || disk.backing_format.is_some();
            match (&to, said) {
                (Some(base), true) => {
                    let why = format!("disk {number} builds upon {}", base.path);
                    draft.set(&format!("disk.{at}.backing"), &format!("{:?}", base.path), &why)?;
                    let format = format!("\"{}\"", base.format_name());
                    draft.set(&format!("disk.{at}.backing_format"), &format, &why)?;
                }
                (None, true) => {
                    let why = format!("disk {number} builds upon nothing");
                    draft.unset(&format!("disk.{at}.backing"), &why)?;
                    draft.unset(&format!("disk.{at}.backing_format"), &why)?;
                }
                (_, false) => {}
            }
            match &to {
                Some(base) => format!("let disk {number} of vm {vm} build upon {}", base.path),
                None => format!("let disk {number} of vm {vm} build upon nothing"),
            }
        }
    };
    steps.extend(draft.finish()?);
    if steps.is_empty() {
        return Err(IntentError::Nothing(format!("disk {number} of {vm} is so already")));
    }
    let told = steps.iter().any(|(action, _)| matches!(action, Action::Qmp { .. }));
    let online = |action: &Action| {
        matches!(action, Action::EditSpec { .. } | Action::Qmp { .. } | Action::RbdSnapshot { .. })
    };
    let offline = steps.iter().any(|(action, _)| !online(action));
    let mut all: Vec<(Action, String, Disruption)> = Vec::new();
    if offline && found.running {
        let stop = Action::MachineStop { machine: vm.to_owned() };
        all.push((stop, format!("it has disk {number} open"), Disruption::GuestRestart));
    }
    all.extend(steps.into_iter().map(|(action, why)| (action, why, Disruption::None)));
    if offline && found.running {
        let start = Action::MachineStart { machine: vm.to_owned() };
        all.push((start, format!("{vm} ran before"), Disruption::None));
    }
    let mut plan = made(host_id, Some(vm), title, all);
    let edits = plan.steps.iter().any(|step| matches!(step.action, Action::EditSpec { .. }));
    if !offline && !told && edits && found.running {
        plan.left.push(format!("{vm} has it from its next start"));
    }
    if let (StorageWish::Snapshot(_), true) = (wish, found.running) {
        plan.left.push(
            "the guest runs on: what it has not written back yet is missing, as after a loss of power"
                .to_owned(),
        );
    }
    if let StorageWish::Grow(_) = wish {
        plan.left.push("the guest grows its own partition and file system".to_owned());
    }
    Ok(plan)
}

fn index(at: usize) -> Result<u32, IntentError> {
    u32::try_from(at).map_err(|_| IntentError::Cannot(format!("there is no disk {at}")))
}

/// The steps that give a disk another limit: in the specification, and in QEMU where it runs.
fn limit(
    found: &Found<'_>,
    disk: &Disk,
    draft: &mut Draft<'_>,
    (key, value, to): (&str, QmpValue, Option<u64>),
) -> Result<Vec<Wanted>, IntentError> {
    let Some(to) = to else { return Ok(Vec::new()) };
    let limits = disk.limits.as_ref();
    let (from, others) = match limits {
        Some(limits) if key == "bytes" => {
            (limits.bytes, [limits.read_bytes, limits.write_bytes, limits.bytes_burst])
        }
        Some(limits) => (limits.iops, [limits.read_iops, limits.write_iops, limits.iops_burst]),
        None => (None, [None; 3]),
    };
    if others.iter().any(Option::is_some) {
        return Err(IntentError::Cannot(format!(
            "disk {} has limits of a single direction or of bursts, which one of both takes away: edit its specification",
            found.number
        )));
    }
    if from.unwrap_or(0) == to {
        return Ok(Vec::new());
    }
    let why = match to {
        0 => format!("disk {} has no limit of {key} any more", found.number),
        to => format!("disk {} takes no more than {to} {key} a second from other VMs", found.number),
    };
    let place = format!("disk.{}.limits.{key}", found.number.saturating_sub(1));
    match to {
        0 => draft.unset(&place, &why)?,
        to => draft.set(&place, &to.to_string(), &why)?,
    }
    if !found.running || !found.monitored {
        return Ok(Vec::new());
    }
    let machine = found.guest.name.to_owned();
    Ok(vec![(Action::Qmp { machine, value, from: from.unwrap_or(0), to }, why)])
}

/// The step that keeps an image in a pool as it is.
fn snapshot(found: &Found<'_>, disk: &Disk, name: &str) -> Result<Wanted, IntentError> {
    let number = found.number;
    let Some(rbd) = &disk.rbd else {
        return Err(IntentError::Cannot(format!(
            "disk {number} is no image in a Ceph pool: `vmwright vm snapshot` keeps it"
        )));
    };
    if rbd.snapshot.is_some() {
        return Err(IntentError::Cannot(format!(
            "disk {number} is a snapshot itself, to which nothing is written"
        )));
    }
    // `rbd` is run as the host has it set up.
    if rbd.config.is_some() || rbd.user.is_some() || !rbd.monitors.is_empty() {
        return Err(IntentError::Cannot(format!(
            "disk {number} is reached with a user, monitors or a configuration of its own, which the host's `rbd` is not told of"
        )));
    }
    let (image, snapshot) = (format!("{}/{}", rbd.pool, rbd.image), name.to_owned());
    let why = format!("what disk {number} holds now can be gone back to, and nobody removes it by mistake");
    let (from, to) = (RbdSnapshot::Absent, RbdSnapshot::Protected);
    Ok((Action::RbdSnapshot { image, snapshot, from, to }, why))
}

fn path_of<'d>(found: &Found<'_>, disk: &'d Disk) -> Result<&'d str, IntentError> {
    let number = found.number;
    disk.path.as_deref().filter(|_| matches!(found.lies, Lies::Image { .. })).ok_or_else(|| {
        IntentError::Cannot(format!("disk {number} is no file of this host: its own tools change it"))
    })
}

fn grow(found: &Found<'_>, disk: &Disk, to: u64) -> Result<Wanted, IntentError> {
    let path = path_of(found, disk)?;
    let format = match disk.format {
        DiskFormat::Raw => ImageFormat::Raw,
        DiskFormat::Qcow2 => ImageFormat::Qcow2,
        _ => return Err(IntentError::Cannot(format!("{path} is neither raw nor qcow2"))),
    };
    if let Some((base, _)) = found.base {
        return Err(IntentError::Cannot(format!("{path} builds upon {base}: flatten it first (--flatten)")));
    }
    let Lies::Image { size: Some(from), .. } = found.lies else {
        return Err(IntentError::Cannot(format!("what a guest sees of {path} could not be told")));
    };
    match to {
        to if to == *from => Err(IntentError::Nothing(format!("{path} has {to} bytes"))),
        to if to < *from => Err(IntentError::Cannot(format!(
            "{path} has {from} bytes: it becomes no smaller, because nobody can tell what the guest has at its end"
        ))),
        to if !to.is_multiple_of(512) => {
            Err(IntentError::Cannot(format!("{to} bytes are no size of a disk: a multiple of 512")))
        }
        to => {
            let action = Action::ImageResize { path: path.to_owned(), format, from: *from, to };
            Ok((action, format!("the guest sees {to} bytes of disk {}", found.number)))
        }
    }
}

fn rebase(found: &Found<'_>, disk: &Disk, to: Option<Base>) -> Result<Wanted, IntentError> {
    let path = path_of(found, disk)?;
    if disk.format != DiskFormat::Qcow2 {
        return Err(IntentError::Cannot(format!("{path} is no qcow2 image, so it builds upon nothing")));
    }
    let from = found.base.map(|(path, format)| base(path, format)).transpose()?;
    if from == to {
        let upon = to.map_or("nothing".to_owned(), |base| base.path);
        return Err(IntentError::Nothing(format!("{path} builds upon {upon}")));
    }
    let why = match &to {
        Some(base) => format!("disk {} builds upon {}, and the guest sees the same", found.number, base.path),
        None => format!("disk {} holds all of itself, and the guest sees the same", found.number),
    };
    Ok((Action::ImageRebase { path: path.to_owned(), from, to }, why))
}

fn new_base(found: &Found<'_>, path: &str) -> Result<Base, IntentError> {
    match found.new {
        Some(Lies::Image { format, .. }) => base(path, format),
        Some(Lies::Nothing) => Err(IntentError::Cannot(format!("{path} does not exist"))),
        _ => Err(IntentError::Cannot(format!("{path} is no file that could be read"))),
    }
}

fn base(path: &str, format: &str) -> Result<Base, IntentError> {
    let known = [
        DiskFormat::Raw,
        DiskFormat::Qcow2,
        DiskFormat::Qed,
        DiskFormat::Vmdk,
        DiskFormat::Vdi,
        DiskFormat::Vhdx,
    ];
    known
        .into_iter()
        .map(|format| Base { path: path.to_owned(), format })
        .find(|base| base.format_name() == format)
        .ok_or_else(|| {
            IntentError::Cannot(format!("{path} is of format {format}, which nothing is built upon here"))
        })
}
