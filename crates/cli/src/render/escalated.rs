//! A hand-over: the dossier, and what the administrator's command did with it.

use super::shown;
use std::fmt::Write as _;
use vmwright_engine::Escalated;

pub(crate) fn text(made: &Escalated) -> String {
    let mut out: String = made.text.lines().map(|line| format!("{}\n", shown(line))).collect();
    let _ = writeln!(
        out,
        "\nkept: {} and {}",
        shown(&made.markdown.display().to_string()),
        shown(&made.json.display().to_string())
    );
    match &made.hook {
        None => out.push_str("no command is set for it: `[escalate] hook` in vmwright.toml\n"),
        Some(hook) => {
            let how = match hook.status {
                Some(0) => "took it".to_owned(),
                Some(status) => format!("ended with status {status}"),
                None => "did not end by itself, or could not be started".to_owned(),
            };
            let _ = writeln!(out, "{} {how}", shown(&hook.program));
            for line in hook.said.lines() {
                let _ = writeln!(out, "    {}", shown(line));
            }
        }
    }
    out
}
