//! What can be read by its address: plans, analyses, reviews, captures, rules, the journal.

use crate::mark;
use crate::server::Server;
use rmcp::model::ErrorData;
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use vmwright_engine::Operation;

/// The most that a list names of one kind, the newest.
const MOST: usize = 50;

/// The largest report that is read, in bytes.
const LARGEST: u64 = 16 << 20;

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";

/// Addresses with a gap.
pub(crate) fn templates() -> Value {
    let one =
        |uri: &str, name: &str, mime: &str| json!({ "uriTemplate": uri, "name": name, "mimeType": mime });
    json!([
        one("vmwright://rules/{area}/{problem}", "a rule's documentation", MARKDOWN),
        one("vmwright://plans/{id}", "a plan with its preview", JSON),
        one("vmwright://analyses/{number}", "an analysis of this session, whole", JSON),
        one("vmwright://reviews/{id}", "a review", JSON),
        one("vmwright://journal/{number}", "an entry of the journal", JSON),
    ])
}

/// What there is.
pub(crate) fn list(server: &Server) -> Value {
    let one = |uri: String, name: String, mime: &str| json!({ "uri": uri, "name": name, "mimeType": mime });
    let mut all = vec![
        one("vmwright://rules".to_owned(), "all rules".to_owned(), JSON),
        one("vmwright://journal/chain".to_owned(), "the journal's chain, verified".to_owned(), JSON),
    ];
    for (number, _) in server.analyses() {
        all.push(one(
            format!("vmwright://analyses/{number}"),
            format!("analysis {number} of this session"),
            JSON,
        ));
    }
    let state = server.state();
    for path in newest(&state.join("plans")) {
        let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        // What else lies there is no plan of ours.
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            all.push(one(format!("vmwright://plans/{id}"), format!("plan {}", &id[..12]), JSON));
        }
    }
    for path in newest(&state.join("reviews")) {
        let id = name_of(&path);
        all.push(one(format!("vmwright://reviews/{id}"), format!("review {id}"), JSON));
    }
    Value::Array(all)
}

/// The newest JSON files of a folder, by the time at which they were written.
fn newest(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        // The same review again, for assessors' tools.
        .filter(|path| !path.to_string_lossy().ends_with(".oscal.json"))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    found.sort();
    found.into_iter().rev().take(MOST).map(|(_, path)| path).collect()
}

/// A report by a name that tells nothing of the VM: its file's name holds the VM's.
fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
    Sha256::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads one: its type and text.
pub(crate) async fn read(
    server: &Server,
    uri: &str,
    context: &RequestContext<RoleServer>,
) -> Result<(&'static str, String), ErrorData> {
    let missing = || {
        ErrorData::resource_not_found(
            format!("there is no resource `{}`", crate::parameters::brief(uri)),
            None,
        )
    };
    let path = uri.strip_prefix("vmwright://").ok_or_else(missing)?;
    let parts: Vec<&str> = path.split('/').collect();
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number > 0);
    let operation = match parts[..] {
        ["rules"] => Operation::Rules { area: None },
        ["rules", area, problem] => Operation::Explain { rule: format!("{area}/{problem}") },
        ["plans", id] if id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Operation::Preview { plan: id.to_owned() }
        }
        ["journal", "chain"] => Operation::JournalVerify,
        ["journal", entry] => Operation::JournalShow { entry: number(entry).ok_or_else(missing)? },
        ["analyses", which] => {
            let analyses = server.analyses();
            let found = analyses.into_iter().find(|(one, _)| Some(*one) == which.parse().ok());
            return Ok((JSON, pretty(&found.ok_or_else(missing)?.1)));
        }
        ["reviews", id] => {
            let path = newest(&server.state().join("reviews")).into_iter().find(|path| name_of(path) == id);
            let path = path.ok_or_else(missing)?;
            if fs::metadata(&path).is_ok_and(|meta| meta.len() > LARGEST) {
                return Err(ErrorData::internal_error("the review is too large", None));
            }
            let bytes =
                fs::read(&path).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            let review = serde_json::from_slice(&bytes)
                .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            return Ok((JSON, pretty(&mark::mark(review))));
        }
        _ => return Err(missing()),
    };
    match server.perform(operation, Vec::new(), context).await {
        Ok(Ok(done)) if done.outcome["outcome"] == "explanation" => Ok((MARKDOWN, done.text)),
        Ok(Ok(done)) => Ok((JSON, pretty(&mark::mark(done.outcome)))),
        Ok(Err(failed)) => Err(ErrorData::resource_not_found(mark::fenced(&failed.error), None)),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
