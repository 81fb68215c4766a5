//! Every view: the first line names the kind, the rest is the text. An unknown name stands for any kind, so that no
//! input is wasted.

use super::{first_line, text};
use vmwright_formats::lines::lines;
use vmwright_formats::{issues, kinds};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (name, body) = first_line(&text);
    let kinds = kinds();
    let any = usize::from(bytes.first().copied().unwrap_or_default()) % kinds.len();
    let kind = kinds.iter().find(|kind| kind.0 == name).unwrap_or(&kinds[any]);
    let issues = issues(kind, body).expect("the kind has a view");
    let last = lines(body).count();
    for issue in issues {
        assert!(issue.line as usize <= last.max(1), "{kind}: line {} of {last}: {}", issue.line, issue.what);
        assert!(!issue.what.is_empty(), "{kind}: an issue without words at line {}", issue.line);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    crate::samples().into_iter().map(|(kind, text)| [kind.as_bytes(), b"\n", &text].concat()).collect()
}
