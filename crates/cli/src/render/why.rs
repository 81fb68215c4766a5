//! The computation behind a verdict.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::{Computation, Why};
use vmwright_model::Piece;

pub(crate) fn text(why: &Why) -> String {
    let mut out = String::new();
    for verdict in &why.verdicts {
        let _ = match verdict {
            Computation::Fired { subject, title, confidence, pieces, rank } => {
                let _ = writeln!(out, "{} fired about {}: {}", why.rule, shown(subject), shown(title));
                pieces.iter().for_each(|piece| self::piece(piece, &mut out));
                let _ =
                    writeln!(out, "  doubt left by what is for it:      {:.3}", Piece::left(pieces, false));
                let _ =
                    writeln!(out, "  credit left by what is against it: {:.3}", Piece::left(pieces, true));
                let _ = writeln!(
                    out,
                    "  confidence = (1 - doubt) x credit, at most {}: {confidence:.3}; fires from {}",
                    why.ceiling, why.threshold
                );
                writeln!(
                    out,
                    "  rank among the causes = {:.3} {:+.2} special {:+.2} level {:+.2} words of the complaint = {:.3}",
                    rank.confidence, rank.special, rank.level, rank.words, rank.sum
                )
            }
            Computation::Quiet => {
                writeln!(
                    out,
                    "{} is quiet: what it looks for was read, and the evidence is not there",
                    why.rule
                )
            }
            Computation::Unknown { why: missing, source } => {
                writeln!(
                    out,
                    "{} cannot tell: {}; this would tell: {}",
                    why.rule,
                    shown(missing),
                    shown(source)
                )
            }
            Computation::NotApplicable { why: reason } => {
                writeln!(out, "{} does not apply: {}", why.rule, shown(reason))
            }
        };
    }
    if why.verdicts.is_empty() {
        let _ = writeln!(out, "{} is not asked whether a VM can move", why.rule);
    }
    let _ = writeln!(out, "\nwhat would refute it:\n{}", why.refute);
    out
}

fn piece(piece: &Piece, out: &mut String) {
    let side = if piece.against { "against" } else { "for" };
    let place = match &piece.evidence {
        Some(quote) => format!("{}:{}: {}", shown(&quote.source), quote.line, shown(&quote.quote)),
        None => "the complaint".to_owned(),
    };
    let strength = format!("{:?}", piece.strength).to_lowercase();
    let _ = writeln!(out, "  {side:7} {strength:8} {:.2}  {} ({})", piece.weight, place, piece.shows);
}
