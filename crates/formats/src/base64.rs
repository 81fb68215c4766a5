//! Base64 (RFC 4648, section 4), as the guest agent protocol wraps bytes and ssh-keygen its signatures.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text, padded.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let group =
            three.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = char::from(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]);
            // Of n bytes come n + 1 letters; the rest is padding.
            text.push(if place <= three.len() { letter } else { '=' });
        }
    }
    text
}

/// Text as bytes; strict: padded, no blanks, no stray bits. None where it is none.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut decoded = Vec::with_capacity(bytes.len() / 4 * 3);
    let last = (bytes.len() / 4).saturating_sub(1);
    for (at, quad) in bytes.chunks_exact(4).enumerate() {
        let padding = quad.iter().rev().take_while(|byte| **byte == b'=').count();
        if padding > 2 || (padding > 0 && at != last) {
            return None;
        }
        let mut bits = 0_u32;
        for byte in &quad[..4 - padding] {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * padding;
        let whole = bits.to_be_bytes();
        let (kept, dropped) = whole[1..].split_at(3 - padding);
        if dropped.iter().any(|byte| *byte != 0) {
            return None;
        }
        decoded.extend_from_slice(kept);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in 0..70_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37) ^ 0xa5).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        assert_eq!(encode(b"fooba"), "Zm9vYmE=");
    }

    #[test]
    fn base64_is_strict() {
        for bytes in [b"".as_slice(), b"f", b"fo", b"foo", b"foob", b"\x00\xff\xfe"] {
            assert_eq!(decode(&encode(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(decode("Zm9v").as_deref(), Some(b"foo".as_slice()));
        for bad in ["Zg", "Zg=", "Z===", "====", "Zh==", "Zg==Zg==", "Zm 9", "Zm9\n", "ä=="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
