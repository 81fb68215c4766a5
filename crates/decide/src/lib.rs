//! Decisions: which hypervisor, storage, network or isolation meets given needs best, from three perspectives.
//!
//! What is known lies in `topics/`, one file a topic, each statement with its source. [`Topic`] reads it, [`words`] finds
//! topic and needs in a question, [`weigh`] weighs, [`flips`] tells what would change the choice. Pure: the same question
//! gives the same decision.

mod flips;
mod topic;
mod weigh;
mod words;

pub use topic::{PERSPECTIVES, TOPICS, Topic};
pub use weigh::{Asked, DecideError, decide};
pub use words::topic_of;

/// What can be decided on.
#[must_use]
pub fn topics() -> Vec<vmwright_model::decision::Topic> {
    Topic::all().iter().map(Topic::told).collect()
}
