//! What texts of captures are, as far as that was found out before: the hosts of a fleet have most of their settings, lists and
//! flags in common, and to tell what a text is takes as long as to unpack it.

use crate::file::kind_of;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use vmwright_model::Kind;

/// Longest text that is kept, in bytes: longer ones are logs, and each host has its own.
const LONGEST: usize = 32 << 10;

/// Most that is kept at once, in bytes; then it begins anew.
const MOST: usize = 4 << 20;

/// What one entry takes besides its bytes, about.
const ENTRY: usize = 128;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    /// By checksums of their names and bytes, of which others may have the same: the last one stays.
    texts: HashMap<[u32; 2], (String, Vec<u8>, Kind)>,
    size: usize,
}

/// [`kind_of`], remembered.
pub(crate) fn of(source: &str, bytes: &[u8]) -> Kind {
    if bytes.len() > LONGEST {
        return kind_of(source, bytes);
    }
    let key = [source.as_bytes(), bytes].map(crc32fast::hash);
    let all = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((name, text, kind)) = all().texts.get(&key)
        && name == source
        && text == bytes
    {
        return kind.clone();
    }
    let kind = kind_of(source, bytes);
    all().keep(key, source, bytes, kind.clone());
    kind
}

impl Known {
    fn keep(&mut self, key: [u32; 2], source: &str, bytes: &[u8], kind: Kind) {
        let size = source.len() + bytes.len() + ENTRY;
        if self.size + size > MOST {
            *self = Self::default();
        }
        // What is replaced stays counted: the sum is never less than what there is.
        self.size += size;
        self.texts.insert(key, (source.to_owned(), bytes.to_vec(), kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_same_when_it_is_asked_for_again() {
        let texts = [
            ("/proc/modules", &b"kvm 1 0\nvfio 2 0\n"[..]),
            ("dmesg", b"[    0.0] Linux\n"),
            ("", b""),
            ("/x", b"\xff"),
        ];
        for _ in 0..2 {
            for (source, bytes) in texts {
                assert_eq!(of(source, bytes), kind_of(source, bytes), "{source}");
            }
        }
    }

    #[test]
    fn another_text_of_the_same_checksums_is_another_text() {
        let mut all = Known::default();
        all.keep([1, 2], "a", b"b", Kind::TEXT);
        all.keep([1, 2], "c", b"d", Kind::TEXT);
        assert_eq!(all.texts[&[1, 2]].0, "c");
        // Both spell other names and bytes than they had.
        let key = ["/proc/modules".as_bytes(), b"kvm 1 0\nvfio 2 0\n"].map(crc32fast::hash);
        let kind = kind_of("dmesg", b"[    0.0] Linux\n");
        KNOWN.lock().unwrap().keep(key, "dmesg", b"[    0.0] Linux\n", kind.clone());
        assert_ne!(of("/proc/modules", b"kvm 1 0\nvfio 2 0\n"), kind);
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let mut all = Known::default();
        for number in 0..1000u32 {
            all.keep([number, 0], "name", &vec![0; LONGEST], Kind::TEXT);
            let bytes: usize = all.texts.values().map(|(_, bytes, _)| bytes.len()).sum();
            assert!(bytes <= MOST && !all.texts.is_empty());
        }
    }
}
