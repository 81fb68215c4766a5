//! Messages of a guest's kernel: the same text as a host's, told apart by the name that it was given.

use crate::{View, kernel_log::KernelLog, kernel_log::named_guest, kernel_log::sure};
use vmwright_model::{Issue, Kind};

/// Kernel messages of a guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuestKernelLog {
    /// The messages.
    pub log: KernelLog,
}

impl View for GuestKernelLog {
    const KIND: Kind = Kind::new("guest_kernel_log");
    const SUREST: u8 = 88;
    const MARKS: &[&str] = KernelLog::MARKS;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        (Self { log: KernelLog::read_all(text) }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if !named_guest(name) {
            return 0;
        }
        let named = name.contains("dmesg") || name.contains("kern");
        sure(head).max(if named { 30 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        let text = "[    0.000000] Linux version 6.1.0\n[    0.1] x\n";
        assert_eq!(GuestKernelLog::recognise("guest-dmesg.txt", text), 88);
        assert_eq!(GuestKernelLog::recognise("dmesg.txt", text), 0);
        assert_eq!(GuestKernelLog::read(text).0.log.messages.len(), 2);
    }
}
