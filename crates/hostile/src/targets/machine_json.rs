//! A microVM's configuration or command line, read as a machine and written again: what was written says the same machine.

use super::text;
use vmwright_convert::{cloud_hypervisor, firecracker};

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(read) = firecracker::read(&text) {
        let written = firecracker::write(&read.spec).text;
        let again = firecracker::read(&written).map(|again| firecracker::write(&again.spec).text);
        assert_eq!(again.as_deref(), Ok(written.as_str()));
    }
    if let Ok(read) = cloud_hypervisor::read(&text) {
        let written = cloud_hypervisor::write(&read.spec).text;
        let again = cloud_hypervisor::read(&written).map(|again| cloud_hypervisor::write(&again.spec).text);
        assert_eq!(again.as_deref(), Ok(written.as_str()));
    }
    if let Ok(read) = cloud_hypervisor::args::read(&text) {
        let written = cloud_hypervisor::args::write(&read.spec).text;
        assert!(cloud_hypervisor::args::read(&written).is_ok(), "{written:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let own = ["firecracker_config", "cloud_hypervisor_config"];
    crate::samples().into_iter().filter(|(kind, _)| own.contains(&kind.as_str())).map(|(_, text)| text).collect()
}
