//! Machines that others wrote for KubeVirt: `VMWRIGHT_TEST_KUBEVIRT` names a folder with YAML files, such as the
//! examples of its sources.

use std::path::{Path, PathBuf};
use vmwright_convert::{Effect, Format, convert, kubevirt};

fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let mut yaml: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml")).collect();
    yaml.sort();
    yaml.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("text"))).collect()
}

#[test]
fn machines_that_others_wrote_come_back_as_they_were() {
    let Some(folder) = std::env::var_os("VMWRIGHT_TEST_KUBEVIRT") else {
        println!(
            "SKIPPED machines_that_others_wrote_come_back_as_they_were: VMWRIGHT_TEST_KUBEVIRT names no folder of YAML files"
        );
        return;
    };
    let (mut machines, mut others) = (0, 0);
    for (path, text) in texts(Path::new(&folder)) {
        let called = path.display();
        let read = match kubevirt::read(&text) {
            Ok(read) => read,
            Err(error) => {
                // Only what is no machine at all is refused.
                assert!(
                    error.to_string().contains("no object of the text is a machine"),
                    "{called}: {error}"
                );
                others += 1;
                continue;
            }
        };
        machines += 1;
        assert_eq!(Format::recognise(&path.to_string_lossy(), &text), Some(Format::Kubevirt), "{called}");
        let unknown: Vec<_> = read.remarks.iter().filter(|one| one.effect == Effect::Lost).collect();
        assert!(unknown.is_empty(), "{called}: {unknown:#?}");
        let written = kubevirt::write(&read.spec);
        assert_eq!(written.remarks, [], "{called}");
        let again = kubevirt::read(&written.text).expect("a machine");
        assert_eq!(again.spec, read.spec, "{called}");
        let toml = convert(Format::Kubevirt, Format::Toml, &text)
            .unwrap_or_else(|error| panic!("{called}: {error}"));
        let back = convert(Format::Toml, Format::Kubevirt, &toml.text)
            .unwrap_or_else(|error| panic!("{called}: {error}"));
        assert_eq!((back.text, back.remarks), (written.text, Vec::new()), "{called}");
        for to in [Format::Qemu, Format::Libvirt, Format::CloudHypervisor] {
            convert(Format::Kubevirt, to, &text)
                .unwrap_or_else(|error| panic!("{called} to {}: {error}", to.name()));
        }
    }
    println!("{machines} machines, {others} files without one");
    assert!(machines > 0);
}
