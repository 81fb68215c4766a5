//! Snapshots: a directory with the configuration, the state and the memory, as Cloud Hypervisor writes it.

use super::control::ask;
use super::start::{go_on, go_on_beside};
use super::{CloudHypervisor, argv};
use crate::disks::Snapshot;
use crate::whole::{self, Copies, Whole};
use crate::{ControlError, Running, StartError, Stored};
use serde_json::json;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

fn directory(machine: &Stored, name: &str) -> PathBuf {
    Snapshot::file(machine, name, "vmm")
}

impl Whole for CloudHypervisor {
    const FORMATS: &'static [&'static str] = &["raw", "qcow2"];

    fn pause(&self, machine: &Stored) -> Result<(), ControlError> {
        ask(self, machine, "vm.pause", None).map(drop)
    }

    fn resume(&self, machine: &Stored) -> Result<(), ControlError> {
        ask(self, machine, "vm.resume", None).map(drop)
    }

    fn keep(&self, machine: &Stored, name: &str) -> Result<(), ControlError> {
        let path = directory(machine, name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|source| ControlError::File {
            doing: "make",
            path: path.clone(),
            source,
        })?;
        let body = json!({ "destination_url": format!("file://{}", path.display()) });
        ask(self, machine, "vm.snapshot", Some(&body)).map(drop)
    }

    fn kept(machine: &Stored, name: &str) -> Vec<PathBuf> {
        vec![directory(machine, name)]
    }

    fn check(&self, machine: &Stored) -> Result<(), StartError> {
        argv::words(machine).map(drop)
    }

    fn go_on(&self, machine: &Stored, name: &str) -> Result<Running, StartError> {
        go_on(self, machine, &directory(machine, name))
    }
}

impl Copies for CloudHypervisor {
    fn keep_for_copies(&self, machine: &Stored, kept: &Stored) -> Result<u64, ControlError> {
        whole::keep_for_copies(self, machine, kept)
    }

    fn go_on_beside(&self, copy: &Stored, of: &Stored, kept: &Stored) -> Result<Running, StartError> {
        whole::own_disks(copy, of, kept)?;
        let [from] = whole::kept_for_copies::<Self>(kept).try_into().unwrap_or_default();
        go_on_beside(self, copy, of, &from)
    }
}
