//! Language models, by the two ways in which nearly all are reached: Anthropic's Messages, and what speaks like OpenAI's
//! chat completions. Answers come as a stream.

mod anthropic;
mod http;
mod openai;

use crate::tools::Tool;
use http::{Fetched, HttpError, Target};
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use vmwright_formats::event_stream::Events;

/// Where each kind of model is reached, if no endpoint is named.
const ANTHROPIC: &str = "https://api.anthropic.com/v1";
const OPENAI: &str = "https://api.openai.com/v1";

/// How often a model is asked again that is busy or breaks off.
const TRIES: u32 = 3;

/// How much a conversation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often the model is asked.
    pub steps: usize,
    /// Tokens in and out, all steps together.
    pub tokens: u64,
    /// Tokens of one answer.
    pub answer: u32,
}

/// Which model, and where.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As it was named.
    pub name: String,
    kind: Kind,
    model: String,
    target: Target,
    /// Shown to the endpoint, and to nobody else.
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anthropic,
    OpenAi,
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Its kind cannot be told.
    #[error(
        "`{0}` does not say how it is spoken to: anthropic:NAME or openai:NAME (whatever speaks like it)"
    )]
    Kind(String),
    /// The address is none.
    #[error("{0} is no address of an endpoint: https://HOST[:PORT][/PATH], or http:// on this host alone")]
    Address(String),
    /// There is no key.
    #[error("no key: ${0} is not set")]
    NoKey(&'static str),
    /// A key has characters that no header takes.
    #[error("the key in ${0} is none")]
    Key(&'static str),
}

/// What was said so far.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    User(String),
    Model {
        text: String,
        calls: Vec<Call>,
    },
    /// By the call's id.
    Results(Vec<(String, String, bool)>),
}

/// A call that a model asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// As it came: a text that should be a JSON object.
    pub(crate) arguments: String,
}

/// One answer of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Turn {
    pub(crate) text: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) tokens_in: u64,
    pub(crate) tokens_out: u64,
    /// Whether it was cut at its limit of tokens.
    pub(crate) cut: bool,
    /// Whether the stream said that it is whole.
    pub(crate) whole: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error("the endpoint cannot be reached: {0}")]
    Http(#[from] HttpError),
    #[error("the endpoint refuses: {status}{}", said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Refused {
        status: u16,
        /// What it says, without the key.
        said: Option<String>,
    },
    #[error("the answer is none that can be read: {0}")]
    Unread(String),
    #[error("the answer broke off")]
    Broken,
    #[error("stopped")]
    Stopped,
}

impl Endpoint {
    /// The model of this name: `anthropic:NAME`, `openai:NAME`, or a name that begins with `claude` or `gpt`. The key is
    /// asked of `variable`: `ANTHROPIC_API_KEY` or `OPENAI_API_KEY`, and for an endpoint of the caller's own
    /// `VMWRIGHT_MODEL_KEY`, which an endpoint on this host need not have.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn new(
        name: &str,
        address: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EndpointError> {
        let (kind, model) = match name.split_once(':') {
            Some(("anthropic", model)) => (Kind::Anthropic, model),
            Some(("openai", model)) => (Kind::OpenAi, model),
            _ if name.starts_with("claude") => (Kind::Anthropic, name),
            _ if name.starts_with("gpt") => (Kind::OpenAi, name),
            _ => return Err(EndpointError::Kind(name.chars().take(60).collect())),
        };
        let usual = match kind {
            Kind::Anthropic => (ANTHROPIC, "ANTHROPIC_API_KEY"),
            Kind::OpenAi => (OPENAI, "OPENAI_API_KEY"),
        };
        let path = match kind {
            Kind::Anthropic => "/messages",
            Kind::OpenAi => "/chat/completions",
        };
        let target = Target::new(address.unwrap_or(usual.0), path)?;
        let held = if address.is_some() { "VMWRIGHT_MODEL_KEY" } else { usual.1 };
        let key = variable(held).filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(EndpointError::Key(held));
        }
        if key.is_none() && !target.is_here() {
            return Err(EndpointError::NoKey(held));
        }
        Ok(Self { name: name.to_owned(), kind, model: model.to_owned(), target, key })
    }

    /// Asks the model. Pieces of its text go to `told` as they come.
    pub(crate) fn ask(
        &self,
        system: &str,
        said: &[Said],
        tools: &[Tool],
        limits: &Limits,
        stop: &AtomicBool,
        told: &mut dyn FnMut(&str),
    ) -> Result<Turn, ModelError> {
        let (body, headers) = match self.kind {
            Kind::Anthropic => (
                anthropic::request(&self.model, system, said, tools, limits.answer),
                anthropic::headers(self.key.as_deref()),
            ),
            Kind::OpenAi => (
                openai::request(&self.model, system, said, tools, limits.answer),
                openai::headers(self.key.as_deref()),
            ),
        };
        let body = body.to_string();
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.once(&body, &headers, stop, told) {
                Ok(mut turn) => {
                    // An endpoint that counts nothing is counted here: a token has about four bytes.
                    if turn.tokens_in == 0 {
                        turn.tokens_in = body.len() as u64 / 4;
                    }
                    if turn.tokens_out == 0 {
                        let calls: usize = turn.calls.iter().map(|call| call.arguments.len()).sum();
                        turn.tokens_out = (turn.text.len() + calls) as u64 / 4;
                    }
                    return Ok(turn);
                }
                Err(error) => error,
            };
            let again = match &error {
                ModelError::Http(error) => error.is_passing(),
                ModelError::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
                ModelError::Unread(_) | ModelError::Broken => true,
                ModelError::Stopped => false,
            };
            if !again || tried == TRIES {
                return Err(error);
            }
            http::pause(Duration::from_millis(500) * 4_u32.pow(tried - 1), stop);
        }
    }

    fn once(
        &self,
        body: &str,
        headers: &[(&'static str, String)],
        stop: &AtomicBool,
        told: &mut dyn FnMut(&str),
    ) -> Result<Turn, ModelError> {
        let mut events = Events::default();
        let mut turn = Turn::default();
        let mut reader = Reader::new(self.kind);
        let fetched = http::post(&self.target, headers, body, stop, &mut |bytes| {
            for event in events.take(bytes).map_err(|error| ModelError::Unread(error.to_string()))? {
                reader.take(&event, &mut turn, told)?;
            }
            Ok(())
        })?;
        match fetched {
            Fetched::Whole => {}
            Fetched::Refused { status, body } => {
                return Err(ModelError::Refused { status, said: self.refusal(&body) });
            }
        }
        reader.end(&mut turn);
        if turn.whole { Ok(turn) } else { Err(ModelError::Broken) }
    }

    /// What an endpoint says of its refusal: one line, without the key.
    fn refusal(&self, body: &[u8]) -> Option<String> {
        let read: Value = serde_json::from_slice(body).ok()?;
        let said = read["error"]["message"].as_str().or_else(|| read["error"].as_str())?;
        let said = match &self.key {
            Some(key) => said.replace(key.as_str(), "KEY"),
            None => said.to_owned(),
        };
        Some(said.chars().filter(|c| !c.is_control()).take(300).collect())
    }
}

/// Reads the events of a stream.
enum Reader {
    Anthropic(anthropic::Reader),
    OpenAi(openai::Reader),
}

impl Reader {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Anthropic => Self::Anthropic(anthropic::Reader::default()),
            Kind::OpenAi => Self::OpenAi(openai::Reader::default()),
        }
    }

    fn take(&mut self, event: &str, turn: &mut Turn, told: &mut dyn FnMut(&str)) -> Result<(), ModelError> {
        match self {
            Self::Anthropic(reader) => reader.take(event, turn, told),
            Self::OpenAi(reader) => reader.take(event, turn, told),
        }
    }

    fn end(self, turn: &mut Turn) {
        match self {
            Self::Anthropic(reader) => reader.end(turn),
            Self::OpenAi(reader) => reader.end(turn),
        }
    }
}

/// The most calls of one answer that are read.
const MOST_CALLS: usize = 16;

/// The data of an event as JSON.
fn value(event: &str) -> Result<Value, ModelError> {
    serde_json::from_str(event).map_err(|error| ModelError::Unread(format!("an event is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_from_the_environment_and_goes_to_its_endpoint_alone() {
        let none = |_: &str| None;
        let key = |name: &str| (name != "VMWRIGHT_MODEL_KEY").then(|| format!("key-of-{name}"));
        let made = |name: &str, address: Option<&str>| Endpoint::new(name, address, key);
        assert!(matches!(
            Endpoint::new("claude-x", None, none),
            Err(EndpointError::NoKey("ANTHROPIC_API_KEY"))
        ));
        assert_eq!(made("anthropic:x", None).unwrap().key.as_deref(), Some("key-of-ANTHROPIC_API_KEY"));
        assert_eq!(made("openai:x", None).unwrap().key.as_deref(), Some("key-of-OPENAI_API_KEY"));
        // Another endpoint never gets the key of the usual one.
        assert!(matches!(
            made("openai:x", Some("https://models.example.com/v1")),
            Err(EndpointError::NoKey("VMWRIGHT_MODEL_KEY"))
        ));
        assert_eq!(made("openai:x", Some("http://127.0.0.1:8080/v1")).unwrap().key, None);
        assert!(matches!(
            made("openai:x", Some("http://models.example.com/v1")),
            Err(EndpointError::Address(_))
        ));
        assert!(matches!(made("llama", None), Err(EndpointError::Kind(_))));
        assert!(matches!(
            Endpoint::new("gpt-x", None, |_| Some("a\nb".to_owned())),
            Err(EndpointError::Key(_))
        ));
    }

    #[test]
    fn a_refusal_is_told_without_the_key() {
        let endpoint = Endpoint::new("gpt-x", None, |_| Some("sk-secret".to_owned())).unwrap();
        let said = endpoint.refusal(br#"{"error":{"message":"bad key sk-secret\u001b[2J"}}"#);
        assert_eq!(said.as_deref(), Some("bad key KEY[2J"));
        assert_eq!(endpoint.refusal(b"<html>"), None);
    }
}
