//! Passwords in URLs: `scheme://user:password@host` (RFC 3986, 3.2.1).

use super::{Counts, Pattern, none, pattern, replace};

static USERINFO: Pattern =
    Pattern::new(|| pattern(r#"(?i)[a-z][a-z0-9+.-]*://[^\s/:@'"<>]*:(?P<secret>[^\s/'"<>]+)@"#));

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&USERINFO], "url-password", none, text, counts)
}
