//! `deny.toml` holds for what is built, also where cargo-deny is not installed.

use crate::{assert_none, metadata, root};
use std::collections::BTreeMap;

fn deny() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml can be read");
    text.parse().expect("deny.toml is TOML")
}

fn list<'a>(table: &'a toml::Table, section: &str, key: &str) -> &'a [toml::Value] {
    let value = table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
    value.map_or(&[], Vec::as_slice)
}

#[test]
fn every_licence_is_on_the_list() {
    let deny = deny();
    let allowed: Vec<&str> =
        list(&deny, "licenses", "allow").iter().filter_map(toml::Value::as_str).collect();
    assert!(!allowed.is_empty(), "deny.toml allows no licence");
    let wrong: Vec<String> = metadata(true)
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(|licence| permits(licence, &allowed)))
        .map(|package| format!("{}: {}", package.name, package.license.as_deref().unwrap_or("no licence")))
        .collect();
    assert_none(&wrong);
}

#[test]
fn banned_packages_are_not_built() {
    let metadata = metadata(true);
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let resolve = metadata.resolve.as_ref().expect("asked for with dependencies");
    let mut wrong = Vec::new();
    let deny = deny();
    let banned = list(&deny, "bans", "deny");
    assert!(!banned.is_empty(), "deny.toml bans nothing");
    for ban in banned {
        let name = ban.get("crate").and_then(toml::Value::as_str).expect("a ban names a crate");
        assert!(ban.get("reason").is_some(), "the ban of {name} has no reason");
        let wrappers = ban.get("wrappers").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
        for node in &resolve.nodes {
            let user = names[&node.id];
            let uses = node.dependencies.iter().any(|dependency| names[dependency] == name);
            if uses && !wrappers.iter().any(|wrapper| wrapper.as_str() == Some(user)) {
                wrong.push(format!("{user} uses {name}: {}", ban["reason"]));
            }
        }
    }
    assert_none(&wrong);
}

/// Whether an SPDX expression can be met with the licences allowed. `/` is the old way to write OR.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<String> = Vec::new();
    for word in spaced.split_whitespace() {
        match words.last_mut() {
            Some(last) if word == "WITH" || last.ends_with(" WITH") => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    met && at == words.len()
}

fn either(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at).is_some_and(|word| word == "AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[String], at: &mut usize, allowed: &[&str]) -> bool {
    let word = words.get(*at).map(String::as_str);
    *at += 1;
    if word != Some("(") {
        return word.is_some_and(|word| allowed.contains(&word));
    }
    let met = either(words, at, allowed);
    let closed = words.get(*at).is_some_and(|word| word == ")");
    *at += 1;
    met && closed
}

#[test]
fn expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
    for (expression, met) in [
        ("MIT", true),
        ("GPL-2.0", false),
        ("GPL-2.0 OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR GPL-2.0) AND Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("Apache-2.0 WITH Other-exception", false),
        ("MIT OR", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(permits(expression, &allowed), met, "{expression}");
    }
}
