//! Passwords in cloud-init's user data (`password`, `passwd`, `hashed_passwd`, `plain_text_passwd`, `chpasswd`), and
//! in other YAML that names them so.

use super::{Counts, Pattern, replace};

const KIND: &str = "cloud-init-password";

static KEY: Pattern = Pattern::new(
    r#"(?im)(?:^[ \t]*(?:-[ \t]+)?|[{,][ \t]*)["']?(?:[a-z_-]*pass(?:wd|word|phrase))["']?:[ \t]+(?P<secret>[^\s"'{}|>,][^\n"',}]*)"#,
    &["passphrase", "passwd", "password"],
);
static QUOTED_KEY: Pattern = Pattern::new(
    r#"(?im)(?:^[ \t]*(?:-[ \t]+)?|[{,][ \t]*)["']?(?:[a-z_-]*pass(?:wd|word|phrase))["']?:[ \t]+(?:"|')(?P<secret>[^\n"']+)"#,
    &["passphrase", "passwd", "password"],
);
static FLOW: Pattern =
    Pattern::new(r"(?i)\bchpasswd:[ \t]*\{[^\n]*?list:[ \t]*\[(?P<secret>[^\]\n]+)\]?", &["chpasswd:"]);

/// Whole user data in base64 (KubeVirt), which hides nothing.
static PACKED: Pattern = Pattern::new(
    r#"(?:user|network)DataBase64["']?:[ \t]*["']?(?P<secret>[^\s"',}\[]+)"#,
    &["networkdatabase64", "userdatabase64"],
);

/// Words that are no password.
fn is_switch(value: &[u8]) -> bool {
    let value = value.trim_ascii().to_ascii_lowercase();
    [&b"true"[..], b"false", b"yes", b"no", b"on", b"off", b"null", b"~", b"random", b"r"].contains(&&*value)
}

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let lists = lists(text, counts);
    let text = lists.as_deref().unwrap_or(text);
    replace(&[&KEY, &QUOTED_KEY, &FLOW, &PACKED], KIND, is_switch, text, counts).or(lists)
}

/// The lines `user:password` below `chpasswd: list:`.
fn lists(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    if !text.windows(8).any(|word| word == b"chpasswd") {
        return None;
    }
    let mut clean = Vec::with_capacity(text.len());
    let (mut within, mut indent, mut taken) = (false, None, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let body = line.trim_ascii();
        let depth = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        if body.starts_with(b"chpasswd:") {
            (within, indent) = (true, None);
        } else if within && body.starts_with(b"list:") {
            indent = Some(depth);
        } else if let Some(list) = indent {
            let item = body.strip_prefix(b"-").map_or(body, <[u8]>::trim_ascii);
            let colon = item.iter().position(|byte| *byte == b':');
            if let (true, Some(colon)) = (depth > list || body.starts_with(b"-"), colon) {
                let start = line.len() - line.trim_ascii_start().len() + (body.len() - item.len());
                clean.extend(&line[..start + colon + 1]);
                clean.extend(format!("[redacted:{KIND}]").as_bytes());
                clean.extend(line.ends_with(b"\n").then_some(b'\n'));
                taken += usize::from(!item[colon + 1..].starts_with(b"[redacted:"));
                continue;
            }
            if !body.is_empty() {
                (within, indent) = (depth > 0 && within, None);
            }
        }
        clean.extend(line);
    }
    if taken == 0 {
        return None;
    }
    *counts.entry(KIND.to_owned()).or_default() += taken;
    Some(clean)
}
