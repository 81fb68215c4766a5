//! What configurations and running processes ask of the host's memory and processors.

use crate::prelude::*;
use std::sync::Arc;
use vmwright_formats::{DomainXml, QemuArgs, QemuLog, VmmProcesses};

/// What a configuration asks of the host's memory.
#[derive(Default)]
pub(crate) struct Guest {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its memory in bytes.
    pub memory: Option<u64>,
    /// Where that stands.
    pub quote: Option<Evidence>,
    /// Huge pages are asked for, and where that stands.
    pub huge: Option<Option<Evidence>>,
    /// Size of those pages in bytes.
    pub page: Option<u64>,
    /// Nodes that its memory is strictly bound to, as written.
    pub strict: Option<String>,
    /// A host PCI device is assigned to it, and where that stands.
    pub device: Option<Option<Evidence>>,
    /// It is known to run.
    pub running: bool,
}

/// More VMs than one host runs; a text with more is not worth the time.
const GUESTS: usize = 256;

/// The VMs that domain XML, QEMU command lines, logs and the listing of processes describe; [`GUESTS`] at most. Of one that
/// is asked about no other.
pub(crate) fn guests(cx: &Reading<'_>) -> Arc<Vec<Guest>> {
    cx.once(|cx| {
        let mut guests = read(cx);
        guests.retain(|guest| guest.name.is_empty() || cx.asks_about(&guest.name));
        guests
    })
}

/// The same, and all others too: what they take together.
pub(crate) fn every_guest(cx: &Reading<'_>) -> Arc<Vec<Guest>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Guest> {
    let running = cx.all::<VmmProcesses>();
    let runs = |name: &str| {
        let names = [format!("guest={name},"), format!("-name {name} "), format!("-name {name},")];
        let all = running.iter().flat_map(|seen| &seen.processes);
        !name.is_empty() && all.into_iter().any(|one| names.iter().any(|name| one.argv.contains(name)))
    };
    let mut found = Vec::new();
    for seen in cx.of_every_vm::<DomainXml>() {
        for domain in seen.domains.iter().take(GUESTS) {
            let backing = &domain.memory_backing;
            let name = domain.name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
            let tune = domain
                .numatune
                .as_ref()
                .filter(|tune| tune.mode.as_ref().is_none_or(|mode| mode.value == "strict"));
            found.push(Guest {
                running: runs(&name),
                name,
                memory: domain.memory.as_ref().map(|memory| memory.value),
                quote: domain.memory.as_ref().and_then(|memory| seen.quote(memory.line)),
                huge: backing.hugepages.map(|line| seen.quote(line)),
                page: backing.pages.first().map(|(size, _)| size.value),
                strict: tune.and_then(|tune| tune.nodeset.as_ref()).map(|nodes| nodes.value.clone()),
                device: domain
                    .devices
                    .hostdevs
                    .iter()
                    .find(|one| one.address.is_some())
                    .map(|one| seen.quote(one.line)),
            });
        }
    }
    for command in every_command(cx) {
        let (args, text) = (&command.args, command.text);
        let memory = args.property("m", "size").or_else(|| {
            args.first("m").and_then(|option| {
                Some(Spanned::new(option.value.clone()?.split(',').next()?.to_owned(), option.value_line))
            })
        });
        let path = args.first("mem-path").map(|option| option.line);
        let object = args.options("object").find(|option| {
            let value = option.value.as_deref().unwrap_or_default();
            value.contains("hugetlb=on") || value.contains("mem-path") && value.contains("huge")
        });
        let huge = path.or(object.map(|option| option.line));
        let page = object.and_then(|option| size(option.opts().get("hugetlbsize")?, 1));
        let name = args.property("name", "guest").map(|name| name.value).unwrap_or_default();
        found.push(Guest {
            // A log's last run may be the one that goes on.
            running: text.kind.0 == "vmm_processes" || runs(&name),
            name,
            memory: memory.as_ref().and_then(|memory| size(&memory.value, 1 << 20)),
            quote: memory.as_ref().and_then(|memory| text.quote(memory.line)),
            huge: huge.map(|line| text.quote(line)),
            page,
            strict: None,
            device: args.devices("vfio-pci").next().map(|(option, _)| text.quote(option.line)),
        });
    }
    // Cloud Hypervisor's command line names both in one option.
    for (text, number, line) in cx.lines_with("hugepages=on").take(GUESTS) {
        let option = line.split_whitespace().find(|word| word.contains("hugepages=on")).unwrap_or_default();
        let value = |key: &str| option.split(',').find_map(|part| part.trim_matches('"').strip_prefix(key));
        found.push(Guest {
            memory: value("size=").and_then(|text| size(text, 1)),
            quote: text.quote(number),
            huge: Some(text.quote(number)),
            page: value("hugepage_size=").and_then(|text| size(text, 1)),
            ..Guest::default()
        });
    }
    found.truncate(GUESTS);
    found
}

/// A QEMU command line and the text that it stands in.
pub(crate) struct Command<'r> {
    /// Its options.
    pub args: Arc<QemuArgs>,
    /// The text.
    pub text: &'r Text<'r>,
}

/// Command lines as they were typed, as libvirt logs them (the last run), and of running processes; 64 at most. Where one VM
/// is asked about, no other's.
pub(crate) fn commands<'r>(cx: &'r Reading<'_>) -> Vec<Command<'r>> {
    let mut found = every_command(cx);
    found.retain(|command| is_asked(cx, &command.args));
    found
}

/// Whether a command line is of the VM that is asked about, or may be.
pub(crate) fn is_asked(cx: &Reading<'_>, args: &QemuArgs) -> bool {
    let name = args.property("name", "guest");
    name.is_none_or(|name| cx.asks_about(&name.value))
}

/// The same as [`commands`], those of other VMs too.
pub(crate) fn every_command<'r>(cx: &'r Reading<'_>) -> Vec<Command<'r>> {
    let lines = cx.once(lines);
    let all = cx.texts_of(&KINDS).zip(lines.iter());
    let found = all.flat_map(|(text, lines)| lines.iter().map(move |args| (text, Arc::clone(args))));
    found.take(64).map(|(text, args)| Command { args, text }).collect()
}

/// Kinds of texts that have command lines.
const KINDS: [&str; 3] = ["qemu_args", "qemu_log", "vmm_processes"];

/// Those of each text.
fn lines(cx: &Reading<'_>) -> Vec<Vec<Arc<QemuArgs>>> {
    let mut left = 64;
    let of = |text: &Text<'_>| {
        let mut lines: Vec<Arc<QemuArgs>> = match &*text.kind.0 {
            "qemu_args" => vec![one::<QemuArgs>(cx, text)],
            "qemu_log" => {
                one::<QemuLog>(cx, text).last().map(|run| Arc::new(run.args.clone())).into_iter().collect()
            }
            _ => {
                let processes = one::<VmmProcesses>(cx, text);
                let qemu = processes.processes.iter().filter(|one| one.exe.contains("qemu"));
                qemu.take(left).map(|one| Arc::new(QemuArgs::read_at(&one.argv, one.line))).collect()
            }
        };
        lines.truncate(left);
        left -= lines.len();
        lines
    };
    cx.texts_of(&KINDS).map(of).collect()
}

fn one<V: vmwright_formats::View + Send + Sync>(cx: &Reading<'_>, text: &Text<'_>) -> Arc<V> {
    let all = cx.all::<V>();
    let seen = all.into_iter().find(|seen| seen.text.source == text.source);
    seen.map_or_else(|| Arc::new(V::read(text.as_str()).0), |seen| seen.view)
}

/// A size as QEMU writes it: a number and `K`, `M`, `G` or `T`; `unit` bytes where there is no letter.
pub(crate) fn size(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim().trim_end_matches(['B', 'b', 'i']);
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => unit,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
