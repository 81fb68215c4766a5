//! Where a VMM's program lies.

use crate::StartError;
use rustix::fs::{Access, access};
use std::path::PathBuf;

/// The first program of this name in PATH, else the first of these places that is one.
pub(crate) fn find(name: &str, places: &[PathBuf], install: &'static str) -> Result<PathBuf, StartError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(name, std::env::split_paths(&path), places, install)
}

fn find_in(
    name: &str,
    path: impl Iterator<Item = PathBuf>,
    places: &[PathBuf],
    install: &'static str,
) -> Result<PathBuf, StartError> {
    let runs = |file: &PathBuf| file.is_absolute() && file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let in_path = path.map(|directory| directory.join(name)).find(runs);
    in_path
        .or_else(|| places.iter().find(|place| runs(place)).cloned())
        .ok_or_else(|| StartError::NoProgram { name: name.to_owned(), looked: places.to_vec(), install })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    #[test]
    fn the_program_is_looked_for_and_the_error_says_where() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (first, second) = (place.path().join("a"), place.path().join("b"));
        for directory in [&first, &second] {
            std::fs::create_dir(directory).expect("made");
            std::fs::write(directory.join("vmm"), "").expect("written");
        }
        let path = || [PathBuf::from("relative"), first.clone(), second.clone()].into_iter();
        let told = find_in("vmm", path(), &[PathBuf::from("/no/vmm")], "install it")
            .expect_err("neither is executable")
            .to_string();
        assert_eq!(told, "no `vmm` in PATH, and none of `/no/vmm` exists; install it");
        let runs = |directory: &Path| {
            let file = directory.join("vmm");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("set");
            file
        };
        let found = runs(&second);
        assert_eq!(find_in("vmm", path(), &[], "").expect("there"), found);
        assert_eq!(find_in("vmm", std::iter::empty(), &[second.join("vmm")], "").expect("there"), found);
    }
}
