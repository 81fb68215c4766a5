//! How competing hypotheses are weighed against each other, and what a look is expected to tell. Nothing else sets
//! their shares.
//!
//! The question is which of the hypotheses is the cause, or none of them. Before anything is read each has a weight by
//! where it comes from ([`prior`]), and "none of these" has [`OTHER`]. What was read multiplies a weight:
//!
//! ```text
//! supported          credit / doubt, as in `confidence.rs`: a proof takes nine tenths of the doubt, and counts tenfold
//! not seen so far    1 - SHOWS x the part of its sources that was read
//! refuted            1 - SHOWS
//! cannot be told     1
//! share              weight / sum of all weights
//! ```
//!
//! A cause that holds shows in its sources with probability [`SHOWS`], and in one of them by that source's part of all.
//! A look that shows a cause settles the question, and one that shows nothing takes its part from every hypothesis
//! that should have shown. What it is expected to tell is the mutual information of cause and outcome (Shannon), in
//! bits: the entropy of the shares, less what is expected to be left of it.

use vmwright_model::investigation::{Origin, Standing};

/// How likely a cause shows in the sources that its rule asks for.
pub const SHOWS: f64 = 0.8;

/// The weight of "none of these".
pub const OTHER: f64 = 0.3;

/// From this share on a hypothesis is far ahead.
pub const AHEAD: f64 = 0.85;

/// A look that is expected to tell less is not worth it, in bits.
pub const LEAST: f64 = 0.01;

/// The weight of a hypothesis before anything was read. What a caller believes weighs less than what the complaint's
/// own words are near to, and a rival that nobody named least.
#[must_use]
pub fn prior(origin: Origin) -> f64 {
    match origin {
        Origin::Complaint => 1.0,
        Origin::Journal | Origin::Evidence => 0.8,
        Origin::Caller => 0.5,
        Origin::Rival => 0.3,
    }
}

/// What was read of a hypothesis multiplies its weight by this. `looked` is the part of its sources that was read,
/// `doubt` and `credit` what its pieces leave (see `vmwright_model::Piece::left`).
#[must_use]
pub fn factor(standing: Standing, looked: f64, doubt: f64, credit: f64) -> f64 {
    match standing {
        Standing::Supported => credit / doubt.max(0.01),
        Standing::Refuted => 1.0 - SHOWS,
        Standing::Open => 1.0 - SHOWS * looked.clamp(0.0, 1.0),
        Standing::Untested => 1.0,
    }
}

/// The shares of hypotheses by their weights, and that of "none of these". They add up to 1.
#[must_use]
pub fn shares(weights: &[f64]) -> (Vec<f64>, f64) {
    let sum: f64 = weights.iter().sum::<f64>() + OTHER;
    (weights.iter().map(|weight| weight / sum).collect(), OTHER / sum)
}

/// What a look is expected to tell, in bits, 0 to the entropy of the shares. `shows` is for each hypothesis how likely
/// the look shows it if it is the cause, 0 to 1.
#[must_use]
pub fn expected(shares: &[f64], other: f64, shows: &[f64]) -> f64 {
    let silent: Vec<f64> = shares.iter().zip(shows).map(|(share, shows)| share * (1.0 - shows)).collect();
    let nothing = silent.iter().sum::<f64>() + other;
    if nothing <= f64::EPSILON {
        return entropy(shares, other);
    }
    let left: Vec<f64> = silent.iter().map(|one| one / nothing).collect();
    (entropy(shares, other) - nothing * entropy(&left, other / nothing)).max(0.0)
}

/// What was learned, in bits: how far the shares behind are from those before (Kullback and Leibler).
#[must_use]
pub fn told(before: (&[f64], f64), behind: (&[f64], f64)) -> f64 {
    let term = |(new, old): (f64, f64)| if new > 0.0 { new * (new / old.max(1e-9)).log2() } else { 0.0 };
    let sum: f64 = behind.0.iter().copied().zip(before.0.iter().copied()).map(term).sum();
    (sum + term((behind.1, before.1))).max(0.0)
}

/// How open the question is, in bits.
fn entropy(shares: &[f64], other: f64) -> f64 {
    let all = shares.iter().copied().chain([other]);
    all.filter(|share| *share > 0.0).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_puts_one_ahead_of_rivals_that_are_refuted() {
        let supported = factor(Standing::Supported, 1.0, 0.1, 1.0);
        let (alone, _) = shares(&[supported, 1.0, 1.0]);
        assert!(alone[0] < AHEAD, "rivals that nobody looked at stand in the way: {alone:?}");
        let refuted = factor(Standing::Refuted, 1.0, 1.0, 1.0);
        let (all, other) = shares(&[supported, refuted, refuted]);
        assert!(all[0] >= AHEAD, "{all:?}");
        assert!((all.iter().sum::<f64>() + other - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_no_hypothesis_shows_in_tells_nothing() {
        let (all, other) = shares(&[1.0, 1.0]);
        assert!(expected(&all, other, &[0.0, 0.0]) < 1e-9);
        let one = expected(&all, other, &[0.8, 0.0]);
        let both = expected(&all, other, &[0.8, 0.8]);
        assert!(0.0 < one && one < both && both < entropy(&all, other), "{one} {both}");
    }

    #[test]
    fn nothing_is_expected_of_what_is_settled() {
        let settled = expected(&[0.999, 0.0005], 0.0005, &[0.8, 0.8]);
        assert!(settled < LEAST, "{settled}");
    }

    #[test]
    fn what_changes_no_share_told_nothing() {
        assert!(told((&[0.5, 0.3], 0.2), (&[0.5, 0.3], 0.2)) < 1e-9);
        assert!(told((&[0.5, 0.3], 0.2), (&[0.9, 0.05], 0.05)) > 0.3);
    }

    #[test]
    fn evidence_against_lowers_what_is_supported() {
        let without = factor(Standing::Supported, 1.0, 0.35, 1.0);
        assert!(factor(Standing::Supported, 1.0, 0.35, 0.1) < 1.0 && without > 1.0);
    }
}
