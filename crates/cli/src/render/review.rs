//! Reviews.

use vmwright_engine::{ReviewMade, review_text};

pub(crate) fn text(made: &ReviewMade) -> String {
    format!("{}verdict: {}\nreport: {}\n", review_text(&made.review), made.verdict, made.html.display())
}
