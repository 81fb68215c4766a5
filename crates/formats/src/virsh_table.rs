//! Tables of virsh: `list --all`, `net-list`, `pool-list`, `vol-list`, `domblklist`, `domiflist`, `vcpupin`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// Line in the text.
    pub line: u32,
    /// Its cells, as many as there are columns.
    pub cells: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Line of the heads.
    pub line: u32,
    /// The heads of the columns: `Id`, `Name`, `State`.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// A cell of a row by the head of its column.
    #[must_use]
    pub fn cell<'a>(&self, row: &'a TableRow, column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|head| head == column)?;
        row.cells.get(at).map(String::as_str)
    }
}

/// The tables of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirshTable {
    /// In the order of the text.
    pub tables: Vec<Table>,
}

impl VirshTable {
    /// The cell of a column in the row whose `Name` is this, and its line.
    #[must_use]
    pub fn of(&self, name: &str, column: &str) -> Option<(u32, &str)> {
        self.tables.iter().find_map(|table| {
            let row = table.rows.iter().find(|row| table.cell(row, "Name") == Some(name))?;
            Some((row.line, table.cell(row, column)?))
        })
    }
}

impl View for VirshTable {
    const KIND: Kind = Kind::new("virsh_table");
    const SUREST: u8 = 92;
    const MARKS: &[&str] = &["-----------"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['$', '#']) || is_rule(line) {
                continue;
            }
            if is_head(line) {
                let columns = cells(line).into_iter().map(str::to_owned).collect();
                view.tables.push(Table { line: number, columns, rows: Vec::new() });
                continue;
            }
            let Some(table) = view.tables.last_mut() else {
                issues.push(Issue::new(number, "not a line of a table of virsh"));
                continue;
            };
            match row(line, table.columns.len()) {
                Some(cells) => table.rows.push(TableRow { line: number, cells }),
                None => issues.push(Issue::new(number, "a row with another number of cells than the head")),
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let mut lines =
            head.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['$', '#']));
        match (lines.next(), lines.next()) {
            (Some(first), Some(second)) if is_head(first) && is_rule(second) => 92,
            _ => 0,
        }
    }
}

/// The line below the heads.
fn is_rule(line: &str) -> bool {
    line.len() > 10 && line.bytes().all(|byte| byte == b'-')
}

fn is_head(line: &str) -> bool {
    const FIRST: [&str; 6] = ["Id", "Name", "Target", "Interface", "VCPU", "UUID"];
    const SECOND: [&str; 10] =
        ["Name", "State", "Path", "Source", "Type", "CPU", "Usage", "Autostart", "Status", "MAC address"];
    match cells(line)[..] {
        [first, second, ..] => FIRST.contains(&first) && SECOND.contains(&second),
        _ => false,
    }
}

/// Cells are set apart by two blanks at least; one in a cell is a part of it (`shut off`).
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// The cells of a row; where a name fills its column, a single blank is all that is left between two.
fn row(line: &str, columns: usize) -> Option<Vec<String>> {
    let found = cells(line);
    if found.len() == columns {
        return Some(found.into_iter().map(str::to_owned).collect());
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let (first, rest) = words.split_at_checked(columns.checked_sub(1)?)?;
    if rest.is_empty() {
        return None;
    }
    let last = rest.join(" ");
    Some(first.iter().map(|word| (*word).to_owned()).chain([last]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let (view, issues) = VirshTable::read(include_str!("../tests/samples/virsh_table.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.of("db", "State"), Some((4, "shut off")));
        assert_eq!(view.of("default", "Autostart"), Some((8, "no")));
        let narrow = "Id Name State\n-----------------\n 1    a-name-that-is-very-long-indeed in shutdown\n";
        // The heads stand too close to be told apart.
        assert_eq!(VirshTable::recognise("x", narrow), 0);
        let tight = " Id   Name   State\n------------------\n 1 a-long-name in shutdown\n";
        assert_eq!(VirshTable::read(tight).0.of("a-long-name", "State"), Some((3, "in shutdown")));
        assert_eq!(VirshTable::read("odd\n").1.len(), 1);
    }
}
