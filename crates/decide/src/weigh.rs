//! Options against needs, and by criteria from each perspective.
//!
//! A perspective's score of an option is the mean of its scores by the criteria, each weighted as the perspective weighs
//! it; the option's score is the mean of the perspectives', by their weights. An option that is known not to meet a need
//! is excluded whatever its score, and one of which that is not known is not chosen.

use crate::flips::flips;
use crate::topic::{Answer, BEST, Choice, PERSPECTIVES, Topic};
use crate::words::{needs_of, topic_of};
use vmwright_model::Mode;
use vmwright_model::decision::{
    Accord, Criterion, DECISION_SCHEMA, Decision, Fitness, Ground, Met, Needed, Perspective, Weighed,
};

/// The greatest weight of a criterion or a perspective.
const HEAVIEST: u32 = 10;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The question, or a topic's name.
    pub question: &'a str,
    /// The topic, where the question does not tell.
    pub topic: Option<&'a str>,
    /// Needs by name, besides those that the question's words tell.
    pub needs: &'a [String],
    /// Needs that the question's words tell and that are none.
    pub without: &'a [String],
    /// Weights of criteria (in all perspectives) and of perspectives, 0 to 10.
    pub weights: &'a [(String, u32)],
    /// Only these options; all where empty.
    pub only: &'a [String],
}

/// Why there is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// The question is about nothing that is known, or about two things alike.
    #[error("the question names no topic, or two alike; topics are {}", topics())]
    NoTopic,
    /// There is no such topic.
    #[error("there is no topic `{name}`; topics are {}", topics())]
    UnknownTopic {
        /// What was named.
        name: String,
    },
    /// The topic has no such need, criterion, perspective or option.
    #[error("{topic} has no {kind} `{name}`; there are {}", known.join(", "))]
    Unknown {
        /// `need`, `criterion or perspective`, `option`.
        kind: &'static str,
        /// What was named.
        name: String,
        /// The topic.
        topic: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A weight is out of its range.
    #[error("the weight of {name} is {weight}; weights are 0 to {HEAVIEST}")]
    Weight {
        /// Of what.
        name: String,
        /// The weight.
        weight: u32,
    },
    /// Nothing is left to weigh by.
    #[error("with these weights nothing counts: one criterion and one perspective have to have a weight")]
    Weightless,
}

fn topics() -> String {
    crate::TOPICS.map(|(name, _)| name).join(", ")
}

/// The decision, without the caller's notes.
///
/// # Errors
/// [`DecideError`].
pub fn decide(asked: &Asked<'_>) -> Result<Decision, DecideError> {
    let topic = match asked.topic {
        Some(name) => Topic::named(name)
            .ok_or_else(|| DecideError::UnknownTopic { name: name.chars().take(60).collect() })?,
        None => topic_of(asked.question).ok_or(DecideError::NoTopic)?,
    };
    let needs = needs(asked, &topic)?;
    let scale = Scale::new(asked, &topic)?;
    let options: Vec<&Choice> = options(asked, &topic)?;
    let names: Vec<&str> = needs.iter().map(|one| one.need.as_str()).collect();
    let choice = best(&options, &names, &scale).map(|one| one.name.clone());
    let all = weighed(&options, &names, &scale);
    let (perspectives, accord) = perspectives(&all, choice.as_deref(), &scale);
    let challenge =
        if asked.question.trim().is_empty() { topic.question.as_str() } else { asked.question.trim() };
    let mut decision = Decision {
        schema: DECISION_SCHEMA.to_owned(),
        mode: Mode::Analysis,
        topic: topic.name.clone(),
        challenge: challenge.to_owned(),
        flips: flips(&options, &names, &scale, choice.as_deref()),
        needs,
        accord,
        concordance: concordance(&all),
        criteria: scale.told(&topic),
        sources: sources(&topic, &all),
        choice,
        options: all,
        perspectives,
        conclusion: String::new(),
        notes: String::new(),
    };
    decision.conclusion = conclusion(&decision);
    Ok(decision)
}

/// The needs that were named, and those of the question's words.
fn needs(asked: &Asked<'_>, topic: &Topic) -> Result<Vec<Needed>, DecideError> {
    for name in asked.needs.iter().chain(asked.without) {
        known("need", name, topic, topic.needs.iter().map(|one| &one.name))?;
    }
    let said = needs_of(asked.question, topic);
    let wanted = topic.needs.iter().filter(|need| !asked.without.contains(&need.name)).filter_map(|need| {
        let words = said.iter().find(|(one, _)| one.name == need.name).map(|(_, words)| words.clone());
        let named = asked.needs.contains(&need.name);
        let words = words.filter(|_| !named);
        (named || words.is_some()).then(|| Needed { need: need.name.clone(), says: need.says.clone(), words })
    });
    Ok(wanted.collect())
}

fn options<'t>(asked: &Asked<'_>, topic: &'t Topic) -> Result<Vec<&'t Choice>, DecideError> {
    for name in asked.only {
        known("option", name, topic, topic.options.iter().map(|one| &one.name))?;
    }
    Ok(topic.options.iter().filter(|one| asked.only.is_empty() || asked.only.contains(&one.name)).collect())
}

fn known<'n>(
    kind: &'static str,
    name: &str,
    topic: &Topic,
    known: impl Iterator<Item = &'n String>,
) -> Result<(), DecideError> {
    let known: Vec<String> = known.cloned().collect();
    if known.iter().any(|one| one == name) {
        return Ok(());
    }
    Err(DecideError::Unknown {
        kind,
        name: name.chars().take(60).collect(),
        topic: topic.name.clone(),
        known,
    })
}

/// What counts how much.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    /// Criteria with their weights in each perspective.
    pub(crate) criteria: Vec<(String, [f64; PERSPECTIVES.len()])>,
    /// Weights of the perspectives.
    pub(crate) perspectives: [f64; PERSPECTIVES.len()],
    given: Vec<String>,
}

impl Scale {
    fn new(asked: &Asked<'_>, topic: &Topic) -> Result<Self, DecideError> {
        let perspective = |name: &str| PERSPECTIVES.iter().position(|(known, _)| *known == name);
        let criteria = topic.criteria.iter().map(|one| (one.name.clone(), one.weights().map(f64::from)));
        let mut scale = Self {
            criteria: criteria.collect(),
            perspectives: PERSPECTIVES.map(|(_, weight)| f64::from(weight)),
            given: asked.weights.iter().map(|(name, _)| name.clone()).collect(),
        };
        for (name, weight) in asked.weights {
            if *weight > HEAVIEST {
                return Err(DecideError::Weight { name: name.clone(), weight: *weight });
            }
            if let Some(at) = perspective(name) {
                scale.perspectives[at] = f64::from(*weight);
            } else if let Some((_, weights)) = scale.criteria.iter_mut().find(|(known, _)| known == name) {
                *weights = [f64::from(*weight); PERSPECTIVES.len()];
            } else {
                let there = scale.criteria.iter().map(|(name, _)| name.clone());
                let known = there.chain(PERSPECTIVES.map(|(name, _)| name.to_owned())).collect();
                let (name, topic) = (name.chars().take(60).collect(), topic.name.clone());
                return Err(DecideError::Unknown { kind: "criterion or perspective", name, topic, known });
            }
        }
        if scale.shares().iter().sum::<f64>() > 0.0 { Ok(scale) } else { Err(DecideError::Weightless) }
    }

    /// The sum of a perspective's weights.
    fn sum(&self, at: usize) -> f64 {
        self.criteria.iter().map(|(_, weights)| weights[at]).sum()
    }

    /// The share of each perspective in the whole. One that weighs nothing has none.
    pub(crate) fn shares(&self) -> [f64; PERSPECTIVES.len()] {
        let weights: Vec<f64> = (0..PERSPECTIVES.len())
            .map(|at| if self.sum(at) > 0.0 { self.perspectives[at] } else { 0.0 })
            .collect();
        let all: f64 = weights.iter().sum();
        std::array::from_fn(|at| if all > 0.0 { weights[at] / all } else { 0.0 })
    }

    /// The share of a criterion in a perspective.
    fn share(&self, criterion: usize, at: usize) -> f64 {
        let sum = self.sum(at);
        if sum > 0.0 { self.criteria[criterion].1[at] / sum } else { 0.0 }
    }

    /// What an option scores from one perspective, 0 to 1.
    pub(crate) fn from(&self, option: &Choice, at: usize) -> f64 {
        let each = self.criteria.iter().enumerate();
        each.map(|(number, (name, _))| self.share(number, at) * grade(option, name)).sum()
    }

    /// What an option scores as a whole, 0 to 1.
    pub(crate) fn whole(&self, option: &Choice) -> f64 {
        let shares = self.shares();
        (0..PERSPECTIVES.len()).map(|at| shares[at] * self.from(option, at)).sum()
    }

    /// The share of a criterion in the whole.
    fn weight(&self, criterion: usize) -> f64 {
        let shares = self.shares();
        (0..PERSPECTIVES.len()).map(|at| shares[at] * self.share(criterion, at)).sum()
    }

    fn told(&self, topic: &Topic) -> Vec<Criterion> {
        let mut told: Vec<Criterion> = topic
            .criteria
            .iter()
            .enumerate()
            .map(|(at, one)| Criterion {
                criterion: one.name.clone(),
                says: one.says.clone(),
                weight: self.weight(at),
                weights: self.criteria[at].1.iter().map(|weight| *weight as u32).collect(),
                given: self.given.contains(&one.name),
            })
            .collect();
        told.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.criterion.cmp(&b.criterion)));
        told
    }
}

/// 0 to 1.
fn grade(option: &Choice, criterion: &str) -> f64 {
    option.scores.get(criterion).map_or(0.0, |(score, ..)| f64::from(*score) / f64::from(BEST))
}

fn fitness(option: &Choice, needs: &[&str]) -> Fitness {
    let answers = needs.iter().map(|need| option.meets.get(*need).map(|(answer, ..)| *answer));
    answers.fold(Fitness::Fits, |fitness, answer| {
        fitness.max(match answer {
            Some(Answer::Yes) => Fitness::Fits,
            None => Fitness::Open,
            Some(Answer::No) => Fitness::Excluded,
        })
    })
}

/// The best of the options that meet every need; of two alike the one that comes first.
pub(crate) fn best<'o>(options: &[&'o Choice], needs: &[&str], scale: &Scale) -> Option<&'o Choice> {
    let mut best: Option<(&Choice, f64)> = None;
    for option in options.iter().filter(|one| fitness(one, needs) == Fitness::Fits) {
        let score = scale.whole(option);
        if best.is_none_or(|(_, known)| score > known + 1e-9) {
            best = Some((option, score));
        }
    }
    best.map(|(option, _)| option)
}

fn weighed(options: &[&Choice], needs: &[&str], scale: &Scale) -> Vec<Weighed> {
    let mut all: Vec<Weighed> = options
        .iter()
        .map(|option| Weighed {
            option: option.name.clone(),
            says: option.says.clone(),
            standing: fitness(option, needs),
            score: scale.whole(option),
            scores: (0..PERSPECTIVES.len()).map(|at| scale.from(option, at)).collect(),
            meets: needs.iter().map(|need| met(option, need)).collect(),
            grounds: grounds(option, scale),
        })
        .collect();
    // The order of the file where two are alike, as for the choice.
    all.sort_by(|a, b| {
        let near = (a.score - b.score).abs() < 1e-9;
        a.standing.cmp(&b.standing).then(if near {
            std::cmp::Ordering::Equal
        } else {
            b.score.total_cmp(&a.score)
        })
    });
    all
}

fn met(option: &Choice, need: &str) -> Met {
    let (met, why, source) = match option.meets.get(need) {
        Some((answer, why, source)) => (Some(*answer == Answer::Yes), why.clone(), source.clone()),
        None => (None, "no source says so".to_owned(), String::new()),
    };
    Met { need: need.to_owned(), met, why, source }
}

fn grounds(option: &Choice, scale: &Scale) -> Vec<Ground> {
    let mut grounds: Vec<Ground> = scale
        .criteria
        .iter()
        .enumerate()
        .filter_map(|(at, (name, _))| {
            let (score, why, source) = option.scores.get(name)?;
            let (why, source) = (why.clone(), source.clone());
            let adds = scale.weight(at) * grade(option, name);
            Some((scale.weight(at), Ground { criterion: name.clone(), score: *score, adds, why, source }))
        })
        .collect::<Vec<_>>()
        .into_iter()
        .filter(|(weight, _)| *weight > 0.0)
        .map(|(_, ground)| ground)
        .collect();
    let weight = |ground: &Ground| {
        scale
            .criteria
            .iter()
            .position(|(name, _)| *name == ground.criterion)
            .map_or(0.0, |at| scale.weight(at))
    };
    grounds.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.criterion.cmp(&b.criterion)));
    grounds
}

/// What each perspective would take, and how they stand to the choice.
fn perspectives(all: &[Weighed], choice: Option<&str>, scale: &Scale) -> (Vec<Perspective>, Accord) {
    let chosen = choice.and_then(|name| all.iter().find(|one| one.option == name));
    let shares = scale.shares();
    let mut told = Vec::new();
    for (at, (name, _)) in PERSPECTIVES.iter().enumerate() {
        let mut first: Option<&Weighed> = chosen;
        for one in all.iter().filter(|one| one.standing == Fitness::Fits && scale.sum(at) > 0.0) {
            if first.is_none_or(|first| one.scores[at] > first.scores[at] + 1e-9) {
                first = Some(one);
            }
        }
        let other = first.zip(chosen).filter(|(first, chosen)| first.option != chosen.option);
        let lead = other.map_or(0.0, |(first, chosen)| first.scores[at] - chosen.scores[at]);
        let dissent = other.map(|(first, chosen)| better(first, chosen, at, scale)).unwrap_or_default();
        let first = first.map(|one| one.option.clone());
        told.push(Perspective { perspective: (*name).to_owned(), weight: shares[at], first, lead, dissent });
    }
    let asked = told.iter().filter(|one| one.weight > 0.0).count();
    let agree = told.iter().filter(|one| one.weight > 0.0 && one.first.as_deref() == choice).count();
    let accord = match chosen {
        None => Accord::None,
        Some(_) if agree == asked => Accord::Consensus,
        Some(_) if 2 * agree > asked => Accord::Majority,
        Some(_) => Accord::Split,
    };
    (told, accord)
}

/// The criteria by which one is better than another from a perspective, what counts most first.
fn better(one: &Weighed, other: &Weighed, at: usize, scale: &Scale) -> Vec<String> {
    let score = |of: &Weighed, name: &str| {
        of.grounds
            .iter()
            .find(|ground| ground.criterion == name)
            .map_or(0.0, |ground| f64::from(ground.score))
    };
    let mut ahead: Vec<(f64, String)> = scale
        .criteria
        .iter()
        .enumerate()
        .map(|(number, (name, _))| {
            (scale.share(number, at) * (score(one, name) - score(other, name)), name.clone())
        })
        .filter(|(ahead, _)| *ahead > 1e-9)
        .collect();
    ahead.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ahead.into_iter().map(|(_, name)| name).collect()
}

/// Kendall's coefficient of concordance, corrected for ties: how alike the perspectives rank the options that fit (M. G.
/// Kendall and B. Babington Smith, "The Problem of m Rankings", 1939).
fn concordance(all: &[Weighed]) -> Option<f64> {
    let fit: Vec<&Weighed> = all.iter().filter(|one| one.standing == Fitness::Fits).collect();
    let (judges, count) = (PERSPECTIVES.len() as f64, fit.len() as f64);
    if fit.len() < 2 {
        return None;
    }
    let mut sums = vec![0.0; fit.len()];
    let mut ties = 0.0;
    for at in 0..PERSPECTIVES.len() {
        let value = |one: &Weighed| (one.scores[at] * 1e9).round();
        for (sum, one) in sums.iter_mut().zip(&fit) {
            let above = fit.iter().filter(|other| value(other) > value(one)).count() as f64;
            let alike = fit.iter().filter(|other| value(other) == value(one)).count() as f64;
            *sum += above + (alike + 1.0) / 2.0;
            // Each of `t` that are alike adds (t³ - t) / t, so that the group adds t³ - t.
            ties += alike * alike - 1.0;
        }
    }
    let mean = judges * (count + 1.0) / 2.0;
    let spread: f64 = sums.iter().map(|sum| (sum - mean).powi(2)).sum();
    let most = judges * judges * (count.powi(3) - count) - judges * ties;
    (most > 1e-9).then(|| (12.0 * spread / most).clamp(0.0, 1.0))
}

/// The sources that something shown rests on.
fn sources(topic: &Topic, all: &[Weighed]) -> Vec<(String, String, String)> {
    let rests = |name: &String| {
        all.iter().any(|one| {
            one.meets.iter().any(|met| met.source == *name)
                || one.grounds.iter().any(|ground| ground.source == *name)
        })
    };
    topic
        .sources
        .iter()
        .filter(|(name, _)| rests(name))
        .map(|(name, (at, read))| (name.clone(), at.clone(), read.clone()))
        .collect()
}

fn conclusion(all: &Decision) -> String {
    let percent = |score: f64| format!("{:.0} %", 100.0 * score);
    let Some(choice) = &all.choice else {
        let open: Vec<&str> = all
            .options
            .iter()
            .filter(|one| one.standing == Fitness::Open)
            .map(|one| one.option.as_str())
            .collect();
        return match open.as_slice() {
            [] => "no option meets every need".to_owned(),
            open => format!("no option is known to meet every need; it is open for {}", open.join(", ")),
        };
    };
    let fit: Vec<&Weighed> = all.options.iter().filter(|one| one.standing == Fitness::Fits).collect();
    let score = fit.first().map_or(0.0, |one| one.score);
    let against = match fit.get(1) {
        Some(next) => format!(", {} against {} for {}", percent(score), percent(next.score), next.option),
        None => ", the only option that meets every need".to_owned(),
    };
    let dissents: Vec<String> = all
        .perspectives
        .iter()
        .filter(|one| one.weight > 0.0 && one.first.as_ref() != Some(choice))
        .map(|one| format!("{} would take {}", one.perspective, one.first.as_deref().unwrap_or("none")))
        .collect();
    let accord = match all.accord {
        Accord::Consensus if fit.len() > 1 => "; every perspective agrees".to_owned(),
        Accord::Consensus | Accord::None => String::new(),
        Accord::Majority | Accord::Split => format!("; {}", dissents.join(", ")),
    };
    format!("{choice}{against}{accord}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(asked: &Asked<'_>) -> Decision {
        decide(asked).unwrap_or_else(|error| panic!("{error}"))
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn needs_exclude_whatever_the_score() {
        let needs = list(&["windows", "screen"]);
        let all = decided(&Asked { question: "hypervisor", needs: &needs, ..Asked::default() });
        assert_eq!(all.choice.as_deref(), Some("qemu"));
        let of = |name: &str| all.options.iter().find(|one| one.option == name).unwrap();
        assert_eq!(of("firecracker").standing, Fitness::Excluded);
        assert!(of("firecracker").score > of("qemu").score, "it would have been better");
        assert!(all.conclusion.contains("the only option that meets every need"), "{}", all.conclusion);
    }

    #[test]
    fn what_is_not_known_is_not_chosen() {
        let (needs, only) = (list(&["confidential"]), list(&["qemu-microvm", "firecracker"]));
        let all = decided(&Asked { question: "hypervisor", needs: &needs, only: &only, ..Asked::default() });
        assert_eq!((all.choice.as_deref(), all.accord), (None, Accord::None));
        assert_eq!(all.options[0].standing, Fitness::Open);
        assert!(all.conclusion.contains("open for qemu-microvm"), "{}", all.conclusion);
    }

    #[test]
    fn perspectives_disagree_and_the_choice_says_so() {
        let all = decided(&Asked { question: "storage", ..Asked::default() });
        assert_eq!(all.perspectives.len(), 3);
        for one in &all.perspectives {
            let dissents = one.first != all.choice;
            assert_eq!((one.lead > 0.0, !one.dissent.is_empty()), (dissents, dissents), "{one:?}");
        }
        let shares: f64 = all.criteria.iter().map(|one| one.weight).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        for one in &all.options {
            let adds: f64 = one.grounds.iter().map(|ground| ground.adds).sum();
            assert!((adds - one.score).abs() < 1e-9, "{} {adds} {}", one.option, one.score);
        }
        let concordance = all.concordance.unwrap();
        assert!((0.0..=1.0).contains(&concordance));
    }

    #[test]
    fn weights_decide_and_are_checked() {
        let weights =
            [("security".to_owned(), 10), ("performance".to_owned(), 0), ("operations".to_owned(), 0)];
        let all = decided(&Asked { question: "hypervisor", weights: &weights, ..Asked::default() });
        assert_eq!((all.choice.as_deref(), all.accord), (Some("firecracker"), Accord::Consensus));
        let weights =
            [("operations".to_owned(), 10), ("security".to_owned(), 0), ("performance".to_owned(), 0)];
        let all = decided(&Asked { question: "hypervisor", weights: &weights, ..Asked::default() });
        assert_eq!(all.choice.as_deref(), Some("qemu"));
        let none = ["security", "performance", "operations"].map(|name| (name.to_owned(), 0));
        let refused = |weights: &[(String, u32)]| {
            decide(&Asked { question: "hypervisor", weights, ..Asked::default() })
        };
        assert_eq!(refused(&none), Err(DecideError::Weightless));
        assert!(matches!(refused(&[("tooling".to_owned(), 11)]), Err(DecideError::Weight { .. })));
        let unknown = refused(&[("certainty".to_owned(), 1)]).unwrap_err().to_string();
        assert!(
            unknown.contains("no criterion or perspective `certainty`; there are attack-surface"),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_unknown_is_named_with_what_there_is() {
        let error = |asked: &Asked<'_>| decide(asked).unwrap_err().to_string();
        assert!(
            error(&Asked { question: "lunch", ..Asked::default() })
                .contains("hypervisor, storage, network, isolation")
        );
        assert!(error(&Asked { topic: Some("x"), ..Asked::default() }).contains("no topic `x`"));
        let needs = list(&["fast"]);
        assert!(
            error(&Asked { question: "storage", needs: &needs, ..Asked::default() })
                .contains("no need `fast`")
        );
    }

    #[test]
    fn words_of_the_question_are_needs_until_they_are_taken_back() {
        let question = "which hypervisor for a desktop that must migrate";
        let all = decided(&Asked { question, ..Asked::default() });
        let names: Vec<&str> = all.needs.iter().map(|one| one.need.as_str()).collect();
        assert_eq!(names, ["live-migration", "screen"]);
        assert!(all.needs.iter().all(|one| one.words.is_some()));
        let without = list(&["screen"]);
        let all = decided(&Asked { question, without: &without, ..Asked::default() });
        assert_eq!(all.needs.len(), 1);
    }

    #[test]
    fn the_same_ranking_is_concordant() {
        let option = |name: &str, scores: [f64; 3]| Weighed {
            option: name.to_owned(),
            says: String::new(),
            standing: Fitness::Fits,
            score: 0.0,
            scores: scores.to_vec(),
            meets: Vec::new(),
            grounds: Vec::new(),
        };
        let alike =
            [option("a", [0.9, 0.8, 0.7]), option("b", [0.5, 0.4, 0.3]), option("c", [0.1, 0.1, 0.1])];
        assert!((concordance(&alike).unwrap() - 1.0).abs() < 1e-9);
        // Three rankings that go round agree in nothing.
        let round =
            [option("a", [3.0, 2.0, 1.0]), option("b", [2.0, 1.0, 3.0]), option("c", [1.0, 3.0, 2.0])];
        assert!(concordance(&round).unwrap() < 1e-9);
        assert_eq!(concordance(&alike[..1]), None);
    }
}
