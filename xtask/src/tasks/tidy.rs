//! `cargo xtask tidy`: the tests that read the tree itself.

use super::Task;
use crate::run::Run;
use crate::workspace;
use anyhow::{Result, bail};
use std::process::ExitCode;

pub(crate) const TASK: Task =
    Task { name: "tidy", usage: "", summary: "checks crate edges, file sizes, documents and licences", run };

fn run(args: &[String]) -> Result<ExitCode> {
    if let Some(arg) = args.first() {
        bail!("unexpected argument `{arg}`");
    }
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the checks, which are tests of this package. They are named among the workspace's, so that what is built of
/// libraries serves all other tests too.
pub(crate) fn check() -> Result<()> {
    Run::new([workspace::cargo().as_str(), "test", "--quiet", "--workspace", "--test", "tidy"])
        .dir(workspace::root())
        .show()
}
