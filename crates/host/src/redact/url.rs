//! Passwords in URLs: `scheme://user:password@host` (RFC 3986, 3.2.1).

use super::{Counts, Pattern, none, replace};

static USERINFO: Pattern =
    Pattern::new(r#"(?i)[a-z][a-z0-9+.-]*://[^\s/:@'"<>]*:(?P<secret>[^\s/'"<>]+)@"#, &["://"]);

/// libiscsi separates the two with a per cent sign: `iscsi://user%password@host/...` (libiscsi, README).
static ISCSI: Pattern =
    Pattern::new(r#"(?i)\biscsi://[^\s%/@:'"<>]+%(?P<secret>[^\s/@'"<>]+)@"#, &["iscsi://"]);
/// Signatures that stand for a right: Azure, AWS, Google.
static SIGNATURE: Pattern = Pattern::new(
    r#"(?i)[?&;](?:sig|signature|x-amz-signature|x-goog-signature)=(?P<secret>[^\s&'"<>]{4,})"#,
    &[
        "&sig=",
        "&signature=",
        "&x-amz-signature=",
        "&x-goog-signature=",
        ";sig=",
        ";signature=",
        ";x-amz-signature=",
        ";x-goog-signature=",
        "?sig=",
        "?signature=",
        "?x-amz-signature=",
        "?x-goog-signature=",
    ],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&USERINFO, &ISCSI, &SIGNATURE], "url-password", none, text, counts)
}
