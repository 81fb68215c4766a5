//! vmwright for agents: the Model Context Protocol, a thin face of the engine.
//!
//! A session stands in one of the three modes, and has the tools of that mode alone (`tools`). A call becomes one
//! `engine::Operation`, which a process of its own carries out (`worker`, `perform`); what it gives back is marked where
//! a guest, a log or a file wrote it (`mark`). This is the only crate with asynchronous code: it waits for clients and
//! processes, and computes nothing.

mod agent_files;
mod apart;
mod http;
mod mark;
mod parameters;
mod perform;
mod resources;
mod rituals;
mod server;
mod session;
mod shown;
mod thinking;
mod tools;
mod transport;
mod worker;

pub use agent_files::{Client, agent_files, instructions};
pub use apart::{Apart, perform_apart};
pub use http::{Address, Http, Tls, Token, serve_http};
pub use mark::unmarked;
pub use perform::{Printers, work};
pub use session::Grants;
#[doc(hidden)]
pub use tools::stands_for;

use rmcp::service::{ServerInitializeError, serve_server};
use server::Server;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use transport::Lines;
use worker::Workers;

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is no runtime.
    #[error("the server cannot begin")]
    Runtime(#[source] io::Error),
    /// It cannot listen.
    #[error("the server cannot listen at {at}")]
    Listen {
        /// The address.
        at: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("{} cannot be used for TLS: {why}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The client's first message is none that begins a session.
    #[error("the client does not begin a session: {0}")]
    Begin(String),
}

/// Serves one client on standard input and output, to its end. `state` is the state directory.
///
/// # Errors
/// [`ServeError`]; that a client goes away is none.
pub fn serve_stdio(state: PathBuf, grants: &Grants) -> Result<(), ServeError> {
    // One thread: a worker is told of its server's end by the end of the thread that started it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let served = runtime.block_on(async {
        let workers = Arc::new(Workers::new(state.clone(), grants.read_only));
        let server = Server::new(Arc::clone(&workers), grants, &state);
        let lines = Lines::new(tokio::io::stdin(), tokio::io::stdout());
        let ended = match serve_server(server, lines).await {
            Ok(running) => {
                running.waiting().await.map(drop).map_err(|error| ServeError::Begin(error.to_string()))
            }
            Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(ServeError::Begin(error.to_string())),
        };
        workers.close().await;
        ended
    });
    // A read of standard input that nobody ends is left behind.
    runtime.shutdown_background();
    served
}
