//! The ACPI power button, which QEMU presses on `system_powerdown`.

use super::{end, sysfs};
use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::Duration;

/// Size of `struct input_event` of `<linux/input.h>` on 64-bit machines: a time of 16 bytes, type, code, value.
const EVENT: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

/// Waits for the button for ever and powers off when it is pressed. A kernel without the drivers `button` and
/// `evdev` has no such device; the agent's `guest-shutdown` is the way then.
pub(super) fn watch() {
    loop {
        if let Some(mut device) = button() {
            let mut event = [0; EVENT];
            while device.read_exact(&mut event).is_ok() {
                if is_press(&event) {
                    end(rustix::system::RebootCommand::PowerOff);
                }
            }
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn button() -> Option<File> {
    let name = sysfs::names("/sys/class/input").into_iter().find(|name| {
        name.starts_with("event")
            && sysfs::value(format!("/sys/class/input/{name}/device/name")).as_deref() == Some("Power Button")
    })?;
    File::open(format!("/dev/input/{name}")).ok()
}

fn is_press(event: &[u8; EVENT]) -> bool {
    let half = |at: usize| u16::from_le_bytes([event[at], event[at + 1]]);
    (half(16), half(18), half(20)) == (EV_KEY, KEY_POWER, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pressing_the_power_key_counts() {
        let mut event = [0; EVENT];
        event[16] = 1;
        event[18] = 116;
        assert!(!is_press(&event), "released");
        event[20] = 1;
        assert!(is_press(&event));
        event[18] = 117;
        assert!(!is_press(&event), "another key");
    }
}
