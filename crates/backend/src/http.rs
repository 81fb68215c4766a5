//! The little of HTTP/1.1 (RFC 9112) that Firecracker and Cloud Hypervisor speak over their UNIX sockets: one request
//! on one connection, and an answer whose length is said before it. Everything has a limit.

use crate::lines::{Lines, NoLine, dial_itself, quote};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest line of an answer's head, in bytes.
const LINE_MAX: usize = 8 * 1024;
/// Most lines of an answer's head.
const LINES_MAX: usize = 64;
/// Longest answer, in bytes: a configuration with all its devices has some KiB.
const BODY_MAX: usize = 4 << 20;
/// How much of a refusal is told, in letters.
const SAID_MAX: usize = 500;

/// Why a VMM gave no answer, or not the one that was asked for.
#[derive(Debug, Error)]
pub enum ApiError {
    /// Its socket cannot be reached.
    #[error("cannot connect to `{}`", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The other end closed the connection.
    #[error("it closed the connection instead of answering {0}")]
    Closed(String),
    /// Nothing came in time.
    #[error("no answer to {what} within {} s", .after.as_secs_f32())]
    Silent {
        /// What was asked.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer is too long.
    #[error("its answer to {0} has no end")]
    TooLong(String),
    /// The answer is not of the protocol.
    #[error("it does not speak HTTP: `{0}`")]
    NotHttp(String),
    /// It said no.
    #[error("it refused {what}: {said}")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP's status.
        status: u16,
        /// Its own words.
        said: String,
    },
    /// The socket gave an error.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

/// A VMM's API.
#[derive(Debug, Clone)]
pub struct Api {
    socket: PathBuf,
    patience: Duration,
}

impl Api {
    /// The one behind this socket, which may take so long for each answer.
    #[must_use]
    pub fn at(socket: &Path, patience: Duration) -> Self {
        Self { socket: socket.to_owned(), patience }
    }

    /// Reads.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask("GET", path, None)
    }

    /// Makes or asks for something.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn put(&self, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        self.ask("PUT", path, body)
    }

    /// Changes something.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.ask("PATCH", path, Some(body))
    }

    /// One request and its answer; null where that is empty.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let deadline = Instant::now() + self.patience;
        let what = format!("`{method} {path}`");
        let fail = |error| match error {
            NoLine::Closed => ApiError::Closed(what.clone()),
            NoLine::Silent => ApiError::Silent { what: what.clone(), after: self.patience },
            NoLine::TooLong => ApiError::TooLong(what.clone()),
            NoLine::Io(source) => ApiError::Io(source),
        };
        let stream = dial_itself(&self.socket, deadline)
            .map_err(|source| ApiError::Connect { path: self.socket.clone(), source })?;
        let mut lines = Lines::new(stream, LINE_MAX);
        lines.send(&request(method, path, body), deadline).map_err(fail)?;
        let (status, length) = head(&mut lines, deadline, &what).map_err(|error| match error {
            NoHead::Line(error) => fail(error),
            NoHead::Other(error) => error,
        })?;
        let bytes = lines.exactly(length, deadline).map_err(fail)?;
        if !(200..300).contains(&status) {
            return Err(ApiError::Refused { what, status, said: said(&bytes, status) });
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| ApiError::NotHttp(quote(&bytes)))
    }
}

fn request(method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n");
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

enum NoHead {
    Line(NoLine),
    Other(ApiError),
}

/// Status and length of an answer.
fn head(lines: &mut Lines, deadline: Instant, what: &str) -> Result<(u16, usize), NoHead> {
    let first = lines.next(deadline).map_err(NoHead::Line)?;
    let wrong = |line: &[u8]| NoHead::Other(ApiError::NotHttp(quote(line)));
    let text = String::from_utf8_lossy(&first).into_owned();
    let status =
        text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|digits| digits.parse().ok());
    let status = status.ok_or_else(|| wrong(&first))?;
    let mut length = 0;
    for _ in 0..LINES_MAX {
        let line = lines.next(deadline).map_err(NoHead::Line)?;
        if line.is_empty() {
            return Ok((status, length));
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        let (name, value) = text.split_once(':').ok_or_else(|| wrong(&line))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = value.trim().parse().map_err(|_| wrong(&line))?;
                if length > BODY_MAX {
                    return Err(NoHead::Other(ApiError::TooLong(what.to_owned())));
                }
            }
            // A length that is said piece by piece neither of them uses.
            "transfer-encoding" => return Err(wrong(&line)),
            _ => {}
        }
    }
    Err(NoHead::Other(ApiError::TooLong(what.to_owned())))
}

/// The reason of a refusal: Firecracker's `fault_message`, Cloud Hypervisor's list of causes, or the text itself.
fn said(bytes: &[u8], status: u16) -> String {
    let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let causes =
        || json.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(|all| all.join(": "));
    let words = json["fault_message"].as_str().map(str::to_owned).or_else(causes);
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return format!("HTTP status {status}");
    }
    line.chars().filter(|letter| !letter.is_control()).take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    /// What a peer that answers with these bytes is asked, and what comes of it.
    fn talk(
        answer: &[u8],
        ask: impl FnOnce(&Api) -> Result<Value, ApiError>,
    ) -> (String, Result<Value, ApiError>) {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("api");
        let listener = UnixListener::bind(&path).expect("bound");
        std::thread::scope(|scope| {
            let peer = scope.spawn(move || {
                let (mut stream, _) = listener.accept().expect("a client");
                let mut asked = vec![0; 4096];
                let count = stream.read(&mut asked).expect("readable");
                // A client that has heard enough hangs up.
                let _ = stream.write_all(answer);
                String::from_utf8_lossy(&asked[..count]).into_owned()
            });
            let result = ask(&Api::at(&path, Duration::from_millis(300)));
            (peer.join().expect("no panic"), result)
        })
    }

    #[test]
    fn requests_and_answers() {
        let (asked, answer) =
            talk(b"HTTP/1.1 200 \r\nServer: x\r\nContent-Length: 15\r\n\r\n{\"state\": true}", |api| {
                api.get("/")
            });
        assert_eq!(asked, "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n");
        assert_eq!(answer.expect("answered"), json!({"state": true}));
        let (asked, answer) =
            talk(b"HTTP/1.1 204 \r\n\r\n", |api| api.patch("/vm", &json!({"state": "Paused"})));
        assert!(
            asked.ends_with(
                "Content-Type: application/json\r\nContent-Length: 18\r\n\r\n{\"state\":\"Paused\"}"
            ),
            "{asked}"
        );
        assert_eq!(answer.expect("answered"), Value::Null);
    }

    #[test]
    fn refusals_have_their_words() {
        for (body, expected) in [
            ("{\"fault_message\":\"no such\\n drive\"}", "it refused `GET /`: no such drive"),
            ("[\"Error one\",\"two\"]", "it refused `GET /`: Error one: two"),
            ("plain", "it refused `GET /`: plain"),
            ("", "it refused `GET /`: HTTP status 400"),
        ] {
            let answer = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let (_, result) = talk(answer.as_bytes(), |api| api.get("/"));
            assert_eq!(result.expect_err("refused").to_string(), expected);
        }
    }

    #[test]
    fn hostile_answers_end() {
        let endless = b"HTTP/1.1 200 \r\n"
            .iter()
            .chain(b"a: b\r\n".iter().cycle().take(6 * 100))
            .copied()
            .collect::<Vec<u8>>();
        for (answer, expected) in [
            (b"SSH-2.0\r\n".to_vec(), "does not speak HTTP"),
            (b"HTTP/1.1 2".to_vec(), "closed the connection"),
            (b"HTTP/1.1 200 \r\nContent-Length: 99999999999\r\n\r\n".to_vec(), "has no end"),
            (b"HTTP/1.1 200 \r\nContent-Length: x\r\n\r\n".to_vec(), "does not speak HTTP"),
            (b"HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\n{".to_vec(), "closed the connection"),
            (b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), "does not speak HTTP"),
            (b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n{,}".to_vec(), "does not speak HTTP"),
            (vec![b'a'; 100_000], "has no end"),
            (endless, "has no end"),
        ] {
            let (_, result) = talk(&answer, |api| api.get("/"));
            let told = result.expect_err("no answer").to_string();
            assert!(told.contains(expected), "{told}, expected {expected}");
        }
    }
}
