//! A specification with every key there is, made of the schema: what a key means stands above it.

use super::schema::SCHEMA;
use serde_json::Value;
use std::fmt::Write as _;

/// A specification in which every key stands with its meaning. All but the name are commented out: a key is turned on
/// by taking the `#` before it away, and the one before its table's header.
#[must_use]
pub fn example() -> String {
    let mut out = String::from(
        "# Every key of a specification, with what it means. Only `name` is needed; a key is used by taking the `#`\n\
         # before it away, and the one before the header of its table.\n",
    );
    table(&SCHEMA, "", &mut out);
    out
}

/// What a place stands for, with references and "or nothing" followed.
fn follow(node: &Value) -> &Value {
    if let Some(name) = node.get("$ref").and_then(Value::as_str) {
        return name.strip_prefix('#').and_then(|path| SCHEMA.pointer(path)).map_or(node, follow);
    }
    match node.get("anyOf").and_then(|any| any.get(0)) {
        Some(some) => follow(some),
        None => node,
    }
}

fn is_table(node: &Value) -> bool {
    follow(node).get("type").and_then(Value::as_str) == Some("object")
}

/// The table that an array is a list of.
fn listed(node: &Value) -> Option<&Value> {
    follow(node).get("items").filter(|items| is_table(items))
}

fn comment(text: &str, out: &mut String) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + word.len() > 115 {
            let _ = writeln!(out, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "# {line}");
    }
}

fn description(node: &Value) -> &str {
    node.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn table(node: &Value, path: &str, out: &mut String) {
    let Some(properties) = follow(node).get("properties").and_then(Value::as_object) else { return };
    // Values first: in TOML what stands behind a header belongs to it.
    let nested = |value: &Value| is_table(value) || listed(value).is_some();
    let required = |key: &String| {
        let all = follow(node).get("required").and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(key)))
    };
    let (mut first, rest): (Vec<_>, Vec<_>) =
        properties.iter().filter(|(_, value)| !nested(value)).partition(|(key, _)| required(key));
    first.extend(rest);
    for (key, value) in first {
        out.push('\n');
        let mut text = description(value).to_owned();
        let node = follow(value);
        let words = words(node);
        if !words.is_empty() {
            let _ = write!(text, " One of {}.", words.join(", "));
        }
        if let Some(usual) = value.get("default").filter(|usual| !usual.is_object() && !usual.is_array()) {
            let _ = write!(text, " Default: {usual}.");
        }
        comment(&text, out);
        let mark = if path.is_empty() && required(key) { "" } else { "#" };
        let _ = writeln!(out, "{mark}{key} = {}", sample(node));
    }
    for (key, value) in properties.iter().filter(|(_, value)| nested(value)) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let (inner, header) = match listed(value) {
            Some(items) => (items, format!("[[{path}]]")),
            None => (value, format!("[{path}]")),
        };
        out.push('\n');
        comment(description(value), out);
        let _ = writeln!(out, "#{header}");
        table(inner, &path, out);
    }
}

/// The words of a choice, in quotes.
fn words(node: &Value) -> Vec<String> {
    let named = node.get("enum").and_then(Value::as_array).map(|all| all.iter().collect::<Vec<_>>());
    let told = node.get("oneOf").and_then(Value::as_array);
    let told = told.map(|all| all.iter().filter_map(|one| one.get("const")).collect::<Vec<_>>());
    named.or(told).unwrap_or_default().into_iter().map(Value::to_string).collect()
}

/// A value that could stand there.
fn sample(node: &Value) -> String {
    if let Some(word) = words(node).into_iter().next() {
        return word;
    }
    let kind = node.get("type").map(|kind| kind.as_array().map_or(kind, |all| &all[0]));
    match kind.and_then(Value::as_str) {
        Some("boolean") => "true".to_owned(),
        Some("integer") => {
            node.get("minimum").and_then(Value::as_i64).filter(|least| *least > 0).unwrap_or(1).to_string()
        }
        Some("array") => {
            node.get("items").map_or("[]".to_owned(), |items| format!("[{}]", sample(follow(items))))
        }
        _ => format!("{:?}", text_sample(node.get("format").and_then(Value::as_str).unwrap_or_default())),
    }
}

/// A text of this format.
fn text_sample(format: &str) -> &'static str {
    match format {
        "machine-name" => "web",
        "uuid" => "6ad6a1b2-58e5-4c8f-8d3b-6f1f2c9a7e10",
        "cpu-feature" => "+avx2",
        "cpu-list" => "0-1",
        "size" => "1GiB",
        "path" | "socket-path" => "/srv/web",
        "lvm-name" => "vg0",
        "host-port" => "10.0.0.1:6789",
        "url" => "https://example.org/web.qcow2",
        "interface" | "network-parent" => "eth0",
        "address" => "10.213.0.1/24",
        "mac" => "52:54:00:12:34:56",
        "ip" => "127.0.0.1",
        "pci-address" | "host-device" => "0000:01:00.0",
        "hex" => "5000c50015ea71ad",
        "base64" => "AQAB",
        "tpm-version" => "2.0",
        "user" => "nobody",
        "word" => "word",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::example;
    use crate::View;
    use crate::machine_spec::{MachineSpecView, SCHEMA};

    #[test]
    fn the_example_is_a_specification() {
        let (view, issues) = MachineSpecView::read(&example());
        assert_eq!(issues, []);
        assert_eq!(view.spec.map(|spec| spec.name), Some("web".to_owned()));
    }

    #[test]
    fn every_key_of_the_example_can_be_turned_on() {
        let on: String = example()
            .lines()
            .map(|line| line.strip_prefix('#').filter(|key| !key.starts_with(' ')).unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let (view, issues) = MachineSpecView::read(&on);
        // What is left are keys that exclude each other.
        for issue in &issues {
            let told = &issue.what;
            let wrong =
                ["unknown", "not TOML", "must be a", "missing", "is not a", "must be one of", "neither"];
            assert!(!wrong.iter().any(|wrong| told.contains(wrong)), "{}: {told}", issue.line);
        }
        let tables = SCHEMA["$defs"].as_object().map_or(0, |all| all.len());
        assert!(view.keys().count() > tables * 4, "{} keys", view.keys().count());
        assert!(view.line_of("cpu.pinning.vcpu.0.threads").is_some());
    }
}
