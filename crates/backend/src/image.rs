//! Disk images, through `qemu-img`: it knows the formats, and locks what a VMM has open.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Most of its words that an error repeats, in characters.
const WORDS_MAX: usize = 500;

/// Runs `qemu-img`; its words where it fails.
pub(crate) fn qemu_img(words: &[&OsStr]) -> Result<String, String> {
    let output = Command::new("qemu-img").args(words).env("LC_ALL", "C").output().map_err(|error| {
        format!("`qemu-img` cannot be run ({error}); install it: `apt install qemu-utils`")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().strip_prefix("qemu-img: ").unwrap_or(said.trim());
    Err(said.chars().take(WORDS_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect())
}

/// Makes an image that holds what differs from `base`, owned as `base` is. An existing file is never replaced.
///
/// # Errors
/// In words, `qemu-img`'s where they are its.
pub fn overlay(base: &Path, format: &str, new: &Path) -> Result<(), String> {
    if new.symlink_metadata().is_ok() {
        return Err(format!("`{}` exists already", new.display()));
    }
    let words: [&OsStr; 9] = [
        "create".as_ref(),
        "-q".as_ref(),
        "-f".as_ref(),
        "qcow2".as_ref(),
        "-b".as_ref(),
        base.as_ref(),
        "-F".as_ref(),
        format.as_ref(),
        new.as_ref(),
    ];
    qemu_img(&words)?;
    use std::os::unix::fs::{MetadataExt, chown};
    let made = base.metadata().and_then(|base| match new.metadata()?.uid() == base.uid() {
        true => Ok(()),
        false => chown(new, Some(base.uid()), Some(base.gid())),
    });
    made.map_err(|error| {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(new);
        format!("`{}` cannot be given to the owner of its base: {error}", new.display())
    })
}

/// An image that another one stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) path: PathBuf,
    pub(crate) format: String,
}

/// What an image stands on, the uppermost first; up to what is no file of this host.
pub(crate) fn layers(path: &Path, format: &str) -> Result<Vec<Layer>, String> {
    let words: [&OsStr; 7] = [
        "info".as_ref(),
        "-U".as_ref(),
        "--backing-chain".as_ref(),
        "--output=json".as_ref(),
        "-f".as_ref(),
        format.as_ref(),
        path.as_ref(),
    ];
    let told = qemu_img(&words)?;
    let told: Value = serde_json::from_str(&told).map_err(|error| format!("`qemu-img info`: {error}"))?;
    let layer = |one: &Value| {
        let (path, format) = (PathBuf::from(one["filename"].as_str()?), one["format"].as_str()?.to_owned());
        path.is_absolute().then_some(Layer { path, format })
    };
    Ok(told.as_array().into_iter().flatten().skip(1).map_while(layer).collect())
}

/// Puts, applies or deletes (`-c`, `-a`, `-d`) a snapshot inside a qcow2 image that nobody uses.
pub(crate) fn internal(how: &str, name: &str, image: &Path) -> Result<(), String> {
    let words: [&OsStr; 4] = ["snapshot".as_ref(), how.as_ref(), name.as_ref(), image.as_ref()];
    qemu_img(&words).map(drop).inspect_err(|_| {
        // On a full disk `qemu-img` leaves clusters that it has counted and nobody uses. The first error is the one to
        // tell.
        let words = ["check", "-q", "-f", "qcow2", "-r", "leaks"].map(AsRef::as_ref);
        let _ = qemu_img(&[&words[..], &[image.as_ref()]].concat());
    })
}

/// Longest part of a disk's name that the name of an image beside it begins with, in bytes: each clone of a clone would
/// lengthen it, and a name has at most 255 (`NAME_MAX`).
const STEM: usize = 96;

/// A path beside `disk` for an image of this purpose: `/d/web.qcow2` and `before` give `/d/web.before.qcow2`. Of a long
/// name the beginning stays, and a digest that keeps it apart from others.
pub(crate) fn beside(disk: &Path, purpose: &str) -> PathBuf {
    let mut name = disk.file_stem().map(OsStr::to_owned).unwrap_or_else(|| OsString::from("disk"));
    if name.len() > STEM {
        let digest = Sha256::digest(name.as_encoded_bytes());
        let whole = name.to_string_lossy();
        let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        name = format!("{}~{digest}", &whole[..whole.floor_char_boundary(STEM - 16)]).into();
    }
    name.push(format!(".{purpose}.qcow2"));
    disk.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        assert_eq!(beside(Path::new("/d/web.qcow2"), "before"), Path::new("/d/web.before.qcow2"));
        assert_eq!(beside(Path::new("/dev/vg/x"), "c"), Path::new("/dev/vg/x.c.qcow2"));
        let mut disk = PathBuf::from("/d/wéb.qcow2");
        let mut known = std::collections::BTreeSet::new();
        for number in 0..200 {
            disk = beside(&disk, &format!("{}-since-{number}", "é".repeat(32)));
            assert!(disk.file_name().unwrap().len() <= 255 && known.insert(disk.clone()), "{disk:?}");
        }
    }
}
