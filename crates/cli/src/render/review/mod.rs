//! Reviews: one file for each format.

pub(crate) mod junit;
pub(crate) mod markdown;

use super::shown;
use vmwright_engine::{ReviewMade, Sealed, review_text};

pub(crate) fn text(made: &ReviewMade) -> String {
    format!("{}report: {}\n", review_text(&made.review), made.html.display())
}

pub(crate) fn sealed(sealed: &Sealed) -> String {
    let mut out = format!("{}: {} files are as it says\n", sealed.manifest.display(), sealed.intact);
    if let Some(signer) = &sealed.signer {
        out.push_str(&format!("signed by {}\n", shown(signer)));
    }
    for wrong in &sealed.wrong {
        out.push_str(&format!("wrong: {}\n", shown(wrong)));
    }
    out
}
