//! A machine's specification: TOML written by a user, read by vmwright. Every problem is told at once, each
//! with its line.

mod edit;
mod read;
mod size;
mod syntax;

use crate::{View, lines::LineIndex};
pub use edit::{EditError, set_value};
pub use size::{SizeError, parse_size};
use toml_edit::Document;
use vmwright_model::{Issue, Kind, MachineSpec};

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
        let spec = reader.machine(document.as_table());
        let read::Reader { mut keys, mut issues, .. } = reader;
        keys.sort();
        issues.sort_by_key(|issue| issue.line);
        let spec = spec.filter(|_| issues.is_empty());
        (Self { spec, keys }, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let has = |start: &str| head.lines().any(|line| line.trim_start().starts_with(start));
        let named = head.lines().any(|line| {
            line.strip_prefix("name").is_some_and(|rest| rest.trim_start().starts_with('='))
        });
        let tables = ["[[disk]]", "[[network]]", "[memory]", "[boot]", "[cpu]", "[process]", "accelerator ="];
        let signs = tables.iter().filter(|table| has(table)).count();
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
        let from_model: MachineSpec = serde_json::from_str(r#"{"name":"tiny"}"#).expect("the model's defaults");
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
        let told: Vec<String> = issues.iter().map(|issue| format!("{}: {}", issue.line, issue.what)).collect();
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
        let told: Vec<String> = issues.iter().map(|issue| format!("{}: {}", issue.line, issue.what)).collect();
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

    #[test]
    fn the_same_keys_as_the_model() {
        // A specification that sets everything, as the model writes it, has no unknown key; and the model
        // reads what this module allows.
        let (view, _) = MachineSpecView::read(FULL);
        let json = serde_json::to_value(view.spec.expect("no issues")).expect("plain data");
        let mut keys = Vec::new();
        for (key, value) in json.as_object().expect("a table") {
            let table = value.as_array().map_or(value, |array| &array[0]);
            match table.as_object() {
                Some(table) => keys.extend(table.keys().map(|inner| format!("{key}.{inner}"))),
                None => keys.push(key.clone()),
            }
        }
        keys.sort();
        let mut known = read::known_keys();
        known.sort();
        assert_eq!(keys, known);
    }

    #[test]
    fn recognised_by_content() {
        assert_eq!(MachineSpecView::recognise("notes.txt", FULL), 90);
        assert_eq!(MachineSpecView::recognise("web.toml", "nonsense"), 30);
        assert_eq!(MachineSpecView::recognise("x", "[package]\nname = \"x\"\n"), 0);
    }
}
