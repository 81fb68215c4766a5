//! A machine that a VMM cannot be told as a whole is not started as another one.

use crate::StartError;
use vmwright_convert::{Effect, Remark};

/// Refuses a machine of which something is lost or altered, but for these items and what is below them.
pub(crate) fn refuse(backend: &'static str, remarks: &[Remark], unmissed: &[&str]) -> Result<(), StartError> {
    let below = |item: &str, whole: &str| {
        item.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let items: Vec<String> = remarks
        .iter()
        .filter(|remark| remark.effect != Effect::Defaulted)
        .filter(|remark| !unmissed.iter().any(|whole| below(&remark.item, whole)))
        .map(|remark| format!("{}: {}", remark.item, remark.why))
        .collect();
    if items.is_empty() { Ok(()) } else { Err(StartError::Unsayable { backend, items }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_refused_and_named() {
        let remark = |effect, item: &str| Remark { effect, item: item.to_owned(), why: "why".to_owned() };
        let fine = [
            remark(Effect::Defaulted, "rng"),
            remark(Effect::Lost, "agent"),
            remark(Effect::Lost, "video.0.model"),
        ];
        assert!(refuse("x", &fine, &["agent", "video"]).is_ok());
        let told = refuse("x", &fine, &["agent"]).expect_err("a card is lost").to_string();
        assert_eq!(told, "the backend `x` cannot run this machine as it is described: video.0.model: why");
        assert!(refuse("x", &[remark(Effect::Lost, "agents")], &["agent"]).is_err());
    }
}
