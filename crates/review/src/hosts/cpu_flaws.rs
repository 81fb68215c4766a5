//! `cpu-flaws` of a host: it mitigates every flaw of its processors that its kernel knows. No guest on it can do better.

use super::HostScope;
use crate::aspects::Aspects;
use crate::gates::cpu_flaws::{DIRECTORY, State};
use crate::gates::{Judged, component, table};
use crate::quote;
use vmwright_model::Missing;

/// The most statements that are read; kernels have some twenty.
const MOST: usize = 256;

/// A flaw, and the kernel's statement.
type Statement = (String, Result<String, Missing>);

/// What was seen.
pub(super) struct Observed {
    /// Each flaw that the kernel names.
    pub(super) statements: Result<Vec<Statement>, Missing>,
    /// The kernel's parameters; empty where they could not be read.
    pub(super) cmdline: String,
}

pub(super) fn observe(scope: &HostScope<'_>) -> Observed {
    let statement = |name: &String| {
        let text = scope.file(&format!("{DIRECTORY}/{}", component(name)?));
        Some((name.clone(), text.map(|text| text.lines().next().unwrap_or_default().trim().to_owned())))
    };
    Observed {
        statements: scope
            .host
            .names(DIRECTORY)
            .map(|names| names.iter().take(MOST).filter_map(statement).collect()),
        cmdline: scope.file("/proc/cmdline").unwrap_or_default(),
    }
}

pub(super) fn judge(seen: &Observed) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Processor flaws", &["flaw", "host"]);
    let mut evidence = Vec::new();
    let statements = match &seen.statements {
        Ok(statements) => statements.as_slice(),
        Err(why) => {
            aspects.about("host").unknown(format!("{DIRECTORY}: {why}"));
            &[]
        }
    };
    for (name, statement) in statements {
        aspects.about(name.as_str());
        let text = match statement {
            Ok(text) => text,
            Err(why) => {
                aspects.unknown(format!("{name}: {why}"));
                continue;
            }
        };
        table.rows.push(vec![name.clone(), quote::line(text)]);
        match State::of(text) {
            State::Vulnerable => {
                aspects.fail(format!("it is vulnerable to {name} (`{}`)", quote::line(text)));
                evidence.push(quote::from(&format!("{DIRECTORY}/{name}"), text));
            }
            State::Mitigated | State::NotAffected => aspects.pass(),
            State::Untold => {
                aspects.unknown(format!("{name}: the kernel cannot tell (`{}`)", quote::line(text)))
            }
        }
    }
    // Why flaws are open, where their mitigations were switched off.
    if !evidence.is_empty() {
        let off =
            seen.cmdline.split_whitespace().filter(|word| word.replace('-', "_").starts_with("mitigations="));
        evidence.extend(off.map(|word| quote::from("/proc/cmdline", word)));
    }
    Judged { evidence, tables: vec![table], ..Judged::of(aspects, "its kernel states no flaw") }
}
