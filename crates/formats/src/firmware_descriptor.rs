//! Descriptors by which libvirt and others choose firmware: `/usr/share/qemu/firmware/*.json`
//! (QEMU `docs/interop/firmware.json`).

use crate::View;
use serde_json::Value;
use vmwright_model::{Issue, Kind};

/// One descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirmwareDescriptor {
    /// In words.
    pub description: String,
    /// `uefi`, `bios`.
    pub interfaces: Vec<String>,
    /// `flash`, `memory`, `kernel`, `igvm`.
    pub device: String,
    /// The program: the code, where it lies in flash.
    pub executable: String,
    /// Its format: `raw`, `qcow2`.
    pub format: String,
    /// Template of variables, where it has some.
    pub template: Option<String>,
    /// Architecture and patterns of machine types: `x86_64`, `pc-q35-*`.
    pub targets: Vec<(String, Vec<String>)>,
    /// `secure-boot`, `enrolled-keys`, `requires-smm`, `amd-sev`, `amd-sev-snp`, `intel-tdx`.
    pub features: Vec<String>,
}

impl FirmwareDescriptor {
    /// Whether it has a feature.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|own| own == feature)
    }
}

impl View for FirmwareDescriptor {
    const KIND: Kind = Kind::new("firmware_descriptor");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["\"interface-types\""];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                let line = u32::try_from(error.line()).unwrap_or(0);
                let why =
                    if error.is_eof() { "the JSON ends too early" } else { "a slip in the JSON's syntax" };
                return (Self::default(), vec![Issue::new(line, why)]);
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
        let mapping = &value["mapping"];
        // In flash the parts are objects; in memory there is a file name alone.
        let program = if mapping["executable"].is_object() { &mapping["executable"] } else { mapping };
        let targets = value["targets"].as_array().into_iter().flatten();
        let view = Self {
            description: text(&value["description"]),
            interfaces: texts(&value["interface-types"]),
            device: text(&mapping["device"]),
            executable: text(&program["filename"]),
            format: text(&program["format"]),
            template: mapping["nvram-template"]["filename"].as_str().map(str::to_owned),
            targets: targets.map(|one| (text(&one["architecture"]), texts(&one["machines"]))).collect(),
            features: texts(&value["features"]),
        };
        let issues = match view.executable.is_empty() {
            true => vec![Issue::new(0, "no firmware file is named")],
            false => Vec::new(),
        };
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let all = ["\"interface-types\"", "\"mapping\"", "\"targets\""];
        if head.trim_start().starts_with('{') && all.iter().all(|key| head.contains(key)) { 94 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor() {
        let (view, issues) =
            FirmwareDescriptor::read(include_str!("../tests/samples/firmware_descriptor.txt"));
        assert_eq!(issues, []);
        assert_eq!((view.device.as_str(), view.format.as_str()), ("flash", "raw"));
        assert_eq!(view.executable, "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd");
        assert_eq!(view.template.as_deref(), Some("/usr/share/OVMF/OVMF_VARS_4M.fd"));
        assert_eq!(view.targets, [("x86_64".to_owned(), vec!["pc-q35-*".to_owned()])]);
        assert!(view.has("requires-smm") && !view.has("amd-sev"));
        let memory = "{\"interface-types\": [\"bios\"], \"mapping\": {\"device\": \"memory\", \"filename\": \"/b.bin\"}, \"targets\": []}";
        assert_eq!(FirmwareDescriptor::read(memory).0.executable, "/b.bin");
        assert_eq!(FirmwareDescriptor::read("{").1, [Issue::new(1, "the JSON ends too early")]);
    }
}
