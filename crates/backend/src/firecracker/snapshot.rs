//! Snapshots: the machine's state and memory, each in a file. Firecracker's images are raw, so that no overlay can keep
//! a disk.

use super::control::change;
use super::start::{Kept, go_on};
use super::{Firecracker, argv};
use crate::disks::Snapshot;
use crate::microvm::{api_of, done};
use crate::whole::Whole;
use crate::{ControlError, Running, StartError, Stored};
use serde_json::json;
use std::path::PathBuf;

/// State and memory of a snapshot.
fn files(machine: &Stored, name: &str) -> Kept {
    Kept { state: Snapshot::file(machine, name, "state"), memory: Snapshot::file(machine, name, "memory") }
}

impl Whole for Firecracker {
    const FORMATS: &'static [&'static str] = &["raw"];

    fn pause(&self, machine: &Stored) -> Result<(), ControlError> {
        change(self, machine, "Paused")
    }

    fn resume(&self, machine: &Stored) -> Result<(), ControlError> {
        change(self, machine, "Resumed")
    }

    fn keep(&self, machine: &Stored, name: &str) -> Result<(), ControlError> {
        let Kept { state, memory } = files(machine, name);
        let body = json!({ "snapshot_type": "Full", "snapshot_path": state, "mem_file_path": memory });
        done(machine, api_of(self, machine)?.put("/snapshot/create", Some(&body)))
    }

    fn kept(machine: &Stored, name: &str) -> Vec<PathBuf> {
        let Kept { state, memory } = files(machine, name);
        vec![state, memory]
    }

    fn check(&self, machine: &Stored) -> Result<(), StartError> {
        argv::config(&argv::whole(machine)).map(drop)
    }

    fn go_on(&self, machine: &Stored, name: &str) -> Result<Running, StartError> {
        go_on(self, machine, &files(machine, name))
    }
}
