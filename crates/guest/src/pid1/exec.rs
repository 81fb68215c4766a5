//! `guest-exec`: programs, their output and their end. Process 1 reaps everything, so the ends come from there.

use super::base64;
use rustix::process::{Pid, WaitStatus};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Most bytes that are kept of one output, as QEMU's own agent does (`GUEST_EXEC_MAX_OUTPUT`).
const OUTPUT_MAX: u64 = 16 << 20;

/// Ends of programs that nobody has asked for yet, by pid.
static ENDS: Mutex<BTreeMap<i32, WaitStatus>> = Mutex::new(BTreeMap::new());

/// Programs that were run and not asked for to the end.
#[derive(Debug, Default)]
pub(super) struct Programs(BTreeMap<i64, Program>);

#[derive(Debug)]
struct Program {
    outputs: [Arc<Mutex<Output>>; 2],
    captured: bool,
}

#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    cut: bool,
    whole: bool,
}

/// Process 1 has seen the end of a process.
pub(super) fn reaped(pid: Pid, status: WaitStatus) {
    let mut ends = lock(&ENDS);
    // Of orphans nobody asks: the oldest go.
    if ends.len() >= 256 {
        ends.pop_first();
    }
    ends.insert(pid.as_raw_nonzero().get(), status);
}

impl Programs {
    pub(super) fn run(&mut self, arguments: &Map<String, Value>) -> Result<Value, String> {
        let path = arguments.get("path").and_then(Value::as_str).ok_or("Parameter 'path' is missing")?;
        let words = arguments.get("arg").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
        let input = match arguments.get("input-data").and_then(Value::as_str) {
            None => Vec::new(),
            Some(text) => base64::decode(text).ok_or("input-data is no base64")?,
        };
        let captured = arguments.get("capture-output").and_then(Value::as_bool).unwrap_or(false);
        let output = || if captured { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(path)
            .args(words.ok_or("Parameter 'arg' is no list of strings")?)
            .stdin(Stdio::piped())
            .stdout(output())
            .stderr(output())
            .spawn()
            .map_err(|error| format!("Guest agent command failed, error was 'Failed to execute child process \u{201c}{path}\u{201d} ({error})'"))?;
        let pid = i64::from(child.id());
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input is no error.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let outputs = [collect(child.stdout.take()), collect(child.stderr.take())];
        self.0.insert(pid, Program { outputs, captured });
        Ok(json!({ "pid": pid }))
    }

    pub(super) fn status(&mut self, arguments: &Map<String, Value>) -> Result<Value, String> {
        let pid = arguments.get("pid").and_then(Value::as_i64).ok_or("Parameter 'pid' is missing")?;
        let unknown = || format!("PID {pid} does not exist");
        let program = self.0.get(&pid).ok_or_else(unknown)?;
        let number = i32::try_from(pid).map_err(|_| unknown())?;
        let whole = program.outputs.iter().all(|output| lock(output).whole);
        let status = lock(&ENDS).get(&number).copied();
        let (Some(status), true) = (status, whole) else { return Ok(json!({ "exited": false })) };
        lock(&ENDS).remove(&number);
        let mut told = json!({ "exited": true });
        if let Some(code) = status.exit_status() {
            told["exitcode"] = code.into();
        }
        if let Some(signal) = status.terminating_signal() {
            told["signal"] = signal.into();
        }
        for (name, output) in ["out", "err"].into_iter().zip(&program.outputs).filter(|_| program.captured) {
            let output = lock(output);
            if !output.bytes.is_empty() {
                told[format!("{name}-data")] = base64::encode(&output.bytes).into();
            }
            if output.cut {
                told[format!("{name}-truncated")] = true.into();
            }
        }
        self.0.remove(&pid);
        Ok(told)
    }
}

/// Reads an output to its end, beside everything else.
fn collect(from: Option<impl Read + Send + 'static>) -> Arc<Mutex<Output>> {
    let output = Arc::new(Mutex::new(Output { whole: from.is_none(), ..Output::default() }));
    if let Some(mut from) = from {
        let output = Arc::clone(&output);
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error is what there is.
            let _ = from.by_ref().take(OUTPUT_MAX).read_to_end(&mut bytes);
            let more = std::io::copy(&mut from, &mut std::io::sink()).unwrap_or(0);
            *lock(&output) = Output { bytes, cut: more > 0, whole: true };
        });
    }
    output
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
