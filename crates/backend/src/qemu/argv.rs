//! QEMU's command line. Pure: the same machine and the same numbers give the same words.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::fd::RawFd;
use thiserror::Error;
use vmwright_formats::machine_spec::{SizeError, parse_size};
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Accelerator, Disk, DiskFormat, Network, NetworkKind};

/// Name of the virtio-serial port that guest agents look for.
pub const AGENT_PORT: &str = "org.qemu.guest_agent.0";

/// One option with its value, and what it is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The option, `-machine`.
    pub option: &'static str,
    /// Its value; none for a switch.
    pub value: Option<String>,
    /// Why it is there, for a reader.
    pub why: &'static str,
}

/// Numbers of the open files that QEMU inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handles {
    /// The serial log, open for appending.
    pub serial: RawFd,
    /// The monitor's listening socket.
    pub qmp: RawFd,
    /// The agent's listening socket; used where the machine has an agent.
    pub agent: RawFd,
    /// One tap for each network of kind `bridge`, in their order.
    pub taps: Vec<RawFd>,
}

impl Handles {
    /// The numbers to show where none are open: 3, 4, 5, and taps from 6.
    #[must_use]
    pub fn to_show(spec: &MachineSpec) -> Self {
        let bridges = spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge);
        Self { serial: 3, qmp: 4, agent: 5, taps: (6..).zip(bridges).map(|(number, _)| number).collect() }
    }
}

/// Why a specification is no command line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgvError {
    /// The memory's size is wrong.
    #[error("memory has no usable size")]
    Size(#[source] SizeError),
    /// There are fewer taps than networks that need one.
    #[error("network {0} has no tap")]
    NoTap(usize),
    /// The specification says what this backend cannot do.
    #[error("`{0}` is not for this backend")]
    Beyond(String),
    /// A value would be more than one line.
    #[error("the value of `{0}` holds a control character")]
    Control(&'static str),
}

/// The command line of a machine, without the program.
///
/// # Errors
/// [`ArgvError`].
pub fn argv(spec: &MachineSpec, handles: &Handles) -> Result<Vec<Argument>, ArgvError> {
    let size = parse_size(&spec.memory.size).map_err(ArgvError::Size)?;
    let mut line = Line { arguments: Vec::new(), bus: bus(&spec.machine) };
    process(&mut line, spec);
    machine(&mut line, spec, size);
    boot(&mut line, spec);
    consoles(&mut line, spec, handles);
    line.device("virtio-rng", "", "randomness for the guest, so that it boots without waiting for some");
    for (at, disk) in spec.disks.iter().enumerate() {
        self::disk(&mut line, at, disk)?;
    }
    let mut taps = handles.taps.iter();
    for (at, network) in spec.networks.iter().enumerate() {
        self::network(&mut line, &spec.name, at, network, &mut taps)?;
    }
    // One argument is one line in the record; a NUL cannot be passed at all.
    let control = line
        .arguments
        .iter()
        .find(|argument| argument.value.as_deref().is_some_and(|value| value.chars().any(char::is_control)));
    match control {
        Some(argument) => Err(ArgvError::Control(argument.option)),
        None => Ok(line.arguments),
    }
}

/// The words to execute.
#[must_use]
pub fn words(arguments: &[Argument]) -> Vec<OsString> {
    let mut words = Vec::new();
    for argument in arguments {
        words.push(argument.option.into());
        words.extend(argument.value.as_ref().map(OsString::from));
    }
    words
}

/// The MAC address of a machine's network: the one given, else made from the machine's name and the network's
/// place, in QEMU's own range 52:54:00 (locally administered).
#[must_use]
pub fn mac(machine: &str, at: usize, network: &Network) -> String {
    if let Some(mac) = &network.mac {
        return mac.clone();
    }
    // FNV-1a: well spread for short texts, and the same for ever.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in machine.bytes().chain([0]).chain(at.to_string().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The high bits are the better mixed ones.
    let [_, _, a, b, c, ..] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

struct Line {
    arguments: Vec<Argument>,
    /// What a virtio device's name ends in.
    bus: &'static str,
}

impl Line {
    fn push(&mut self, option: &'static str, value: impl Into<String>, why: &'static str) {
        self.arguments.push(Argument { option, value: Some(value.into()), why });
    }

    fn switch(&mut self, option: &'static str, why: &'static str) {
        self.arguments.push(Argument { option, value: None, why });
    }

    fn device(&mut self, name: &str, properties: &str, why: &'static str) {
        let value = format!("{name}-{}{properties}", self.bus);
        self.push("-device", value, why);
    }
}

/// microvm has no PCI: its virtio devices are on MMIO.
fn bus(machine: &str) -> &'static str {
    if machine.starts_with("microvm") { "device" } else { "pci" }
}

/// In QEMU's options a comma ends a value and two are one.
fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

fn process(line: &mut Line, spec: &MachineSpec) {
    let name = escape(&spec.name);
    line.push("-name", format!("guest={name},process=vmw-{name}"), "the machine's name, also in ps and top");
    line.switch("-no-user-config", "nothing from configuration files: the same machine everywhere");
    line.switch("-nodefaults", "no device that is not written here");
    line.push("-display", "none", "no window; the console is the serial port");
    line.push(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "seccomp: a guest that breaks out cannot start programs or gain rights",
    );
}

fn machine(line: &mut Line, spec: &MachineSpec, size: u64) {
    let accelerator = match spec.accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    };
    let mut value = format!("{},accel={accelerator},graphics=off", escape(&spec.machine));
    if spec.memory.hugepages {
        value.push_str(",memory-backend=ram");
    }
    if spec.firmware.path.is_some() {
        value.push_str(",pflash0=firmware");
    }
    line.push(
        "-machine",
        value,
        "machine type; one accelerator and no second choice, so that KVM never becomes TCG unseen; \
         the firmware speaks on the serial port",
    );
    let mut model = escape(&spec.cpu.model);
    for feature in &spec.cpu.features {
        let (name, value) = match feature.strip_prefix('-') {
            Some(name) => (name, "off"),
            None => (feature.strip_prefix('+').unwrap_or(feature), "on"),
        };
        let _ = write!(model, ",{}={value}", escape(name));
    }
    line.push("-cpu", model, "CPU model and features");
    line.push("-smp", format!("cpus={}", spec.cpu.count), "virtual CPUs");
    if spec.memory.hugepages {
        line.push(
            "-object",
            format!("memory-backend-memfd,id=ram,size={size},hugetlb=on,prealloc=on"),
            "memory from huge pages, all of it taken now or not at all",
        );
    }
    let amount = if size.is_multiple_of(1 << 20) {
        format!("{}M", size >> 20)
    } else {
        format!("{}k", size.div_ceil(1024))
    };
    line.push("-m", format!("size={amount}"), "memory");
}

fn boot(line: &mut Line, spec: &MachineSpec) {
    if let Some(firmware) = &spec.firmware.path {
        let file = format!("driver=file,node-name=firmware-file,read-only=on,filename={}", escape(firmware));
        line.push("-blockdev", file, "the UEFI firmware's image");
        line.push(
            "-blockdev",
            "driver=raw,node-name=firmware,read-only=on,file=firmware-file",
            "its bytes as flash",
        );
    }
    if let Some(kernel) = &spec.boot.kernel {
        line.push("-kernel", kernel, "this kernel is started, without a boot loader");
    }
    if let Some(initrd) = &spec.boot.initrd {
        line.push("-initrd", initrd, "its initramfs");
    }
    if spec.boot.kernel.is_some() && !spec.boot.cmdline.is_empty() {
        line.push("-append", &spec.boot.cmdline, "its command line");
    }
}

fn consoles(line: &mut Line, spec: &MachineSpec, handles: &Handles) {
    let serial = handles.serial;
    line.push("-add-fd", format!("set=1,fd={serial},opaque=serial.log"), "serial.log, opened by vmwright");
    line.push(
        "-chardev",
        "file,id=serial0,path=/dev/fdset/1,append=on",
        "what the first serial port says goes there",
    );
    line.push("-serial", "chardev:serial0", "the first serial port");
    let socket = |id: &str, number: RawFd| format!("socket,id={id},fd={number},server=on,wait=off");
    line.push(
        "-chardev",
        socket("qmp", handles.qmp),
        "the monitor's socket, in a directory closed to others",
    );
    line.push("-mon", "chardev=qmp,mode=control", "the monitor, for state and orderly stop");
    if spec.agent {
        line.device("virtio-serial", ",id=serial1", "ports for programs in the guest");
        line.push("-chardev", socket("agent", handles.agent), "the guest agent's socket");
        let port = format!("virtserialport,bus=serial1.0,chardev=agent,name={AGENT_PORT}");
        line.push("-device", port, "the port that a guest agent looks for");
    }
}

fn disk(line: &mut Line, at: usize, disk: &Disk) -> Result<(), ArgvError> {
    let path = disk.host_path().ok_or_else(|| ArgvError::Beyond(format!("disk.{at}")))?;
    let read_only = if disk.readonly { "on" } else { "off" };
    // QEMU's `file` driver takes no block devices.
    let driver = if path.starts_with("/dev/") { "host_device" } else { "file" };
    let format = match disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
        _ => return Err(ArgvError::Beyond(format!("disk.{at}.format"))),
    };
    let path = escape(&path);
    line.push(
        "-blockdev",
        format!(
            "driver={driver},node-name=disk{at}-file,read-only={read_only},discard=unmap,filename={path}"
        ),
        "the disk's file; QEMU locks it against a second writer",
    );
    line.push(
        "-blockdev",
        format!("driver={format},node-name=disk{at},read-only={read_only},discard=unmap,file=disk{at}-file"),
        "its format, as the specification says: never guessed from what the guest wrote",
    );
    let boot = at + 1;
    line.device("virtio-blk", &format!(",drive=disk{at},bootindex={boot}"), "the disk in the guest");
    Ok(())
}

fn network(
    line: &mut Line,
    machine: &str,
    at: usize,
    network: &Network,
    taps: &mut std::slice::Iter<'_, RawFd>,
) -> Result<(), ArgvError> {
    match network.kind {
        NetworkKind::User => {
            line.push("-netdev", format!("user,id=net{at}"), "QEMU's own network: outgoing connections only");
        }
        NetworkKind::Bridge => {
            let tap = taps.next().ok_or(ArgvError::NoTap(at))?;
            line.push(
                "-netdev",
                format!("tap,id=net{at},fd={tap}"),
                "a tap on the bridge, opened by vmwright",
            );
        }
        _ => return Err(ArgvError::Beyond(format!("network.{at}.kind"))),
    }
    let mac = escape(&mac(machine, at, network));
    // Without its option ROM: the firmware does not boot from the network, and need not wait for it.
    let rom = if line.bus == "pci" { ",romfile=" } else { "" };
    line.device(
        "virtio-net",
        &format!(",netdev=net{at},mac={mac}{rom}"),
        "the network interface in the guest",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_formats::{View, machine_spec::MachineSpecView};

    fn spec(text: &str) -> MachineSpec {
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(issues, []);
        view.spec.expect("no issues")
    }

    fn line(spec: &MachineSpec) -> String {
        let arguments = argv(spec, &Handles::to_show(spec)).expect("a good specification");
        let words = words(&arguments).into_iter().map(|word| word.into_string().expect("text"));
        words.collect::<Vec<_>>().join(" ").replace(" -", "\n-")
    }

    #[test]
    fn the_smallest_machine() {
        let expected = "\
-name guest=tiny,process=vmw-tiny
-no-user-config
-nodefaults
-display none
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-machine q35,accel=kvm,graphics=off
-cpu max
-smp cpus=1
-m size=256M
-add-fd set=1,fd=3,opaque=serial.log
-chardev file,id=serial0,path=/dev/fdset/1,append=on
-serial chardev:serial0
-chardev socket,id=qmp,fd=4,server=on,wait=off
-mon chardev=qmp,mode=control
-device virtio-serial-pci,id=serial1
-chardev socket,id=agent,fd=5,server=on,wait=off
-device virtserialport,bus=serial1.0,chardev=agent,name=org.qemu.guest_agent.0
-device virtio-rng-pci";
        assert_eq!(line(&spec("name = 'tiny'\n")), expected);
    }

    #[test]
    fn everything_at_once() {
        let spec = spec(
            "name = 'full'\nmachine = 'pc-q35-7.2'\naccelerator = 'tcg'\nagent = false\n\
             [cpu]\ncount = 2\nmodel = 'qemu64'\nfeatures = ['+sse4.2', '-vmx']\n\
             [memory]\nsize = '1GiB'\nhugepages = true\n\
             [boot]\nkernel = '/k'\ninitrd = '/i'\ncmdline = 'console=ttyS0 a,b'\n[firmware]\npath = '/fw,1.fd'\n\
             [[disk]]\npath = '/a,b.qcow2'\nformat = 'qcow2'\n[[disk]]\npath = '/dev/vg/x'\nformat = 'raw'\nreadonly = true\n\
             [[network]]\nkind = 'bridge'\nbridge = 'br0'\nmac = '52:54:00:00:00:01'\n\
             [[network]]\nkind = 'user'\n[[network]]\nkind = 'bridge'\nbridge = 'br1'\n",
        );
        let line = line(&spec);
        for part in [
            "-machine pc-q35-7.2,accel=tcg,graphics=off,memory-backend=ram,pflash0=firmware\n",
            "-cpu qemu64,sse4.2=on,vmx=off\n",
            "-smp cpus=2\n",
            "-object memory-backend-memfd,id=ram,size=1073741824,hugetlb=on,prealloc=on\n",
            "-m size=1024M\n",
            "-blockdev driver=file,node-name=firmware-file,read-only=on,filename=/fw,,1.fd\n",
            "-kernel /k\n-initrd /i\n-append console=ttyS0 a,b\n",
            "-blockdev driver=file,node-name=disk0-file,read-only=off,discard=unmap,filename=/a,,b.qcow2\n",
            "-blockdev driver=qcow2,node-name=disk0,read-only=off,discard=unmap,file=disk0-file\n",
            "-device virtio-blk-pci,drive=disk0,bootindex=1\n",
            "-blockdev driver=host_device,node-name=disk1-file,read-only=on,discard=unmap,filename=/dev/vg/x\n",
            "-device virtio-blk-pci,drive=disk1,bootindex=2\n",
            "-netdev tap,id=net0,fd=6\n-device virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile=\n",
            "-netdev user,id=net1\n",
            "-netdev tap,id=net2,fd=7\n",
        ] {
            assert!(format!("{line}\n").contains(part), "{part:?} is not in\n{line}");
        }
        assert!(!line.contains("guest_agent"), "{line}");
    }

    #[test]
    fn microvm_has_no_pci() {
        let line = line(&spec("name = 'm'\nmachine = 'microvm'\n[[network]]\nkind = 'user'\n"));
        assert!(
            line.contains("-device virtio-net-device,netdev=net0,mac=") && !line.contains("pci"),
            "{line}"
        );
    }

    #[test]
    fn macs_are_stable_distinct_and_unicast() {
        let network =
            |mac: Option<&str>| Network { mac: mac.map(str::to_owned), ..Network::of(NetworkKind::User) };
        assert_eq!(mac("web", 0, &network(Some("02:00:00:00:00:01"))), "02:00:00:00:00:01");
        let made: Vec<String> = ["web", "web1", "db", "a", "b"]
            .iter()
            .flat_map(|name| (0..12).map(|at| mac(name, at, &network(None))))
            .collect();
        assert_eq!(made[0], mac("web", 0, &network(None)));
        let distinct: std::collections::BTreeSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), made.len(), "{made:?}");
        assert!(made.iter().all(|mac| mac.starts_with("52:54:00:") && mac.len() == 17));
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        let good = spec("name = 'a'\n[[network]]\nkind = 'bridge'\nbridge = 'b'\n");
        let none = Handles { taps: vec![], ..Handles::to_show(&good) };
        assert_eq!(argv(&good, &none), Err(ArgvError::NoTap(0)));
        let mut bad = good.clone();
        bad.boot.kernel = Some("/a\n-daemonize".to_owned());
        assert_eq!(argv(&bad, &Handles::to_show(&bad)), Err(ArgvError::Control("-kernel")));
        bad = good.clone();
        bad.memory.size = "lots".to_owned();
        assert!(matches!(argv(&bad, &Handles::to_show(&bad)), Err(ArgvError::Size(_))));
        bad = good;
        bad.cpu.model = "max,host-phys-bits=on".to_owned();
        assert!(line(&bad).contains("-cpu max,,host-phys-bits=on\n"), "no option can be smuggled in");
    }

    #[test]
    fn every_argument_says_why() {
        let spec = spec("name = 'a'\n[[network]]\nkind = 'user'\n[[disk]]\npath='/d'\nformat='raw'\n");
        for argument in argv(&spec, &Handles::to_show(&spec)).expect("good") {
            assert!(argument.option.starts_with('-') && argument.why.len() > 5, "{argument:?}");
        }
    }
}
