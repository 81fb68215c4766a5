//! What the texts say of the two hosts of a migration, where they say it of both.

use crate::prelude::*;
use vmwright_formats::QemuLog;
use vmwright_formats::environment::versions;

/// A fact of one host, with its line.
pub(crate) struct Side {
    /// The fact as written.
    pub value: String,
    /// Its line.
    pub quote: Option<Evidence>,
}

/// Notes are short; what is longer is a log or a listing of many hosts.
const NOTES: usize = 1 << 16;

/// Two different versions of QEMU: of the last runs in two logs, or of two lines of notes.
pub(crate) fn two_qemus(cx: &Context<'_>) -> Option<[Side; 2]> {
    let mut found: Vec<(Vec<u32>, Side)> = Vec::new();
    for log in cx.all::<QemuLog>() {
        // A log of its own for each side: several runs in one log are one host's history.
        let Some(start) = log.last().and_then(|run| run.start.as_ref()) else { continue };
        let of_line = format!("qemu {}", start.qemu);
        let Some(version) = versions(&of_line).qemu else { continue };
        found.push((version.value.numbers, Side { value: start.qemu.clone(), quote: log.quote(start.line) }));
    }
    let named = ["qemu", "QEMU", "Qemu"];
    let notes =
        cx.texts_with(named).filter(|text| text.as_str().len() < NOTES && !text.kind.0.ends_with("_log"));
    // What names no version as a whole has no line that does: most of a host's settings name QEMU in many lines.
    for text in notes.filter(|text| text.versions().qemu.is_some()) {
        for (number, line) in text.lines_with(named) {
            // `virsh version` gives libvirt's own number as that of the API.
            let Some(version) = versions(line).qemu.filter(|_| !line.contains("Using API")) else { continue };
            let value = version.value.text.clone();
            found.push((version.value.numbers, Side { value, quote: text.quote(number) }));
        }
    }
    two(found, |one, other| one.get(..2) == other.get(..2))
}

/// Two different machine types, of the last runs in two logs.
pub(crate) fn two_machines(cx: &Context<'_>) -> Option<[Side; 2]> {
    let mut found: Vec<(String, Side)> = Vec::new();
    for log in cx.all::<QemuLog>() {
        let Some(run) = log.last() else { continue };
        for option in run.args.options("machine").chain(run.args.options("M")) {
            let Some(name) = option.opts().get("type").map(str::to_owned) else { continue };
            found.push((name.clone(), Side { value: name, quote: log.quote(option.value_line) }));
        }
    }
    two(found, |one, other| one == other)
}

/// Two different processors, by their names in `/proc/cpuinfo`, `lscpu` or notes.
pub(crate) fn two_cpus(cx: &Context<'_>) -> Option<[Side; 2]> {
    let mut found: Vec<(String, Side)> = Vec::new();
    for (text, number, line) in cx.lines_with(["odel name", "odel Name", "ODEL NAME"]) {
        let Some((key, name)) = line.split_once(':') else { continue };
        let (key, name) = (key.trim_end().to_ascii_lowercase(), name.trim());
        // `BIOS Model name` of lscpu is the firmware's word for the same processor.
        if !key.ends_with("model name") || key.contains("bios") || name.is_empty() {
            continue;
        }
        if !found.iter().any(|(known, _)| known == name) && found.len() < 64 {
            found.push((name.to_owned(), Side { value: name.to_owned(), quote: text.quote(number) }));
        }
    }
    two(found, |one, other| one == other)
}

/// The first fact, and the first that is not the same.
fn two<K>(found: Vec<(K, Side)>, same: impl Fn(&K, &K) -> bool) -> Option<[Side; 2]> {
    let mut found = found.into_iter();
    let (key, first) = found.next()?;
    let (_, other) = found.find(|(other, _)| !same(&key, other))?;
    Some([first, other])
}
