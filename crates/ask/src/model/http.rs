//! One request over HTTP/1.1, its answer as a stream. No redirect is followed: a key goes where it was sent and nowhere else.

use super::{EndpointError, ModelError};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);

/// How long an endpoint may say nothing: before its answer, and between two pieces of it.
const SILENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How much of a refusal is read, in bytes.
const REFUSAL: usize = 64 << 10;

/// Where distributions keep the certificates that they trust: Debian, Red Hat, SUSE, Alpine.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What an endpoint is reached by.
#[derive(Debug, Clone)]
pub(super) struct Target {
    host: String,
    port: u16,
    path: String,
    tls: bool,
}

/// What came back.
pub(super) enum Fetched {
    /// The whole stream was given away.
    Whole,
    /// Another status than success.
    Refused { status: u16, body: Vec<u8> },
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("no connection to {0}: {1}")]
    Connect(String, String),
    #[error("no answer within {} seconds", SILENCE.as_secs())]
    Silence,
    #[error("the connection broke off: {0}")]
    Broken(String),
    #[error("{0}")]
    Tls(String),
}

impl HttpError {
    /// Whether another try may do better.
    pub(super) fn is_passing(&self) -> bool {
        !matches!(self, Self::Tls(_))
    }
}

impl Target {
    /// The address of an endpoint, and the path below it.
    pub(super) fn new(address: &str, path: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Address(address.chars().take(200).collect());
        let uri: Uri = address.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let authority = uri.authority().map(|one| one.as_str()).unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = format!("{}{path}", uri.path().trim_end_matches('/'));
        let target = Self { host, port, path, tls };
        let plain = authority.contains('@') || uri.query().is_some() || (!tls && !target.is_here());
        if plain { Err(wrong()) } else { Ok(target) }
    }

    /// Whether it is this host.
    pub(super) fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }
}

/// Posts JSON and gives the bytes of the answer to `take` as they come, until `take` refuses or `stop` is set.
pub(super) fn post(
    target: &Target,
    headers: &[(&'static str, String)],
    body: &str,
    stop: &AtomicBool,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ModelError>,
) -> Result<Fetched, ModelError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| HttpError::Connect(target.authority(), error.to_string()))?;
    let fetched = runtime.block_on(async {
        let stopped = async {
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            fetched = fetch(target, headers, body, take) => fetched,
            () = stopped => Err(ModelError::Stopped),
        }
    });
    // A name that is still being looked up is left behind.
    runtime.shutdown_background();
    fetched
}

async fn fetch(
    target: &Target,
    headers: &[(&'static str, String)],
    body: &str,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ModelError>,
) -> Result<Fetched, ModelError> {
    let failed = |why: String| HttpError::Connect(target.authority(), why);
    let stream = timeout(CONNECT, TcpStream::connect((target.host.as_str(), target.port))).await;
    let stream = stream
        .map_err(|_| failed("it takes too long".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    let answer = if target.tls {
        let connector = TlsConnector::from(Arc::new(trusted()?));
        let name =
            ServerName::try_from(target.host.clone()).map_err(|error| HttpError::Tls(error.to_string()))?;
        let stream = timeout(CONNECT, connector.connect(name, stream)).await;
        let stream = stream.map_err(|_| failed("its handshake takes too long".to_owned()))?;
        asked(target, headers, body, stream.map_err(|error| HttpError::Tls(error.to_string()))?).await?
    } else {
        asked(target, headers, body, stream).await?
    };
    let status = answer.status();
    let mut answer = answer.into_body();
    let mut refusal = Vec::new();
    while let Some(frame) = timeout(SILENCE, answer.frame()).await.map_err(|_| HttpError::Silence)? {
        let frame = frame.map_err(|error| HttpError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if status.is_success() {
            take(&data)?;
        } else if refusal.len() < REFUSAL {
            refusal.extend_from_slice(&data[..data.len().min(REFUSAL)]);
        }
    }
    if status.is_success() {
        Ok(Fetched::Whole)
    } else {
        Ok(Fetched::Refused { status: status.as_u16(), body: refusal })
    }
}

/// Sends the request over a connection and waits for the head of the answer.
async fn asked(
    target: &Target,
    headers: &[(&'static str, String)],
    body: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Response<Incoming>, HttpError> {
    let broken = |error: &dyn std::fmt::Display| HttpError::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // Ends with the answer, or with the runtime.
    tokio::spawn(async move { drop(connection.await) });
    let mut request = Request::post(&target.path)
        .header(HOST, target.authority())
        .header(USER_AGENT, concat!("vmwright/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| broken(&error))?;
    timeout(SILENCE, sender.send_request(request))
        .await
        .map_err(|_| HttpError::Silence)?
        .map_err(|error| broken(&error))
}

/// What the host trusts: `$SSL_CERT_FILE`, or the distribution's own list.
fn trusted() -> Result<ClientConfig, HttpError> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let file = named.or_else(|| CERTIFICATES.iter().map(PathBuf::from).find(|path| path.is_file()));
    let file = file
        .ok_or_else(|| HttpError::Tls("the host keeps no list of certificates that it trusts".to_owned()))?;
    let wrong = |why: String| HttpError::Tls(format!("{}: {why}", file.display()));
    let mut roots = RootCertStore::empty();
    let list = CertificateDer::pem_file_iter(&file).map_err(|error| wrong(error.to_string()))?;
    // One that cannot be read is not trusted, and keeps nobody from the others.
    roots.add_parsable_certificates(list.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Waits, unless the user wants to stop.
pub(super) fn pause(time: Duration, stop: &AtomicBool) {
    let begun = Instant::now();
    while begun.elapsed() < time && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK.min(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_whole_and_plain_text_stays_on_this_host() {
        let of = |address: &str| Target::new(address, "/messages");
        let target = of("https://api.example.com/v1/").unwrap();
        assert_eq!(
            (target.authority().as_str(), target.path.as_str()),
            ("api.example.com:443", "/v1/messages")
        );
        assert!(of("http://[::1]:8080").unwrap().is_here() && of("http://localhost").unwrap().is_here());
        assert!(!of("https://localhost.example.com").unwrap().is_here());
        for wrong in [
            "http://192.0.2.1",
            "ftp://127.0.0.1",
            "api.example.com",
            "https://u:p@h/",
            "https://h/?k=1",
            "",
            "http://127.0.0.1.example.com",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
