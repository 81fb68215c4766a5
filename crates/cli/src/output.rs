//! Where the result goes: standard output, or a file that somebody named.

use anyhow::{Context, bail, ensure};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Opened before the operation begins, because an analysis can open nothing for writing once it has locked the
/// process. What the file held stays until there is a result to write.
pub(crate) struct Output {
    file: Option<Named>,
    begun: bool,
}

struct Named {
    path: PathBuf,
    file: File,
    /// Whether it is ours to remove.
    created: bool,
}

impl Output {
    /// Standard output, or the file.
    ///
    /// # Errors
    /// The file cannot be written, or what lies there is no regular file: a device, a pipe, a link.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let file = path.map(named).transpose()?;
        Ok(Self { file, begun: false })
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && std::io::stdout().is_terminal()
    }

    /// Writes the result, or its next part.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let begun = std::mem::replace(&mut self.begun, true);
        match &mut self.file {
            None => {
                print(text);
                Ok(())
            }
            Some(named) => if begun { Ok(()) } else { named.file.set_len(0) }
                .and_then(|()| named.file.write_all(text.as_bytes()))
                .with_context(|| named.path.display().to_string()),
        }
    }

    /// There is no result. A file that was made for it goes away again, unless the process is locked by now: then
    /// it stays, empty.
    pub(crate) fn discard(self) {
        if let Some(Named { path, created: true, .. }) = self.file {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Prints; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn named(path: &Path) -> anyhow::Result<Named> {
    let place = || path.display().to_string();
    match open(OpenOptions::new().create_new(true), path) {
        Ok(file) => return Ok(Named { path: path.to_owned(), file, created: true }),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(place),
    }
    // Looked at before it is opened: to open a device can already do something.
    if !std::fs::symlink_metadata(path).with_context(place)?.is_file() {
        bail!("{}: it is not a regular file, so it is not overwritten", path.display());
    }
    let file = open(&mut OpenOptions::new(), path).with_context(place)?;
    ensure!(file.metadata()?.is_file(), "{}: it is no longer a regular file", path.display());
    Ok(Named { path: path.to_owned(), file, created: false })
}

fn open(options: &mut OpenOptions, path: &Path) -> std::io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    options.write(true).mode(0o644).custom_flags(flags).open(path)
}
