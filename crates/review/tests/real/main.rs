//! The gates on real guests under a real QEMU: machines as specified pass, and each kind of fault is found.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../guest/tests/support/mod.rs"]
mod support;

mod boot;
mod live;
mod network;
mod performance;
mod security;
mod vsock;
