//! Passwords in domain XML and other XML: of VNC and SPICE, of storage and of the guest's own set-up.

use super::{Counts, Pattern, none, replace};

/// `passwd='...'` of `<graphics>` and its like (libvirt formatdomain).
static ATTRIBUTE: Pattern = Pattern::new(
    r#"(?i)[\s:]pass(?:wd|word|phrase)\s*=\s*'(?P<secret>[^'\n]*)'"#,
    &["passphrase", "passwd", "password"],
);
static QUOTED_ATTRIBUTE: Pattern = Pattern::new(
    r#"(?i)[\s:]pass(?:wd|word|phrase)\s*=\s*"(?P<secret>[^"\n]*)""#,
    &["passphrase", "passwd", "password"],
);
static ELEMENT: Pattern = Pattern::new(
    r"(?i)<(?:[a-z]+:)?[a-z_]*pass(?:wd|word|phrase)(?:\s[^<>]*)?>(?P<secret>[^<]+)</",
    &["passphrase", "passwd", "password"],
);
/// The same as text inside other XML.
static ESCAPED: Pattern = Pattern::new(
    r"(?i)&lt;(?:[a-z]+:)?[a-z_]*pass(?:wd|word|phrase)(?:\s[^<>&]*)?(?:>|&gt;)(?P<secret>[^<\n]+?)&lt;/",
    &["passphrase", "passwd", "password"],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&ATTRIBUTE, &QUOTED_ATTRIBUTE, &ELEMENT, &ESCAPED], "xml-password", none, text, counts)
}
