//! A guest that calls its host by vsock, through a device in user space that leads to UNIX sockets, as those of microVMs do.

use crate::live::{failure, gate, review_with, spec};
use crate::support::{Options, Vm, parts, program};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vmwright_backend::vsock_port::{VsockPort, Way};
use vmwright_model::machine::Vsock;
use vmwright_model::{GateOutcome, MachineSpec, Review};
use vmwright_review::{Exercise, Guest, Moved, Saved, Undone, Unplugged, Vmm};

/// The host's end, and nothing else.
struct Calls<'a>(&'a Path);

impl Exercise for Calls<'_> {
    fn there_and_back(&self, _: &mut dyn FnMut(&dyn Guest)) -> Result<Moved, Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn plugged(&self, _: &[u8], _: &mut dyn FnMut(&dyn Guest, &str)) -> Result<Unplugged, Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn beside(&self, _: &mut dyn FnMut(&dyn Guest, &MachineSpec)) -> Result<(), Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn restored(&self, _: &mut dyn FnMut(&dyn Guest, &dyn Vmm) -> bool) -> Result<Saved, Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn shared(&self, _: &str, _: &[u8], _: &mut dyn FnMut(&str, &str)) -> Result<Option<Vec<u8>>, Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn iperf3(&self, _: IpAddr, _: &mut dyn FnMut(u16)) -> Result<(), Undone> {
        Err(Undone::Cannot("not here".to_owned()))
    }
    fn called(&self, bytes: &[u8], look: &mut dyn FnMut(u32)) -> Result<Option<Vec<u8>>, Undone> {
        let port = VsockPort::open(&Way::Beside(self.0.to_owned())).unwrap();
        let over = AtomicBool::new(false);
        let came = std::thread::scope(|scope| {
            let came = scope.spawn(|| port.exchange(bytes, Duration::from_secs(60), &over));
            look(port.number());
            over.store(true, Ordering::Relaxed);
            came.join().unwrap()
        });
        came.map_err(|error| Undone::Failed(error.to_string()))
    }
}

/// A device that ends with this value.
struct Device(Child);

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A VM with the device, and the socket beside which its calls come.
fn started(program: &Path, place: &Path, more: &str) -> (Vm, Device, PathBuf) {
    let at = |name: &str| place.join(name).display().to_string();
    let device = Command::new(program)
        .args(["--guest-cid", "3", "--socket", &at("device"), "--uds-path", &at("vsock")])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let device = Device(device);
    let mut tries = 0..200;
    while !place.join("device").exists() && tries.next().is_some() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let words = [
        "-object",
        "memory-backend-memfd,id=shared,size=256M,share=on",
        "-machine",
        "memory-backend=shared",
        "-chardev",
        &format!("socket,id=vsock,path={}", at("device")),
        "-device",
        "vhost-user-vsock-pci,chardev=vsock",
    ]
    .map(str::to_owned);
    let options = Options { more: words.to_vec(), cmdline: more.to_owned(), ..Options::default() };
    let parts = parts("").expect("asked for before");
    (Vm::start(parts, &options), device, place.join("vsock"))
}

fn reviewed(vm: &Vm, socket: &Path) -> Review {
    let mut spec = spec();
    spec.vsock = Some(Vsock { cid: Some(3), ..Vsock::default() });
    review_with(vm, &spec, &["devices"], &Calls(socket))
}

#[test]
fn a_guest_calls_its_host_or_has_no_driver_to_do_so() {
    let test = "a_guest_calls_its_host_or_has_no_driver_to_do_so";
    let Some(_) = parts(test) else { return };
    let Some(program) = program(test, "vhost-device-vsock") else { return };
    let place = tempfile::tempdir().unwrap();
    let (vm, _device, socket) = started(&program, place.path(), "");
    let good = reviewed(&vm, &socket);
    let devices = gate(&good, "devices");
    assert_eq!(devices.outcome, GateOutcome::Pass);
    let row = |row: &&Vec<String>| row[0] == "vsock";
    assert_eq!(devices.tables[0].rows.iter().find(row).unwrap()[3], "bytes there and back");
    // Nothing of ours is left beside the VM's own sockets.
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("vsock_")), "{left:?}");
    drop(vm);

    // The same guest, whose kernel has a driver that does not begin its work.
    let place = tempfile::tempdir().unwrap();
    let (vm, _device, socket) = started(&program, place.path(), "initcall_blacklist=virtio_vsock_init");
    let bad = reviewed(&vm, &socket);
    let why = failure(&bad, "devices");
    assert!(why.contains("virtio socket: 1 of 1 have no driver in the guest"), "{why}");
    assert!(why.contains("vsock: the guest cannot call its host: call: "), "{why}");
}
