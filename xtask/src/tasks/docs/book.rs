//! The sources of the book: pure, from rules to files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A rule, as `vmwright rules` and `vmwright explain` tell of it.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// `area/problem`.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) level: String,
    pub(super) tags: Vec<String>,
    /// Its documentation, Markdown.
    pub(super) text: String,
}

impl Rule {
    fn area(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
    }
}

/// What mdBook needs to know.
const BOOK: &str = "[book]\ntitle = \"vmwright: the rules\"\nlanguage = \"en\"\n\n\
                    [output.html.search]\nlimit-results = 40\n\n\
                    [output.html.fold]\nenable = true\n";

/// The files, by their path below the book's folder.
pub(super) fn files(rules: &[Rule]) -> BTreeMap<String, String> {
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
    let mut areas: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    let mut tags: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        areas.entry(rule.area()).or_default().push(rule);
        rule.tags.iter().for_each(|tag| tags.entry(tag).or_default().push(rule));
    }
    let mut files = BTreeMap::from([("book.toml".to_owned(), BOOK.to_owned())]);
    // Writing to a string cannot fail.
    let mut summary = "# Summary\n\n[The rules](index.md)\n\n# By area\n\n".to_owned();
    for (area, members) in &areas {
        let _ = writeln!(summary, "- [{area}]({area}/index.md)");
        for rule in members {
            let _ = writeln!(summary, "  - [{}]({}.md)", rule.title, rule.id);
        }
        files.insert(format!("src/{area}/index.md"), list(&format!("Area {area}"), members, "../"));
    }
    summary.push_str("\n# By tag\n\n");
    for (tag, members) in &tags {
        let _ = writeln!(summary, "- [{tag}](tags/{tag}.md)");
        files.insert(format!("src/tags/{tag}.md"), list(&format!("Tag {tag}"), members, "../"));
    }
    for rule in rules {
        files.insert(format!("src/{}.md", rule.id), page(rule, &ids));
    }
    files.insert("src/index.md".to_owned(), front(rules.len(), &areas, &tags));
    files.insert("src/SUMMARY.md".to_owned(), summary);
    files
}

fn front(count: usize, areas: &BTreeMap<&str, Vec<&Rule>>, tags: &BTreeMap<&str, Vec<&Rule>>) -> String {
    let link = |folder: &str, name: &str, members: &[&Rule]| match folder {
        "tags" => format!("[{name}](tags/{name}.md) ({})", members.len()),
        _ => format!("[{name}]({name}/index.md) ({})", members.len()),
    };
    let areas: Vec<String> = areas.iter().map(|(name, members)| link("", name, members)).collect();
    let tags: Vec<String> = tags.iter().map(|(name, members)| link("tags", name, members)).collect();
    format!(
        "# The rules\n\nvmwright knows {count} root causes. Each has its page: what it is, why it happens, how to \
         confirm and refute it by hand, how to settle it, and where that is written. `vmwright explain RULE` prints \
         the same text; `vmwright analyze` finds which of them holds.\n\n## Areas\n\n{}\n\n## Tags\n\n{}\n",
        areas.join(" · "),
        tags.join(" · ")
    )
}

fn list(title: &str, rules: &[&Rule], up: &str) -> String {
    let mut text = format!("# {title}\n\n| rule | level | what is wrong |\n|---|---|---|\n");
    for rule in rules {
        let _ = writeln!(text, "| [{id}]({up}{id}.md) | {} | {} |", rule.level, rule.title, id = rule.id);
    }
    text
}

/// A rule's page: its documentation, with the rules that it names as links.
fn page(rule: &Rule, ids: &BTreeSet<&str>) -> String {
    let (title, rest) = rule.text.split_once('\n').unwrap_or((&rule.text, ""));
    let tags: Vec<String> = rule.tags.iter().map(|tag| format!("[{tag}](../tags/{tag}.md)")).collect();
    let tags = if tags.is_empty() { String::new() } else { format!(" · {}", tags.join(", ")) };
    let about = format!("`{}` · {}{tags}", rule.id, rule.level);
    format!("{title}\n\n{about}\n{}", linked(rest, &rule.id, ids))
}

/// The text with each other rule's id as a link to its page, in backticks or not.
fn linked(text: &str, own: &str, ids: &BTreeSet<&str>) -> String {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(part) {
        out.push_str(&rest[..begin]);
        let word = &rest[begin..];
        let end = word.find(|letter| !part(letter)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        let id = word.trim_end_matches('.');
        if id != own && ids.contains(id) {
            // A link may not stand inside a code span, but a code span may stand inside a link.
            let code = out.ends_with('`') && after.starts_with('`');
            if code {
                out.pop();
                let _ = write!(out, "[`{id}`](../{id}.md)");
            } else {
                let _ = write!(out, "[{id}](../{id}.md){}", &word[id.len()..]);
            }
            rest = if code { &after[1..] } else { after };
        } else {
            out.push_str(word);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, text: &str) -> Rule {
        Rule {
            id: id.to_owned(),
            title: format!("Title of {id}"),
            level: "error".to_owned(),
            tags: vec!["boot".to_owned()],
            text: format!("# Title of {id}\n\n## What it is\n{text}\n"),
        }
    }

    #[test]
    fn every_rule_area_and_tag_has_its_page() {
        let files = files(&[rule("kvm/a", "x"), rule("kvm/b", "x"), rule("vfio/c", "x")]);
        for name in ["kvm/a", "kvm/b", "vfio/c", "kvm/index", "vfio/index", "tags/boot", "index", "SUMMARY"] {
            assert!(files.contains_key(&format!("src/{name}.md")), "{name}: {:?}", files.keys());
        }
        let summary = &files["src/SUMMARY.md"];
        assert!(summary.contains("- [kvm](kvm/index.md)\n  - [Title of kvm/a](kvm/a.md)\n"), "{summary}");
        assert!(files["src/kvm/index.md"].contains("| [kvm/a](../kvm/a.md) | error | Title of kvm/a |"));
    }

    #[test]
    fn rules_that_are_named_are_links() {
        let ids = BTreeSet::from(["kvm/a", "vfio/c"]);
        let check = |text: &str, expect: &str| assert_eq!(linked(text, "kvm/a", &ids), expect);
        check("see vfio/c.", "see [vfio/c](../vfio/c.md).");
        check("see `vfio/c`, not kvm/a", "see [`vfio/c`](../vfio/c.md), not kvm/a");
        check("`ls /sys/vfio/c`", "`ls /sys/vfio/c`");
        check("vfio/c-like é vfio/cx", "vfio/c-like é vfio/cx");
    }
}
