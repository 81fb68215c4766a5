//! Plans from bytes that somebody may have cut, edited or made up.

use crate::canonical::plan_id;
use serde::Deserialize;
use serde_json::error::Category;
use thiserror::Error;
use vmwright_model::Plan;
use vmwright_model::plan::PLAN_SCHEMA;

/// The largest plan that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Why bytes are not a plan. Lines and columns are counted from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Larger than [`MAX_BYTES`].
    #[error("the plan has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    /// Nothing in it.
    #[error("the plan is empty")]
    Empty,
    /// It ends in the middle.
    #[error("the plan is cut off at line {line}, column {column}")]
    Cut {
        /// Line of the end.
        line: usize,
        /// Column of the end.
        column: usize,
    },
    /// Not JSON, or not the shape of a plan (an unknown field, a missing one, a wrong type).
    #[error("the plan is wrong at line {line}, column {column}: {why}")]
    Wrong {
        /// Line of the place.
        line: usize,
        /// Column of the place.
        column: usize,
        /// What is wrong there.
        why: String,
    },
    /// Something follows the plan.
    #[error("something follows the plan at line {line}, column {column}")]
    Trailing {
        /// Line of its first byte.
        line: usize,
        /// Column of its first byte.
        column: usize,
    },
    /// Written by a newer vmwright.
    #[error("the plan has schema {0}; this vmwright reads {PLAN_SCHEMA}: a newer one wrote it")]
    Newer(String),
    /// JSON, but of something else.
    #[error("the schema is `{0}`, so this is not a plan")]
    OtherSchema(String),
}

#[derive(Deserialize)]
struct Peek {
    schema: Option<String>,
}

/// Reads a plan, and gives it with its id. White space between tokens does not matter: the id is the content's.
///
/// # Errors
/// [`ParseError`], which names the place. What [`crate::lint()`] asks is not asked here.
pub fn parse(bytes: &[u8]) -> Result<(Plan, String), ParseError> {
    if bytes.len() > MAX_BYTES {
        return Err(ParseError::TooLarge(bytes.len()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ParseError::Empty);
    }
    // The schema first: a newer plan's own fields would be called unknown otherwise.
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Peek>();
    let peek = match values.next() {
        None => return Err(ParseError::Empty),
        Some(Err(error)) => return Err(wrong(&error, bytes)),
        Some(Ok(peek)) => peek,
    };
    let end = values.byte_offset();
    if let Some(at) = bytes[end..].iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        let (line, column) = place(bytes, end + at);
        return Err(ParseError::Trailing { line, column });
    }
    match peek.schema.as_deref() {
        Some(schema) if schema == PLAN_SCHEMA => {}
        Some(schema) => {
            let shown = schema.chars().take(80).collect::<String>().escape_debug().to_string();
            let (name, version) = PLAN_SCHEMA.split_once('/').expect("the schema has a version");
            let current: u64 = version.parse().expect("the version is a number");
            let newer = schema
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|version| version.parse::<u64>().ok())
                .is_some_and(|version| version > current);
            return Err(if newer { ParseError::Newer(shown) } else { ParseError::OtherSchema(shown) });
        }
        None => return Err(ParseError::OtherSchema(String::new())),
    }
    let plan: Plan = serde_json::from_slice(bytes).map_err(|error| wrong(&error, bytes))?;
    let id = plan_id(&plan);
    Ok((plan, id))
}

fn wrong(error: &serde_json::Error, bytes: &[u8]) -> ParseError {
    let (line, column) = match error.line() {
        0 => place(bytes, bytes.len()),
        line => (line, error.column().max(1)),
    };
    if error.classify() == Category::Eof {
        return ParseError::Cut { line, column };
    }
    let text = error.to_string();
    let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    ParseError::Wrong { line, column, why: why.escape_debug().to_string() }
}

fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{canonical, fix};
    use proptest::prelude::*;
    use vmwright_model::{Action, Plan};

    fn sample() -> Plan {
        let mut plan = fix(&[], "h1", Some("web"), true);
        let mut step = plan.steps[0].clone();
        step.action = Action::FileMode { path: "/srv/\u{e9}".into(), from: 0o700, to: 0o711 };
        plan.steps.insert(0, step);
        plan
    }

    #[test]
    fn what_is_written_is_read_with_its_id() {
        let plan = sample();
        let bytes = canonical(&plan);
        assert_eq!(parse(&bytes), Ok((plan.clone(), plan_id(&plan))));
        let pretty = serde_json::to_vec_pretty(&plan).expect("a plan is JSON");
        assert_eq!(parse(&pretty), Ok((plan.clone(), plan_id(&plan))), "white space does not matter");
    }

    #[test]
    fn every_cut_is_called_a_cut() {
        let plan = sample();
        for bytes in [canonical(&plan), serde_json::to_vec_pretty(&plan).expect("a plan is JSON")] {
            for end in 1..bytes.len() {
                let error = parse(&bytes[..end]).expect_err("half a plan is no plan");
                // A cut inside a character is first seen as broken UTF-8.
                let inside = std::str::from_utf8(&bytes[..end]).is_err();
                assert!(matches!(error, ParseError::Cut { .. }) || inside, "{end}: {error}");
            }
        }
        assert_eq!(parse(&canonical(&plan)[..20]).expect_err("cut").to_string(), {
            "the plan is cut off at line 1, column 20"
        });
    }

    #[test]
    fn each_fault_names_its_place() {
        let plan = sample();
        let text = String::from_utf8(canonical(&plan)).expect("JSON is UTF-8");
        let error = |text: &str| parse(text.as_bytes()).expect_err("it is wrong").to_string();
        assert_eq!(error(" \n"), "the plan is empty");
        assert_eq!(error(&format!("{text}\n{{}}")), "something follows the plan at line 2, column 1");
        assert_eq!(
            error(&format!("{text}\0")),
            format!("something follows the plan at line 1, column {}", text.len() + 1)
        );
        assert_eq!(error(&format!("\n x{text}")), "the plan is wrong at line 2, column 2: expected value");
        assert_eq!(
            error(&text.replace("vmwright.plan/1", "vmwright.plan/2").replace("title", "name")),
            "the plan has schema vmwright.plan/2; this vmwright reads vmwright.plan/1: a newer one wrote it"
        );
        assert_eq!(
            error("{\"schema\":\"vmwright.analysis/1\"}"),
            "the schema is `vmwright.analysis/1`, so this is not a plan"
        );
        assert_eq!(error("{}"), "the schema is ``, so this is not a plan");
        for (from, to) in [
            ("\"title\"", "\"tittle\""),
            ("\"path\"", "\"paths\""),
            ("\"name\"", "\"nom\""),
            ("\"kind\":\"vm\"", "\"kind\":\"vm\",\"extra\":1"),
            ("\"action\":\"machine-start\"", "\"action\":\"machine-start\",\"force\":true"),
            ("\"from\":448", "\"from\":-1"),
            ("machine-start", "format-disk"),
        ] {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text, "{from} stands in the sample");
            let error = parse(edited.as_bytes()).expect_err(to);
            assert!(matches!(error, ParseError::Wrong { line: 1, .. }), "{to}: {error}");
        }
    }

    #[test]
    fn a_huge_or_deep_plan_is_refused_without_reading_it() {
        assert_eq!(parse(&vec![b' '; MAX_BYTES + 1]), Err(ParseError::TooLarge(MAX_BYTES + 1)));
        // Neither may use up the stack. The second is skipped over as a field of a newer schema would be.
        for deep in [String::new(), "{\"schema\":\"vmwright.plan/1\",\"x\":".to_owned()] {
            for nest in ["[", "{\"a\":"] {
                let deep = format!("{deep}{}", nest.repeat(100_000));
                assert!(parse(deep.as_bytes()).is_err());
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_changed_byte_is_refused_or_changes_the_id(at: prop::sample::Index, to: u8) {
            let bytes = canonical(&sample());
            let at = at.index(bytes.len());
            let mut changed = bytes.clone();
            changed[at] = to;
            if changed != bytes
                && let Ok((_, id)) = parse(&changed)
            {
                prop_assert_ne!(id, plan_id(&sample()));
            }
        }
    }
}
