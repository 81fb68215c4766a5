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

/// Most steps of a place. Texts nest no deeper than [`super::tree`] reads them.
const STEPS_MAX: usize = 64;

/// Parts by their place, one level for each step.
#[derive(Default)]
struct Branch<'p> {
    /// The parts of this element, each with its number among all.
    own: Vec<(usize, &'p Foreign)>,
    below: BTreeMap<&'p str, Branch<'p>>,
}

/// Puts parts back. Those that change a spelling are put only where they are asked for. Gives the parts that found
/// no place. Each element is gone through once, whatever the number of parts.
pub(super) fn weave<'p>(
    tree: &mut Node,
    parts: impl Iterator<Item = &'p Foreign>,
    spelling: bool,
) -> Vec<&'p Foreign> {
    let mut lost: Vec<(usize, &Foreign)> = Vec::new();
    let mut root = Branch::default();
    for (number, part) in parts.enumerate() {
        let (above, _) = place_of(part);
        let steps: Vec<&str> = above.split('/').filter(|step| !step.is_empty()).collect();
        if steps.len() > STEPS_MAX {
            lost.push((number, part));
            continue;
        }
        let branch = steps.into_iter().fold(&mut root, |branch, step| branch.below.entry(step).or_default());
        branch.own.push((number, part));
    }
    // What declares a prefix comes before what uses it.
    for (_, part) in root.own.iter().filter(|(_, part)| part.text.starts_with("xmlns:")) {
        if part.text.split_once('=').is_some_and(|(name, _)| tree.attribute(name).is_none()) {
            let _ = set(tree, &part.text);
        }
    }
    let prefixes = prefixes(tree);
    put(tree, root, &prefixes, spelling, &mut lost);
    lost.sort_by_key(|(number, _)| *number);
    lost.into_iter().map(|(_, part)| part).collect()
}

/// The place of the element that a part belongs to, and which of its name the part itself is.
fn place_of(part: &Foreign) -> (&str, Option<usize>) {
    match part.at.rsplit_once('@') {
        Some((above, position)) if part.text.starts_with('<') && !above.ends_with(']') => {
            (above.rsplit_once('/').map_or("", |(above, _)| above), position.parse::<usize>().ok())
        }
        _ => (part.at.as_str(), None),
    }
}

/// What happens to the elements of one name.
#[derive(Default)]
struct Change {
    /// New ones, each with its place among all of the name, from 1.
    new: Vec<(Option<usize>, Node)>,
    /// How many are taken away, from the end.
    fewer: usize,
}

fn put<'p>(
    node: &mut Node,
    branch: Branch<'p>,
    prefixes: &str,
    spelling: bool,
    lost: &mut Vec<(usize, &'p Foreign)>,
) {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    for (number, part) in branch.own {
        if put_here(node, part, prefixes, spelling, &mut changes).is_none() {
            lost.push((number, part));
        }
    }
    if !changes.is_empty() {
        change(node, changes);
    }
    if branch.below.is_empty() {
        return;
    }
    let mut numbered: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let mut keyed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, child) in node.content.iter().enumerate() {
        let Content::Element(child) = child else { continue };
        let count = counts.entry(&child.name).or_default();
        *count += 1;
        numbered.insert((child.name.clone(), *count), at);
        if let Some(key) = key(child) {
            keyed.entry((child.name.clone(), key.to_owned())).or_insert(at);
        }
    }
    for (step, below) in branch.below {
        let at = match step.split_once('[') {
            None => numbered.get(&(step.to_owned(), 1)),
            Some((name, which)) => which.strip_suffix(']').and_then(|which| match which.parse::<usize>() {
                Ok(number) => numbered.get(&(name.to_owned(), number)),
                Err(_) => keyed.get(&(name.to_owned(), which.to_owned())),
            }),
        };
        match at.and_then(|at| node.content.get_mut(*at)) {
            Some(Content::Element(child)) => put(child, below, prefixes, spelling, lost),
            _ => all_of(below, lost),
        }
    }
}

/// Every part of a branch whose element is not there.
fn all_of<'p>(branch: Branch<'p>, lost: &mut Vec<(usize, &'p Foreign)>) {
    lost.extend(branch.own);
    branch.below.into_values().for_each(|below| all_of(below, lost));
}

/// Puts what belongs to the element itself, and gathers what becomes of its children.
fn put_here(
    node: &mut Node,
    part: &Foreign,
    prefixes: &str,
    spelling: bool,
    changes: &mut BTreeMap<String, Change>,
) -> Option<()> {
    if let Some(what) = part.text.strip_prefix("<?without ").and_then(|rest| rest.strip_suffix("?>")) {
        if spelling {
            match what.strip_prefix('@') {
                Some(name) => node.attributes.retain(|(own, _)| own != name),
                None => changes.entry(what.to_owned()).or_default().fewer += 1,
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
    let (_, position) = place_of(part);
    let child = fragment(prefixes, &part.text)?;
    changes.entry(child.name.clone()).or_default().new.push((position, child));
    Some(())
}

/// Adds children to those of their names, and takes some away.
fn change(node: &mut Node, changes: BTreeMap<String, Change>) {
    let mut of_name: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    // What stands where: a text, or all elements of a name where the first of them stood.
    let mut slots: Vec<Result<String, Content>> = Vec::new();
    for one in std::mem::take(&mut node.content) {
        match one {
            Content::Element(child) => match of_name.get_mut(&child.name) {
                Some(list) => list.push(child),
                None => {
                    slots.push(Ok(child.name.clone()));
                    of_name.insert(child.name.clone(), vec![child]);
                }
            },
            text => slots.push(Err(text)),
        }
    }
    for (name, change) in changes {
        let old = of_name.remove(&name);
        if old.is_none() && !change.new.is_empty() {
            let at = rank_place(&slots, &name);
            slots.insert(at, Ok(name.clone()));
        }
        let mut old = old.unwrap_or_default().into_iter();
        let mut list = Vec::new();
        for (position, child) in change.new {
            let before = position.map_or(usize::MAX, |position| position.saturating_sub(1));
            while list.len() < before
                && let Some(next) = old.next()
            {
                list.push(next);
            }
            list.push(child);
        }
        list.extend(old);
        list.truncate(list.len().saturating_sub(change.fewer));
        of_name.insert(name, list);
    }
    for slot in slots {
        match slot {
            Ok(name) => {
                node.content
                    .extend(of_name.remove(&name).unwrap_or_default().into_iter().map(Content::Element));
            }
            Err(text) => node.content.push(text),
        }
    }
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
fn rank_place(slots: &[Result<String, Content>], name: &str) -> usize {
    let rank = |name: &str| ORDER.iter().position(|known| *known == name);
    let Some(own) = rank(name) else { return slots.len() };
    let later = |slot: &Result<String, Content>| {
        slot.as_ref().is_ok_and(|name| rank(name).is_some_and(|rank| rank > own))
    };
    slots.iter().position(later).unwrap_or(slots.len())
}

/// Brings the elements of a domain and of its devices into libvirt's order.
pub(super) fn arrange(domain: &mut Node) {
    let rank = |one: &Content| match one {
        Content::Element(node) => ORDER.iter().position(|known| *known == node.name).unwrap_or(ORDER.len()),
        Content::Text(_) => 0,
    };
    domain.content.sort_by_key(rank);
}
