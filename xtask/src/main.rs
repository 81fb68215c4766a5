//! The project's own tasks, run as `cargo xtask <task>`. Everybody builds this first, so it depends on next to
//! nothing, and on no crate of the project.

mod apt;
mod daemon;
mod daemons;
mod firmware;
mod guest;
mod install;
mod kernel;
mod program;
mod progress;
mod run;
mod tasks;
mod unpacked;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let name = if args.is_empty() { "help".to_owned() } else { args.remove(0) };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", tasks::help());
        return ExitCode::SUCCESS;
    }
    let Some(task) = tasks::TASKS.iter().find(|task| task.name == name) else {
        eprint!("xtask: no task `{name}`\n\n{}", tasks::help());
        return ExitCode::from(2);
    };
    match (task.run)(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
