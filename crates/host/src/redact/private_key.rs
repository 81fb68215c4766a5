//! Private keys as PEM blocks (RFC 7468), whole, in one line with `\n` spelled out, or cut off: then everything
//! behind the first line goes. Certificates and public keys stay.

use super::{Counts, Pattern, none, pattern, replace};

static BLOCK: Pattern = Pattern::new(|| {
    pattern(r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<secret>.*?)(?:-----END|\z)")
});

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    replace(&[&BLOCK], "private-key", none, text, counts)
}
