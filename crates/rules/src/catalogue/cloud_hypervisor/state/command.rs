//! Cloud Hypervisor's command lines, as scripts, process lists and terminals hold them.

use crate::prelude::*;

/// A command line with where it begins.
pub(crate) struct Command {
    words: Vec<String>,
    /// Where it begins.
    pub quote: Option<Evidence>,
}

impl Command {
    /// Whether an option is given.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.words.iter().any(|word| word == option)
    }

    /// The values of an option, joined by commas: `path=a,readonly=on,path=b`.
    pub(crate) fn values(&self, option: &str) -> Option<String> {
        let at = self.words.iter().position(|word| word == option)?;
        let values: Vec<&str> = self.words[at + 1..]
            .iter()
            .map(String::as_str)
            .take_while(|word| !word.starts_with("--"))
            .collect();
        Some(values.join(","))
    }

    /// A number in an option's value: `boot` of `--cpus boot=4,max=8`.
    pub(crate) fn number(&self, option: &str, key: &str) -> Option<u64> {
        self.values(option)?
            .split(',')
            .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    }

    /// Whether a switch of an option is on.
    pub(crate) fn on(&self, option: &str, key: &str) -> bool {
        self.values(option).is_some_and(|values| {
            values.split(',').any(|pair| {
                let value = pair.strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
                matches!(value, Some("on" | "true"))
            })
        })
    }
}

/// The command lines, those of several lines put together; 64 at most.
pub(crate) fn commands(cx: &Context<'_>) -> Vec<Command> {
    let mut found: Vec<Command> = Vec::new();
    for text in cx.texts_with("cloud-hypervisor") {
        let mut open = false;
        for (number, line) in text.lines().take(20_000) {
            let begins = line.split_whitespace().any(|word| {
                word.rsplit('/').next().is_some_and(|name| {
                    matches!(
                        name,
                        "cloud-hypervisor" | "cloud-hypervisor-static" | "cloud-hypervisor-static-aarch64"
                    )
                })
            });
            if begins && found.len() < 64 {
                found.push(Command { words: Vec::new(), quote: text.quote(number) });
            } else if !open {
                continue;
            }
            let words =
                line.trim_end_matches('\\').split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            if let Some(command) = found.last_mut() {
                command.words.extend(words.map(str::to_owned));
            }
            open = line.trim_end().ends_with('\\');
        }
    }
    found.retain(|command| command.words.iter().any(|word| word.starts_with("--")));
    found
}
