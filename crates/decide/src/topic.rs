//! What is known of a topic.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use vmwright_model::decision;

/// The topics, by name, with their files.
pub const TOPICS: [(&str, &str); 4] = [
    ("hypervisor", include_str!("../topics/hypervisor.toml")),
    ("storage", include_str!("../topics/storage.toml")),
    ("network", include_str!("../topics/network.toml")),
    ("isolation", include_str!("../topics/isolation.toml")),
];

/// The perspectives with their weights, in the order of vmwright's priorities where advice conflicts: security before the
/// VM's performance before what the host's operation asks. The numbers are chosen, and no measurement.
pub const PERSPECTIVES: [(&str, u32); 3] = [("security", 3), ("performance", 2), ("operations", 1)];

/// The best score of an option by a criterion; the worst is 0.
pub(crate) const BEST: u8 = 4;

/// All topics, read once.
static ALL: LazyLock<Vec<Topic>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| {
        let topic: Topic = toml::from_str(text).expect("a test reads them all");
        Topic { name: (*name).to_owned(), ..topic }
    };
    TOPICS.iter().map(read).collect()
});

/// Everything that is known of a topic.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// As it is named.
    #[serde(skip)]
    pub name: String,
    /// What it answers.
    pub question: String,
    /// Words that a question about it has.
    pub words: Vec<String>,
    /// Names of sources, with their addresses and which version was read.
    pub sources: BTreeMap<String, (String, String)>,
    #[serde(rename = "need")]
    pub(crate) needs: Vec<Need>,
    #[serde(rename = "criterion")]
    pub(crate) criteria: Vec<Criterion>,
    #[serde(rename = "option")]
    pub(crate) options: Vec<Choice>,
}

/// Something that an option meets or not.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    pub(crate) name: String,
    pub(crate) says: String,
    /// Words that a question with this need has.
    pub(crate) words: Vec<String>,
}

/// Something that an option does well or not, with its weight in each perspective, 0 to 5.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Criterion {
    pub(crate) name: String,
    pub(crate) says: String,
    #[serde(default)]
    security: u32,
    #[serde(default)]
    performance: u32,
    #[serde(default)]
    operations: u32,
}

/// One of the options.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) says: String,
    /// Whether it meets a need, why, and the source's name. A need that is missing is not known.
    pub(crate) meets: BTreeMap<String, (Answer, String, String)>,
    /// Score by a criterion, why, and the source's name. None is missing.
    pub(crate) scores: BTreeMap<String, (u8, String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Yes,
    No,
}

impl Criterion {
    /// In the order of [`PERSPECTIVES`].
    pub(crate) fn weights(&self) -> [u32; PERSPECTIVES.len()] {
        [self.security, self.performance, self.operations]
    }
}

impl Topic {
    /// The topic of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|one| one.name == name).cloned()
    }

    /// All that there are, in their order.
    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }

    /// What may be asked of it.
    #[must_use]
    pub fn told(&self) -> decision::Topic {
        let pair = |name: &String, says: &String| (name.clone(), says.clone());
        decision::Topic {
            topic: self.name.clone(),
            question: self.question.clone(),
            needs: self.needs.iter().map(|one| pair(&one.name, &one.says)).collect(),
            criteria: self.criteria.iter().map(|one| pair(&one.name, &one.says)).collect(),
            options: self.options.iter().map(|one| pair(&one.name, &one.says)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn is_name(name: &str) -> bool {
        // As the server for agents takes a word for vmwright's own.
        (1..=24).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    }

    #[test]
    fn every_statement_has_its_source_and_every_source_its_statement() {
        for (name, _) in TOPICS {
            let topic = Topic::named(name).unwrap();
            let mut used = BTreeSet::new();
            for option in &topic.options {
                let said = option.meets.values().map(|(_, why, source)| (why, source));
                for (why, source) in said.chain(option.scores.values().map(|(_, why, source)| (why, source)))
                {
                    assert!(
                        !why.is_empty() && topic.sources.contains_key(source),
                        "{name} {}: {source}",
                        option.name
                    );
                    used.insert(source);
                }
            }
            for (source, (address, read)) in &topic.sources {
                assert!(used.contains(source), "{name}: nothing rests on {source}");
                assert!(address.starts_with("https://"), "{name}: {address}");
                assert!(!read.is_empty(), "{name}: nobody says which version of {source} was read");
            }
        }
    }

    #[test]
    fn options_speak_of_what_there_is_and_are_scored_by_every_criterion() {
        for (name, _) in TOPICS {
            let topic = Topic::named(name).unwrap();
            assert!(is_name(name) && topic.options.len() >= 3 && !topic.words.is_empty(), "{name}");
            let needs: BTreeSet<&String> = topic.needs.iter().map(|one| &one.name).collect();
            let criteria: BTreeSet<&String> = topic.criteria.iter().map(|one| &one.name).collect();
            let options: BTreeSet<&String> = topic.options.iter().map(|one| &one.name).collect();
            assert_eq!((needs.len(), criteria.len()), (topic.needs.len(), topic.criteria.len()), "{name}");
            assert!(needs.iter().chain(&criteria).chain(&options).all(|one| is_name(one)), "{name}");
            assert_eq!(needs.intersection(&criteria).count(), 0, "{name}");
            for option in &topic.options {
                assert!(option.meets.keys().all(|need| needs.contains(need)), "{name} {}", option.name);
                assert_eq!(option.scores.keys().collect::<BTreeSet<_>>(), criteria, "{name} {}", option.name);
                assert!(option.scores.values().all(|(score, ..)| *score <= BEST), "{name} {}", option.name);
            }
            // Each perspective has something to say.
            for at in 0..PERSPECTIVES.len() {
                assert!(topic.criteria.iter().any(|one| one.weights()[at] > 0), "{name}");
            }
            assert!(
                topic.criteria.iter().all(|one| one.weights().iter().all(|weight| *weight <= 5)),
                "{name}"
            );
            assert!(
                topic.criteria.iter().all(|one| one.weights().iter().any(|weight| *weight > 0)),
                "{name}"
            );
            // A need that all meet, or none, tells nothing.
            for need in needs {
                let met = |one: &Choice| one.meets.get(need).is_some_and(|met| met.0 == Answer::Yes);
                let count = topic.options.iter().filter(|one| met(one)).count();
                assert!((1..topic.options.len()).contains(&count), "{name} {need}");
            }
        }
    }
}
