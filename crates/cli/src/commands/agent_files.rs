use anyhow::{Context, ensure};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use vmwright_mcp::Client;
use vmwright_model::Exit;

/// Write what makes an AI client's agent a user of vmwright: the agent's definition, the server's configuration, and a command
/// for each mode.
///
/// With --claude-code `.claude/agents/vmwright.md`, `.mcp.json` and `.claude/commands/vmwright-*.md`, else
/// `vmwright-agent.md`, `vmwright-mcp.json` and `vmwright-commands/`. A file that exists is never changed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// For Claude Code.
    #[arg(long, conflicts_with = "generic")]
    claude_code: bool,
    /// For any client (the default).
    #[arg(long)]
    generic: bool,
    /// The project's folder.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The server offers ANALYSIS alone.
    #[arg(long)]
    read_only: bool,
}

impl Args {
    pub(crate) fn write(self) -> anyhow::Result<Exit> {
        let client = if self.claude_code { Client::ClaudeCode } else { Client::Generic };
        let program = std::env::current_exe().context("where this program lies")?;
        let words: Vec<String> = self.read_only.then(|| "--read-only".to_owned()).into_iter().collect();
        let files = vmwright_mcp::agent_files(client, &program.display().to_string(), &words);
        // All or none.
        for (name, text) in &files {
            let path = self.dir.join(name);
            let there = fs::symlink_metadata(&path).is_ok();
            let same = there && fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes());
            ensure!(
                !there || same,
                "{}: it exists and is not changed; this belongs there:\n{text}",
                path.display()
            );
        }
        for (name, text) in &files {
            let path = self.dir.join(name);
            let place = || path.display().to_string();
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).with_context(place)?;
            }
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => file.write_all(text.as_bytes()).with_context(place)?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(place),
            }
            crate::output::print(&format!("{}\n", path.display()));
        }
        Ok(Exit::Clean)
    }
}
