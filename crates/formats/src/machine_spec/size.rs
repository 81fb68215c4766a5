//! Sizes as the specification writes them: a whole number with a binary unit.

use thiserror::Error;

/// Units and their powers of two. Decimal units are left out on purpose: memory is counted in pages.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// It does not begin with a whole number.
    #[error("size `{0}` does not begin with a whole number; write it like `256MiB`")]
    NoNumber(String),
    /// The unit is missing or not one of the four.
    #[error("size `{0}` has no unit of KiB, MiB, GiB or TiB; did you mean `{1}`?")]
    BadUnit(String, String),
    /// Nothing has size zero.
    #[error("size `{0}` is zero")]
    Zero(String),
    /// More than 2^63 bytes.
    #[error("size `{0}` is larger than any machine")]
    TooLarge(String),
}

/// Reads a size, in bytes. Blanks between number and unit are allowed.
///
/// # Errors
/// [`SizeError`] names what is wrong with the text.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    // What is quoted in an error is bounded: the text may be anything.
    let quoted = || text.chars().take(40).collect::<String>();
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() || unit.starts_with('.') {
        return Err(SizeError::NoNumber(quoted()));
    }
    let Some((_, shift)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let letter = unit.chars().next().map(|letter| letter.to_ascii_uppercase());
        let meant = UNITS.iter().find(|(name, _)| name.chars().next() == letter).map_or("MiB", |unit| unit.0);
        return Err(SizeError::BadUnit(quoted(), format!("{}{meant}", &number[..number.len().min(20)])));
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    match bytes {
        Some(0) => Err(SizeError::Zero(quoted())),
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(SizeError::TooLarge(quoted())),
    }
}

#[cfg(test)]
mod tests {
    use super::{SizeError, parse_size};

    #[test]
    fn units_are_binary() {
        assert_eq!(parse_size("1KiB"), Ok(1024));
        assert_eq!(parse_size("256MiB"), Ok(256 << 20));
        assert_eq!(parse_size(" 4 GiB "), Ok(4 << 30));
        assert_eq!(parse_size("2TiB"), Ok(2 << 40));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse_size("4G"), Err(SizeError::BadUnit("4G".into(), "4GiB".into())));
        assert_eq!(parse_size("512"), Err(SizeError::BadUnit("512".into(), "512MiB".into())));
        assert_eq!(parse_size("256mib"), Err(SizeError::BadUnit("256mib".into(), "256MiB".into())));
        assert!(matches!(parse_size("big"), Err(SizeError::NoNumber(_))));
        assert!(matches!(parse_size(""), Err(SizeError::NoNumber(_))));
        assert!(matches!(parse_size("1.5GiB"), Err(SizeError::NoNumber(_))));
        assert!(matches!(parse_size("-1GiB"), Err(SizeError::NoNumber(_))));
        assert!(matches!(parse_size("0MiB"), Err(SizeError::Zero(_))));
        assert!(matches!(parse_size("99999999999TiB"), Err(SizeError::TooLarge(_))));
        assert!(matches!(parse_size("99999999999999999999999MiB"), Err(SizeError::TooLarge(_))));
    }
}
