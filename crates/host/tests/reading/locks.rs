//! Who holds an image: a real QEMU does.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vmwright_host::{Limits, Root, Subject, collect};
use vmwright_model::{Need, Probe};

/// Ends with the test.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn qemu_is_found_by_its_locks() {
    let state = tempfile::tempdir().unwrap();
    let (held, free) = (state.path().join("held.raw"), state.path().join("free.raw"));
    for image in [&held, &free] {
        File::create(image).unwrap().set_len(1 << 20).unwrap();
    }
    let machine = state.path().join("machines/web");
    fs::create_dir_all(&machine).unwrap();
    let disk = |path: &std::path::Path| format!("[[disk]]\npath = '{}'\nformat = 'raw'\n", path.display());
    let gone = state.path().join("gone.raw");
    fs::write(machine.join("machine.toml"), [disk(&held), disk(&free), disk(&gone)].concat()).unwrap();
    let subject = Subject { vm: Some("web".to_owned()), state: state.path().to_owned() };
    let read = |probe: Probe, source: &str| {
        let snapshot = collect(&Root::Live, &[Need::Probe(probe)], &subject, &Limits::default()).unwrap();
        String::from_utf8(snapshot.record(source).unwrap().content.clone().unwrap()).unwrap()
    };
    let rest = format!("none holds {}\nunknown {}: does not exist\n", free.display(), gone.display());
    assert_eq!(read(Probe::ImageLocks, "image-locks"), format!("none holds {}\n{rest}", held.display()));

    let drive = format!("if=none,id=d,format=raw,file={}", held.display());
    let qemu = Command::new("qemu-system-x86_64")
        .args(["-M", "microvm", "-accel", "tcg", "-nodefaults", "-display", "none", "-S"])
        .args(["-name", "guest=holder,debug-threads=on", "-m", "16", "-drive", &drive])
        .args(["-device", "virtio-blk-device,drive=d"])
        .stdin(Stdio::null())
        .spawn();
    let qemu = match qemu {
        Ok(child) => Qemu(child),
        Err(error) => {
            eprintln!("SKIPPED qemu_is_found_by_its_locks: qemu-system-x86_64 does not start: {error}");
            return;
        }
    };
    let pid = qemu.0.id();
    let user = user_name();
    let expected = format!(
        "pid {pid} user {user} holds {} name holder : qemu-system-x86_64 -M microvm ",
        held.display()
    );
    let ends = Instant::now() + Duration::from_secs(20);
    let text = loop {
        let text = read(Probe::ImageLocks, "image-locks");
        if text.starts_with("pid ") || Instant::now() > ends {
            break text;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with(&format!("\n{rest}")), "{text}");
    let vmms = read(Probe::Vmms, "vmm-processes");
    let line = format!("pid {pid} user {user} exe qemu-system-x86_64 : qemu-system-x86_64 -M microvm ");
    assert!(vmms.lines().any(|found| found.starts_with(&line)), "{vmms}");
    drop(qemu);
    assert_eq!(read(Probe::ImageLocks, "image-locks"), format!("none holds {}\n{rest}", held.display()));
}

fn user_name() -> String {
    let said = Command::new("id").arg("-un").output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}
