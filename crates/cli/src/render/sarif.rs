//! An analysis as SARIF 2.1.0 (OASIS, Static Analysis Results Interchange Format).

use super::evidence::meanings;
use super::{digest, inert, shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_model::analysis::Accepted;
use vmwright_model::{Analysis, Cause, Evidence};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(crate) fn text(analysis: &Analysis) -> String {
    inert(&format!("{:#}\n", log(analysis)))
}

fn log(analysis: &Analysis) -> Value {
    let accepted = analysis.accepted.iter().map(|one| (&one.cause, Some(one)));
    let all: Vec<(&Cause, Option<&Accepted>)> =
        analysis.causes.iter().map(|cause| (cause, None)).chain(accepted).collect();
    let ids: BTreeSet<&str> = all.iter().map(|(cause, _)| cause.rule.as_str()).collect();
    let index: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let rules: Vec<Value> = ids.iter().map(|id| rule(id)).collect();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let results: Vec<Value> = all
        .iter()
        .map(|(cause, accepted)| {
            let before = seen.entry((&cause.rule, &cause.subject)).or_default();
            *before += 1;
            let mut result = result(cause, index[cause.rule.as_str()], *before);
            if let Some(accepted) = accepted {
                let why = message(&format!("until {}: {}", accepted.expires, accepted.reason));
                result["suppressions"] = json!([{ "kind": "external", "justification": why }]);
            }
            result
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vmwright",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(analysis),
            }],
            "results": results,
            "properties": {
                "challenge": analysis.challenge,
                "host": analysis.host,
                "sandbox": analysis.sandbox,
            },
        }],
    })
}

/// The title of a cause has the facts of its case; what is said of the rule itself comes from its id.
fn rule(id: &str) -> Value {
    let words = id.replacen('/', ": ", 1).replace('-', " ");
    json!({
        "id": id,
        "shortDescription": { "text": message(&words) },
        "help": { "text": message(&format!("vmwright explain {id}")) },
    })
}

/// `ordinal` tells results of one rule about one subject apart, from 1.
fn result(cause: &Cause, rule: usize, ordinal: usize) -> Value {
    let consequence = match &cause.explained_by {
        Some(by) => format!(" (a consequence of {by})"),
        None => String::new(),
    };
    let meanings: String = meanings(cause).iter().map(|one| format!(" {one}.")).collect();
    let says = format!(
        "{}{consequence}. About {}.{meanings} Fix: {}",
        cause.title, cause.subject, cause.fix.summary
    );
    let mut locations = vec![json!({ "logicalLocations": [subject(cause)] })];
    if let Some(best) = cause.evidence.first() {
        locations[0]["physicalLocation"] = place(best);
    }
    let related: Vec<Value> = cause
        .evidence
        .iter()
        .enumerate()
        .skip(1)
        .map(|(id, quote)| json!({ "id": id, "physicalLocation": place(quote) }))
        .collect();
    let fingerprint = digest(format!("{}\0{}\0{ordinal}", cause.rule, cause.subject).as_bytes());
    json!({
        "ruleId": cause.rule,
        "ruleIndex": rule,
        "kind": "fail",
        "level": cause.level.to_string(),
        "rank": percent(cause.confidence),
        "message": { "text": message(&says) },
        "locations": locations,
        "relatedLocations": related,
        // Neither lines nor quotes: a log that grows does not make the same problem a new one.
        "partialFingerprints": { "ruleAndSubject/v1": &fingerprint[..32] },
        "properties": {
            "confidence": percent(cause.confidence),
            "subject": cause.subject,
            "explains": cause.explains,
            "explainedBy": cause.explained_by,
            "fix": cause.fix,
            "escalation": cause.escalation,
        },
    })
}

/// What the run could not tell or read, and what its lock lacked.
fn notifications(analysis: &Analysis) -> Vec<Value> {
    let unread = analysis.unread.iter().map(|(source, why)| {
        let text = message(&format!("not read: {source}: {why}"));
        json!({ "level": "warning", "message": { "text": text } })
    });
    let lacking = analysis.sandbox.lacking.iter().map(|lacking| {
        json!({ "level": "warning", "message": { "text": message(&format!("sandbox: {lacking}")) } })
    });
    let unknown = analysis.unknown.iter().map(|unknown| {
        let text = message(&format!("could not tell: {}; this would tell: {}", unknown.why, unknown.source));
        json!({ "level": "note", "associatedRule": { "id": unknown.rule }, "message": { "text": text } })
    });
    unread.chain(lacking).chain(unknown).collect()
}

fn subject(cause: &Cause) -> Value {
    json!({ "fullyQualifiedName": cause.subject })
}

fn place(quote: &Evidence) -> Value {
    json!({
        "artifactLocation": { "uri": uri(&quote.source) },
        "region": { "startLine": quote.line.max(1), "snippet": { "text": quote.quote } },
    })
}

/// 0 to 100.
fn percent(confidence: f64) -> f64 {
    if confidence.is_finite() { (confidence.clamp(0.0, 1.0) * 1000.0).round() / 10.0 } else { 0.0 }
}

/// A source as a URI reference. It names neither a scheme nor a host, whatever the source's name holds.
fn uri(source: &str) -> String {
    let mut uri = String::with_capacity(source.len());
    let path = source.trim_start_matches('/');
    if path.len() < source.len() {
        uri.push_str("file:///");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// Plain text of a message: braces would stand for arguments (section 3.11.5), and `[text](place)` for a link
/// (section 3.11.6).
fn message(text: &str) -> String {
    shown(text).replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

#[cfg(test)]
mod tests {
    use super::{message, uri};

    #[test]
    fn names_of_sources_cannot_become_other_places() {
        assert_eq!(uri("/proc/cpuinfo"), "file:///proc/cpuinfo");
        assert_eq!(uri("//evil/x"), "file:///evil/x");
        assert_eq!(uri("javascript:alert(1)"), "javascript%3Aalert%281%29");
        assert_eq!(uri("lspci -nnk"), "lspci%20-nnk");
    }

    #[test]
    fn messages_hold_neither_arguments_nor_links() {
        assert_eq!(message("{0} [x](http://y) \u{1b}"), "{{0}} [x] (http://y) \\u{{1b}}");
    }
}
