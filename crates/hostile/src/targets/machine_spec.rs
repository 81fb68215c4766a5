//! A machine's specification, read and with one value changed: the first line is the dotted key, the second one the
//! value that it gets.

use super::{first_line, text};
use vmwright_formats::machine_spec::set_value;
use vmwright_formats::{MachineSpecView, View};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (key, rest) = first_line(&text);
    let (value, spec) = first_line(rest);
    let (view, _) = MachineSpecView::read(spec);
    for (key, line) in view.keys() {
        assert_eq!(view.line_of(key), Some(line));
    }
    if let Ok(changed) = set_value(spec, key, None, Some(value)) {
        let back = set_value(&changed, key, Some(value), None);
        assert!(back.is_ok(), "{key} = {value} in {spec:?}: {back:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let specs = crate::samples().into_iter().filter(|(kind, _)| kind == "machine_spec");
    let seed = |key: &str, text: &[u8]| [key.as_bytes(), b"\n", text].concat();
    specs.flat_map(|(_, text)| [seed("cpu.model\n\"host\"", &text), seed("disk.0.aio\n\"native\"", &text)]).collect()
}
