//! The one printer of error chains.

/// Before each item of an error that lists several.
const ITEM: &str = "\n  ";

/// `error: <what>: <why>: <why>`.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let shown = |part: &str| part.split(ITEM).map(super::shown).collect::<Vec<_>>().join(ITEM);
    let parts: Vec<String> = error.chain().map(|part| shown(&part.to_string())).collect();
    format!("error: {}", parts.join(": "))
}
