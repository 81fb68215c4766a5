//! An endpoint on this host that says what a test tells it to.

use crate::common::{Done, Site, done};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the endpoint does when it is asked.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Events, and a proper end.
    Events(Vec<String>),
    /// Events, and then nothing more.
    Cut(Vec<String>),
    /// Another status, with a body.
    Status(u16, String),
    /// These bytes, and no HTTP.
    Raw(Vec<u8>),
}

/// What the endpoint was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
}

pub(crate) struct Endpoint {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) const KEY: &str = "sk-test-0123456789abcdef";

impl Endpoint {
    /// Gives these replies one after the other, and the last one for ever.
    pub(crate) fn new(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(stream) = stream else { return };
                let reply = replies[number.min(replies.len() - 1)].clone();
                // A client that goes away in the middle is that test's business.
                let _ = answer(stream, &reply, &heard);
            }
        });
        Self { port, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// `vmwright ask QUESTION --model openai:test` with this endpoint.
    pub(crate) fn ask(&self, site: &Site, question: &str, more: &[&str]) -> Done {
        self.ask_as(site, "openai:test", question, more)
    }

    pub(crate) fn ask_as(&self, site: &Site, model: &str, question: &str, more: &[&str]) -> Done {
        let address = self.address();
        let words = [&["ask", question, "--model", model, "--endpoint", &address], more].concat();
        let mut command = site.command(&words);
        command.env("VMWRIGHT_MODEL_KEY", KEY);
        done(command)
    }
}

fn answer(mut stream: TcpStream, reply: &Reply, heard: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    heard.lock().unwrap().push(Asked { head, body });
    match reply {
        Reply::Events(events) | Reply::Cut(events) => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            for event in events {
                let data = format!("data: {event}\n\n");
                // In two pieces, as networks do.
                let (one, other) = data.split_at(data.len() / 2);
                for piece in [one, other] {
                    stream.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())?;
                }
                stream.flush()?;
            }
            match reply {
                Reply::Events(_) => stream.write_all(b"0\r\n\r\n"),
                _ => Ok(()),
            }
        }
        Reply::Status(status, body) => stream.write_all(
            format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        ),
        Reply::Raw(bytes) => stream.write_all(bytes),
    }
}

/// A model that says this and asks for nothing.
pub(crate) fn says(text: &str) -> Reply {
    Reply::Events(vec![
        json!({ "choices": [{ "delta": { "role": "assistant", "content": text } }] }).to_string(),
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }).to_string(),
        json!({ "choices": [], "usage": { "prompt_tokens": 1000, "completion_tokens": 10 } }).to_string(),
        "[DONE]".to_owned(),
    ])
}

/// A model that asks for calls; the arguments are what it writes, JSON or not.
pub(crate) fn calls(calls: &[(&str, &str)]) -> Reply {
    let mut events = Vec::new();
    for (number, (name, arguments)) in calls.iter().enumerate() {
        let middle = (0..=arguments.len() / 2).rev().find(|at| arguments.is_char_boundary(*at)).unwrap();
        let call = json!({ "index": number, "id": format!("c{number}"), "function": { "name": name, "arguments": arguments[..middle] } });
        let rest = json!({ "index": number, "function": { "arguments": arguments[middle..] } });
        for piece in [call, rest] {
            events.push(json!({ "choices": [{ "delta": { "tool_calls": [piece] } }] }).to_string());
        }
    }
    events.push(json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] }).to_string());
    events.push(
        json!({ "choices": [], "usage": { "prompt_tokens": 1000, "completion_tokens": 10 } }).to_string(),
    );
    events.push("[DONE]".to_owned());
    Reply::Events(events)
}

/// Logs of a VM whose image is locked; the folder.
pub(crate) fn logs(site: &Site) -> String {
    let log = site.file("logs/web.log", "qemu: -drive file=/vm/web.qcow2: Failed to get \"write\" lock\n");
    log.parent().unwrap().to_str().unwrap().to_owned()
}
