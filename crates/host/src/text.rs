//! Bytes that others chose, as text that stays on one line.

use std::fmt::Write as _;

/// Bytes as text: control characters and bytes that are not UTF-8 become `\xNN`, so that a file name or a
/// command line can neither break a line nor steer a terminal. Clean text comes back as it is.
pub(crate) fn escape(bytes: &[u8]) -> String {
    // Nearly every name is so, and is told from others many bytes at once.
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
    {
        return text.to_owned();
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_plain(character) {
                text.push(character);
            } else {
                let mut buffer = [0; 4];
                hex(&mut text, character.encode_utf8(&mut buffer).as_bytes());
            }
        }
        hex(&mut text, chunk.invalid());
    }
    text
}

/// Neither a control character (C0, DEL, C1) nor one of Unicode's own line ends or direction overrides.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_breaks_the_line() {
        assert_eq!(escape("plain text, ünïcode".as_bytes()), "plain text, ünïcode");
        assert_eq!(escape(b"a\nb\x1b[2Jc\0\x7f"), "a\\x0ab\\x1b[2Jc\\x00\\x7f");
        assert_eq!(escape(b"\xff\xc3("), "\\xff\\xc3(");
        assert_eq!(escape("\u{85}\u{2028}\u{202e}".as_bytes()), "\\xc2\\x85\\xe2\\x80\\xa8\\xe2\\x80\\xae");
        assert_eq!(escape(b""), "");
    }
}
