//! Command lines and keystrokes in the audit log. The kernel writes in hexadecimal what has blanks or NUL bytes in it
//! (`audit_log_untrustedstring` in `kernel/audit.c`), which hides nothing.

use super::{Counts, Pattern, none, replace, secrets};
use regex::bytes::Captures;
use std::borrow::Cow;

const KIND: &str = "audit-secret";

/// What was typed at a terminal.
static TYPED: Pattern =
    Pattern::new(r#"\btype=(?:USER_)?TTY [^\n]*?\bdata=(?P<secret>[0-9A-Fa-f]{2,}|"[^"\n]*")"#, &["type="]);
static TITLE: Pattern = Pattern::new(r"\bproctitle=(?P<value>[0-9A-Fa-f]{8,})", &["proctitle="]);
static EXECVE: Pattern = Pattern::new(r"\btype=EXECVE [^\n]*", &["type=execve "]);
static ARGUMENT: Pattern = Pattern::new(r#"\ba[0-9]+=(?P<value>"[^"\n]*"|[0-9A-Fa-f]{2,})"#, &[]);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let typed = replace(&[&TYPED], KIND, none, text, counts);
    let text = typed.as_deref().unwrap_or(text);
    if !TITLE.may_match(&text.to_ascii_lowercase()) && !EXECVE.may_match(&text.to_ascii_lowercase()) {
        return typed;
    }
    let mut taken = 0;
    let mark = format!("[redacted:{KIND}]");
    let titles = TITLE.replace_all(text, |found: &Captures<'_>| {
        if !tells(&plain(&found["value"])) {
            return found[0].to_vec();
        }
        taken += 1;
        format!("proctitle={mark}").into_bytes()
    });
    // An option and its value are two words: only all of them together show what they are.
    let lines = EXECVE.replace_all(&titles, |found: &Captures<'_>| {
        let words: Vec<Vec<u8>> = ARGUMENT.captures_iter(&found[0]).map(|one| plain(&one["value"])).collect();
        if !tells(&words.join(&b' ')) {
            return found[0].to_vec();
        }
        taken += 1;
        let hide = |one: &Captures<'_>| {
            let name = one[0].split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
            if name == b"a0" { one[0].to_vec() } else { [&name[..], b"=", mark.as_bytes()].concat() }
        };
        ARGUMENT.replace_all(&found[0], hide).into_owned()
    });
    if taken == 0 {
        return typed;
    }
    *counts.entry(KIND.to_owned()).or_default() += taken;
    Some(Cow::into_owned(lines))
}

/// Whether these words give a secret away.
fn tells(words: &[u8]) -> bool {
    matches!(secrets(words, &mut Counts::new()), Cow::Owned(_))
}

/// The text of a value: what stands in quotes, or what hexadecimal digits stand for, NUL bytes as blanks.
fn plain(value: &[u8]) -> Vec<u8> {
    if let [b'"', inside @ .., b'"'] = value {
        return inside.to_vec();
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default();
    let bytes = value.chunks_exact(2).map(|pair| (digit(&pair[0]) << 4 | digit(&pair[1])) as u8);
    bytes.map(|byte| if byte == 0 { b' ' } else { byte }).collect()
}
