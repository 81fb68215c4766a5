//! Packs the probe and the drivers that it needs into an initramfs, beside the kernel that they are for.
//!
//! `vmwright-initramfs PROBE FOLDER [UNPACKED]` writes `FOLDER/vmlinuz` and `FOLDER/initrd`. `UNPACKED` is a folder
//! into which a kernel package was unpacked; without it the host's own kernel is taken.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, error::Error, fs};
use vmwright_guest::{initramfs, kernel, probe};

fn main() -> ExitCode {
    let words: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let (probe, folder, unpacked) = match words.as_slice() {
        [probe, folder] => (probe, folder, None),
        [probe, folder, unpacked] => (probe, folder, Some(unpacked.as_path())),
        _ => {
            eprintln!("usage: vmwright-initramfs PROBE FOLDER [UNPACKED]");
            return ExitCode::from(2);
        }
    };
    match pack(probe, folder, unpacked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vmwright-initramfs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(probe: &Path, folder: &Path, unpacked: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let kernel = kernel::find(&kernel::Places::of_this_machine(unpacked))?;
    let image = initramfs::build(&probe::read(probe)?, &kernel.guest_modules()?);
    fs::create_dir_all(folder)?;
    fs::copy(&kernel.image, folder.join("vmlinuz"))?;
    fs::write(folder.join("initrd"), image)?;
    Ok(())
}
