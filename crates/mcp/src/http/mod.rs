//! The server over HTTP: one address for many clients, each with a session of its own.
//!
//! Whoever may open the socket in the file system is known by that; over TCP a client shows a bearer token, and what is
//! no loopback address needs TLS as well. A browser's page is refused unless its origin is allowed, and so is a request
//! for another host than this one, which is how a page reaches a local server by a name of its own (DNS rebinding).
//!
//! Nobody can hold what others need: connections, sessions, the bytes of bodies that are being read, and the time for
//! heads, bodies and writes are bounded. A session belongs to no connection, so that a client may come back; one that
//! nobody uses ends by itself, and so does a call for whose answer nobody comes back (`left`).

mod gate;
mod left;
mod patient;
mod socket;

pub use gate::Token;
pub use socket::{Address, Tls};

use crate::server::Server;
use crate::session::Grants;
use crate::worker::Workers;
use crate::{ServeError, transport};
use gate::Gate;
use hyper_util::rt::{TokioIo, TokioTimer};
use patient::Patient;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use socket::Listener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

/// How many connections there are at once; more wait to be accepted.
const CONNECTIONS: usize = 256;

/// How long a session lives that nobody uses.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(15);

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what it is sent.
const STALLED: Duration = Duration::from_secs(60);

/// How often the server looks whether it is asked to stop.
const LOOK: Duration = Duration::from_millis(200);

/// How a server is reached.
#[derive(Debug)]
pub struct Http {
    /// Where it listens.
    pub at: Address,
    /// What a client has to show; none where the right to open a socket is enough.
    pub token: Option<Token>,
    /// Origins whose pages may ask.
    pub origins: Vec<String>,
    /// Names besides those of loopback by which clients reach it.
    pub hosts: Vec<String>,
    /// The certificate and its key.
    pub tls: Option<Tls>,
}

/// Serves clients until `stop` is set. `ready` is told the address when clients can come.
///
/// # Errors
/// [`ServeError`] where it cannot listen.
pub fn serve_http(
    state: PathBuf,
    grants: &Grants,
    http: &Http,
    stop: &AtomicBool,
    ready: impl FnOnce(&str),
) -> Result<(), ServeError> {
    let tls = http.tls.as_ref().map(Tls::acceptor).transpose()?;
    // One thread: a worker is told of its server's end by the end of the thread that started it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let served = runtime.block_on(async {
        let listener = Listener::bind(&http.at)?;
        let workers = Arc::new(Workers::new(state.clone(), grants.read_only));
        let sessions = Arc::new(LocalSessionManager::default_with(IDLE));
        let (own, of) = (Arc::clone(&workers), grants.clone());
        let config = StreamableHttpServerConfig::default()
            .with_max_request_body_bytes(transport::LONGEST)
            .with_allowed_origins(http.origins.clone())
            .enforce_origin_validation()
            .with_allowed_hosts(hosts(&http.hosts));
        let ending = config.cancellation_token.clone();
        let service = StreamableHttpService::new(
            move || Ok(Server::with_sessions(Arc::clone(&own), &of, &state)),
            Arc::clone(&sessions),
            config,
        );
        let gate = Arc::new(Gate::new(service, sessions, http.token.clone()));
        ready(&listener.name(tls.is_some()));
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        while !stop.load(Ordering::Relaxed) {
            let Ok(slot) = tokio::time::timeout(LOOK, Arc::clone(&slots).acquire_owned()).await else {
                continue;
            };
            let Ok(accepted) = tokio::time::timeout(LOOK, listener.accept()).await else { continue };
            let Ok(stream) = accepted else {
                // No descriptor is left, or the client is gone already: others may come.
                tokio::time::sleep(LOOK).await;
                continue;
            };
            let (gate, tls) = (Arc::clone(&gate), tls.clone());
            tokio::spawn(async move {
                let _slot = slot;
                match tls {
                    None => speak(stream, gate).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                            speak(stream, gate).await;
                        }
                    }
                }
            });
        }
        ending.cancel();
        workers.close().await;
        Ok(())
    });
    runtime.shutdown_background();
    served
}

/// The names of loopback, and those that were allowed.
fn hosts(more: &[String]) -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned).chain(more.iter().cloned()).collect()
}

/// One connection, to its end. What is wrong with it is its client's business.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, gate: Arc<Gate>) {
    let service = hyper::service::service_fn(move |request| {
        let gate = Arc::clone(&gate);
        async move { Ok::<_, std::convert::Infallible>(gate.answer(request).await) }
    });
    let io = TokioIo::new(Patient::new(stream, STALLED));
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(io, service)
        .await;
}

/// A manager of sessions whose idle ones end after a time.
trait Idle {
    fn default_with(idle: Duration) -> Self;
}

impl Idle for LocalSessionManager {
    fn default_with(idle: Duration) -> Self {
        let mut manager = Self::default();
        let mut config = SessionConfig::default();
        config.keep_alive = Some(idle);
        manager.session_config = config;
        manager
    }
}
