//! Firecracker's command line and configuration file.

use super::jail;
use crate::microvm;
use crate::program::find;
use crate::sayable::refuse;
use crate::store::VSOCK;
use crate::{StartError, Stored, seed, sockets};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use vmwright_convert::firecracker::document;
use vmwright_model::MachineSpec;

const INSTALL: &str = "install Firecracker from its releases into a directory of PATH";

/// What a configuration does not say, and a machine does not miss: names for people, the guest's agent, and the machine
/// type that stands where none is named, because Firecracker has one kind of machine.
const UNMISSED: &[&str] = &["name", "title", "description", "agent", "vsock.agent_port", "machine"];

pub(super) fn find_program() -> Result<PathBuf, StartError> {
    find("firecracker", &["/usr/bin/firecracker".into(), "/usr/local/bin/firecracker".into()], INSTALL)
}

/// The specification with the socket that a guest's vsock needs on the host: in the machine's directory where it says
/// none.
pub(super) fn whole(machine: &Stored) -> MachineSpec {
    let mut spec = seed::with_disk(machine);
    if let Some(vsock) = &mut spec.vsock {
        vsock.socket.get_or_insert_with(|| {
            sockets::short(&machine.state, &machine.name, machine.file(VSOCK)).display().to_string()
        });
    }
    spec
}

/// The configuration file of a machine.
pub(super) fn config(spec: &MachineSpec) -> Result<Value, StartError> {
    microvm::one_kind::<super::Firecracker>(spec)?;
    let (mut document, remarks) = document(&microvm::alone::<super::Firecracker>(spec));
    refuse(super::NAME, &remarks, UNMISSED)?;
    if let Some(members) = document.as_object_mut() {
        // Its standard output is the serial port's other end.
        members.remove("serial");
        // Firecracker demands this list, and takes no configuration of a device that is not there.
        members.entry("drives").or_insert_with(|| Value::Array(Vec::new()));
    }
    Ok(document)
}

/// Whether Firecracker counts the pages that a machine's guest writes.
pub(super) fn tracked(spec: &MachineSpec) -> bool {
    config(spec).is_ok_and(|config| config["machine-config"]["track_dirty_pages"] == true)
}

/// Words for Firecracker. `config` is none for a VMM that waits for a snapshot. The jailer says who it is.
pub(super) fn argv(spec: &MachineSpec, api: &Path, log: &Path, config: Option<&Path>) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if !jail::wanted(spec) {
        words.extend(["--id".into(), id(&spec.name).into()]);
    }
    words.extend(["--level".into(), "Info".into()]);
    let mut option = |name: &str, path: &Path| words.extend([name.into(), path.into()]);
    option("--api-sock", api);
    option("--log-path", log);
    if let Some(config) = config {
        option("--config-file", config);
    }
    words.extend(microvm::process_words(&spec.process, &["--no-seccomp"]));
    words
}

/// A machine's name as Firecracker takes one: letters, digits and dashes (`validate_instance_id`).
pub(super) fn id(machine: &str) -> String {
    machine.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::machine::{Disk, DiskFormat};

    #[test]
    fn words_and_configuration() {
        let mut spec = MachineSpec::named("web_1.a");
        spec.process.sandbox = Some(false);
        spec.process.arguments = vec!["--metadata".to_owned(), "/m/d".to_owned()];
        let words = argv(&spec, Path::new("/s/api"), Path::new("/m/log"), Some(Path::new("/m/c")));
        let words: Vec<_> = words.iter().filter_map(|word| word.to_str()).collect();
        let expected = [
            "--id",
            "web-1-a",
            "--level",
            "Info",
            "--api-sock",
            "/s/api",
            "--log-path",
            "/m/log",
            "--config-file",
            "/m/c",
            "--no-seccomp",
            "--metadata",
            "/m/d",
        ];
        assert_eq!(words, expected);
        spec.boot.kernel = Some("/k".to_owned());
        let written = config(&spec).expect("a machine");
        assert_eq!(written["boot-source"]["kernel_image_path"], "/k");
        spec.disks = vec![Disk::at("/a.qcow2", DiskFormat::Qcow2)];
        let told = config(&spec).expect_err("no raw image").to_string();
        assert!(told.contains("disk.0.format"), "{told}");
    }
}
