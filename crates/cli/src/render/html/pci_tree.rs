//! PCI functions as rows of a tree, in which neighbours that are alike share a row.

use std::collections::BTreeMap;
use vmwright_model::topology::PciFunction;

/// From so many neighbours on they share a row.
const ALIKE: usize = 3;

/// How many rows there are at most.
const ROWS: usize = 600;

/// One row.
#[derive(Debug, PartialEq)]
pub(super) enum Row<'f> {
    /// A root bus.
    Bus {
        /// Domain and bus, `0000:3a`.
        name: &'f str,
        /// The node that all of its functions are on.
        node: Option<u32>,
    },
    /// Functions.
    Functions {
        /// How many bridges are above them.
        depth: usize,
        /// Row of the bridge above.
        parent: Option<usize>,
        /// One, or several that are alike.
        functions: Vec<&'f PciFunction>,
    },
    /// What did not fit: how many functions.
    Rest(usize),
}

/// The rows: root buses in order, below each its functions. `own` says which function has a row of its own.
pub(super) fn rows<'f>(functions: &'f [PciFunction], own: &dyn Fn(&PciFunction) -> bool) -> Vec<Row<'f>> {
    let place: BTreeMap<&str, usize> =
        functions.iter().enumerate().map(|(at, one)| (&*one.address, at)).collect();
    let above = |at: usize| functions[at].parent.as_deref().and_then(|parent| place.get(parent)).copied();
    let mut below: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for at in 0..functions.len() {
        below.entry(above(at)).or_default().push(at);
    }
    let mut tree = Tree { functions, below, own, shown: vec![false; functions.len()], rows: Vec::new() };
    let roots = tree.below.remove(&None).unwrap_or_default();
    tree.roots(&roots);
    // Bridges that are each above the other have no root; a text can say so.
    let cut: Vec<usize> = (0..functions.len()).filter(|at| !tree.shown[*at]).collect();
    tree.below.clear();
    tree.roots(&cut);
    if tree.rows.len() > ROWS {
        let left = tree.rows.split_off(ROWS).iter().map(Row::count).sum();
        tree.rows.push(Row::Rest(left));
    }
    tree.rows
}

impl Row<'_> {
    fn count(&self) -> usize {
        match self {
            Row::Bus { .. } => 0,
            Row::Functions { functions, .. } => functions.len(),
            Row::Rest(count) => *count,
        }
    }
}

struct Tree<'f, 'o> {
    functions: &'f [PciFunction],
    below: BTreeMap<Option<usize>, Vec<usize>>,
    own: &'o dyn Fn(&PciFunction) -> bool,
    shown: Vec<bool>,
    rows: Vec<Row<'f>>,
}

impl<'f> Tree<'f, '_> {
    fn roots(&mut self, roots: &[usize]) {
        let functions = self.functions;
        let bus = |at: usize| functions[at].address.rsplit_once(':').map_or("", |(bus, _)| bus);
        for roots in roots.chunk_by(|one, other| bus(*one) == bus(*other)) {
            let first = functions[roots[0]].node;
            let node = first.filter(|_| roots.iter().all(|at| functions[*at].node == first));
            self.rows.push(Row::Bus { name: bus(roots[0]), node });
            self.siblings(roots);
        }
    }

    /// Rows of functions below one bridge and of all that is below them. Without recursion: a chain of bridges may be
    /// as long as a text says.
    fn siblings(&mut self, first: &[usize]) {
        // What is still to come at each depth, the next at the end.
        let mut open: Vec<(Option<usize>, Vec<Vec<usize>>)> = vec![(None, self.runs(first))];
        while let Some((parent, runs)) = open.last_mut() {
            let (parent, Some(run)) = (*parent, runs.pop()) else {
                open.pop();
                continue;
            };
            let row = self.rows.len();
            run.iter().for_each(|at| self.shown[*at] = true);
            let functions = run.iter().map(|at| &self.functions[*at]).collect();
            self.rows.push(Row::Functions { depth: open.len() - 1, parent, functions });
            if let [bridge] = run[..]
                && let Some(children) = self.below.remove(&Some(bridge))
            {
                let children: Vec<usize> = children.into_iter().filter(|at| !self.shown[*at]).collect();
                open.push((Some(row), self.runs(&children)));
            }
        }
    }

    /// Which siblings share a row, the last first.
    fn runs(&self, siblings: &[usize]) -> Vec<Vec<usize>> {
        let mut runs: Vec<Vec<usize>> = Vec::new();
        for run in siblings.chunk_by(|one, other| self.alike(*one, *other)) {
            match run.len() {
                ..ALIKE => runs.extend(run.iter().map(|at| vec![*at])),
                _ => runs.push(run.to_vec()),
            }
        }
        runs.reverse();
        runs
    }

    fn alike(&self, one: usize, other: usize) -> bool {
        let plain = |at: usize| !self.below.contains_key(&Some(at)) && !(self.own)(&self.functions[at]);
        let key = |at: usize| {
            let function = &self.functions[at];
            let class = function.what.split(": ").next().unwrap_or_default();
            (class, function.driver.as_deref(), function.physical.as_deref(), function.bridge)
        };
        plain(one) && plain(other) && key(one) == key(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(address: &str, parent: Option<&str>, what: &str) -> PciFunction {
        PciFunction {
            address: format!("0000:{address}"),
            parent: parent.map(|parent| format!("0000:{parent}")),
            what: what.to_owned(),
            ..PciFunction::default()
        }
    }

    /// Each row as its depth and first address, with the number of functions where they are several.
    fn told(functions: &[PciFunction], own: &str) -> Vec<String> {
        let rows = rows(functions, &|function| function.address.ends_with(own));
        let told = rows.iter().map(|row| match row {
            Row::Bus { name, .. } => format!("bus {name}"),
            Row::Functions { depth, functions, .. } => match functions.as_slice() {
                [one] => format!("{depth} {}", one.address),
                [first, ..] => format!("{depth} {} x{}", first.address, functions.len()),
                [] => "nothing".to_owned(),
            },
            Row::Rest(count) => format!("rest {count}"),
        });
        told.collect()
    }

    #[test]
    fn children_stand_below_their_bridge_and_alike_neighbours_share_a_row() {
        let mut functions = vec![
            function("00:00.0", None, "host bridge"),
            function("00:01.0", None, "PCI bridge"),
            function("01:00.0", Some("00:01.0"), "Ethernet: PF"),
            function("01:02.0", Some("00:01.0"), "Ethernet: VF"),
            function("01:02.1", Some("00:01.0"), "Ethernet: VF"),
            function("01:02.2", Some("00:01.0"), "Ethernet: VF"),
            function("3a:00.0", None, "system peripheral"),
        ];
        functions[3..6].iter_mut().for_each(|vf| vf.physical = Some("0000:01:00.0".to_owned()));
        let expect = [
            "bus 0000:00",
            "0 0000:00:00.0",
            "0 0000:00:01.0",
            "1 0000:01:00.0",
            "1 0000:01:02.0 x3",
            "bus 0000:3a",
            "0 0000:3a:00.0",
        ];
        assert_eq!(told(&functions, "none"), expect);
        assert_eq!(told(&functions, "01:02.1")[4..7], ["1 0000:01:02.0", "1 0000:01:02.1", "1 0000:01:02.2"]);
    }

    #[test]
    fn bridges_in_a_circle_and_chains_without_end_are_rows_like_others() {
        let circle = [
            function("01:00.0", Some("02:00.0"), "a"),
            function("02:00.0", Some("01:00.0"), "b"),
            function("03:00.0", Some("03:00.0"), "c"),
        ];
        let shown: Vec<String> =
            told(&circle, "none").into_iter().filter(|row| !row.starts_with("bus")).collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        let address = |at: usize| format!("{:02x}:{:02x}.{}", at / 256, at / 8 % 32, at % 8);
        let chain: Vec<PciFunction> = (0..4096)
            .map(|at| function(&address(at), (at > 0).then(|| address(at - 1)).as_deref(), &at.to_string()))
            .collect();
        assert!(told(&chain, "none").last().unwrap().starts_with("rest "));
    }
}
