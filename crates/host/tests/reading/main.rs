//! Real readings on this machine: folders with everything that a stranger could put into them, and the running
//! host.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod archive;
mod folder;
mod live;
mod locks;
