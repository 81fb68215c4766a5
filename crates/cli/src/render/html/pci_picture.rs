//! The picture of the PCI tree: a row a function, IOMMU groups as boxes around their rows, and what VMs are given in
//! their colours.

use super::pci_tree::{Row, rows};
use super::svg::{LETTER, MONO, Svg, fit};
use super::topology::{WIDTH, colour, letter};
use std::collections::BTreeMap;
use vmwright_model::Topology;
use vmwright_model::topology::PciFunction;

const HEIGHT: f64 = 21.0;
const INDENT: f64 = 16.0;
const GAP: f64 = 16.0;

/// Room for the name of a group at the right.
const LABEL: f64 = 112.0;

/// From so many rows on there are two columns.
const TALL: usize = 36;

/// How deep rows are moved in; what lies deeper stands there as well.
const DEEP: usize = 8;

/// A row with its place.
struct Placed<'r, 'f> {
    row: &'r Row<'f>,
    x: f64,
    y: f64,
}

/// The picture; nothing where no function is known. `concerned` says which address a cause is about.
pub(super) fn picture(topology: &Topology, concerned: &dyn Fn(&str) -> bool) -> String {
    if topology.functions.is_empty() {
        return String::new();
    }
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    for (vm, placement) in topology.placements.iter().enumerate() {
        for device in &placement.devices {
            owners.entry(device).or_insert(vm);
        }
    }
    let assigned = |address: &str| owners.get(address).copied();
    // What shares a group with what a VM has is of interest as well.
    let mut groups: Vec<u32> = topology
        .functions
        .iter()
        .filter(|function| assigned(&function.address).is_some())
        .filter_map(|function| function.group)
        .collect();
    groups.sort_unstable();
    let own = |function: &PciFunction| {
        assigned(&function.address).is_some()
            || function.group.is_some_and(|group| groups.binary_search(&group).is_ok())
            || concerned(&function.address)
    };
    let rows = rows(&topology.functions, &own);
    let (columns, width) = if rows.len() > TALL { (2, (WIDTH - GAP) / 2.0) } else { (1, WIDTH) };
    let placed = place(&rows, columns, width);
    let short = topology.functions.iter().all(|function| function.address.starts_with("0000:"));
    let whole = topology.functions.iter().any(|function| function.parent.is_some());
    let picture = Picture { placed: &placed, width, whole, short, assigned: &assigned };
    let mut svg = Svg::default();
    picture.marks(&mut svg);
    picture.groups(&mut svg);
    for row in &placed {
        picture.row(row, &mut svg);
    }
    let height = placed.iter().map(|one| one.y + HEIGHT).fold(0.0, f64::max);
    svg.finish("PCI functions below their bridges, with IOMMU groups as boxes", (WIDTH, height + 2.0))
}

/// Rows in columns of about the same height. A column begins with a root bus or with a function of one.
fn place<'r, 'f>(rows: &'r [Row<'f>], columns: usize, width: f64) -> Vec<Placed<'r, 'f>> {
    let half = rows.len().div_ceil(columns);
    let is_top = |row: &Row<'_>| matches!(row, Row::Bus { .. } | Row::Functions { depth: 0, .. });
    let after = |from: usize| (from..rows.len()).find(|at| is_top(&rows[*at]));
    let cut = if columns == 1 { None } else { after(half) };
    let placed = rows.iter().enumerate().map(|(at, row)| match cut.filter(|cut| at >= *cut) {
        Some(cut) => Placed { row, x: width + GAP, y: (at - cut) as f64 * HEIGHT },
        None => Placed { row, x: 0.0, y: at as f64 * HEIGHT },
    });
    placed.collect()
}

struct Picture<'p, 'r, 'f> {
    placed: &'p [Placed<'r, 'f>],
    width: f64,
    /// Whether it was read what is above what: else any bus may be below another.
    whole: bool,
    /// Whether every function is of domain 0, so that it need not be named.
    short: bool,
    assigned: &'p dyn Fn(&str) -> Option<usize>,
}

impl Picture<'_, '_, '_> {
    /// The rows of what a VM has, in its colour.
    fn marks(&self, svg: &mut Svg) {
        for one in self.placed {
            let Row::Functions { functions, .. } = one.row else { continue };
            if let Some(vm) = functions.iter().find_map(|function| (self.assigned)(&function.address)) {
                let indent = INDENT * depth(one.row) as f64 + 1.0;
                let size = (self.width - indent - 1.0, HEIGHT - 3.0);
                svg.rect(&format!("{} may", colour(vm)), (one.x + indent, one.y + 1.5), size);
            }
        }
    }

    /// A box around neighbouring rows of the same groups.
    fn groups(&self, svg: &mut Svg) {
        let runs = self.placed.chunk_by(|one, other| {
            let same = groups(one.row) == groups(other.row) && !groups(one.row).is_empty();
            same && one.x == other.x
        });
        for run in runs {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let numbers = groups(first.row);
            let Some(number) = numbers.first() else { continue };
            let label = match numbers.as_slice() {
                [_] if run.len() > 1 => format!("IOMMU group {number}"),
                [_] => format!("group {number}"),
                several => format!("{} groups", several.len()),
            };
            let depth = run.iter().map(|one| depth(one.row)).min().unwrap_or(0);
            let x = first.x + INDENT * depth as f64 + 1.0;
            let class = if run.len() > 1 { "group shared" } else { "group" };
            let size = (first.x + self.width - 1.0 - x, last.y - first.y + HEIGHT - 3.0);
            svg.titled(&label, |svg| svg.rect(class, (x, first.y + 1.5), size));
            svg.text("tiny faint end", (first.x + self.width - 8.0, first.y + 15.0), &label);
        }
    }

    fn row(&self, one: &Placed<'_, '_>, svg: &mut Svg) {
        let (x, y) = (one.x, one.y + 15.0);
        match one.row {
            Row::Bus { name, node } => {
                let name = if self.short { name.trim_start_matches("0000:") } else { name };
                let node = node.map(|node| format!(", on node {node}")).unwrap_or_default();
                let bus = if self.whole { "root bus" } else { "bus" };
                svg.text("head", (x + 1.0, y), &format!("{bus} {name}{node}"));
            }
            Row::Rest(count) => svg.text("faint", (x + 1.0, y), &format!("and {count} more functions")),
            Row::Functions { parent, functions, .. } => {
                let x = x + INDENT * depth(one.row) as f64;
                if let Some(above) =
                    parent.and_then(|parent| self.placed.get(parent)).filter(|above| above.x == one.x)
                {
                    let elbow = one.x + INDENT * depth(above.row) as f64 + 12.0;
                    let middle = one.y + HEIGHT / 2.0;
                    svg.path(
                        "tree",
                        &[(elbow, above.y + HEIGHT - 3.0), (elbow, middle), (x.max(elbow) + 5.0, middle)],
                    );
                }
                self.functions(functions, x + 8.0, one.x + self.width - LABEL, y, svg);
            }
        }
    }

    /// Address, words and driver of one or several functions, between two places.
    fn functions(&self, functions: &[&PciFunction], left: f64, right: f64, y: f64, svg: &mut Svg) {
        let Some(first) = functions.first() else { return };
        let short = |address: &'_ str| {
            if self.short { address["0000:".len()..].to_owned() } else { address.to_owned() }
        };
        let mut title: String = functions.iter().take(40).map(|one| format!("{} ", one.address)).collect();
        title.push_str(&first.what);
        let address = short(&first.address);
        svg.titled(&title, |svg| {
            svg.text("mono", (left, y), &address);
            let mut words = left + MONO * (address.chars().count() as f64 + 1.5);
            let mut right = right;
            if let Some(driver) = &first.driver {
                let driver = fit(driver, 100.0, LETTER);
                let width = driver.chars().count() as f64 * 5.8 + 12.0;
                right -= width;
                let class = if driver == "vfio-pci" { "driver vfio" } else { "driver" };
                svg.rect(class, (right, y - 12.0), (width, 15.0));
                svg.text("tiny", (right + 6.0, y - 1.0), &driver);
                right -= 6.0;
            }
            if let Some(vm) = functions.iter().find_map(|function| (self.assigned)(&function.address)) {
                svg.rect(&colour(vm), (words, y - 12.0), (18.0, 15.0));
                svg.text("mid tiny", (words + 9.0, y - 1.0), &letter(vm).to_string());
                words += 24.0;
            }
            let what = match functions.len() {
                1 => words_of(first),
                count => format!(
                    "and {} more alike, up to {}: {}",
                    count - 1,
                    short(&functions[count - 1].address),
                    words_of(first)
                ),
            };
            svg.text("", (words, y), &fit(&what, right - words, LETTER));
        });
    }
}

/// What a function is, without what every name has.
fn words_of(function: &PciFunction) -> String {
    let words = match function.what.split_once(": ") {
        Some((class, _)) if function.bridge => class,
        Some((_, name)) => name,
        None => &function.what,
    };
    let noise = [
        " Corporation",
        " Co., Ltd.",
        " Co.,Ltd.",
        " Inc.",
        ", Inc.",
        " Ltd.",
        " Limited",
        " Technologies",
        ",",
    ];
    noise.iter().fold(words.to_owned(), |words, noise| words.replacen(noise, "", 1))
}

fn depth(row: &Row<'_>) -> usize {
    match row {
        Row::Functions { depth, .. } => (*depth).min(DEEP),
        Row::Bus { .. } | Row::Rest(_) => 0,
    }
}

/// The groups of a row's functions, each once.
fn groups(row: &Row<'_>) -> Vec<u32> {
    let Row::Functions { functions, .. } = row else { return Vec::new() };
    let mut groups: Vec<u32> = functions.iter().filter_map(|function| function.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}
