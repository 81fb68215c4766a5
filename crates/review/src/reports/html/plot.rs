//! The plots of a review.

use super::escape;
use crate::gates::{boot, network};
use crate::statistics::median;
use std::collections::BTreeMap;
use std::fmt::Write;
use vmwright_model::Gate;

/// Where the bars begin and end, in the units of the drawing.
const LEFT: f64 = 150.0;
const RIGHT: f64 = 560.0;
const WIDTH: f64 = 640.0;

/// Draws how long each stage of the boot took, one bar below the other, each from where the one before ended.
pub(super) fn stages(gate: &Gate, page: &mut String) {
    let time = |name: &str| {
        gate.measurements.iter().find(|m| m.name == name).map(|m| m.value).filter(|value| is_drawable(*value))
    };
    let bars: Vec<(&str, f64)> = [boot::FIRMWARE, boot::KERNEL, boot::INIT]
        .into_iter()
        .filter_map(|name| Some((name, time(name)?)))
        .collect();
    let total: f64 = bars.iter().map(|(_, time)| time).sum();
    if total <= 0.0 {
        return;
    }
    let height = 30.0 + 26.0 * bars.len() as f64;
    let x = |time: f64| LEFT + (RIGHT - LEFT) * time / total;
    open("Time of each stage of the boot", height, page);
    let mut began = 0.0;
    for (row, (name, time)) in bars.iter().enumerate() {
        let top = 4.0 + 26.0 * row as f64;
        let (from, width) = (x(began), (x(*time) - LEFT).max(1.0));
        let _ = writeln!(
            page,
            "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"18\" rx=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{time:.2} s</text>",
            LEFT - 8.0,
            top + 13.0,
            escape(name),
            from + width + 6.0,
            top + 13.0,
        );
        began += time;
    }
    let axis = height - 24.0;
    let _ =
        write!(page, "<line class=\"rule\" x1=\"{LEFT}\" y1=\"{axis:.1}\" x2=\"{RIGHT}\" y2=\"{axis:.1}\"/>");
    for quarter in 0..=4 {
        let at = total * f64::from(quarter) / 4.0;
        let _ = write!(
            page,
            "<text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.1}</text>",
            x(at),
            axis + 15.0
        );
    }
    page.push_str("\n</svg>\n<figcaption>Boot, seconds</figcaption></figure>\n");
}

/// Draws every round trip that came back as a dot, and their median as a line; one plot for each address.
pub(super) fn round_trips(gate: &Gate, page: &mut String) {
    let mut addresses: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for measurement in &gate.measurements {
        if let Some((address, _)) = measurement.name.split_once(network::TRIP) {
            addresses.entry(address).or_default().push(measurement.value);
        }
    }
    for (address, trips) in addresses {
        let caption = "milliseconds, in the order in which they were sent; the dashed line is the median";
        dots(&format!("Round trips to {address}"), caption, &trips, "ms", page);
    }
}

/// Draws the figures of each measurement that was run several times: what was measured in the guest, and what was left to
/// send while it moved.
pub(super) fn runs(gate: &Gate, page: &mut String) {
    for measurement in gate.measurements.iter().filter(|one| one.samples.len() > 1) {
        let caption =
            format!("{}, in the order of the runs; the dashed line is the median", measurement.unit);
        dots(&measurement.name, &caption, &measurement.samples, &measurement.unit, page);
    }
}

/// Figures as dots from left to right, with their median as a line.
fn dots(title: &str, caption: &str, figures: &[f64], unit: &str, page: &mut String) {
    let figures: Vec<f64> = figures.iter().copied().filter(|figure| is_drawable(*figure)).collect();
    let highest = figures.iter().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return;
    }
    let digits = if highest < 100.0 { 2 } else { 0 };
    let (top, bottom) = (12.0, 132.0);
    let y = |figure: f64| bottom - (bottom - top) * figure / highest;
    open(title, 150.0, page);
    for at in [0.0, highest / 2.0, highest] {
        let level = y(at);
        let _ = writeln!(
            page,
            "<line class=\"rule\" x1=\"80\" y1=\"{level:.1}\" x2=\"{RIGHT}\" y2=\"{level:.1}\"/>\
             <text class=\"soft\" x=\"74\" y=\"{:.1}\" text-anchor=\"end\">{at:.digits$}</text>",
            level + 4.0
        );
    }
    if let Some(median) = median(&figures) {
        let level = y(median);
        let _ = writeln!(
            page,
            "<line class=\"median\" x1=\"80\" y1=\"{level:.1}\" x2=\"{RIGHT}\" y2=\"{level:.1}\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\">{median:.digits$}</text>",
            RIGHT + 6.0,
            level + 4.0
        );
    }
    let step = (RIGHT - 100.0) / figures.len() as f64;
    for (number, figure) in figures.iter().enumerate() {
        let x = 90.0 + step * (number as f64 + 0.5);
        let _ = write!(
            page,
            "<circle class=\"bar\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{}: {figure:.2} {}</title></circle>",
            y(*figure),
            number + 1,
            escape(unit)
        );
    }
    let _ =
        writeln!(page, "\n</svg>\n<figcaption>{}, {}</figcaption></figure>", escape(title), escape(caption));
}

fn open(title: &str, height: f64, page: &mut String) {
    let _ = writeln!(
        page,
        "<figure><svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\"><title>{}</title>",
        escape(title)
    );
}

/// A review may come from a file that somebody wrote by hand.
fn is_drawable(value: f64) -> bool {
    value.is_finite() && (0.0..1e15).contains(&value)
}
