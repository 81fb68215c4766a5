//! What a text is, by its content first and its name second.

use crate::RECOGNISERS;
use vmwright_model::Kind;

/// How much of a text is looked at, in bytes. What a text is shows in its first lines; every view asks for its own.
const HEAD: usize = 16 * 1024;

/// The kind of a text; [`Kind::TEXT`] where no view claims it. `name` may be a path or a command line.
#[must_use]
pub fn recognise(name: &str, text: &str) -> Kind {
    let name = last_part(name).to_ascii_lowercase();
    let mut end = HEAD.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    let mut best = (0, Kind::TEXT);
    for (kind, claim) in RECOGNISERS {
        let sure = claim(&name, head);
        if sure > best.0 {
            best = (sure, kind.clone());
        }
    }
    best.1
}

/// The last component of a path; of a command line, the program without its folder and what follows
/// (`namei -l /srv/a.img`), so that an argument is not taken for the name.
fn last_part(name: &str) -> &str {
    let option = name.match_indices(" -").map(|(at, _)| at).next();
    let program = option.map(|at| &name[..at]).filter(|_| {
        let behind = option.and_then(|at| name[at + 2..].chars().next());
        behind.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    });
    match program {
        Some(program) if !program.contains(' ') => &name[program.rfind('/').map_or(0, |at| at + 1)..],
        _ => name.rsplit('/').next().unwrap_or(name),
    }
}

#[cfg(test)]
mod tests {
    use super::last_part;

    #[test]
    fn names_of_paths_and_commands() {
        for (name, part) in [
            ("/var/lib/my vms/domain.xml", "domain.xml"),
            ("dmesg.txt", "dmesg.txt"),
            ("namei -l /srv/a.img", "namei -l /srv/a.img"),
            ("/usr/bin/lspci -nnk", "lspci -nnk"),
            ("cat /proc/cpuinfo", "cpuinfo"),
            ("a - b/qemu.log", "qemu.log"),
            ("sos_commands/pci/lspci_-nnvv", "lspci_-nnvv"),
            ("", ""),
        ] {
            assert_eq!(last_part(name), part, "{name}");
        }
    }
}
