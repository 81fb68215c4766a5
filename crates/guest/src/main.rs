//! Process 1 of our own test guests. See the library of this crate for how it gets into one.

#![forbid(unsafe_code)]

mod between;
mod measure;
mod pid1;
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        // In a guest it is also the one program that its agent can run.
        return program::run(std::env::args().skip(1));
    }
    pid1::run()
}
