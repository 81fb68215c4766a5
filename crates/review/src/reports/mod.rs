//! A review as people read it. Pure: the same review gives the same bytes. Whatever a guest wrote is data: it
//! cannot steer a terminal or a browser from here.

mod html;
mod text;

pub use html::html;
pub use text::text;

use vmwright_model::{Gate, Measurement, Review};

/// The word for an outcome, and its reason.
fn outcome(gate: &Gate) -> (&'static str, &str) {
    (gate.outcome.word(), gate.outcome.why())
}

/// What the verdict says nothing of.
fn left_out(review: &Review) -> Option<String> {
    if review.left_out.is_empty() {
        return None;
    }
    let names: Vec<String> = review.left_out.iter().map(|name| visible(name)).collect();
    Some(format!("not tried: {} (--full tries them, --gates each)", names.join(", ")))
}

/// A character that a terminal or a reader would obey and not show: controls, and those that turn or hide text.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with every such character written as `\u{..}`.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push(' '),
            _ if is_unseen(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

/// A figure with its unit, as many digits as are of use.
fn figure(measurement: &Measurement) -> String {
    let Measurement { value, unit, .. } = measurement;
    let value =
        if unit == "count" || unit == "bytes" { format!("{value:.0}") } else { format!("{value:.2}") };
    format!("{value} {}", visible(unit))
}

/// Measurements that are not single round trips: those are for the plot.
fn figures(gate: &Gate) -> impl Iterator<Item = &Measurement> {
    gate.measurements.iter().filter(|measurement| !measurement.name.contains(crate::gates::network::TRIP))
}

#[cfg(test)]
mod tests;
