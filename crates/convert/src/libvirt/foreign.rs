//! What a text says beyond the machine, and how it comes back into a text.
//!
//! Reading compares the text with what is written from the machine that was read. Each difference is a part:
//!
//! | `at` | `text` | what it is |
//! |---|---|---|
//! | `devices/disk[vda]/driver` | `rerror_policy='stop'` | an attribute of that element |
//! | `devices/disk[vda]` | `<alias name='ua-1'/>` | an element in that element |
//! | `devices/disk@2` | `<disk ...>...</disk>` | an element, the second of its name |
//! | `memory` | `<?with unit='MiB'?>` | the attribute is spelled like this |
//! | `memory` | `<![CDATA[1024]]>` | the element's text is spelled like this |
//! | `devices` | `<?without memballoon?>` | it is not there, although it would be written |
//!
//! A step is a name, with a number from 1 or, for disks and interfaces, the target or MAC address in brackets where
//! there are several. Parts that change a spelling count only as long as the machine means the same with them.

use super::port::place;
use super::tree::{Content, Node, attribute_text, parse, print_short};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::machine::{Foreign, ForeignFormat};

/// How much of a text the machine says, in elements and attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Elements and attributes that the machine says.
    pub modelled: usize,
    /// Those that are kept as foreign parts, by their path without numbers.
    pub foreign: BTreeMap<String, usize>,
}

/// The differences of what was read from what is written of it.
pub(super) fn difference(
    read: &Node,
    written: &Node,
    skipped: &BTreeSet<usize>,
    coverage: &mut Coverage,
) -> Vec<Foreign> {
    let mut parts = Vec::new();
    compare(read, written, skipped, &mut Path::default(), &mut parts, coverage);
    parts
}

#[derive(Default)]
struct Path {
    steps: Vec<String>,
    /// Without numbers.
    names: Vec<String>,
}

impl Path {
    fn at(&self) -> String {
        self.steps.join("/")
    }

    fn count(&self, coverage: &mut Coverage, last: &str) {
        let mut path = self.names.join("/");
        if !path.is_empty() && !last.is_empty() {
            path.push('/');
        }
        path.push_str(last);
        *coverage.foreign.entry(path).or_default() += 1;
    }
}

fn compare(
    read: &Node,
    written: &Node,
    skipped: &BTreeSet<usize>,
    path: &mut Path,
    parts: &mut Vec<Foreign>,
    coverage: &mut Coverage,
) {
    coverage.modelled += 1;
    let mut tell =
        |at: String, text: String| parts.push(Foreign { format: ForeignFormat::Libvirt, at, text });
    for (name, value) in &read.attributes {
        if written.attribute(name) == Some(value) {
            coverage.modelled += 1;
        } else {
            path.count(coverage, &format!("@{name}"));
            let text = attribute_text(name, value);
            let spelling = written.attribute(name).is_some();
            tell(path.at(), if spelling { format!("<?with {text}?>") } else { text });
        }
    }
    for (name, _) in &written.attributes {
        if read.attribute(name).is_none() {
            path.count(coverage, &format!("without @{name}"));
            tell(path.at(), format!("<?without @{name}?>"));
        }
    }
    let (text, own) = (read.text(), written.text());
    if text != own {
        path.count(coverage, "text");
        tell(path.at(), format!("<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>")));
    }
    let mut names: Vec<&str> = Vec::new();
    let mut groups: BTreeMap<&str, (Vec<&Node>, Vec<&Node>)> = BTreeMap::new();
    for child in read.children() {
        let group = groups.entry(&child.name).or_insert_with(|| {
            names.push(&child.name);
            Default::default()
        });
        group.0.push(child);
    }
    for child in written.children() {
        let group = groups.entry(&child.name).or_insert_with(|| {
            names.push(&child.name);
            Default::default()
        });
        group.1.push(child);
    }
    for name in names {
        let (own, ours) = &groups[name];
        let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
        for key in own.iter().filter_map(|child| key(child)) {
            *keys.entry(key).or_default() += 1;
        }
        let mut ours = ours.iter();
        for (at, child) in own.iter().enumerate() {
            let matched = if skipped.contains(&place(child)) { None } else { ours.next() };
            path.names.push(name.to_owned());
            if let Some(ours) = matched {
                let known = key(child).filter(|key| keys.get(key) == Some(&1));
                path.steps.push(step(name, known, at, own.len()));
                compare(child, ours, skipped, path, parts, coverage);
            } else {
                count_all(child, path, coverage);
                path.steps.push(if own.len() > 1 { format!("{name}@{}", at + 1) } else { name.to_owned() });
                let at = if own.len() > 1 { path.at() } else { path.steps[..path.steps.len() - 1].join("/") };
                parts.push(Foreign { format: ForeignFormat::Libvirt, at, text: print_short(child) });
            }
            path.steps.pop();
            path.names.pop();
        }
        for _ in ours {
            path.count(coverage, &format!("without {name}"));
            parts.push(Foreign {
                format: ForeignFormat::Libvirt,
                at: path.at(),
                text: format!("<?without {name}?>"),
            });
        }
    }
}

fn count_all(node: &Node, path: &mut Path, coverage: &mut Coverage) {
    path.count(coverage, "");
    for (name, _) in &node.attributes {
        path.count(coverage, &format!("@{name}"));
    }
    for child in node.children() {
        path.names.push(child.name.clone());
        count_all(child, path, coverage);
        path.names.pop();
    }
}

/// What a disk or interface is known by, so that a part finds it after others have come and gone.
fn key(node: &Node) -> Option<&str> {
    match node.name.as_str() {
        "disk" => node.child("target")?.attribute("dev"),
        "interface" => node.child("mac")?.attribute("address"),
        _ => None,
    }
}

fn step(name: &str, key: Option<&str>, at: usize, of: usize) -> String {
    match key.filter(|key| !key.contains(['/', ']', '@']) && key.parse::<usize>().is_err()) {
        _ if of == 1 => name.to_owned(),
        Some(key) => format!("{name}[{key}]"),
        None => format!("{name}[{}]", at + 1),
    }
}

/// Puts parts back. Those that change a spelling are put only where they are asked for. Gives the parts that found
/// no place.
pub(super) fn weave<'p>(
    tree: &mut Node,
    parts: impl Iterator<Item = &'p Foreign>,
    spelling: bool,
) -> Vec<&'p Foreign> {
    let mut lost = Vec::new();
    for part in parts {
        if put(tree, part, spelling).is_none() {
            lost.push(part);
        }
    }
    lost
}

fn put(tree: &mut Node, part: &Foreign, spelling: bool) -> Option<()> {
    let (above, position) = match part.at.rsplit_once('@') {
        Some((above, position)) if part.text.starts_with('<') && !above.ends_with(']') => {
            (above.rsplit_once('/').map_or("", |(above, _)| above), position.parse::<usize>().ok())
        }
        _ => (part.at.as_str(), None),
    };
    let prefixes = prefixes(tree);
    let mut node = tree;
    for step in above.split('/').filter(|step| !step.is_empty()) {
        node = enter(node, step)?;
    }
    if let Some(what) = part.text.strip_prefix("<?without ").and_then(|rest| rest.strip_suffix("?>")) {
        if spelling {
            match what.strip_prefix('@') {
                Some(name) => node.attributes.retain(|(own, _)| own != name),
                None => {
                    let at = node
                        .content
                        .iter()
                        .rposition(|one| matches!(one, Content::Element(child) if child.name == what))?;
                    node.content.remove(at);
                }
            }
        }
        return Some(());
    }
    if let Some(text) = part.text.strip_prefix("<?with ").and_then(|rest| rest.strip_suffix("?>")) {
        if spelling {
            set(node, text)?;
        }
        return Some(());
    }
    if part.text.starts_with("<![CDATA[") {
        if spelling {
            let holder = parse(&format!("<x>{}</x>", part.text)).ok()?;
            node.content.retain(|one| !matches!(one, Content::Text(_)));
            node.content.extend(holder.content);
        }
        return Some(());
    }
    if !part.text.starts_with('<') {
        let there = part.text.split_once('=').is_some_and(|(name, _)| node.attribute(name).is_some());
        // What the machine says itself by now counts more.
        return if there { Some(()) } else { set(node, &part.text) };
    }
    let child = fragment(&prefixes, &part.text)?;
    let of_name = |one: &Content| matches!(one, Content::Element(own) if own.name == child.name);
    let places: Vec<usize> =
        node.content.iter().enumerate().filter(|(_, one)| of_name(one)).map(|(at, _)| at).collect();
    let at = match position.and_then(|position| places.get(position.checked_sub(1)?)) {
        Some(at) => *at,
        None => places.last().map_or_else(|| rank_place(node, &child.name), |last| last + 1),
    };
    node.content.insert(at, Content::Element(child));
    Some(())
}

/// Sets an attribute from its own text.
fn set(node: &mut Node, text: &str) -> Option<()> {
    let (name, value) = text.split_once('=')?;
    let holder = parse(&format!("<x v={value}/>")).ok()?;
    node.set(name, holder.attribute("v")?.to_owned());
    Some(())
}

/// Prefixes that a part of a domain may use without declaring them itself.
fn prefixes(tree: &Node) -> String {
    let known = ["qemu", "lxc", "xen", "bhyve", "ch"]
        .map(|prefix| (format!("xmlns:{prefix}"), format!("urn:{prefix}")));
    let own = tree.attributes.iter().filter(|(name, _)| name.starts_with("xmlns:"));
    let mut all: BTreeMap<String, String> = known.into_iter().collect();
    all.extend(own.cloned());
    all.iter().map(|(name, value)| format!("{} ", attribute_text(name, value))).collect()
}

/// An element of its own text.
fn fragment(prefixes: &str, text: &str) -> Option<Node> {
    let holder = parse(&format!("<x {prefixes}>{text}</x>")).ok()?;
    holder.content.into_iter().find_map(|one| match one {
        Content::Element(node) => Some(node),
        Content::Text(_) => None,
    })
}

fn enter<'t>(node: &'t mut Node, step: &str) -> Option<&'t mut Node> {
    let (name, which) = match step.split_once('[') {
        Some((name, which)) => (name, which.strip_suffix(']')?),
        None => (step, "1"),
    };
    let mut of_name = node.children_mut().filter(|child| child.name == name);
    match which.parse::<usize>() {
        Ok(number) => of_name.nth(number.checked_sub(1)?),
        Err(_) => of_name.find(|child| key(child) == Some(which)),
    }
}

/// The order of libvirt's own texts.
const ORDER: [&str; 62] = [
    "name",
    "uuid",
    "genid",
    "title",
    "description",
    "metadata",
    "maxMemory",
    "memory",
    "currentMemory",
    "memoryBacking",
    "blkiotune",
    "memtune",
    "memorytune",
    "vcpu",
    "vcpus",
    "iothreads",
    "iothreadids",
    "defaultiothread",
    "cputune",
    "numatune",
    "resource",
    "sysinfo",
    "bootloader",
    "os",
    "features",
    "cpu",
    "clock",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "on_lockfailure",
    "pm",
    "perf",
    "idmap",
    "devices",
    "seclabel",
    "keywrap",
    "launchSecurity",
    "emulator",
    "disk",
    "controller",
    "lease",
    "filesystem",
    "interface",
    "smartcard",
    "serial",
    "parallel",
    "console",
    "channel",
    "input",
    "tpm",
    "graphics",
    "sound",
    "audio",
    "video",
    "hostdev",
    "redirdev",
    "redirfilter",
    "hub",
    "watchdog",
    "memballoon",
    "rng",
];

/// Where an element belongs among others: behind all that stand before it in libvirt's own order.
fn rank_place(node: &Node, name: &str) -> usize {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name);
    let Some(own) = rank(name) else { return node.content.len() };
    let later = node.content.iter().position(
        |one| matches!(one, Content::Element(child) if rank(&child.name).is_some_and(|rank| rank > own)),
    );
    later.unwrap_or(node.content.len())
}

/// Brings the elements of a domain and of its devices into libvirt's order.
pub(super) fn arrange(domain: &mut Node) {
    let rank = |one: &Content| match one {
        Content::Element(node) => ORDER.iter().position(|known| *known == node.name).unwrap_or(ORDER.len()),
        Content::Text(_) => 0,
    };
    domain.content.sort_by_key(rank);
}
