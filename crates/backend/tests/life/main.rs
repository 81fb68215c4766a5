//! Whole lives of machines with a guest that answers: what is asked of them while they run, and where they go.

mod changes;
mod everyday;
mod kept;
mod moves;
mod odd;
mod rig;
