//! Record `irq-affinity`: which CPUs each interrupt may be served by, and which serve it:
//! `irq <number> allowed <cpus> effective <cpus> node <node> <handlers>`.

use super::attribute::{names, value};
use crate::live::Collector;
use std::fmt::Write as _;
use std::path::Path;
use vmwright_model::{Kind, Missing};

/// Most interrupts; a large host has some thousands.
const MOST: usize = 16_384;

pub(super) fn run(collector: &mut Collector<'_>) {
    let content = collector.within(|| list(Path::new("/proc/irq"))).and_then(|list| list);
    collector.push(
        "irq-affinity".to_owned(),
        Some(Kind::new("irq_affinity")),
        content.map(String::into_bytes),
    );
}

fn list(folder: &Path) -> Result<String, Missing> {
    let mut numbers: Vec<u32> = names(folder, MOST)?.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let mut text = String::new();
    if let Some(mask) = value(&folder.join("default_smp_affinity")) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "default mask {mask}");
    }
    for number in numbers {
        let folder = folder.join(number.to_string());
        let handlers: Vec<String> = names(&folder, 64)
            .unwrap_or_default()
            .into_iter()
            .filter(|name| folder.join(name).is_dir())
            .collect();
        // Hundreds of numbers are set aside for nobody.
        if handlers.is_empty() {
            continue;
        }
        let of = |file: &str| {
            value(&folder.join(file)).filter(|value| !value.is_empty()).unwrap_or("?".to_owned())
        };
        let _ = writeln!(
            text,
            "irq {number} allowed {} effective {} node {} {}",
            of("smp_affinity_list"),
            of("effective_affinity_list"),
            of("node"),
            handlers.join(" ")
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_with_a_handler() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("default_smp_affinity", "ff\n"),
            ("9/smp_affinity_list", "0-7\n"),
            ("24/smp_affinity_list", "2\n"),
            ("24/effective_affinity_list", "2\n"),
            ("24/node", "0\n"),
            ("24/vfio-msix[0](0000:01:00.0)/x", ""),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        assert_eq!(
            list(root.path()).unwrap(),
            "default mask ff\nirq 24 allowed 2 effective 2 node 0 vfio-msix[0](0000:01:00.0)\n"
        );
        assert_eq!(list(&root.path().join("none")), Err(Missing::Absent));
    }
}
