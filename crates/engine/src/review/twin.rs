//! A second machine of the same specification in a state directory of its own, for as long as a gate needs it.

use super::channels::Channels;
use crate::aside::private;
use crate::backends::{self, Chosen};
use crate::error::chain;
use std::fs;
use std::path::{Path, PathBuf};
use vmwright_backend::Stop;
use vmwright_backend::store::{self, Stored};
use vmwright_formats::machine_spec::write_spec;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Endpoint, NetworkKind};

/// The twin of a machine. It is stopped and forgotten with this value.
pub(super) struct Twin {
    pub(super) machine: Stored,
    place: PathBuf,
    kept: bool,
}

impl Twin {
    /// Makes the twin of a machine in the folder of that name, changed by `change`, whose second argument is where it may
    /// make files. Its own name is the same unless that changes it, because identity and addresses are made of it.
    pub(super) fn make(
        of: &Stored,
        folder: &str,
        change: impl FnOnce(&mut MachineSpec, &Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let place = private(&of.state, folder)?;
        let made = || {
            let mut spec = of.spec.clone();
            for network in &mut spec.networks {
                // Two VMMs cannot listen at one port of the host.
                network.forwards.clear();
            }
            change(&mut spec, &place)?;
            let text = write_spec(&spec).map_err(|error| chain(&error))?;
            let backend = Chosen::of(of).map_err(|error| chain(&error))?.word();
            store::create_from_text(&place, Path::new("of the twin"), &text, &backend)
                .map_err(|error| chain(&error))
        };
        match made() {
            Ok(machine) => Ok(Self { machine, place, kept: false }),
            Err(why) => {
                // The first error is the one to tell.
                let _ = fs::remove_dir_all(&place);
                Err(why)
            }
        }
    }

    /// Asks the guest and the VMM of the twin.
    pub(super) fn channels(&self) -> Channels<'_> {
        Channels::of(&self.machine)
    }

    /// Where its state lies.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Lets it run on after this value: it has a guest that is nowhere else.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Ok(backend) = backends::of(&self.machine)
            && backend.look(&self.machine).is_ok_and(|condition| condition.state.alive())
        {
            // What cannot be stopped is shown by `vm list` of its own state directory.
            let _ = backend.stop(&self.machine, Stop::Force);
        }
        let _ = store::delete(&self.place, &self.machine.name);
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// Why a machine has no twin on the same host; none where it can have one.
pub(super) fn single(spec: &MachineSpec) -> Option<&'static str> {
    let elsewhere = |to: Endpoint| !matches!(to, Endpoint::Log | Endpoint::Null);
    let characters = [&spec.serials, &spec.parallels, &spec.consoles];
    let reasons = [
        (!spec.host_devices.is_empty(), "it holds a device of the host, which cannot be held twice"),
        (spec.confidential.is_some(), "its memory is confidential, and cannot be read to be moved"),
        (spec.tpm.is_some(), "its trusted platform module keeps one state"),
        (!spec.shares.is_empty(), "it shares a directory with the host, whose daemon serves one VMM"),
        (spec.vsock.is_some(), "its vsock address is taken while it runs"),
        (!spec.displays.is_empty(), "its display listens at an address that is taken while it runs"),
        (
            spec.networks.iter().any(|one| {
                !matches!(
                    one.kind,
                    NetworkKind::User | NetworkKind::Bridge | NetworkKind::Libvirt | NetworkKind::None
                )
            }),
            "it has a network whose other end takes one VMM",
        ),
        (
            characters.into_iter().flatten().any(|port| elsewhere(port.to))
                || spec.channels.iter().any(|port| elsewhere(port.to)),
            "it has a port whose other end takes one VMM",
        ),
    ];
    reasons.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why)
}
