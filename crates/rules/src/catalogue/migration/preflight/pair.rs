//! What the judgements of a move share: the VMs in question on the source, and versions on both hosts.

use crate::TARGET;
use crate::prelude::*;
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::environment::Version;
use vmwright_formats::{DomainXml, Environment, QemuLog, QemuOffers};

/// More VMs than one host runs; a text with more is not worth the time.
const GUESTS: usize = 256;

/// A VM of the source.
pub(crate) struct Guest<'r> {
    seen: Seen<'r, DomainXml>,
    at: usize,
}

impl Guest<'_> {
    /// Its definition.
    pub(crate) fn domain(&self) -> &Domain {
        &self.seen.domains[self.at]
    }

    /// Its name; `the VM` where the definition has none.
    pub(crate) fn name(&self) -> &str {
        self.domain().name.as_ref().map_or("the VM", |name| name.value.as_str())
    }

    /// A line of its definition as evidence.
    pub(crate) fn quote(&self, line: u32) -> Option<Evidence> {
        self.seen.quote(line)
    }
}

/// The VMs that are to move: the one in question, or all that the source defines. Each name counts once.
pub(crate) fn guests<'r>(cx: &'r Context<'_>) -> Vec<Guest<'r>> {
    let mut found: Vec<Guest<'r>> = Vec::new();
    for seen in cx.all::<DomainXml>() {
        for at in 0..seen.domains.len() {
            let (text, view) = (seen.text, seen.view.clone());
            let guest = Guest { seen: Seen { text, view }, at };
            let wanted = cx.vm().is_none_or(|vm| vm == guest.name());
            let known = found.iter().any(|one| one.domain().name.is_some() && one.name() == guest.name());
            if wanted && !known && found.len() < GUESTS {
                found.push(guest);
            }
        }
    }
    found
}

/// Judges each VM that is to move by itself.
pub(crate) fn each(cx: &Context<'_>, judge: impl Fn(&Guest<'_>, Draft<'_>) -> Verdict) -> Vec<Verdict> {
    let guests = guests(cx);
    if guests.is_empty() {
        return cx.unknown("the source's records define no VM", "virsh dumpxml NAME on the source");
    }
    let one = |guest: &Guest<'_>| {
        judge(guest, cx.blank().looked().about(Subject::new(SubjectKind::Vm, guest.name())))
    };
    guests.iter().map(one).collect()
}

/// A verdict: the target's records do not tell. `source` is what would.
pub(crate) fn untold(why: &str, source: &str) -> Verdict {
    Verdict::Unknown { why: why.to_owned(), source: format!("{TARGET}{source}") }
}

/// A program's version on a host, and the line that says so.
pub(crate) type Told = Option<(Version, Option<Evidence>)>;

/// Versions of QEMU, libvirt and the kernel on a host.
#[derive(Default)]
pub(crate) struct Programs {
    pub(crate) qemu: Told,
    pub(crate) libvirt: Told,
    pub(crate) kernel: Told,
}

/// What is installed now before what a VM's log says of its last start.
pub(crate) fn programs(host: &Reading<'_>) -> Programs {
    let mut found = Programs::default();
    let put = |place: &mut Told, version: Option<Version>, quote: Option<Evidence>| {
        if place.is_none() {
            *place = version.map(|version| (version, quote));
        }
    };
    let says = |source: &str| ["version", "uname"].iter().any(|word| source.contains(word));
    let kind = <Environment as vmwright_formats::View>::KIND;
    for (text, all) in host.versions().filter(|(text, _)| text.kind == kind || says(text.source)) {
        let all = all.clone();
        let places = [&mut found.qemu, &mut found.libvirt, &mut found.kernel];
        for (place, version) in places.into_iter().zip([all.qemu, all.libvirt, all.kernel]) {
            let quote = version.as_ref().and_then(|version| text.quote(version.line));
            put(place, version.map(|version| version.value), quote);
        }
    }
    for offers in host.all::<QemuOffers>() {
        let Some(version) = &offers.version else { continue };
        let text = version.value.map(|number| number.to_string()).join(".");
        put(&mut found.qemu, Version::parse(&text), offers.quote(version.line));
    }
    for log in host.all::<QemuLog>() {
        let Some(start) = log.runs.iter().rev().find_map(|run| run.start.as_ref()) else { continue };
        put(&mut found.qemu, Version::parse(&start.qemu), log.quote(start.line));
        put(&mut found.libvirt, Version::parse(&start.libvirt), log.quote(start.line));
        put(&mut found.kernel, Version::parse(&start.kernel), log.quote(start.line));
    }
    found
}

/// The names in a folder of the host by which its files are called, if it was looked through: `/a/*.xml` gives what
/// stands for the `*`. Pasted files are no proof that there are no others.
pub(crate) fn listed(host: &Reading<'_>, before: &str, after: &str) -> Option<Vec<String>> {
    let snapshot = host.snapshot();
    let pattern = snapshot.record(&format!("{before}*{after}"));
    let whole =
        snapshot.live && pattern.is_none_or(|record| record.content == Err(vmwright_model::Missing::Absent));
    let names: Vec<String> = snapshot
        .records
        .iter()
        .filter_map(|record| record.source.strip_prefix(before)?.strip_suffix(after))
        .filter(|name| *name != "*")
        .map(str::to_owned)
        .collect();
    (whole && (pattern.is_some() || !names.is_empty())).then_some(names)
}
