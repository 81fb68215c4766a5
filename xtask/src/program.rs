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

/// Builds all tests, and with them all programs, whose folder it gives. Each choice of packages has features of its own in
/// the libraries below: what was built of another choice is built once more, the whole program among it.
///
/// # Errors
/// When something does not build.
pub(crate) fn with_tests() -> Result<PathBuf> {
    let step = Step::begin("building vmwright and all tests");
    Run::new([workspace::cargo().as_str(), "test", "--workspace", "--no-run"])
        .dir(workspace::root())
        .show()?;
    step.done();
    Ok(workspace::target().join("debug"))
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
