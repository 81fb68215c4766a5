//! The server over HTTP: many clients, and those that mean no good.

use crate::client::until;
use crate::common::{Site, has};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an answer may take: an analysis in a build that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct Server {
    child: Child,
    port: u16,
    pub(crate) token: String,
}

impl Server {
    pub(crate) fn new(site: &Site, words: &[&str]) -> Self {
        let mut command = site.command(&[&["mcp", "--http", "127.0.0.1:0"], words].concat());
        let (child, line) = started(command.current_dir(site.dir.path()));
        let port = line.rsplit(':').next().and_then(|rest| rest.split('/').next()?.parse().ok());
        let token = std::fs::read_to_string(site.path("state/mcp-token")).unwrap().trim().to_owned();
        Self { child, port: port.unwrap_or_else(|| panic!("no port in {line:?}")), token }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// A connection; the head is the caller's to write.
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn post(&self, session: Option<&str>, message: &Value) -> Answer {
        let text = message.to_string();
        let head = head(self.port, Some(&self.token), session, text.len(), "");
        asked(self.connect(), &format!("{head}{text}"))
    }

    /// A session, by its id.
    fn begin(&self) -> String {
        let begun = self.post(None, &initialize());
        assert_eq!(begun.status, 200, "{begun:?}");
        let session = begun.header("mcp-session-id").unwrap();
        let told =
            self.post(Some(&session), &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(told.status, 202, "{told:?}");
        session
    }

    fn call(&self, session: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let asked = self.post(
            Some(session),
            &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }),
        );
        asked.message(2)
    }

    /// Processes that work for it.
    fn workers(&self) -> usize {
        let id = self.child.id();
        let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        text.split_whitespace().count()
    }

    /// Descriptors that it has open.
    fn open(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and the line with which it says that clients can come.
fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    err.read_line(&mut line).unwrap();
    std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    (child, line)
}

fn initialize() -> Value {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

fn head(port: u16, token: Option<&str>, session: Option<&str>, length: usize, more: &str) -> String {
    let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let session = session
        .map_or(String::new(), |id| format!("Mcp-Session-Id: {id}\r\nMcp-Protocol-Version: 2025-11-25\r\n"));
    let host = if more.contains("Host:") { String::new() } else { format!("Host: 127.0.0.1:{port}\r\n") };
    format!(
        "POST /mcp HTTP/1.1\r\n{host}{token}{session}{more}Accept: application/json, text/event-stream\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        let find = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        self.head.lines().find_map(find)
    }

    /// The answer to a request, among the events or as the body.
    #[track_caller]
    fn message(&self, id: i64) -> Value {
        let events = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let all =
            events.chain([self.body.as_str()]).filter_map(|text| serde_json::from_str(text.trim()).ok());
        let mut all = all.filter(|message: &Value| message["id"] == id);
        let message = all.next().unwrap_or_else(|| panic!("no answer to {id}: {self:?}"));
        message.get("result").or_else(|| message.get("error")).cloned().unwrap_or_default()
    }
}

fn asked(mut stream: impl Read + Write, request: &str) -> Answer {
    // A server that refuses may close before it has read all.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        whole(body)
    } else {
        body.to_owned()
    };
    Answer { status, head: head.to_owned(), body }
}

/// A body that came in pieces.
fn whole(mut chunked: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunked.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || size > rest.len() {
            break;
        }
        body.push_str(&rest[..size]);
        chunked = rest[size..].trim_start_matches("\r\n");
    }
    body
}

#[test]
fn who_shows_no_token_or_comes_from_elsewhere_is_refused() {
    let site = Site::new();
    let server = Server::new(&site, &["--allow-origin", "https://app.example.com:443"]);
    let mode = std::fs::metadata(site.path("state/mcp-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = initialize().to_string();
    let ask = |token: Option<&str>, more: &str| {
        let request = format!("{}{text}", head(server.port, token, None, text.len(), more));
        asked(server.connect(), &request)
    };
    let token = Some(server.token.as_str());
    let refused = ask(None, "");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer".to_owned())));
    assert!(refused.body.contains("Authorization: Bearer"), "{refused:?}");
    assert_eq!(ask(Some("0000"), "").status, 401);
    assert_eq!(ask(token, "Origin: https://evil.example\r\n").status, 403);
    assert_eq!(ask(token, "Origin: null\r\n").status, 403);
    assert_eq!(ask(token, "Host: evil.example\r\n").status, 403);
    assert_eq!(ask(token, "Origin: https://app.example.com\r\n").status, 200);
    assert_eq!(ask(token, "").status, 200);
    let elsewhere = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", server.port);
    assert_eq!(asked(server.connect(), &elsewhere).status, 404);
}

#[test]
fn sessions_are_apart_and_each_has_its_mode() {
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    let server = Server::new(&site, &[]);
    let (one, other) = (server.begin(), server.begin());
    assert_ne!(one, other);
    let entered =
        server.call(&one, "enter_mode", json!({ "mode": "review", "challenge": "boots?", "scope": ["web"] }));
    assert_eq!(entered["isError"], false, "{entered}");
    let tools = |session: &str| {
        let asked = server.post(Some(session), &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }));
        asked.message(3).to_string()
    };
    assert!(tools(&one).contains("\"review\"") && !tools(&one).contains("\"analyze\""));
    assert!(tools(&other).contains("\"analyze\""));
    let gone =
        server.post(Some("no-such-session"), &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list" }));
    assert_eq!(gone.status, 404, "{gone:?}");
}

#[test]
fn a_hundred_clients_at_once_leave_nothing_behind() {
    let site = Site::new();
    let server = Server::new(&site, &[]);
    let before = server.open();
    std::thread::scope(|scope| {
        let client = || {
            let session = server.begin();
            let explained = server.call(&session, "look_up", json!({ "rule": "0x7B" }));
            assert!(explained.to_string().contains("INACCESSIBLE_BOOT_DEVICE"), "{explained}");
            let end = format!(
                "DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n\
                 Connection: close\r\n\r\n",
                server.port, server.token
            );
            let ended = asked(server.connect(), &end);
            assert!((200..300).contains(&ended.status), "{ended:?}");
            let after = json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/list" });
            assert_eq!(server.post(Some(&session), &after).status, 404);
        };
        for _ in 0..100 {
            scope.spawn(client);
        }
    });
    until("all workers are gone", || server.workers() == 0);
    until("all descriptors are closed", || server.open() <= before);
    site.call(&["journal", "verify"]).ok();
}

#[test]
fn what_is_no_message_or_too_long_is_said_so_and_the_server_goes_on() {
    let site = Site::new();
    let server = Server::new(&site, &[]);
    let session = server.begin();
    let raw = |text: &str| {
        let head = head(server.port, Some(&server.token), Some(&session), text.len(), "");
        asked(server.connect(), &format!("{head}{text}"))
    };
    for text in ["{", "", "[]", "\u{0}\u{1}", "{\"jsonrpc\":\"2.0\"}", &"[".repeat(100_000)] {
        let refused = raw(text);
        let beginning: String = text.chars().take(20).collect();
        assert!((400..500).contains(&refused.status), "{beginning:?}: {refused:?}");
        assert!(!refused.body.is_empty(), "{beginning:?}: {refused:?}");
    }
    let long = server.call(&session, "look_up", json!({ "rule": "x".repeat(10_000_000) }));
    assert_eq!(long["isError"], true);
    assert!(long.to_string().contains("10000000 bytes") && long.to_string().len() < 2000);
    let request = head(server.port, Some(&server.token), Some(&session), 40 << 20, "");
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let refused = asked(stream, "");
    assert_eq!(refused.status, 413, "{refused:?}");
    assert!(refused.body.contains("at most"), "{refused:?}");
    assert_eq!(server.call(&session, "look_up", json!({ "rule": "0x7B" }))["isError"], false);
}

#[test]
fn who_says_nothing_or_takes_nothing_holds_nobody_up() {
    let site = Site::new();
    let server = Server::new(&site, &[]);
    let session = server.begin();
    // Half a head, half a body, and answers that nobody reads.
    let mut half_heads: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    half_heads.iter_mut().for_each(|stream| stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: 127").unwrap());
    let mut half_bodies: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    let request = format!("{}{{", head(server.port, Some(&server.token), Some(&session), 30 << 20, ""));
    half_bodies.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).unwrap());
    let list = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" }).to_string();
    let request = format!("{}{list}", head(server.port, Some(&server.token), Some(&session), list.len(), ""));
    let mut deaf: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    deaf.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).unwrap());
    let other = server.begin();
    assert_eq!(server.call(&other, "look_up", json!({ "rule": "0x7B" }))["isError"], false);
}

#[test]
fn a_client_that_dies_in_the_middle_of_a_call_leaves_nothing() {
    let site = Site::new();
    let server = Server::new(&site, &[]);
    let session = server.begin();
    let before = server.open();
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call",
                       "params": { "name": "analyze", "arguments": { "complaint": "why" } } })
    .to_string();
    let mut stream = server.connect();
    let request = head(server.port, Some(&server.token), Some(&session), call.len(), "");
    stream.write_all(format!("{request}{call}").as_bytes()).unwrap();
    until("the worker starts", || server.workers() > 0);
    drop(stream);
    until("the worker is gone", || server.workers() == 0);
    until("its descriptors are closed", || server.open() <= before);
    // Its session is still there, and nothing is locked.
    assert_eq!(server.call(&session, "look_up", json!({ "rule": "0x7B" }))["isError"], false);
    site.call(&["journal", "add", "a", "b"]).ok();
}

#[test]
fn a_call_that_would_never_end_is_cancelled_when_its_client_dies() {
    let site = Site::new();
    if !has("a_call_that_would_never_end_is_cancelled_when_its_client_dies", "qemu-system-x86_64") {
        return;
    }
    assert_eq!(site.machine("web", "").status, 0);
    let server = Server::new(&site, &["--machines", "web"]);
    let session = server.begin();
    let enter = json!({ "mode": "review", "challenge": "does it move", "scope": ["web"] });
    assert_eq!(server.call(&session, "enter_mode", enter)["isError"], false);
    // It waits for a guest that nobody sends.
    let from = format!("unix:{}", site.path("incoming").display());
    let receive = json!({ "vm": "web", "do": "receive", "from": from });
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call",
                       "params": { "name": "use_machine", "arguments": receive } })
    .to_string();
    let mut stream = server.connect();
    let request = head(server.port, Some(&server.token), Some(&session), call.len(), "");
    stream.write_all(format!("{request}{call}").as_bytes()).unwrap();
    until("it waits for the guest", || site.path("incoming").exists());
    drop(stream);
    until("the worker is gone", || server.workers() == 0);
    // The machine is free again: nothing holds its lock, and no VMM waits.
    let shown = server.call(&session, "look_up", json!({ "look": "show", "vm": "web" }));
    assert_eq!(shown["structuredContent"]["result"]["state"], "defined", "{shown}");
    let deleted = server.call(&session, "use_machine", json!({ "vm": "web", "do": "delete" }));
    assert_eq!(deleted["isError"], false, "{deleted}");
}

#[test]
fn a_socket_in_the_file_system_is_its_owners_and_goes_with_its_server() {
    let site = Site::new();
    let path = site.path("vmwright.sock");
    let address = format!("unix:{}", path.display());
    let mut command = site.command(&["mcp", "--http", &address]);
    let (mut child, line) = started(&mut command);
    assert!(line.contains(&address), "{line}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = initialize().to_string();
    let request = format!("{}{text}", head(0, None, None, text.len(), "Host: localhost\r\n"));
    let begun = asked(UnixStream::connect(&path).unwrap(), &request);
    assert_eq!(begun.status, 200, "{begun:?}");
    let taken = site.call(&["mcp", "--http", &address]);
    assert_ne!(taken.status, 0);
    assert!(taken.err.contains("cannot listen"), "{taken:?}");
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success() && child.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn an_address_that_others_reach_needs_tls_and_tls_works() {
    let site = Site::new();
    let open = site.call(&["mcp", "--http", "0.0.0.0:0"]);
    assert_ne!(open.status, 0);
    assert!(open.err.contains("--tls-cert"), "{open:?}");
    site.call(&["mcp", "--http", "localhost:1"]).fails(2, &["127.0.0.1:PORT"]);
    let test = "an_address_that_others_reach_needs_tls_and_tls_works";
    if !has(test, "openssl") || !has(test, "curl") {
        return;
    }
    let (key, cert) = (site.path("key.pem"), site.path("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let (key, cert) = (key.to_str().unwrap(), cert.to_str().unwrap());
    let server = Server::new(&site, &["--tls-cert", cert, "--tls-key", key]);
    let out = Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "60",
            "--cacert",
            cert,
            "-H",
            "Accept: application/json, text/event-stream",
        ])
        .args([
            "-H",
            &format!("Authorization: Bearer {}", server.token),
            "-H",
            "Content-Type: application/json",
        ])
        .args(["-d", &initialize().to_string()])
        .arg(format!("https://localhost:{}/mcp", server.port))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("\"serverInfo\""), "{said} {}", String::from_utf8_lossy(&out.stderr));
    let wrong = site.call(&["mcp", "--http", "127.0.0.1:0", "--tls-cert", key, "--tls-key", key]);
    assert!(wrong.status != 0 && wrong.err.contains("cannot be used for TLS"), "{wrong:?}");
}
