//! `cargo xtask docs`: a site of all rules, to read and search without a network.
//!
//! The text is what `vmwright explain` prints, so that the site never says something else than the program.

mod book;

use super::Task;
use crate::progress::Step;
use crate::run::Run;
use crate::{install, workspace};
use anyhow::{Context as _, Result, bail};
use book::Rule;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) const TASK: Task = Task {
    name: "docs",
    usage: "",
    summary: "builds the site of all rules below target/docs, with search (mdBook is built once for it)",
    run,
};

fn run(args: &[String]) -> Result<ExitCode> {
    if let Some(arg) = args.first() {
        bail!("unexpected argument `{arg}`");
    }
    let root = workspace::root();
    let folder = root.join("target/docs");
    let step = Step::begin("asking the rules");
    Run::new([workspace::cargo().as_str(), "build", "--quiet", "-p", "vmwright-cli"]).dir(&root).show()?;
    let rules = rules(&root.join("target/debug/vmwright"))?;
    write(&folder, &rules)?;
    step.done();
    let mdbook = mdbook(&root)?;
    let step = Step::begin("building the site");
    Run::new([&mdbook]).args(["build"]).args([&folder]).quiet(&step)?;
    step.done();
    println!("{} rules: {}", rules.len(), folder.join("book/index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// Every rule, as the program tells of it.
fn rules(program: &Path) -> Result<Vec<Rule>> {
    let listed = Run::new([program]).args(["rules", "--format", "json"]).text()?;
    let listed: serde_json::Value = serde_json::from_str(&listed).context("the list of rules is no JSON")?;
    let listed = listed["rules"].as_array().context("the list of rules has no `rules`")?;
    let each = listed.iter().map(|rule| {
        let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let tags = rule["tags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(|tag| tag.as_str()).map(str::to_owned).collect();
        let (id, title, level) = (text("rule"), text("title"), text("level"));
        let explained = Run::new([program]).args(["explain", &id]).text()?;
        Ok(Rule { id, title, level, tags, text: explained })
    });
    each.collect()
}

/// Writes the book's sources; what an earlier run wrote is replaced.
fn write(folder: &Path, rules: &[Rule]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    for (name, text) in book::files(rules) {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The program `mdbook`: the user's own, or one that is built below `target`.
fn mdbook(root: &Path) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let own = tools.join("bin/mdbook");
    if let Some(found) = install::find("mdbook").or_else(|| own.exists().then(|| own.clone())) {
        return Ok(found);
    }
    let step = Step::begin("building mdBook");
    // Without the parts that serve and watch.
    let words = ["install", "mdbook", "--locked", "--no-default-features", "--features", "search", "--root"];
    Run::new([workspace::cargo()]).args(words).args([&tools]).quiet(&step)?;
    step.done();
    Ok(own)
}
