//! As much of Rust's grammar as it takes to tell code from comments, texts and tests.

/// The code of a file: comments and the contents of literals are blanks, line ends stay.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' if !continues_word(bytes, at) => raw_string_end(bytes, at).unwrap_or(at),
            b'b' if !continues_word(bytes, at) && bytes.get(at + 1) == Some(&b'r') => {
                raw_string_end(bytes, at + 1).unwrap_or(at)
            }
            b'\'' => char_end(bytes, at).unwrap_or(at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether the byte before `at` belongs to a word, so that `at` does not begin one.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
        // `br"` begins one byte earlier, and was looked at there.
        && !(bytes[at - 1] == b'b' && (at < 2 || !bytes[at - 2].is_ascii_alphanumeric() && bytes[at - 2] != b'_'))
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
            (b'*', Some(b'/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"..."` or `r#"..."#`; none where `at` begins something else.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let from = at + 2 + hashes;
    let length = bytes[from..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| from + length + close.len()))
}

/// The end of a character literal; none where the quote begins a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        let from = at + 3;
        return bytes.get(from..)?.iter().position(|byte| *byte == b'\'').map(|length| from + length + 1);
    }
    let rest = std::str::from_utf8(&bytes[at + 1..(at + 6).min(bytes.len())]);
    let text = match &rest {
        Ok(text) => text,
        // The cut may fall into a character that is not the first.
        Err(error) => std::str::from_utf8(&bytes[at + 1..at + 1 + error.valid_up_to()]).ok()?,
    };
    let width = text.chars().next()?.len_utf8();
    (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
}

/// The code without what is compiled for tests alone: items under `#[cfg(test)]`.
pub(crate) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        let mut depth = 0_usize;
        let end = rest.bytes().position(|byte| {
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && (byte == b'}' || byte == b';')
        });
        rest = end.map_or("", |end| &rest[end + 1..]);
    }
    out.push_str(rest);
    out
}

/// The paths that `code` names: those of its `use` declarations, each written out, and those inside expressions.
pub(crate) fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let words: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let compact = words.replace(" ::", "::").replace(":: ", "::");
    let mut rest = compact.as_str();
    while let Some(at) = rest.find("use ") {
        let begins =
            at == 0 || !rest.as_bytes()[at - 1].is_ascii_alphanumeric() && rest.as_bytes()[at - 1] != b'_';
        let tail = &rest[at + 4..];
        let end = tail.find(';').unwrap_or(tail.len());
        if begins {
            flatten("", &tail[..end], &mut found);
            rest = &tail[end..];
        } else {
            rest = tail;
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(
        compact
            .split(|c: char| !is_part(c))
            .filter(|word| word.contains("::"))
            .map(|word| word.trim_matches(':').to_owned()),
    );
    found
}

/// Writes out `a::{b, c::{d as e, self}}`.
fn flatten(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree).trim().trim_start_matches("::");
        let path =
            if name == "self" { prefix.trim_end_matches("::").to_owned() } else { format!("{prefix}{name}") };
        found.push(path);
        return;
    };
    let inner = tree[open + 1..].strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let prefix = format!("{prefix}{}", tree[..open].trim().trim_start_matches("::"));
    let (mut depth, mut from) = (0_usize, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                flatten(&prefix, &inner[from..at], found);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner[from..].trim().is_empty() {
        flatten(&prefix, &inner[from..], found);
    }
}

#[test]
fn comments_and_texts_are_blank() {
    let source = "a // std::fs\nb /* x /* std::fs */ y */ c \"std::fs \\\" x\" d r#\"std::fs\" x\"# e 'x' '\\'' '\u{e9}' \
                  &'life f br\"q\" g b'\"' h";
    let code = code(source);
    assert!(!code.contains("fs") && !code.contains('"'), "{code}");
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "c", "d", "e", "&'life", "f", "g", "b", "h"], "{code}");
    assert_eq!(code.matches('\n').count(), source.matches('\n').count());
}

#[test]
fn tests_are_left_out() {
    let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn x() { std::fs::y() } }\nfn b() {}\n#[cfg(test)]\nmod t;\nfn c() {}";
    let rest = without_tests(source);
    assert!(!rest.contains("fs") && rest.contains("fn b()") && rest.contains("fn c()"), "{rest}");
}

#[test]
fn paths_are_written_out() {
    let found = paths(
        "use std::{fs, io::{self, Read as R}, net::*};\nfn f() { let x = std :: env::var(y); reuse z; }",
    );
    for path in ["std::fs", "std::io", "std::io::Read", "std::net::*", "std::env::var"] {
        assert!(found.iter().any(|one| one == path), "{path} in {found:?}");
    }
}
