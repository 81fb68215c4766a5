//! Programs in the guest, through its agent.

use super::agent::{AgentError, Ask};
use crate::request::{Exec, Executed, Told, Watch};
use crate::{ControlError, Operation};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vmwright_formats::base64;

/// How long a program may run where nobody said.
const LIMIT: Duration = Duration::from_secs(60);
/// How long between two questions whether it has ended: at first, and at most.
const ASK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// Why a program has no end to tell of.
pub(crate) enum NoEnd {
    /// The agent.
    Agent(AgentError),
    /// It runs on; the time was up, or the user stopped waiting.
    RunsOn(String),
}

impl NoEnd {
    pub(crate) fn of(self, machine: &str) -> ControlError {
        let machine = machine.to_owned();
        match self {
            NoEnd::Agent(source) => ControlError::Agent { machine, source },
            NoEnd::RunsOn(why) => ControlError::Failed { machine, operation: Operation::Exec, why },
        }
    }
}

/// Runs a program and waits for its end.
pub(crate) fn exec(agent: &mut dyn Ask, what: &Exec, watch: &mut dyn Watch) -> Result<Executed, NoEnd> {
    let mut arguments = json!({ "path": what.program, "arg": what.arguments, "capture-output": true });
    if !what.input.is_empty() {
        arguments["input-data"] = base64::encode(&what.input).into();
    }
    let begun = agent.execute("guest-exec", Some(arguments)).map_err(NoEnd::Agent)?;
    let pid = begun["pid"].as_i64().ok_or_else(|| NoEnd::Agent(unclear("guest-exec", &begun)))?;
    watch.tell(Told::Note(format!("runs in the guest as process {pid}")));
    let limit = if what.limit == 0 { LIMIT } else { Duration::from_secs(what.limit) };
    let (begin, mut pause) = (Instant::now(), ASK.0);
    loop {
        let status = agent.execute("guest-exec-status", Some(json!({ "pid": pid }))).map_err(NoEnd::Agent)?;
        match status["exited"].as_bool() {
            Some(true) => {
                return ended(&status).ok_or_else(|| NoEnd::Agent(unclear("guest-exec-status", &status)));
            }
            Some(false) => {}
            None => return Err(NoEnd::Agent(unclear("guest-exec-status", &status))),
        }
        if watch.stopped() || begin.elapsed() >= limit {
            let why = if watch.stopped() { "stopped waiting" } else { "the time is up" };
            return Err(NoEnd::RunsOn(format!(
                "{why} after {} s; it goes on in the guest as process {pid}",
                begin.elapsed().as_secs()
            )));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(ASK.1);
    }
}

fn ended(status: &Value) -> Option<Executed> {
    let number = |name: &str| status[name].as_i64().and_then(|number| i32::try_from(number).ok());
    let bytes = |name: &str| match &status[name] {
        Value::Null => Some(Vec::new()),
        text => base64::decode(text.as_str()?),
    };
    let cut = |name: &str| status[name].as_bool().unwrap_or(false);
    Some(Executed {
        status: number("exitcode"),
        signal: number("signal"),
        output: bytes("out-data")?,
        errors: bytes("err-data")?,
        cut: cut("out-truncated") || cut("err-truncated"),
    })
}

fn unclear(command: &str, answer: &Value) -> AgentError {
    let answer = crate::lines::quote(answer.to_string().as_bytes());
    AgentError::Rubbish { command: command.to_owned(), answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_program_ended() {
        let told = json!({ "exited": true, "exitcode": 3, "out-data": "Zm9v", "err-truncated": true });
        let expected = Executed { status: Some(3), output: b"foo".into(), cut: true, ..Executed::default() };
        assert_eq!(ended(&told), Some(expected));
        assert_eq!(ended(&json!({ "signal": 9 })).and_then(|ended| ended.signal), Some(9));
        assert_eq!(ended(&json!({ "exitcode": 0, "out-data": "Z" })), None);
        assert_eq!(ended(&json!({ "out-data": 7 })), None);
    }
}
