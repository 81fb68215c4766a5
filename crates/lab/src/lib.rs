//! The lab: a throw-away hypervisor host in a VM. It has what a fault needs to be real: KVM, an IOMMU with its groups,
//! interrupt remapping, an SR-IOV NIC, two NUMA nodes, huge pages, libvirt, Open vSwitch, LVM; and a boot loader of its
//! own, so that what is repaired for the next boot can be proved by that boot.
//!
//! An [`image`] is made once from Debian's packages. It boots once for each hardware ([`template`]), is made a working
//! host by `recipe/stage.sh`, and its memory goes into a file. Every lab begins in that file: it is there in seconds,
//! and so is it again when it is reset. Its disks are overlays, so labs share what they have in common.
//!
//! A lab is a machine of the QEMU backend in a state directory of its own, with [`Hardware::words`] behind the
//! specification: what can be asked of a machine can be asked of a lab.

mod hardware;
pub mod image;
mod labs;
pub mod likeness;
mod mbr;
mod nodes;
mod nvme;
mod operate;
mod run;
mod template;

pub use hardware::{Hardware, Part, UnknownPart};
pub use labs::{Condition, Lab, Labs};
pub use nodes::Node;
pub use operate::Boot;

use std::io;
use std::path::PathBuf;
use thiserror::Error;
use vmwright_backend::store::StoreError;
use vmwright_backend::{ControlError, StartError};

/// Why there is no lab.
#[derive(Debug, Error)]
pub enum LabError {
    /// No lab of this name.
    #[error("no lab `{0}`; 'vmwright lab list' shows those that are up")]
    NotFound(String),
    /// One of this name is up.
    #[error("lab `{0}` is up already; 'vmwright lab reset {0}' takes it back to its beginning")]
    Exists(String),
    /// What makes the image is not installed.
    #[error("no `{program}` in PATH, which {purpose}; install it: `apt install {package}`")]
    NoProgram {
        /// The program.
        program: &'static str,
        /// What it is needed for.
        purpose: &'static str,
        /// Debian's package with it.
        package: &'static str,
    },
    /// A program that makes the image failed.
    #[error("cannot {doing}: `{program}` ended with {status}{}", last_words(.said))]
    Program {
        /// What was being done.
        doing: &'static str,
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// A file cannot be made, read or removed.
    #[error("cannot {doing} `{}`", .path.display())]
    File {
        /// What failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An image cannot be made.
    #[error("{0}")]
    Image(String),
    /// The user stopped it.
    #[error("it was stopped before the lab was up; what was made so far is thrown away")]
    Stopped,
    /// The lab's system does not come up, or says that it failed.
    #[error("the lab's system did not become a working host: {why}{}", last_words(.said))]
    Unstaged {
        /// What went wrong.
        why: String,
        /// The last lines that it said.
        said: String,
    },
    /// The machine of the lab cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its VMM did not start.
    #[error("the lab did not start")]
    Start(#[source] Box<StartError>),
    /// Its VMM cannot be asked.
    #[error("the lab cannot be asked")]
    Control(#[source] Box<ControlError>),
}

impl From<StartError> for LabError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

impl From<ControlError> for LabError {
    fn from(error: ControlError) -> Self {
        Self::Control(Box::new(error))
    }
}

impl LabError {
    fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

fn last_words(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", and said:\n{text}") }
}
