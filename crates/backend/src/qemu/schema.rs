//! What a QEMU understands, as it says itself (`query-qmp-schema`; `docs/devel/qapi-code-gen.rst`): the question is
//! never which version it is. Names of types are hidden in it, so a value of an enumeration is looked for by what
//! stands beside it.

use serde_json::Value;
use std::collections::BTreeMap;

/// Most entries that are taken; QEMU 10.0 has 1172.
const ENTRIES_MAX: usize = 20_000;

/// Commands and enumerations of a QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Commands, with whether they can be executed out of band.
    commands: BTreeMap<String, bool>,
    /// Values of each enumeration.
    enumerations: Vec<Vec<String>>,
}

impl Schema {
    /// Total: what is not understood is left out, and is then not there.
    #[must_use]
    pub fn read(answer: &Value) -> Self {
        let mut schema = Self::default();
        for entry in answer.as_array().into_iter().flatten().take(ENTRIES_MAX) {
            let Some(kind) = entry["meta-type"].as_str() else { continue };
            match (kind, entry["name"].as_str()) {
                ("command", Some(name)) => {
                    schema.commands.insert(name.to_owned(), entry["allow-oob"] == Value::Bool(true));
                }
                ("enum", _) => {
                    let values = entry["values"].as_array().into_iter().flatten();
                    schema.enumerations.push(values.filter_map(Value::as_str).map(str::to_owned).collect());
                }
                _ => {}
            }
        }
        schema
    }

    /// Whether there is this command.
    #[must_use]
    pub fn has(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    /// Whether it can be executed beside one that hangs.
    #[must_use]
    pub fn out_of_band(&self, command: &str) -> bool {
        self.commands.get(command).copied().unwrap_or(false)
    }

    /// Whether an enumeration that has `beside` has `value` too.
    #[must_use]
    pub fn knows(&self, value: &str, beside: &str) -> bool {
        let has = |values: &[String], wanted: &str| values.iter().any(|value| value == wanted);
        self.enumerations.iter().any(|values| has(values, beside) && has(values, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_there_is_found_and_rubbish_is_nothing() {
        let schema = Schema::read(&json!([
            { "name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0" },
            { "name": "migrate-recover", "meta-type": "command", "allow-oob": true },
            { "name": "7", "meta-type": "enum", "values": ["socket", "exec", "file"] },
            { "name": "8", "meta-type": "enum", "values": ["none", "zlib", 7] },
            { "meta-type": "command" }, 7, null, { "meta-type": [] },
        ]));
        assert!(schema.has("stop") && !schema.has("cont"));
        assert!(schema.out_of_band("migrate-recover") && !schema.out_of_band("stop"));
        assert!(schema.knows("file", "exec") && schema.knows("zlib", "none"));
        assert!(!schema.knows("file", "none") && !schema.knows("rdma", "exec"));
        for rubbish in [json!(null), json!("x"), json!({ "a": 1 }), json!([[], {}])] {
            assert_eq!(Schema::read(&rubbish), Schema::default());
        }
    }
}
