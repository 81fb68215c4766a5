//! What a run changed in a git work tree, committed there, where the administrator's policy says so. With etckeeper,
//! `/etc` is one. Only the run's own files are committed; what others left uncommitted stays so.

use crate::System;
use crate::assisted_by;
use vmwright_model::{Action, Plan};
use vmwright_plan::path::plain_path;

/// Whose work a commit says it is; the approver is named in its message.
const IDENTITY: [&str; 4] = ["-c", "user.name=vmwright", "-c", "user.email=vmwright@localhost"];

/// Work trees in which runs are committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trees(Vec<String>);

impl Trees {
    /// Reads a list: the absolute path of a work tree a line, and comments.
    ///
    /// # Errors
    /// The number of the first line that is no plain path, counted from 1.
    pub fn read(text: &str) -> Result<Self, usize> {
        let mut trees = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or("").trim();
            if !line.is_empty() {
                plain_path(line).map_err(|_| at + 1)?;
                trees.push(line.to_owned());
            }
        }
        Ok(Self(trees))
    }
}

/// What is told of a run in its commit.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Id of the plan.
    pub plan_id: &'a str,
    /// The run.
    pub run: &'a str,
    /// One line: what was done.
    pub title: &'a str,
    /// Who approved it; none where a run was taken back.
    pub approved_by: Option<&'a str>,
}

/// Commits the files that a plan changes, in each of the trees that has any. Gives a line for each tree: what was
/// committed, or why not.
#[must_use]
pub fn commit(system: &dyn System, trees: &Trees, plan: &Plan, about: &About<'_>) -> Vec<String> {
    let mut told = Vec::new();
    for tree in &trees.0 {
        let below = |path: &&str| path.strip_prefix(tree.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let mut paths: Vec<&str> =
            plan.steps.iter().filter_map(|step| file(&step.action)).filter(below).collect();
        paths.sort_unstable();
        paths.dedup();
        if !paths.is_empty() {
            told.push(match commit_in(system, tree, &paths, about) {
                Ok(()) => format!("committed in {tree}"),
                Err(why) => format!("not committed in {tree}: {why}"),
            });
        }
    }
    told
}

fn commit_in(system: &dyn System, tree: &str, paths: &[&str], about: &About<'_>) -> Result<(), String> {
    let git = |words: &[&str], paths: &[&str]| {
        let all: Vec<&str> = ["-C", tree]
            .into_iter()
            .chain(IDENTITY)
            .chain(words.iter().copied())
            .chain(["--"])
            .chain(paths.iter().copied())
            .collect();
        let ran = system.run("git", &all).map_err(|error| error.to_string())?;
        if ran.success { Ok(ran.output) } else { Err(ran.complaint) }
    };
    // A file that was made and taken away again is neither there nor known, and git would refuse its name.
    let mut known = Vec::new();
    for path in paths {
        let there = std::fs::symlink_metadata(path).is_ok();
        if there || git(&["ls-files", "--error-unmatch"], &[path]).is_ok() {
            known.push(*path);
        }
    }
    if known.is_empty() {
        return Err("git knows none of its files".to_owned());
    }
    git(&["add", "--all"], &known)?;
    if git(&["diff", "--cached", "--quiet"], &known).is_ok() {
        return Err("nothing differs from what was committed before".to_owned());
    }
    let by = about.approved_by.map(|by| format!("Approved by {by}.\n")).unwrap_or_default();
    let message = format!(
        "{}\n\nRun {} of plan {}.\n{by}\n{}",
        about.title,
        about.run,
        about.plan_id,
        assisted_by(about.plan_id)
    );
    git(&["commit", "--quiet", "--only", "--message", &message], &known).map(drop)
}

/// The file that an action changes and that stays where it is.
fn file(action: &Action) -> Option<&str> {
    match action {
        Action::EditSetting { path, .. }
        | Action::EditSpec { path, .. }
        | Action::FileCreate { path, .. }
        | Action::FileWrite { path, .. }
        | Action::FileRemove { path, .. }
        | Action::FileMode { path, .. }
        | Action::FileOwner { path, .. } => Some(path),
        _ => None,
    }
}
