//! Hashes of passwords as crypt(5) writes them: `$6$salt$hash` and its relatives. A hash can be tried out at home.

use super::{Counts, Pattern, none, replace};

static CRYPT: Pattern =
    Pattern::new(r"(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|md5|sha1|argon2id?)\$[./A-Za-z0-9=,$+-]{8,})", &[]);

/// Of an LDAP directory (RFC 2307), and of GRUB.
static MARKED: Pattern = Pattern::new(
    r"(?:\{(?:S?SHA[0-9]*|S?MD5|CRYPT)\}|\bgrub\.pbkdf2\.sha512\.[0-9]{1,9}\.)(?P<secret>[A-Za-z0-9+/=$.]{6,})",
    &["crypt", "grub.pbkdf2.sha512.", "md5", "sha"],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    // No word tells that there can be a hash, but this letter.
    let all = [&CRYPT, &MARKED];
    let patterns = if text.contains(&b'$') { &all[..] } else { &all[1..] };
    replace(patterns, "password-hash", none, text, counts)
}
