//! Values of Kubernetes secrets: everything below `data:` and `stringData:` of an object whose kind is `Secret`, in
//! YAML or JSON. Base64 hides nothing.

use super::{Counts, Pattern, none, replace};

const KIND: &str = "kubernetes-secret";

static JSON_KIND: Pattern = Pattern::new(r#""kind\\?"[ \t]*:[ \t]*\\?"Secret\\?""#, &["\"secret"]);
/// One object of texts, and what stands in it. Which object of a list is the secret is not told: all are taken.
static JSON_DATA: Pattern =
    Pattern::new(r#""(?:data|stringData)\\?"\s*:\s*\{(?P<secret>[^{}]*)\}"#, &["\"data", "\"stringdata"]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let json = JSON_KIND.may_match(&text.to_ascii_lowercase()) && JSON_KIND.is_match(text);
    let json = json.then(|| replace(&[&JSON_DATA], KIND, none, text, counts)).flatten();
    let text = json.as_deref().unwrap_or(text);
    yaml(text, counts).or(json)
}

fn yaml(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let mut clean = Vec::new();
    let mut taken = 0;
    let mut document: Vec<&[u8]> = Vec::new();
    let is_secret =
        |line: &[u8]| line.trim_ascii().strip_prefix(b"- ").unwrap_or(line).trim_ascii() == b"kind: Secret";
    if !text.split(|byte| *byte == b'\n').any(is_secret) {
        return None;
    }
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"---") {
            taken += finish(&document, &mut clean, is_secret);
            document.clear();
        }
        document.push(line);
    }
    taken += finish(&document, &mut clean, is_secret);
    if taken == 0 {
        return None;
    }
    *counts.entry(KIND.to_owned()).or_default() += taken;
    Some(clean)
}

/// Adds a document, without its values where it is a secret (or a list with one); gives how many there were.
fn finish(document: &[&[u8]], clean: &mut Vec<u8>, is_secret: impl Fn(&[u8]) -> bool) -> usize {
    if !document.iter().any(|line| is_secret(line)) {
        document.iter().for_each(|line| clean.extend(*line));
        return 0;
    }
    let mark = format!("[redacted:{KIND}]");
    let (mut map, mut taken) = (None, 0);
    for line in document {
        let body = line.trim_ascii();
        let depth = line.iter().take_while(|byte| **byte == b' ').count();
        if map.is_some_and(|map| depth > map) && !body.is_empty() {
            let key = body.iter().position(|byte| *byte == b':').filter(|colon| {
                body[..*colon].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
            });
            let value = key.map_or(body, |colon| body[colon + 1..].trim_ascii());
            if !value.is_empty() && !value.starts_with(b"[redacted:") {
                taken += 1;
                clean.extend(&line[..depth]);
                clean.extend(key.map_or(&b""[..], |colon| &body[..=colon]));
                clean.extend(key.map_or("", |_| " ").as_bytes());
                clean.extend(mark.as_bytes());
                clean.extend(line.ends_with(b"\n").then_some(b'\n'));
                continue;
            }
        } else if !body.is_empty() {
            map = matches!(body, b"data:" | b"stringData:" | b"- data:" | b"- stringData:").then_some(depth);
        }
        clean.extend(*line);
    }
    taken
}
