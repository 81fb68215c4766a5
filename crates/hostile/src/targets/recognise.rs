//! Telling what a text is: the first line is its name.

use super::{first_line, text};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (name, body) = first_line(&text);
    let kind = vmwright_formats::recognise(name, body);
    assert_eq!(vmwright_formats::recognise(name, body), kind);
    let known = vmwright_formats::kinds().contains(&kind) || kind == vmwright_model::Kind::TEXT;
    assert!(known, "{kind} is the kind of no view");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    crate::samples().into_iter().map(|(kind, text)| [kind.as_bytes(), b".txt\n", &text].concat()).collect()
}
