//! What `vmwright capture` writes, and how it is read again: a tar file in the layout of a sos report, so that
//! tools for those can read it too, with an index in front that says of every source where its text lies or why
//! there is none. Read with its index, a capture is the snapshot that the live host gave: what did not exist there
//! does not exist here, and nothing else is taken for absent.

use crate::archive::kinds;
use crate::file::kind_of;
use crate::text::escape;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use vmwright_model::{Kind, Missing, Record, Snapshot};

/// Name of the index.
pub(crate) const INDEX: &str = "vmwright.json";

/// Version of the index.
const SCHEMA: &str = "vmwright.capture/1";

/// Most sources that an index may name; a live host with every pattern full has fewer.
const SOURCES: usize = 65_536;

/// Longest component of a path in the archive, in bytes, with room to tell equal ones apart; `NAME_MAX` of
/// `linux/limits.h` is 255.
const COMPONENT: usize = 200;

/// The folders that sos 4 has for the output of a program.
const PLUGINS: &[(&str, &str)] = &[
    ("dmesg", "kernel"),
    ("findmnt", "filesys"),
    ("journalctl", "logs"),
    ("lscpu", "processor"),
    ("lsmod", "kernel"),
    ("lspci", "pci"),
    ("systemctl", "systemd"),
    ("uname", "kernel"),
    ("virsh", "virsh"),
];

/// What a capture says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Name and version of the tool.
    pub tool: String,
    /// Name of the folder around everything.
    pub folder: String,
    /// When it was made, in seconds since 1970-01-01 UTC: the time of its members.
    pub seconds: u64,
    /// How often each kind of secret was taken out.
    pub redacted: BTreeMap<String, usize>,
    /// Whether names and addresses stand for others.
    pub anonymized: bool,
}

/// The index.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Index {
    schema: String,
    tool: String,
    taken: String,
    host_id: String,
    vm: Option<String>,
    redacted: BTreeMap<String, usize>,
    anonymized: bool,
    sources: Vec<Source>,
}

/// One source: its text's place and size, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    source: String,
    /// Only where the text does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// None also of an empty text where others lie in a folder of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
    /// Size of the whole, where the text is only its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_of: Option<u64>,
}

/// The bytes of a capture: a `.tar.gz`. The same snapshot gives the same bytes.
///
/// # Errors
///
/// Only where a name is too long for a tar file; writing to memory does not fail.
pub fn write(snapshot: &Snapshot, about: &About) -> io::Result<Vec<u8>> {
    let kept = snapshot.records.iter().filter(|record| record.content.is_ok());
    let folders = folders(kept.map(|record| place(&record.source)));
    let mut places = folders.clone();
    places.insert(INDEX.to_owned());
    let mut texts: Vec<(String, &[u8])> = Vec::new();
    let mut sources = Vec::with_capacity(snapshot.records.len());
    for Record { source, kind, content, end_of } in &snapshot.records {
        let text = content.as_deref().unwrap_or_default();
        let mut entry = Source {
            source: source.clone(),
            kind: (*kind != kind_of(source, text)).then(|| kind.clone()),
            file: None,
            bytes: None,
            missing: content.as_ref().err().cloned(),
            end_of: *end_of,
        };
        if content.is_ok() {
            entry.bytes = Some(text.len() as u64);
            let place = place(source);
            // Of a folder nothing is read but that it is there.
            if !(text.is_empty() && folders.contains(&place)) {
                let place = free(place, &mut places);
                entry.file = Some(place.clone());
                texts.push((place, text));
            }
        }
        sources.push(entry);
    }
    let index = Index {
        schema: SCHEMA.to_owned(),
        tool: about.tool.clone(),
        taken: snapshot.taken.clone(),
        host_id: snapshot.host_id.clone(),
        vm: snapshot.vm.clone(),
        redacted: about.redacted.clone(),
        anonymized: about.anonymized,
        sources,
    };
    let index = serde_json::to_vec_pretty(&index).map_err(io::Error::other)?;
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    // First, so that of a capture that was cut off in transfer it is known what is not there.
    let index = (INDEX.to_owned(), index.as_slice());
    for (place, text) in std::iter::once(index).chain(texts) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o600);
        header.set_mtime(about.seconds);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("{}/{place}", about.folder), text)?;
    }
    let mut packed = tar.into_inner()?;
    packed.flush()?;
    packed.finish()
}

/// Where the text of a source lies, below the folder around everything.
fn place(source: &str) -> String {
    if let Some(path) = source.strip_prefix('/') {
        let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(component).collect();
        return if parts.is_empty() { component("") } else { parts.join("/") };
    }
    let program = source.split(' ').next().unwrap_or(source);
    let plugin = PLUGINS.iter().find(|(name, _)| *name == program).map_or("vmwright", |(_, plugin)| plugin);
    format!("sos_commands/{plugin}/{}", component(&mangled(source)))
}

/// As sos names the output of a command: `/` becomes `.`, and a run of anything but letters, digits, `-`, `.` and
/// `_` becomes `_`.
fn mangled(command: &str) -> String {
    let mut name = String::with_capacity(command.len());
    for letter in command.chars() {
        match letter {
            '/' => name.push('.'),
            letter if letter.is_ascii_alphanumeric() || "-._".contains(letter) => name.push(letter),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name
}

fn component(name: &str) -> String {
    let mut end = name.len().min(COMPONENT);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match &name[..end] {
        "" | "." | ".." => "_".to_owned(),
        name => name.to_owned(),
    }
}

/// All folders that these places lie in, below the one around everything.
fn folders(places: impl Iterator<Item = String>) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for place in places {
        let ends = place.match_indices('/').map(|(end, _)| end);
        folders.extend(ends.map(|end| place[..end].to_owned()));
    }
    folders
}

/// The place, or one like it that is not taken.
fn free(place: String, taken: &mut BTreeSet<String>) -> String {
    let mut own = place.clone();
    let mut copy = 1;
    while !taken.insert(own.clone()) {
        copy += 1;
        own = format!("{place}~{copy}");
    }
    own
}

impl Index {
    /// Reads an index; `None` where it is none that this version knows.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let index: Self = serde_json::from_slice(bytes).ok()?;
        (index.schema == SCHEMA && index.sources.len() <= SOURCES).then_some(index)
    }
}

/// A text, or why there is none.
type Content = Result<Vec<u8>, Missing>;

/// The snapshot that was captured. `take` gives the text that lies at a place, once.
pub(crate) fn restore(index: Index, take: &mut dyn FnMut(&str) -> Option<Content>) -> Snapshot {
    let mut lookup = |file: Option<&str>, bytes: Option<u64>| {
        let lost = |why: &str| Err(Missing::Failed(why.to_owned()));
        match file.and_then(&mut *take) {
            Some(Ok(text)) if bytes.is_some_and(|bytes| bytes != text.len() as u64) => {
                lost("its text in the capture is not the one that was written")
            }
            Some(content) => content,
            None => lost("its text is not in the capture"),
        }
    };
    let records = index.sources.into_iter().map(|one| {
        let content = match one.missing {
            Some(why) => Err(why),
            None if one.file.is_none() && one.bytes == Some(0) => Ok(Vec::new()),
            None => lookup(one.file.as_deref(), one.bytes),
        };
        let source = escape(one.source.as_bytes());
        let kind = one.kind.unwrap_or_else(|| kinds::of(&source, content.as_deref().unwrap_or_default()));
        Record { source, kind, content, end_of: one.end_of }
    });
    Snapshot {
        records: records.collect(),
        host_id: escape(index.host_id.as_bytes()),
        taken: escape(index.taken.as_bytes()),
        live: true,
        vm: index.vm.map(|vm| escape(vm.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_a_sos_report() {
        for (source, there) in [
            ("/proc/cpuinfo", "proc/cpuinfo"),
            ("lspci -nnvv", "sos_commands/pci/lspci_-nnvv"),
            ("dmesg", "sos_commands/kernel/dmesg"),
            ("kvm-probe", "sos_commands/vmwright/kvm-probe"),
            ("namei -l /srv/a b.img", "sos_commands/vmwright/namei_-l_.srv.a_b.img"),
            ("qemu-system-x86_64 -cpu help", "sos_commands/vmwright/qemu-system-x86_64_-cpu_help"),
            ("/srv/../etc/./x", "srv/_/etc/_/x"),
            ("/", "_"),
            ("", "sos_commands/vmwright/_"),
        ] {
            assert_eq!(place(source), there, "{source}");
        }
        let mut taken = BTreeSet::new();
        let one = free(place(&format!("namei -l /{}", "x".repeat(4096))), &mut taken);
        assert_eq!(one.rsplit('/').next().unwrap().len(), COMPONENT);
        assert_eq!(free(one.clone(), &mut taken), format!("{one}~2"));
    }

    #[test]
    fn an_index_of_another_version_is_none() {
        let index = |schema: &str| {
            let text = format!(
                "{{\"schema\":\"{schema}\",\"tool\":\"\",\"taken\":\"\",\"host_id\":\"\",\"vm\":null,\
                 \"redacted\":{{}},\"anonymized\":false,\"sources\":[]}}"
            );
            Index::read(text.as_bytes()).is_some()
        };
        assert!(index("vmwright.capture/1") && !index("vmwright.capture/2"));
        assert!(Index::read(b"{}").is_none() && Index::read(b"\xff").is_none());
    }
}
