//! What tuning and hardening stand on: the host's build, values of its kernel, and a VM's specification that is edited
//! value by value.

use super::{Guest, IntentError, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::machine_spec::{EditError, parse_cpu_list, set_value};
use vmwright_formats::{View, machine_spec::MachineSpecView};
use vmwright_model::need::Probe;
use vmwright_model::{Action, MachineSpec, Need, Topology};

/// Domains of users' own libvirts, which no rule asks for.
pub(super) const SESSIONS: [Need; 2] =
    [Need::Glob("/home/*/.config/libvirt/qemu/*.xml"), Need::Glob("/root/.config/libvirt/qemu/*.xml")];

/// Which services of virtualization run; in [`Ground::values`] by the name of its record.
pub(super) const SERVICES: Need = Need::Probe(Probe::Services);

/// Both lists as one.
#[must_use]
pub const fn joined<const N: usize>(one: &[Need], other: &[Need]) -> [Need; N] {
    let mut needs = [SERVICES; N];
    let mut at = 0;
    while at < N {
        needs[at] = if at < one.len() { one[at] } else { other[at - one.len()] };
        at += 1;
    }
    needs
}

/// A host, as far as tuning and hardening ask.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'h> {
    /// Its id.
    pub id: &'h str,
    /// Its nodes, and what VMs are given of them.
    pub topology: &'h Topology,
    /// Files that were asked for, by path, which of `/etc/sysctl.d` are there, and records of probes by their names.
    pub values: &'h BTreeMap<&'h str, &'h str>,
}

impl<'h> Ground<'h> {
    /// A value of the kernel; of a choice (`always [madvise] never`) the chosen word.
    pub(super) fn value(&self, path: &str) -> Option<&'h str> {
        let text = self.values.get(path)?.trim();
        let chosen = text.split_ascii_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        Some(chosen.unwrap_or(text))
    }

    /// The same as a number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.value(path)?.parse().ok()
    }

    /// The step that gives a value of sysfs another one; none where it has it, or was not read.
    pub(super) fn sysfs(&self, path: &str, to: &str, why: &str) -> Option<Wanted> {
        let from = self.value(path).filter(|from| *from != to)?;
        let action = Action::Sysfs { path: path.to_owned(), from: from.to_owned(), to: to.to_owned() };
        Some((action, why.to_owned()))
    }
}

/// Whether a service runs, and whether it is started at boot; none where it is not installed, or that was not read.
pub(super) fn unit(ground: &Ground<'_>, name: &str) -> Option<(bool, bool)> {
    let mut lines = ground.values.get("services")?.lines();
    let state = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    let (active, boot) = state.split_once(' ')?;
    Some((active == "active", boot == "enabled"))
}

/// A specification while it is edited. Each edit is a step of its own, and the text with all of them is read again.
pub(super) struct Draft<'g> {
    guest: &'g Guest<'g>,
    /// As it was read.
    pub(super) spec: MachineSpec,
    text: String,
    pub(super) steps: Vec<Wanted>,
}

impl<'g> Draft<'g> {
    pub(super) fn new(guest: &'g Guest<'g>) -> Result<Self, IntentError> {
        let spec = read(guest, guest.text)?;
        Ok(Self { guest, spec, text: guest.text.to_owned(), steps: Vec::new() })
    }

    /// Gives `key` the value `to`, TOML source; nothing where it has it.
    pub(super) fn set(&mut self, key: &str, to: &str, why: &str) -> Result<(), IntentError> {
        let from = match set_value(&self.text, key, None, None) {
            Ok(_) => None,
            Err(EditError::Drift { found, .. }) => Some(found),
            Err(error) => return Err(self.wrong(error.to_string())),
        };
        let same =
            |from: &str| set_value(&self.text, key, Some(from), Some(to)).is_ok_and(|new| new == self.text);
        if from.as_deref() == Some(to) || from.as_deref().is_some_and(same) {
            return Ok(());
        }
        self.text = set_value(&self.text, key, from.as_deref(), Some(to))
            .map_err(|error| self.wrong(error.to_string()))?;
        let action = Action::EditSpec {
            path: self.guest.path.to_owned(),
            key: key.to_owned(),
            from,
            to: Some(to.to_owned()),
        };
        self.steps.push((action, why.to_owned()));
        Ok(())
    }

    /// The CPUs of the host that virtual CPUs are bound to, as the text has it now, sorted.
    pub(super) fn bound(&self) -> BTreeSet<u32> {
        let spec = read(self.guest, &self.text).ok();
        let lists = spec.iter().flat_map(|spec| &spec.cpu.pinning.vcpus);
        lists.filter_map(|pin| parse_cpu_list(pin.cpus.as_deref()?).ok()).flatten().flatten().collect()
    }

    /// The CPUs of the host where the VMM's other threads run, as the text has it now.
    pub(super) fn beside(&self) -> BTreeSet<u32> {
        let spec = read(self.guest, &self.text).ok();
        let list = spec.as_ref().and_then(|spec| spec.cpu.pinning.emulator.as_deref());
        list.and_then(|list| parse_cpu_list(list).ok()).into_iter().flatten().flatten().collect()
    }

    /// Takes `key` away; nothing where it is not there.
    pub(super) fn unset(&mut self, key: &str, why: &str) -> Result<(), IntentError> {
        let from = match set_value(&self.text, key, None, None) {
            Ok(_) => return Ok(()),
            Err(EditError::Drift { found, .. }) => found,
            Err(error) => return Err(self.wrong(error.to_string())),
        };
        self.text =
            set_value(&self.text, key, Some(&from), None).map_err(|error| self.wrong(error.to_string()))?;
        let path = self.guest.path.to_owned();
        self.steps.push((
            Action::EditSpec { path, key: key.to_owned(), from: Some(from), to: None },
            why.to_owned(),
        ));
        Ok(())
    }

    /// The steps, provided that the specification still says what it should.
    pub(super) fn finish(self) -> Result<Vec<Wanted>, IntentError> {
        read(self.guest, &self.text)?;
        Ok(self.steps)
    }

    fn wrong(&self, why: String) -> IntentError {
        IntentError::Spec { path: self.guest.path.to_owned(), why }
    }
}

fn read(guest: &Guest<'_>, text: &str) -> Result<MachineSpec, IntentError> {
    match MachineSpecView::read(text) {
        (MachineSpecView { spec: Some(spec), .. }, _) => Ok(spec),
        (_, issues) => Err(IntentError::Spec {
            path: guest.path.to_owned(),
            why: issues
                .first()
                .map_or_else(String::new, |issue| format!("line {}: {}", issue.line, issue.what)),
        }),
    }
}
