//! A part of the guest's memory that changes all the time and can be checked at any moment: what a migration or a
//! snapshot loses, mixes or tears is seen. Every page holds its own number and its generation in each of its words;
//! the generations that must be there are kept apart from them.

use serde_json::{Map, Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Words of 64 bits in a page of 4 KiB.
const WORDS: usize = 512;
/// Most that can be asked for, in MiB.
const MIB_MAX: u64 = 1024;

static FIELD: Mutex<Option<Field>> = Mutex::new(None);

struct Field {
    words: Vec<u64>,
    generations: Vec<u64>,
    next: usize,
    changes: u64,
}

/// `vmwright-memory-fill`: fills `mib` MiB and goes on changing a page every `pause-us` microseconds (as fast as it
/// can where that is 0).
pub(super) fn fill(arguments: &Map<String, Value>) -> Result<Value, String> {
    let number = |name: &str| arguments.get(name).and_then(Value::as_u64);
    let mib = number("mib").filter(|mib| (1..=MIB_MAX).contains(mib)).ok_or("mib has to be 1 to 1024")?;
    let pause = Duration::from_micros(number("pause-us").unwrap_or(1000));
    let pages = usize::try_from(mib * 256).map_err(|_| "mib is too much")?;
    let mut field = Field { words: vec![0; pages * WORDS], generations: vec![0; pages], next: 0, changes: 0 };
    for page in 0..pages {
        field.write(page);
    }
    let first = lock().replace(field).is_none();
    if first {
        thread::spawn(move || {
            loop {
                let none = lock().is_none();
                if none {
                    thread::sleep(Duration::from_millis(10));
                }
                if let Some(field) = lock().as_mut() {
                    let page = field.next;
                    field.write(page);
                    // A stride that meets every page, far from the last one.
                    field.next = (page + 4099) % field.generations.len();
                    field.changes += 1;
                }
                if !pause.is_zero() {
                    thread::sleep(pause);
                }
            }
        });
    }
    Ok(json!({ "pages": pages }))
}

/// `vmwright-memory-check`: pages that are not as they must be, and how often one was changed.
pub(super) fn check() -> Result<Value, String> {
    let guard = lock();
    let field = guard.as_ref().ok_or("no memory was filled")?;
    let wrong: Vec<usize> = (0..field.generations.len()).filter(|page| !field.holds(*page)).collect();
    let first: Vec<usize> = wrong.iter().take(8).copied().collect();
    Ok(
        json!({ "pages": field.generations.len(), "wrong": wrong.len(), "first": first, "changes": field.changes }),
    )
}

/// `vmwright-memory-drop`: gives the memory back. Nothing is changed from then on.
pub(super) fn give_back() -> Value {
    json!({ "had": lock().take().is_some() })
}

impl Field {
    fn write(&mut self, page: usize) {
        self.generations[page] += 1;
        let value = value(page, self.generations[page]);
        for (at, word) in self.words[page * WORDS..][..WORDS].iter_mut().enumerate() {
            *word = value.wrapping_add(at as u64);
        }
    }

    fn holds(&self, page: usize) -> bool {
        let value = value(page, self.generations[page]);
        self.words[page * WORDS..][..WORDS]
            .iter()
            .enumerate()
            .all(|(at, word)| *word == value.wrapping_add(at as u64))
    }
}

/// Different for every page and generation (the multiplier is odd).
fn value(page: usize, generation: u64) -> u64 {
    ((page as u64) << 40 | generation).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn lock() -> MutexGuard<'static, Option<Field>> {
    FIELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_or_stale_page_is_seen() {
        let mut field = Field { words: vec![0; 4 * WORDS], generations: vec![0; 4], next: 0, changes: 0 };
        for page in 0..4 {
            assert!(!field.holds(page), "zeroes are no page");
            field.write(page);
            assert!(field.holds(page));
        }
        let old = field.words[WORDS..2 * WORDS].to_vec();
        field.write(1);
        assert!(field.holds(1));
        field.words[WORDS..2 * WORDS].copy_from_slice(&old);
        assert!(!field.holds(1), "the page of a generation ago");
        field.words[2 * WORDS + 7] ^= 1;
        assert!(!field.holds(2) && field.holds(3));
    }
}
