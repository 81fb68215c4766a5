//! GRUB's environment block: a variable is set, found and taken away again, and the block keeps its size.

use super::text;
use vmwright_formats::grub_environment::{get, set};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(new) = set(&text, "next_entry", Some("1>2")) else { return };
    assert_eq!((get(&new, "next_entry"), new.len()), (Some("1>2"), text.len()));
    let without = set(&new, "next_entry", None).unwrap();
    assert_eq!((get(&without, "next_entry"), without.len()), (None, text.len()));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let block = |lines: &str| format!("{:#<1024}", format!("# GRUB Environment Block\n{lines}")).into_bytes();
    vec![block(""), block("saved_entry=a>b\nnext_entry=0\n"), b"# GRUB Environment Block\na=1###".to_vec()]
}
