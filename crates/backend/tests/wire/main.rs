//! What real VMMs answered, replayed: each `*.json` beside this file is a conversation that was recorded with the VMM
//! itself, answers byte for byte. So the clients are tested where no VMM is installed.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vmwright_backend::cloud_hypervisor::CloudHypervisor;
use vmwright_backend::firecracker::Firecracker;
use vmwright_backend::http::{Api, ApiError};
use vmwright_backend::request::{Limit, Limited, Metadata};
use vmwright_backend::{Answer, Backend, Request, State, Stored, Unwatched, perform, store};
use vmwright_model::machine::{Disk, DiskFormat, Network, NetworkKind};

const FIRECRACKER: &str = include_str!("firecracker.json");
const CLOUD_HYPERVISOR: &str = include_str!("cloud_hypervisor.json");

/// One request and its answer.
#[derive(Debug, Clone)]
struct Exchange {
    method: String,
    path: String,
    body: Value,
    answer: String,
}

fn exchanges(text: &str) -> Vec<Exchange> {
    let all: Vec<Value> = serde_json::from_str(text).expect("a recording");
    let text = |one: &Value, key: &str| one[key].as_str().expect(key).to_owned();
    let one = |one: &Value| Exchange {
        method: text(one, "method"),
        path: text(one, "path"),
        body: one["body"].clone(),
        answer: text(one, "answer"),
    };
    all.iter().map(one).collect()
}

/// Answers each request as the first recorded one of its kind was that has not been used yet.
fn replay(socket: &Path, exchanges: Vec<Exchange>) -> Arc<Mutex<Vec<String>>> {
    let listener = UnixListener::bind(socket).expect("bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut left = exchanges;
        for stream in listener.incoming().flatten() {
            let (line, body) = request(stream.try_clone().expect("a copy"));
            let same =
                |one: &Exchange| line == format!("{} {} HTTP/1.1", one.method, one.path) && body == one.body;
            seen.lock().expect("no panic").push(line.clone());
            let Some(at) = left.iter().position(same) else {
                panic!("{line} with {body} was never recorded")
            };
            let answer = left.remove(at).answer;
            (&stream).write_all(answer.as_bytes()).expect("the client listens");
        }
    });
    asked
}

/// The first line of a request, and its body.
fn request(mut stream: UnixStream) -> (String, Value) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                let first = head.lines().next().unwrap_or_default().to_owned();
                return (first, serde_json::from_str(body).unwrap_or_default());
            }
        }
        let count = stream.read(&mut piece).expect("readable");
        assert!(count > 0, "half a request: {text}");
        bytes.extend_from_slice(&piece[..count]);
    }
}

#[test]
fn every_recorded_answer_is_understood() {
    for recording in [FIRECRACKER, CLOUD_HYPERVISOR] {
        understood(recording);
    }
}

/// The reason of a refusal, as either VMM gives it.
fn reason(said: &Value) -> String {
    let causes = || said.as_array().expect("causes").iter().map(|cause| cause.as_str().expect("words"));
    said["fault_message"].as_str().map_or_else(|| causes().collect::<Vec<_>>().join(": "), str::to_owned)
}

fn understood(recording: &str) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let socket = place.path().join("api");
    let all = exchanges(recording);
    replay(&socket, all.clone());
    let api = Api::at(&socket, Duration::from_secs(10));
    for one in all {
        let body = Some(&one.body).filter(|body| !body.is_null());
        let result = match one.method.as_str() {
            "GET" => api.get(&one.path),
            "PATCH" => api.patch(&one.path, &one.body),
            _ => api.put(&one.path, body),
        };
        let (head, said) = one.answer.split_once("\r\n\r\n").expect("a head");
        let said: Value = serde_json::from_str(said).unwrap_or_default();
        match result {
            Ok(answer) => {
                assert!(head.starts_with("HTTP/1.1 2"), "{one:?}");
                assert_eq!(answer, said);
            }
            Err(ApiError::Refused { status, said: words, .. }) => {
                assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{one:?}");
                assert_eq!(words, reason(&said));
            }
            Err(error) => panic!("{error}: {one:?}"),
        }
    }
}

/// A machine on record as run by this very process, whose API is the socket.
fn machine(place: &Path, socket: &Path, backend: &str) -> Stored {
    let spec = place.join("web.toml");
    std::fs::write(&spec, "name = 'web'\nmemory.size = '32MiB'\nboot.kernel = '/k'\n[balloon]\n")
        .expect("written");
    let machine = store::create_on(&place.join("state"), &spec, backend).expect("a good specification");
    let stat = std::fs::read_to_string("/proc/self/stat").expect("there");
    let start_time: u64 = stat
        .rsplit(')')
        .next()
        .and_then(|rest| rest.split_whitespace().nth(19)?.parse().ok())
        .expect("a number");
    let boot_id =
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("there").trim().to_owned();
    let record = serde_json::json!({
        "schema": "vmwright.process/1", "backend": backend, "phase": "running", "why": "", "sockets": null,
        "pid": std::process::id(), "start_time": start_time, "boot_id": boot_id, "accelerator": "kvm", "user": null,
        "qmp": socket, "agent": null, "taps": [], "started_ms": 1,
    });
    std::fs::write(machine.file("process.json"), record.to_string()).expect("written");
    machine
}

#[test]
fn firecracker_pauses_and_resumes_in_its_own_words() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let socket: PathBuf = place.path().join("api");
    let mut all = exchanges(FIRECRACKER);
    let states: Vec<Exchange> = all.iter().filter(|one| one.path == "/").cloned().collect();
    let [running, paused] = states.as_slice() else { panic!("two states are recorded") };
    // What is asked below, in this order; the recording has each answer once.
    all.retain(|one| one.path != "/");
    all.extend([running, running, paused, paused, running].map(Clone::clone));
    let asked = replay(&socket, all);
    let backend = Firecracker::default();
    let machine = machine(place.path(), &socket, backend.name());
    let state = || backend.look(&machine).expect("it can be told").state;
    assert_eq!(state(), State::Running);
    perform(&backend, &machine, Request::Pause, &mut Unwatched).expect("it runs");
    assert_eq!(state(), State::Paused);
    perform(&backend, &machine, Request::Resume, &mut Unwatched).expect("it stands");
    assert_eq!(state(), State::Running);
    let asked = asked.lock().expect("no panic").clone();
    let changes: Vec<&String> = asked.iter().filter(|line| line.starts_with("PATCH")).collect();
    assert_eq!(changes, ["PATCH /vm HTTP/1.1", "PATCH /vm HTTP/1.1"]);
}

#[test]
fn firecracker_limits_and_tells_metadata_in_its_own_words() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let socket: PathBuf = place.path().join("api");
    let mut all = exchanges(FIRECRACKER);
    let running = all.iter().find(|one| one.path == "/").expect("recorded").clone();
    all.retain(|one| one.path != "/");
    // Each request looks first.
    all.extend(std::iter::repeat_n(running, 3));
    let asked = replay(&socket, all);
    let backend = Firecracker::default();
    let mut machine = machine(place.path(), &socket, backend.name());
    machine.spec.disks = vec![Disk::at("/d", DiskFormat::Raw)];
    machine.spec.networks = vec![Network::of(NetworkKind::Tap)];
    let ask = |request| perform(&backend, &machine, request, &mut Unwatched).expect("it runs");
    let disk = Limited::Disk("0".to_owned());
    ask(Request::Limit(Limit { device: disk, bytes: Some(1 << 20), operations: Some(0) }));
    ask(Request::Limit(Limit { device: Limited::Network(0), bytes: Some(1 << 20), operations: None }));
    let data = serde_json::json!({ "zone": "b" });
    let told = ask(Request::Metadata(Some(Metadata { data, merge: true })));
    assert_eq!(told, Answer::Metadata(serde_json::json!({ "role": "web", "zone": "b" })));
    let asked = asked.lock().expect("no panic").clone();
    let changes: Vec<&String> = asked.iter().filter(|line| !line.starts_with("GET / ")).collect();
    assert_eq!(
        changes,
        [
            "PATCH /drives/vda HTTP/1.1",
            "PATCH /network-interfaces/eth0 HTTP/1.1",
            "PATCH /mmds HTTP/1.1",
            "GET /mmds HTTP/1.1"
        ]
    );
}

#[test]
fn cloud_hypervisor_pauses_and_resumes_in_its_own_words() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let socket: PathBuf = place.path().join("api");
    let mut all = exchanges(CLOUD_HYPERVISOR);
    let states: Vec<Exchange> = all.iter().filter(|one| one.path == "/api/v1/vm.info").cloned().collect();
    let [running, paused] = states.as_slice() else { panic!("two states are recorded") };
    // What is asked below, in this order; the recording has each answer once.
    all.retain(|one| one.path != "/api/v1/vm.info");
    all.extend([running, running, paused, paused, running, running, running].map(Clone::clone));
    replay(&socket, all);
    let backend = CloudHypervisor::default();
    let machine = machine(place.path(), &socket, backend.name());
    let state = || backend.look(&machine).expect("it can be told").state;
    assert_eq!(state(), State::Running);
    perform(&backend, &machine, Request::Pause, &mut Unwatched).expect("it runs");
    assert_eq!(state(), State::Paused);
    perform(&backend, &machine, Request::Resume, &mut Unwatched).expect("it stands");
    assert_eq!(state(), State::Running);
    let told = perform(&backend, &machine, Request::Stats, &mut Unwatched).expect("it runs");
    assert!(format!("{told:?}").contains("_disk0"), "{told:?}");
}
