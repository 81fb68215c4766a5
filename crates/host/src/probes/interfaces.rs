//! Record `interfaces`: name, kind and state of each network interface, from `/sys/class/net`.

use crate::live::Collector;
use crate::text::escape;
use std::path::Path;
use vmwright_model::{Kind, Missing};

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/sys/class/net"))).and_then(|list| list);
    collector.push("interfaces".to_owned(), Some(Kind::new("interfaces")), content.map(String::into_bytes));
}

fn list(folder: &Path) -> Result<String, Missing> {
    let entries = std::fs::read_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Missing::Absent,
        std::io::ErrorKind::PermissionDenied => Missing::Denied,
        _ => Missing::Failed(error.to_string()),
    })?;
    let mut lines = Vec::new();
    for entry in entries.flatten() {
        let interface = entry.path();
        // `bonding_masters` is a file.
        if !interface.is_dir() {
            continue;
        }
        // A port of a bridge is named as one whatever it is, since that is what a guest's reachability hangs on.
        let has = |name: &str| interface.join(name).exists();
        let kind = if has("bridge") {
            "bridge"
        } else if has("brport") {
            "bridge-port"
        } else if has("tun_flags") {
            "tap"
        } else if has("device") {
            "physical"
        } else {
            "virtual"
        };
        let state = std::fs::read(interface.join("operstate")).unwrap_or_default();
        let state = escape(state.trim_ascii());
        let state = if state.is_empty() { "unknown" } else { &state };
        lines.push(format!("{} {kind} {state}\n", escape(entry.file_name().as_encoded_bytes())));
    }
    lines.sort();
    Ok(lines.concat())
}

#[cfg(test)]
mod tests {
    use super::list;
    use vmwright_model::Missing;

    #[test]
    fn kinds_by_what_sysfs_shows() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("br0/bridge/stp_state", "0"),
            ("br0/operstate", "up\n"),
            ("eth0/device/vendor", "0x1af4"),
            ("eth0/operstate", "up\n"),
            ("eth1/device/vendor", "0x1af4"),
            ("eth1/brport/state", "3"),
            ("eth1/operstate", "up\n"),
            ("lo/operstate", "unknown\n"),
            ("tap0/tun_flags", "0x1002"),
            ("tap0/operstate", "down\n"),
            ("bonding_masters", ""),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(
            list(root.path()).unwrap(),
            "br0 bridge up\neth0 physical up\neth1 bridge-port up\nlo virtual unknown\ntap0 tap down\n"
        );
        assert_eq!(list(&root.path().join("none")), Err(Missing::Absent));
    }
}
