//! Building the probe, and checking that a file can be one.

use crate::elf::{Elf, ElfError};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that the probe is built for: glibc's static start-up code serves, no other target is needed.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Why there is no probe.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// cargo could not be started.
    #[error("cannot start {}", cargo.display())]
    Cargo {
        /// The program.
        cargo: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The build failed.
    #[error("building the guest probe failed ({status}): {}", stderr.trim_end())]
    Build {
        /// Exit status.
        status: std::process::ExitStatus,
        /// What cargo said.
        stderr: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot run as process 1 of a guest.
    #[error("{} cannot run in a test guest: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// Builds the probe with cargo, as one static file, from the workspace at `workspace`; gives its path. Takes
/// about 20 s the first time and no time when nothing changed. The environment's `CARGO`, `CARGO_TARGET_DIR`
/// and network settings hold; `RUSTFLAGS` are replaced.
///
/// # Errors
/// When cargo is missing or the build fails.
pub fn build(workspace: &Path) -> Result<PathBuf, ProbeError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(&cargo)
        .current_dir(workspace)
        .args(["build", "--locked", "--package", "vmwright-guest", "--bin", "vmwright-guest"])
        .args(["--profile", "probe", "--target", TARGET])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .map_err(|source| ProbeError::Cargo { cargo: cargo.into(), source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ProbeError::Build { status: output.status, stderr });
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    // A relative directory is taken from where cargo ran.
    Ok(workspace.join(target).join(TARGET).join("probe/vmwright-guest"))
}

/// Reads a probe and checks that it is a static program for this kind of guest: a dynamic one would end the
/// guest with a kernel panic, because the initramfs has no loader.
///
/// # Errors
/// When it cannot be read or is something else.
pub fn read(path: &Path) -> Result<Vec<u8>, ProbeError> {
    let bytes = std::fs::read(path).map_err(|source| ProbeError::Read { path: path.to_owned(), source })?;
    let fit = || -> Result<(), String> {
        let elf = Elf::new(&bytes).map_err(|error: ElfError| error.to_string())?;
        if elf.machine() != 62 {
            return Err("it is not for x86-64".to_owned());
        }
        if elf.has_interpreter().map_err(|error| error.to_string())? {
            return Err("it is linked dynamically".to_owned());
        }
        Ok(())
    };
    match fit() {
        Ok(()) => Ok(bytes),
        Err(why) => Err(ProbeError::Unfit { path: path.to_owned(), why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_and_a_text_are_unfit() {
        let error = read(&std::env::current_exe().unwrap()).unwrap_err().to_string();
        assert!(error.contains("linked dynamically"), "{error}");
        let error = read(Path::new("/proc/self/status")).unwrap_err().to_string();
        assert!(error.contains("not a 64-bit"), "{error}");
    }
}
