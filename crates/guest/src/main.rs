//! Process 1 of our own test guests. See the library of this crate for how it gets into one.

#![forbid(unsafe_code)]

mod pid1;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("vmwright-guest: runs only as process 1 of a test guest");
        return ExitCode::from(2);
    }
    pid1::run()
}
