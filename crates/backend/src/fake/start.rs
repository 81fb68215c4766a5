//! Starting: the same checks of the host as a real start, then the sleeping process.

use super::{Fake, argv};
use crate::account::account;
use crate::launch::{Rights, Streams};
use crate::store::SERIAL;
use crate::supervise::{self, Attempt, Vmm, empty_file, interface_exists};
use crate::{Backend, Running, StartError, Stored};
use std::path::Path;
use std::time::{Duration, Instant};
use vmwright_model::machine::NetworkKind;

pub(super) fn start(
    fake: &Fake,
    machine: &Stored,
    launched: &mut dyn FnMut(),
) -> Result<Running, StartError> {
    supervise::start(machine, fake.name(), launched, |attempt| run(fake, attempt))
}

fn run(fake: &Fake, attempt: &mut Attempt<'_>) -> Result<Running, StartError> {
    let machine = attempt.machine;
    let spec = &machine.spec;
    let account = account(&spec.process)?;
    empty_file(&machine.file(SERIAL))?;
    let bridges = spec.networks.iter().filter(|network| network.kind == NetworkKind::Bridge);
    for bridge in bridges.filter_map(|network| network.bridge.as_deref()) {
        if !interface_exists(bridge) {
            return Err(StartError::NoBridge(bridge.to_owned()));
        }
    }
    let refusal = fake.refusals.get(&machine.name).map(String::as_str);
    let arguments = argv::argv(&machine.name, refusal);
    let (mut child, running) = attempt.launch(Vmm {
        program: Path::new(argv::PROGRAM),
        arguments: &arguments,
        within: Path::new("/"),
        inherits: &[],
        account,
        stays_root: None,
        sockets: None,
        cgroup: None,
        qmp: None,
        agent: None,
        agent_port: None,
        taps: Vec::new(),
        accelerator: spec.accelerator,
        streams: Streams::default(),
        apart: None,
        rights: Rights::default(),
    })?;
    if refusal.is_some() {
        return Err(attempt.ended(&mut child));
    }
    // It is up once the shell has become the sleeper.
    let command = format!("/proc/{}/cmdline", child.id());
    let deadline = Instant::now() + Duration::from_secs(5);
    while !std::fs::read(&command).is_ok_and(|words| words.starts_with(b"sleep\0")) {
        if Instant::now() >= deadline || child.try_wait().map_err(StartError::Process)?.is_some() {
            return Err(attempt.ended(&mut child));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(running)
}
