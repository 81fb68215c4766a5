//! The one program of a test guest, for what runs programs there: it says, reads, waits and ends as it is told.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// Words: `say TEXT` (standard output), `complain TEXT` (standard error), `echo` (what it reads), `fill BYTES` (so many
/// on standard output), `sleep MILLISECONDS`, `end STATUS`, in any order and number.
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
