//! From a TOML document to the model, key by key, so that one wrong value does not hide the next.

use super::syntax::{self, Check, short};
use crate::{lines::LineIndex, nearest::nearest};
use std::ops::{Range, RangeInclusive};
use toml_edit::{Item, Key, TableLike, Value};
use vmwright_model::machine::{
    Accelerator, Boot, Cpu, Disk, DiskFormat, Firmware, Memory, Network, NetworkKind, Process,
};
use vmwright_model::{Issue, MachineSpec};

const MACHINE: &[&str] =
    &["name", "machine", "accelerator", "cpu", "memory", "boot", "firmware", "disk", "network", "process", "agent"];
const CPU: &[&str] = &["count", "model", "features"];
const MEMORY: &[&str] = &["size", "hugepages"];
const BOOT: &[&str] = &["kernel", "initrd", "cmdline"];
const FIRMWARE: &[&str] = &["path"];
const DISK: &[&str] = &["path", "format", "readonly"];
const NETWORK: &[&str] = &["kind", "bridge", "host_address", "address", "mac"];
const PROCESS: &[&str] = &["user"];

/// As many virtual CPUs as the newest KVM allows (`KVM_MAX_VCPUS` on x86 with the largest configuration).
const CPU_COUNT: RangeInclusive<i64> = 1..=4096;

const ACCELERATORS: &[(&str, Accelerator)] = &[("kvm", Accelerator::Kvm), ("tcg", Accelerator::Tcg)];
const DISK_FORMATS: &[(&str, DiskFormat)] = &[("raw", DiskFormat::Raw), ("qcow2", DiskFormat::Qcow2)];
const NETWORK_KINDS: &[(&str, NetworkKind)] = &[("user", NetworkKind::User), ("bridge", NetworkKind::Bridge)];

/// Every leaf key, dotted, without array indexes.
#[cfg(test)]
pub(super) fn known_keys() -> Vec<String> {
    let tables = [("cpu", CPU), ("memory", MEMORY), ("boot", BOOT), ("firmware", FIRMWARE), ("disk", DISK), ("network", NETWORK)];
    let mut keys = Vec::new();
    for key in MACHINE {
        match tables.iter().chain(&[("process", PROCESS)]).find(|table| table.0 == *key) {
            Some((_, inner)) => keys.extend(inner.iter().map(|inner| format!("{key}.{inner}"))),
            None => keys.push((*key).to_owned()),
        }
    }
    keys
}

pub(super) struct Reader {
    index: LineIndex,
    pub(super) keys: Vec<(String, u32)>,
    pub(super) issues: Vec<Issue>,
}

/// One table, where it stands and how its keys are called.
struct Section<'a> {
    table: &'a dyn TableLike,
    /// Dotted key of the table; empty for the document.
    path: String,
    /// Line of its header; 0 for the document.
    line: u32,
}

impl Section<'_> {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Reader {
    pub(super) fn new(index: LineIndex) -> Self {
        Self { index, keys: Vec::new(), issues: Vec::new() }
    }

    /// The machine, with defaults in place of what could not be read; the caller looks at `issues` first.
    pub(super) fn machine(&mut self, table: &toml_edit::Table) -> Option<MachineSpec> {
        let root = self.section(table, String::new(), 0, MACHINE);
        let name = self.required(&root, "name").and_then(|_| self.string(&root, "name", syntax::machine_name));
        let machine = self.string(&root, "machine", syntax::option_word).unwrap_or_else(|| "q35".to_owned());
        let accelerator = self.choice(&root, "accelerator", ACCELERATORS).unwrap_or_default();
        let agent = self.boolean(&root, "agent").unwrap_or(true);
        let cpu = self.table(&root, "cpu", CPU).map(|section| self.cpu(&section)).unwrap_or_default();
        let memory = self.table(&root, "memory", MEMORY).map(|section| self.memory(&section)).unwrap_or_default();
        let boot = self.table(&root, "boot", BOOT).map(|section| self.boot(&section)).unwrap_or_default();
        let firmware = self.table(&root, "firmware", FIRMWARE).map(|section| self.firmware(&section)).unwrap_or_default();
        let process = self.table(&root, "process", PROCESS).map(|section| self.process(&section)).unwrap_or_default();
        let disks = self.tables(&root, "disk", DISK).iter().map(|section| self.disk(section)).collect::<Vec<_>>();
        let networks =
            self.tables(&root, "network", NETWORK).iter().map(|section| self.network(section)).collect::<Vec<_>>();
        Some(MachineSpec {
            machine,
            accelerator,
            cpu,
            memory,
            boot,
            firmware,
            disks: disks.into_iter().collect::<Option<_>>()?,
            networks: networks.into_iter().collect::<Option<_>>()?,
            process,
            agent,
            ..MachineSpec::named(name?)
        })
    }

    fn cpu(&mut self, section: &Section) -> Cpu {
        let default = Cpu::default();
        Cpu {
            count: self.integer(section, "count", CPU_COUNT).unwrap_or(default.count),
            model: self.string(section, "model", syntax::option_word).unwrap_or(default.model),
            features: self.strings(section, "features", syntax::cpu_feature),
            ..default
        }
    }

    fn memory(&mut self, section: &Section) -> Memory {
        let default = Memory::default();
        Memory {
            size: self.string(section, "size", syntax::memory_size).unwrap_or(default.size),
            hugepages: self.boolean(section, "hugepages").unwrap_or(default.hugepages),
            ..default
        }
    }

    fn boot(&mut self, section: &Section) -> Boot {
        let boot = Boot {
            kernel: self.string(section, "kernel", syntax::path),
            initrd: self.string(section, "initrd", syntax::path),
            cmdline: self.string(section, "cmdline", syntax::one_line).unwrap_or_default(),
            ..Boot::default()
        };
        // QEMU: "-append only allowed with -kernel option", and the same of -initrd.
        if !section.table.contains_key("kernel") {
            for key in ["initrd", "cmdline"] {
                if let Some((key_span, _)) = section.table.get_key_value(key) {
                    let line = self.line(key_span.span());
                    let what = format!("`boot.{key}` is given without `boot.kernel`");
                    self.issues.push(Issue::new(line, what));
                }
            }
        }
        boot
    }

    fn firmware(&mut self, section: &Section) -> Firmware {
        Firmware { path: self.string(section, "path", syntax::path), ..Firmware::default() }
    }

    fn process(&mut self, section: &Section) -> Process {
        Process { user: self.string(section, "user", syntax::user_name), ..Process::default() }
    }

    fn disk(&mut self, section: &Section) -> Option<Disk> {
        let path = self.required(section, "path").and_then(|_| self.string(section, "path", syntax::path));
        let format = self.required(section, "format").and_then(|_| self.choice(section, "format", DISK_FORMATS));
        let readonly = self.boolean(section, "readonly").unwrap_or(false);
        Some(Disk { readonly, ..Disk::at(path?, format?) })
    }

    fn network(&mut self, section: &Section) -> Option<Network> {
        let kind = self.required(section, "kind").and_then(|_| self.choice(section, "kind", NETWORK_KINDS));
        let network = Network {
            bridge: self.string(section, "bridge", syntax::interface_name),
            host_address: self.string(section, "host_address", syntax::address),
            address: self.string(section, "address", syntax::address),
            mac: self.string(section, "mac", syntax::mac),
            ..Network::of(kind.unwrap_or(NetworkKind::User))
        };
        match kind? {
            NetworkKind::Bridge if !section.table.contains_key("bridge") => {
                let (kind, bridge) = (section.key("kind"), section.key("bridge"));
                let what = format!("`{kind}` is `bridge`, so `{bridge}` must name one");
                self.issues.push(Issue::new(section.line, what));
            }
            NetworkKind::User => {
                for key in ["bridge", "host_address"] {
                    if let Some((key_span, _)) = section.table.get_key_value(key) {
                        let line = self.line(key_span.span());
                        let what = format!("`{}` is given, but `{}` is `user`", section.key(key), section.key("kind"));
                        self.issues.push(Issue::new(line, what));
                    }
                }
            }
            _ => {}
        }
        Some(network)
    }

    fn line(&self, span: Option<Range<usize>>) -> u32 {
        span.map_or(0, |span| self.index.line(span.start))
    }

    fn wrong(&mut self, path: &str, item: &Item, key: &Key, expected: &str) {
        let line = self.line(item.span().or(key.span()));
        let what = format!("`{path}` must be {expected}, found {}", type_name(item));
        self.issues.push(Issue::new(line, what));
    }

    /// Enters a table: notes the lines of its keys, and tells the unknown ones.
    fn section<'a>(&mut self, table: &'a dyn TableLike, path: String, line: u32, known: &[&str]) -> Section<'a> {
        let section = Section { table, path, line };
        for (name, item) in table.iter() {
            let key = table.key(name);
            let line = self.line(key.and_then(Key::span).or(item.span()));
            let path = section.key(name);
            if known.contains(&name) {
                self.keys.push((path, line));
                continue;
            }
            let mut what = format!("unknown key `{}`", short(&path));
            if let Some(near) = nearest(name, known) {
                what.push_str(&format!("; did you mean `{near}`?"));
            }
            self.issues.push(Issue::new(line, what));
        }
        section
    }

    fn get<'a>(section: &Section<'a>, key: &str) -> Option<(&'a Key, &'a Item, String)> {
        let (found, item) = section.table.get_key_value(key)?;
        Some((found, item, section.key(key)))
    }

    fn required(&mut self, section: &Section, key: &str) -> Option<()> {
        if section.table.contains_key(key) {
            return Some(());
        }
        self.issues.push(Issue::new(section.line, format!("missing key `{}`", section.key(key))));
        None
    }

    fn table<'a>(&mut self, section: &Section<'a>, key: &str, known: &[&str]) -> Option<Section<'a>> {
        let (found, item, path) = Self::get(section, key)?;
        let Some(table) = item.as_table_like() else {
            self.wrong(&path, item, found, "a table");
            return None;
        };
        let line = self.line(item.span().or(found.span()));
        Some(self.section(table, path, line, known))
    }

    /// An array of tables, written as `[[name]]` or as an array of inline tables.
    fn tables<'a>(&mut self, section: &Section<'a>, key: &str, known: &[&str]) -> Vec<Section<'a>> {
        let Some((found, item, path)) = Self::get(section, key) else { return Vec::new() };
        let mut tables: Vec<(&dyn TableLike, Option<Range<usize>>)> = Vec::new();
        if let Some(array) = item.as_array_of_tables() {
            tables.extend(array.iter().map(|table| (table as &dyn TableLike, table.span())));
        } else if let Some(array) = item.as_array() {
            for (at, value) in array.iter().enumerate() {
                match value.as_inline_table() {
                    Some(table) => tables.push((table, value.span())),
                    None => self.wrong_value(&format!("{path}.{at}"), value, found, "a table"),
                }
            }
        } else {
            self.wrong(&path, item, found, "an array of tables");
        }
        let mut sections = Vec::new();
        for (at, (table, span)) in tables.into_iter().enumerate() {
            let path = format!("{path}.{at}");
            let line = self.line(span.or(found.span()));
            self.keys.push((path.clone(), line));
            sections.push(self.section(table, path, line, known));
        }
        sections
    }

    fn wrong_value(&mut self, path: &str, value: &Value, key: &Key, expected: &str) {
        self.wrong(path, &Item::Value(value.clone()), key, expected);
    }

    fn check(&mut self, path: &str, text: &str, line: u32, check: Check) -> Option<String> {
        match check(text) {
            Ok(()) => Some(text.to_owned()),
            Err(what) => {
                self.issues.push(Issue::new(line, format!("`{path}` {what}")));
                None
            }
        }
    }

    fn string(&mut self, section: &Section, key: &str, check: Check) -> Option<String> {
        let (found, item, path) = Self::get(section, key)?;
        let Some(text) = item.as_str() else {
            self.wrong(&path, item, found, "a string");
            return None;
        };
        let line = self.line(item.span().or(found.span()));
        self.check(&path, text, line, check)
    }

    fn strings(&mut self, section: &Section, key: &str, check: Check) -> Vec<String> {
        let Some((found, item, path)) = Self::get(section, key) else { return Vec::new() };
        let Some(array) = item.as_array() else {
            self.wrong(&path, item, found, "an array of strings");
            return Vec::new();
        };
        let mut strings = Vec::new();
        for (at, value) in array.iter().enumerate() {
            let path = format!("{path}.{at}");
            let line = self.line(value.span().or(found.span()));
            match value.as_str() {
                Some(text) => strings.extend(self.check(&path, text, line, check)),
                None => self.wrong_value(&path, value, found, "a string"),
            }
            self.keys.push((path, line));
        }
        strings
    }

    fn boolean(&mut self, section: &Section, key: &str) -> Option<bool> {
        let (found, item, path) = Self::get(section, key)?;
        if item.as_bool().is_none() {
            self.wrong(&path, item, found, "true or false");
        }
        item.as_bool()
    }

    fn integer(&mut self, section: &Section, key: &str, range: RangeInclusive<i64>) -> Option<u32> {
        let (found, item, path) = Self::get(section, key)?;
        let Some(number) = item.as_integer() else {
            self.wrong(&path, item, found, "a whole number");
            return None;
        };
        if !range.contains(&number) {
            let line = self.line(item.span().or(found.span()));
            let what = format!("`{path}` is {number}; it must be {} to {}", range.start(), range.end());
            self.issues.push(Issue::new(line, what));
            return None;
        }
        u32::try_from(number).ok()
    }

    fn choice<T: Copy>(&mut self, section: &Section, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string(section, key, |_| Ok(()))?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let (found, item, path) = Self::get(section, key)?;
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let mut what = format!("`{path}` is `{}`; it must be one of `{}`", short(&text), names.join("`, `"));
        if let Some(near) = nearest(&text, &names) {
            what.push_str(&format!("; did you mean `{near}`?"));
        }
        let line = self.line(item.span().or(found.span()));
        self.issues.push(Issue::new(line, what));
        None
    }
}

fn type_name(item: &Item) -> &'static str {
    match item {
        Item::None => "nothing",
        Item::Table(_) => "a table",
        Item::ArrayOfTables(_) => "an array of tables",
        Item::Value(Value::String(_)) => "a string",
        Item::Value(Value::Integer(_)) => "an integer",
        Item::Value(Value::Float(_)) => "a float",
        Item::Value(Value::Boolean(_)) => "a boolean",
        Item::Value(Value::Datetime(_)) => "a date",
        Item::Value(Value::Array(_)) => "an array",
        Item::Value(Value::InlineTable(_)) => "an inline table",
    }
}
