//! Configurations of Firecracker and Cloud Hypervisor as others wrote them: every file `*.json` of the folder that
//! `VMWRIGHT_MICROVM_CORPUS` names, such as `tests/framework` of Firecracker's source.

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
    let (mut machines, mut whole) = (0, 0);
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let (read, write): (Reader, Writer) = match Format::recognise("x.json", &text) {
            Some(Format::Firecracker) => (firecracker::read, firecracker::document),
            Some(Format::CloudHypervisor) => (cloud_hypervisor::read, cloud_hypervisor::document),
            _ => continue,
        };
        let Ok(Read { spec, remarks }) = read(&text) else { continue };
        machines += 1;
        whole += usize::from(spec.foreign.iter().all(|part| part.text.starts_with("<?")));
        assert_eq!(write(&spec).0, serde_json::from_str::<Value>(&text).expect("JSON"), "{}", path.display());
        println!("{}: {remarks:?}", path.display());
    }
    println!("{machines} machines, {whole} of them in the specification's own words alone");
    assert!(machines > 0, "no machine in {}", folder.display());
}
