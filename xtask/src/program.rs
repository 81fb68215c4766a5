//! vmwright itself, built.

use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::Result;
use std::path::PathBuf;

/// Builds it as tests do, where its sources have changed.
///
/// # Errors
/// When it does not build.
pub(crate) fn built() -> Result<PathBuf> {
    build("building vmwright", &[], "debug")
}

/// Builds it as it is shipped.
///
/// # Errors
/// When it does not build.
pub(crate) fn shipped() -> Result<PathBuf> {
    build("building vmwright as it is shipped: once, some minutes", &["--release"], "release")
}

fn build(what: &str, more: &[&str], folder: &str) -> Result<PathBuf> {
    let step = Step::begin(what);
    Run::new([workspace::cargo().as_str(), "build", "--package", "vmwright-cli", "--bins"])
        .args(more.iter().copied())
        .dir(workspace::root())
        .quiet(&step)?;
    step.done();
    Ok(workspace::target().join(folder).join("vmwright"))
}
