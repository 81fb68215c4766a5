//! Questions answered: by vmwright alone, and by models that behave and that do not.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod alone;
#[path = "../common/mod.rs"]
mod common;
mod endpoint;
mod misbehaving;
mod scripted;
mod working;
