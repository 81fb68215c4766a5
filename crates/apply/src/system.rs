//! The host below its files: values of the kernel, and the programs that change what no file holds.
//!
//! Actions reach both through [`System`], so that a test can let them act on a host that it made up. What it made up
//! behaves as the real one: `tests/whole/system.rs` asks both the same.

use crate::tool::{self, ToolError};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2, readlinkat};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest value that is read, in bytes: sysfs hands over one page (kernel, `fs/sysfs/file.c`), procfs a few.
const LONGEST: u64 = 64 << 10;

/// Making an initramfs takes a minute on a slow machine, and longer under load.
const GENERATORS_LIMIT: Duration = Duration::from_secs(900);

/// Programs that make files for the next boot.
const GENERATORS: [&str; 6] =
    ["update-grub", "grub-mkconfig", "grub2-mkconfig", "update-initramfs", "dracut", "kernel-install"];

/// Loading a module waits for its devices; systemd waits 90 s for a unit by default (`DefaultTimeoutStartSec`).
const LIMIT: Duration = Duration::from_secs(120);

/// What reads or writes whole disk images: a terabyte at 50 MB/s.
const COPIES_LIMIT: Duration = Duration::from_secs(6 * 3600);

/// Words of `qemu-img` that do so.
const COPIES: [&str; 3] = ["convert", "compare", "rebase"];

/// Where distributions put programs.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// A host, as far as it is no files.
pub trait System {
    /// The text of a value below `/sys` or `/proc/sys`, or of another file of the kernel, `/proc/modules`.
    ///
    /// # Errors
    /// As the kernel says.
    fn read(&self, path: &str) -> io::Result<String>;

    /// Writes a value in one call.
    ///
    /// # Errors
    /// As the kernel says: some refuse what they cannot do.
    fn write(&self, path: &str, value: &str) -> io::Result<()>;

    /// The last component of what a symbolic link below `/sys` points to.
    ///
    /// # Errors
    /// As the kernel says; `NotFound` where there is no such link.
    fn link(&self, path: &str) -> io::Result<String>;

    /// The process that has a PCI function open through VFIO, as `NAME (pid N)`; none where nobody has.
    ///
    /// # Errors
    /// The processes cannot be listed.
    fn holder(&self, device: &str) -> io::Result<Option<String>>;

    /// The folder of units that an administrator makes; none where systemd does not run the host.
    fn units(&self) -> Option<PathBuf> {
        // sd_booted(3), and systemd.unit(5).
        Path::new("/run/systemd/system").is_dir().then(|| PathBuf::from("/etc/systemd/system"))
    }

    /// Runs a program by its name, to its end. Gives what it printed.
    ///
    /// # Errors
    /// [`RunError`].
    fn run(&self, program: &'static str, args: &[&str]) -> Result<Ran, RunError>;
}

/// What a program that ended said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Whether it succeeded.
    pub success: bool,
    /// What it printed.
    pub output: String,
    /// What it complained of, on one line.
    pub complaint: String,
}

/// Why a program did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not there.
    #[error("{0} is not installed")]
    Absent(&'static str),
    /// It could not be run, or hung.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// This host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live;

impl System for Live {
    fn read(&self, path: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        open(path, OFlags::RDONLY)?.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn write(&self, path: &str, value: &str) -> io::Result<()> {
        // The kernel takes what one call writes as the whole value.
        let written = open(path, OFlags::WRONLY)?.write(value.as_bytes())?;
        if written == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn link(&self, path: &str) -> io::Result<String> {
        let target = readlinkat(CWD, path, Vec::new())?;
        let target = target.to_string_lossy();
        Ok(target.rsplit('/').next().unwrap_or_default().to_owned())
    }

    fn holder(&self, device: &str) -> io::Result<Option<String>> {
        let of = format!("/sys/bus/pci/devices/{device}");
        // Kernel, Documentation/driver-api/vfio.rst: a group's node, and since Linux 6.6 one of each device. A process in
        // a jail has opened a node of its own there, so that only the end of the path is the same.
        let group = self.link(&format!("{of}/iommu_group")).map(|group| format!("vfio/{group}"));
        let devices = fs::read_dir(format!("{of}/vfio-dev")).into_iter().flatten().flatten();
        let devices = devices.map(|one| format!("vfio/devices/{}", one.file_name().display()));
        let nodes: Vec<String> = group.into_iter().chain(devices).collect();
        for process in fs::read_dir("/proc")?.flatten() {
            let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
            if open
                .map(|fd| fs::read_link(fd.path()))
                .any(|file| file.is_ok_and(|file| nodes.iter().any(|node| file.ends_with(node))))
            {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Ok(Some(format!("{} (pid {})", name.trim(), process.file_name().display())));
            }
        }
        Ok(None)
    }

    fn run(&self, program: &'static str, args: &[&str]) -> Result<Ran, RunError> {
        let path = PLACES.iter().map(|place| Path::new(place).join(program)).find(|path| path.is_file());
        let path: PathBuf = path.ok_or(RunError::Absent(program))?;
        let limit = match args.first() {
            _ if GENERATORS.contains(&program) => GENERATORS_LIMIT,
            Some(word) if program == "qemu-img" && COPIES.contains(word) => COPIES_LIMIT,
            _ => LIMIT,
        };
        let args: Vec<&std::ffi::OsStr> = args.iter().map(std::ffi::OsStr::new).collect();
        let said = tool::run(&path, &args, b"", limit)?;
        Ok(Ran {
            success: said.status.success(),
            output: String::from_utf8_lossy(&said.stdout).into_owned(),
            complaint: said.complaint(),
        })
    }
}

/// Opens a file of the kernel. Links below `/sys` stay below it: that a value's path leads to a file elsewhere is
/// impossible.
fn open(path: &str, flags: OFlags) -> io::Result<File> {
    let (base, rest) = if let Some(rest) = path.strip_prefix("/sys/") {
        ("/sys", rest)
    } else if let Some(rest) = path.strip_prefix("/proc/") {
        ("/proc", rest)
    } else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let dir = openat2(
        CWD,
        base,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    Ok(File::from(openat2(&dir, rest, flags | OFlags::CLOEXEC, Mode::empty(), how)?))
}
