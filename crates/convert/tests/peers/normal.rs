//! What machine a command line describes, without how it says so.
//!
//! Two lines describe the same machine where these descriptions are equal. The description is made here and not with
//! the reader that is tested: of the options alone, with every reference resolved to what it stands for.

use std::collections::BTreeMap;
use vmwright_formats::View;
use vmwright_formats::qemu_args::{QemuArgs, QemuCommand};

/// Facts of a machine, sorted; each begins with its kind: an option, or `device DRIVER`.
pub(crate) fn facts(text: &str) -> Vec<String> {
    let (view, _) = QemuArgs::read(text);
    view.commands.first().map(|command| Normal::new(command).facts()).unwrap_or_default()
}

type Parts = Vec<(String, String)>;

struct Normal<'a> {
    command: &'a QemuCommand,
    /// Blocks, chardevs and so on by their option and id.
    named: BTreeMap<(&'a str, String), Parts>,
    facts: Vec<String>,
}

/// Options of how libvirt runs QEMU, not of the machine. `-sandbox`, the monitor, messages, the state at start, names
/// of threads; what it does at the end of a guest it decides itself over the monitor.
const PLUMBING: [&str; 13] = [
    "S",
    "no-user-config",
    "nodefaults",
    "msg",
    "mon",
    "no-shutdown",
    "sandbox",
    "add-fd",
    "name",
    "no-reboot",
    "incoming",
    "audiodev",
    "enable-fips",
];

/// Where those who run a machine keep what they made for it.
const MADE: [&str; 7] = [
    "/tmp/lib/domain-",
    "/run/vmwright/",
    "/run/virtiofsd-",
    "/run/swtpm.sock",
    "/dev/test",
    "/run/passt-",
    "/bad-test-used-env-xdg-runtime-dir/",
];

/// Properties that stand for a node of another option.
const REFERENCES: [(&str, &str); 12] = [
    ("drive", "blockdev"),
    ("file", "blockdev"),
    ("backing", "blockdev"),
    ("chardev", "chardev"),
    ("netdev", "netdev"),
    ("memdev", "object"),
    ("fsdev", "fsdev"),
    ("tpmdev", "tpmdev"),
    ("rng", "object"),
    ("throttle-group", "object"),
    ("pr-manager", "object"),
    ("tls-creds", "object"),
];

/// Properties with the value that QEMU gives them where nothing is said (QEMU 7.2, `-device X,help`), or that say the
/// same for a reader of the machine: `*` is every value.
const DEFAULTS: [(&str, &str, &str); 46] = [
    ("blockdev", "auto-read-only", "on"),
    ("blockdev", "cache.direct", "off"),
    ("blockdev", "cache.no-flush", "off"),
    ("blockdev", "read-only", "off"),
    ("blockdev file", "discard", "unmap"),
    // The format above it decides.
    ("blockdev file", "read-only", "*"),
    ("blockdev", "debug", "4"),
    ("device", "id", "*"),
    ("device", "write-cache", "on"),
    // libvirt names a SCSI disk after its own alias.
    ("device", "device_id", "*"),
    // Without an option ROM of its own, or with QEMU's: the machine is the same.
    ("device", "audiodev", "*"),
    ("device qxl", "vgamem_mb", "16"),
    ("device qxl", "ram_size", "67108864"),
    ("device qxl", "vram_size", "67108864"),
    ("device qxl", "vram64_size_mb", "0"),
    ("device pvpanic", "ioport", "1285"),
    ("device", "vhostfd", "*"),
    ("device", "unit", "0"),
    ("device", "channel", "0"),
    ("device", "multifunction", "off"),
    ("device virtio-balloon", "deflate-on-oom", "off"),
    ("device virtio-balloon", "free-page-reporting", "off"),
    ("netdev", "fd", "*"),
    ("netdev", "fds", "*"),
    ("netdev", "vhostfd", "*"),
    ("netdev", "vhostfds", "*"),
    ("netdev", "ifname", "*"),
    ("netdev", "script", "no"),
    ("netdev", "downscript", "no"),
    ("chardev", "wait", "*"),
    ("chardev", "append", "on"),
    ("chardev", "logappend", "on"),
    ("object", "x-use-canonical-path-for-ramblock-id", "off"),
    ("chardev", "fd", "*"),
    ("chardev", "localaddr", ""),
    ("chardev", "localport", "0"),
    ("chardev", "reconnect", "0"),
    ("device VGA", "vgamem_mb", "16"),
    ("device usb-storage", "removable", "off"),
    ("device virtio-vga", "max_outputs", "1"),
    ("device virtio-gpu", "max_outputs", "1"),
    ("device virtio-blk", "scsi", "off"),
    ("device vfio", "ramfb", "off"),
    // Which threads take the pages at start, how many, and whether swap is reserved for them.
    ("object", "prealloc-context", "*"),
    ("object", "prealloc-threads", "*"),
    ("object", "reserve", "*"),
];

impl<'a> Normal<'a> {
    fn new(command: &'a QemuCommand) -> Self {
        let mut named = BTreeMap::new();
        for option in &command.options {
            let kind = option.name.as_str();
            if ["blockdev", "chardev", "netdev", "object", "fsdev", "tpmdev", "device"].contains(&kind) {
                let parts: Parts = parts(option);
                let id = parts
                    .iter()
                    .find(|part| part.0 == "node-name" || part.0 == "id")
                    .map(|part| part.1.clone());
                if let Some(id) = id {
                    named.insert((kind, id), parts);
                }
            }
        }
        Self { command, named, facts: Vec::new() }
    }

    fn facts(mut self) -> Vec<String> {
        let command = self.command;
        let mut used: Vec<(&str, String)> = Vec::new();
        for option in &command.options {
            let mut parts = parts(option);
            match option.name.as_str() {
                name if PLUMBING.contains(&name) => {}
                "blockdev" | "chardev" | "netdev" | "fsdev" | "tpmdev" => {}
                "object" => {}
                "device" => {
                    let driver = get(&parts, "driver").unwrap_or_default();
                    parts.retain(|part| part.0 != "driver");
                    let kind = format!("device {}", driver_name(&driver));
                    self.fact(&kind, parts, &mut used);
                }
                "machine" | "M" => self.machine(parts),
                "accel" => {
                    let name = get(&parts, "accel").unwrap_or_default();
                    parts.retain(|part| part.0 != "accel");
                    self.facts.push(format!("accel {name}"));
                    self.each("accel", parts);
                }
                "cpu" => {
                    let model = get(&parts, "model").unwrap_or_default();
                    self.facts.push(format!("cpu {model}"));
                    parts.retain(|part| part.0 != "model");
                    for (key, value) in parts {
                        let (key, value) = match (key.chars().next(), value.as_str()) {
                            (Some('-'), _) => (key[1..].to_owned(), "off".to_owned()),
                            (Some('+'), _) => (key[1..].to_owned(), "on".to_owned()),
                            _ => (key, value),
                        };
                        self.facts.push(format!("cpu {}={}", key.replace('_', "-"), number(&value)));
                    }
                }
                "m" => {
                    let bytes = |text: &str| {
                        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
                        let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
                            "k" => 10,
                            "g" => 30,
                            _ => 20,
                        };
                        digits.parse::<u64>().unwrap_or(0) << shift
                    };
                    for (key, value) in parts {
                        let value = if key == "slots" { value } else { bytes(&value).to_string() };
                        self.facts.push(format!("m {key}={value}"));
                    }
                }
                "smp" => {
                    let cpus = get(&parts, "cpus").unwrap_or_default();
                    // Numbers of one say nothing, and neither do as many CPUs at most as at start.
                    parts.retain(|part| {
                        !(part.0 == "maxcpus" && part.1 == cpus || part.1 == "1" && part.0 != "cpus")
                    });
                    self.each("smp", parts);
                }
                "numa" => self.numa(parts, &mut used),
                "rtc" => {
                    parts.retain(|part| !(part.0 == "base" && part.1 == "utc"));
                    self.each("rtc", parts);
                }
                "boot" => {
                    parts.retain(|part| part.0 != "strict");
                    self.each("boot", parts);
                }
                "overcommit" => {
                    parts.retain(|part| !(part.0 == "mem-lock" && part.1 == "off"));
                    self.each("overcommit", parts);
                }
                "display" if get(&parts, "type").as_deref() == Some("none") => {}
                "display" => {
                    parts.retain(|part| part.0 != "audiodev");
                    self.fact("display", parts, &mut used);
                }
                "vnc" if get(&parts, "vnc").as_deref() == Some("none") => {}
                "usb" => {
                    let line = "device piix3-usb-uhci addr=0x1.0x2,bus=pci.0";
                    self.facts.push(if self.is_pc() { line.to_owned() } else { "usb".to_owned() });
                }
                "mem-path" => {
                    let prealloc = if self.has("mem-prealloc") { ",prealloc=on" } else { "" };
                    let path = option.value.as_deref().unwrap_or_default();
                    let what =
                        if path.contains("huge") { "huge".to_owned() } else { format!("file{prealloc}") };
                    self.facts.push(format!("memory {what}"));
                }
                "mem-prealloc" => {}
                "spice" => {
                    // A ticket is set over the monitor; migration is a matter of two hosts.
                    parts.retain(|part| {
                        !["seamless-migration", "disable-ticketing"].contains(&part.0.as_str())
                    });
                    self.fact("spice", parts, &mut used);
                }
                "vnc" => {
                    parts.retain(|part| part.0 != "audiodev");
                    self.fact("vnc", parts, &mut used);
                }
                "no-acpi" => self.facts.push("machine acpi=off".to_owned()),
                "no-hpet" => self.facts.push("machine hpet=off".to_owned()),
                "watchdog-action" => self.watchdog(option.value.as_deref().unwrap_or_default()),
                "action" if parts.iter().all(|part| part.0 == "watchdog") => {
                    self.watchdog(&get(&parts, "watchdog").unwrap_or_default());
                }
                "global" => {
                    let text = option.value.clone().unwrap_or_default();
                    self.facts.push(format!("global {text}"));
                }
                "serial" | "parallel" => self.fact(&option.name, parts, &mut used),
                name => self.facts.push(
                    format!("{name} {}", option.value.as_deref().unwrap_or_default()).trim().to_owned(),
                ),
            }
        }
        if !self.has("cpu") {
            let i386 = self.command.program.as_ref().is_some_and(|program| program.value.ends_with("i386"));
            self.facts.push(format!("cpu {}", if i386 { "qemu32" } else { "qemu64" }));
        }
        self.unused(&used);
        self.facts.sort();
        self.facts
    }

    fn has(&self, option: &str) -> bool {
        self.command.options.iter().any(|one| one.name == option)
    }

    fn is_pc(&self) -> bool {
        let machine = self.command.options.iter().find(|one| one.name == "machine");
        let kind = machine.and_then(|one| one.opts().get("type").map(str::to_owned)).unwrap_or_default();
        kind.starts_with("pc") && !kind.starts_with("pc-q35")
    }

    fn watchdog(&mut self, action: &str) {
        if action != "reset" {
            self.facts.push(format!("watchdog {action}"));
        }
    }

    fn each(&mut self, kind: &str, parts: Parts) {
        for (key, value) in parts {
            self.facts.push(format!("{kind} {key}={}", number(&value)));
        }
    }

    /// One fact of all parts, references resolved.
    fn fact(&mut self, kind: &str, parts: Parts, used: &mut Vec<(&'a str, String)>) {
        let text = self.resolved(kind, parts, 0, used);
        self.facts.push(format!("{kind} {text}").trim().to_owned());
    }

    fn resolved(&self, kind: &str, parts: Parts, depth: u32, used: &mut Vec<(&'a str, String)>) -> String {
        let mut words: Vec<String> = Vec::new();
        let device = get(&parts, "filename").is_some_and(|path| path.starts_with("/dev/"));
        for (key, value) in parts {
            let key = key.replace('_', "-");
            let reference = REFERENCES.iter().find(|one| one.0 == key).map(|one| one.1);
            let found = reference.and_then(|option| self.named.get_key_value(&(option, value.clone())));
            if let Some(((option, id), parts)) = found
                && depth < 24
            {
                used.push((option, id.clone()));
                let mut parts = parts.clone();
                parts.retain(|part| part.0 != "id" && part.0 != "node-name");
                let option = if key == "file" { "blockdev file" } else { option };
                // A backing file that is none says what the image says.
                words.push(format!("{key}={{{}}}", self.resolved(option, parts, depth + 1, used)));
                continue;
            }
            let value = match key.as_str() {
                "bus" | "masterbus" => self.bus(&value, 0),
                // What a node in /dev is, the host decides.
                "driver"
                    if kind.starts_with("blockdev")
                        && device
                        && ["file", "host_device", "host_cdrom"].contains(&value.as_str()) =>
                {
                    "host_device".to_owned()
                }
                // A made name: libvirt hands over an open socket, which has none.
                "path" if kind == "chardev" && !value.starts_with('/') => continue,
                // A socket or file in the folder of whoever runs the machine, and named by it.
                _ if MADE.iter().any(|folder| value.starts_with(folder)) => "made".to_owned(),
                "security-model" if value == "mapped" => "mapped-xattr".to_owned(),
                "iothread" => "iothread".to_owned(),
                // A secret is its content, which no command line shows.
                "key-secret" | "encrypt.key-secret" | "password-secret" | "cookie-secret" => {
                    used.push(("object", value));
                    "secret".to_owned()
                }
                _ => number(&value),
            };
            let value = if key == "addr" { value.trim_end_matches(".0x0").to_owned() } else { value };
            let default = DEFAULTS.iter().any(|(place, name, default)| {
                kind.starts_with(place)
                    && name.replace('_', "-") == key
                    && (*default == "*" || number(default) == value)
            });
            if !(default || key == "backing" && value.is_empty()) {
                words.push(format!("{key}={value}"));
            }
        }
        words.sort();
        memory(words)
    }

    /// A bus as the place of its controller: what it is, and where.
    fn bus(&self, bus: &str, depth: u32) -> String {
        if bus == "usb.0" && self.has("usb") && self.is_pc() {
            return "[pci.0/piix3-usb-uhci@0x1.0x2].0".to_owned();
        }
        let (id, rest) = bus.rsplit_once('.').unwrap_or((bus, ""));
        for (id, rest) in [(bus, ""), (id, rest)] {
            if let Some(parts) = self.named.get(&("device", id.to_owned()))
                && depth < 12
            {
                let driver = get(parts, "driver").unwrap_or_default();
                let above = get(parts, "bus").map(|bus| self.bus(&bus, depth + 1)).unwrap_or_default();
                let addr = get(parts, "addr").unwrap_or_default();
                let same = if addr.is_empty() { id.to_owned() } else { String::new() };
                let same = if driver.starts_with("usb") || addr.is_empty() { String::new() } else { same };
                return format!("[{above}/{driver}{same}@{addr}].{rest}");
            }
        }
        bus.to_owned()
    }

    fn machine(&mut self, parts: Parts) {
        for (key, value) in parts {
            let key = key.replace('_', "-");
            match (key.as_str(), value.as_str()) {
                ("usb", "off") | ("graphics", "off") | ("dump-guest-core", "off") => {}
                ("accel", name) => self.facts.push(format!("accel {name}")),
                ("pcspk-audiodev", _) => self.facts.push("soundhw pcspk".to_owned()),
                ("type", name) => self.facts.push(format!("machine {name}")),
                (memdev, id) if memdev.ends_with(".memdev") => {
                    let parts = self.named.get(&("object", id.to_owned())).cloned().unwrap_or_default();
                    let parts = parts.into_iter().filter(|part| part.0 != "id").collect();
                    let text = self.resolved("object", parts, 0, &mut Vec::new());
                    self.facts.push(format!("machine {key}={text}"));
                }
                ("memory-backend", id) => {
                    let id = id.to_owned();
                    if let Some(parts) = self.named.get(&("object", id)).cloned() {
                        let text = self.object(parts);
                        // Plain memory is what there is without a word.
                        if text != "ram" {
                            self.facts.push(format!("memory {text}"));
                        }
                    }
                }
                ("pflash0" | "pflash1", node) => {
                    let parts = self.named.get(&("blockdev", node.to_owned())).cloned().unwrap_or_default();
                    let parts = parts.into_iter().filter(|part| part.0 != "node-name").collect();
                    let text = self.resolved("blockdev", parts, 0, &mut Vec::new());
                    self.facts.push(format!("{key} {text}"));
                }
                ("confidential-guest-support" | "memory-encryption", id) => {
                    let parts = self.named.get(&("object", id.to_owned())).cloned().unwrap_or_default();
                    let parts = parts.into_iter().filter(|part| part.0 != "id").collect();
                    let text = self.resolved("object", parts, 0, &mut Vec::new());
                    self.facts.push(format!("confidential {text}"));
                }
                _ => self.facts.push(format!("machine {key}={}", number(&value))),
            }
        }
    }

    fn object(&self, mut parts: Parts) -> String {
        // It holds for every object that says nothing itself.
        if self.has("mem-prealloc") && get(&parts, "prealloc").is_none() {
            parts.push(("prealloc".to_owned(), "on".to_owned()));
        }
        let parts = parts.into_iter().filter(|part| part.0 != "id" && part.0 != "size").collect();
        self.resolved("object", parts, 0, &mut Vec::new())
    }

    fn numa(&mut self, parts: Parts, used: &mut Vec<(&'a str, String)>) {
        let mut words = Vec::new();
        let mut cpus = Vec::new();
        for (key, value) in parts {
            match key.as_str() {
                "cpus" => cpus.extend(numbers(&value)),
                "memdev" => {
                    let size =
                        self.named.get(&("object", value.clone())).and_then(|parts| get(parts, "size"));
                    let text =
                        self.named.get(&("object", value.clone())).cloned().map(|parts| self.object(parts));
                    used.push(("object", value));
                    words.push(format!("mem={}", size.unwrap_or_default()));
                    if let Some(text) = text.filter(|text| text != "ram") {
                        words.push(format!("memory={text}"));
                    }
                }
                "mem" => words.push(format!("mem={}", value.parse::<u64>().unwrap_or(0) << 20)),
                _ => words.push(format!("{key}={value}")),
            }
        }
        if !cpus.is_empty() {
            words.push(format!("cpus={cpus:?}"));
        }
        words.sort();
        self.facts.push(format!("numa {}", words.join(",")));
    }

    /// Objects and nodes that no device refers to.
    fn unused(&mut self, used: &[(&str, String)]) {
        let named = std::mem::take(&mut self.named);
        let monitors: Vec<String> = self
            .command
            .options
            .iter()
            .filter(|option| option.name == "mon")
            .filter_map(|option| option.opts().get("chardev").map(str::to_owned))
            .collect();
        for ((option, id), parts) in &named {
            let kind = get(parts, "qom-type").unwrap_or_default();
            let plumbing = [
                "secret",
                "tls-creds-x509",
                "memory-backend",
                "throttle-group",
                "pr-manager",
                "thread-context",
            ]
            .iter()
            .any(|one| kind.starts_with(one))
                || kind.ends_with("-guest")
                || *option == "device"
                || monitors.contains(id)
                || *option == "blockdev";
            if plumbing || used.iter().any(|one| one.0 == *option && one.1 == *id) {
                continue;
            }
            let parts: Parts = parts.iter().filter(|part| part.0 != "id").cloned().collect();
            let text = self.resolved(option, parts, 23, &mut Vec::new());
            self.facts.push(format!("{option} {text}"));
        }
    }
}

fn parts(option: &vmwright_formats::qemu_args::QemuOption) -> Parts {
    let parts = option.opts().parts;
    let json = option.value.as_deref().is_some_and(|value| value.starts_with('{'));
    parts
        .into_iter()
        .map(|(key, value)| {
            // JSON's null is nothing; a key alone is a switch.
            let value = value.unwrap_or_else(|| if json { String::new() } else { "on".to_owned() });
            (key.trim_end_matches(".str").to_owned(), value)
        })
        .collect()
}

fn get(parts: &Parts, key: &str) -> Option<String> {
    parts.iter().rev().find(|part| part.0 == key).map(|part| part.1.clone())
}

/// Numbers and switches in one spelling.
pub(crate) fn number(value: &str) -> String {
    match value {
        "yes" | "true" => return "on".to_owned(),
        "no" | "false" => return "off".to_owned(),
        _ => {}
    }
    let hex = value.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    hex.map_or(value.to_owned(), |number| number.to_string())
}

fn numbers(text: &str) -> Vec<u32> {
    match text.split_once('-') {
        Some((from, to)) => (from.parse().unwrap_or(0)..=to.parse::<u32>().unwrap_or(0).min(4096)).collect(),
        None => text.parse().into_iter().collect(),
    }
}

/// Other names of one device.
fn driver_name(driver: &str) -> &str {
    match driver {
        "e1000-82540em" => "e1000",
        "lsi53c895a" => "lsi",
        "ide-drive" => "ide-hd",
        other => other,
    }
}

/// What memory is made of: huge pages are huge pages, by a memfd or by a file system of them.
fn memory(words: Vec<String>) -> String {
    let Some(kind) =
        words.iter().find_map(|word| word.strip_prefix("qom-type=memory-backend-")).map(str::to_owned)
    else {
        return words.join(",");
    };
    let huge = words
        .iter()
        .any(|word| word == "hugetlb=on" || (word.starts_with("mem-path=") && word.contains("huge")));
    let mut nodes = Vec::new();
    let mut page = String::new();
    let mut kept = Vec::new();
    for word in &words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        if key == "host-nodes" || key.starts_with("host-nodes.") {
            nodes.extend(numbers(value));
            continue;
        }
        match key {
            "qom-type" => {}
            "hugetlb" | "prealloc" if huge => {}
            "mem-path" if huge => {
                page = if value.contains("2M") {
                    "2097152"
                } else if value.contains("1G") {
                    "1073741824"
                } else {
                    ""
                }
                .to_owned();
            }
            "hugetlbsize" => page = value.to_owned(),
            // A file of QEMU's own in a directory of the host's choice.
            "mem-path" if value.starts_with("/dev/shm") || value.contains("/libvirt/qemu/ram") => {}
            "share" if value == "off" => {}
            _ => kept.push(word.clone()),
        }
    }
    nodes.sort_unstable();
    let mut text = if huge { format!("huge{page}") } else { kind };
    if !nodes.is_empty() {
        kept.push(format!("nodes={nodes:?}"));
    }
    if !kept.is_empty() {
        text = format!("{text},{}", kept.join(","));
    }
    text
}
