//! Quoting of untrusted text in one line.

/// The longest quote, in characters.
const LONGEST: usize = 300;

/// One line of untrusted text: without its ending, cut where it is very long. Control characters stay; the
/// reports make them harmless where they are shown.
pub(crate) fn line(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A line with where it was read.
pub(crate) fn from(source: &str, text: &str) -> String {
    format!("{source}: {}", line(text))
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(super::from("serial", "short\r\n"), "serial: short");
        let cut = super::line(&"ä".repeat(1000));
        assert_eq!((cut.chars().count(), cut.ends_with("ä...")), (303, true));
    }
}
