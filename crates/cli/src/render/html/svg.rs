//! The few shapes that our pictures are made of. Colours and fonts are the page's style.

use super::escaped;
use std::fmt::Write;

/// A drawing in the making; units are pixels at the page's usual size.
#[derive(Default)]
pub(super) struct Svg(String);

impl Svg {
    /// A rectangle with corners of radius 3.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\"/>",
            width.max(0.0),
            height.max(0.0)
        );
    }

    /// Untrusted text with its baseline at `y`.
    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let _ =
            writeln!(self.0, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
    }

    /// A line through points.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = points.iter().enumerate();
        let data = points.map(|(at, (x, y))| format!("{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' }));
        let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{}\"/>", data.collect::<Vec<_>>().join(""));
    }

    /// Shapes that belong together, with what a reader sees who rests on them.
    pub(super) fn titled(&mut self, title: &str, shapes: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, "<g><title>{}</title>", escaped(title));
        shapes(self);
        self.0.push_str("</g>\n");
    }

    /// The picture for the page.
    pub(super) fn finish(self, title: &str, (width, height): (f64, f64)) -> String {
        format!(
            "<div class=\"wide\"><svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             role=\"img\"><title>{}</title>\n{}</svg></div>\n",
            escaped(title),
            self.0
        )
    }
}

/// As much of a text as fits into a width. Letters of our font are some 6.3 pixels wide at 12 pixels, those of the one
/// with fixed width 7.3.
pub(super) fn fit(text: &str, width: f64, letter: f64) -> String {
    let most = (width / letter).max(1.0) as usize;
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Width of a letter of the usual font.
pub(super) const LETTER: f64 = 6.3;

/// Width of a letter of the font with fixed width.
pub(super) const MONO: f64 = 7.3;

/// A size in the unit that a person would use.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let rounded = if value < 100.0 { (value * 10.0).round() / 10.0 } else { value.round() };
    format!("{rounded} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::{Svg, fit, size};

    #[test]
    fn sizes_and_texts_are_as_short_as_they_can_be() {
        assert_eq!(size(2 << 20), "2 MiB");
        assert_eq!(size(64_000 << 20), "62.5 GiB");
        assert_eq!(size(512), "0.5 KiB");
        assert_eq!(size((63 << 30) - 1), "63 GiB");
        assert_eq!(fit("abcdef", 30.0, 10.0), "ab…");
        assert_eq!(fit("abc", 30.0, 10.0), "abc");
    }

    #[test]
    fn text_in_a_picture_is_data() {
        let mut svg = Svg::default();
        svg.titled("</title><script>", |svg| svg.text("", (0.0, 0.0), "</text>&"));
        let picture = svg.finish("<x>", (1.0, 1.0));
        assert!(!picture.contains("<script") && !picture.contains("<x>"), "{picture}");
        assert_eq!(picture.matches("</text>").count(), 1);
    }
}
