//! Labs: throw-away hypervisor hosts, as operations.

use crate::asks::{self, Ask, Shown};
use crate::machines::accelerator;
use crate::{Environment, Error, Outcome, Progress, rehearse};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use vmwright_backend::{Answer, Watch as _};
use vmwright_formats::machine_spec::parse_size;
use vmwright_host::kvm::{self, KvmVerdict};
use vmwright_lab::likeness::Likeness;
use vmwright_lab::{Condition, Hardware, Labs, Part};
use vmwright_model::machine::Accelerator;

/// Least memory of a lab, in MiB: with less its second boot stands still for want of it.
const MEMORY_MIN: u64 = 1024;

/// Something to do with labs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "lab")]
pub enum LabAsk {
    /// Bring one up.
    Up(LabUp),
    /// Those that are there.
    List,
    /// Run a program in it.
    Exec {
        /// Its name.
        name: String,
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Whether it reads what vmwright's standard input holds.
        stdin: bool,
        /// Seconds to wait for its end.
        limit: u64,
    },
    /// Copy a file into it.
    CopyIn {
        /// Its name.
        name: String,
        /// Path here.
        from: PathBuf,
        /// Path in the lab.
        to: String,
    },
    /// Copy a file out of it.
    CopyOut {
        /// Its name.
        name: String,
        /// Path in the lab.
        from: String,
        /// Path here.
        to: PathBuf,
    },
    /// Keep disks and memory as they are now.
    Snapshot {
        /// Its name.
        name: String,
        /// Name of the snapshot.
        snapshot: String,
    },
    /// Go back to a snapshot.
    Restore {
        /// Its name.
        name: String,
        /// Name of the snapshot.
        snapshot: String,
    },
    /// Wait until it answers, as after a restart.
    Wait {
        /// Its name.
        name: String,
    },
    /// Take it back to its beginning.
    Reset {
        /// Its name.
        name: String,
    },
    /// Take it down.
    Down {
        /// Its name.
        name: String,
    },
    /// Remove images and kept first boots.
    Prune,
}

/// A lab to bring up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabUp {
    /// Its name.
    pub name: String,
    /// Parts that it lacks: `iommu`, `interrupt-remapping`, `svm`, `numa`, `sriov`, `nvme`.
    pub without: Vec<String>,
    /// Machine type.
    pub machine: String,
    /// Memory: `2800MiB`.
    pub memory: String,
    /// `kvm` or `tcg`; what this host can where absent.
    pub accelerator: Option<String>,
    /// Where Debian's packages come from, where the image has to be made.
    pub mirror: Option<String>,
    /// How many nodes that share a network, named NAME-1, NAME-2 and so on; one lab of this name where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// A capture of the host that it is to be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<PathBuf>,
}

/// A lab in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabSummary {
    /// Its name.
    pub name: String,
    /// `running`, `gone`, ...
    pub state: String,
    /// Process id of its VMM while it runs.
    pub pid: Option<u32>,
    /// `kvm` or `tcg`.
    pub accelerator: Option<String>,
    /// Machine type.
    pub machine: Option<String>,
    /// Memory, in MiB.
    pub memory: Option<u64>,
    /// Parts that it lacks.
    pub without: Vec<String>,
    /// What of the host that it was made like could not be copied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_copied: Vec<String>,
}

/// Asks.
pub(crate) fn ask(
    what: &LabAsk,
    environment: &Environment,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, Error> {
    let labs = Labs::of(&environment.state);
    let mut shown = Shown { stop: &environment.stop, progress };
    match what {
        LabAsk::Up(up) if up.like.is_some() => {
            let path = up.like.as_deref().unwrap_or(Path::new(""));
            let snapshot = rehearse::capture(path, environment)?;
            let mut hardware = hardware(up, &mut shown)?;
            let (likeness, mut not_copied) = rehearse::likeness(&snapshot, hardware.memory);
            // Nothing in particular is a lab like every other.
            hardware.like = Some(likeness).filter(|one| *one != Likeness::default());
            let lab = labs.up(&up.name, &hardware, up.mirror.as_deref(), &mut shown).map_err(lab_error)?;
            not_copied.extend(rehearse::dress(&snapshot, &lab, &mut shown).map_err(lab_error)?);
            Ok(Outcome::Labs { labs: vec![LabSummary { not_copied, ..summary(lab.condition()) }] })
        }
        LabAsk::Up(up) => {
            let hardware = hardware(up, &mut shown)?;
            let mirror = up.mirror.as_deref();
            let labs = match up.nodes {
                Some(count) => labs.up_nodes(&up.name, count, &hardware, mirror, &mut shown),
                None => labs.up(&up.name, &hardware, mirror, &mut shown).map(|lab| vec![lab]),
            };
            let labs = labs.map_err(lab_error)?;
            Ok(Outcome::Labs { labs: labs.iter().map(|lab| summary(lab.condition())).collect() })
        }
        LabAsk::List => all(&labs),
        LabAsk::Exec { name, program, arguments, stdin, limit } => {
            let (program, arguments) = (program.clone(), arguments.clone());
            let ask = Ask::Exec { program, arguments, stdin: *stdin, limit: *limit };
            machine(&labs, name, &ask, &mut shown)
        }
        LabAsk::CopyIn { name, from, to } => {
            machine(&labs, name, &Ask::CopyIn { from: from.clone(), to: to.clone() }, &mut shown)
        }
        LabAsk::CopyOut { name, from, to } => {
            machine(&labs, name, &Ask::CopyOut { from: from.clone(), to: to.clone() }, &mut shown)
        }
        LabAsk::Snapshot { name, snapshot } => {
            let lab = labs.open(name).map_err(lab_error)?;
            lab.snapshot(snapshot, &mut shown).map_err(lab_error)?;
            let ask = Ask::Snapshot { name: snapshot.clone() };
            asks::told(lab.machine(), &ask, Answer::Done).map(asks::came)
        }
        LabAsk::Restore { name, snapshot } => {
            let lab = labs.open(name).map_err(lab_error)?;
            lab.restore(snapshot, &mut shown).map_err(lab_error)?;
            let ask = Ask::Restore { name: snapshot.clone() };
            asks::told(lab.machine(), &ask, Answer::Done).map(asks::came)
        }
        LabAsk::Wait { name } => {
            let lab = labs.open(name).map_err(lab_error)?;
            lab.wait(&mut shown).map_err(lab_error)?;
            Ok(Outcome::Labs { labs: vec![summary(lab.condition())] })
        }
        LabAsk::Reset { name } => {
            let lab = labs.open(name).map_err(lab_error)?;
            lab.reset(&mut shown).map_err(lab_error)?;
            Ok(Outcome::Labs { labs: vec![summary(lab.condition())] })
        }
        LabAsk::Down { name } => {
            labs.down(name).map_err(lab_error)?;
            all(&labs)
        }
        LabAsk::Prune => {
            let bytes = labs.prune(&mut shown).map_err(lab_error)?;
            shown.tell(vmwright_backend::Told::Note(format!("{} MiB were freed", bytes >> 20)));
            all(&labs)
        }
    }
}

fn lab_error(error: vmwright_lab::LabError) -> Error {
    Error::Lab(Box::new(error))
}

fn all(labs: &Labs) -> Result<Outcome, Error> {
    let listed = labs.list().map_err(lab_error)?;
    Ok(Outcome::Labs { labs: listed.into_iter().map(summary).collect() })
}

/// What can be asked of a machine, asked of a lab.
fn machine(labs: &Labs, name: &str, ask: &Ask, shown: &mut Shown<'_>) -> Result<Outcome, Error> {
    let lab = labs.open(name).map_err(lab_error)?;
    let answer = lab.ask(asks::request(ask)?, shown).map_err(lab_error)?;
    asks::told(lab.machine(), ask, answer).map(asks::came)
}

fn summary(lab: Condition) -> LabSummary {
    let hardware = lab.hardware;
    LabSummary {
        name: lab.name,
        state: lab.state,
        pid: lab.pid,
        accelerator: hardware.as_ref().map(|one| accelerator(one.accelerator).to_owned()),
        machine: hardware.as_ref().map(|one| one.machine.clone()),
        memory: hardware.as_ref().map(|one| one.memory),
        without: hardware.into_iter().flat_map(|one| one.without).map(|part| part.to_string()).collect(),
        not_copied: Vec::new(),
    }
}

fn hardware(up: &LabUp, shown: &mut Shown<'_>) -> Result<Hardware, Error> {
    let argument = |why: String| Error::Argument(why);
    let parts = up.without.iter().map(|word| word.parse::<Part>());
    let without = parts.collect::<Result<_, _>>().map_err(|error| argument(error.to_string()))?;
    let bytes = parse_size(&up.memory)
        .map_err(|error| argument(format!("`{}` is no size of memory: {error}", up.memory.escape_debug())))?;
    let memory = bytes >> 20;
    if memory < MEMORY_MIN {
        return Err(argument(format!(
            "a lab needs at least {MEMORY_MIN} MiB of memory, and {memory} are too few"
        )));
    }
    if !up.machine.contains("q35") {
        return Err(argument(format!(
            "`{}` is no q35: the lab's devices need PCI Express",
            up.machine.escape_debug()
        )));
    }
    let accelerator = match up.accelerator.as_deref() {
        Some("kvm") => Accelerator::Kvm,
        Some("tcg") => Accelerator::Tcg,
        Some(other) => {
            return Err(argument(format!("`{}` is no accelerator: kvm or tcg", other.escape_debug())));
        }
        None => {
            let (chosen, why) = chosen();
            shown.tell(vmwright_backend::Told::Note(format!("{}: {why}", self::accelerator(chosen))));
            chosen
        }
    };
    Ok(Hardware { accelerator, without, machine: up.machine.clone(), memory, like: None })
}

/// KVM where it runs stock kernels and lets them have KVM of their own; TCG, which has SVM, where it does not.
pub(crate) fn chosen() -> (Accelerator, &'static str) {
    match kvm::probe().verdict() {
        KvmVerdict::Usable if nested() => (Accelerator::Kvm, "KVM runs stock kernels here, and is nested"),
        KvmVerdict::Usable => (
            Accelerator::Tcg,
            "KVM runs stock kernels here, but gives its guests no KVM (kvm's `nested` is off)",
        ),
        KvmVerdict::ParavirtualOnly => {
            (Accelerator::Tcg, "KVM runs no stock kernel here; QEMU's translator has SVM")
        }
        KvmVerdict::Unusable | KvmVerdict::Unknown => {
            (Accelerator::Tcg, "KVM cannot be used here; QEMU's translator has SVM")
        }
    }
}

fn nested() -> bool {
    ["kvm_amd", "kvm_intel"].iter().any(|module| {
        let path = Path::new("/sys/module").join(module).join("parameters/nested");
        std::fs::read_to_string(path).is_ok_and(|text| matches!(text.trim(), "1" | "Y" | "y"))
    })
}
