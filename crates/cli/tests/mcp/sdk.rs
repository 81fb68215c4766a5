//! The official Python SDK as the client.

use crate::common::Site;
use crate::http::Server;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Its package, of the line that is stable.
const SDK: &str = "mcp>=1.20,<2";

/// A Python that has the SDK, from an environment of the tests' own; none where it cannot be had, with the reason.
fn python() -> Result<PathBuf, String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mcp-sdk");
    let python = folder.join("bin/python");
    let works =
        || Command::new(&python).args(["-c", "import mcp"]).output().is_ok_and(|out| out.status.success());
    if works() {
        return Ok(python);
    }
    let run = |program: &str, arguments: &[&str]| {
        let out =
            Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
        let said = String::from_utf8_lossy(&out.stderr).lines().last().unwrap_or_default().to_owned();
        if out.status.success() { Ok(()) } else { Err(format!("{program}: {said}")) }
    };
    run("python3", &["-m", "venv", folder.to_str().unwrap()])?;
    run(python.to_str().unwrap(), &["-m", "pip", "install", "-q", "--disable-pip-version-check", SDK])?;
    if works() { Ok(python) } else { Err("the SDK does not load".to_owned()) }
}

#[test]
fn the_official_sdk_lists_calls_follows_cancels_and_fails() {
    let site = Site::new();
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            eprintln!("SKIPPED the_official_sdk_lists_calls_follows_cancels_and_fails: {why}");
            return;
        }
    };
    site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let out = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp/sdk.py"))
        .arg(env!("CARGO_BIN_EXE_vmwright"))
        .arg(site.path("logs"))
        .env("VMWRIGHT_STATE", site.path("state"))
        .env("VMWRIGHT_CONFIG", site.path("config"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    for part in ["listed", "called", "followed", "cancelled", "failed", "changed"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn the_official_sdk_speaks_over_http() {
    let test = "the_official_sdk_speaks_over_http";
    let site = Site::new();
    let python = match python() {
        Ok(python) => python,
        Err(why) => {
            eprintln!("SKIPPED {test}: {why}");
            return;
        }
    };
    site.file("logs/qemu.log", "qemu: Failed to get \"write\" lock\n");
    let server = Server::new(&site, &[]);
    let out = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp/sdk_http.py"))
        .args([server.url().as_str(), &server.token])
        .arg(site.path("logs"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    for part in ["listed", "followed", "investigated", "apart"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}
