//! Secrets that must not stand in a plan: it is kept, shown, sent and hashed.

use serde_json::Value;
use vmwright_model::{Action, Plan};

/// Words that stand before a secret, in lower case, and what they announce.
const WORDS: [(&str, &str); 6] = [
    ("password", "a password"),
    ("passwd", "a password"),
    ("passphrase", "a passphrase"),
    ("api_key", "an API key"),
    ("apikey", "an API key"),
    ("token", "a token"),
];

/// Values behind such a word that are switches or blanks and no secret: `-spice password=on`.
const HARMLESS: [&str; 8] = ["on", "off", "true", "false", "yes", "no", "none", "null"];

/// Each place (a JSON pointer) in a plan that looks like a secret, and what kind.
pub(crate) fn secrets(plan: &Plan) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::to_value(plan) {
        walk(&value, &mut String::new(), &mut found);
    }
    for (at, step) in plan.steps.iter().enumerate() {
        if let Action::EditSpec { key, from, to, .. } = &step.action {
            let last = key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let word = WORDS.iter().find(|(word, _)| last.ends_with(word));
            for (name, value) in [("from", from), ("to", to)] {
                if let (Some((_, what)), Some(value)) = (word, value)
                    && value_at(value).is_some()
                {
                    found.push((format!("/steps/{at}/action/{name}"), *what));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn walk(value: &Value, place: &mut String, found: &mut Vec<(String, &'static str)>) {
    let mut enter = |name: &str, value: &Value| {
        let length = place.len();
        place.push('/');
        place.push_str(name);
        walk(value, place, found);
        place.truncate(length);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| enter(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| enter(&at.to_string(), value)),
        Value::String(text) => {
            if let Some(what) = looks_secret(text) {
                found.push((place.clone(), what));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What kind of secret a text seems to hold, if any.
fn looks_secret(text: &str) -> Option<&'static str> {
    if text.contains("PRIVATE KEY-----") || text.contains("AGE-SECRET-KEY-1") {
        return Some("a private key");
    }
    let lower = text.to_ascii_lowercase();
    for (word, what) in WORDS {
        for (at, _) in lower.match_indices(word) {
            let rest = lower[at + word.len()..].trim_start_matches([' ', '\t', '"', '\'']);
            if let Some(value) = rest.strip_prefix(['=', ':'])
                && value_at(value).is_some()
            {
                return Some(what);
            }
        }
    }
    lower.match_indices("://").find_map(|(at, _)| credentials(&lower[at + 3..]))
}

/// Whether an address behind `://` begins with `user:secret@`.
fn credentials(rest: &str) -> Option<&'static str> {
    let authority = rest.split(['/', '?', '#', ' ', '"', '\'', '\n']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, secret) = user.split_once(':')?;
    (!secret.is_empty()).then_some("a password in an address")
}

/// The value that begins `text`, unless it is none or harmless.
fn value_at(text: &str) -> Option<&str> {
    let text = text.trim_start_matches([' ', '\t', '"', '\'']);
    let end = text.find([' ', '\t', '\n', '\r', '"', '\'', ',', ';', '&']).unwrap_or(text.len());
    let value = &text[..end];
    let harmless = value.is_empty() || HARMLESS.iter().any(|harmless| value.eq_ignore_ascii_case(harmless));
    (!harmless).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for text in [
            "password=hunter2",
            "-vnc :1,Password = x",
            "passwd: x",
            "{\"token\": \"abc\"}",
            "vnc_password='x'",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
            "-----BEGIN RSA PRIVATE KEY-----",
            "rbd://admin:geheim@host/pool",
        ] {
            assert!(looks_secret(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_let_through() {
        for text in [
            "set a password for the console",
            "password-secret=sec0",
            "-spice port=1,password=on",
            "password=",
            "https://host:8080/x@y",
            "ssh://user@host/",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(looks_secret(text), None, "{text}");
        }
    }
}
