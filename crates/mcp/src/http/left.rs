//! A call whose client has gone away is cancelled, as if the client had said so, unless it comes back for its answer.
//!
//! The protocol lets a connection break and the answer be fetched over another one (`Last-Event-ID`), so that a broken
//! connection alone ends nothing. A client that is dead would leave its call to go on for ever.

use super::gate::Gate;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long a client may take to come back.
const RETURN: Duration = Duration::from_secs(5);

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// The header with which a client comes back.
const LAST_EVENT: &str = "last-event-id";

/// When clients of sessions came back.
#[derive(Debug, Default)]
pub(super) struct Returned(Mutex<HashMap<String, Instant>>);

impl Returned {
    /// Takes note of a client that comes back.
    pub(super) fn note(&self, head: &Parts) {
        if head.method != Method::GET || !head.headers.contains_key(LAST_EVENT) {
            return;
        }
        if let Some(session) = session(&head.headers) {
            let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            times.retain(|_, at| at.elapsed() < 2 * RETURN);
            times.insert(session, Instant::now());
        }
    }

    fn since(&self, session: &str, left: Instant) -> bool {
        let times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.get(session).is_some_and(|at| *at >= left)
    }
}

fn session(headers: &HeaderMap) -> Option<String> {
    headers.get(SESSION).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A call that is under way. Where it is dropped before it is answered, its client has gone away.
pub(super) struct Call {
    gate: Arc<Gate>,
    session: String,
    headers: HeaderMap,
    id: Value,
    answered: bool,
}

/// What is looked at of a message.
#[derive(Deserialize)]
struct Message<'a> {
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
}

impl Call {
    /// The call that a request is; none where it is another.
    pub(super) fn of(gate: &Arc<Gate>, head: &Parts, body: &[u8]) -> Option<Self> {
        let session = session(&head.headers).filter(|_| head.method == Method::POST)?;
        let message: Message<'_> = serde_json::from_slice(body).ok()?;
        let id = message.id.filter(|_| message.method.as_deref() == Some("tools/call"))?;
        let mut headers = head.headers.clone();
        headers.remove(CONTENT_LENGTH);
        Some(Self { gate: Arc::clone(gate), session, headers, id, answered: false })
    }

    /// Watches the answer on its way.
    pub(super) fn watch(self, body: BoxBody<Bytes, Infallible>) -> BoxBody<Bytes, Infallible> {
        BoxBody::new(Watched { body, call: self })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Where the server itself ends, so do its calls.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.answered {
            return;
        }
        let (gate, session, id) = (Arc::clone(&self.gate), self.session.clone(), self.id.clone());
        let headers = std::mem::take(&mut self.headers);
        runtime.spawn(async move {
            let left = Instant::now();
            tokio::time::sleep(RETURN).await;
            if gate.returned.since(&session, left) {
                return;
            }
            let params = json!({ "requestId": id, "reason": "its client has gone away" });
            let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
            let mut request = Request::new(Bytes::from(message.to_string()));
            *request.method_mut() = Method::POST;
            *request.headers_mut() = headers;
            // One that was answered meanwhile is not there to be cancelled.
            gate.pass(request).await;
        });
    }
}

struct Watched {
    body: BoxBody<Bytes, Infallible>,
    call: Call,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.call.answered = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
