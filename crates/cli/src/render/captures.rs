//! Several captures: what came of each, and of all.

use super::{inert, shown};
use crate::Format;
use serde_json::{Value, json};
use vmwright_engine::{Analysed, AnalysesMade, Outcome};

/// What came of one capture.
pub(crate) fn part(format: Format, one: &Analysed, color: bool) -> anyhow::Result<String> {
    let from = one.from.display().to_string();
    match (format, &one.result) {
        (Format::Jsonl, result) => {
            let mut line = match result {
                Ok(analysis) => serde_json::to_value(analysis)?,
                Err(error) => json!({ "error": error }),
            };
            if let Value::Object(fields) = &mut line {
                fields.insert("from".to_owned(), Value::String(from));
            }
            Ok(inert(&format!("{line}\n")))
        }
        (Format::Concise, Ok(analysis)) => {
            let causes = super::concise::text(analysis);
            Ok(causes.lines().map(|line| format!("{}: {line}\n", shown(&from))).collect())
        }
        (Format::Concise, Err(error)) => Ok(format!("{}: error: {}\n", shown(&from), shown(error))),
        (_, Ok(analysis)) => {
            let text = super::text(&Outcome::Analysis(analysis.clone()), color);
            Ok(format!("== {}\n{text}\n", shown(&from)))
        }
        (_, Err(error)) => Ok(format!("== {}\nerror: {}\n\n", shown(&from), shown(error))),
    }
}

/// What came of all.
pub(crate) fn all(made: &AnalysesMade) -> String {
    let AnalysesMade { captures, with_findings, incomplete, unread } = made;
    format!(
        "{captures} captures: {with_findings} with findings, {incomplete} read in part, {unread} not read\n"
    )
}
