//! Proxmox VE's configuration of a VM: `/etc/pve/qemu-server/<vmid>.conf` and the output of `qm config`
//! (`qm.conf(5)`).

use crate::View;
use crate::lines::lines;
use vmwright_model::{Issue, Kind, Spanned};

/// The keys of the VM as it is now. Sections of snapshots and pending changes, which begin with `[`, are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxmoxConf {
    /// Keys with their values, in the order of the text; 1,024 at most.
    pub keys: Vec<(String, Spanned<String>)>,
}

/// More keys than a VM has.
const KEYS: usize = 1024;

/// Keys that together are of no other format.
/// Sorted.
const KNOWN: [&str; 22] = [
    "agent:",
    "args:",
    "balloon:",
    "bios:",
    "boot:",
    "cores:",
    "cpu:",
    "efidisk0:",
    "hostpci0:",
    "hotplug:",
    "ide2:",
    "machine:",
    "memory:",
    "net0:",
    "numa:",
    "ostype:",
    "scsi0:",
    "scsihw:",
    "smbios1:",
    "sockets:",
    "virtio0:",
    "vmgenid:",
];

impl ProxmoxConf {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Spanned<&str>> {
        let (_, value) = self.keys.iter().find(|(known, _)| known == key)?;
        Some(Spanned::new(value.value.as_str(), value.line))
    }

    /// The devices of a kind: `net` gives `net0`, `net1` and so on.
    pub fn devices<'c>(&'c self, kind: &'c str) -> impl Iterator<Item = (&'c str, Spanned<&'c str>)> {
        self.keys.iter().filter_map(move |(key, value)| {
            let number = key.strip_prefix(kind)?;
            let numbered = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
            numbered.then(|| (key.as_str(), Spanned::new(value.value.as_str(), value.line)))
        })
    }

    /// An option of a device's value: `bridge` of `virtio=BC:24:11:00:00:01,bridge=vmbr0`.
    #[must_use]
    pub fn option<'v>(value: &'v str, name: &str) -> Option<&'v str> {
        value.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    }
}

impl View for ProxmoxConf {
    const KIND: Kind = Kind::new("proxmox_conf");
    const SUREST: u8 = 91;

    // Its keys, and what only its devices have.
    const MARKS: &[&str] = &{
        let mut marks = ["-disk-"; KNOWN.len() + 2];
        let mut at = 0;
        while at < KNOWN.len() {
            marks[at] = KNOWN[at];
            at += 1;
        }
        marks[at] = "bridge=vmbr";
        marks
    };

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (mut conf, mut issues) = (Self::default(), Vec::new());
        for (number, line) in lines(text).take_while(|(_, line)| !line.starts_with('[')) {
            match line.split_once(':').filter(|(key, _)| word(key)) {
                Some((key, value)) if conf.keys.len() < KEYS => {
                    conf.keys.push((key.to_owned(), Spanned::new(value.trim().to_owned(), number)));
                }
                Some(_) => break,
                // A description stands in lines of `#`.
                None if line.trim().is_empty() || line.starts_with('#') => {}
                None => issues.push(Issue::new(number, "not a key of a VM's configuration")),
            }
        }
        (conf, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let mut found = [false; KNOWN.len()];
        for line in head.lines() {
            // One look at each line's own key, not one for each key.
            let key = line.find(':').map_or("", |end| &line[..=end]);
            if let Ok(place) = KNOWN.binary_search(&key) {
                found[place] = true;
            }
        }
        match found.iter().filter(|found| **found).count() {
            3.. => 91,
            2 if name.ends_with(".conf") => 85,
            _ if head.lines().take(64).any(device) => 70,
            _ => 0,
        }
    }
}

/// Whether a line is a device as only Proxmox writes it: a volume `vm-104-disk-0`, or a bridge `vmbr0`.
fn device(line: &str) -> bool {
    let Some((key, value)) = line.split_once(": ").filter(|(key, _)| word(key)) else { return false };
    let numbered = key.ends_with(|last: char| last.is_ascii_digit());
    numbered && (value.contains(":vm-") && value.contains("-disk-") || value.contains("bridge=vmbr"))
}

/// Whether a key is spelled as Proxmox spells keys.
fn word(key: &str) -> bool {
    !key.is_empty() && key.len() < 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise;

    /// Of pve-manager 8.2.
    const TEXT: &str = "#a note\nagent: 1\nboot: order=scsi0;ide2\ncores: 4\nide2: none,media=cdrom\nmemory: 8192\n\
                        net0: e1000=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\nostype: win11\n\n[before]\nmemory: 4096\n";

    #[test]
    fn the_present_configuration_is_read_and_no_snapshot() {
        let (conf, issues) = ProxmoxConf::read(TEXT);
        assert!(issues.is_empty());
        assert_eq!(conf.get("memory"), Some(Spanned::new("8192", 6)));
        let (key, net) = conf.devices("net").next().expect("net0");
        assert_eq!((key, net.line), ("net0", 7));
        assert_eq!(ProxmoxConf::option(net.value, "bridge"), Some("vmbr0"));
        assert_eq!(ProxmoxConf::option(net.value, "tag"), None);
        assert_eq!(conf.devices("scsi").count(), 0);
    }

    #[test]
    fn it_is_known_by_its_keys() {
        assert_eq!(recognise("104.conf", TEXT), ProxmoxConf::KIND);
        assert_eq!(recognise("notes.txt", &TEXT.replace('\n', "\r\n")), ProxmoxConf::KIND);
        assert_eq!(recognise("disk.txt", "scsi0: local-lvm:vm-104-disk-0,size=8G\n"), ProxmoxConf::KIND);
        assert_ne!(recognise("notes.txt", "memory: 4 GiB\nhost: a\n"), ProxmoxConf::KIND);
        assert_ne!(
            recognise("values.yaml", "image: a\n  memory: 4\n  cores: 2\n  cpu: 1\n"),
            ProxmoxConf::KIND
        );
    }

    #[test]
    fn hostile_text_is_bounded() {
        let text = "a: b\n".repeat(100_000);
        assert_eq!(ProxmoxConf::read(&text).0.keys.len(), KEYS);
        assert_eq!(ProxmoxConf::read(":\n::\n[").0.keys.len(), 0);
    }
}
