//! Who may ask, and how much at once.

use super::left::{Call, Returned};
use crate::server::Server;
use crate::transport::LONGEST;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Where the server is.
const PATH: &str = "/mcp";

/// How many sessions there are at once.
const SESSIONS: usize = 512;

/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(60);

/// How many KiB of bodies that are not small are held at once.
const BODIES: usize = 256 << 10;

/// A body of at most so many bytes is small.
const SMALL: usize = 64 << 10;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// What a client has to show. Only its digest is kept, so that a comparison tells nothing by its time.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn fits(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' '));
        shown.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && Self::new(token.trim()).0 == self.0
        })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// What stands before the protocol.
pub(super) struct Gate {
    service: StreamableHttpService<Server, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
    token: Option<Token>,
    bodies: Semaphore,
    pub(super) returned: Returned,
}

impl Gate {
    pub(super) fn new(
        service: StreamableHttpService<Server, LocalSessionManager>,
        sessions: Arc<LocalSessionManager>,
        token: Option<Token>,
    ) -> Self {
        Self { service, sessions, token, bodies: Semaphore::new(BODIES), returned: Returned::default() }
    }

    /// The answer to a request.
    pub(super) async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        if request.uri().path() != PATH {
            return refusal(StatusCode::NOT_FOUND, "the server is at /mcp");
        }
        if self.token.as_ref().is_some_and(|token| !token.fits(request.headers())) {
            let mut refused =
                refusal(StatusCode::UNAUTHORIZED, "a token is needed: `Authorization: Bearer TOKEN`");
            refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return refused;
        }
        let begins = request.method() == Method::POST && !request.headers().contains_key("mcp-session-id");
        if begins && self.sessions.sessions.read().await.len() >= SESSIONS {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "there are too many sessions; end one, or come back later",
            );
        }
        if request.body().size_hint().lower() > LONGEST as u64 {
            return too_long();
        }
        let (head, body) = request.into_parts();
        self.returned.note(&head);
        let (room, body) = match tokio::time::timeout(BODY, self.whole(body)).await {
            Ok(Ok(whole)) => whole,
            Ok(Err(refused)) => return refused,
            Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the body of the request took too long"),
        };
        let call = Call::of(self, &head, &body);
        let answer = self.service.handle(Request::from_parts(head, Full::new(Bytes::from(body)))).await;
        drop(room);
        match call {
            Some(call) => answer.map(|body| call.watch(body)),
            None => answer,
        }
    }

    /// Does what a request asks for, whoever asks; what comes back is of no interest.
    pub(super) async fn pass(&self, request: Request<Bytes>) {
        drop(self.service.handle(request.map(Full::new)).await);
    }

    /// A body, with the room that it takes. Room is taken for what has come and not for what was announced, and small
    /// bodies need none: nobody waits behind one who sends nothing.
    async fn whole(&self, mut body: Incoming) -> Result<(Option<SemaphorePermit<'_>>, Vec<u8>), Answer> {
        let (mut room, mut whole) = (None, Vec::new());
        while let Some(frame) = body.frame().await {
            let cut = |_| refusal(StatusCode::BAD_REQUEST, "the body of the request is cut off");
            let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
            if whole.len() + data.len() > LONGEST {
                return Err(too_long());
            }
            if whole.len() + data.len() > SMALL {
                let wanted = u32::try_from(data.len().div_ceil(1024)).unwrap_or(u32::MAX);
                // Fails only where it was closed, which nobody does.
                if let Ok(more) = self.bodies.acquire_many(wanted).await {
                    match &mut room {
                        None => room = Some(more),
                        Some(room) => SemaphorePermit::merge(room, more),
                    }
                }
            }
            whole.extend_from_slice(&data);
        }
        Ok((room, whole))
    }
}

fn too_long() -> Answer {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("a message has at most {LONGEST} bytes"))
}

/// An answer without a session, in the protocol's form.
fn refusal(status: StatusCode, why: &str) -> Answer {
    let error = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32600, "message": why } });
    let mut answer = Response::new(Full::new(Bytes::from(format!("{error}\n"))).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_the_standard_has_it() {
        let token = Token::new("secret");
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            token.fits(&headers)
        };
        assert!(shown("Bearer secret") && shown("bearer  secret"));
        for wrong in ["secret", "Basic secret", "Bearer", "Bearer secret2", "Bearer Secret", "Bearer "] {
            assert!(!shown(wrong), "{wrong}");
        }
        assert!(!token.fits(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "Token");
    }
}
