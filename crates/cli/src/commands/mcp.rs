use crate::{Global, render, token};
use anyhow::Context;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vmwright_engine::Environment;
use vmwright_mcp::{Address, Grants, Http, Printers, Tls};
use vmwright_model::Exit;

/// Serve an AI agent over the Model Context Protocol, on standard input and output, or many over HTTP.
///
/// A session begins in ANALYSIS and has the tools of that mode alone; the agent enters another mode by name.
/// IMPLEMENTATION needs a plan that a person has signed with 'vmwright approve': no argument of any tool can stand for
/// that. REVIEW needs the VMs in scope; it may start them where they do not run, and change only those that --machines
/// names. What guests, logs and files wrote is marked as untrusted in every result.
///
/// 'vmwright agent-files' writes the configuration for a client.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Offer ANALYSIS alone, and do each operation in a process that the kernel has locked.
    #[arg(long, conflicts_with = "machines")]
    read_only: bool,
    /// Machines that the agent may start, use, change and remove in REVIEW; `*` for all of vmwright's own.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    machines: Vec<String>,
    /// The folder of the project that notes in the journal belong to [default: the working directory].
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Serve many clients over HTTP, at `/mcp`: 127.0.0.1:PORT, [::1]:PORT, or unix:/PATH. Each has a session of its own.
    /// Over TCP a client shows the token of --token-file; another address than loopback needs --tls-cert too.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<Address>,
    /// The file with the token; made, for its owner alone, where absent [default: mcp-token in the state directory].
    #[arg(long, value_name = "FILE", requires = "http")]
    token_file: Option<PathBuf>,
    /// An origin whose web pages may ask, such as https://app.example.com:443; no page may where none is named.
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    allow_origin: Vec<String>,
    /// A name besides localhost, 127.0.0.1 and ::1 by which clients reach the server.
    #[arg(long, value_name = "NAME", requires = "http")]
    allow_host: Vec<String>,
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Do one operation for a server, which tells of it on standard input.
    #[arg(long, hide = true)]
    worker: bool,
}

/// How a worker prints.
const PRINTERS: Printers = Printers {
    json: |outcome| render::value(outcome).unwrap_or_default(),
    progress: render::progress,
    text: |outcome| render::text(outcome, false),
    error: |error| vmwright_engine::chain(error),
};

impl Args {
    pub(crate) fn serve(self, global: &Global) -> anyhow::Result<Exit> {
        if self.worker {
            let stop = crate::stopped_by_signals()?;
            return Ok(vmwright_mcp::work(global.state.clone(), self.read_only, PRINTERS, stop));
        }
        let environment = Environment::new(global.state.clone(), Arc::new(AtomicBool::new(false)))?;
        let project = match self.project {
            Some(folder) => Some(folder.canonicalize().with_context(|| folder.display().to_string())?),
            // A server that was started nowhere has no project.
            None => std::env::current_dir().ok().filter(|folder| folder.parent().is_some()),
        };
        let grants = Grants { read_only: self.read_only, machines: self.machines, project };
        match self.http {
            None => vmwright_mcp::serve_stdio(environment.state, &grants)?,
            Some(at) => {
                let tls = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| Tls { certificate, key });
                anyhow::ensure!(
                    at.is_local() || tls.is_some(),
                    "{at:?} can be reached from elsewhere: --tls-cert and --tls-key are needed"
                );
                let token = match (&at, self.token_file) {
                    // Who may open the socket is known by that.
                    (Address::Unix(_), None) => None,
                    (_, Some(file)) => Some(token::at(&file)?),
                    (Address::Tcp(_), None) => Some(token::at(&environment.state.join("mcp-token"))?),
                };
                let http = Http { at, token, origins: self.allow_origin, hosts: self.allow_host, tls };
                let stop = Arc::new(AtomicBool::new(false));
                for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
                    signal_hook::flag::register(signal, Arc::clone(&stop))?;
                }
                vmwright_mcp::serve_http(environment.state, &grants, &http, &stop, |name| {
                    eprintln!("serving at {name}");
                })?;
            }
        }
        Ok(Exit::Clean)
    }
}
