//! Why a cause is believed: what was weighed, where it stands, what it means, and what would refute it.

use crate::finding::{Evidence, Strength};
use crate::meaning::Meaning;
use serde::{Deserialize, Serialize};

/// The grounds of one cause. A report shows them; nothing is judged by them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grounds {
    /// What was weighed for and against it, best first.
    pub pieces: Vec<Piece>,
    /// The quoted lines of each source with those around them, in the order of their best quote.
    pub passages: Vec<Passage>,
    /// What codes and messages that are quoted mean.
    pub meanings: Vec<Meaning>,
    /// What would refute it, from the rule's documentation; Markdown.
    pub refute: String,
    /// Where the mechanism is described, from the rule's documentation; Markdown.
    pub references: String,
}

/// One piece of evidence on the scales.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// How much it says.
    pub strength: Strength,
    /// The share of doubt (or, against, of credit) that it takes away, 0 to 1.
    pub weight: f64,
    /// Whether it speaks against the cause.
    pub against: bool,
    /// What it shows.
    pub shows: String,
    /// The quote; none where the user's complaint alone says it.
    pub evidence: Option<Evidence>,
}

impl Piece {
    /// What the pieces of one side leave: of the doubt what speaks for the cause, of the credit what speaks
    /// `against` it. 1 where there is none, towards 0 the more there is.
    #[must_use]
    pub fn left(pieces: &[Piece], against: bool) -> f64 {
        pieces.iter().filter(|piece| piece.against == against).map(|piece| 1.0 - piece.weight).product()
    }
}

/// Lines of one source around what was quoted of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Name of the record.
    pub source: String,
    /// In the order of the source; where numbers are missing, lines were left out.
    pub lines: Vec<PassageLine>,
}

/// A line in a passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassageLine {
    /// Its number, counted from 1.
    pub number: u32,
    /// The line; cut where it is very long, and without the secrets where it is not itself quoted. Untrusted: a guest
    /// or a stranger may have written it.
    pub text: String,
    /// Whether it is evidence, and not only what stands around it.
    pub quoted: bool,
}
