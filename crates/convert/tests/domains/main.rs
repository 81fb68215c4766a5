//! libvirt's own schema, to which `virt-xml-validate` holds a domain, takes what is written of machines with many keys:
//! each `*.toml` beside this file, and what KubeVirt's words become.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use vmwright_convert::{Format, convert};

/// Why domains cannot be judged here.
fn missing() -> Option<String> {
    let output = Command::new("virt-xml-validate").arg("--version").output();
    match output {
        Err(error) => Some(format!("virt-xml-validate (package libvirt-clients): {error}")),
        Ok(_) => Command::new("xmllint")
            .arg("--version")
            .output()
            .err()
            .map(|error| format!("xmllint (package libxml2-utils): {error}")),
    }
}

/// What the schema says against a domain.
fn judged(domain: &str) -> Result<(), String> {
    let mut child = Command::new("virt-xml-validate")
        .args(["-", "domain"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(domain.as_bytes())
        .map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn libvirts_schema_takes_what_is_written() {
    if let Some(why) = missing() {
        println!("SKIPPED libvirts_schema_takes_what_is_written: {why}");
        return;
    }
    assert!(judged("<domain><unknown/></domain>").is_err(), "the schema refuses nothing");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/domains");
    let mut texts: Vec<(String, Format, String)> = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            texts.push((
                path.display().to_string(),
                Format::Toml,
                std::fs::read_to_string(&path).expect("text"),
            ));
        }
    }
    assert!(texts.len() >= 4, "{}", folder.display());
    let kubevirt = "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: x}\nspec:\n  domain:\n    cpu: {cores: 2, sockets: 2}\n    memory: {guest: 1Gi}\n    devices:\n      disks: [{name: root, disk: {bus: virtio}}]\n      interfaces: [{name: default, masquerade: {}}]\n      rng: {}\n  networks: [{name: default, pod: {}}]\n  volumes: [{name: root, hostDisk: {path: /srv/a.img, type: Disk}}]\n";
    texts.push(("KubeVirt".to_owned(), Format::Kubevirt, kubevirt.to_owned()));
    for (called, format, text) in texts {
        let domain =
            convert(format, Format::Libvirt, &text).unwrap_or_else(|error| panic!("{called}: {error}")).text;
        if let Err(said) = judged(&domain) {
            panic!("{called}: {said}\n{domain}");
        }
    }
}
