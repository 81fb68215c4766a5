//! Findings that the administrator has accepted, in `vmwright.toml`. The clock is asked here and nowhere below.

use crate::{Analyze, Environment, Error, memory};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use vmwright_formats::lines::lines;
use vmwright_formats::nearest;
use vmwright_formats::settings::{Acceptance, Settings};
use vmwright_model::analysis::Accepted;
use vmwright_model::{
    Applicability, Cause, Disruption, Evidence, Fix, Grounds, Issue, Level, Strength, Subject, Support,
};
use vmwright_rules::confidence::confidence;
use vmwright_rules::{CATALOGUE, entry};

/// Name of the file below the configuration directory.
const FILE: &str = "vmwright.toml";

/// The longest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The id of the finding that an acceptance is out of date.
pub(crate) const STALE: &str = "acceptance/stale";

/// What `vmwright explain` says of it.
pub(crate) const DOC: &str = "\
# An acceptance is out of date

## What it is
`vmwright.toml` accepts a finding until a day that is over, or accepts one that is no longer there.

## Why it happens
What was accepted was mended, the VM or device is gone, or nobody has looked at the decision again.

## Confirm
`vmwright analyze --why RULE` shows whether the rule fires; `expires` in the file says until when it was accepted.

## Refute
The rule fires about that subject, and the day has not come.

## Fix
Take the `[[accept]]` out of the file, or decide again and give it a new day.
";

/// The acceptances of this call, with the text that they stand in.
#[cfg_attr(test, derive(Default))]
pub(crate) struct Acceptances {
    path: PathBuf,
    text: String,
    settings: Settings,
    today: String,
}

impl Acceptances {
    /// Reads `--config`, or `vmwright.toml` in the configuration directory if there is one.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Config`].
    pub(crate) fn load(what: &Analyze, environment: &Environment) -> Result<Self, Error> {
        let path = what.config.clone().unwrap_or_else(|| environment.config.join(FILE));
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && what.config.is_none() => String::new(),
            Err(source) => return Err(Error::File { path, source }),
        };
        let settings = Settings::read(&text).and_then(known);
        let settings = settings.map_err(|issues| Error::Config { path: path.clone(), issues })?;
        let today = memory::now().chars().take("2027-01-31".len()).collect();
        Ok(Self { path, text, settings, today })
    }

    /// The acceptance that covers a finding today.
    pub(crate) fn of(&self, rule: &str, subject: &str) -> Option<&Acceptance> {
        self.settings.accept.iter().find(|one| {
            one.rule == rule
                && one.subject.as_ref().is_none_or(|wanted| wanted == subject)
                && one.expires >= self.today
        })
    }

    /// Takes the accepted causes out of the list.
    pub(crate) fn part(&self, causes: Vec<Cause>) -> (Vec<Cause>, Vec<Accepted>) {
        let mut kept = Vec::new();
        let mut accepted = Vec::new();
        for cause in causes {
            match self.of(&cause.rule, &cause.subject) {
                Some(one) => {
                    let (reason, expires) = (one.reason.clone(), one.expires.clone());
                    accepted.push(Accepted { cause, reason, expires });
                }
                None => kept.push(cause),
            }
        }
        (kept, accepted)
    }

    /// A note for each acceptance that is over, and for each whose finding is gone: `quiet` says of which rules that is
    /// known. What concerns a VM is known where the question was about that VM.
    pub(crate) fn stale(
        &self,
        found: &[Cause],
        vm: Option<&str>,
        quiet: &dyn Fn(&str) -> bool,
    ) -> Vec<Cause> {
        let mut notes = Vec::new();
        for one in &self.settings.accept {
            let its_vm = one.subject.as_deref().and_then(|subject| subject.strip_prefix("vm "));
            let about = |subject: &str| one.subject.as_ref().is_none_or(|wanted| wanted == subject);
            let fires = found.iter().any(|cause| cause.rule == one.rule && about(&cause.subject));
            if one.expires < self.today {
                notes
                    .push(self.note(one, format!("the acceptance of {} ended on {}", one.rule, one.expires)));
            } else if !fires && its_vm.is_none_or(|its| vm == Some(its)) && quiet(&one.rule) {
                notes.push(self.note(one, format!("{} is accepted and is no longer found", one.rule)));
            }
        }
        notes
    }

    fn note(&self, one: &Acceptance, title: String) -> Cause {
        let line =
            lines(&self.text).find(|(number, _)| *number == one.line).map_or("", |(_, line)| line.trim());
        let quote =
            Evidence { source: self.path.display().to_string(), line: one.line, quote: line.to_owned() };
        let shows = "the acceptance".to_owned();
        let support = [Support { evidence: None, strength: Strength::Proof, against: false, shows }];
        Cause {
            rule: STALE.to_owned(),
            subject: one.subject.clone().unwrap_or_else(|| Subject::host().to_string()),
            level: Level::Note,
            confidence: (confidence(&support) * 100.0).round() / 100.0,
            title,
            evidence: vec![quote],
            explains: Vec::new(),
            explained_by: None,
            fix: Fix {
                summary: "take the acceptance out of the file, or decide again and give it a new day"
                    .to_owned(),
                actions: Vec::new(),
                applicability: Applicability::ManualOnly,
                disruption: Disruption::None,
            },
            escalation: None,
            grounds: Grounds::default(),
        }
    }
}

/// The command that is given what is handed over, where the administrator has set one. Neither the file nor the program
/// may be another's to write.
pub(crate) fn hook(environment: &Environment) -> Result<Option<Vec<String>>, Error> {
    let path = environment.config.join(FILE);
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path, source }),
    };
    let settings = Settings::read(&text).map_err(|issues| Error::Config { path: path.clone(), issues })?;
    let Some(program) = settings.hook.first() else { return Ok(None) };
    vmwright_apply::trust::check(&path).map_err(Error::Untrusted)?;
    // A link leads to what the administrator has named; what it leads to counts.
    let program = Path::new(program);
    let real = program.canonicalize().map_err(|source| Error::File { path: program.to_owned(), source })?;
    vmwright_apply::trust::check(&real).map_err(Error::Untrusted)?;
    Ok(Some(settings.hook))
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    if file.take(LIMIT + 1).read_to_string(&mut text)? as u64 > LIMIT {
        return Err(std::io::Error::other(format!("longer than {LIMIT} bytes")));
    }
    Ok(text)
}

/// Refuses rules that there are not.
fn known(settings: Settings) -> Result<Settings, Vec<Issue>> {
    let unknown = settings.accept.iter().filter(|one| entry(&one.rule).is_none());
    let issue = |one: &Acceptance| {
        let ids: Vec<&str> = CATALOGUE.iter().map(|entry| entry.id).collect();
        let near =
            nearest(&one.rule, &ids).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Issue::new(one.line, format!("there is no rule `{}`{near}", one.rule))
    };
    let issues: Vec<Issue> = unknown.map(issue).collect();
    if issues.is_empty() { Ok(settings) } else { Err(issues) }
}
