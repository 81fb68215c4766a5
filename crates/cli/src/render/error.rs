//! The one printer of error chains.

/// `error: <what>: <why>: <why>`.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let parts: Vec<String> = error.chain().map(|part| super::shown(&part.to_string())).collect();
    format!("error: {}", parts.join(": "))
}
