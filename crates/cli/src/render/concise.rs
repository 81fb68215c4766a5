//! The causes of an analysis, a line each, in the form that compilers and `grep -n` have.

use super::shown;
use vmwright_model::{Analysis, Cause};

pub(crate) fn text(analysis: &Analysis) -> String {
    analysis.causes.iter().map(line).collect()
}

/// `source:line: level[rule]: title`; `-` in place of source and line where there is no quote.
fn line(cause: &Cause) -> String {
    let place = match cause.evidence.first() {
        Some(quote) => format!("{}:{}", shown(&quote.source), quote.line),
        None => "-".to_owned(),
    };
    let consequence = match &cause.explained_by {
        Some(by) => format!(" (a consequence of {})", shown(by)),
        None => String::new(),
    };
    format!("{place}: {}[{}]: {}{consequence}\n", cause.level, shown(&cause.rule), shown(&cause.title))
}
