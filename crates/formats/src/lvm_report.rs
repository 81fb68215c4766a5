//! Reports of LVM: `lvs`, `vgs`, `pvs`, with whatever columns, as text or with `--reportformat json`.

use crate::{View, lines::lines};
use std::collections::BTreeMap;
use vmwright_model::{Issue, Kind, Spanned};

/// A row of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LvmRow {
    /// Line in the text; in JSON the line of its first field.
    pub line: u32,
    /// Values by the field's name as JSON has it (`lv_name`, `data_percent`), empty ones left out.
    pub fields: BTreeMap<String, String>,
}

impl LvmRow {
    /// A field's value.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }

    /// A percentage, such as `data_percent`.
    #[must_use]
    pub fn percent(&self, field: &str) -> Option<f64> {
        self.get(field)?.trim_end_matches('%').parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// A size in bytes: `<4.00g`, `4194304B`, `512.00m`; letters count in powers of 1024.
    #[must_use]
    pub fn bytes(&self, field: &str) -> Option<u64> {
        let text = self.get(field)?.trim_start_matches('<').to_ascii_lowercase();
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: f64 = match &text[digits.len()..] {
            "b" | "" => 1.0,
            "k" => 1024.0,
            "m" => 1_048_576.0,
            "g" => 1_073_741_824.0,
            "t" => 1_099_511_627_776.0,
            _ => return None,
        };
        let number: f64 = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
        // LVM rounds to two places; the cast saturates.
        Some((number * unit) as u64)
    }

    /// Whether it is a thin pool, by its attributes (`twi-aotz--`).
    #[must_use]
    pub fn is_thin_pool(&self) -> bool {
        self.get("lv_attr").is_some_and(|attributes| attributes.starts_with(['t', 'T']))
    }
}

/// The reports of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LvmReport {
    /// Logical volumes, volume groups and physical volumes, in the order of the text.
    pub rows: Vec<LvmRow>,
    /// Warnings that LVM prints among them.
    pub warnings: Vec<Spanned<String>>,
}

/// Heads of columns and the fields that they stand for (`lib/report/columns.h`).
const HEADS: [(&str, &str); 26] = [
    ("LV", "lv_name"),
    ("VG", "vg_name"),
    ("PV", "pv_name"),
    ("Attr", "attr"),
    ("LSize", "lv_size"),
    ("Pool", "pool_lv"),
    ("Origin", "origin"),
    ("Data%", "data_percent"),
    ("Meta%", "metadata_percent"),
    ("Move", "move_pv"),
    ("Log", "mirror_log"),
    ("Cpy%Sync", "copy_percent"),
    ("Convert", "convert_lv"),
    ("#PV", "pv_count"),
    ("#LV", "lv_count"),
    ("#SN", "snap_count"),
    ("VSize", "vg_size"),
    ("VFree", "vg_free"),
    ("Fmt", "pv_fmt"),
    ("PSize", "pv_size"),
    ("PFree", "pv_free"),
    ("Devices", "devices"),
    ("LVPath", "lv_path"),
    ("Path", "lv_path"),
    ("Snap%", "snap_percent"),
    ("WhenFull", "lv_when_full"),
];

impl View for LvmReport {
    const KIND: Kind = Kind::new("lvm_report");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["\"report\"", "LV", "VG", "PV"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        if text.trim_start().starts_with('{') { of_json(text) } else { of_text(text) }
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let json = head.trim_start().starts_with('{') && head.contains("\"report\"");
        if json && ["\"lv\"", "\"vg\"", "\"pv\""].iter().any(|part| head.contains(part)) {
            return 94;
        }
        let table = head.lines().take(10).any(|line| columns(line).is_some());
        if table && of_text(head).1.len() < 3 { 90 } else { 0 }
    }
}

/// Column of each head, where a line is one of heads alone: the offset, the field, whether it is set to the right.
fn columns(line: &str) -> Option<Vec<(usize, usize, &'static str)>> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in line.split_whitespace() {
        let start = at + line[at..].find(word)?;
        at = start + word.len();
        let field = HEADS.iter().find(|head| head.0 == word)?.1;
        found.push((start, at, field));
    }
    let is_report = found.len() >= 3 && matches!(found[0].2, "lv_name" | "vg_name" | "pv_name");
    // `Attr` belongs to what the report is about.
    let attr = match found.first().map(|first| first.2) {
        Some("lv_name") => "lv_attr",
        Some("pv_name") => "pv_attr",
        _ => "vg_attr",
    };
    for column in &mut found {
        if column.2 == "attr" {
            column.2 = attr;
        }
    }
    is_report.then_some(found)
}

fn of_text(text: &str) -> (LvmReport, Vec<Issue>) {
    let mut view = LvmReport::default();
    let mut issues = Vec::new();
    let mut heads: Vec<(usize, usize, &'static str)> = Vec::new();
    for (number, line) in lines(text) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['$', '#']) {
            continue;
        }
        if trimmed.starts_with("WARNING: ") || trimmed.starts_with("Couldn't find device") {
            view.warnings.push(Spanned::new(trimmed.to_owned(), number));
        } else if let Some(found) = columns(line) {
            heads = found;
        } else if heads.is_empty() {
            issues.push(Issue::new(number, "not a line of a report of LVM"));
        } else {
            view.rows.push(row(number, line, &heads));
        }
    }
    (view, issues)
}

/// A word belongs to the column whose head it overlaps or is nearest to: values stand left or right below their heads.
fn row(number: u32, line: &str, heads: &[(usize, usize, &'static str)]) -> LvmRow {
    let mut row = LvmRow { line: number, fields: BTreeMap::new() };
    let mut at = 0;
    let mut next = 0;
    for word in line.split_whitespace() {
        let Some(found) = line[at..].find(word) else { break };
        let start = at + found;
        at = start + word.len();
        let distance = |head: &(usize, usize, &str)| {
            if start < head.1 && head.0 < at {
                0
            } else {
                head.0.abs_diff(at).min(start.abs_diff(head.1)) + 1
            }
        };
        // Words stand in the order of their columns.
        let best = heads.iter().enumerate().skip(next).min_by_key(|(_, head)| distance(head));
        let Some((index, head)) = best else { break };
        row.fields.insert(head.2.to_owned(), word.to_owned());
        next = index + 1;
    }
    row
}

fn of_json(text: &str) -> (LvmReport, Vec<Issue>) {
    let mut view = LvmReport::default();
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(0);
            return (view, vec![Issue::new(line, "not the JSON of a report of LVM")]);
        }
    };
    // The nth row is on the nth line that names its first field, as LVM prints it.
    let mut places = lines(text)
        .filter(|(_, line)| {
            line.trim_start().trim_start_matches(',').trim_start().starts_with("{\"")
                && line.contains("\":\"")
        })
        .map(|(number, _)| number);
    for report in value["report"].as_array().into_iter().flatten() {
        for kind in ["pv", "vg", "lv"] {
            for row in report[kind].as_array().into_iter().flatten() {
                let fields = row.as_object().into_iter().flatten();
                let text = |value: &serde_json::Value| {
                    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
                };
                let fields =
                    fields.filter_map(|(field, value)| Some((field.clone(), text(value)?))).collect();
                view.rows.push(LvmRow { line: places.next().unwrap_or(0), fields });
            }
        }
    }
    (view, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_by_their_heads() {
        let (view, issues) = LvmReport::read(include_str!("../tests/samples/lvm_report.txt"));
        assert_eq!(issues, []);
        let pool = &view.rows[0];
        assert_eq!((pool.line, pool.get("lv_name"), pool.is_thin_pool()), (2, Some("pool0"), true));
        assert_eq!(
            (pool.percent("data_percent"), pool.percent("metadata_percent")),
            (Some(99.97), Some(41.2))
        );
        assert_eq!(pool.bytes("lv_size"), Some(100 << 30));
        assert_eq!((pool.get("pool_lv"), view.rows[1].get("pool_lv")), (None, Some("pool0")));
        assert_eq!(view.rows[2].get("data_percent"), None);
        assert_eq!(view.warnings.len(), 1);
    }

    #[test]
    fn json_gives_the_same() {
        let text = "  {\n      \"report\": [\n          {\n              \"lv\": [\n                  {\"lv_name\":\"pool0\", \"vg_name\":\"vg\", \"lv_attr\":\"twi-aotz--\", \"lv_size\":\"<4.00g\", \"data_percent\":\"12.5\", \"move_pv\":\"\"},\n                  {\"lv_name\":\"root\", \"vg_name\":\"vg\"}\n              ]\n          }\n      ]\n  }\n";
        let (view, issues) = LvmReport::read(text);
        assert_eq!(issues, []);
        assert_eq!((view.rows[0].line, view.rows[1].line), (5, 6));
        assert_eq!((view.rows[0].percent("data_percent"), view.rows[0].get("move_pv")), (Some(12.5), None));
        assert_eq!(LvmReport::recognise("x", text), 94);
        assert_eq!(LvmReport::read("{").1.len(), 1);
        assert_eq!(LvmReport::recognise("x", "LV is a\nVG\n"), 0);
    }
}
