//! Private keys as PEM blocks (RFC 7468), whole, in one line with `\n` spelled out, or cut off: then everything
//! behind the first line goes. Certificates and public keys stay.

use super::{Counts, Pattern, none, replace};

static BLOCK: Pattern = Pattern::new(
    r"(?s)-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}(?P<secret>.*?)(?:-{4,5} ?END|\z)",
    &["private key"],
);
/// PuTTY's own format.
static PUTTY: Pattern = Pattern::new(
    r"(?s)\bPrivate-Lines: [0-9]{1,6}\r?\n(?P<secret>.*?)(?:\nPrivate-(?:MAC|Hash):|\z)",
    &["private-lines: "],
);
static PUTTY_CODE: Pattern =
    Pattern::new(r"\bPrivate-(?:MAC|Hash):[ \t]*(?P<secret>\S+)", &["private-hash:", "private-mac:"]);
/// age(1).
static AGE: Pattern = Pattern::new(r"\b(?P<secret>AGE-SECRET-KEY-1[A-Z0-9]{20,})", &["age-secret-key-1"]);
/// The private members of a JSON Web Key (RFC 7518, 6).
static JWK: Pattern = Pattern::new(
    r#""(?:d|p|q|dp|dq|qi|k)"[ \t]*:[ \t]*"(?P<secret>[A-Za-z0-9_-]{6,})""#,
    &["\"d\"", "\"dp\"", "\"dq\"", "\"k\"", "\"p\"", "\"q\"", "\"qi\""],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let kind = "private-key";
    let keys = replace(&[&BLOCK, &PUTTY, &PUTTY_CODE, &AGE], kind, none, text, counts);
    let text = keys.as_deref().unwrap_or(text);
    if !text.windows(5).any(|word| word == b"\"kty\"") {
        return keys;
    }
    replace(&[&JWK], kind, none, text, counts).or(keys)
}
