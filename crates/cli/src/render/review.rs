//! Reviews.

use vmwright_engine::{ReviewMade, review_text};

pub(crate) fn text(made: &ReviewMade) -> String {
    format!("{}report: {}\n", review_text(&made.review), made.html.display())
}
