//! Configurations and command lines of Firecracker and Cloud Hypervisor as others wrote them: every file `*.json`, and
//! the blocks of code in every file `*.md`, of the folders that `VMWRIGHT_MICROVM_CORPUS` names with `:` between, such as
//! `tests/framework` and `docs` of Firecracker's source and `docs` of Cloud Hypervisor's.

use serde_json::Value;
use vmwright_convert::{Format, Read, ReadError, Remark, cloud_hypervisor, firecracker};
use vmwright_model::MachineSpec;

type Reader = fn(&str) -> Result<Read, ReadError>;
type Writer = fn(&MachineSpec) -> (Value, Vec<Remark>);

#[test]
fn what_others_wrote_comes_back_as_it_was() {
    let Some(folder) = std::env::var_os("VMWRIGHT_MICROVM_CORPUS") else {
        println!("SKIPPED what_others_wrote_comes_back_as_it_was: VMWRIGHT_MICROVM_CORPUS names no folder");
        return;
    };
    let (mut machines, mut lines, mut whole, mut wrong) = (0, 0, 0, Vec::new());
    for (called, text) in texts(&folder) {
        let (read, write): (Reader, Writer) = match Format::recognise("x.json", &text) {
            Some(Format::Firecracker) => (firecracker::read, firecracker::document),
            Some(Format::CloudHypervisor) => (cloud_hypervisor::read, cloud_hypervisor::document),
            // An empty value stands for the VMM's own choice there; a line that is written says nothing in its place.
            // Dots and variables stand for words that the document leaves out.
            Some(Format::CloudHypervisorArgs) if ["=,", "...", "${"].iter().any(|one| text.contains(one)) => {
                continue;
            }
            Some(Format::CloudHypervisorArgs) => {
                let Ok(read) = cloud_hypervisor::args::read(&text) else { continue };
                lines += 1;
                whole += usize::from(read.spec.foreign.iter().all(|part| part.text.starts_with("<?")));
                let written = cloud_hypervisor::args::write(&read.spec);
                let told =
                    written.remarks.iter().map(|one| format!("{called}: {}: {}: {text}", one.item, one.why));
                wrong.extend(told);
                let again = cloud_hypervisor::args::read(&written.text).expect("a command line");
                // A line is written in one way, however it was spelled.
                let meant = |mut spec: MachineSpec| {
                    spec.foreign.retain(|part| !part.text.starts_with("<?"));
                    spec
                };
                if meant(again.spec) != meant(read.spec) {
                    wrong.push(format!("{called}: another machine comes back: {text}"));
                }
                continue;
            }
            _ => continue,
        };
        let Ok(Read { spec, remarks }) = read(&text) else { continue };
        machines += 1;
        whole += usize::from(spec.foreign.iter().all(|part| part.text.starts_with("<?")));
        assert_eq!(write(&spec).0, serde_json::from_str::<Value>(&text).expect("JSON"), "{called}");
        println!("{called}: {remarks:?}");
    }
    println!(
        "{machines} configurations and {lines} command lines, {whole} of them in the specification's own words alone"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(machines + lines > 0, "no machine in {folder:?}");
}

/// Each text with the name of its file.
fn texts(folders: &std::ffi::OsStr) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for folder in std::env::split_paths(folders) {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let read = || std::fs::read_to_string(&path).expect("readable");
            let called = path.display().to_string();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("json") => texts.push((called, read())),
                Some("md") => texts.extend(blocks(&read()).into_iter().map(|block| (called.clone(), block))),
                _ => {}
            }
        }
    }
    texts
}

/// What stands in blocks of code: configurations, and commands with the lines that continue them.
fn blocks(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split("```").skip(1).step_by(2) {
        let code = block.split_once('\n').map_or("", |(_, code)| code);
        if code.trim_start().starts_with('{') {
            found.push(code.to_owned());
            continue;
        }
        let joined = code.replace("\\\n", " ");
        let commands =
            joined.lines().map(|line| line.trim_start_matches(['$', '#', ' ']).trim_start_matches("sudo "));
        found.extend(commands.filter(|line| line.contains("cloud-hypervisor ")).map(str::to_owned));
    }
    found
}
