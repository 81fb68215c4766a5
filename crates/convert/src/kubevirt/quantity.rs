//! Kubernetes' quantities: a number with a binary or decimal unit (`apimachinery/pkg/api/resource/quantity.go`).

use crate::json::{Port, size_text};
use serde_json::Value;
use vmwright_formats::machine_spec::parse_size;

/// Units, and how many bytes one is.
const UNITS: [(&str, u64); 11] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("", 1),
];

/// Digits before and behind the point that are looked at; more no size needs.
const DIGITS: usize = 18;

/// Bytes of a quantity, rounded up to whole KiB as libvirt counts memory; none where it is no size.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let thousandth = thousandths(&text)?;
    let kib = thousandth.div_ceil(1000 << 10);
    u64::try_from(kib.checked_mul(1 << 10)?).ok().filter(|bytes| *bytes > 0 && i64::try_from(*bytes).is_ok())
}

/// A count of processors, rounded up: `1500m` are two.
pub(super) fn count(value: &Value) -> Option<u32> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let thousandth = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<u128>().ok()?,
        None => thousandths(&text)?,
    };
    u32::try_from(thousandth.div_ceil(1000)).ok().filter(|count| (1..=4096).contains(count))
}

fn thousandths(text: &str) -> Option<u128> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || whole.len() > DIGITS || fraction.len() > DIGITS {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let power = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let number = digits(whole)?.checked_mul(power)?.checked_add(digits(fraction)?)?;
    number.checked_mul(u128::from(*unit))?.checked_mul(1000).map(|product| product.div_ceil(power))
}

/// A size of the specification as a quantity.
fn quantity(text: &str) -> Option<Value> {
    let text = size_text(parse_size(text).ok()?)?;
    Some(text.strip_suffix('B')?.into())
}

/// A size.
pub(super) fn size(port: &mut Port<'_>, key: &str, field: &mut Option<String>) {
    port.by(key, field, |value| size_text(bytes(value)?), |text| quantity(text));
}

#[cfg(test)]
mod tests {
    use super::{bytes, count, quantity};
    use serde_json::json;

    #[test]
    fn quantities_are_bytes() {
        for (value, wanted) in [
            (json!("128Mi"), Some(128 << 20)),
            (json!("1.5Gi"), Some(3 << 29)),
            (json!("1024M"), Some(1_024_000_000)),
            (json!("64M"), Some(64_000_000)),
            (json!("1"), Some(1024)),
            (json!(2048), Some(2048)),
            (json!("1M"), Some(1_000_448)),
            (json!("0"), None),
            (json!("1e3"), None),
            (json!("-1Gi"), None),
            (json!("Gi"), None),
            (json!("9999999Pi"), None),
            (json!("999999999999999999999999Gi"), None),
            (json!(true), None),
        ] {
            assert_eq!(bytes(&value), wanted, "{value}");
        }
        assert_eq!(quantity("1536MiB"), Some("1536Mi".into()));
        assert_eq!(
            [count(&json!("1500m")), count(&json!(3)), count(&json!("0.5")), count(&json!("x"))],
            [Some(2), Some(3), Some(1), None]
        );
    }
}
