//! A snapshot made ready for rules: texts with their lines, views on demand, hits of all signs.

use crate::known::{Forgetting, Known};
use crate::marks::Marks;
use crate::patterns::Numbers;
use crate::places::Places;
use crate::text::COMPLAINT;
use crate::{Hit, Text, Words, nearness, spoken, transcript, whose};
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use vmwright_formats::View;
use vmwright_formats::environment::{NAMES, Versions};
use vmwright_model::{Evidence, Kind, Missing, Record, Snapshot};

/// How long a text may be for rules to go through it line by line, in bytes. What people paste and tools list is
/// shorter; what is longer is a log, and its messages are found by the one pass of all signs.
const SHORT: usize = 1 << 20;

/// What names of texts have that somebody pasted from within a guest.
const GUESTS: [&str; 4] = ["guest", "inside", "instance", "in-vm"];

/// How long a text may be in which answers of commands are told apart, in bytes.
const PASTED: usize = 256 << 10;

/// What stands before the sources of the host that a VM is to move to, so that a quote says which host it is of.
pub const TARGET: &str = "dst:";

/// Kinds besides logs in which messages stand: free text, and what a terminal showed, where a program complains among
/// what it lists.
const TALKS: &[&str] = &[
    "bridge_vlan",
    "dmsetup_status",
    "environment",
    "free",
    "guest_console",
    "ip_route",
    "iptables_save",
    "kubectl_describe",
    "libvirt_xml",
    "lvm_report",
    "nft_ruleset",
    "ovs_show",
    "qemu_img_info",
    "qemu_models",
    "qmp_messages",
    "text",
    "virsh_info",
    "virsh_table",
];

/// Place of a view: whoever asks first reads the text, and who asks meanwhile waits for it.
type Slot = Arc<OnceLock<Arc<dyn Any + Send + Sync>>>;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asked {
    /// The view of the text of this number.
    Of(usize),
    /// What the function at this address finds out.
    By(usize),
}

/// A view and the text that it was read from.
#[derive(Debug)]
pub struct Seen<'r, V> {
    /// The text.
    pub text: &'r Text<'r>,
    /// The typed reading.
    pub view: Arc<V>,
}

impl<V> std::ops::Deref for Seen<'_, V> {
    type Target = V;
    fn deref(&self) -> &V {
        &self.view
    }
}

impl<V> Seen<'_, V> {
    /// A line of the text as evidence.
    #[must_use]
    pub fn quote(&self, line: u32) -> Option<Evidence> {
        self.text.quote(line)
    }
}

/// What is known of one file of the host.
#[derive(Debug)]
pub enum Found<'r> {
    /// It was read.
    Text(&'r Text<'r>),
    /// It does not exist on the host.
    Absent,
    /// It is not known: it was not asked for, is not in the folder, or could not be read.
    Unread(Option<&'r Missing>),
}

/// A snapshot made ready for rules.
pub struct Reading<'s> {
    snapshot: &'s Snapshot,
    /// Whether everything of a host was read.
    whole: bool,
    /// The short ones first.
    texts: Vec<Text<'s>>,
    short: usize,
    /// Answers of commands in what was pasted, which views and names find. Messages are looked for in the whole.
    answers: Vec<Text<'s>>,
    /// The texts of each kind.
    kinds: HashMap<Kind, Vec<usize>>,
    /// The texts of each name, without the folders before it.
    names: HashMap<&'s str, Vec<usize>>,
    places: Arc<Places>,
    marks: Marks,
    complaint: Text<'s>,
    said: Marks,
    target: Option<&'s Reading<'s>>,
    views: RwLock<HashMap<(TypeId, Asked), Slot>>,
    /// The texts that name versions.
    versions: OnceLock<Vec<usize>>,
    /// Whether any text is of a kind in which messages stand.
    messages: OnceLock<bool>,
    /// The rules whose documentation is nearest to the complaint.
    near: OnceLock<Vec<&'static str>>,
    known: &'s Known,
}

impl<'s> Reading<'s> {
    /// Reads a snapshot and what the user says of it.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot, complaint: &'s str) -> Self {
        let vm = snapshot.vm.as_deref();
        let mut texts: Vec<Text<'s>> = snapshot
            .records
            .iter()
            .filter_map(|record| {
                let bytes = record.content.as_ref().ok()?;
                let mut text = Text::new(&record.source, record.kind.clone(), vmwright_formats::text(bytes));
                text.of_another = vm.is_some_and(|vm| whose::is_of_another(text.source, text.whole(), vm));
                Some(text)
            })
            .collect();
        let long = |text: &Text<'_>| text.whole().len() > SHORT;
        texts.sort_by_key(long);
        let short = texts.partition_point(|text| !long(text));
        let places = Places::of(&mut texts[..short]);
        let mut kinds: HashMap<Kind, Vec<usize>> = HashMap::new();
        let mut names: HashMap<&'s str, Vec<usize>> = HashMap::new();
        let pasted = !snapshot.live && !texts.iter().any(|text| reported(text.source));
        let answers = if pasted { answers(snapshot) } else { Vec::new() };
        for (at, text) in texts.iter().chain(&answers).enumerate() {
            kinds.entry(text.kind.clone()).or_default().push(at);
            names.entry(name(text.source)).or_default().push(at);
        }
        let marks = Marks::of(&texts, Arc::clone(&places), pasted);
        let mut complaint = Text::new(COMPLAINT, Kind::TEXT, spoken::in_english(complaint));
        let said = Places::of(std::slice::from_mut(&mut complaint));
        let said = Marks::of(std::slice::from_ref(&complaint), said, true);
        let whole = snapshot.live || snapshot.records.iter().any(|record| reported(&record.source));
        Self {
            snapshot,
            whole,
            texts,
            short,
            answers,
            kinds,
            names,
            places,
            marks,
            complaint,
            said,
            target: None,
            views: RwLock::default(),
            versions: OnceLock::new(),
            messages: OnceLock::new(),
            near: OnceLock::new(),
            known: Known::all(),
        }
    }

    /// Reads the snapshot of a host that a VM is to move to. Its quotes begin with [`TARGET`].
    #[must_use]
    pub fn of_target(snapshot: &'s Snapshot) -> Self {
        let mut reading = Self::new(snapshot, "");
        reading.texts.iter_mut().chain(&mut reading.answers).for_each(|text| text.side = TARGET);
        reading
    }

    /// The same, with the host that a VM is to move to: the question is then whether it can.
    #[must_use]
    pub fn against(mut self, target: &'s Reading<'s>) -> Self {
        self.target = Some(target);
        self
    }

    /// The same, by rules that do not know all that they know.
    #[must_use]
    pub fn forgetting(mut self, forgetting: &'s Forgetting) -> Self {
        self.known = forgetting.rest();
        self
    }

    /// What rules know of faults by their words.
    pub(crate) fn known(&self) -> &'s Known {
        self.known
    }

    /// The host that a VM is to move to, if the question is whether it can.
    #[must_use]
    pub fn target(&self) -> Option<&'s Reading<'s>> {
        self.target
    }

    /// The raw snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        self.snapshot
    }

    /// Whether everything of a host was read, and not what somebody chose to paste: a report has sos's layout.
    pub(crate) fn is_whole_host(&self) -> bool {
        self.whole
    }

    /// All texts of at most 1 MiB. Longer ones are logs: signs find their messages.
    ///
    /// There are hundreds in a capture, and hundreds of rules: each asks for what it needs with `texts_with`,
    /// `lines_with`, `texts_named` or `texts_of`, which go through these texts and no others.
    pub(crate) fn texts(&self) -> &[Text<'s>] {
        &self.texts[..self.short]
    }

    /// Whether rules go through a text: not what is another VM's than the one that is asked about.
    fn is_asked(text: &Text<'_>) -> bool {
        !text.of_another
    }

    /// The texts in which one of the words stands.
    pub fn texts_with<'r, 'w: 'r>(
        &'r self,
        words: impl Words<'w> + 'r,
    ) -> impl Iterator<Item = &'r Text<'r>> {
        let texts = self.places.texts(words).map(|at| &self.texts[at]).filter(|text| Self::is_asked(text));
        texts.filter(move |text| text.holds(words))
    }

    /// The lines of all texts in which one of the words stands, each once, in order.
    pub fn lines_with<'r, 'w: 'r>(
        &'r self,
        words: impl Words<'w> + 'r,
    ) -> impl Iterator<Item = (&'r Text<'r>, u32, &'r str)> {
        let texts = self.places.texts(words).map(|at| &self.texts[at]).filter(|text| Self::is_asked(text));
        texts.flat_map(move |text| text.lines_with(words).map(move |(number, line)| (text, number, line)))
    }

    /// The texts of sources whose name fits.
    pub fn texts_named<'r>(&'r self, fits: impl Fn(&str) -> bool + 'r) -> impl Iterator<Item = &'r Text<'r>> {
        let all = self.texts().iter().chain(&self.answers).filter(|text| Self::is_asked(text));
        all.filter(move |text| fits(text.source)).map(|text| text as _)
    }

    /// The texts of some kinds.
    pub fn texts_of<'r>(&'r self, kinds: &'r [&'r str]) -> impl Iterator<Item = &'r Text<'r>> {
        let told = self.answers.iter().filter(|text| text.kind != Kind::TEXT);
        let all = self.texts().iter().chain(told).filter(|text| Self::is_asked(text));
        all.filter(move |text| kinds.contains(&&*text.kind.0)).map(|text| text as _)
    }

    /// What a text is, by the number that a hit gives.
    pub(crate) fn kind(&self, number: usize) -> Option<&Kind> {
        self.texts.get(number).map(|text| &text.kind)
    }

    /// What the user complains of.
    pub(crate) fn complaint(&self) -> &str {
        self.complaint.whole()
    }

    /// Whether a pattern of the catalogue stands anywhere, in the texts or in the complaint.
    #[must_use]
    pub fn stands(&self, pattern: &str) -> bool {
        !self.hits(pattern).is_empty() || self.said(pattern)
    }

    /// Whether a pattern of the catalogue stands in the complaint.
    #[must_use]
    pub fn said(&self, pattern: &str) -> bool {
        debug_assert!(Numbers::of_all().asked(pattern).is_some());
        !self.complaint.whole().is_empty()
            && !self.said.find(pattern, std::slice::from_ref(&self.complaint)).is_empty()
    }

    /// Whether a rule's documentation is among the nearest to the complaint.
    pub(crate) fn near(&self, rule: &str) -> bool {
        !self.complaint().is_empty()
            && self.near.get_or_init(|| nearness::of_complaint(self.complaint(), self.known)).contains(&rule)
    }

    /// Where a pattern of the catalogue stands in the texts.
    #[must_use]
    pub fn hits(&self, pattern: &str) -> &[Hit] {
        self.marks.find(pattern, &self.texts)
    }

    /// Whether the message of this number can stand in the texts; hardly any does.
    pub(crate) fn can_stand(&self, number: usize) -> bool {
        self.marks.can_stand(number, &self.texts)
    }

    /// The hits of a message whose number is known (see [`Numbers::row`](crate::patterns::Numbers::row)).
    pub(crate) fn hits_numbered(&self, number: usize, pattern: &str) -> &[Hit] {
        self.marks.find_numbered(number, pattern, &self.texts)
    }

    /// The text of a hit.
    #[must_use]
    pub fn text(&self, hit: &Hit) -> Option<&Text<'s>> {
        self.texts.get(hit.text)
    }

    /// A hit as evidence.
    #[must_use]
    pub fn evidence(&self, hit: &Hit) -> Option<Evidence> {
        self.texts.get(hit.text)?.quote(hit.line)
    }

    /// Every text of a kind, read, those of other VMs than the one that is asked about too: for what VMs share.
    #[must_use]
    pub fn of_every_vm<V: View + Send + Sync>(&self) -> Vec<Seen<'_, V>> {
        let every = self.every(&V::KIND);
        every.map(|(at, text)| Seen { text, view: self.view(at, text) }).collect()
    }

    /// Every text of a kind, read.
    #[must_use]
    pub fn all<V: View + Send + Sync>(&self) -> Vec<Seen<'_, V>> {
        let mine = self.of_kind(&V::KIND);
        mine.map(|(at, text)| Seen { text, view: self.view(at, text) }).collect()
    }

    /// Every text of a kind in which one of the words stands, read.
    #[must_use]
    pub fn all_with<'w, V: View + Send + Sync>(&self, words: impl Words<'w>) -> Vec<Seen<'_, V>> {
        let mine = self.of_kind(&V::KIND).filter(|(_, text)| text.holds(words));
        mine.map(|(at, text)| Seen { text, view: self.view(at, text) }).collect()
    }

    /// The lines of every text of a kind in which one of the words stands, each once, in order.
    pub fn lines_of<'r, 'w: 'r>(
        &'r self,
        kind: &Kind,
        words: impl Words<'w> + 'r,
    ) -> impl Iterator<Item = (&'r Text<'r>, u32, &'r str)> {
        let mine = self.of_kind(kind).map(|(_, text)| text as &Text<'_>);
        mine.flat_map(move |text| text.lines_with(words).map(move |(number, line)| (text, number, line)))
    }

    /// The first text of a kind, read.
    #[must_use]
    pub fn one<V: View + Send + Sync>(&self) -> Option<Seen<'_, V>> {
        let (at, text) = self.of_kind(&V::KIND).next()?;
        Some(Seen { text, view: self.view(at, text) })
    }

    /// The texts of a kind, with their numbers.
    fn of_kind<'r>(&'r self, kind: &Kind) -> impl Iterator<Item = (usize, &'r Text<'s>)> + use<'r, 's> {
        self.every(kind).filter(|(_, text)| Self::is_asked(text))
    }

    /// The same, with those of other VMs than the one that is asked about.
    fn every<'r>(&'r self, kind: &Kind) -> impl Iterator<Item = (usize, &'r Text<'s>)> + use<'r, 's> {
        self.kinds.get(kind).into_iter().flatten().filter_map(|at| Some((*at, self.at(*at)?)))
    }

    /// A text by its number; answers follow the texts.
    fn at(&self, number: usize) -> Option<&Text<'s>> {
        self.texts.get(number).or_else(|| self.answers.get(number.checked_sub(self.texts.len())?))
    }

    fn view<V: View + Send + Sync>(&self, at: usize, text: &Text<'_>) -> Arc<V> {
        let slot = self.slot((TypeId::of::<V>(), Asked::Of(at)));
        let view = slot.get_or_init(|| Arc::new(V::read(text.whole()).0));
        Arc::clone(view).downcast().expect("the key names the type")
    }

    /// What several rules ask of the same texts, found out by the first that asks. Who asks meanwhile waits for it.
    pub(crate) fn once<T: Send + Sync + 'static>(&self, make: fn(&Reading<'_>) -> T) -> Arc<T> {
        let key = (TypeId::of::<T>(), Asked::By(make as usize));
        let made = self.slot(key).get_or_init(|| Arc::new(make(self))).clone();
        made.downcast().expect("the key names the type")
    }

    /// The place of a view or an answer.
    fn slot(&self, key: (TypeId, Asked)) -> Slot {
        let known = self.views.read().unwrap_or_else(PoisonError::into_inner).get(&key).map(Arc::clone);
        known.unwrap_or_else(|| {
            Arc::clone(self.views.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
        })
    }

    /// The texts that name versions of programs.
    pub fn versions(&self) -> impl Iterator<Item = (&Text<'_>, &Versions)> {
        let named = self.versions.get_or_init(|| {
            let mut named: Vec<usize> = self.places.texts(NAMES).collect();
            named.retain(|at| *self.texts[*at].versions() != Versions::default());
            named
        });
        named.iter().map(|at| (&self.texts[*at], self.texts[*at].versions()))
    }

    /// What is known of a file by its absolute path on the host. In a folder it may lie below any prefix that
    /// ends at a `/` (`proc/cmdline`, `sosreport-x/proc/cmdline`).
    #[must_use]
    pub fn file(&self, path: &str) -> Found<'_> {
        let same = |source: &str| {
            source == path || !self.snapshot.live && (source == &path[1..] || source.ends_with(path))
        };
        let mut named = self.names.get(name(path)).into_iter().flatten().filter_map(|at| self.at(*at));
        if let Some(text) = named.find(|text| same(text.source)) {
            return Found::Text(text);
        }
        match self.snapshot.records.iter().find(|record| same(&record.source)).map(|record| &record.content) {
            Some(Err(Missing::Absent)) if self.snapshot.live => Found::Absent,
            Some(Err(why)) => Found::Unread(Some(why)),
            _ => Found::Unread(None),
        }
    }

    /// Whether anything was read in which messages stand: a log, a terminal's output, free text. The readings
    /// of a host's state (`/proc/cpuinfo`, `lspci`) hold none.
    #[must_use]
    pub fn has_messages(&self) -> bool {
        let talks = |kind: &str| kind.ends_with("_log") || TALKS.contains(&kind);
        *self.messages.get_or_init(|| self.texts.iter().any(|text| talks(&text.kind.0)))
    }

    /// The name of the VM in question, if it was given.
    #[must_use]
    pub fn vm(&self) -> Option<&str> {
        self.snapshot.vm.as_deref()
    }

    /// Whether the VM of this name is asked about: it, or all of the host's.
    #[must_use]
    pub fn asks_about(&self, vm: &str) -> bool {
        self.vm().is_none_or(|asked| asked == vm)
    }
}

/// The answers of commands in what was pasted that are of another kind than the text in which they stand, and the files
/// that were shown.
fn answers(snapshot: &Snapshot) -> Vec<Text<'_>> {
    let mut told = Vec::new();
    // What a guest says of itself is no state of the host.
    let host =
        |record: &&Record| !GUESTS.iter().any(|word| record.source.to_ascii_lowercase().contains(word));
    for record in snapshot.records.iter().filter(host) {
        let Ok(bytes) = &record.content else { continue };
        let Cow::Borrowed(whole) = vmwright_formats::text(bytes) else { continue };
        if whole.len() > PASTED {
            continue;
        }
        for answer in transcript::answers(whole) {
            let kind = vmwright_formats::recognise(answer.name, answer.text);
            if kind != record.kind && kind != Kind::TEXT || answer.is_file() {
                let mut text = Text::new(answer.name, kind, Cow::Borrowed(answer.text));
                text.part_of = Some((&record.source, answer.before));
                told.push(text);
            }
        }
    }
    told
}

/// Whether a source is one of a report of a whole host, which has sos's layout.
pub(crate) fn reported(source: &str) -> bool {
    source.starts_with("sos_commands/")
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
