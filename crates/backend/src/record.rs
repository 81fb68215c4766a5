//! `process.json`: the VMM's process of the last start, written before the VMM's first instruction.

use crate::process::{Identity, booted};
use crate::store::{PROCESS, read_regular, write_atomically, write_for_now};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use thiserror::Error;
use vmwright_model::machine::Accelerator;

/// Version of [`ProcessRecord`] as JSON.
pub(crate) const SCHEMA: &str = "vmwright.process/1";

/// Largest record, in bytes.
const MAX: u64 = 64 * 1024;

/// A running machine: its VMM's process and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The VMM's process.
    #[serde(flatten)]
    pub process: Identity,
    /// What executes guest code, as the VMM itself says once it runs.
    pub accelerator: Accelerator,
    /// User that the VMM runs as, where it is not vmwright's own.
    pub user: Option<String>,
    /// Why the VMM that root started runs as root, though the specification does not ask for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays_root: Option<String>,
    /// Socket of the VMM's monitor (QMP), where it has one.
    pub qmp: Option<PathBuf>,
    /// Socket to the guest agent, where the machine has one.
    pub agent: Option<PathBuf>,
    /// Port of the guest's vsock at which its agent listens, where the socket leads to all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_port: Option<u32>,
    /// Taps that the VMM holds; they vanish with it.
    pub taps: Vec<String>,
    /// When the VMM was started, in milliseconds since 1970-01-01 UTC.
    pub started_ms: u64,
}

/// How far the last start or stop got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The process exists; whether the guest runs is not known yet.
    Starting,
    /// The guest ran when this was written.
    Running,
    /// The start failed, and nothing is left of it.
    Failed,
    /// vmwright stopped it, and nothing is left of it.
    Stopped,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// `vmwright.process/1`.
    pub schema: String,
    /// Name of the backend that wrote it.
    pub backend: String,
    /// How far it got.
    pub phase: Phase,
    /// Why it failed; empty otherwise.
    #[serde(default)]
    pub why: String,
    /// Where its guest went: a migration ended well, and what is left of the VMM here is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<String>,
    /// Private directory of the sockets, to be removed with the process.
    #[serde(default)]
    pub sockets: Option<PathBuf>,
    /// Control group of the VMM, to be removed with the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// The process; none where the start failed before there was one.
    #[serde(flatten, with = "optional")]
    pub running: Option<Running>,
}

/// Why a record could not be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what vmwright writes.
    #[error("`{}` is damaged ({why}); once no VMM of this machine runs, remove it", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write `{}`", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whether its process lives cannot be told.
    #[error("cannot tell whether the process in `{}` lives", .path.display())]
    Process {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ProcessRecord {
    /// A record of `backend`.
    pub(crate) fn new(backend: &str, phase: Phase) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            backend: backend.to_owned(),
            phase,
            why: String::new(),
            moved: None,
            sockets: None,
            cgroup: None,
            running: None,
        }
    }

    /// Reads one; none where the file does not exist. Nothing runs either where it is empty since before this boot: so a
    /// power cut may leave one that was written for now.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let bytes = match read_regular(path, MAX) {
            Ok(bytes) if bytes.is_empty() && is_of_an_earlier_boot(path) => return Ok(None),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path: path.to_owned(), source }),
        };
        let damaged = |why: String| RecordError::Damaged { path: path.to_owned(), why };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if record.schema != SCHEMA {
            return Err(damaged("it has another schema".to_owned()));
        }
        if record.running.is_none() && matches!(record.phase, Phase::Starting | Phase::Running) {
            return Err(damaged("it names no process".to_owned()));
        }
        Ok(Some(record))
    }

    /// Writes it, durably and in one go.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), RecordError> {
        self.write_by(directory, write_atomically)
    }

    /// Writes it in one go, for as long as the host is up: its process lives no longer.
    pub(crate) fn write_for_now(&self, directory: &Path) -> Result<(), RecordError> {
        self.write_by(directory, write_for_now)
    }

    fn write_by(
        &self,
        directory: &Path,
        write: fn(&Path, &str, &[u8]) -> io::Result<()>,
    ) -> Result<(), RecordError> {
        let fail = |source| RecordError::Write { path: directory.join(PROCESS), source };
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| fail(error.into()))?;
        bytes.push(b'\n');
        write(directory, PROCESS, &bytes).map_err(fail)
    }

    /// The process that should be there.
    pub(crate) fn expected(&self) -> Option<&Running> {
        self.running.as_ref().filter(|_| matches!(self.phase, Phase::Starting | Phase::Running))
    }

    /// Whether the process that should be there is. `path` is only for the error.
    pub(crate) fn alive(&self, path: &Path) -> Result<bool, RecordError> {
        let Some(running) = self.expected() else { return Ok(false) };
        running.process.alive().map_err(|source| RecordError::Process { path: path.to_owned(), source })
    }

    /// The pid on record, 0 where there is none.
    pub(crate) fn pid(&self) -> i32 {
        self.running.as_ref().map_or(0, |running| running.process.pid)
    }
}

/// `Option<Running>` flattened. Serde's own way takes a damaged value for an absent one, and a VMM that lives
/// would be forgotten.
mod optional {
    use super::Running;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(
        running: &Option<Running>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match running {
            Some(running) => running.serialize(serializer),
            None => Map::new().serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Running>, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        if !fields.contains_key("pid") {
            return Ok(None);
        }
        serde_json::from_value(Value::Object(fields)).map(Some).map_err(D::Error::custom)
    }
}

/// Whether a file was last changed before the host was started.
fn is_of_an_earlier_boot(path: &Path) -> bool {
    let changed = path.symlink_metadata().and_then(|metadata| metadata.modified());
    let booted = booted().map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    matches!((changed, booted), (Ok(changed), Ok(booted)) if changed < booted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ProcessRecord {
        let process = Identity { pid: 7, start_time: 9, boot_id: "b".into() };
        let running = Running {
            process,
            accelerator: Accelerator::Tcg,
            user: None,
            stays_root: None,
            qmp: Some("/run/q".into()),
            agent: None,
            agent_port: None,
            taps: vec!["vmtap0".into()],
            started_ms: 1,
        };
        ProcessRecord {
            sockets: Some("/run".into()),
            running: Some(running),
            ..ProcessRecord::new("qemu", Phase::Running)
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join(PROCESS);
        assert_eq!(ProcessRecord::read(&path).expect("absent"), None);
        for record in [record(), ProcessRecord::new("fake", Phase::Failed)] {
            record.write(place.path()).expect("writable");
            assert_eq!(ProcessRecord::read(&path).expect("readable"), Some(record));
        }
        record().write(place.path()).expect("writable");
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
        assert_eq!(
            (&json["pid"], &json["start_time"], &json["boot_id"]),
            (&7.into(), &9.into(), &"b".into())
        );
        assert_eq!((&json["accelerator"], &json["qmp"]), (&"tcg".into(), &"/run/q".into()));
        assert_eq!(std::fs::read_dir(place.path()).expect("there").count(), 1, "no temporary file stays");
    }

    #[test]
    fn damage_is_never_taken_for_absence() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join(PROCESS);
        record().write(place.path()).expect("writable");
        let whole = std::fs::read_to_string(&path).expect("there");
        let damaged = [
            String::new(),
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"pid\": 7", "\"pid\": \"7\""),
            whole.replace("\"pid\": 7,", ""),
            whole.replace("process/1", "process/9"),
            whole.replace("\"start_time\": 9,", ""),
        ];
        for text in damaged {
            std::fs::write(&path, &text).expect("writable");
            let told = ProcessRecord::read(&path).expect_err(&text);
            assert!(matches!(told, RecordError::Damaged { .. }), "{told}");
        }
    }

    #[test]
    fn what_a_power_cut_emptied_is_no_machine_that_runs() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join(PROCESS);
        let file = std::fs::File::create(&path).expect("writable");
        assert!(matches!(ProcessRecord::read(&path), Err(RecordError::Damaged { .. })), "of this boot");
        file.set_modified(std::time::UNIX_EPOCH).expect("its own file");
        assert_eq!(ProcessRecord::read(&path).expect("of an earlier boot"), None);
    }
}
