//! The server for agents, as its clients see it.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod http;
mod injections;
mod journal;
mod modes;
mod same;
mod sdk;
mod thinking;
mod transcripts;
