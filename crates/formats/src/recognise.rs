//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use vmwright_model::Kind;

/// How much of a text is looked at.
const HEAD: usize = 64 * 1024;

/// The kind of a text; [`Kind::TEXT`] where no view claims it. `name` may be a path or a command line.
#[must_use]
pub fn recognise(name: &str, text: &str) -> Kind {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let mut end = HEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let mut best = (0, Kind::TEXT);
    for (kind, claim) in RECOGNISERS {
        let sure = claim(&name, head);
        if sure > best.0 {
            best = (sure, kind.clone());
        }
    }
    best.1
}
