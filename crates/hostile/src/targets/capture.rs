//! What is written as a capture is read again as what it was. The input is a snapshot in the form that `diagnose`
//! takes.

use super::{archive, diagnose, text};
use vmwright_host::capture::{About, write};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (_, mut snapshot) = diagnose::snapshot(&text);
    snapshot.live = true;
    // What the reader would have refused, or left out for the bounds of this target.
    snapshot.records.retain(|record| record.content.as_ref().is_ok_and(|text| !text.contains(&0)));
    if snapshot.records.len() > 60 || bytes.len() > 60 << 10 {
        return;
    }
    let about = About { tool: "fuzz".to_owned(), folder: "vmwright-x".to_owned(), ..About::default() };
    let Ok(packed) = write(&snapshot, &about) else { return };
    let read = archive::read(&packed).expect("a capture is an archive");
    assert_eq!(read.records, snapshot.records);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![b"==> /proc/cmdline <==\nroot=/dev/vda1\n==> lspci -nnk <==\n==> /a/../b <==\nx\n==> a <==\n".to_vec()]
}
