//! A guest's agent by way of libvirt, which has its line to itself.

use super::rpc::{Client, Domain};
use crate::qemu::agent::{AgentError, Ask, answer};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a guest's agent may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The agent of a running domain.
pub(super) struct Agent<'a> {
    pub(super) client: &'a mut Client,
    pub(super) domain: &'a Domain,
}

impl Ask for Agent<'_> {
    fn execute(&mut self, command: &str, arguments: Option<Value>) -> Result<Value, AgentError> {
        let mut request = json!({ "execute": command });
        if let Some(arguments) = arguments {
            request["arguments"] = arguments;
        }
        let line = self
            .client
            .agent(self.domain, &request.to_string(), PATIENCE)
            .map_err(|source| AgentError::Through { command: command.to_owned(), source })?;
        answer(command, line.as_bytes())
    }
}
