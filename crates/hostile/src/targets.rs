//! The entry points. Each is one module: `run` takes any bytes, and panics where something does not hold that must
//! hold whatever they are; `seeds` are inputs that get far. To add one, write the module and name it below.

use crate::{corpus, files_beneath};

/// One entry point.
pub struct Target {
    /// Its name, as `cargo xtask fuzz` takes it.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// What is kept in the tree for it, and its seeds.
    #[must_use]
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        let kept = files_beneath(&corpus(self.name)).into_iter().map(|(_, bytes)| bytes);
        kept.chain((self.seeds)()).collect()
    }
}

macro_rules! targets {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*
        /// All of them.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($module), run: $module::run, seeds: $module::seeds }),*];
    };
}

targets! {
    acl,
    archive,
    capture,
    capture_index,
    diagnose,
    domain,
    edits,
    event_stream,
    grub_environment,
    guest_agent,
    guest_frames,
    libvirt_rpc,
    machine_json,
    machine_record,
    machine_spec,
    machine_yaml,
    pattern,
    plan,
    qemu_line,
    qmp,
    recognise,
    redact,
    run_log,
    view,
    word_vectors,
    xml,
}

pub(crate) use edits::settings;

/// The target of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The bytes as text, as the reader makes it of a file.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The first line, and what follows it.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// A folder that is gone afterwards; in memory where that can be had, since some targets make one for each input.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
