//! NVMe controllers of a lab. QEMU's cannot be kept (their `VMStateDescription` is `unmigratable`), and a lab begins in the
//! kept memory of its first boot. So they are plugged in where it has begun, and come out before its memory is kept again:
//! what is on their disks is in no snapshot.

use crate::template::{Template, empty, execute};
use crate::{Hardware, Lab, LabError, Part};
use serde_json::{Value, json};
use std::fmt::Display;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;
use vmwright_backend::qemu::qmp::Qmp;
use vmwright_backend::{Backend as _, ControlError, Request, Watch, chain, snapshots};

/// The port that the lab's own one is plugged into.
pub(crate) const PORT: &str = "lab-port1";
/// Bytes of a controller's disk: room for a file system, not for a guest.
const SIZE: &str = "256M";
/// How long the lab's system may take to let go of one. What it drives is gone in a second, also under TCG.
const LET_GO: Duration = Duration::from_secs(10);
/// How long one may take to go with a reset.
const RESET: Duration = Duration::from_secs(5);
/// Seconds until the lab's system has its driver at one.
const APPEAR: u64 = 60;
/// Run in the lab: waits for so many disks.
const WAIT: &str = "until set -- /dev/nvme*n1 && [ -b \"$1\" ] && [ $# -ge $wanted ]; do sleep 0.1; done\n";

/// Seconds that a restarted system may take to have what is plugged in: it loads all its other drivers as well.
const BOOT: u64 = 180;
/// Run in the lab behind a restart: waits until so many controllers are there, each with its disk, or with a driver that makes
/// none (`vfio-pci`), or with none because udev has gone through all devices and nothing takes it.
const READY: &str = r#"
ready() {
    count=0
    driven=0
    for function in "$root"/sys/bus/pci/devices/*; do
        case "$(cat "$function/class")" in 0x0108*) ;; *) continue ;; esac
        count=$((count + 1))
        case "$(readlink "$function/driver")" in
        */nvme) driven=$((driven + 1)) ;;
        "") udevadm settle --timeout=1 || return 1 ;;
        esac
    done
    # With multipath the disk is not below its controller in /sys.
    set -- "$root"/dev/nvme*n1
    [ -e "$1" ] || set --
    [ $count -ge $wanted ] && [ $# -ge $driven ]
}
until ready; do sleep 0.2; done
"#;

impl Hardware {
    /// The port of each NVMe controller: the lab's own, and those that stand for a host's.
    pub(crate) fn nvme_ports(&self) -> Vec<String> {
        let own = self.has(Part::Nvme).then(|| PORT.to_owned());
        own.into_iter().chain(self.like.iter().flat_map(|like| like.nvme_ports())).collect()
    }
}

/// A controller's name, by its port.
fn id(port: &str) -> String {
    format!("nvme-{port}")
}

/// The block node of its disk.
fn node(id: &str) -> String {
    format!("{id}-node")
}

impl Lab {
    /// Keeps disks and memory as they are now, but for its NVMe controllers: they come out and go in again, and what is on
    /// their disks stays as it is.
    ///
    /// # Errors
    /// [`LabError`]; also where its system does not let go of a controller.
    pub fn snapshot(&self, name: &str, watch: &mut dyn Watch) -> Result<(), LabError> {
        // One that does not run has none plugged in, and its disks alone are kept.
        let alive = self.qemu().look(self.machine())?.state.alive();
        let ports = if alive { self.hardware().nvme_ports() } else { Vec::new() };
        if let Err(error) = self.unplug(&ports, LET_GO, watch) {
            return Err(LabError::Image(format!(
                "its NVMe controller is in use, and would have to come out: end what uses it ({})",
                chain(&error)
            )));
        }
        let kept = self.ask(Request::Snapshot { name: name.to_owned() }, watch).map(drop);
        let plugged = self.plug(&ports, watch);
        kept.and(plugged)
    }

    /// Goes back to a snapshot. The disks of its NVMe controllers are empty then, as at its beginning.
    ///
    /// # Errors
    /// [`LabError`].
    pub fn restore(&self, name: &str, watch: &mut dyn Watch) -> Result<(), LabError> {
        let ports = self.hardware().nvme_ports();
        // One that is not there costs nothing.
        if snapshots(self.machine()).iter().any(|one| one == name) {
            self.take_out(&ports, watch)?;
        }
        let back = self.ask(Request::Restore { name: name.to_owned() }, watch).map(drop);
        if back.is_err() {
            // The first error is the one to tell.
            let _ = self.connect(&ports);
        }
        back.and_then(|()| self.set_clock())?;
        self.plug_empty(&ports, watch)
    }

    /// Plugs controllers with empty disks into a lab that has just begun.
    pub(crate) fn plug_empty(&self, ports: &[String], watch: &mut dyn Watch) -> Result<(), LabError> {
        for port in ports {
            empty(&self.disk(port), SIZE)?;
        }
        self.plug(ports, watch)
    }

    /// Plugs those controllers that are out, and waits until the lab's system has them.
    fn plug(&self, ports: &[String], watch: &mut dyn Watch) -> Result<(), LabError> {
        if ports.is_empty() {
            return Ok(());
        }
        self.connect(ports)?;
        let done =
            execute(&self.qemu(), self.machine(), &format!("wanted={}\n{WAIT}", ports.len()), APPEAR, watch)?;
        if done.status == Some(0) {
            return Ok(());
        }
        Err(LabError::Unstaged {
            why: format!("its NVMe controller has no driver after {APPEAR} s"),
            said: String::from_utf8_lossy(&done.errors).trim().to_owned(),
        })
    }

    /// Waits until a system that has just booted has those controllers that are plugged in. False where the system did not
    /// live to the end of it.
    pub(crate) fn has_nvme(&self, watch: &mut dyn Watch) -> Result<bool, LabError> {
        let ports = self.hardware().nvme_ports();
        if ports.is_empty() {
            return Ok(true);
        }
        let there = plugged(&mut self.qemu().monitor(self.machine())?)?;
        let wanted = ports.iter().filter(|port| there.contains(&id(port))).count();
        let script = format!("root=\nwanted={wanted}\n{READY}");
        match execute(&self.qemu(), self.machine(), &script, BOOT, watch) {
            // By itself it ends in no other way than with 0.
            Ok(done) => Ok(done.status == Some(0)),
            Err(LabError::Control(error)) if matches!(*error, ControlError::Agent { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Plugs those controllers that are out, whatever the lab's system makes of it.
    pub(crate) fn connect(&self, ports: &[String]) -> Result<(), LabError> {
        let mut monitor = self.qemu().monitor(self.machine())?;
        let there = plugged(&mut monitor)?;
        for port in ports.iter().filter(|port| !there.contains(&id(port))) {
            let id = id(port);
            let node = node(&id);
            // QEMU may run as a user that cannot reach the lab's files.
            let path = self.disk(port);
            let opened = File::options().read(true).write(true).open(&path);
            let opened = opened.map_err(|error| refused(&path.to_string_lossy(), error))?;
            let lent = monitor.lend_as(opened.as_fd(), &path.to_string_lossy());
            let file = lent.map_err(|error| refused("add-fd", error))?;
            let file = json!({ "driver": "file", "filename": file, "discard": "unmap" });
            let disk = json!({ "driver": "qcow2", "node-name": node, "discard": "unmap", "file": file });
            ask(&mut monitor, "blockdev-add", disk)?;
            let device = json!({ "driver": "nvme", "id": id, "serial": id, "drive": node, "bus": port });
            ask(&mut monitor, "device_add", device)?;
        }
        Ok(())
    }

    /// Takes controllers out, also those that the lab's system holds on to: its memory is about to be another.
    fn take_out(&self, ports: &[String], watch: &mut dyn Watch) -> Result<(), LabError> {
        if self.unplug(ports, RESET, watch).is_ok() {
            return Ok(());
        }
        // With a reset goes what waits for the guest (`acpi_pcihp_reset`).
        ask(&mut self.qemu().monitor(self.machine())?, "system_reset", json!({}))?;
        self.unplug(ports, RESET, watch)
    }

    fn unplug(&self, ports: &[String], patience: Duration, watch: &mut dyn Watch) -> Result<(), LabError> {
        if ports.is_empty() {
            return Ok(());
        }
        let there = plugged(&mut self.qemu().monitor(self.machine())?)?;
        for device in ports.iter().map(|port| id(port)) {
            if there.contains(&device) {
                self.ask(Request::Detach { device, patience }, watch)?;
            } else {
                // What is out may have left its disk behind; where it has not, this is refused.
                let disk = json!({ "node-name": node(&device) });
                let _ = ask(&mut self.qemu().monitor(self.machine())?, "blockdev-del", disk);
            }
        }
        Ok(())
    }

    fn disk(&self, port: &str) -> PathBuf {
        Template::at(&self.machine().directory()).data.with_file_name(format!("{}.qcow2", id(port)))
    }
}

/// Names of the devices that are plugged in.
fn plugged(monitor: &mut Qmp) -> Result<Vec<String>, LabError> {
    let listed = ask(monitor, "qom-list", json!({ "path": "/machine/peripheral" }))?;
    let names = listed.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

fn ask(monitor: &mut Qmp, command: &str, arguments: Value) -> Result<Value, LabError> {
    monitor.execute(command, Some(arguments)).map_err(|error| refused(command, error))
}

fn refused(what: &str, error: impl Display) -> LabError {
    LabError::Image(format!("QEMU has no NVMe controller for the lab: {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::READY;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::time::Duration;

    /// The script that waits, on a made-up system.
    fn waits(root: &Path, wanted: u32) -> Child {
        let bin = root.join("bin");
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let script = format!("root='{}'\nwanted={wanted}\n{READY}", root.display());
        Command::new("sh").args(["-c", &script]).env("PATH", path).spawn().expect("run")
    }

    fn ends(child: &mut Child) -> bool {
        for _ in 0..50 {
            if child.try_wait().expect("asked").is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        false
    }

    #[test]
    fn a_restarted_lab_is_there_with_its_disks() {
        let place = tempfile::tempdir().expect("a directory");
        let root = place.path();
        let function = root.join("sys/bus/pci/devices/0000:02:00.0");
        for folder in [&function, &root.join("dev"), &root.join("bin")] {
            fs::create_dir_all(folder).expect("made");
        }
        // udev is at work as long as this file is there.
        let busy = root.join("busy");
        fs::write(&busy, "").expect("written");
        let udevadm = root.join("bin/udevadm");
        fs::write(&udevadm, format!("#!/bin/sh\n! [ -e '{}' ]\n", busy.display())).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&udevadm, mode).expect("its own file");
        fs::write(function.join("class"), "0x010802\n").expect("written");
        let short = |child: &mut Child| {
            std::thread::sleep(Duration::from_secs(1));
            child.try_wait().expect("asked").is_none()
        };

        let mut child = waits(root, 1);
        assert!(short(&mut child), "udev has not come to it");
        symlink("../../../../bus/pci/drivers/nvme", function.join("driver")).expect("made");
        assert!(short(&mut child), "it has no disk yet");
        fs::create_dir_all(function.join("nvme/nvme0/nvme0c0n1")).expect("made");
        assert!(short(&mut child), "its disk has no node yet");
        fs::write(root.join("dev/nvme0n1"), "").expect("written");
        assert!(ends(&mut child));

        let mut child = waits(root, 2);
        assert!(short(&mut child), "the other is not there yet");
        let other = root.join("sys/bus/pci/devices/0000:03:00.0");
        fs::create_dir_all(&other).expect("made");
        symlink("../../../../bus/pci/drivers/vfio-pci", other.join("driver")).expect("made");
        fs::write(other.join("class"), "0x010802\n").expect("written");
        assert!(ends(&mut child), "what is for guests has no disk here");

        fs::remove_file(other.join("driver")).expect("there");
        let mut child = waits(root, 2);
        assert!(short(&mut child), "it may still get one");
        fs::remove_file(&busy).expect("there");
        assert!(ends(&mut child), "nothing takes it");
    }
}
