//! One client's session: the mode that it is in, and what its mode allows.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use vmwright_engine::{Which, Who};
use vmwright_model::Mode;

/// What the person who starts the server decides.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// ANALYSIS alone.
    pub read_only: bool,
    /// Machines that REVIEW may start, change and remove; `*` for all of vmwright's own. Others can be reviewed and are
    /// not changed beyond that.
    pub machines: Vec<String>,
    /// The project that notes belong to: the absolute path of its folder.
    pub project: Option<PathBuf>,
}

/// Where a session stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) mode: At,
    pub(crate) read_only: bool,
    pub(crate) allowed: Vec<String>,
    pub(crate) project: Option<PathBuf>,
    pub(crate) state: PathBuf,
    /// The number of the last investigation.
    pub(crate) investigation: Option<i64>,
    /// The topic of the last decision.
    pub(crate) topic: Option<String>,
}

/// A mode, with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    Analysis,
    Implementation {
        /// Id of the approved plan.
        plan: String,
    },
    Review {
        /// The VMs in scope.
        scope: Vec<String>,
    },
}

/// A mode that somebody wants to enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Analysis { challenge: String },
    Implementation { challenge: String, plan: String },
    Review { challenge: String, scope: Vec<String> },
}

impl At {
    pub(crate) fn mode(&self) -> Mode {
        match self {
            At::Analysis => Mode::Analysis,
            At::Implementation { .. } => Mode::Implementation,
            At::Review { .. } => Mode::Review,
        }
    }
}

impl Wanted {
    pub(crate) fn challenge(&self) -> &str {
        match self {
            Wanted::Analysis { challenge }
            | Wanted::Implementation { challenge, .. }
            | Wanted::Review { challenge, .. } => challenge,
        }
    }
}

impl Standing {
    pub(crate) fn new(grants: &Grants, state: &Path) -> Self {
        Self {
            mode: At::Analysis,
            read_only: grants.read_only,
            allowed: grants.machines.clone(),
            project: grants.project.clone(),
            state: state.to_owned(),
            investigation: None,
            topic: None,
        }
    }

    /// Whether the person who started the server lets a machine be changed.
    pub(crate) fn allows(&self, vm: &str) -> bool {
        self.allowed.iter().any(|one| one == "*" || one == vm)
    }

    /// The VM, where it is in the scope of this review.
    pub(crate) fn in_scope(&self, vm: &str) -> Result<String, String> {
        match &self.mode {
            At::Review { scope } if scope.iter().any(|one| one == vm) => Ok(vm.to_owned()),
            At::Review { scope } => Err(format!("that VM is not in scope; {} in scope", names(scope))),
            _ => Err("no review is going on".to_owned()),
        }
    }

    /// The run, where it is one of this mode's plan: a run's id ends with the beginning of its plan's.
    pub(crate) fn run(&self, run: &str) -> Result<String, String> {
        let At::Implementation { plan } = &self.mode else {
            return Err("no plan is being carried out".to_owned());
        };
        let short = plan.get(..12).unwrap_or(plan);
        let of_plan = run.split('-').skip(1).any(|part| part == short);
        if of_plan {
            Ok(run.to_owned())
        } else {
            Err(format!("that is no run of plan {short}, the plan of this mode"))
        }
    }

    /// Whose entries of the journal are meant.
    pub(crate) fn which(&self, word: &str) -> Which {
        let who = match word {
            "user" => Who::User,
            "project" => Who::Project,
            _ => Who::Both,
        };
        Which { who, project: self.project.clone(), ..Which::default() }
    }

    /// A file for a capture that does not exist yet.
    pub(crate) fn new_capture(&self) -> Result<PathBuf, String> {
        self.free("captures", "capture", "tar.gz")
    }

    /// A file for what comes out of a guest.
    pub(crate) fn new_file(&self, vm: &str, ending: &str) -> Result<PathBuf, String> {
        self.free("from-guests", vm, ending)
    }

    /// A text as a file that only its owner may read.
    pub(crate) fn text_file(&self, text: &str) -> Result<PathBuf, String> {
        let path = self.free("for-guests", "text", "copy")?;
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }

    /// A name that nothing in a folder of the state directory has.
    fn free(&self, folder: &str, stem: &str, ending: &str) -> Result<PathBuf, String> {
        let folder = self.state.join(folder);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| format!("{}: {error}", folder.display()))?;
        // A machine's name has no slash; another one would be refused by what opens the machine.
        let stem: String = stem.chars().map(|c| if c == '/' { '_' } else { c }).take(64).collect();
        let free =
            (1..).map(|number| folder.join(format!("{stem}-{number}.{ending}"))).find(|path| !path.exists());
        Ok(free.expect("a folder has a finite number of names"))
    }
}

/// `a and b are`, for a sentence.
fn names(list: &[String]) -> String {
    let list = list.iter().map(|name| crate::parameters::brief(name)).collect::<Vec<_>>();
    format!("{} {}", list.join(", "), if list.len() == 1 { "is" } else { "are" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(mode: At) -> Standing {
        Standing { mode, ..Standing::new(&Grants::default(), Path::new("/nowhere")) }
    }

    #[test]
    fn a_run_belongs_to_its_plan() {
        let plan = "0123456789abcdef".repeat(4);
        let standing = standing(At::Implementation { plan });
        assert!(standing.run("20260101T000000Z-0123456789ab").is_ok());
        assert!(standing.run("20260101T000000Z-0123456789ab-2").is_ok());
        assert!(standing.run("20260101T000000Z-ffffffffffff").is_err());
        assert!(standing.run("0123456789ab").is_err());
    }

    #[test]
    fn scope_is_what_was_named() {
        let review = standing(At::Review { scope: vec!["web".to_owned()] });
        assert!(review.in_scope("web").is_ok());
        assert!(review.in_scope("db").unwrap_err().contains("web is in scope"));
        assert!(standing(At::Analysis).in_scope("web").is_err());
    }

    #[test]
    fn what_the_server_was_not_started_for_is_not_allowed() {
        let grants = Grants { machines: vec!["web".to_owned()], ..Grants::default() };
        let some = Standing::new(&grants, Path::new("/nowhere"));
        assert!(some.allows("web") && !some.allows("db") && !standing(At::Analysis).allows("web"));
    }
}
