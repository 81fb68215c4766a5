//! A question answered, by vmwright alone (`engineer`) or by a language model (`talk`) that has vmwright's tools and
//! nothing else.
//!
//! A model speaks to the same server as every other agent, in a process of its own and in the same modes: what it may do is
//! decided there, and by a person's signature. What it says proves nothing. The answer keeps apart what vmwright itself
//! found, by the results of the calls (`proof`), and what was only said (`report`).

mod engineer;
mod model;
mod proof;
mod report;
mod talk;
mod tools;

pub use engineer::engineer;
pub use model::{Endpoint, EndpointError, Limits};
pub use report::{ASKED_SCHEMA, Asked, Ended, Part, Proof, Said, Used};
pub use talk::talk;

use std::path::PathBuf;

/// What is asked, and of what.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// In the user's words.
    pub text: String,
    /// The VM that it is about.
    pub vm: Option<String>,
    /// Folders and archives of files that somebody kept; the running host where empty.
    pub from: Vec<PathBuf>,
    /// Another host, `ssh://user@host:port`.
    pub host: Option<String>,
}

/// Something worth showing on the way.
#[derive(Debug, Clone)]
pub enum Told {
    /// A line of what is done.
    Note(String),
    /// What vmwright printed for people.
    Result(String),
    /// A piece of what a model says.
    Model(String),
}
