//! Why libvirt gave no answer, or a refusal.

use super::xdr::{Decoder, Malformed};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a call brought nothing.
#[derive(Debug, Error)]
pub enum LibvirtError {
    /// No daemon has a socket where one is looked for.
    #[error("no libvirt daemon for `{uri}`: {}", none_of(.looked))]
    NoSocket {
        /// The connection that was asked for.
        uri: String,
        /// The sockets that were looked for.
        looked: Vec<PathBuf>,
    },
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
    #[error("libvirt closed the connection instead of answering {0}")]
    Closed(&'static str),
    /// Nothing came in time.
    #[error("libvirt gave no answer to {what} within {} s", .after.as_secs_f32())]
    Silent {
        /// The call.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// What it sent is not of this protocol.
    #[error("libvirt's answer to {what} cannot be read")]
    Malformed {
        /// The call.
        what: &'static str,
        /// What is wrong with the answer.
        #[source]
        source: Malformed,
    },
    /// It demands a way of logging in that a local socket of vmwright's does not have.
    #[error("libvirt demands to log in by {0}; vmwright knows the rights of the socket and polkit")]
    Login(String),
    /// The call was refused.
    #[error("libvirt refused {call}: {message} (error {code} of part {domain})")]
    Refused {
        /// The call.
        call: &'static str,
        /// `virErrorNumber` of `include/libvirt/virterror.h`.
        code: i32,
        /// `virErrorDomain` of the same.
        domain: i32,
        /// libvirt's own words.
        message: String,
    },
    /// The socket gave an error.
    #[error("the connection to libvirt failed")]
    Io(#[source] io::Error),
}

/// `VIR_ERR_NO_DOMAIN`.
pub(crate) const NO_DOMAIN: i32 = 42;
/// `VIR_ERR_OPERATION_INVALID`: not in the state that the domain is in.
pub(crate) const OPERATION_INVALID: i32 = 55;

impl LibvirtError {
    /// Whether libvirt says that there is no such domain (any more).
    #[must_use]
    pub fn is_no_domain(&self) -> bool {
        matches!(self, Self::Refused { code: NO_DOMAIN, .. })
    }

    /// Whether libvirt says that this cannot be done in the state that the domain is in.
    #[must_use]
    pub fn is_wrong_state(&self) -> bool {
        matches!(self, Self::Refused { code: OPERATION_INVALID, .. })
    }
}

/// A refusal from a reply (`remote_error`).
pub(crate) fn refusal(call: &'static str, payload: &[u8]) -> Result<LibvirtError, Malformed> {
    let mut decoder = Decoder::new(payload);
    let code = decoder.i32()?;
    let domain = decoder.i32()?;
    let message = decoder.optional(Decoder::string)?;
    // What follows repeats parts of the message.
    let message = message.unwrap_or_else(|| "it does not say why".to_owned());
    // Its words may hold a guest's or a VMM's: one printable line.
    let message = message.trim().chars().flat_map(|letter| match letter {
        '\n' | '\r' | '\t' => vec![' '],
        letter if letter.is_control() => letter.escape_default().collect(),
        letter => vec![letter],
    });
    Ok(LibvirtError::Refused { call, code, domain, message: message.collect() })
}

fn none_of(looked: &[PathBuf]) -> String {
    let paths: Vec<String> = looked.iter().map(|path| format!("`{}`", path.display())).collect();
    format!("there is no {}; start `libvirtd` or `virtqemud`, or its socket unit", paths.join(" and no "))
}
