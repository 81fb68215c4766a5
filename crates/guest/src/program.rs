//! The one program of a test guest, for what runs programs there: it says, reads, waits and ends as it is told.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Words: `say TEXT` (standard output), `complain TEXT` (standard error), `echo` (what it reads), `fill BYTES` (so many
/// on standard output), `sleep MILLISECONDS`, `write FILE BLOCKS FIRST LAST` (generations of blocks), `end STATUS`, in any
/// order and number.
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
        if done.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
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
