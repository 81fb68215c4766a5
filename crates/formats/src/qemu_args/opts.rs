//! Values of QEMU options: `key=value,key=value` with `,,` for a comma, or a JSON object.

/// The parts of one option's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opts {
    /// Key and value of each part in order; the value is none where there was no `=`. Members of nested JSON
    /// objects have dotted keys (`server.host`), those of arrays their index.
    pub parts: Vec<(String, Option<String>)>,
}

impl Opts {
    /// The last value of a key, as QEMU takes it. None where the key is absent or has no value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.parts.iter().rev().find(|part| part.0 == key)?.1.as_deref()
    }

    /// Whether a key stands there, with or without value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.0 == key)
    }

    /// A switch: `on`, `yes`, `true` or the bare key are true; `off`, `no`, `false` are false.
    #[must_use]
    pub fn switch(&self, key: &str) -> Option<bool> {
        let (_, value) = self.parts.iter().rev().find(|part| part.0 == key)?;
        match value.as_deref() {
            None | Some("on" | "yes" | "true") => Some(true),
            Some("off" | "no" | "false") => Some(false),
            Some(_) => None,
        }
    }
}

/// Reads an option's value. `implied` is the key of a first part without `=` (`driver` for `-device`).
#[must_use]
pub fn opts(value: &str, implied: Option<&str>) -> Opts {
    if value.starts_with('{')
        && let Ok(json) = serde_json::from_str(value)
    {
        let mut parts = Vec::new();
        flatten("", &json, &mut parts);
        return Opts { parts };
    }
    let mut parts: Vec<(String, Option<String>)> = Vec::new();
    for part in split(value) {
        let first = parts.is_empty();
        parts.push(match (part.split_once('='), implied) {
            (Some((key, value)), _) => (key.to_owned(), Some(value.to_owned())),
            (None, Some(implied)) if first => (implied.to_owned(), Some(part)),
            (None, _) => (part, None),
        });
    }
    Opts { parts }
}

/// Splits at single commas; two commas are one that belongs to the value.
fn split(value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != ',' {
            part.push(letter);
        } else if letters.next_if_eq(&',').is_some() {
            part.push(',');
        } else {
            parts.push(std::mem::take(&mut part));
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Longest dotted key that is kept. No key of QEMU comes near; without a limit, long keys around many values would
/// be copied for each of them.
const KEY_MAX: usize = 256;

/// `serde_json` refuses more than 128 levels, which bounds the recursion.
fn flatten(path: &str, json: &serde_json::Value, parts: &mut Vec<(String, Option<String>)>) {
    if path.len() > KEY_MAX {
        return;
    }
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match json {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                flatten(&join(key), value, parts);
            }
        }
        serde_json::Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                flatten(&join(&at.to_string()), value, parts);
            }
        }
        serde_json::Value::String(text) => parts.push((path.to_owned(), Some(text.clone()))),
        serde_json::Value::Bool(truth) => {
            let word = if *truth { "on" } else { "off" };
            parts.push((path.to_owned(), Some(word.to_owned())));
        }
        serde_json::Value::Number(number) => parts.push((path.to_owned(), Some(number.to_string()))),
        serde_json::Value::Null => parts.push((path.to_owned(), None)),
    }
}

/// The key that QEMU gives to a first part without `=` (`implied_opt_name` of its option lists).
#[must_use]
pub fn implied_key(option: &str) -> Option<&'static str> {
    Some(match option {
        "machine" | "M" | "netdev" | "nic" | "net" | "display" | "tpmdev" | "numa" => "type",
        "accel" => "accel",
        "cpu" => "model",
        "device" | "blockdev" | "audiodev" | "audio" => "driver",
        "object" => "qom-type",
        "chardev" => "backend",
        "smp" => "cpus",
        "m" => "size",
        "mon" => "chardev",
        "name" => "guest",
        "boot" => "order",
        "sandbox" => "enable",
        "fsdev" | "virtfs" => "fsdriver",
        "fw_cfg" => "name",
        "vnc" => "vnc",
        "gdb" | "serial" | "parallel" | "qmp" | "monitor" => "device",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_escapes() {
        let opts = opts("q35,accel=kvm,usb=off,dump", Some("type"));
        assert_eq!(opts.get("type"), Some("q35"));
        assert_eq!(
            (opts.switch("usb"), opts.switch("dump"), opts.switch("accel")),
            (Some(false), Some(true), None)
        );
        assert!(opts.has("dump") && !opts.has("x"));
        let opts = super::opts("file=/a,,b.img,if=none,if=virtio", None);
        assert_eq!((opts.get("file"), opts.get("if")), (Some("/a,b.img"), Some("virtio")));
        assert_eq!(super::opts("", Some("x")).parts, []);
        let opts = super::opts("host,+vmx,-hypervisor", implied_key("cpu"));
        assert!(opts.get("model") == Some("host") && opts.has("+vmx") && opts.has("-hypervisor"));
    }

    #[test]
    fn json_is_flattened() {
        let opts =
            opts(r#"{"driver":"nbd","server":{"type":"unix","path":"/s"},"read-only":true,"x":[1,2]}"#, None);
        assert_eq!((opts.get("driver"), opts.get("server.path")), (Some("nbd"), Some("/s")));
        assert_eq!((opts.switch("read-only"), opts.get("x.1")), (Some(true), Some("2")));
        // Broken JSON is read as the list that it then is.
        assert_eq!(super::opts("{\"a\":1,b=2", None).get("b"), Some("2"));
    }
}
