//! What the state directory says of a machine and its process. The first byte says which of the two files it is.

use std::fs;
use vmwright_backend::store;

const SPEC: &[u8] = b"name = \"web\"\n[memory]\nsize = \"64MiB\"\n";

pub(super) fn run(bytes: &[u8]) {
    let state = super::scratch();
    let machine = state.path().join("machines/web");
    fs::create_dir_all(&machine).unwrap();
    let (which, rest) = bytes.split_first().map_or((b'p', bytes), |(first, rest)| (*first, rest));
    let (spec, process) = if which == b's' { (rest, &b""[..]) } else { (SPEC, rest) };
    fs::write(machine.join("machine.toml"), spec).unwrap();
    fs::write(machine.join("process.json"), process).unwrap();
    let listed = store::list(state.path()).unwrap();
    assert_eq!(listed.len(), 1, "a machine that cannot be read is still listed");
    if let Ok(stored) = store::open(state.path(), "web") {
        let _ = stored.process();
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![[b"s", SPEC].concat()]
}
