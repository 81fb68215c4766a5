//! What would change a choice: one weight, or one need.

use crate::topic::{Choice, PERSPECTIVES};
use crate::weigh::{Scale, best};
use vmwright_model::decision::{Change, Flip};

/// The greatest factor on a weight that is tried; the least is its inverse, and then none at all.
const FACTOR: f64 = 8.0;

/// How many factors are tried on either side of 1. Between them a flip is found by halving.
const STEPS: i32 = 24;

/// How often an interval is halved: the factor is then exact to less than a part in a thousand.
const HALVINGS: usize = 12;

/// Single changes after which another option is the choice, the smallest change of a weight first, needs behind them.
pub(crate) fn flips(options: &[&Choice], needs: &[&str], scale: &Scale, choice: Option<&str>) -> Vec<Flip> {
    let mut flips = Vec::new();
    if let Some(choice) = choice {
        for (at, (name, weights)) in scale.criteria.iter().enumerate() {
            let with = |factor: f64| {
                let mut scale = scale.clone();
                scale.criteria[at].1 = weights.map(|weight| weight * factor);
                best(options, needs, &scale).map(|one| one.name.clone())
            };
            flips.extend(nearest(Change::Criterion, name, choice, &with));
        }
        for (at, (name, _)) in PERSPECTIVES.iter().enumerate() {
            let with = |factor: f64| {
                let mut scale = scale.clone();
                scale.perspectives[at] *= factor;
                best(options, needs, &scale).map(|one| one.name.clone())
            };
            flips.extend(nearest(Change::Perspective, name, choice, &with));
        }
    }
    let far = |flip: &Flip| flip.factor.map_or(f64::INFINITY, |factor| factor.max(1e-9).ln().abs());
    flips.sort_by(|a, b| far(a).total_cmp(&far(b)).then_with(|| (a.change, &a.of).cmp(&(b.change, &b.of))));
    for need in needs {
        let fewer: Vec<&str> = needs.iter().filter(|one| one != &need).copied().collect();
        let then = best(options, &fewer, scale).map(|one| one.name.as_str());
        if let Some(then) = then.filter(|then| Some(*then) != choice) {
            let (of, then) = ((*need).to_owned(), then.to_owned());
            flips.push(Flip { change: Change::Need, of, factor: None, then });
        }
    }
    flips
}

/// The factor nearest to 1 with which another option is the choice.
fn nearest(change: Change, of: &str, choice: &str, with: &dyn Fn(f64) -> Option<String>) -> Option<Flip> {
    let flipped = |factor: f64| with(factor).filter(|then| then != choice);
    let mut found: Vec<(f64, String)> = Vec::new();
    for side in [1, -1] {
        let factor = |step: i32| FACTOR.powf(f64::from(side * step) / f64::from(STEPS));
        let Some(step) = (1..=STEPS).find(|step| flipped(factor(*step)).is_some()) else { continue };
        let (mut near, mut far) = (factor(step - 1), factor(step));
        for _ in 0..HALVINGS {
            let middle = (near * far).sqrt();
            if flipped(middle).is_some() { far = middle } else { near = middle }
        }
        found.extend(flipped(far).map(|then| (far, then)));
    }
    if found.is_empty() {
        found.extend(flipped(0.0).map(|then| (0.0, then)));
    }
    let (factor, then) =
        found.into_iter().min_by(|a, b| a.0.max(1e-9).ln().abs().total_cmp(&b.0.max(1e-9).ln().abs()))?;
    Some(Flip { change, of: of.to_owned(), factor: Some(factor), then })
}

#[cfg(test)]
mod tests {
    use crate::topic::TOPICS;
    use crate::{Asked, decide};
    use vmwright_model::decision::Change;

    #[test]
    fn a_flip_flips_where_it_says_and_not_before() {
        // A criterion's given weight is the same in all perspectives, so that a factor on it can be given as a weight.
        for (topic, _) in TOPICS {
            let weights: Vec<(String, u32)> =
                [("security".to_owned(), 5), ("performance".to_owned(), 5)].into();
            let all = decide(&Asked { question: topic, weights: &weights, ..Asked::default() }).unwrap();
            for flip in
                all.flips.iter().filter(|flip| flip.change == Change::Perspective && flip.of != "operations")
            {
                let weight = 5.0 * flip.factor.unwrap();
                let with = |weight: f64| {
                    let mut weights = weights.clone();
                    let at = weights.iter().position(|(name, _)| *name == flip.of).unwrap();
                    weights[at].1 = weight as u32;
                    decide(&Asked { question: topic, weights: &weights, ..Asked::default() }).unwrap().choice
                };
                // Whole weights on either side of the flip, where they lie in the range.
                let (before, behind) = if weight > 5.0 {
                    (weight.floor(), weight.ceil())
                } else {
                    (weight.ceil(), weight.floor())
                };
                if before <= 10.0 && behind <= 10.0 && before != behind {
                    assert_eq!(with(before), all.choice, "{topic} {flip:?}");
                    assert_ne!(with(behind), all.choice, "{topic} {flip:?}");
                }
            }
        }
    }

    #[test]
    fn a_need_that_decides_is_named() {
        let needs = ["windows".to_owned(), "screen".to_owned()];
        let all = decide(&Asked { question: "hypervisor", needs: &needs, ..Asked::default() }).unwrap();
        let of: Vec<&str> = all
            .flips
            .iter()
            .filter(|flip| flip.change == Change::Need)
            .map(|flip| flip.of.as_str())
            .collect();
        assert!(of.contains(&"screen"), "{:?}", all.flips);
    }
}
