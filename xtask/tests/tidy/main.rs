//! The tests that read the tree itself: what can rot is checked here.

mod documents;
mod edges;
mod lexer;
mod licences;
mod reviews;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// The packages of the workspace and, with `dependencies`, all that they are built from on this platform.
fn metadata(dependencies: bool) -> cargo_metadata::Metadata {
    let mut command = cargo_metadata::MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    if dependencies {
        // Without it cargo would ask for packages of platforms that nobody here builds for.
        command.other_options(["--filter-platform".to_owned(), "x86_64-unknown-linux-gnu".to_owned()]);
    } else {
        command.no_deps();
    }
    command.exec().expect("cargo can read the workspace")
}

/// The name of the folder that a package lies in: `rules` of `crates/rules`.
fn folder_of(package: &cargo_metadata::Package) -> String {
    let folder = package.manifest_path.parent().and_then(|dir| dir.file_name());
    folder.expect("a package lies in a folder").to_owned()
}

/// Every file of the tree, relative to the root: no build output, nothing of git, no ignored folder.
fn files() -> Vec<PathBuf> {
    let root = root();
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let ignored: Vec<PathBuf> =
        ignored.lines().filter_map(|line| line.strip_prefix('/')).map(|line| root.join(line)).collect();
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name == ".git" || name == "target" || ignored.contains(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(kind) if kind.is_file() => {
                    files.push(path.strip_prefix(&root).expect("found below it").to_owned());
                }
                _ => {}
            }
        }
    }
    files.sort();
    files
}

fn rust_files() -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn read(path: &Path) -> String {
    let text = fs::read(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&text).into_owned()
}

/// Fails with one line for each problem.
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n  {}\n", problems.join("\n  "));
}
