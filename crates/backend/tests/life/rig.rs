//! Real guests under QEMU's own translator: the project's own probe as process 1, which speaks the agent protocol.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{
    Answer, Backend, ControlError, Request, State, Stop, Stored, Told, Watch, perform, store,
};
use vmwright_guest::kernel::{self, Places};
use vmwright_guest::{initramfs, probe};

/// Time enough for anything on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Kernel and initramfs, made once; none, with the reason on stderr, where this machine has no QEMU or kernel.
pub(crate) fn parts(test: &str) -> Option<&'static (PathBuf, PathBuf)> {
    static PARTS: OnceLock<Result<(PathBuf, PathBuf), String>> = OnceLock::new();
    match PARTS.get_or_init(make) {
        Ok(parts) => Some(parts),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            None
        }
    }
}

fn make() -> Result<(PathBuf, PathBuf), String> {
    Qemu::default().program().map_err(|error| error.to_string())?;
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = manifest.ancestors().nth(2).expect("a crate lies two levels below the workspace");
    let unpacked = workspace.join("target/vmwright-test/kernel");
    let kernel =
        kernel::find(&Places::of_this_machine(Some(&unpacked))).map_err(|error| error.to_string())?;
    let modules = kernel.guest_modules().expect("find() has checked them");
    let probe = probe::build(workspace).and_then(|path| probe::read(&path)).expect("the probe builds");
    let initrd = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("initrd-{}", std::process::id()));
    std::fs::write(&initrd, initramfs::build(&probe, &modules)).expect("written");
    Ok((kernel.image, initrd))
}

/// Two state directories, as two hosts have them, with what they share.
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    parts: &'static (PathBuf, PathBuf),
    made: std::cell::RefCell<Vec<Stored>>,
}

impl Site {
    pub(crate) fn new(test: &str) -> Option<Self> {
        let parts = parts(test)?;
        let directory = tempfile::Builder::new().prefix("vml").tempdir().expect("a temporary directory");
        Some(Self { directory, parts, made: std::cell::RefCell::default() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A machine of our own guest in the state directory `host`; `more` is added to its specification.
    pub(crate) fn machine(&self, host: &str, name: &str, more: &str) -> Stored {
        let (kernel, initrd) = self.parts;
        let (top, tables) = more.split_at(more.find("[[").unwrap_or(more.len()));
        let text = format!(
            "name = '{name}'\naccelerator = 'tcg'\n{top}{}boot.kernel = '{}'\nboot.initrd = '{}'\n\
             boot.cmdline = 'console=ttyS0 no_timer_check panic=-1'\n{tables}",
            if top.contains("memory.size") { "" } else { "memory.size = '160MiB'\n" },
            kernel.display(),
            initrd.display(),
        );
        let spec = self.path(&format!("{name}.toml"));
        std::fs::write(&spec, text).expect("written");
        let machine = store::create(&self.path(host), &spec).expect("a good specification");
        self.made.borrow_mut().push(machine.clone());
        machine
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // A failed test must not leave a VMM behind either.
        for machine in self.made.borrow().iter() {
            let _ = Qemu::default().stop(machine, Stop::Force);
        }
    }
}

/// QEMU with the patience of a busy machine.
pub(crate) fn qemu() -> Qemu {
    Qemu::default().with_patience(LONG)
}

/// Starts a machine and waits for its agent.
pub(crate) fn boot(qemu: &Qemu, machine: &Stored) {
    let begin = Instant::now();
    qemu.start(machine).unwrap_or_else(|error| panic!("{error:?}; log: {}", text(machine, "qemu.log")));
    eventually("the agent is up", || text(machine, "serial.log").contains("vmwright-guest: agent "));
    eprintln!("{} is up after {:.1?}", machine.name, begin.elapsed());
}

pub(crate) fn state(machine: &Stored) -> State {
    qemu().look(machine).expect("it can be told").state
}

/// Asks with nobody watching.
pub(crate) fn ask(machine: &Stored, request: Request) -> Result<Answer, ControlError> {
    perform(&qemu(), machine, request, &mut Notes::default())
}

/// The agent's answer.
pub(crate) fn agent(machine: &Stored, command: &str, arguments: Value) -> Value {
    let mut agent = qemu().agent(machine, LONG).expect("an agent");
    agent.execute(command, Some(arguments)).unwrap_or_else(|error| panic!("{command}: {error}"))
}

/// Checks the memory that the guest keeps changing; gives how often it has.
pub(crate) fn check_memory(machine: &Stored) -> u64 {
    let told = agent(machine, "vmwright-memory-check", json!({}));
    assert_eq!(told["wrong"], 0, "{told}");
    told["changes"].as_u64().expect("a number")
}

/// Runs `qemu-img`.
pub(crate) fn image(words: &[&str]) {
    let output = std::process::Command::new("qemu-img").args(words).output().expect("it is installed");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Keeps what is told, and stops where it is told to.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) told: Vec<Told>,
    pub(crate) stop_at: Option<usize>,
}

impl Watch for Notes {
    fn tell(&mut self, what: Told) {
        self.told.push(what);
    }

    fn stopped(&self) -> bool {
        self.stop_at.is_some_and(|at| self.told.len() >= at)
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Text of a machine's file.
pub(crate) fn text(machine: &Stored, file: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(machine.file(file)).unwrap_or_default()).into_owned()
}
