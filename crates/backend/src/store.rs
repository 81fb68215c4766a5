//! The machines of a state directory: made from a specification, opened, listed, deleted.

use crate::lock::Lock;
use crate::record::ProcessRecord;
use crate::state::{Operation, State, allow};
use crate::{Condition, Illegal, RecordError};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vmwright_formats::View;
use vmwright_formats::machine_spec::{MachineSpecView, set_value};
use vmwright_model::machine::Seed;
use vmwright_model::{Issue, MachineSpec};

/// Name of the specification in a machine's directory.
pub const SPEC: &str = "machine.toml";
/// Name of the last start's command line, one argument a line, the program first.
pub const ARGV: &str = "argv";
/// Name of what the VMM said since the last start.
pub const LOG: &str = "qemu.log";
/// Name of what the guest's first serial port said since the last start.
pub const SERIAL: &str = "serial.log";
/// Name of the socket of the guest's vsock, where its VMM makes one and the specification names none.
pub(crate) const VSOCK: &str = "vsock";
/// Name of the disk that is made of the seed at each start.
pub const SEED: &str = "seed.iso";
/// Name of the domain as vmwright last left it to libvirt.
pub const DOMAIN: &str = "domain.xml";
/// Name of the record of the VMM's process.
pub const PROCESS: &str = "process.json";
/// Name of the file that says what makes a machine run; QEMU where it is absent.
pub const BACKEND: &str = "backend";
/// Name of the file that start and stop lock.
pub(crate) const LOCK: &str = "lock";

/// Largest specification, in bytes.
const SPEC_MAX: u64 = 1 << 20;
/// Longest name of a backend, in bytes: a URI with a path.
const BACKEND_MAX: u64 = 8192;
/// Longest machine name, as the specification allows.
const NAME_MAX: usize = 64;

/// A machine of a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub name: String,
    /// The state directory.
    pub state: PathBuf,
    /// Its specification.
    pub spec: MachineSpec,
}

impl Stored {
    /// `STATE/machines/NAME`.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        directory(&self.state, &self.name)
    }

    /// A file of its directory, by one of this module's names.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// What makes it run, as its maker said; none where nothing was said.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub fn backend(&self) -> Result<Option<String>, StoreError> {
        let path = self.file(BACKEND);
        match read_regular(&path, BACKEND_MAX) {
            Ok(word) => Ok(Some(String::from_utf8_lossy(&word).trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// The record of its process; none where it was never started.
    ///
    /// # Errors
    /// [`RecordError`] where there is one and it cannot be used.
    pub fn process(&self) -> Result<Option<ProcessRecord>, RecordError> {
        ProcessRecord::read(&self.file(PROCESS))
    }
}

/// One machine of a list. A specification that cannot be read does not hide the machine.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The machine, or why it cannot be opened.
    pub machine: Result<Stored, StoreError>,
}

/// Why a machine could not be made, opened, listed or deleted.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Not a name.
    #[error(
        "`{0}` is not a machine name: letters, digits, `-`, `_` and `.`, at most 64, not beginning with a dot or dash"
    )]
    BadName(String),
    /// No machine of this name.
    #[error("no machine `{0}`")]
    NotFound(String),
    /// One of this name exists.
    #[error("machine `{0}` exists already")]
    Exists(String),
    /// The specification cannot be read.
    #[error("cannot read specification `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The specification is wrong; every issue with its line.
    #[error("specification `{}` is wrong{}", .path.display(), issue_lines(.issues))]
    Spec {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        issues: Vec<Issue>,
    },
    /// The specification names another machine than its directory.
    #[error("specification `{}` is of machine `{found}`", .path.display())]
    OtherName {
        /// The file.
        path: PathBuf,
        /// The name that it gives.
        found: String,
    },
    /// A file or directory of the state directory cannot be made or removed.
    #[error("cannot {doing} `{}`", .path.display())]
    Directory {
        /// What failed.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It runs.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Another vmwright is at work on it.
    #[error("another vmwright is at work on machine `{0}`")]
    Busy(String),
    /// The record of its process cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn issue_lines(issues: &[Issue]) -> String {
    let mut text = String::new();
    for issue in issues {
        let place = if issue.line == 0 { String::new() } else { format!("line {}: ", issue.line) };
        text.push_str("\n  ");
        text.push_str(&place);
        text.push_str(&issue.what);
    }
    text
}

/// Makes a machine from a specification file, which is copied. Relative paths in it mean the directory that it
/// lies in, and stand in the copy as absolute paths; everything else stays byte for byte.
///
/// # Errors
/// [`StoreError`]; nothing is left behind then.
pub fn create(state: &Path, spec: &Path) -> Result<Stored, StoreError> {
    create_on(state, spec, "qemu")
}

/// The same for a backend, whose word is written down with the machine.
///
/// # Errors
/// As [`create`].
pub fn create_on(state: &Path, spec: &Path, backend: &str) -> Result<Stored, StoreError> {
    let (text, _) = read_spec(spec)?;
    create_from_text(state, spec, &text, backend)
}

/// A specification file with its relative paths made absolute, as a machine is made of it.
///
/// # Errors
/// [`StoreError`].
pub fn read_spec(spec: &Path) -> Result<(String, MachineSpec), StoreError> {
    let text = read_text(spec)?;
    let parsed = parse(spec, &text)?;
    let text = absolute(spec, &text, &parsed)?;
    let parsed = parse(spec, &text)?;
    Ok((text, parsed))
}

/// The same as [`create_on`] from a text whose paths are absolute; `spec` is where it comes from, for errors.
///
/// # Errors
/// As [`create`].
pub fn create_from_text(state: &Path, spec: &Path, text: &str, backend: &str) -> Result<Stored, StoreError> {
    // What is stored is what is started: the edited text is read again.
    let parsed = parse(spec, text)?;
    let machines = state.join("machines");
    private_directory(&machines)?;
    let state = state.canonicalize().map_err(|source| fail("resolve", state, source))?;
    let machines = state.join("machines");
    let name = parsed.name.clone();
    let target = machines.join(&name);
    if target.symlink_metadata().is_ok() {
        return Err(StoreError::Exists(name));
    }
    // A directory with its specification appears as one, or not at all.
    let new = nix::unistd::mkdtemp(&machines.join(".new-XXXXXX"))
        .map_err(|errno| fail("make a directory in", &machines, errno.into()))?;
    let filled = write_atomically(&new, SPEC, text.as_bytes())
        .and_then(|()| match backend {
            "qemu" => Ok(()),
            other => write_atomically(&new, BACKEND, format!("{other}\n").as_bytes()),
        })
        .map_err(|source| fail("write", &new, source));
    let moved = filled.and_then(|()| {
        renameat_with(CWD, &new, CWD, &target, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => StoreError::Exists(name.clone()),
            errno => fail("make", &target, errno.into()),
        })
    });
    if let Err(error) = moved {
        // The first error is the one to tell.
        let _ = std::fs::remove_dir_all(&new);
        return Err(error);
    }
    sync_directory(&machines).map_err(|source| fail("sync", &machines, source))?;
    Ok(Stored { name, state, spec: parsed })
}

/// Opens a machine by name.
///
/// # Errors
/// [`StoreError`].
pub fn open(state: &Path, name: &str) -> Result<Stored, StoreError> {
    check_name(name)?;
    let state = match state.canonicalize() {
        Ok(state) => state,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NotFound(name.to_owned()));
        }
        Err(source) => return Err(fail("resolve", state, source)),
    };
    let path = directory(&state, name).join(SPEC);
    let text = match read_text(&path) {
        Err(StoreError::Read { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !directory(&state, name).is_dir() =>
        {
            return Err(StoreError::NotFound(name.to_owned()));
        }
        other => other?,
    };
    let spec = parse(&path, &text)?;
    if spec.name != name {
        return Err(StoreError::OtherName { path, found: spec.name });
    }
    Ok(Stored { name: name.to_owned(), state, spec })
}

/// The machines of a state directory, by name. Where there is no such directory there are none.
///
/// # Errors
/// [`StoreError::Directory`] where the list itself cannot be read.
pub fn list(state: &Path) -> Result<Vec<Listed>, StoreError> {
    let machines = state.join("machines");
    let entries = match std::fs::read_dir(&machines) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(fail("list", &machines, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| fail("list", &machines, source))?;
        // Files, and directories half made or half removed, are no machines.
        let name = entry.file_name().into_string().ok().filter(|name| check_name(name).is_ok());
        if let Some(name) = name
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(|name| Listed { machine: open(state, &name), name }).collect())
}

/// Whether a machine of a state directory is of one of these backends: told with one small file of each.
pub(crate) fn any_on(state: &Path, backends: &[&str]) -> bool {
    let entries = std::fs::read_dir(state.join("machines")).into_iter().flatten().flatten();
    let word = |directory: PathBuf| read_regular(&directory.join(BACKEND), BACKEND_MAX).ok();
    let mut words = entries.filter_map(|entry| word(entry.path()));
    words.any(|word| backends.contains(&String::from_utf8_lossy(&word).trim()))
}

/// Deletes a machine: its directory with specification and logs. Its images stay.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Illegal`] where its VMM is there.
pub fn delete(state: &Path, name: &str) -> Result<(), StoreError> {
    check_name(name)?;
    let path = directory(state, name);
    if !path.is_dir() {
        return Err(StoreError::NotFound(name.to_owned()));
    }
    let Some(lock) = Lock::take(&path, name)? else { return Err(StoreError::Busy(name.to_owned())) };
    if let Some(record) = ProcessRecord::read(&path.join(PROCESS))? {
        if record.alive(&path.join(PROCESS))? {
            let condition = Condition::new(State::Running, format!("its process is {}", record.pid()));
            allow(name, &condition, Operation::Delete)?;
        }
        crate::sockets::remove(record.sockets.as_deref());
        crate::cgroup::remove(record.cgroup.as_deref());
    }
    // Out of the list in one go; what is slow or fails after that concerns no machine.
    let machines = state.join("machines");
    let grave = nix::unistd::mkdtemp(&machines.join(".gone-XXXXXX"))
        .map_err(|errno| fail("make a directory in", &machines, errno.into()))?;
    let buried = std::fs::rename(&path, grave.join(name)).map_err(|source| fail("remove", &path, source));
    drop(lock);
    let removed = std::fs::remove_dir_all(&grave).map_err(|source| fail("remove", &grave, source));
    buried.and(removed)
}

pub(crate) fn directory(state: &Path, name: &str) -> PathBuf {
    state.join("machines").join(name)
}

/// The rule of the specification's `name`, for names that come from elsewhere.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if letters && !name.is_empty() && name.len() <= NAME_MAX && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    // What is quoted is bounded and printable.
    Err(StoreError::BadName(name.chars().take(80).flat_map(char::escape_debug).collect()))
}

fn parse(path: &Path, text: &str) -> Result<MachineSpec, StoreError> {
    let (view, issues) = MachineSpecView::read(text);
    match view.spec {
        Some(spec) if issues.is_empty() => Ok(spec),
        _ => Err(StoreError::Spec { path: path.to_owned(), issues }),
    }
}

/// The text with its relative paths made absolute.
fn absolute(path: &Path, text: &str, spec: &MachineSpec) -> Result<String, StoreError> {
    let resolved =
        path.canonicalize().map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
    let base = resolved.parent().unwrap_or(Path::new("/"));
    let seed = |of: fn(&Seed) -> Option<&str>| spec.seed.as_ref().and_then(of);
    let single = [
        ("boot.kernel", spec.boot.kernel.as_deref()),
        ("boot.initrd", spec.boot.initrd.as_deref()),
        ("boot.dtb", spec.boot.dtb.as_deref()),
        ("firmware.path", spec.firmware.path.as_deref()),
        ("firmware.variables", spec.firmware.variables.as_deref()),
        ("firmware.template", spec.firmware.template.as_deref()),
        ("seed.user_data", seed(|seed| seed.user_data.as_deref())),
        ("seed.meta_data", seed(|seed| seed.meta_data.as_deref())),
        ("seed.network_config", seed(|seed| seed.network_config.as_deref())),
    ];
    let single = single.into_iter().map(|(key, value)| (key.to_owned(), value));
    let disks =
        spec.disks.iter().enumerate().map(|(at, disk)| (format!("disk.{at}.path"), disk.path.as_deref()));
    let shares =
        spec.shares.iter().enumerate().map(|(at, share)| (format!("share.{at}.path"), share.path.as_deref()));
    let free = spec.review.overwrite.iter().enumerate();
    let free = free.map(|(at, path)| (format!("review.overwrite.{at}"), Some(path.as_str())));
    let mut text = text.to_owned();
    for (key, value) in single.chain(disks).chain(shares).chain(free) {
        let Some(value) = value.filter(|value| !value.starts_with('/')) else { continue };
        let wrong =
            |what: String| StoreError::Spec { path: path.to_owned(), issues: vec![Issue::new(0, what)] };
        let joined = base.join(value);
        let joined = joined
            .to_str()
            .ok_or_else(|| wrong(format!("`{key}` is relative to a directory whose name is not UTF-8")))?;
        text = set_value(&text, &key, Some(&quoted(value)), Some(&quoted(joined)))
            .map_err(|error| wrong(error.to_string()))?;
    }
    Ok(text)
}

/// A TOML basic string. JSON's escapes are a subset of TOML's, and control characters do not come here.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read_text(path: &Path) -> Result<String, StoreError> {
    let fail = |source: io::Error| StoreError::Read { path: path.to_owned(), source };
    let bytes = read_regular(path, SPEC_MAX).map_err(fail)?;
    String::from_utf8(bytes)
        .map_err(|error| fail(io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())))
}

/// The bytes of a regular file of at most `limit` bytes. A FIFO, device or socket is refused without waiting.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Makes a directory and its parents, closed to everybody else.
pub(crate) fn private_directory(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| fail("make", path, source))
}

/// Replaces a file in one go, so that a reader sees the old text or the new one, also after a power cut. There
/// is one writer at a time: the holder of the machine's lock.
pub(crate) fn write_atomically(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace(directory, name, bytes, File::sync_all, |new, name| std::fs::rename(new, name))?;
    sync_directory(directory)
}

/// The same for what is worth nothing after a power cut, since the VMM ends with it: what was there before may be there
/// again then, or an empty file. To wait for the disk takes longer than all else of a start.
pub(crate) fn write_for_now(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace(
        directory,
        name,
        bytes,
        |_| Ok(()),
        |new, name| {
            // ext4 writes a file out that is renamed over another (`auto_da_alloc` of ext4(5)), not one that changes places
            // with it. Not every file system can do that.
            match renameat_with(CWD, new, CWD, name, RenameFlags::EXCHANGE) {
                Ok(()) => std::fs::remove_file(new),
                Err(_) => std::fs::rename(new, name),
            }
        },
    )
}

fn replace(
    directory: &Path,
    name: &str,
    bytes: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
    rename: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let new = directory.join(format!("{name}.new"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let written =
        rustix::fs::open(&new, flags, Mode::from_raw_mode(0o600)).map_err(io::Error::from).and_then(|file| {
            let mut file = File::from(file);
            file.write_all(bytes)?;
            settle(&file)
        });
    if let Err(error) = written.and_then(|()| rename(&new, &directory.join(name))) {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn fail(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Directory { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("spec.toml");
        std::fs::write(&path, text).expect("a temporary file");
        path
    }

    #[test]
    fn made_opened_listed_deleted() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let state = place.path().join("state");
        assert!(list(&state).expect("none yet").is_empty());
        let text =
            "# mine\nname = \"web\"\n\n[[disk]]\npath = \"/srv/web.raw\" # absolute\nformat = \"raw\"\n";
        let made = create(&state, &spec(place.path(), text)).expect("a good specification");
        assert_eq!(std::fs::read_to_string(made.file(SPEC)).expect("stored"), text, "byte for byte");
        assert_eq!(open(&state, "web").expect("made"), made);
        assert!(
            matches!(create(&state, &spec(place.path(), text)), Err(StoreError::Exists(name)) if name == "web")
        );
        let names: Vec<_> = list(&state).expect("a list").into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["web"]);
        delete(&state, "web").expect("nothing runs");
        assert!(matches!(open(&state, "web"), Err(StoreError::NotFound(_))));
        assert!(matches!(delete(&state, "web"), Err(StoreError::NotFound(_))));
        let left: Vec<_> = std::fs::read_dir(state.join("machines")).expect("there").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn relative_paths_mean_the_directory_of_the_specification() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let text = "name = 'a'\n[boot]\nkernel = 'vmlinuz' # here\n[[disk]]\npath = \"../my \\\"disk\\\".raw\"\nformat = 'raw'\n\
                    [[disk]]\npath = 'free.raw'\nformat = 'raw'\n[seed]\nuser_data = 'user-data'\n\
                    [review]\noverwrite = ['/dev/sdz', 'free.raw']\n";
        let made =
            create(&place.path().join("state"), &spec(place.path(), text)).expect("a good specification");
        let base = place.path().canonicalize().expect("there");
        assert_eq!(made.spec.boot.kernel.as_deref(), base.join("vmlinuz").to_str());
        assert_eq!(made.spec.disks[0].path, Some(format!("{}/../my \"disk\".raw", base.display())));
        // What is said to be free is a disk by the same path.
        assert_eq!(made.spec.review.overwrite[0], "/dev/sdz");
        assert_eq!(Some(&made.spec.review.overwrite[1]), made.spec.disks[1].path.as_ref());
        let seed = made.spec.seed.as_ref().and_then(|seed| seed.user_data.as_deref());
        assert_eq!(seed, base.join("user-data").to_str());
        let stored = std::fs::read_to_string(made.file(SPEC)).expect("stored");
        assert!(stored.contains("# here"), "{stored}");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let long = "x".repeat(65);
        for bad in ["", "..", ".", "a/b", "/etc", "a\nb", "-a", ".a", "a b", "ä", &long] {
            assert!(matches!(open(place.path(), bad), Err(StoreError::BadName(_))), "{bad:?}");
            assert!(matches!(delete(place.path(), bad), Err(StoreError::BadName(_))), "{bad:?}");
            let text = format!("name = {}\n", quoted(bad));
            let refused = create(place.path(), &spec(place.path(), &text)).expect_err("a bad name");
            assert!(matches!(refused, StoreError::Spec { .. }), "{refused}");
        }
        let told = open(place.path(), "a\n\u{1b}[31m").expect_err("a bad name").to_string();
        assert!(!told.contains(['\n', '\u{1b}']), "{told:?}");
    }

    #[test]
    fn bad_specifications_are_told_with_their_lines() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let told = |text: &str| {
            create(&place.path().join("s"), &spec(place.path(), text)).expect_err("bad").to_string()
        };
        assert!(told("name = 'a'\ncolour = 'red'\n").contains("line 2: unknown key `colour`"));
        assert!(told("name = \n").contains("line 1: not TOML"));
        assert!(!place.path().join("s").exists(), "nothing is made for a bad specification");
        let missing = create(place.path(), &place.path().join("none.toml")).expect_err("absent");
        assert!(matches!(missing, StoreError::Read { .. }), "{missing}");
        let directory = create(place.path(), place.path()).expect_err("a directory");
        assert!(matches!(directory, StoreError::Read { .. }), "{directory}");
        let fifo = place.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let refused = crate::chain(&create(place.path(), &fifo).expect_err("a FIFO"));
        assert!(refused.ends_with("not a regular file"), "{refused}");
        let large = place.path().join("large");
        File::create(&large).and_then(|file| file.set_len(2 << 30)).expect("a sparse file");
        let refused = crate::chain(&create(place.path(), &large).expect_err("too large"));
        assert!(refused.ends_with("larger than 1048576 bytes"), "{refused}");
        let binary = place.path().join("binary");
        std::fs::write(&binary, b"name = '\xff'\n").expect("written");
        let refused = crate::chain(&create(place.path(), &binary).expect_err("not UTF-8"));
        assert!(refused.contains("invalid utf-8"), "{refused}");
    }

    #[test]
    fn one_bad_machine_does_not_hide_the_others() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let state = place.path().join("state");
        for name in ["a", "b", "c"] {
            create(&state, &spec(place.path(), &format!("name = '{name}'\n"))).expect("made");
        }
        std::fs::write(state.join("machines/a/machine.toml"), "name = 'b'\n").expect("written");
        std::fs::write(state.join("machines/b/machine.toml"), "name = ").expect("written");
        std::fs::create_dir(state.join("machines/.new-x")).expect("made");
        std::fs::write(state.join("machines/file"), "").expect("written");
        let listed = list(&state).expect("a list");
        let names: Vec<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(matches!(&listed[0].machine, Err(StoreError::OtherName { found, .. }) if found == "b"));
        assert!(matches!(&listed[1].machine, Err(StoreError::Spec { .. })));
        assert!(listed[2].machine.is_ok());
        delete(&state, "b").expect("a machine with a bad specification can be deleted");
    }
}
