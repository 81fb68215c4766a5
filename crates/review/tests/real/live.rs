//! A test guest's own channels and this machine, as a review is given them.

use crate::support::Vm;
use serde_json::{Value, json};
use std::time::Duration;
use vmwright_model::machine::{Accelerator, Network, NetworkKind};
use vmwright_model::{Gate, GateOutcome, MachineSpec, Missing, Review};
use vmwright_review::{
    Exercise, Guest, GuestError, Host, Neighbour, Owner, Process, Ran, Rules, Says, Scope, Vmm, Wanted,
    reports,
};

/// A VM's own channels, and this machine.
pub(crate) struct Live<'a>(pub(crate) &'a Vm);

impl Guest for Live<'_> {
    fn execute(&self, command: &str, arguments: Value) -> Result<Value, GuestError> {
        self.0.agent(command, arguments).map_err(|error| match error {
            Value::String(why) => GuestError::Silent(why),
            error => GuestError::Refused(error["desc"].to_string()),
        })
    }

    fn file_read(&self, path: &str, max: usize) -> Result<Vec<u8>, GuestError> {
        let handle = self.execute("guest-file-open", json!({ "path": path }))?;
        let read = self.execute("guest-file-read", json!({ "handle": handle, "count": max }));
        self.execute("guest-file-close", json!({ "handle": handle }))?;
        Ok(from_base64(read?["buf-b64"].as_str().unwrap_or_default()))
    }

    fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<Ran, GuestError> {
        let what = json!({ "path": program, "arg": arguments, "capture-output": true });
        let pid = self.execute("guest-exec", what)?["pid"].clone();
        let end = std::time::Instant::now() + limit;
        loop {
            let told = self.execute("guest-exec-status", json!({ "pid": pid }))?;
            if told["exited"] == true {
                let output = |name: &str| from_base64(told[name].as_str().unwrap_or_default());
                let status = told["exitcode"].as_i64().and_then(|status| i32::try_from(status).ok());
                return Ok(Ran { status, output: output("out-data"), errors: output("err-data") });
            }
            if std::time::Instant::now() > end {
                return Err(GuestError::Silent("the program runs too long".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Vmm for Live<'_> {
    fn query(&self, command: &str) -> Result<Value, String> {
        self.0.qmp(command, json!({})).map_err(|error| error.to_string())
    }

    fn serial(&self) -> Result<Vec<u8>, Missing> {
        Ok(self.0.serial().into_bytes())
    }

    fn process(&self) -> Option<Process> {
        self.0.running().then(|| Process { age: self.0.age(), pid: self.0.pid() })
    }
}

fn missing(error: &std::io::Error) -> Missing {
    match error.kind() {
        std::io::ErrorKind::NotFound => Missing::Absent,
        _ => Missing::Failed(error.to_string()),
    }
}

/// A host on which no rule has anything to ask.
impl Rules for Live<'_> {
    fn says(&self, _: &str) -> Result<Says, String> {
        Ok(Says::NotApplicable("no rule is asked in this test".to_owned()))
    }
}

impl Host for Live<'_> {
    fn file(&self, path: &str) -> Result<Vec<u8>, Missing> {
        if let Some((_, text)) = self.0.host_files.iter().find(|(name, _)| name == path) {
            return Ok(text.clone().into_bytes());
        }
        std::fs::read(path).map_err(|error| missing(&error))
    }

    fn link(&self, path: &str) -> Result<String, Missing> {
        std::fs::read_link(path).map(|to| to.display().to_string()).map_err(|error| missing(&error))
    }

    fn names(&self, path: &str) -> Result<Vec<String>, Missing> {
        let entries = std::fs::read_dir(path).map_err(|error| missing(&error))?;
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        Ok(names)
    }

    fn owner(&self, path: &str) -> Result<Owner, Missing> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path).map_err(|error| missing(&error))?;
        Ok(Owner { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() })
    }

    fn core_cookie(&self, _: u32) -> Result<u64, Missing> {
        Ok(0)
    }

    fn neighbours(&self) -> Vec<Neighbour> {
        self.0
            .neighbours
            .iter()
            .map(|(name, file)| Neighbour { name: name.clone(), files: vec![file.clone()] })
            .collect()
    }

    fn controls(&self) -> Vec<String> {
        vec![self.0.at("qmp")]
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0, 0_u32);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        (held, bits) = (held << 6 | u32::from(value(byte)), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

pub(crate) const MAC: &str = "52:54:00:00:00:01";

/// What [`Options::default`] starts, in the words of a specification.
pub(crate) fn spec() -> MachineSpec {
    MachineSpec { accelerator: Accelerator::Tcg, ..MachineSpec::named("reviewed") }
}

pub(crate) fn network(kind: NetworkKind, address: Option<&str>) -> Network {
    let (address, mac) = (address.map(str::to_owned), Some(MAC.to_owned()));
    Network { address, mac, ..Network::of(kind) }
}

pub(crate) fn review(vm: &Vm, spec: &MachineSpec, gates: &[&str], patience: Option<Duration>) -> Review {
    review_against(vm, spec, gates, patience, None)
}

pub(crate) fn review_against(
    vm: &Vm,
    spec: &MachineSpec,
    gates: &[&str],
    patience: Option<Duration>,
    baseline: Option<&Review>,
) -> Review {
    reviewed(vm, spec, gates, patience, baseline, None)
}

/// The same where something may be done with the VM.
pub(crate) fn review_with(vm: &Vm, spec: &MachineSpec, gates: &[&str], exercise: &dyn Exercise) -> Review {
    reviewed(vm, spec, gates, None, None, Some(exercise))
}

fn reviewed(
    vm: &Vm,
    spec: &MachineSpec,
    gates: &[&str],
    patience: Option<Duration>,
    baseline: Option<&Review>,
    exercise: Option<&dyn Exercise>,
) -> Review {
    let live = Live(vm);
    let began = "2026-01-01T00:00:00Z";
    let scope = Scope {
        spec,
        guest: &live,
        vmm: &live,
        host: &live,
        rules: &live,
        exercise,
        baseline,
        began,
        patience,
    };
    let gates: Vec<String> = gates.iter().map(|&name| name.to_owned()).collect();
    let wanted = Wanted { gates, ..Wanted::default() };
    let review = vmwright_review::run(&scope, &wanted, &mut |_| {}).expect("these gates exist");
    eprintln!("{}", reports::text(&review));
    review
}

pub(crate) fn gate<'a>(review: &'a Review, name: &str) -> &'a Gate {
    review.gates.iter().find(|gate| gate.name == name).expect("it was run")
}

pub(crate) fn failure<'a>(review: &'a Review, name: &str) -> &'a str {
    match &gate(review, name).outcome {
        GateOutcome::Fail(why) => why,
        other => panic!("{name}: {other:?} is no failure"),
    }
}

pub(crate) fn figure(gate: &Gate, name: &str) -> f64 {
    gate.measurements.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("no {name}")).value
}
