//! Kernel modules with their dependencies, decompressed, in the order in which they have to be loaded.

use crate::elf::{Elf, ElfError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest module that is accepted, in bytes after decompression. The largest of Debian's kernels (amdgpu)
/// has 12 MiB.
pub const MODULE_LIMIT: u64 = 64 << 20;

/// Most files and directories that are looked at below a module directory; a full Debian kernel has 5000.
const ENTRY_LIMIT: usize = 100_000;

/// A module, ready for `finit_module(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name with `_` for `-`, as `/proc/modules` shows it.
    pub name: String,
    /// The ELF file, decompressed.
    pub bytes: Vec<u8>,
}

/// Why the modules could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel has no such module, neither as a file nor built in.
    #[error("{} has no module {name}, and it is not built in{}", dir.display(), wanted_by(by.as_deref()))]
    NotFound {
        /// Name of the module.
        name: String,
        /// Module that depends on it.
        by: Option<String>,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// It is larger than [`MODULE_LIMIT`].
    #[error("{} is larger than {MODULE_LIMIT} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The directory has more entries than any kernel's.
    #[error("{} has more than {ENTRY_LIMIT} entries", dir.display())]
    TooMany {
        /// The directory.
        dir: PathBuf,
    },
    /// It is not a kernel module.
    #[error("{}: {why}", path.display())]
    NotAModule {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn wanted_by(by: Option<&str>) -> String {
    by.map(|by| format!(" (needed by {by})")).unwrap_or_default()
}

/// The modules of `names` and all that they depend on, each after its dependencies. Modules that are built into
/// the kernel (`modules.builtin`) are left out.
///
/// Dependencies are taken from each module's own `.modinfo`, because a kernel package that was unpacked and not
/// installed has no `modules.dep`. Files may be plain or compressed by xz, zstd or gzip.
///
/// # Errors
/// See [`ModulesError`].
pub fn modules_for(modules_dir: &Path, names: &[&str]) -> Result<Vec<Module>, ModulesError> {
    load(modules_dir, names, &[])
}

/// As [`modules_for`], with modules that may be missing.
pub(super) fn load(dir: &Path, required: &[&str], welcome: &[&str]) -> Result<Vec<Module>, ModulesError> {
    let mut tree =
        Tree { dir, files: index(dir)?, builtin: builtin(dir)?, seen: BTreeSet::new(), loaded: Vec::new() };
    for name in required {
        tree.add(&normal(name), None)?;
    }
    for name in welcome {
        if tree.files.contains_key(&normal(name)) {
            tree.add(&normal(name), None)?;
        }
    }
    Ok(tree.loaded)
}

struct Tree<'a> {
    dir: &'a Path,
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
    seen: BTreeSet<String>,
    loaded: Vec<Module>,
}

impl Tree<'_> {
    /// Depth is bounded by the number of modules: each is entered once.
    fn add(&mut self, name: &str, by: Option<&str>) -> Result<(), ModulesError> {
        if self.builtin.contains(name) || !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let Some(path) = self.files.get(name).cloned() else {
            let by = by.map(str::to_owned);
            return Err(ModulesError::NotFound { name: name.to_owned(), by, dir: self.dir.to_owned() });
        };
        let bytes = read(&path)?;
        for dependency in depends(&bytes).map_err(|error| not_a_module(&path, error))? {
            self.add(&dependency, Some(name))?;
        }
        self.loaded.push(Module { name: name.to_owned(), bytes });
        Ok(())
    }
}

fn not_a_module(path: &Path, error: impl ToString) -> ModulesError {
    ModulesError::NotAModule { path: path.to_owned(), why: error.to_string() }
}

fn depends(module: &[u8]) -> Result<Vec<String>, ElfError> {
    let mut found = Vec::new();
    for (name, value) in Elf::new(module)?.modinfo()? {
        if name == "depends" {
            found.extend(value.split(',').filter(|name| !name.is_empty()).map(normal));
        }
    }
    Ok(found)
}

/// Module names are compared with `_` for `-`, as the kernel does.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// Module name of a file, if it is one: `virtio-rng.ko.xz` is `virtio_rng`.
fn module_name(file: &str) -> Option<String> {
    let stem = [".xz", ".zst", ".gz"].iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
    stem.strip_suffix(".ko").map(normal)
}

/// Every module file below `dir`. `updates` wins over the rest, as in depmod's default search order.
fn index(dir: &Path) -> Result<BTreeMap<String, PathBuf>, ModulesError> {
    let mut files = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    let mut entries = 0;
    while let Some(next) = pending.pop() {
        let failed = |source| ModulesError::Read { path: next.clone(), source };
        for entry in fs::read_dir(&next).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            entries += 1;
            if entries > ENTRY_LIMIT {
                return Err(ModulesError::TooMany { dir: dir.to_owned() });
            }
            // Not followed: `build` and `source` are links to whole source trees.
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file()
                && let Some(name) = entry.file_name().to_str().and_then(module_name)
            {
                let path = entry.path();
                let update = path.starts_with(dir.join("updates"));
                if update || !files.contains_key(&name) {
                    files.insert(name, path);
                }
            }
        }
    }
    Ok(files)
}

fn builtin(dir: &Path) -> Result<BTreeSet<String>, ModulesError> {
    let path = dir.join("modules.builtin");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().filter_map(|line| module_name(line.rsplit('/').next()?)).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(source) => Err(ModulesError::Read { path, source }),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ModulesError> {
    let failed = |source| ModulesError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(not_a_module(path, "not a regular file"));
    }
    let mut bytes = Vec::new();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let mut reader: Box<dyn Read> = match ending {
        // xz of the kernel's build takes a dictionary of at most 64 MiB.
        "xz" => Box::new(lzma_rust2::XzReader::new_mem_limit(io::BufReader::new(file), true, 96 << 10)),
        "zst" => Box::new(
            ruzstd::decoding::StreamingDecoder::new(io::BufReader::new(file))
                .map_err(|error| not_a_module(path, error))?,
        ),
        "gz" => Box::new(flate2::read::GzDecoder::new(io::BufReader::new(file))),
        _ => Box::new(file),
    };
    reader.by_ref().take(MODULE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MODULE_LIMIT {
        return Err(ModulesError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::module;
    use std::process::{Command, Stdio};

    fn names(modules: &[Module]) -> Vec<&str> {
        modules.iter().map(|module| module.name.as_str()).collect()
    }

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = temp.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        temp
    }

    #[test]
    fn dependencies_come_first_once_and_builtin_ones_not_at_all() {
        let temp = tree(&[
            ("kernel/a/virtio-rng.ko", &module(b"depends=virtio,rng-core\0")),
            ("kernel/a/virtio.ko", &module(b"depends=virtio_ring\0")),
            ("kernel/b/virtio_ring.ko", &module(b"depends=\0")),
            ("kernel/b/virtio_blk.ko", &module(b"depends=virtio_ring,virtio\0")),
            ("modules.builtin", b"kernel/drivers/char/hw_random/rng-core.ko\n"),
        ]);
        let found = modules_for(temp.path(), &["virtio_blk", "virtio_rng"]).unwrap();
        assert_eq!(names(&found), ["virtio_ring", "virtio", "virtio_blk", "virtio_rng"]);
    }

    #[test]
    fn a_circle_ends_and_a_missing_dependency_names_who_needs_it() {
        let temp = tree(&[
            ("kernel/a.ko", &module(b"depends=b\0")),
            ("kernel/b.ko", &module(b"depends=a\0")),
            ("kernel/c.ko", &module(b"depends=gone\0")),
        ]);
        assert_eq!(names(&modules_for(temp.path(), &["a"]).unwrap()), ["b", "a"]);
        let error = modules_for(temp.path(), &["c"]).unwrap_err().to_string();
        assert!(error.contains("no module gone") && error.contains("needed by c"), "{error}");
    }

    #[test]
    fn an_update_wins() {
        let temp = tree(&[
            ("kernel/a.ko", &module(b"depends=\0v=old\0")),
            ("updates/a.ko", &module(b"depends=\0v=new\0")),
            ("extra/a.ko", &module(b"depends=\0v=extra\0")),
        ]);
        let found = modules_for(temp.path(), &["a"]).unwrap();
        assert!(found[0].bytes.windows(5).any(|bytes| bytes == b"v=new"));
    }

    /// Compresses with the tool of that name, as a kernel's build does.
    fn compressed(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut child = Command::new(tool)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{tool}: {error}; it is needed for this test"));
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    }

    #[test]
    fn compressed_modules_are_read_and_damaged_ones_are_refused() {
        let mut plain = module(b"depends=\0");
        plain.extend((0..200_000_u32).flat_map(|number| (number / 3).to_le_bytes()));
        for (ending, tool, arguments) in [
            ("xz", "xz", ["--check=crc32", "--lzma2=dict=1MiB"].as_slice()),
            ("zst", "zstd", ["-19", "-c"].as_slice()),
            ("gz", "gzip", ["-9", "-c"].as_slice()),
        ] {
            let packed = compressed(tool, arguments, &plain);
            assert!(packed.len() < plain.len());
            let temp = tree(&[(&format!("kernel/a.ko.{ending}"), packed.as_slice())]);
            assert_eq!(modules_for(temp.path(), &["a"]).unwrap()[0].bytes, plain, "{ending}");

            let temp = tree(&[(&format!("kernel/a.ko.{ending}"), &packed[..packed.len() / 2])]);
            let error = modules_for(temp.path(), &["a"]).unwrap_err();
            assert!(error.to_string().contains(&format!("a.ko.{ending}")), "{error}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("kernel")).unwrap();
        let file = File::create(temp.path().join("kernel/a.ko")).unwrap();
        file.set_len(MODULE_LIMIT + 1).unwrap();
        assert!(matches!(modules_for(temp.path(), &["a"]), Err(ModulesError::TooLarge { .. })));
    }
}
