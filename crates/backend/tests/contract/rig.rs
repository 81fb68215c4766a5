//! What the cases run on.

use crate::{daemon, guest};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::fake::Fake;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{
    Answer, Backend, ControlError, Ended, Listed, Request, Stored, Unwatched, perform, store,
};

/// Time enough for anything on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Asks a running machine something.
pub(crate) type Query = fn(&Stored) -> Result<(), ControlError>;

/// A backend under test.
pub(crate) struct Rig {
    pub(crate) backend: Box<dyn Backend + Sync>,
    /// One whose VMM does not start the machine of this name, and what its log says then.
    pub(crate) refusing: fn(&str) -> (Box<dyn Backend + Sync>, &'static str),
    /// Lines for a specification that make `refusing` refuse.
    pub(crate) refused: &'static str,
    /// Where the backend can.
    pub(crate) query: Option<Query>,
    /// Lines for a specification whose guest runs in this directory, and whether it hears that it shall power off.
    pub(crate) guest: fn(&Path, bool) -> String,
    /// How a guest that hears ends where it is stopped in order, and how long it is waited for.
    pub(crate) ends: (Ended, Duration),
}

/// The guest is in the boot sector of the disk, which the translator runs.
fn boot_sector(_: &Path, _: bool) -> String {
    "accelerator = 'tcg'\n".to_owned()
}

impl Rig {
    /// A request with nobody watching.
    pub(crate) fn ask(&self, machine: &Stored, request: Request) -> Result<Answer, ControlError> {
        perform(&*self.backend, machine, request, &mut Unwatched)
    }
}

pub(crate) fn fake() -> Rig {
    Rig {
        backend: Box::new(Fake::default()),
        refusing: |name| (Box::new(Fake::default().refusing(name, "no, not today")), "no, not today"),
        refused: "",
        query: None,
        guest: boot_sector,
        ends: (Ended::ByItself, LONG),
    }
}

/// QEMU, where it is installed.
pub(crate) fn qemu(test: &str) -> Option<Rig> {
    if let Err(error) = Qemu::default().program() {
        eprintln!("SKIPPED {test}: {error}");
        return None;
    }
    Some(Rig {
        backend: Box::new(Qemu::default().with_patience(LONG)),
        refusing: |_| (Box::new(Qemu::default()), "unable to find CPU model 'no-such-model'"),
        refused: "cpu.model = 'no-such-model'\n",
        guest: boot_sector,
        ends: (Ended::ByItself, LONG),
        query: Some(|machine| Qemu::default().with_patience(LONG).monitor(machine).map(drop)),
    })
}

/// libvirt, where a daemon of our own can run.
pub(crate) fn libvirt(test: &str) -> Option<Rig> {
    let backend = match daemon::shared() {
        Ok(backend) => backend.clone(),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            return None;
        }
    };
    Some(Rig {
        backend: Box::new(backend),
        refusing: |_| (Box::new(daemon::shared().clone().expect("there")), "no-such-model"),
        refused: "cpu.model = 'no-such-model'\n",
        guest: boot_sector,
        ends: (Ended::ByItself, LONG),
        query: Some(|machine| daemon::shared().clone().expect("there").client(machine).map(drop)),
    })
}

/// Why no guest runs on KVM here.
fn without_kvm() -> Option<String> {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    opened.err().map(|error| format!("/dev/kvm: {error}"))
}

/// Firecracker, where it is installed and there is KVM.
pub(crate) fn firecracker(test: &str) -> Option<Rig> {
    let backend = || Firecracker::default().with_patience(LONG);
    let missing = backend().program().err().map(|error| error.to_string()).or_else(without_kvm);
    if let Some(missing) = missing {
        eprintln!("SKIPPED {test}: {missing}");
        return None;
    }
    Some(Rig {
        backend: Box::new(backend()),
        refusing: |_| (Box::new(Firecracker::default()), "No such file or directory"),
        refused: "[[disk]]\npath = '/no/such/image'\nformat = 'raw'\n",
        query: None,
        guest: |directory, hears| guest::lines(directory, &guest::keyboard(hears)),
        ends: (Ended::ByItself, LONG),
    })
}

/// Cloud Hypervisor, where it is installed and there is KVM. Its power button is beyond what a guest of a few
/// instructions can reach: it is told to end.
pub(crate) fn cloud_hypervisor(test: &str) -> Option<Rig> {
    let backend = || CloudHypervisor::default().with_patience(LONG);
    let missing = backend().program().err().map(|error| error.to_string()).or_else(without_kvm);
    if let Some(missing) = missing {
        eprintln!("SKIPPED {test}: {missing}");
        return None;
    }
    Some(Rig {
        backend: Box::new(backend()),
        refusing: |_| (Box::new(CloudHypervisor::default()), "No such file or directory"),
        refused: "[[disk]]\npath = '/no/such/image'\nformat = 'raw'\n",
        query: None,
        guest: |directory, _| guest::lines(directory, &guest::keyboard(false)),
        ends: (Ended::Quit, Duration::from_secs(1)),
    })
}

/// A state directory and what the machines in it need. At its end it asserts that nothing is left behind.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) state: PathBuf,
    names: std::cell::RefCell<Vec<String>>,
    guest: fn(&Path, bool) -> String,
    /// Whether the guests of machines made from now on hear that they shall power off.
    pub(crate) hears: std::cell::Cell<bool>,
}

/// The files of a machine's directory.
const FILES: [&str; 10] = [
    "machine.toml",
    "argv",
    "qemu.log",
    "serial.log",
    "process.json",
    "lock",
    "domain.xml",
    "vmm.json",
    "vmm.log",
    "seed.iso",
];

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(boot_sector)
    }

    /// One for machines of a backend.
    pub(crate) fn of(rig: &Rig) -> Self {
        Self::with(rig.guest)
    }

    fn with(guest: fn(&Path, bool) -> String) -> Self {
        let directory = tempfile::Builder::new().prefix("vmw").tempdir().expect("a temporary directory");
        let state = directory.path().join("state");
        let hears = std::cell::Cell::new(true);
        Self { directory, state, names: std::cell::RefCell::default(), guest, hears }
    }

    /// Makes a machine with a disk of its own; `more` is added to its specification.
    pub(crate) fn machine(&self, more: &str) -> Stored {
        let disk = self.disk();
        self.machine_on(&disk, more)
    }

    /// A new boot disk.
    pub(crate) fn disk(&self) -> PathBuf {
        let path = self.directory.path().join(format!("disk{}.raw", next()));
        std::fs::write(&path, guest::disk()).expect("written");
        path
    }

    /// Makes a machine with a disk.
    pub(crate) fn machine_on(&self, disk: &Path, more: &str) -> Stored {
        let name = format!("t{}-{}", std::process::id(), next());
        let mut text = format!("name = '{name}'\nmemory.size = '32MiB'\n");
        if !more.contains("accelerator") {
            text.push_str(&(self.guest)(self.directory.path(), self.hears.get()));
        }
        text.push_str(more);
        text.push_str(&format!("[[disk]]\npath = '{}'\nformat = 'raw'\n", disk.display()));
        let spec = self.directory.path().join(format!("{name}.toml"));
        std::fs::write(&spec, text).expect("written");
        self.names.borrow_mut().push(name);
        store::create(&self.state, &spec).expect("a good specification")
    }

    /// No process, socket, tap or temporary file of any machine here; `alive` are allowed to run.
    pub(crate) fn assert_nothing_left(&self, alive: &[&Stored]) {
        for name in self.names.borrow().iter().filter(|name| !alive.iter().any(|alive| alive.name == **name))
        {
            let left = processes(name);
            assert!(left.is_empty(), "processes of {name}: {left:?}");
            let path = self.state.join("machines").join(name);
            if !path.exists() {
                continue;
            }
            for entry in std::fs::read_dir(&path).expect("readable") {
                let file = entry.expect("readable").file_name().into_string().expect("text");
                assert!(FILES.contains(&file.as_str()), "{file} in {}", path.display());
            }
            if let Ok(Some(record)) = store::open(&self.state, name).expect("there").process() {
                assert_eq!(record.sockets.as_deref().filter(|sockets| sockets.exists()), None);
                for tap in record.running.iter().flat_map(|running| &running.taps) {
                    assert!(!Path::new("/sys/class/net").join(tap).exists(), "{tap}");
                }
            }
        }
        if alive.is_empty() {
            assert!(!self.state.join("run").exists(), "{:?}", tree(&self.state.join("run")));
        }
        for Listed { name, .. } in store::list(&self.state).expect("a list") {
            assert!(self.names.borrow().contains(&name), "{name}");
        }
        let hidden = tree(&self.state.join("machines"))
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
        assert_eq!(hidden, None);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Ok(libvirt)) = daemon::shared_already() {
            for name in self.names.borrow().iter() {
                if let Ok(machine) = store::open(&self.state, name) {
                    let _ = libvirt.undefine(&machine);
                }
            }
        }
        // A failed test must not leave a VMM behind either.
        for name in self.names.borrow().iter() {
            let record =
                store::open(&self.state, name).ok().and_then(|machine| machine.process().ok().flatten());
            // The fake's sleeper has forgotten its name.
            let sleeper = record.and_then(|record| record.running).filter(|running| {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.process.pid))
                    .unwrap_or_default();
                stat.contains("(sleep)") && stat.contains(&format!(" {} ", running.process.start_time))
            });
            for pid in processes(name).into_iter().chain(sleeper.map(|running| running.process.pid)) {
                let _ = rustix::process::kill_process(rustix_pid(pid), rustix::process::Signal::KILL);
            }
        }
    }
}

pub(crate) fn rustix_pid(pid: i32) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(pid).expect("a pid")
}

/// Pids of processes that have `guest=NAME` among their words. A zombie has no words.
pub(crate) fn processes(name: &str) -> Vec<i32> {
    let marks = [format!("guest={name}\0"), format!("guest={name},")];
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("readable").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        if marks.iter().any(|mark| words.contains(mark.as_str()))
            || words.ends_with(marks[0].trim_end_matches('\0'))
        {
            found.push(pid);
        }
    }
    found
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Text of a machine's file.
pub(crate) fn text(machine: &Stored, file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(machine.file(file)).unwrap_or_default()).into_owned()
}

fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
