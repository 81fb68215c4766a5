//! One program for all targets: which of them it drives is in `VMWRIGHT_FUZZ_TARGET`. Its seeds are written into the
//! folder that `VMWRIGHT_FUZZ_SEEDS` names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use vmwright_hostile::targets::{Target, find};

static TARGET: OnceLock<&Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("VMWRIGHT_FUZZ_TARGET").expect("VMWRIGHT_FUZZ_TARGET names a target");
    let target = find(&name).unwrap_or_else(|| panic!("no target `{name}`"));
    if let Some(folder) = std::env::var_os("VMWRIGHT_FUZZ_SEEDS") {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            let path = PathBuf::from(&folder).join(format!("{number:03}"));
            std::fs::write(path, seed).expect("the folder of seeds can be written");
        }
    }
    TARGET.get_or_init(|| target);
}

fuzz_target!(init: begin(), |bytes: &[u8]| (TARGET.get().expect("the engine calls `begin` first").run)(bytes));
