use std::path::PathBuf;
use vmwright_engine::{Capture, Operation};

/// Keep what an analysis reads in one archive, without secrets.
///
/// The archive is a .tar.gz in the layout of a sos report. `vmwright analyze --from` reads it, here or elsewhere,
/// and finds what it would find on this host. Passwords, keys and tokens are replaced before anything is written.
/// Never changes anything: before it reads, the process locks itself with Landlock and seccomp.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to make; it must not exist yet [default: vmwright-HOST-TIME.tar.gz].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Read another host over SSH: `ssh://user@host:port`. Nothing is installed there; your ssh configuration, agent
    /// and known hosts are used.
    #[arg(long, value_name = "URL")]
    host: Option<String>,
    /// The VM whose specification, log and images belong to it.
    #[arg(long, value_name = "NAME")]
    vm: Option<String>,
    /// Give other names to hosts, and other hardware and IP addresses: the same ones throughout the archive.
    #[arg(long)]
    anonymize: bool,
    /// Refuse to read if the kernel cannot lock the process.
    #[arg(long)]
    require_sandbox: bool,
    /// Print every path, command and probe that would be read, with the privilege that it takes, and read nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) fn operation(self) -> Operation {
        Operation::Capture(Capture {
            output: self.output,
            host: self.host,
            vm: self.vm,
            anonymize: self.anonymize,
            require_sandbox: self.require_sandbox,
            dry_run: self.dry_run,
        })
    }
}
