//! A host over SSH, through a real server on this one.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, Site, has};
use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An SSH server of the test's own, and a `ssh` in front of the real one that knows it.
struct Server {
    site: Site,
    sshd: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

/// Runs the server with the settings `$1`. Where none is installed, the one that was unpacked for tests is laid over
/// `/usr` for it, and its user and folder are made up, in a mount namespace.
const SERVE: &str = r#"
    serve='
        mkdir -p /run/sshd
        if ! [ -e /usr/sbin/sshd ]; then
            unpacked=$VMWRIGHT_TEST_PROGRAMS
            mount -t overlay none -o "lowerdir=$unpacked/usr:/usr" /usr
            mount -t overlay none -o "lowerdir=$unpacked/lib:/usr/lib" /usr/lib
        fi
        if ! grep -q "^sshd:" /etc/passwd; then
            { cat /etc/passwd; echo sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin; } > "$1.passwd"
            mount --bind "$1.passwd" /etc/passwd
        fi
        exec /usr/sbin/sshd -D -f "$1"
    '
    if [ "$(id -u)" = 0 ]; then exec unshare --mount sh -ec "$serve" sshd "$1"; fi
    exec /usr/sbin/sshd -D -f "$1"
"#;

/// The server, or why there is none here.
fn server(test: &str) -> Option<Server> {
    let unpacked = std::env::var("VMWRIGHT_TEST_PROGRAMS").unwrap_or_default();
    let there = ["/", &unpacked].iter().any(|root| Path::new(root).join("usr/sbin/sshd").exists());
    if !there || !has(test, "ssh") || !has(test, "ssh-keygen") {
        eprintln!("SKIPPED {test}: no SSH server is installed, nor unpacked for tests");
        return None;
    }
    let site = Site::new();
    for key in ["host-key", "user-key"] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(site.path(key))
            .status()
            .unwrap();
        assert!(made.success());
    }
    fs::copy(site.path("user-key.pub"), site.path("authorized")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = site.path("");
    let dir = dir.display();
    let config = site.file(
        "sshd_config",
        format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {dir}/host-key\nAuthorizedKeysFile {dir}/authorized\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nPidFile none\n\
             PrintMotd no\n"
        ),
    );
    let host_key = fs::read_to_string(site.path("host-key.pub")).unwrap();
    site.file("known_hosts", format!("[127.0.0.1]:{port} {host_key}"));
    let user = site.file(
        "ssh_config",
        format!("UserKnownHostsFile {dir}/known_hosts\nIdentityFile {dir}/user-key\nIdentitiesOnly yes\nBatchMode yes\n"),
    );
    let ssh = site.file("bin/ssh", format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", user.display()));
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let sshd = Command::new("sh")
        .args(["-ec", SERVE, "sshd"])
        .arg(&config)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { site, sshd, port };
    let ends = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > ends {
            eprintln!("SKIPPED {test}: the SSH server does not start as this user");
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

impl Server {
    fn url(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }

    fn call(&self, words: &[&str]) -> Done {
        let mut command = self.site.command(words);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.site.path("bin").display()));
        common::done(command)
    }
}

/// The rules that fired, with their first quotes.
fn causes(call: &Done) -> Vec<String> {
    let analysis = call.json();
    let cause = |cause: &Value| format!("{} {}", cause["rule"], cause["evidence"][0]["quote"]);
    analysis["causes"].as_array().unwrap().iter().map(cause).collect()
}

#[test]
fn a_host_over_ssh_is_read_like_this_one() {
    let Some(server) = server("a_host_over_ssh_is_read_like_this_one") else { return };
    let url = server.url();
    let far =
        server.call(&["analyze", "--host", &url, "--select", "mitigation,iommu,cpu", "--format", "json"]);
    assert!([0, 1, 3].contains(&far.status), "{far:#?}");
    let near = server.call(&["analyze", "--select", "mitigation,iommu,cpu", "--format", "json"]);
    assert_eq!(causes(&far), causes(&near));
    let (far, near) = (far.json(), near.json());
    for field in ["id", "name", "kernel"] {
        assert_eq!(far["host"][field], near["host"][field]);
    }
    // What takes the program itself over there is said.
    assert!(far["unread"].to_string().contains("not made over SSH"), "{}", far["unread"]);
    let enforced = far["sandbox"]["enforced"].to_string();
    assert!(enforced.contains("commands: none"), "this process is locked like for records: {enforced}");
}

#[test]
fn a_capture_over_ssh_gives_what_the_host_gives() {
    let Some(server) = server("a_capture_over_ssh_gives_what_the_host_gives") else { return };
    let url = server.url();
    let archive = server.site.path("far.tar.gz");
    let archive = archive.to_str().unwrap();
    let made = server.call(&["capture", "--host", &url, "-o", archive, "--anonymize"]);
    // Some probes take the program itself over there.
    assert_eq!(made.status, 3, "{made:#?}");
    let select = ["--select", "mitigation,iommu,cpu", "--format", "json"];
    let kept = server.call(&[&["analyze", "--from", archive][..], &select].concat());
    let far = server.call(&[&["analyze", "--host", &url][..], &select].concat());
    assert_eq!(causes(&kept), causes(&far));
    let plan = server.call(&["capture", "--host", &url, "--dry-run"]).ok().out;
    assert!(plan.contains("/proc/cpuinfo") && plan.contains(&url), "{plan}");
}

#[test]
fn a_host_that_does_not_answer_is_an_error() {
    let Some(server) = server("a_host_that_does_not_answer_is_an_error") else { return };
    let bad = |url: &str| server.call(&["analyze", "--host", url]);
    bad("hv1").fails(2, &["`hv1` is no host to connect to", "ssh://user@host"]);
    bad("ssh://-oProxyCommand=touch").fails(2, &["no host to connect to"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    bad(&format!("ssh://127.0.0.1:{nobody}")).fails(3, &["cannot be read", "Connection refused"]);
    // A server whose key is not known is not spoken to.
    server.site.file("known_hosts", "");
    bad(&server.url()).fails(3, &["Host key verification failed"]);
    let output = server.site.path("none.tar.gz");
    server
        .call(&["capture", "--host", &server.url(), "-o", output.to_str().unwrap()])
        .fails(3, &["Host key verification failed"]);
}
