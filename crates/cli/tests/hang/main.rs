//! What does not answer, does not end or has no measure: an analysis ends all the same, in bounded time, and says
//! what stayed unknown and why.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

#[path = "../common/mod.rs"]
mod common;
mod dead_mounts;
mod fuse;
