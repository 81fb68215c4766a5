//! A VM of KubeVirt whose pod may use no more memory than its guest, as its YAML tells.

use crate::prelude::*;

/// What a pod may use, and its guest.
pub(crate) struct Limits {
    /// Whether the pod's limit is no larger than its guest's memory.
    pub(crate) tight: bool,
    /// The line that limits the pod.
    pub(crate) limit: Option<Evidence>,
    /// The line that gives the guest its memory.
    pub(crate) guest: Option<Evidence>,
}

/// The first of what was read that has both.
pub(crate) fn limits(cx: &Context<'_>) -> Option<Limits> {
    cx.texts_with("limits:").find_map(|text| {
        let (mut guest, mut limit) = (None, None);
        let mut within = None;
        for (number, line) in text.lines() {
            let inside = line.trim_start();
            let depth = line.len() - inside.len();
            if within.is_some_and(|outer| depth <= outer) {
                within = None;
            }
            match inside.split_once(':') {
                Some(("limits", _)) => within = Some(depth),
                Some(("guest", value)) => guest = guest.or_else(|| Some((bytes(value)?, number))),
                Some(("memory", value)) if within.is_some() => {
                    limit = limit.or_else(|| Some((bytes(value)?, number)));
                }
                _ => {}
            }
        }
        let ((guest, guest_line), (limit, limit_line)) = (guest?, limit?);
        Some(Limits { tight: limit <= guest, limit: text.quote(limit_line), guest: text.quote(guest_line) })
    })
}

/// A quantity of Kubernetes in bytes: `8Gi`, `512M`, `1073741824`.
fn bytes(value: &str) -> Option<u64> {
    let value = value.trim().trim_matches(['"', '\'']);
    let digits = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    let unit = match &value[digits..] {
        "" => 1,
        "k" => 1_000,
        "Ki" => 1 << 10,
        "M" => 1_000_000,
        "Mi" => 1 << 20,
        "G" => 1_000_000_000,
        "Gi" => 1 << 30,
        _ => return None,
    };
    value[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

/// Whether a complaint is of the OOM killer, and of a pod, a container or a limit.
pub(crate) fn killed_in_pod(complaint: &str) -> bool {
    let text = complaint.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    any(&["oom kill", "oom-kill", "oomkill", "out of memory", "killed by the oom"])
        && any(&["pod", "container", "cgroup", "kubevirt", "virt-launcher", "resource limit", "memory limit"])
}

#[cfg(test)]
mod tests {
    use super::{bytes, killed_in_pod};

    #[test]
    fn quantities_are_read_in_both_kinds_of_units() {
        assert_eq!(bytes(" 8Gi"), Some(8 << 30));
        assert_eq!(bytes(" \"512M\""), Some(512_000_000));
        assert_eq!(bytes(" 1073741824"), Some(1 << 30));
        for none in ["", " many", " 8Zi", " 99999999999999999999Gi"] {
            assert_eq!(bytes(none), None, "{none}");
        }
    }

    #[test]
    fn the_killer_alone_is_not_one_of_a_pod() {
        assert!(killed_in_pod("The VM's pod gets OOM killed."));
        assert!(!killed_in_pod("The host ran out of memory and QEMU was killed."));
    }
}
