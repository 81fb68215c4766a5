//! Record `vmm-processes`: the VMM processes that run, with user, program and command line.

use super::users::Names;
use crate::file::read_words;
use crate::live::Collector;
use crate::processes::{census, running, user_of};
use crate::text::escape;
use vmwright_model::Kind;

/// Most processes that are written down.
const MOST: usize = 4096;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list().into_bytes());
    collector.push("vmm-processes".to_owned(), Some(Kind::new("vmm_processes")), content);
}

fn list() -> String {
    let census = census(&[]);
    let mut names = Names::default();
    let mut lines = Vec::new();
    for process in running().iter().filter(|process| process.pid != std::process::id()) {
        let pid = process.pid;
        // The program's link cannot be followed for processes of other users; then its own word is taken.
        let program = census.programs.get(&pid).cloned().unwrap_or_else(|| escape(&process.first));
        let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
        let program = program.rsplit('/').next().unwrap_or(program);
        if !is_vmm(program) || lines.len() == MOST {
            continue;
        }
        let Ok(argv) = read_words(pid) else { continue };
        let user = user_of(pid).map_or("-".to_owned(), |user| names.user(user));
        lines.push(format!("pid {pid} user {user} exe {program} : {}\n", joined(&argv)));
    }
    if lines.is_empty() { "none\n".to_owned() } else { lines.concat() }
}

fn is_vmm(program: &str) -> bool {
    program.starts_with("qemu-system-")
        || matches!(program, "qemu-kvm" | "kvm" | "firecracker" | "cloud-hypervisor")
}

/// Words of a command line, joined by blanks, on one line.
pub(super) fn joined(argv: &[Vec<u8>]) -> String {
    argv.iter().map(|word| escape(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vmms_by_name() {
        for vmm in [
            "qemu-system-x86_64",
            "qemu-system-aarch64",
            "qemu-kvm",
            "kvm",
            "firecracker",
            "cloud-hypervisor",
        ] {
            assert!(is_vmm(vmm), "{vmm}");
        }
        for other in ["qemu-img", "kvm-nx-lpage-recovery", "sh", "", "my-firecracker"] {
            assert!(!is_vmm(other), "{other}");
        }
        assert_eq!(joined(&[b"a".to_vec(), b"b\nc".to_vec(), b"\xff".to_vec()]), "a b\\x0ac \\xff");
    }
}
