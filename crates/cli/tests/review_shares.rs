//! `vmwright review` on a directory that a guest shares: bytes that go there and back, a guest that may not write, and a daemon
//! that has gone.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "../../guest/tests/support/mod.rs"]
mod support;
#[path = "common/web.rs"]
mod web;

use common::Site;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use web::{fails, gone};

/// A virtiofsd, which ends with this value.
struct Daemon(Child);

impl Daemon {
    fn end(&mut self) {
        // Its child that serves ends with it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Serves a directory, as QEMU's own virtiofsd and its successor are told to.
fn serve(program: &Path, directory: &Path, socket: &Path) -> Daemon {
    let of_qemu = program.starts_with("/usr/lib/qemu") || program.ends_with("lib/qemu/virtiofsd");
    let source = if of_qemu {
        ["-o".to_owned(), format!("source={}", directory.display())]
    } else {
        ["--shared-dir".to_owned(), directory.display().to_string()]
    };
    let child = Command::new(program)
        .arg(format!("--socket-path={}", socket.display()))
        .args(source)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    let mut tries = 0..200;
    while !socket.exists() && tries.next().is_some() {
        thread::sleep(Duration::from_millis(50));
    }
    daemon
}

/// Starts `web`, whose guest has mounted the share `data`.
fn started(site: &Site, parts: &support::Parts, socket: &Path, mode: &str) {
    let more = format!("memory.shared = true\n[[share]]\ntag = 'data'\nsocket = '{}'\n", socket.display());
    web::started(site, parts, "", &more);
    let mount = ["vm", "exec", "web", "--", "/init", "mount", "virtiofs", "data", "/data", mode];
    // The agent comes up with the guest.
    let mut tries = 0..120;
    while site.call(&mount).status != 0 {
        assert!(tries.next().is_some(), "{:?}", site.call(&mount));
        thread::sleep(Duration::from_millis(500));
    }
}

fn devices(site: &Site) -> Value {
    let done = site.call(&["review", "web", "--gates", "boot,devices", "--format", "json"]);
    done.json()["review"]["gates"][1].clone()
}

fn names(place: &Path) -> Vec<PathBuf> {
    fs::read_dir(place).unwrap().map(|one| one.unwrap().path()).collect()
}

#[test]
fn bytes_go_through_a_share_or_it_fails() {
    let test = "bytes_go_through_a_share_or_it_fails";
    let Some(parts) = support::parts(test) else { return };
    let Some(program) = support::program(test, "virtiofsd") else { return };
    let site = Site::new();
    let (data, socket) = (site.path("data"), site.path("data.sock"));
    site.file("data/own", "the user's");
    let mut daemon = serve(&program, &data, &socket);
    started(&site, parts, &socket, "rw");
    let good = devices(&site);
    assert_eq!(good["verdict"], "pass", "{good:#}");
    let rows = good["tables"][0]["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row[0] == "share data").unwrap();
    assert_eq!(row[3], "mounted at /data, bytes there and back", "{good:#}");
    // What is the user's is as it was, and nothing of ours is left.
    assert_eq!(names(&data), [data.join("own")]);
    assert_eq!(fs::read(data.join("own")).unwrap(), b"the user's");

    // The daemon goes: the guest is not sent to where it would wait for ever.
    daemon.end();
    let lost = devices(&site);
    fails(&lost, "share `data`: the VMM has lost the daemon behind");
    assert!(
        site.call(&["vm", "exec", "web", "--", "/init", "say", "still here"]).ok().out.contains("still here")
    );
    gone(&site);

    // The guest has it read-only, and the specification lets it write.
    let _ = fs::remove_file(&socket);
    let _daemon = serve(&program, &data, &socket);
    started(&site, parts, &socket, "ro");
    fails(
        &devices(&site),
        "the guest has mounted `data` read-only at /data, the specification lets it write",
    );
    assert_eq!(names(&data), [data.join("own")]);
    gone(&site);
}
