//! What process 1 does: mount, load drivers, set addresses, echo, answer the agent protocol, power off.
//!
//! It never returns: the kernel panics when process 1 ends. What fails is printed on the console and the rest
//! goes on, because a guest that is half up still tells the host what is wrong with it.

mod agent;
mod base64;
mod disks;
mod echo;
mod exec;
mod files;
mod fork;
mod frames;
mod memory;
mod netlink;
mod network;
mod power;
mod processor;
mod sysfs;
mod vsock;

use rustix::mount::{MountFlags, mount};
use rustix::time::{ClockId, clock_gettime};
use std::ffi::CString;
use std::fmt::Display;
use std::io::Write;
use std::time::Duration;
use std::{fs, thread};

/// How long drivers may take to offer the agent's port before the guest goes on without, in tenths of a second.
const PORT_WAIT: u32 = 50;

/// Does everything, and then waits for children for ever.
pub(crate) fn run() -> ! {
    for (source, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        if let Err(error) = mount(source, target, source, MountFlags::NOSUID | MountFlags::NOEXEC, None) {
            complain(format_args!("mounting {target}: {error}"));
        }
    }
    stage("init");
    load_modules();
    show_variables();
    for _ in 0..PORT_WAIT {
        if agent::port().is_some() || vsock::is_there() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    stage("devices");
    network::configure();
    echo::start();
    fork::start();
    thread::spawn(power::watch);
    thread::spawn(agent::serve);
    vsock::start();
    loop {
        // Programs that the agent runs, and what the kernel hands to process 1, are reaped here.
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some((pid, status))) => exec::reaped(pid, status),
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Shows the variables of UEFI, where UEFI started the guest, for whoever asks whether signatures are checked.
fn show_variables() {
    let place = "/sys/firmware/efi/efivars";
    if !std::path::Path::new(place).exists() {
        return;
    }
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV | MountFlags::RDONLY;
    if let Err(error) = mount("efivarfs", place, "efivarfs", flags, None) {
        complain(format_args!("mounting {place}: {error}"));
    }
}

/// Seconds since the kernel started, as its own log counts them.
fn uptime() -> f64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Prints that a stage of the boot was reached: `vmwright-guest: init 1.234`.
fn stage(name: &str) {
    say(format_args!("{name} {:.3}", uptime()));
}

/// Prints what went wrong: `vmwright-guest: error: ...`.
fn complain(what: impl Display) {
    say(format_args!("error: {what}"));
}

fn say(what: impl Display) {
    // One write for the line, so that lines of the kernel do not fall into it. A console that cannot be
    // written to is no reason to end process 1.
    let line = format!("vmwright-guest: {what}\n");
    let mut console = std::io::stdout().lock();
    let _ = console.write_all(line.as_bytes()).and_then(|()| console.flush());
}

/// Loads what the initramfs brought, in its order, with the parameters that the kernel was given for it: a kernel hands
/// them to what is built into it alone, and Firecracker tells some kernels by them where its devices are.
fn load_modules() {
    let order = match fs::read_to_string("/modules/order") {
        Ok(order) => order,
        Err(error) => return complain(format_args!("/modules/order: {error}")),
    };
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    for file in order.lines() {
        // Loading them takes an emulated guest a tenth of a second, and few have the device, which is known by now.
        if (file.contains("vsock") && !vsock::is_there()) || (is_of_shares(file) && !sysfs::has_virtio(FILES))
        {
            continue;
        }
        let words = parameters(&cmdline, file.trim_end_matches(".ko"));
        let words = CString::new(words).unwrap_or_default();
        let loaded = fs::File::open(format!("/modules/{file}"))
            .and_then(|file| rustix::system::finit_module(file, &words, 0).map_err(Into::into));
        match loaded {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::EXIST.raw_os_error()) => {}
            Err(error) => complain(format_args!("module {file}: {error}")),
        }
    }
}

/// The device of a shared directory among those of virtio: its number by the virtio specification, section 5.
const FILES: &str = "0x001a";

fn is_of_shares(file: &str) -> bool {
    matches!(file, "fuse.ko" | "virtiofs.ko")
}

/// What a kernel command line says to a module, as the module takes it: `name.key=value` is its `key=value`.
fn parameters(cmdline: &str, module: &str) -> String {
    let own = |word: &str| Some(word.strip_prefix(module)?.strip_prefix('.')?.to_owned());
    cmdline.split_whitespace().filter_map(own).collect::<Vec<_>>().join(" ")
}

/// Writes back what is cached and ends the guest.
fn end(command: rustix::system::RebootCommand) {
    rustix::fs::sync();
    if let Err(error) = rustix::system::reboot(command) {
        complain(format_args!("reboot: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn a_module_gets_the_parameters_that_are_for_it() {
        let cmdline =
            "quiet virtio_mmio.device=4K@0xd0000000:5 virtio.x=1 virtio_mmio.device=4K@0xd0001000:6\n";
        assert_eq!(parameters(cmdline, "virtio_mmio"), "device=4K@0xd0000000:5 device=4K@0xd0001000:6");
        assert_eq!(parameters(cmdline, "virtio"), "x=1");
        assert_eq!(parameters(cmdline, "vsock"), "");
    }
}
