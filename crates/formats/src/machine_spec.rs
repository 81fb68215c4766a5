//! A machine's specification: TOML written by a user, read by vmwright. Every problem is told at once, each
//! with its line.
//!
//! The model's types say what there is: the reader walks a document beside their JSON Schema ([`SCHEMA`]), which lies
//! beside it as `schema.json`.
//! `syntax` has the check of each `format` that the schema names; `cross` looks at what keys have to do with
//! each other.

mod cpu_list;
mod cross;
mod edit;
mod example;
mod read;
mod schema;
mod size;
mod syntax;
mod write;

use crate::{View, lines::LineIndex, lines::having};
pub use cpu_list::parse_cpu_list;
pub use edit::{EditError, set_value};
pub use example::example;
pub use schema::SCHEMA;
pub use size::{SizeError, parse_size};
pub use syntax::check;
use toml_edit::Document;
use vmwright_model::{Issue, Kind, MachineSpec};
pub use write::{WriteError, write_spec};

/// A specification, and where its values stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSpecView {
    /// The machine; none where there is any issue. A half-read specification is never started.
    pub spec: Option<MachineSpec>,
    /// Dotted keys with their lines, sorted by key.
    keys: Vec<(String, u32)>,
}

impl MachineSpecView {
    /// The line of a value, from 1: `cpu.model`, `disk.0.path`, `cpu.features.1`; for a table, that of its
    /// header. None where the text does not have it (the value is a default).
    #[must_use]
    pub fn line_of(&self, dotted_key: &str) -> Option<u32> {
        let at = self.keys.binary_search_by(|(key, _)| key.as_str().cmp(dotted_key)).ok()?;
        Some(self.keys[at].1)
    }

    /// Every dotted key that the text has, with its line.
    pub fn keys(&self) -> impl Iterator<Item = (&str, u32)> {
        self.keys.iter().map(|(key, line)| (key.as_str(), *line))
    }
}

impl View for MachineSpecView {
    const KIND: Kind = Kind::new("machine_spec");
    const SUREST: u8 = 90;
    const MARKS: &[&str] = &["[[disk]]", "[[network]]", "[memory]", "[boot]", "[cpu]", "[process]", "accelerator ="];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let index = LineIndex::new(text);
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let line = error.span().map_or(0, |span| index.line(span.start));
                // The parser's messages have more than one line where they list what it expected.
                let message = error.message().lines().collect::<Vec<_>>().join(", ");
                return (Self::default(), vec![Issue::new(line, format!("not TOML: {message}"))]);
            }
        };
        let mut reader = read::Reader::new(index);
        let data = reader.document(document.as_table());
        let read::Reader { mut keys, mut issues, bad, .. } = reader;
        keys.sort();
        let spec = match serde_json::from_value::<MachineSpec>(data) {
            Ok(spec) => {
                let mut book = cross::Book { keys: &keys, bad: &bad, issues: Vec::new() };
                cross::check(&mut book, &spec);
                issues.append(&mut book.issues);
                Some(spec)
            }
            Err(error) => {
                issues.push(Issue::new(0, format!("not a machine: {error}")));
                None
            }
        };
        issues.sort_by_key(|issue| issue.line);
        let spec = spec.filter(|_| issues.is_empty());
        (Self { spec, keys }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |start: &str| having(head, start).any(|line| line.trim_start().starts_with(start));
        let named = head
            .lines()
            .any(|line| line.strip_prefix("name").is_some_and(|rest| rest.trim_start().starts_with('=')));
        let signs = Self::MARKS.iter().filter(|table| has(table)).count();
        match (named, signs, name.ends_with(".toml")) {
            (true, 1.., _) | (_, 1.., true) => 90,
            (_, 2.., _) => 70,
            (_, _, true) => 30,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::machine::{Accelerator, DiskFormat, NetworkKind};

    const FULL: &str = r#"# A web server.
name = "web"
machine = "q35"
accelerator = "tcg"
agent = false

[cpu]
count = 2
model = "qemu64"   # the oldest that works
features = ["+sse4.2",
  "-vmx"]

[memory]
size = "1GiB"
hugepages = true

[boot]
kernel = "/srv/vmlinuz"
initrd = "/srv/initrd"
cmdline = "console=ttyS0"

[[disk]]
path = "/srv/web.qcow2"
format = "qcow2"

[[disk]]
path = "/srv/data.raw"
format = "raw"
readonly = true

[[network]]
kind = "bridge"
bridge = "vmw0"
host_address = "10.213.0.1/24"
address = "10.213.0.2/24"
mac = "52:54:00:aa:bb:cc"

[[network]]
kind = "user"

[process]
user = "nobody"

[firmware]
path = "/srv/OVMF.fd"
"#;

    #[test]
    fn a_full_specification_is_read_with_its_lines() {
        let (view, issues) = MachineSpecView::read(FULL);
        assert_eq!(issues, []);
        let spec = view.spec.as_ref().expect("no issues");
        assert_eq!(spec.name, "web");
        assert_eq!(spec.accelerator, Accelerator::Tcg);
        assert!(!spec.agent);
        assert_eq!((spec.cpu.count, spec.cpu.model.as_str()), (2, "qemu64"));
        assert_eq!(spec.cpu.features, ["+sse4.2", "-vmx"]);
        assert_eq!((spec.memory.size.as_str(), spec.memory.hugepages), ("1GiB", true));
        assert_eq!(spec.boot.kernel.as_deref(), Some("/srv/vmlinuz"));
        assert_eq!(spec.disks.len(), 2);
        assert_eq!((spec.disks[1].format, spec.disks[1].readonly), (DiskFormat::Raw, true));
        assert_eq!(spec.networks[0].kind, NetworkKind::Bridge);
        assert_eq!(spec.networks[0].mac.as_deref(), Some("52:54:00:aa:bb:cc"));
        assert_eq!(spec.process.user.as_deref(), Some("nobody"));
        for (key, line) in [
            ("name", 2),
            ("accelerator", 4),
            ("cpu", 7),
            ("cpu.model", 9),
            ("cpu.features", 10),
            ("cpu.features.0", 10),
            ("cpu.features.1", 11),
            ("disk.0", 22),
            ("disk.0.path", 23),
            ("disk.1.readonly", 29),
            ("network.0.bridge", 33),
            ("network.1", 38),
            ("process.user", 42),
        ] {
            assert_eq!(view.line_of(key), Some(line), "{key}");
        }
        assert_eq!(view.line_of("boot.dtb"), None);
    }

    #[test]
    fn defaults_are_those_of_the_model() {
        let (view, issues) = MachineSpecView::read("name = 'tiny'\n");
        assert_eq!(issues, []);
        let from_model: MachineSpec =
            serde_json::from_str(r#"{"name":"tiny"}"#).expect("the model's defaults");
        assert_eq!(view.spec, Some(from_model));
    }

    #[test]
    fn inline_tables_and_dotted_keys_are_tables_too() {
        let text = "name = 'a'\ncpu.count = 4\ncpu.model = 'host'\nmemory = { size = '2GiB' }\ndisk = [\n  { path = '/d', format = 'raw' },\n]\n";
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(issues, []);
        let spec = view.spec.as_ref().expect("no issues");
        assert_eq!((spec.cpu.count, spec.memory.size.as_str(), spec.disks.len()), (4, "2GiB", 1));
        assert_eq!(view.line_of("cpu.model"), Some(3));
        assert_eq!(view.line_of("disk.0.path"), Some(6));
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = r#"accelerator = "kmv"
memroy = "1GiB"
agent = "yes"
[cpu]
count = 0
model = "max,pmu=on"
features = ["avx2", 3]
[memory]
size = "4G"
[boot]
initrd = "/i"
[[disk]]
path = ""
[[network]]
kind = "bridge"
mac = "zz"
address = "10.0.0.1"
[[network]]
kind = "user"
bridge = "averyveryverylongbridge"
"#;
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(view.spec, None);
        let told: Vec<String> =
            issues.iter().map(|issue| format!("{}: {}", issue.line, issue.what)).collect();
        let expected = [
            "0: missing key `name`",
            "1: `accelerator` is `kmv`; it must be one of `kvm`, `tcg`; did you mean `kvm`?",
            "2: unknown key `memroy`; did you mean `memory`?",
            "3: `agent` must be true or false, found a string",
            "5: `cpu.count` is 0; it must be 1 to 4096",
            "6: `cpu.model` `max,pmu=on` may hold only letters",
            "7: `cpu.features.0` `avx2` begins with neither `+` nor `-`",
            "7: `cpu.features.1` must be a string, found an integer",
            "9: `memory.size` is wrong: size `4G` has no unit",
            "11: `boot.initrd` is given without `boot.kernel`",
            "12: missing key `disk.0.format`",
            "13: `disk.0.path` is empty",
            "14: `network.0.kind` is `bridge`, so `network.0.bridge` must name one",
            "16: `network.0.mac` `zz` is not a MAC address",
            "17: `network.0.address` `10.0.0.1` is not an address with prefix length",
            "20: `network.1.bridge` has 23 bytes",
            "20: `network.1.bridge` is given, but `network.1.kind` is `user`",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told:?} should begin with {expected:?}");
        }
    }

    #[test]
    fn a_syntax_error_has_its_line() {
        let (view, issues) = MachineSpecView::read("name = \"a\"\n[cpu\ncount = 1\n");
        assert_eq!(view.spec, None);
        assert_eq!(issues.len(), 1);
        assert_eq!(issues[0].line, 2);
        assert!(issues[0].what.starts_with("not TOML: "), "{issues:?}");
    }

    #[test]
    fn tables_where_values_belong() {
        let (_, issues) = MachineSpecView::read("name = { a = 1 }\ncpu = 3\ndisk = 'x'\nnetwork = [1]\n");
        let told: Vec<String> =
            issues.iter().map(|issue| format!("{}: {}", issue.line, issue.what)).collect();
        assert_eq!(
            told,
            [
                "1: `name` must be a string, found an inline table",
                "2: `cpu` must be a table, found an integer",
                "3: `disk` must be an array of tables, found a string",
                "4: `network.0` must be a table, found an integer",
            ]
        );
    }

    /// Every problem that a text has, as lines.
    fn told(text: &str) -> Vec<String> {
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(view.spec.is_none(), !issues.is_empty());
        issues.iter().map(|issue| format!("{}: {}", issue.line, issue.what)).collect()
    }

    /// The machine in one line of TOML has this problem, and none else.
    fn has(text: &str, problem: &str) {
        let told = told(&format!("name = 'a'\n{text}\n"));
        assert!(told.len() == 1 && told[0].contains(problem), "{text}: {told:#?}, expected {problem}");
    }

    #[test]
    fn keys_that_contradict_each_other_are_told() {
        has("cpu = { count = 4, max = 2 }", "2: `cpu.max` is 2, less than `cpu.count`, which is 4");
        has(
            "cpu = { count = 4, topology = { cores = 3 } }",
            "`cpu.topology` is 3 cores = 3 virtual CPUs, but `cpu.count` is 4",
        );
        has(
            "cpu = { count = 2, pinning = { vcpu = [{ threads = '2' , cpus = '0' }] } }",
            "they are numbered 0 to 1",
        );
        has(
            "cpu = { count = 4, pinning = { vcpu = [{ threads = '0-2', cpus = '1' }, { threads = '2', cpus = '2' }] } }",
            "pins 2, which",
        );
        has("cpu = { pinning = { iothread = [{ threads = '1' }] } }", "but `cpu.pinning.iothreads` is 0");
        has("cpu = { pinning = { vcpu = [{ threads = '0', scheduler = 'fifo' }] } }", "they need it");
        has("machine = 'pc'\ncpu.count = 256", "machine type `pc` has at most 255 virtual CPUs");
        has("cpu.count = 4096\nmachine = 'pc-q35-7.2'", "has at most 288 virtual CPUs");
        has("cpu.model = 'qemu64'\nmemory.size = '10TiB'", "40 bits of physical address reaches 1 TiB");
        has(
            "memory.size = '1GiB'\n[[numa]]\nmemory = '512MiB'",
            "2: the nodes of `numa` have 512 MiB together",
        );
        has(
            "memory.size = '1GiB'\nnuma = [{ memory = '1GiB', cpus = '0-1' }]",
            "there are 1, counted from 0",
        );
        has("memory.device = [{ kind = 'dimm', size = '1GiB', node = 1 }]", "counted from 0");
        has("[[disk]]\nformat = 'raw'", "2: `disk.0` does not say where its bytes are");
        has(
            "[[disk]]\nformat = 'raw'\npath = '/a'\nurl = 'https://a/b'",
            "5: `disk.0.path` and `disk.0.url`",
        );
        has("disk = [{ format = 'raw', path = '/a', aio = 'native' }]", "must be `none` or `directsync`");
        has("disk = [{ format = 'raw', nbd = {} }]", "exactly one of `host` and `socket`");
        has("disk = [{ format = 'raw', path = '/a', iothread = 1 }]", "but `cpu.pinning.iothreads` is 0");
        has(
            "[[disk]]\nformat = 'raw'\npath = '/a'\nserial = 'x'\n[[disk]]\nformat = 'raw'\npath = '/b'\nserial = 'x'",
            "9: `disk.1.serial` is that of `disk.0.serial` (line 5) too",
        );
        has(
            "network = [{ kind = 'user', mac = '52:54:00:00:00:01' }, { kind = 'none', mac = '52:54:00:00:00:01' }]",
            "`network.1.mac` is that of",
        );
        has("network = [{ kind = 'vhost-user' }]", "so `network.0.socket` must say where");
        has("network = [{ kind = 'user', vlan = 3 }]", "`network.0.vlan` is given");
        has(
            "agent = false\n[vsock]\ncid = 3\nagent_port = 9001",
            "5: `vsock.agent_port` says where the guest's agent listens, but `agent` is false",
        );
        has("[vsock]\nagent_port = 0", "agent_port` is 0");
        has(
            "[review]\ndisk_read_mib_s = 9\ndisk_write_mib_s = 9",
            "4: `review.disk_write_mib_s` is given, but `review.overwrite` gives no disk free to be written to",
        );
        has("[review]\noverwrite = []\ndisk_write_us = 9", "4: `review.disk_write_us` is given, but");
        assert_eq!(told("name = 'a'\n[review]\noverwrite = ['/a']\ndisk_write_us = 9\n"), [""; 0]);
        has("tpm = { socket = '/s', device = '/dev/tpm0' }", "both given");
        has("share = [{ tag = 'x' }]", "neither `path` nor `socket`");
    }

    #[test]
    fn the_formats_of_the_schema_have_checks() {
        has("uuid = '1-2'", "`uuid` `1-2` is not a UUID");
        has("disk = [{ format = 'raw', url = 'nonsense' }]", "not a URL");
        has(
            "disk = [{ format = 'raw', rbd = { pool = 'a', image = 'b', monitors = ['a:0'] } }]",
            "`disk.0.rbd.monitors.0` `a:0` is not a host",
        );
        has("disk = [{ format = 'raw', lvm = { group = '-a', volume = 'b' } }]", "not a name of LVM");
        has(
            &format!("vsock.socket = '/{}'", "x".repeat(107)),
            "has 108 bytes; the path of a socket has at most 107",
        );
        has("host_device = [{ kind = 'pci', device = 'eth0' }]", "neither a PCI address");
        has("tpm.version = '3'", "there are `1.2` and `2.0`");
        has("confidential = { technology = 'sev', session = 'x' }", "not base64");
        has("memory.policy = { mode = 'strict', nodes = '3-1' }", "ends before it begins");
        has("display = [{ kind = 'vnc', listen = 'x' }]", "not an IP address");
        has("disk = [{ format = 'raw', path = '/a', address.pci = '1' }]", "not a PCI address");
        // Each format that the types name is in the table: a text that no format allows is refused.
        let mut formats = Vec::new();
        let mut open = vec![&*SCHEMA];
        while let Some(node) = open.pop() {
            let text = node.get("format").and_then(serde_json::Value::as_str);
            formats.extend(text.filter(|format| !format.starts_with("uint") && !format.starts_with("int")));
            open.extend(node.as_object().into_iter().flat_map(|map| map.values()));
            open.extend(node.as_array().into_iter().flatten());
        }
        assert!(formats.len() > 50, "{formats:?}");
        for format in formats {
            assert!(syntax::check(format, "\u{1}").is_err(), "{format}");
        }
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(MachineSpecView::recognise("notes.txt", FULL), 90);
        assert_eq!(MachineSpecView::recognise("web.toml", "nonsense"), 30);
        assert_eq!(MachineSpecView::recognise("x", "[package]\nname = \"x\"\n"), 0);
    }
}
