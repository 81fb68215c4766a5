//! Files that running VMMs name on their command lines: configurations and logs of Firecracker, Cloud Hypervisor,
//! virtiofsd and swtpm lie wherever somebody put them. Each becomes a record under its own path, where it belongs to the
//! user whose process names it: otherwise anybody could have root's files read by naming them.

use crate::file::read_words;
use crate::live::Collector;
use crate::processes::{Process, running, user_of};
use std::collections::BTreeSet;
use std::path::PathBuf;
use vmwright_model::Kind;

/// Most files that are read.
const MOST: usize = 64;

/// Options whose value is the path of a file that can be read as text, and the file's kind where it is known: of
/// Firecracker (`src/firecracker/src/main.rs`), Cloud Hypervisor, QEMU and swtpm.
pub(crate) const OPTIONS: [(&str, Option<Kind>); 6] = [
    ("--config-file", None),
    ("--metadata", None),
    ("--log-path", Some(Kind::new("firecracker_log"))),
    ("--log-file", None),
    ("-D", Some(Kind::new("qemu_log"))),
    ("-readconfig", None),
];

pub(super) fn run(collector: &mut Collector<'_>) {
    let files = collector.within(named).unwrap_or_default();
    for Named { path, kind, user } in files {
        collector.file_of(path, kind, user);
    }
}

/// A file, what it is, and the user of the process that names it.
struct Named {
    path: PathBuf,
    kind: Option<Kind>,
    user: u32,
}

fn named() -> Vec<Named> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for Process { pid, name, .. } in running().iter() {
        if !["qemu-", "firecracker", "cloud-hyperviso", "virtiofsd", "swtpm"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            continue;
        }
        let pid = *pid;
        let Some(user) = user_of(pid) else { continue };
        for (path, kind) in of_words(&read_words(pid).unwrap_or_default()) {
            if found.len() < MOST && known.insert(path.clone()) {
                found.push(Named { path, kind, user });
            }
        }
    }
    found
}

/// `--config-file PATH`, `--config-file=PATH`, `--log file=PATH,level=5` (swtpm).
fn of_words(words: &[Vec<u8>]) -> Vec<(PathBuf, Option<Kind>)> {
    let words: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map(String::as_str);
        if word == "--log" {
            let file = next.unwrap_or_default().split(',').find_map(|option| option.strip_prefix("file="));
            found.extend(file.map(|file| (PathBuf::from(file), None)));
            continue;
        }
        for (option, kind) in &OPTIONS {
            let joined = word.strip_prefix(option).and_then(|rest| rest.strip_prefix('='));
            let value = if word == option { next } else { joined };
            found.extend(value.map(|value| (PathBuf::from(value), kind.clone())));
        }
    }
    // Another's working directory is not ours.
    found.retain(|(path, _)| path.is_absolute() && !path.starts_with("/dev") && !path.starts_with("/proc"));
    found
}

#[cfg(test)]
mod tests {
    use super::of_words;
    use crate::file::read_of;
    use std::path::Path;
    use vmwright_model::Missing;

    #[test]
    fn a_file_of_somebody_else_is_not_read() {
        let refused = read_of(Path::new("/etc/passwd"), 1 << 20, 4_242_424);
        assert!(matches!(refused, Err(Missing::Failed(why)) if why.starts_with("not read: ")));
        assert!(read_of(Path::new("/etc/passwd"), 1 << 20, 0).is_ok());
    }

    #[test]
    fn options_of_each_vmm() {
        let of = |line: &str| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            of_words(&words).into_iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            of("firecracker --api-sock /a --config-file /etc/fc.json --log-path=/var/fc.log"),
            ["/etc/fc.json", "/var/fc.log"]
        );
        assert_eq!(of("cloud-hypervisor --log-file /var/log/ch.log -v"), ["/var/log/ch.log"]);
        assert_eq!(of("swtpm socket --log file=/var/log/swtpm.log,level=20"), ["/var/log/swtpm.log"]);
        assert_eq!(of("qemu-system-x86_64 -D /tmp/q.log -readconfig rel.cfg -D"), ["/tmp/q.log"]);
        assert_eq!(of("firecracker --log-path /dev/kvm"), [""; 0]);
    }
}
