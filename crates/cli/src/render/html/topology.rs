//! The host as pictures: its NUMA nodes and its PCI tree, with what VMs are given of both marked in their colours.

use super::{escaped, nodes, pci_picture};
use std::fmt::Write;
use vmwright_model::topology::{CpuSet, Placement};
use vmwright_model::{Analysis, Topology};

/// Heading of the section.
pub(super) const TITLE: &str = "How the host is built";

/// Width of the pictures, in pixels: what the page has inside of a section.
pub(super) const WIDTH: f64 = 1064.0;

/// How many VMs have a colour of their own; the others share one.
const COLOURS: usize = 6;

/// How many VMs the legend names.
const LEGEND: usize = 40;

/// The pictures, or what was not read.
pub(super) fn section(analysis: &Analysis, page: &mut String) {
    let topology = &analysis.topology;
    let _ = writeln!(page, "<section id=\"host\">\n<h2>{TITLE}</h2>");
    legend(topology, page);
    if !topology.nodes.is_empty() {
        page.push_str(&nodes::picture(topology));
        if topology.placements.iter().any(|one| !one.pins.is_empty()) {
            page.push_str(
                "<p class=\"soft small\">A coloured cell is a CPU that virtual CPUs are bound to; a pale one is one of \
                 several that they may run on; a framed one is bound to more than once.</p>\n",
            );
        }
    }
    if !topology.functions.is_empty() {
        page.push_str(&pci_picture::picture(topology, &|address| concerned(analysis, address)));
        page.push_str(
            "<p class=\"soft small\">A box is an IOMMU group: a VM is given all of it or nothing. Coloured rows are \
             assigned to a VM. Neighbours that are alike share a row.</p>\n",
        );
    }
    for one in &topology.lacking {
        let mut sentence = super::grounds::spans(one);
        if let Some(first) = sentence.chars().next().filter(char::is_ascii_lowercase) {
            sentence.replace_range(..1, &first.to_ascii_uppercase().to_string());
        }
        let _ = writeln!(page, "<p class=\"soft small\">Not in the picture: {sentence}.</p>");
    }
    page.push_str("</section>\n");
}

/// Whether a cause is about a PCI function, so that it is shown by itself.
fn concerned(analysis: &Analysis, address: &str) -> bool {
    let short = address.strip_prefix("0000:").unwrap_or(address);
    let named = |text: &str| text.contains(short);
    analysis.causes.iter().any(|cause| named(&cause.subject) || named(&cause.title))
}

fn legend(topology: &Topology, page: &mut String) {
    if topology.placements.is_empty() {
        return;
    }
    page.push_str("<ul class=\"legend\">\n");
    for (index, placement) in topology.placements.iter().take(LEGEND).enumerate() {
        let _ = writeln!(
            page,
            "<li><svg viewBox=\"0 0 20 16\" width=\"20\" height=\"16\" role=\"img\"><title>mark of the VM</title>\
             <rect class=\"{}\" width=\"20\" height=\"16\" rx=\"3\"/><text class=\"mid head\" x=\"10\" y=\"13\">{}</text>\
             </svg><strong>{}</strong>: {}</li>",
            colour(index),
            letter(index),
            escaped(&placement.vm),
            escaped(&given(placement))
        );
    }
    if let Some(more) = topology.placements.len().checked_sub(LEGEND + 1) {
        let _ = writeln!(page, "<li>and {} more</li>", more + 1);
    }
    page.push_str("</ul>\n");
}

/// What a VM is given, in words.
fn given(placement: &Placement) -> String {
    let mut parts = Vec::new();
    if !placement.pins.is_empty() {
        let mut cpus: Vec<u32> = Vec::new();
        for (_, set) in placement.pins.iter().take(1024) {
            cpus.extend(set.numbers().take(8192usize.saturating_sub(cpus.len())));
        }
        cpus.sort_unstable();
        let set: CpuSet = cpus.into_iter().collect();
        let count = placement.pins.len();
        let plural = if count == 1 { "" } else { "s" };
        parts.push(format!("{count} virtual CPU{plural} bound to CPUs {set}"));
    }
    if !placement.nodes.0.is_empty() {
        parts.push(format!("memory from node {}", placement.nodes));
    }
    match placement.devices.as_slice() {
        [] => {}
        devices => {
            let named: Vec<&str> = devices.iter().take(8).map(String::as_str).collect();
            let more =
                if devices.len() > 8 { format!(" and {} more", devices.len() - 8) } else { String::new() };
            parts.push(format!("PCI {}{more}", named.join(", ")));
        }
    }
    parts.join("; ")
}

/// Class of a VM's colour.
pub(super) fn colour(index: usize) -> String {
    format!("vm{}", index.min(COLOURS))
}

/// Letter of a VM: colours alone tell nothing to some.
pub(super) fn letter(index: usize) -> char {
    u8::try_from(index).ok().filter(|index| *index < 26).map_or('+', |index| char::from(b'A' + index))
}
