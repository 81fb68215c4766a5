//! The only reader of machines.
//!
//! A live host, a folder and an archive of records are the same thing to the rest of vmwright: a [`Root`] to read
//! sources from. [`collect`] reads what the rules need, within [`Limits`], and every source either has bytes or
//! says why it has none. Before any of that, ANALYSIS calls [`sandbox::lock`], after which neither this process
//! nor a command that it runs can change the host.
//!
//! All input is hostile here: a log may be a FIFO, an image path may lie on a dead NFS server, a process may
//! have a newline in its name. Nothing that is read can hang, grow or crash the reader.

mod archive;
pub mod asking;
mod bounded;
pub mod capture;
mod captures;
pub mod commands;
mod cores;
mod file;
mod folder;
mod glob;
pub mod identity;
pub mod kvm;
mod limits;
mod live;
mod mark;
pub mod paths;
mod privilege;
mod probes;
mod processes;
pub mod redact;
mod root;
pub mod sandbox;
pub mod ssh;
pub mod standard;
mod text;

pub use captures::each_capture;
pub use cores::core_cookie;
pub use identity::{HostId, IdentityError, host_id, identity, programs};
pub use limits::Limits;
pub use privilege::{Planned, planned};
pub use root::{CollectError, Root, Subject, check, collect, work_list};
