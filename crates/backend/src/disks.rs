//! What can be done to the disks of a machine that nobody runs: snapshots, and clones. The same for every backend.

use crate::image::{self, beside};
use crate::lock::Lock;
use crate::request::Answer;
use crate::store::{self, SPEC, StoreError, read_regular, write_atomically};
use crate::{ControlError, Operation, Stored};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use vmwright_formats::machine_spec::set_value;
use vmwright_model::machine::{Disk, DiskFormat};

/// Name of the directory of snapshots in a machine's directory.
const SNAPSHOTS: &str = "snapshots";
/// Largest record of a snapshot, in bytes.
const RECORD_MAX: u64 = 1 << 20;

/// What a snapshot kept, as `snapshots/NAME.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// `vmwright.snapshot/1`.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) taken_ms: u64,
    /// Whether memory was kept: inside the first disk, or as `snapshots/NAME.memory`.
    pub(crate) memory: bool,
    /// The disks that a guest may write to.
    pub(crate) disks: Vec<Kept>,
}

/// How a disk was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its place in the specification.
    pub(crate) at: usize,
    /// The image that holds the state: with a snapshot inside, or as a whole.
    pub(crate) image: PathBuf,
    /// Its format.
    pub(crate) format: String,
    /// Whether the state is inside it (qcow2), or it is that state and nothing writes to it any more.
    pub(crate) inside: bool,
}

pub(crate) const SCHEMA: &str = "vmwright.snapshot/1";

pub(crate) fn failed(machine: &Stored, operation: Operation, why: impl Into<String>) -> ControlError {
    ControlError::Failed { machine: machine.name.clone(), operation, why: why.into() }
}

/// Holds everybody else off while files are made.
pub(crate) fn lock(machine: &Stored) -> Result<Lock, ControlError> {
    Lock::take(&machine.directory(), &machine.name)?.ok_or_else(|| ControlError::Busy(machine.name.clone()))
}

/// `raw` or `qcow2`; other formats hold no snapshot and carry no overlay.
pub(crate) fn format(disk: &Disk) -> Option<&'static str> {
    match disk.format {
        DiskFormat::Raw => Some("raw"),
        DiskFormat::Qcow2 => Some("qcow2"),
        _ => None,
    }
}

/// The disks that a guest may write to: place, path, format.
pub(crate) fn writable(
    machine: &Stored,
    operation: Operation,
) -> Result<Vec<(usize, PathBuf, &'static str)>, ControlError> {
    let mut found = Vec::new();
    for (at, disk) in machine.spec.disks.iter().enumerate().filter(|(_, disk)| !disk.readonly) {
        let path = disk.path.as_deref().map(PathBuf::from);
        let (Some(path), Some(format)) = (path, format(disk)) else {
            return Err(failed(
                machine,
                operation,
                format!("disk {at} is no raw or qcow2 image under a path"),
            ));
        };
        found.push((at, path, format));
    }
    if found.is_empty() {
        return Err(failed(machine, operation, "it has no disk that it may write to"));
    }
    Ok(found)
}

impl Snapshot {
    pub(crate) fn file(machine: &Stored, name: &str, ending: &str) -> PathBuf {
        machine.file(SNAPSHOTS).join(format!("{name}.{ending}"))
    }

    /// A file beside the snapshots that is none.
    pub(crate) fn place(machine: &Stored, name: &str) -> PathBuf {
        machine.file(SNAPSHOTS).join(name)
    }

    /// Refuses a name that is no name or is taken.
    pub(crate) fn name(machine: &Stored, name: &str) -> Result<(), ControlError> {
        store::check_name(name)?;
        if Self::file(machine, name, "json").symlink_metadata().is_ok() {
            return Err(failed(machine, Operation::Snapshot, format!("a snapshot `{name}` exists already")));
        }
        Ok(store::private_directory(&machine.file(SNAPSHOTS))?)
    }

    pub(crate) fn write(&self, machine: &Stored) -> Result<(), ControlError> {
        let path = Self::file(machine, &self.name, "json");
        let fail = |source| ControlError::File { doing: "write", path: path.clone(), source };
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| fail(error.into()))?;
        write_atomically(&machine.file(SNAPSHOTS), &format!("{}.json", self.name), &bytes).map_err(fail)
    }

    pub(crate) fn read(machine: &Stored, name: &str) -> Result<Self, ControlError> {
        store::check_name(name)?;
        let path = Self::file(machine, name, "json");
        let refuse = |why: String| failed(machine, Operation::Restore, why);
        let bytes = read_regular(&path, RECORD_MAX).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => refuse(format!("it has no snapshot `{name}`{}", others(machine))),
            _ => ControlError::File { doing: "read", path: path.clone(), source },
        })?;
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|error| refuse(format!("`{}` is damaged ({error})", path.display())))?;
        if read.schema != SCHEMA || read.name != name {
            return Err(refuse(format!("`{}` is not of this snapshot", path.display())));
        }
        Ok(read)
    }
}

/// Names of a machine's snapshots, sorted.
pub fn snapshots(machine: &Stored) -> Vec<String> {
    let entries = std::fs::read_dir(machine.file(SNAPSHOTS)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .filter(|name| store::check_name(name).is_ok())
        .collect();
    names.sort();
    names
}

/// Forgets a machine's snapshots, where its disks were replaced and hold nothing any more of what was kept.
///
/// # Errors
/// Where their directory cannot be removed.
pub fn forget_snapshots(machine: &Stored) -> std::io::Result<()> {
    match std::fs::remove_dir_all(machine.file(SNAPSHOTS)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn others(machine: &Stored) -> String {
    let names = snapshots(machine);
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

/// Keeps the disks of a machine that does not run.
pub(crate) fn snapshot(machine: &Stored, name: &str) -> Result<Answer, ControlError> {
    let _lock = lock(machine)?;
    Snapshot::name(machine, name)?;
    let refuse = |why: String| failed(machine, Operation::Snapshot, why);
    let mut kept = Vec::new();
    let mut moves = Vec::new();
    let undo = |kept: &[Kept], moves: &[(usize, PathBuf)]| {
        // The first error is the one to tell.
        for kept in kept.iter().filter(|kept| kept.inside) {
            let _ = image::internal("-d", name, &kept.image);
        }
        for (_, overlay) in moves {
            let _ = std::fs::remove_file(overlay);
        }
    };
    for (at, path, format) in writable(machine, Operation::Snapshot)? {
        let inside = format == "qcow2";
        let overlay = beside(&path, name);
        let done =
            if inside { image::internal("-c", name, &path) } else { image::overlay(&path, format, &overlay) };
        if let Err(why) = done {
            undo(&kept, &moves);
            return Err(refuse(why));
        }
        if !inside {
            moves.push((at, overlay));
        }
        kept.push(Kept { at, image: path, format: format.to_owned(), inside });
    }
    let snapshot = Snapshot {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        taken_ms: crate::supervise::now_ms(),
        memory: false,
        disks: kept,
    };
    let written = snapshot.write(machine).and_then(|()| use_images(machine, Operation::Snapshot, &moves));
    if let Err(error) = written {
        undo(&snapshot.disks, &moves);
        let _ = std::fs::remove_file(Snapshot::file(machine, name, "json"));
        return Err(error);
    }
    Ok(Answer::Done)
}

/// Brings the disks of a machine that does not run back to a snapshot.
pub(crate) fn restore(machine: &Stored, name: &str) -> Result<Answer, ControlError> {
    let _lock = lock(machine)?;
    let snapshot = Snapshot::read(machine, name)?;
    back(machine, &snapshot).map(|()| Answer::Done)
}

/// The same for one who holds the lock: states inside images are applied, and over images that were kept as a whole
/// come new overlays; the overlay that was in use goes once the new one is in the specification.
pub(crate) fn back(machine: &Stored, snapshot: &Snapshot) -> Result<(), ControlError> {
    let refuse = |why: String| failed(machine, Operation::Restore, why);
    for kept in snapshot.disks.iter().filter(|kept| kept.inside) {
        let now = machine.spec.disks.get(kept.at).and_then(|disk| disk.path.as_deref());
        if now.map(Path::new) != Some(&kept.image) {
            // It may be the base of an overlay or a clone by now.
            let image = kept.image.display();
            return Err(refuse(format!(
                "the snapshot lies in `{image}`, and disk {} is another image by now",
                kept.at
            )));
        }
    }
    for kept in snapshot.disks.iter().filter(|kept| kept.inside) {
        image::internal("-a", &snapshot.name, &kept.image).map_err(refuse)?;
    }
    let (mut moves, mut old) = (Vec::new(), Vec::new());
    for kept in snapshot.disks.iter().filter(|kept| !kept.inside) {
        let now = machine.spec.disks.get(kept.at).and_then(|disk| disk.path.clone()).map(PathBuf::from);
        let stem = beside(&kept.image, &snapshot.name);
        let free = (1..1000)
            .map(|number| beside(&kept.image, &format!("{}-{number}", snapshot.name)))
            .chain([stem])
            .find(|path| path.symlink_metadata().is_err());
        let overlay =
            free.ok_or_else(|| refuse(format!("too many images beside `{}`", kept.image.display())))?;
        image::overlay(&kept.image, &kept.format, &overlay).map_err(refuse)?;
        // What another snapshot keeps stays.
        old.extend(now.filter(|now| *now != kept.image && !keeps(machine, now)));
        moves.push((kept.at, overlay));
    }
    use_images(machine, Operation::Restore, &moves)?;
    for path in old {
        // It is out of use; what cannot be removed is only a file too many.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

/// Whether a snapshot of the machine needs this image.
fn keeps(machine: &Stored, image: &Path) -> bool {
    snapshots(machine).iter().any(|name| match Snapshot::read(machine, name) {
        Ok(snapshot) => snapshot.disks.iter().any(|kept| kept.image == image),
        // What cannot be read may need it.
        Err(_) => true,
    })
}

/// Lets the specification name other images for disks.
pub(crate) fn use_images(
    machine: &Stored,
    operation: Operation,
    moves: &[(usize, PathBuf)],
) -> Result<(), ControlError> {
    if moves.is_empty() {
        return Ok(());
    }
    let mut edits = Vec::new();
    for (at, image) in moves {
        let disk = &machine.spec.disks[*at];
        let image = image.to_str().ok_or_else(|| failed(machine, operation, "a path is not UTF-8"))?;
        edits.push((format!("disk.{at}.path"), disk.path.as_deref().map(quoted), Some(quoted(image))));
        let format = format(disk).unwrap_or_default();
        edits.push((format!("disk.{at}.format"), Some(quoted(format)), Some(quoted("qcow2"))));
    }
    let text = edited(machine, operation, &edits)?;
    write_atomically(&machine.directory(), SPEC, text.as_bytes()).map_err(|source| ControlError::File {
        doing: "write",
        path: machine.file(SPEC),
        source,
    })
}

/// A change of a specification: key, what stands there, what shall.
type Edit = (String, Option<String>, Option<String>);

fn edited(machine: &Stored, operation: Operation, edits: &[Edit]) -> Result<String, ControlError> {
    let path = machine.file(SPEC);
    let bytes = read_regular(&path, RECORD_MAX).map_err(|source| ControlError::File {
        doing: "read",
        path: path.clone(),
        source,
    })?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    for (key, now, then) in edits.iter().filter(|(_, now, then)| now != then) {
        text = set_value(&text, key, now.as_deref(), then.as_deref())
            .map_err(|error| failed(machine, operation, format!("its specification: {error}")))?;
    }
    Ok(text)
}

/// A TOML basic string. JSON's escapes are a subset of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Makes a machine whose disks are overlays over this one's, with an identity of its own: name, UUID, MAC addresses
/// and context id. What the disks held becomes a base that nobody writes to any more: this machine goes on in overlays
/// of its own.
pub(crate) fn clone(machine: &Stored, name: &str) -> Result<Answer, ControlError> {
    let refuse = |why: String| failed(machine, Operation::Clone, why);
    let _lock = lock(machine)?;
    store::check_name(name)?;
    if store::directory(&machine.state, name).symlink_metadata().is_ok() {
        return Err(StoreError::Exists(name.to_owned()).into());
    }
    let backend = machine.backend()?;
    let backend = backend.as_deref().unwrap_or("qemu");
    let spec = &machine.spec;
    let mut edits: Vec<Edit> = vec![("name".to_owned(), Some(quoted(&spec.name)), Some(quoted(name)))];
    // Made from the name where it is absent.
    edits.extend(spec.uuid.as_deref().map(|uuid| ("uuid".to_owned(), Some(quoted(uuid)), None)));
    for (at, network) in spec.networks.iter().enumerate() {
        edits
            .extend(network.mac.as_deref().map(|mac| (format!("network.{at}.mac"), Some(quoted(mac)), None)));
    }
    if let Some(cid) = spec.vsock.as_ref().and_then(|vsock| vsock.cid) {
        edits.push(("vsock.cid".to_owned(), Some(cid.to_string()), None));
    }
    let mut made: Vec<PathBuf> = Vec::new();
    let mut moves = Vec::new();
    let result = (|| {
        for (at, disk) in spec.disks.iter().enumerate().filter(|(_, disk)| !disk.readonly) {
            let path =
                disk.path.as_deref().ok_or_else(|| refuse(format!("disk {at} is not under a path")))?;
            let format = format(disk).ok_or_else(|| refuse(format!("disk {at} is neither raw nor qcow2")))?;
            let base = Path::new(path);
            let base = base.canonicalize().map_err(|source| ControlError::File {
                doing: "use",
                path: base.to_owned(),
                source,
            })?;
            let overlay = beside(&base, name);
            image::overlay(&base, format, &overlay).map_err(refuse)?;
            let text =
                overlay.to_str().map(quoted).ok_or_else(|| refuse("a path is not UTF-8".to_owned()))?;
            made.push(overlay);
            let own = beside(&base, &format!("{}-since-{name}", spec.name));
            image::overlay(&base, format, &own).map_err(refuse)?;
            made.push(own.clone());
            moves.push((at, own));
            edits.push((format!("disk.{at}.path"), Some(quoted(path)), Some(text)));
            edits.push((format!("disk.{at}.format"), Some(quoted(format)), Some(quoted("qcow2"))));
        }
        if let Some(variables) = spec.firmware.variables.as_deref() {
            let copy = Path::new(variables).with_extension(format!("{name}.fd"));
            std::fs::copy(variables, &copy).map_err(|source| ControlError::File {
                doing: "copy",
                path: variables.into(),
                source,
            })?;
            let text = copy.to_str().map(quoted).ok_or_else(|| refuse("a path is not UTF-8".to_owned()))?;
            edits.push(("firmware.variables".to_owned(), Some(quoted(variables)), Some(text)));
            made.push(copy);
        }
        let text = edited(machine, Operation::Clone, &edits)?;
        let clone = store::create_from_text(&machine.state, &machine.file(SPEC), &text, backend)?;
        use_images(machine, Operation::Clone, &moves).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = store::delete(&machine.state, name);
        })?;
        Ok(clone)
    })();
    match result {
        Ok(clone) => Ok(Answer::Cloned(Box::new(clone))),
        Err(error) => {
            for path in made {
                // The first error is the one to tell.
                let _ = std::fs::remove_file(path);
            }
            Err(error)
        }
    }
}
