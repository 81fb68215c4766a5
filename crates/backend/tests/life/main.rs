//! Whole lives of machines with a guest that answers: what is asked of them while they run, and where they go.

mod changes;
#[path = "../contract/daemon.rs"]
#[allow(dead_code, reason = "what the contract alone needs")]
mod daemon;
mod everyday;
mod hosts;
mod kept;
mod libvirt;
mod moves;
mod odd;
mod rig;
