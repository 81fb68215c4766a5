//! What vmwright itself keeps of a VM: `STATE/machines/NAME/`.

use crate::file;
use crate::glob;
use crate::live::Collector;
use crate::processes::running;
use crate::root::{CollectError, Subject, escape_path};
use std::io;
use std::path::{Path, PathBuf};
use vmwright_formats::qemu_args::opts;
use vmwright_model::{Kind, Missing};

/// Files of a machine and what they are; their content would not always tell.
pub(super) const FILES: [(&str, Kind); 4] = [
    ("machine.toml", Kind::new("machine_spec")),
    ("qemu.log", Kind::new("qemu_log")),
    ("argv", Kind::new("qemu_args")),
    ("serial.log", Kind::new("guest_console")),
];

/// Where libvirt keeps its VMs, and those that run (`QEMU_CONFIG_BASE_DIR`, `QEMU_STATE_DIR`).
const LIBVIRT: [&str; 2] = ["/etc/libvirt/qemu", "/run/libvirt/qemu"];

/// Where users' own libvirts keep theirs.
const SESSIONS: [&str; 2] = ["/home/*/.config/libvirt/qemu", "/root/.config/libvirt/qemu"];

/// Most users of a host whose VMs are looked for.
const MOST_USERS: usize = 1024;

/// Most paths that one specification may name.
const MOST_PATHS: usize = 64;

/// vmwright's own machines, and the one in question.
pub(crate) struct Machines {
    folder: PathBuf,
    vm: Option<String>,
}

/// Paths that a specification names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Images {
    /// Of disks, in order.
    pub(super) disks: Vec<String>,
    /// Of kernel, initramfs and firmware.
    pub(super) boot: Vec<String>,
}

impl Machines {
    pub(crate) fn of(subject: &Subject) -> Self {
        let state = std::path::absolute(&subject.state).unwrap_or_else(|_| subject.state.clone());
        Self { folder: state.join("machines"), vm: subject.vm.clone() }
    }

    /// Whether the VM in question exists.
    pub(crate) fn check(&self) -> Result<(), CollectError> {
        let (Some(name), Some(folder)) = (&self.vm, self.machine()) else { return Ok(()) };
        let users = || SESSIONS.iter().flat_map(|folder| glob::expand(folder, MOST_USERS).paths);
        if folder.is_dir()
            || LIBVIRT.iter().any(|folder| may_define(Path::new(folder), name))
            || users().any(|folder| may_define(&folder, name))
            || runs(name)
        {
            return Ok(());
        }
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(CollectError::UnknownMachine { name: name.clone(), known: defined() });
            }
            Err(source) => return Err(CollectError::Machines { path: self.folder.clone(), source }),
        };
        let mut known: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("machine.toml").is_file())
            .map(|entry| crate::text::escape(entry.file_name().as_encoded_bytes()))
            .take(1000)
            .collect();
        known.extend(defined());
        known.sort();
        known.dedup();
        Err(CollectError::UnknownMachine { name: name.clone(), known })
    }

    /// The folder of the VM in question, where it is vmwright's own.
    fn machine(&self) -> Option<PathBuf> {
        Some(self.folder.join(self.vm.as_ref()?))
    }

    /// The lines of a work list: files of the VM in question, and what is done with them. None without a VM.
    pub(super) fn sources(&self, files: &[&str], then: &str) -> Vec<String> {
        let Some(folder) = self.machine() else { return Vec::new() };
        let mut lines: Vec<String> = files.iter().map(|file| escape_path(&folder.join(file))).collect();
        if !then.is_empty() {
            lines.push(format!("{then} of VM {}", self.vm.as_deref().unwrap_or_default()));
        }
        lines
    }

    /// The paths in the specification of the VM in question; none without a VM, or where it cannot be read.
    pub(super) fn images(&self, collector: &Collector<'_>) -> Option<Images> {
        let path = self.machine()?.join("machine.toml");
        let most = collector.most_of(&path);
        let bytes = collector.within(move || file::read(&path, most)).and_then(|content| content).ok()?;
        Some(images(&String::from_utf8_lossy(&bytes)))
    }
}

pub(super) fn run(machines: &Machines, collector: &mut Collector<'_>) {
    let Some(folder) = machines.machine() else { return };
    for (name, kind) in FILES {
        collector.file(folder.join(name), Some(kind));
    }
}

/// Every string at `disk[].path` and `boot.{kernel,initrd}` and `firmware.path`, each once, whatever else is wrong with the
/// text. What is wrong is said by those who read the specification itself.
fn images(text: &str) -> Images {
    let mut found = Images::default();
    let Ok(spec) = text.parse::<toml::Table>() else { return found };
    let mut keep = |value: Option<&toml::Value>, disk: bool| {
        let Some(path) = value.and_then(toml::Value::as_str) else { return };
        let known = found.disks.iter().chain(&found.boot).any(|other| other == path);
        if !known && found.disks.len() + found.boot.len() < MOST_PATHS && !path.is_empty() {
            if disk { &mut found.disks } else { &mut found.boot }.push(path.to_owned());
        }
    };
    for disk in spec.get("disk").and_then(toml::Value::as_array).into_iter().flatten() {
        keep(disk.get("path"), true);
    }
    for (table, key) in [("boot", "kernel"), ("boot", "initrd"), ("firmware", "path")] {
        keep(spec.get(table).and_then(|table| table.get(key)), false);
    }
    found
}

/// Why a path of a specification is not looked at: relative to what, nobody can say.
pub(super) fn not_absolute(path: &str) -> Option<Missing> {
    (!Path::new(path).is_absolute()).then(|| Missing::Failed("not an absolute path".to_owned()))
}

/// Whether libvirt has a VM of this name; also where that may not be known, since the analysis will tell.
fn may_define(folder: &Path, name: &str) -> bool {
    match std::fs::metadata(folder.join(format!("{name}.xml"))) {
        Ok(found) => found.is_file(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// The names of the VMs that libvirt has on disk, as far as they may be read.
fn defined() -> Vec<String> {
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some(crate::text::escape(name.strip_suffix(".xml")?.as_bytes()))
    };
    let entries = LIBVIRT.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(name).take(1000).collect();
    names.sort();
    names.dedup();
    names
}

/// The name in what vmwright calls the process of a VMM that takes none: `cloud-hypervisor guest=NAME`, one word.
pub(super) fn titled(words: &[Vec<u8>]) -> Option<String> {
    let title = String::from_utf8_lossy(words.first()?).into_owned();
    let (program, name) = title.split_once(" guest=")?;
    (!program.contains(char::is_whitespace) && !name.is_empty()).then(|| name.to_owned())
}

/// Whether a VMM runs that was given this name: `-name guest=NAME,...`, `-name NAME` of QEMU, `--id NAME` of Firecracker,
/// or the name of the process.
fn runs(name: &str) -> bool {
    running().iter().any(|process| {
        let words = file::read_words(process.pid).unwrap_or_default();
        names(&words, name)
    })
}

fn names(words: &[Vec<u8>], name: &str) -> bool {
    titled(words).as_deref() == Some(name)
        || words.windows(2).any(|pair| match pair[0].as_slice() {
            b"-name" | b"--name" => {
                let given = String::from_utf8_lossy(&pair[1]);
                opts(&given, Some("guest")).get("guest") == Some(name)
            }
            b"--id" => pair[1] == name.as_bytes(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vm_of_libvirt_or_of_anybody_is_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("web.xml"), "<domain/>").unwrap();
        assert!(may_define(folder.path(), "web"));
        assert!(!may_define(folder.path(), "db"));
        let said = |line: &str, name: &str| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            names(&words, name)
        };
        assert!(said("qemu-system-x86_64 -name guest=web,debug-threads=on -S", "web"));
        assert!(said("qemu-system-x86_64 -name web -S", "web"));
        assert!(said("firecracker --id web", "web"));
        let titled = |title: &str| names(&[title.as_bytes().to_vec(), b"--cpus".to_vec()], "web");
        assert!(
            titled("cloud-hypervisor guest=web")
                && !titled("cloud-hypervisor guest=web2")
                && !titled("cloud-hypervisor")
        );
        assert!(!said("qemu-system-x86_64 -name guest=web2", "web"));
        assert!(!said("vmwright analyze --vm web", "web"));
    }

    #[test]
    fn paths_are_found_in_whatever_parses() {
        let spec = "name = 7\n[boot]\nkernel = '/k'\ninitrd = ''\n[firmware]\npath = 3\n\
                    [[disk]]\npath = '/a.qcow2'\n[[disk]]\nformat = 'raw'\n[[disk]]\npath = '/k'\n[[disk]]\npath='/a.qcow2'\n";
        let found = images(spec);
        assert_eq!(found.disks, ["/a.qcow2", "/k"]);
        assert_eq!(found.boot, Vec::<String>::new(), "the kernel is also a disk, and named once");
        assert_eq!(images("[[disk]\n"), Images::default());
        assert_eq!(images("disk = 'x'\nboot = []\n"), Images::default());
        let many: String = (0..500).map(|n| format!("[[disk]]\npath = '/d{n}'\n")).collect();
        assert_eq!(images(&many).disks.len(), MOST_PATHS);
    }
}
