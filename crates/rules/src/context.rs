//! What a rule's judgement is given.

use crate::confidence::weaker;
use crate::patterns::Numbers;
use crate::whose;
use crate::{Draft, Entry, Hit, Reading, Sign};
use vmwright_model::Verdict;

/// A rule and the reading that it judges. Everything of [`Reading`] can be called on it.
pub struct Context<'r> {
    /// The rule.
    pub entry: &'static Entry,
    reading: &'r Reading<'r>,
}

impl<'r> std::ops::Deref for Context<'r> {
    type Target = Reading<'r>;
    fn deref(&self) -> &Reading<'r> {
        self.reading
    }
}

impl<'r> Context<'r> {
    pub(crate) fn new(entry: &'static Entry, reading: &'r Reading<'r>) -> Self {
        Self { entry, reading }
    }

    /// A finding in the making, with what the rule's signs show already in it.
    #[must_use]
    pub fn draft(&self) -> Draft<'r> {
        let mut draft = self.blank();
        let row = Numbers::of_all().row(self.entry);
        let known = self.reading.known();
        let silent = self.reading.complaint().is_empty();
        for (at, sign) in self.entry.rule.signs.iter().enumerate() {
            let number = row.get(at).map(|number| *number as usize);
            // All signs are asked for: one that stands nowhere is not even looked at.
            if silent && number.is_some_and(|number| !self.reading.can_stand(number))
                || !known.has(self.entry.id, sign.text)
            {
                continue;
            }
            let hits = match number {
                Some(number) => self.reading.hits_numbered(number, sign.text),
                None => self.reading.hits(sign.text),
            };
            self.weigh(sign, self.counting(sign, hits), &mut draft);
        }
        draft
    }

    /// A finding in the making, without the signs.
    #[must_use]
    pub fn blank(&self) -> Draft<'r> {
        Draft::new(self.entry, self.reading)
    }

    /// Where this sign stands and counts, its conditions applied.
    #[must_use]
    pub fn hits_of(&self, sign: &Sign) -> Vec<&'r Hit> {
        self.counting(sign, self.reading.hits(sign.text))
    }

    /// Those of a sign's hits that count.
    fn counting(&self, sign: &Sign, hits: &'r [Hit]) -> Vec<&'r Hit> {
        if hits.is_empty() || !self.holds(sign) {
            return Vec::new();
        }
        let fits = |hit: &&Hit| {
            let kind = || self.reading.kind(hit.text);
            (sign.kinds.is_empty() || kind().is_some_and(|kind| sign.kinds.contains(&&*kind.0)))
                && self.goes_with(sign, hit)
                && !self.is_of_another(hit)
        };
        hits.iter().filter(fits).collect()
    }

    /// Whether the conditions of a sign are met.
    fn holds(&self, sign: &Sign) -> bool {
        sign.and.iter().all(|pattern| self.reading.stands(pattern))
            && !sign.unless.iter().any(|pattern| {
                if self.reading.is_whole_host() && is_word(pattern) {
                    self.reading.said(pattern)
                } else {
                    self.reading.stands(pattern)
                }
            })
            && (sign.said.is_empty()
                || sign.said.iter().any(|pattern| self.reading.said(pattern))
                || sign.near && self.reading.near(self.entry.id))
    }

    /// On a whole host a mere word of a condition (`migrate`, `libvirt`) stands somewhere always: there it counts in the
    /// complaint and beside the message alone, and so does a word that speaks against it. What somebody chose to paste
    /// belongs together.
    fn goes_with(&self, sign: &Sign, hit: &Hit) -> bool {
        let beside = |word: &str| self.reading.hits(word).iter().any(|other| other.text == hit.text);
        let words = |all: &'static [&'static str]| all.iter().filter(|pattern| is_word(pattern));
        !self.reading.is_whole_host()
            || words(sign.and).all(|word| self.reading.said(word) || beside(word))
                && !words(sign.unless).any(|word| beside(word))
    }

    /// Whether the line tells of the process of another VM than the one that is asked about.
    fn is_of_another(&self, hit: &Hit) -> bool {
        self.reading.vm().is_some_and(|vm| {
            self.reading.evidence(hit).is_some_and(|evidence| whose::names_another(&evidence.quote, vm))
        })
    }

    /// Whether the complaint is of what this rule is about: it has one of these patterns, or is nearer to the rule's
    /// documentation than to nearly all others'. It makes evidence of what would else be a choice, and proves nothing.
    #[must_use]
    pub fn asked(&self, patterns: &[&str]) -> bool {
        let known = |pattern: &&&str| self.reading.known().has(self.entry.id, pattern);
        patterns.iter().filter(known).any(|pattern| self.reading.said(pattern))
            || self.reading.near(self.entry.id)
    }

    fn weigh(&self, sign: &Sign, hits: Vec<&'r Hit>, draft: &mut Draft<'r>) {
        let quote = hits.first().and_then(|hit| self.reading.evidence(hit));
        if quote.is_some() {
            draft.add(sign.strength, sign.against, quote, "the message stands there");
        } else if sign.kinds.is_empty()
            && self.reading.said(sign.text)
            && self.holds(sign)
            && let Some(strength) = weaker(sign.strength)
        {
            draft.add(strength, sign.against, None, "the complaint says so");
        }
    }

    /// A verdict: not enough was read. `source` is the path or read-only command that would tell.
    #[must_use]
    pub fn unknown(&self, why: &str, source: &str) -> Vec<Verdict> {
        vec![Verdict::Unknown { why: why.to_owned(), source: source.to_owned() }]
    }

    /// A verdict: the problem is not there.
    #[must_use]
    pub fn quiet(&self) -> Vec<Verdict> {
        vec![Verdict::Quiet]
    }

    /// A verdict: the question does not arise.
    #[must_use]
    pub fn not_applicable(&self, why: &str) -> Vec<Verdict> {
        vec![Verdict::NotApplicable { why: why.to_owned() }]
    }
}

/// Whether a pattern is a word and no message.
fn is_word(pattern: &str) -> bool {
    pattern.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_')
}

#[cfg(test)]
mod tests {
    use crate::{Reading, entry, ranking};
    use vmwright_model::{Kind, Record, Snapshot, Verdict};

    /// `migration/memory-limit` takes a message of memory for its own where a migration is spoken of.
    #[test]
    fn on_a_whole_host_a_word_elsewhere_is_no_condition_met() {
        let log = "qemu-system-x86_64: unable to map backing store for guest RAM: Cannot allocate memory\n";
        let rule = entry("migration/memory-limit").expect("a rule");
        let fires = |live: bool, files: &[(&str, &str)], complaint: &str| {
            let record = |(name, text): &(&str, &str)| Record::new(*name, Kind::TEXT, *text);
            let records = files.iter().map(record).collect();
            let snapshot = Snapshot { records, live, ..Snapshot::default() };
            let reading = Reading::new(&snapshot, complaint);
            ranking::judge(rule, &reading).iter().any(|verdict| matches!(verdict, Verdict::Fired(_)))
        };
        let apart = [("web.log", log), ("commands.txt", "virsh migrate\n")];
        assert!(fires(false, &apart, ""), "what was pasted belongs together");
        assert!(!fires(true, &apart, ""));
        assert!(fires(true, &apart, "it does not migrate"));
        let beside = format!("virsh migrate\n{log}");
        assert!(fires(true, &[("web.log", &beside)], ""));
    }

    /// `vhost-user/socket-missing` leaves a socket to another rule where virtiofs is spoken of.
    #[test]
    fn on_a_whole_host_a_word_elsewhere_is_nothing_against_a_message() {
        let message = "Failed to connect to '/run/openvswitch/vhost-web': No such file or directory";
        let rule = entry("vhost-user/socket-missing").expect("a rule");
        let fires = |live: bool, texts: &[&str], complaint: &str| {
            let record = |text: &&str| Record::new(format!("{}.txt", text.len()), Kind::TEXT, *text);
            let snapshot =
                Snapshot { records: texts.iter().map(record).collect(), live, ..Snapshot::default() };
            let reading = Reading::new(&snapshot, complaint);
            ranking::judge(rule, &reading).iter().any(|verdict| matches!(verdict, Verdict::Fired(_)))
        };
        assert!(fires(true, &["virtiofs 45056 0\n"], message));
        assert!(fires(true, &["virtiofs 45056 0\n", message], ""));
        assert!(!fires(false, &["virtiofs 45056 0\n"], message), "what was pasted belongs together");
        assert!(!fires(true, &[&format!("-device vhost-user-fs-pci\n{message}\n")], ""));
        assert!(!fires(true, &[], &format!("virtiofs: {message}")));
    }

    /// What blocks another VM's migration is told by its own monitor.
    #[test]
    fn what_another_vm_says_is_nothing_about_the_one_that_is_asked_about() {
        let fires = |rule: &str, vm: Option<&str>, source: &str, text: &str| {
            let rule = entry(rule).expect("a rule");
            let records = vec![Record::new(source, Kind::TEXT, text)];
            let snapshot = Snapshot { records, live: true, vm: vm.map(str::to_owned), ..Snapshot::default() };
            let reading = Reading::new(&snapshot, "");
            ranking::judge(rule, &reading).iter().any(|verdict| matches!(verdict, Verdict::Fired(_)))
        };
        for source in ["qmp/db/query-migrate", "/var/log/libvirt/qemu/db.log"] {
            let fires = |vm| {
                let text = "{\"blocked-reasons\": [\n\"non-migratable device: 0000:00:1d.0:00.0/nvme\"\n]}\n";
                fires("migration/non-migratable-device", vm, source, text)
            };
            assert!(fires(Some("db")) && fires(None) && !fires(Some("web")), "{source}");
        }
        let killed = |vm| {
            let text = "[  412.1] audit: type=1326 audit(1700000000.1:77): pid=3111 comm=\"vmw-db\" exe=\"/usr/bin/qemu-system-x86_64\" sig=31\n";
            fires("access/seccomp-kill", vm, "dmesg", text)
        };
        assert!(killed(Some("db")) && killed(None) && !killed(Some("web")), "its process is named");
    }
}
