//! The probe that runs inside test guests, built as one static file.

use crate::progress::Step;
use crate::run::Run;
use crate::workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;

/// Statically linked programs for the gnu target need no other target to be installed.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the probe where its sources have changed, and gives its path. It has a profile and a target folder of
/// its own, so that other flags never make cargo build the rest of the workspace anew.
///
/// # Errors
/// When it does not build.
pub(crate) fn ensure() -> Result<PathBuf> {
    let step = Step::begin("building the guest probe");
    let root = workspace::root();
    Run::new([
        workspace::cargo().as_str(),
        "build",
        "--package",
        "vmwright-guest",
        "--bin",
        "vmwright-guest",
    ])
    .args(["--profile", "probe", "--target", TARGET])
    .env("RUSTFLAGS", "-C target-feature=+crt-static")
    .without("CARGO_ENCODED_RUSTFLAGS")
    .dir(&root)
    .quiet(&step)?;
    let built = workspace::target().join(TARGET).join("probe/vmwright-guest");
    let place = workspace::cache().join("guest");
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let probe = place.join("vmwright-guest");
    fs::copy(&built, &probe).with_context(|| format!("cannot copy {}", built.display()))?;
    step.done();
    Ok(probe)
}
