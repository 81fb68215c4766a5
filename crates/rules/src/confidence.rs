//! How confidence is computed. Nothing else sets it.
//!
//! Each piece of evidence has a strength, and each strength a weight: the share of doubt that it takes away.
//! Pieces are taken as independent once each *sign* is counted once, however often its message repeats, and each
//! *line* once, however many signs it meets:
//!
//! ```text
//! doubt      = product over distinct pieces for it     of (1 - weight)
//! credit     = product over distinct pieces against it of (1 - weight)
//! confidence = (1 - doubt) * credit, at most 0.99
//! ```
//!
//! A message that stands only in the user's complaint counts one strength less and cannot be quoted as proof.
//! A finding fires from [`THRESHOLD`] on: one usual message is enough, one compatible message is not.

use vmwright_model::{Finding, Strength, Support};

/// From here on a rule fires.
pub const THRESHOLD: f64 = 0.30;

/// What is near to a cause's description and nothing more has less than this: far from firing.
pub const SUSPICION: f64 = 0.25;

/// Nothing that is read off texts is ever certain.
pub const CEILING: f64 = 0.99;

/// The share of doubt that one piece of evidence takes away.
#[must_use]
pub fn weight(strength: Strength) -> f64 {
    match strength {
        Strength::Proof => 0.90,
        Strength::Strong => 0.65,
        Strength::Support => 0.35,
        Strength::Hint => 0.15,
    }
}

/// One strength less; `None` where nothing is left.
#[must_use]
pub fn weaker(strength: Strength) -> Option<Strength> {
    match strength {
        Strength::Proof => Some(Strength::Strong),
        Strength::Strong => Some(Strength::Support),
        Strength::Support => Some(Strength::Hint),
        Strength::Hint => None,
    }
}

/// Confidence from evidence, 0 to [`CEILING`].
#[must_use]
pub fn confidence(support: &[Support]) -> f64 {
    let doubt = |against: bool| -> f64 {
        support.iter().filter(|one| one.against == against).map(|one| 1.0 - weight(one.strength)).product()
    };
    ((1.0 - doubt(false)) * doubt(true)).min(CEILING)
}

/// Whether what was read is enough for a finding, without what the complaint alone says.
#[must_use]
pub fn stands_without_words(finding: &Finding) -> bool {
    let read: Vec<Support> = finding.support.iter().filter(|one| one.evidence.is_some()).cloned().collect();
    confidence(&read) >= THRESHOLD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(strength: Strength, against: bool) -> Support {
        Support { evidence: None, strength, against, shows: String::new() }
    }

    #[test]
    fn one_usual_message_fires_and_one_compatible_one_does_not() {
        assert!(confidence(&[piece(Strength::Support, false)]) >= THRESHOLD);
        assert!(confidence(&[piece(Strength::Hint, false)]) < THRESHOLD);
        assert!(confidence(&[]) < THRESHOLD);
    }

    #[test]
    fn corroboration_raises_and_contradiction_lowers() {
        let one = confidence(&[piece(Strength::Strong, false)]);
        let two = confidence(&[piece(Strength::Strong, false), piece(Strength::Support, false)]);
        let against = confidence(&[piece(Strength::Strong, false), piece(Strength::Strong, true)]);
        assert!(against < one && one < two && two < CEILING);
    }
}
