//! Facts of one thing as virsh prints them: `dominfo`, `net-info`, `pool-info`, `vol-info`, `nodeinfo`.

use crate::{Pairs, View, lines::lines};
use vmwright_model::{Issue, Kind};

/// The facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirshInfo {
    /// Key and value of each line.
    pub pairs: Pairs,
}

/// Keys that tell what the text is; two must be there.
const KEYS: [&str; 12] = [
    "OS Type",
    "CPU(s)",
    "Max memory",
    "Used memory",
    "Persistent",
    "Autostart",
    "Managed save",
    "Security model",
    "Capacity",
    "Allocation",
    "CPU model",
    "Thread(s) per core",
];

impl View for VirshInfo {
    const KIND: Kind = Kind::new("virsh_info");
    const SUREST: u8 = 88;
    const MARKS: &[&str] = &["Name:  ", "UUID:  ", "Type:  ", "CPU model:  "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let (pairs, issues) = Pairs::read(text, ':', "virsh");
        (Self { pairs }, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        let mut keys: Vec<&&str> = Vec::new();
        let mut other = 0;
        for (_, line) in
            lines(head).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with(['$', '#'])).take(40)
        {
            // virsh sets its values at one column, behind blanks: nobody else has all of that.
            match line.split_once(':').filter(|(_, value)| value.starts_with("  ") || value.trim().is_empty())
            {
                Some((key, _)) => keys.extend(KEYS.iter().find(|known| **known == key)),
                None => other += 1,
            }
        }
        let named = head.contains("Name:  ")
            || head.contains("UUID:  ")
            || head.contains("Type:  ")
            || head.contains("CPU model:  ");
        if keys.len() >= 2 && named && other <= 3 && !head.contains("Vendor ID:") { 88 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_by_their_keys() {
        let (view, issues) = VirshInfo::read(include_str!("../tests/samples/virsh_info.txt"));
        assert_eq!(issues, []);
        assert_eq!(view.pairs.get("State").map(|state| state.value), Some("running"));
        assert_eq!(view.pairs.number("Max memory").map(|memory| memory.value), Some(4_194_304));
        let lscpu = "Architecture:        x86_64\nCPU(s):              4\nThread(s) per core:  1\nVendor ID:           GenuineIntel\n";
        assert_eq!(VirshInfo::recognise("x", lscpu), 0);
    }
}
