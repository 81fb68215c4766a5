//! A guest's console from power-on: firmware, boot loader, kernel, init, login.

use crate::{View, kernel_log, kernel_log::KernelLog, lines::having, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// How far a guest came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// SeaBIOS, qboot, OVMF.
    Firmware,
    /// GRUB, syslinux, iPXE, systemd-boot.
    BootLoader,
    /// The kernel's first line.
    Kernel,
    /// The first process.
    Init,
    /// A login prompt.
    Login,
}

/// Texts that mark a stage.
const MARKS: &[(&str, Stage)] = &[
    ("SeaBIOS (version", Stage::Firmware),
    ("qboot", Stage::Firmware),
    ("BdsDxe: ", Stage::Firmware),
    ("UEFI firmware (version", Stage::Firmware),
    ("TianoCore", Stage::Firmware),
    ("SecCoreStartupWithStack", Stage::Firmware),
    ("No bootable device", Stage::Firmware),
    ("Boot failed: ", Stage::Firmware),
    ("Booting from ", Stage::Firmware),
    ("UEFI Interactive Shell", Stage::Firmware),
    ("GNU GRUB", Stage::BootLoader),
    ("Welcome to GRUB", Stage::BootLoader),
    ("error: no such device", Stage::BootLoader),
    ("grub rescue>", Stage::BootLoader),
    ("iPXE ", Stage::BootLoader),
    ("Loading initial ramdisk", Stage::BootLoader),
    ("EFI stub: ", Stage::BootLoader),
    ("Linux version ", Stage::Kernel),
    ("Decompressing Linux", Stage::Kernel),
    ("Run /init as init process", Stage::Init),
    ("Run /sbin/init as init process", Stage::Init),
    ("systemd[1]: ", Stage::Init),
    ("Welcome to ", Stage::Init),
    (" login: ", Stage::Login),
];

/// What a console shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GuestConsole {
    /// Each mark of a stage, in the order of the text.
    pub stages: Vec<Spanned<Stage>>,
    /// Every line, as kernel messages where it has their times.
    pub log: KernelLog,
}

impl GuestConsole {
    /// The farthest stage reached, with the line that shows it.
    #[must_use]
    pub fn farthest(&self) -> Option<&Spanned<Stage>> {
        self.stages.iter().max_by_key(|stage| (stage.value, std::cmp::Reverse(stage.line)))
    }
}

impl View for GuestConsole {
    const KIND: Kind = Kind::new("guest_console");
    const SUREST: u8 = 94;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut stages = Vec::new();
        for (number, line) in lines(text) {
            // A prompt has no blank behind it at the end of a line.
            let mark = MARKS
                .iter()
                .find(|(mark, _)| line.contains(mark) || (line.ends_with(" login:") && *mark == " login: "));
            if let Some((_, stage)) = mark {
                stages.push(Spanned::new(*stage, number));
            }
        }
        (Self { stages, log: KernelLog::read_all(text) }, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let named = ["console", "serial"].iter().any(|part| name.contains(part)) || name == "vm.log";
        let firmware = [
            "SeaBIOS (version",
            "BdsDxe: ",
            "UEFI firmware (version",
            "Booting from Hard Disk",
            "Booting from ROM",
        ];
        let begins = |mark: &str| having(head, mark).any(|line| line.trim_start().starts_with(mark));
        let shown = firmware.into_iter().any(begins);
        match (shown, named) {
            (true, true) => 94,
            // Above a kernel log, below the log of the VMM that shows the console.
            (true, false) => 89,
            (false, true) => (kernel_log::sure(head) + 4).clamp(30, 92),
            (false, false) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_in_order() {
        let text = "SeaBIOS (version 1.16)\nBooting from Hard Disk...\nGNU GRUB  version 2.06\n[    0.000000] Linux version 6.1\n[    1.0] Run /init as init process\nDebian GNU/Linux 12 web ttyS0\n\nweb login:\n";
        let (console, _) = GuestConsole::read(text);
        assert_eq!(console.farthest(), Some(&Spanned::new(Stage::Login, 8)));
        let stages: Vec<Stage> = console.stages.iter().map(|stage| stage.value).collect();
        assert_eq!(
            stages,
            [Stage::Firmware, Stage::Firmware, Stage::BootLoader, Stage::Kernel, Stage::Init, Stage::Login]
        );
        assert_eq!(GuestConsole::recognise("x", text), 89);
        assert_eq!(GuestConsole::recognise("serial.log", text), 94);
    }

    #[test]
    fn a_kernel_log_by_the_name_of_a_console() {
        assert_eq!(GuestConsole::recognise("console.log", "[    0.0] Linux version 6\n"), 92);
        assert_eq!(GuestConsole::recognise("dmesg.txt", "[    0.0] Linux version 6\n"), 0);
        assert_eq!(GuestConsole::read("x\n").0.farthest(), None);
    }
}
