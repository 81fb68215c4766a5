//! A test guest under a real QEMU, with its QMP and agent channels. Used by the tests of more than one crate.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "not every test uses all of it")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use vmwright_guest::kernel::{self, Kernel, Places};
use vmwright_guest::{initramfs, probe};

/// How long QEMU may take for one answer, on a busy machine.
const ANSWER: Duration = Duration::from_secs(30);

/// How long the agent may take. After it the conversation begins anew, so that a late answer is not taken for
/// the answer to the next question.
const AGENT_ANSWER: Duration = Duration::from_secs(5);

/// A kernel and an initramfs with our probe.
pub(crate) struct Parts {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: Vec<u8>,
}

/// What guests boot from, made once; none, with the reason on stderr, where this machine has no QEMU or kernel.
pub(crate) fn parts(test: &str) -> Option<&'static Parts> {
    static PARTS: OnceLock<Result<Parts, String>> = OnceLock::new();
    match PARTS.get_or_init(make) {
        Ok(parts) => Some(parts),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            None
        }
    }
}

/// The same with a kernel that has the driver of the VM generation id, which tells a guest that it was restored.
pub(crate) fn parts_that_know_when_they_are_restored(test: &str) -> Option<Parts> {
    Some(packed(other_kernel(test, "kernel-vmgenid")?))
}

/// The same with a kernel that has drivers for more devices, of which these are loaded.
pub(crate) fn parts_with_drivers(test: &str, drivers: &[&str]) -> Option<Parts> {
    let kernel = other_kernel(test, "kernel-devices")?;
    let place = kernel.modules_dir.as_deref().expect("it has a place");
    let modules =
        kernel::modules_for(place, &[kernel::REQUIRED, drivers].concat()).expect("Debian's kernel has them");
    Some(Parts { initrd: initramfs::build(&probe(), &modules), kernel: kernel.image })
}

/// A kernel that is not the usual one; none, with the reason on stderr, where it is not there.
fn other_kernel(test: &str, name: &str) -> Option<Kernel> {
    parts(test)?;
    let unpacked = workspace().join("target/vmwright-test").join(name);
    match kernel::find(&Places { unpacked: Some(unpacked), ..Places::default() }) {
        Ok(kernel) => Some(kernel),
        Err(why) => {
            eprintln!("SKIPPED {test}: {why} (`cargo xtask test` fetches it)");
            None
        }
    }
}

/// The folder of UEFI images; none, with the reason on stderr, where there is none.
pub(crate) fn firmware(test: &str) -> Option<PathBuf> {
    let folder = "usr/share/OVMF";
    let found = [PathBuf::from("/"), workspace().join("target/vmwright-test/firmware")]
        .map(|root| root.join(folder))
        .into_iter()
        .find(|folder| folder.join("OVMF_CODE_4M.secboot.fd").exists());
    if found.is_none() {
        eprintln!("SKIPPED {test}: no UEFI firmware of the package ovmf (`cargo xtask test` fetches it)");
    }
    found
}

/// A program that no package of this machine has: installed for the tests, or on the path. None, with the reason on stderr, where
/// it is neither.
pub(crate) fn program(test: &str, name: &str) -> Option<PathBuf> {
    let own = ["virtiofsd/usr/lib/qemu", "virtiofsd/usr/libexec", "vsock/bin"]
        .map(|place| workspace().join("target/vmwright-test").join(place));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/libexec", "/usr/lib/qemu"].map(PathBuf::from);
    let places = std::env::split_paths(&path).chain(usual).chain(own);
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED {test}: no {name} (`cargo xtask test` fetches it)");
    }
    found
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("a crate lies two levels below the workspace")
}

fn make() -> Result<Parts, String> {
    if let Err(error) = Command::new("qemu-system-x86_64").arg("--version").stdout(Stdio::null()).status() {
        return Err(format!("qemu-system-x86_64: {error}"));
    }
    let unpacked = workspace().join("target/vmwright-test/kernel");
    let kernel =
        kernel::find(&Places::of_this_machine(Some(&unpacked))).map_err(|error| error.to_string())?;
    // From here on nothing is the machine's fault.
    Ok(packed(kernel))
}

fn packed(kernel: Kernel) -> Parts {
    let modules = kernel.guest_modules().expect("find() has checked them");
    Parts { kernel: kernel.image, initrd: initramfs::build(&probe(), &modules) }
}

fn probe() -> Vec<u8> {
    probe::build(workspace()).and_then(|path| probe::read(&path)).expect("the probe builds")
}

/// What the VM has.
pub(crate) struct Options {
    pub(crate) vcpus: u32,
    /// MiB.
    pub(crate) memory: u32,
    pub(crate) cmdline: String,
    /// Raw images with whether the guest may only read, in order.
    pub(crate) disks: Vec<(PathBuf, bool)>,
    /// `-netdev` without `id=`, with the MAC address.
    pub(crate) networks: Vec<(String, String)>,
    /// More arguments.
    pub(crate) more: Vec<String>,
    /// Whether there is a channel for the agent.
    pub(crate) agent: bool,
    /// User to run QEMU as, where the test runs as root.
    pub(crate) user: Option<u32>,
    /// Whether QEMU loads the kernel; else the firmware starts what it finds on the disks.
    pub(crate) kernel: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vcpus: 1,
            memory: 256,
            cmdline: String::new(),
            disks: Vec::new(),
            networks: Vec::new(),
            more: Vec::new(),
            agent: true,
            user: None,
            kernel: true,
        }
    }
}

/// A running VM; it ends with this value.
pub(crate) struct Vm {
    child: Mutex<Child>,
    dir: tempfile::TempDir,
    /// Other VMs with a file of theirs, as a review is told of them.
    pub(crate) neighbours: Vec<(String, String)>,
    /// Files that its host is said to have, with their content.
    pub(crate) host_files: Vec<(String, String)>,
    qmp: Mutex<Channel>,
    agent: Option<Mutex<Channel>>,
    started: Instant,
}

impl Vm {
    pub(crate) fn start(parts: &Parts, options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(at("initrd"), &parts.initrd).unwrap();
        // Another user need not be able to read where this checkout lies.
        std::fs::copy(&parts.kernel, at("kernel")).unwrap();
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            // One thread: with several, QEMU 7.2 ends now and then by an assertion of its own (`iotlb_to_section`).
            .args(["-M", "q35,graphics=off", "-accel", "tcg,thread=single", "-cpu", "max"])
            .args(["-smp", &options.vcpus.to_string(), "-m", &options.memory.to_string()])
            .args(["-serial", &format!("file:{}", at("serial"))])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))])
            .args(["-device", "virtio-serial-pci", "-device", "virtio-rng-pci"]);
        if options.kernel {
            command
                .args(["-kernel", &at("kernel"), "-initrd", &at("initrd")])
                .args(["-append", &format!("console=ttyS0 no_timer_check panic=-1 {}", options.cmdline)]);
        }
        if options.agent {
            command
                .args(["-chardev", &format!("socket,id=agent,path={},server=on,wait=off", at("agent"))])
                .args(["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]);
        }
        for (number, (path, readonly)) in options.disks.iter().enumerate() {
            let only = if *readonly { "on" } else { "off" };
            let path = path.display();
            command
                .args([
                    "-blockdev",
                    &format!("driver=file,node-name=f{number},read-only={only},filename={path}"),
                ])
                .args([
                    "-blockdev",
                    &format!("driver=raw,node-name=d{number},read-only={only},file=f{number}"),
                ])
                .args(["-device", &format!("virtio-blk-pci,drive=d{number}")]);
        }
        for (number, (netdev, mac)) in options.networks.iter().enumerate() {
            command
                .args(["-netdev", &format!("{netdev},id=n{number}")])
                .args(["-device", &format!("virtio-net-pci,netdev=n{number},mac={mac},romfile=")]);
        }
        command.args(&options.more);
        if let Some(user) = options.user {
            use std::os::unix::process::CommandExt;
            std::os::unix::fs::chown(dir.path(), Some(user), Some(user)).unwrap();
            // Without the rights of root, std gives up its groups too.
            command.uid(user).gid(user);
        }
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let mut qmp = Channel::open(Path::new(&at("qmp")), ANSWER);
        let greeting = qmp.line().unwrap();
        assert!(greeting.get("QMP").is_some(), "{greeting}");
        qmp.ask("qmp_capabilities", json!({})).unwrap();
        let agent = options.agent.then(|| Mutex::new(Channel::open(Path::new(&at("agent")), AGENT_ANSWER)));
        Self {
            child: Mutex::new(child),
            dir,
            neighbours: Vec::new(),
            host_files: Vec::new(),
            qmp: Mutex::new(qmp),
            agent,
            started,
        }
    }

    /// Everything that the guest wrote on its serial line so far.
    pub(crate) fn serial(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join("serial")).unwrap_or_default())
            .into_owned()
    }

    /// A file of its directory.
    pub(crate) fn at(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// The process of QEMU.
    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// The answer to a QMP command, or its error object.
    pub(crate) fn qmp(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        self.qmp.lock().unwrap().ask(command, arguments)
    }

    /// The answer of the guest's agent, or its error object; a JSON string where there is no answer.
    pub(crate) fn agent(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let Some(agent) = &self.agent else { return Err("this VM has no channel for an agent".into()) };
        let mut agent = agent.lock().unwrap();
        agent.synchronise()?;
        agent.ask(command, arguments)
    }

    /// Waits until a line of the serial log contains `text`; panics with the log when it does not come.
    pub(crate) fn wait_for(&self, text: &str, limit: Duration) {
        let end = Instant::now() + limit;
        while !self.serial().contains(text) {
            assert!(Instant::now() < end, "no `{text}` within {limit:?}:\n{}", self.serial());
            assert!(self.running(), "QEMU ended before `{text}`:\n{}", self.serial());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether QEMU ends by itself within `limit`.
    pub(crate) fn ends_within(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.running() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        true
    }

    pub(crate) fn running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Time since QEMU was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// JSON lines over a UNIX socket.
struct Channel {
    reader: BufReader<UnixStream>,
    /// Questions that were given up; their answers may still come.
    given_up: u64,
}

impl Channel {
    fn open(path: &Path, patience: Duration) -> Self {
        let end = Instant::now() + ANSWER;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < end, "{}: {error}", path.display()),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        stream.set_read_timeout(Some(patience)).unwrap();
        stream.set_write_timeout(Some(patience)).unwrap();
        Self { reader: BufReader::new(stream), given_up: 0 }
    }

    fn line(&mut self) -> Result<Value, Value> {
        let mut bytes = Vec::new();
        let count =
            self.reader.read_until(b'\n', &mut bytes).map_err(|error| self.give_up(&error.to_string()))?;
        if count == 0 {
            return Err(self.give_up("the channel was closed"));
        }
        serde_json::from_slice(bytes.strip_prefix(b"\xff").unwrap_or(&bytes))
            .map_err(|error| self.give_up(&error.to_string()))
    }

    fn give_up(&mut self, why: &str) -> Value {
        self.given_up += 1;
        format!("no answer: {why}").into()
    }

    /// Lets late answers pass, where there may be some.
    fn synchronise(&mut self) -> Result<(), Value> {
        if self.given_up == 0 {
            return Ok(());
        }
        let id = self.given_up;
        self.send(&json!({ "execute": "guest-sync-delimited", "arguments": { "id": id } }), b"\xff")?;
        while self.line()?.get("return") != Some(&id.into()) {}
        self.given_up = 0;
        Ok(())
    }

    fn send(&mut self, request: &Value, before: &[u8]) -> Result<(), Value> {
        let mut bytes = before.to_vec();
        bytes.extend_from_slice(format!("{request}\n").as_bytes());
        self.reader.get_mut().write_all(&bytes).map_err(|error| self.give_up(&error.to_string()))
    }

    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value, Value> {
        self.send(&json!({ "execute": command, "arguments": arguments }), b"")?;
        loop {
            let answer = self.line()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                return Err(error.clone());
            }
            // An event of QMP.
        }
    }
}
