//! A walk over every key that a specification may have, wherever the reader takes it: does the key change what is made of
//! the machine, or is it told of?

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vmwright_convert::{Effect, Written};
use vmwright_formats::View;
use vmwright_formats::machine_spec::{MachineSpecView, SCHEMA};
use vmwright_model::MachineSpec;

/// Items to which the keys of their table are added, one at a time. A table that is not here begins with what it has to
/// have, and with each of its words.
const ITEMS: [(&str, &[&str]); 13] = [
    (
        "disk",
        &[
            "path = '/srv/a'\nformat = 'raw'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'scsi'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'sata'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'ide'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'usb'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'nvme'",
            "path = '/srv/a'\nformat = 'raw'\nbus = 'sd'",
            "path = '/srv/a'\nformat = 'raw'\ndevice = 'floppy'",
            "path = '/srv/a'\nformat = 'raw'\ndevice = 'cdrom'",
            "path = '/dev/sdz'\nformat = 'raw'\ndevice = 'lun'\nbus = 'scsi'",
            "path = '/srv/a'\nformat = 'qcow2'",
            "path = '/srv/a'\nformat = 'qcow2'\nbacking = '/srv/b'",
            "path = '/srv/a'\nformat = 'fat'",
            "format = 'raw'\ndevice = 'cdrom'",
            "format = 'raw'",
            "format = 'raw'\nvhost_user = '/run/blk'",
            "format = 'raw'\nrbd = { pool = 'p', image = 'i' }",
            "format = 'raw'\nnbd = { host = 'h' }",
        ],
    ),
    (
        "network",
        &[
            "kind = 'user'",
            "kind = 'passt'",
            "kind = 'bridge'\nbridge = 'br0'",
            "kind = 'tap'\ntap = 'tap0'",
            "kind = 'macvtap'\nparent = 'eth0'",
            "kind = 'ovs'\nbridge = 'br0'",
            "kind = 'vhost-user'\nsocket = '/run/net'",
            "kind = 'vdpa'\nparent = '/dev/vhost-vdpa-0'",
            "kind = 'libvirt'\nname = 'default'",
            "kind = 'hostdev'\nparent = '0000:01:00.0'",
            "kind = 'none'",
            "kind = 'user'\nmodel = 'e1000'",
            "kind = 'user'\nmodel = 'usb-net'",
        ],
    ),
    (
        "host_device",
        &[
            "kind = 'pci'\ndevice = '0000:01:00.0'",
            "kind = 'mdev'\ndevice = '6ad6a1b2-58e5-4c8f-8d3b-6f1f2c9a7e10'",
            "kind = 'usb'\ndevice = '1d6b:0002'",
            "kind = 'scsi'\ndevice = '0:0:1:0'",
        ],
    ),
    (
        "share",
        &[
            "path = '/srv/x'\ntag = 'x'",
            "path = '/srv/x'\ntag = 'x'\ndriver = '9p'",
            "socket = '/run/fs'\ntag = 'x'",
        ],
    ),
    (
        "memory.device",
        &[
            "kind = 'dimm'\nsize = '1GiB'",
            "kind = 'nvdimm'\nsize = '1GiB'\npath = '/srv/nv'",
            "kind = 'virtio-mem'\nsize = '1GiB'",
            "kind = 'virtio-pmem'\nsize = '1GiB'\npath = '/srv/nv'",
        ],
    ),
    (
        "video",
        &[
            "model = 'virtio'",
            "model = 'qxl'",
            "model = 'vga'",
            "model = 'cirrus'",
            "model = 'bochs'",
            "model = 'ramfb'",
            "model = 'none'",
            "model = 'virtio'\nvhost_user = true",
        ],
    ),
    ("boot", &["", "kernel = '/boot/vmlinuz'"]),
    ("review", &["", "overwrite = ['/srv/a']"]),
    ("numa", &["cpus = '0-3'\nmemory = '4GiB'"]),
    ("numa.distance", &["to = 0\nvalue = 10"]),
    ("cpu.topology", &["sockets = 4", "cores = 4"]),
    (
        "cpu.pinning.iothread",
        &["threads = '2'\ncpus = '0-1'", "threads = '1'\nscheduler = 'fifo'\npriority = 9"],
    ),
    ("clock.timer", &["name = 'rtc'", "name = 'pit'", "name = 'hpet'", "name = 'tsc'", "name = 'kvmclock'"]),
];

/// What a machine has so that the other keys can be written at all.
pub(crate) const AROUND: &str = "name = 'x'\n[memory]\nsize = '4GiB'\n[memory.hotplug]\nmax = '8GiB'\nslots = 4\n[cpu]\ncount = 4\n\
    [cpu.pinning]\niothreads = 4\n";

fn follow(node: &Value) -> &Value {
    if let Some(name) = node.get("$ref").and_then(Value::as_str) {
        return name.strip_prefix('#').and_then(|path| SCHEMA.pointer(path)).map_or(node, follow);
    }
    match node.get("anyOf").and_then(|any| any.get(0)) {
        Some(some) => follow(some),
        None => node,
    }
}

fn properties(node: &Value) -> Option<&Map<String, Value>> {
    follow(node).get("properties").and_then(Value::as_object)
}

fn words(node: &Value) -> Vec<Value> {
    let named = node.get("enum").and_then(Value::as_array).cloned();
    let told = node.get("oneOf").and_then(Value::as_array);
    let told = told.map(|all| all.iter().filter_map(|one| one.get("const")).cloned().collect());
    named.or(told).unwrap_or_default()
}

/// Values that may stand at a place.
fn values(node: &Value) -> Vec<Value> {
    let node = follow(node);
    let choice = words(node);
    if !choice.is_empty() {
        return choice;
    }
    let kind = node.get("type").map(|kind| kind.as_array().map_or(kind, |all| &all[0]));
    match kind.and_then(Value::as_str) {
        Some("boolean") => vec![json!(true), json!(false)],
        Some("integer") => {
            let least = node.get("minimum").and_then(Value::as_i64).unwrap_or(0);
            let most = node.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
            let some = [least, 1, 2, 3, 20, 64, 512, 1024, 4096, 5901];
            some.into_iter().filter(|one| (least..=most).contains(one)).map(Value::from).collect()
        }
        Some("array") => {
            let items = node.get("items").map(values).unwrap_or_default();
            items.into_iter().take(1).map(|one| json!([one])).collect()
        }
        _ => texts(node.get("format").and_then(Value::as_str).unwrap_or_default()),
    }
}

fn texts(format: &str) -> Vec<Value> {
    let some: &[&str] = match format {
        "machine-name" => &["web", "y"],
        "uuid" => &["6ad6a1b2-58e5-4c8f-8d3b-6f1f2c9a7e10"],
        "cpu-feature" => &["+avx2"],
        "cpu-list" => &["0-1", "1"],
        "size" => &["1GiB", "2MiB", "6GiB", "16GiB"],
        "path" => &["/srv/web", "/dev/tpm0"],
        "socket-path" => &["/run/web"],
        "lvm-name" => &["vg0", "vg1"],
        "host-port" => &["10.0.0.1:6789"],
        "url" => &["https://example.org/web.qcow2", "ssh://h/x"],
        "interface" | "network-parent" => &["eth0"],
        "address" => &["10.213.0.1/24"],
        "mac" => &["52:54:00:12:34:56"],
        "ip" => &["127.0.0.2"],
        "pci-address" => &["0000:00:09.0"],
        "host-device" => &["0000:01:00.0", "0000:02:00.0"],
        "hex" => &["5000c50015ea71ad"],
        "base64" => &["AQAB"],
        "tpm-version" => &["2.0", "1.2"],
        "user" => &["nobody"],
        "word" => &["word", "delay", "catchup", "guest", "q35", "pc", "3"],
        _ => &["text", "unix:/run/x"],
    };
    some.iter().map(|text| json!(text)).collect()
}

/// The items that a table begins with: those that are named, or what it has to have with each of its words.
fn begins(path: &str, node: &Value) -> Vec<Value> {
    if let Some((_, items)) = ITEMS.iter().find(|(known, _)| *known == path) {
        let read = |text: &&str| serde_json::to_value(toml::from_str::<toml::Value>(text).expect("TOML"));
        return items.iter().map(read).map(|item| item.expect("JSON")).collect();
    }
    let needed = follow(node).get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(all) = properties(node) else { return Vec::new() };
    let mut least = Map::new();
    for key in needed.iter().filter_map(Value::as_str) {
        least.insert(key.to_owned(), values(&all[key]).into_iter().next().unwrap_or_default());
    }
    let mut found = vec![Value::Object(least.clone())];
    for (key, node) in all {
        for word in words(follow(node)) {
            let mut item = least.clone();
            item.insert(key.clone(), word);
            found.push(Value::Object(item));
        }
    }
    found
}

/// What writes a machine; none where the format has no text for it. Who refuses a machine gives no text, and remarks on
/// what it refuses.
pub(crate) type Writer = fn(&MachineSpec) -> Option<Written>;

/// The text and remarks of a machine; none where the reader does not take it, or there is no text for it.
fn said(writer: Writer, machine: &Value) -> Option<Written> {
    let toml = toml::to_string(machine).ok()?;
    let (view, issues) = MachineSpecView::read(&toml);
    let spec = view.spec.filter(|_| issues.is_empty())?;
    writer(&spec)
}

/// Whether an item that holds the key is told to be missing or another one as a whole: `disk.0` tells of all its keys.
fn told_as_a_whole(written: &Written, steps: &[(String, bool)]) -> bool {
    let mut path = String::new();
    steps.iter().any(|(name, listed)| {
        let dot = if path.is_empty() { "" } else { "." };
        path = format!("{path}{dot}{name}{}", if *listed { ".0" } else { "" });
        written.remarks.iter().any(|remark| remark.effect != Effect::Defaulted && remark.item == path)
    })
}

/// Whether a remark is on the key at a path, on another key of its item, or on the list that the item is in.
fn names(written: &Written, path: &str) -> bool {
    let whole = |path: &str| {
        let names: Vec<&str> = path.split('.').filter(|name| name.parse::<u32>().is_err()).collect();
        names.join(".") + "."
    };
    let item = path.rsplit_once('.').map_or(path, |(item, _)| item);
    let (item, path) = (whole(item), whole(path));
    let on = |said: &str| said.starts_with(&item) || path.starts_with(said);
    written.remarks.iter().any(|remark| on(&whole(&remark.item)))
}

/// Puts an item at a path into a machine.
fn put(machine: &mut Value, steps: &[(String, bool)], item: Value) {
    let Some(((name, listed), rest)) = steps.split_first() else {
        if let (Some(own), Value::Object(item)) = (machine.as_object_mut(), item) {
            own.extend(item);
        }
        return;
    };
    let slot = machine.as_object_mut().expect("a table").entry(name.clone()).or_insert(Value::Null);
    if *listed {
        if !slot.is_array() {
            *slot = json!([{}]);
        }
        put(&mut slot[0], rest, item);
    } else {
        if !slot.is_object() {
            *slot = json!({});
        }
        put(slot, rest, item);
    }
}

/// A key that may change nothing, with a part of its item as JSON where it may, and why.
pub(crate) type Anyway = (&'static str, &'static str, &'static str);

struct Walk<'a> {
    writer: Writer,
    anyway: &'a [Anyway],
    /// Keys that are passed over, with an item where they are.
    silent: BTreeMap<String, String>,
    /// Keys that no machine could be made of.
    untaken: Vec<String>,
    keys: usize,
}

impl Walk<'_> {
    /// Tries every key of a table. `around` are machines with the item that holds the table.
    fn table(&mut self, node: &Value, path: &str, steps: &[(String, bool)], around: &[Value]) {
        let Some(all) = properties(node) else { return };
        let mut machines = Vec::new();
        for machine in around {
            for item in begins(path, node) {
                let mut machine = machine.clone();
                put(&mut machine, steps, item);
                machines.push(machine);
            }
        }
        machines.dedup();
        // Some items are none before they have the key.
        let alone = |machine: &Value| (machine.clone(), said(self.writer, machine));
        let plain: Vec<(Value, Option<Written>)> = machines.iter().map(alone).collect();
        for (key, value) in all {
            let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let inner = follow(value);
            let listed = inner.get("items").filter(|items| properties(items).is_some());
            if key == "foreign" {
                continue;
            }
            if properties(inner).is_some() || listed.is_some() {
                let mut steps = steps.to_vec();
                steps.push((key.clone(), listed.is_some()));
                self.table(listed.unwrap_or(inner), &here, &steps, &machines);
                continue;
            }
            self.keys += 1;
            self.key(&here, key, value, steps, &plain);
        }
    }

    fn key(
        &mut self,
        here: &str,
        key: &str,
        node: &Value,
        steps: &[(String, bool)],
        machines: &[(Value, Option<Written>)],
    ) {
        let mut taken = false;
        let path: Vec<String> = steps
            .iter()
            .map(|(name, listed)| format!("{name}{}.", if *listed { ".0" } else { "" }))
            .collect();
        let path = format!("{}{key}", path.concat());
        for (machine, written) in machines {
            if written.as_ref().is_some_and(|written| written.text.is_empty()) {
                // The machine is refused with the key and without it.
                taken = true;
                continue;
            }
            if written.as_ref().is_some_and(|written| told_as_a_whole(written, steps)) {
                taken = true;
                continue;
            }
            let mut outcomes: Vec<Written> = written.iter().cloned().collect();
            let (mut tried, mut whole) = (0, false);
            let mut own = machine;
            for (name, listed) in steps {
                own = if *listed { &own[name.as_str()][0] } else { &own[name.as_str()] };
            }
            for value in values(node).into_iter().filter(|value| own.get(key) != Some(value)) {
                let mut with = machine.clone();
                put(&mut with, steps, json!({ key: value }));
                if let Some(outcome) = said(self.writer, &with) {
                    tried += 1;
                    whole |= told_as_a_whole(&outcome, steps);
                    let refused = outcome.text.is_empty() && written.is_some();
                    if refused && !whole && !names(&outcome, &path) {
                        let said: Vec<&str> = outcome.remarks.iter().map(|one| &*one.item).collect();
                        self.silent.entry(here.to_owned()).or_insert(format!("refused, and {said:?} named"));
                    }
                    outcomes.push(outcome);
                }
                // A difference has been seen: more values say nothing more.
                if whole || outcomes.windows(2).any(|pair| pair[0] != pair[1]) {
                    break;
                }
            }
            taken |= tried > 0;
            let made = outcomes.iter().any(|outcome| !outcome.text.is_empty());
            if made && !whole && outcomes.len() > 1 && outcomes.windows(2).all(|pair| pair[0] == pair[1]) {
                let mut shown = machine.clone();
                for (name, _) in steps.iter().take(1) {
                    shown = shown[name.as_str()].clone();
                }
                let shown = shown.to_string();
                if self.anyway.iter().any(|(known, with, _)| *known == here && shown.contains(with)) {
                    continue;
                }
                self.silent.entry(here.to_owned()).or_insert(shown);
            }
        }
        if !taken {
            self.untaken.push(here.to_owned());
        }
    }
}

/// Asserts that each key, put into a machine, changes what is written or is told of, but for those that may say what is so `anyway`; `untried`
/// are the keys of which no machine can be made.
pub(crate) fn none_is_passed_over(around: &str, writer: Writer, anyway: &[Anyway], untried: &[&str]) {
    let around: Value = toml::from_str::<toml::Value>(around)
        .ok()
        .and_then(|value| serde_json::to_value(value).ok())
        .expect("TOML is JSON");
    let plain = said(writer, &around);
    assert!(plain.as_ref().is_some_and(|written| !written.text.is_empty()), "{plain:?}");
    let mut walk = Walk { writer, anyway, silent: BTreeMap::new(), untaken: Vec::new(), keys: 0 };
    walk.table(&SCHEMA, "", &[], &[around]);
    println!("{} keys, {} of them passed over", walk.keys, walk.silent.len());
    for (key, item) in &walk.silent {
        println!("{key}: {}", item.chars().take(160).collect::<String>());
    }
    assert!(walk.keys > 300, "the schema has only {} keys", walk.keys);
    assert_eq!(walk.untaken, untried, "keys that were not tried");
    assert!(walk.silent.is_empty(), "{:?} change nothing and are not told of", walk.silent.keys());
}
