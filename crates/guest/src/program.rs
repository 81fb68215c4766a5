//! The one program of a test guest, for what runs programs there: it says, reads, waits and ends as it is told.

use crate::{between, measure};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Words: `say TEXT` (standard output), `complain TEXT` (standard error), `echo` (what it reads), `fill BYTES` (so many
/// on standard output), `sleep MILLISECONDS`, `write FILE BLOCKS FIRST LAST` (generations of blocks), `discard FILE OFFSET
/// BYTES`, `mount KIND TAG PLACE rw|ro`, `show FILE`, `carry FILE FILE`, `call PORT BYTES` (what `between` has), `end STATUS`, in any
/// order and number; and what `measure` has, whose first number is how many runs there are: `spin`, `copy`, `read`, `seek`,
/// `overwrite`, `scatter`, `wake`, `steal` say a figure for each in a list, `reach HOST:PORT MILLISECONDS` says `open` or why not, `trips tcp|udp
/// ADDRESS BYTES COUNT` the milliseconds of round trips to the echo service there.
pub(crate) fn run(mut words: impl Iterator<Item = String>) -> ExitCode {
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|text| text.parse::<u64>().ok());
        let done = match word.as_str() {
            "say" => writeln!(std::io::stdout(), "{}", words.next().unwrap_or_default()),
            "complain" => writeln!(std::io::stderr(), "{}", words.next().unwrap_or_default()),
            "echo" => {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).and_then(|_| std::io::stdout().write_all(&bytes))
            }
            "fill" => {
                let mut bytes = std::io::repeat(b'x').take(number().unwrap_or(0));
                std::io::copy(&mut bytes, &mut std::io::stdout()).map(drop)
            }
            "sleep" => {
                std::thread::sleep(Duration::from_millis(number().unwrap_or(0)));
                Ok(())
            }
            "write" => {
                let path = words.next().unwrap_or_default();
                let mut number = || words.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                let (blocks, first, last) = (number(), number(), number());
                generations(&path, blocks, first..=last)
            }
            "discard" => {
                let path = words.next().unwrap_or_default();
                let mut number = || words.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
                discard(&path, number(), number())
            }
            "mount" => {
                let [kind, tag, place, mode] = std::array::from_fn(|_| words.next().unwrap_or_default());
                between::mount(&kind, &tag, &place, &mode)
            }
            "show" => between::show(&words.next().unwrap_or_default()),
            "carry" => {
                let (from, to) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                between::carry(&from, &to)
            }
            "call" => {
                let port = number().and_then(|port| u32::try_from(port).ok()).unwrap_or(0);
                between::call(port, number().unwrap_or(0))
            }
            "spin" => list(&measure::spin(number().unwrap_or(0), number().unwrap_or(0))),
            "copy" => list(&measure::copy(number().unwrap_or(0), number().unwrap_or(1))),
            "wake" => {
                list(&measure::wake(number().unwrap_or(0), number().unwrap_or(0), number().unwrap_or(0)))
            }
            "steal" => {
                measure::steal(number().unwrap_or(0), number().unwrap_or(0)).and_then(|all| list(&all))
            }
            "read" | "seek" | "overwrite" | "scatter" => {
                let (runs, count) = (number().unwrap_or(0), number().unwrap_or(0));
                let path = words.next().unwrap_or_default();
                let measure = match word.as_str() {
                    "read" => measure::read,
                    "seek" => measure::seek,
                    "overwrite" => measure::overwrite,
                    _ => measure::scatter,
                };
                measure(runs, count, &path).and_then(|all| list(&all))
            }
            "reach" => {
                let to = words.next().unwrap_or_default();
                let limit = words.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
                writeln!(std::io::stdout(), "{}", measure::reach(&to, limit))
            }
            "trips" => {
                let (by, to) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let mut number = || words.next().and_then(|text| text.parse().ok()).unwrap_or(1);
                let (size, count) = (number(), number());
                measure::trips(&by, &to, size, count).and_then(|said| writeln!(std::io::stdout(), "{said}"))
            }
            "end" => {
                return ExitCode::from(number().and_then(|status| u8::try_from(status).ok()).unwrap_or(255));
            }
            _ => {
                eprintln!(
                    "vmwright-guest: `{word}` is no word of mine; as process 1 of a test guest I take none"
                );
                return ExitCode::from(2);
            }
        };
        if let Err(error) = done {
            // Where standard error is gone too, the status has to do.
            let _ = writeln!(std::io::stderr(), "{word}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Gives bytes of a file or disk back; they read as zeros afterwards.
fn discard(path: &str, offset: u64, bytes: u64) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let file = std::fs::File::options().write(true).open(path)?;
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, bytes)?;
    Ok(())
}

/// Says figures as a JSON list.
fn list(figures: &[f64]) -> std::io::Result<()> {
    let figures: Vec<String> = figures.iter().map(|figure| format!("{figure:.3}")).collect();
    writeln!(std::io::stdout(), "[{}]", figures.join(","))
}

/// Writes blocks in their order, again and again, each on the disk before the next: at any moment those before some
/// place are of one generation, and those behind it of the one before. `vmwright_guest::block` says what is in them.
fn generations(path: &str, blocks: u64, generations: std::ops::RangeInclusive<u64>) -> std::io::Result<()> {
    use std::os::unix::fs::{FileExt, OpenOptionsExt};
    let synchronous = rustix::fs::OFlags::DSYNC.bits().cast_signed();
    let file = std::fs::File::options().write(true).custom_flags(synchronous).open(path)?;
    for generation in generations {
        for number in 0..blocks {
            let block = vmwright_guest::block(generation, number);
            file.write_all_at(&block, number * block.len() as u64)?;
        }
    }
    Ok(())
}
