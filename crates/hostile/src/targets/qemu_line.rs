//! A command line of QEMU, read as a machine and written again: what was written is a command line too.

use super::text;
use vmwright_convert::qemu;

pub(super) fn run(bytes: &[u8]) {
    let Ok(read) = qemu::read(&text(bytes)) else { return };
    if let Ok(written) = qemu::text(&read.spec) {
        assert!(qemu::read(&written.text).is_ok(), "{:?}", written.text);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    crate::samples().into_iter().filter(|(kind, _)| kind == "qemu_args").map(|(_, text)| text).collect()
}
