//! A machine as the TOML that says it.

use super::SCHEMA;
use thiserror::Error;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};
use vmwright_model::MachineSpec;

/// Why a machine has no TOML.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a value of the machine has no place in TOML: {0}")]
pub struct WriteError(String);

/// Writes a machine. Keys stand in the model's order; what is default and goes without saying is left out.
///
/// # Errors
/// Where a number is larger than TOML's largest, 2^63 - 1.
pub fn write_spec(spec: &MachineSpec) -> Result<String, WriteError> {
    let document = toml_edit::ser::to_document(spec).map_err(|error| WriteError(error.to_string()))?;
    let mut out = DocumentMut::new();
    *out.as_table_mut() = lay_out(document.into_table(), 0);
    Ok(out.to_string())
}

/// Values first, then tables under a header of their own: all those of the machine itself, and deeper ones that hold
/// lists of tables. Small tables stay in their line.
fn lay_out(table: Table, depth: usize) -> Table {
    let (mut values, mut tables) = (Table::new(), Vec::new());
    for (key, item) in table {
        match item {
            Item::Value(Value::InlineTable(inner)) if depth == 0 || holds_lists(&inner) => {
                // A table of defaults that is always there goes without saying; one that may be absent does not.
                let optional = SCHEMA.pointer(&format!("/properties/{key}/anyOf")).is_some();
                if !inner.is_empty() || optional {
                    tables.push((key, Item::Table(lay_out(inner.into_table(), depth + 1))));
                }
            }
            Item::Value(Value::Array(array)) if is_list_of_tables(&array) => {
                let one = |value: Value| match value {
                    Value::InlineTable(inner) => Some(inner.into_table()),
                    _ => None,
                };
                tables.push((
                    key,
                    Item::ArrayOfTables(array.into_iter().filter_map(one).collect::<ArrayOfTables>()),
                ));
            }
            item => {
                values.insert(&key, item);
            }
        }
    }
    // A header without values would stand empty above its own tables.
    values.set_implicit(values.is_empty() && !tables.is_empty());
    for (key, item) in tables {
        values.insert(&key, item);
    }
    values
}

fn is_list_of_tables(array: &Array) -> bool {
    !array.is_empty() && array.iter().all(Value::is_inline_table)
}

fn holds_lists(table: &InlineTable) -> bool {
    table.iter().any(|(_, value)| value.as_array().is_some_and(is_list_of_tables))
}

#[cfg(test)]
mod tests {
    use super::write_spec;
    use crate::View;
    use crate::machine_spec::MachineSpecView;

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"name = "web"
machine = "q35"
accelerator = "tcg"
agent = false

[cpu]
count = 2
model = "host"
features = ["-vmx"]
topology = { cores = 2 }

[[cpu.pinning.vcpu]]
threads = "0"
cpus = "4"

[memory]
size = "1GiB"
hugepages = false

[[disk]]
path = "/srv/web.qcow2"
format = "qcow2"
readonly = false
address = { pci = "0000:01:00.0" }

[[disk]]
path = "/srv/a b"
format = "raw"
readonly = true

[balloon]
"#;
        let (view, issues) = MachineSpecView::read(text);
        assert_eq!(issues, []);
        let written = write_spec(&view.spec.expect("no issues")).expect("all numbers are small");
        assert_eq!(written, text);
    }
}
