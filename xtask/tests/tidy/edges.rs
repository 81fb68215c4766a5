//! Which crate may know which.

use crate::{assert_none, folder_of, metadata};
use cargo_metadata::DependencyKind;
use std::collections::BTreeMap;

/// The crates of the project that each may use in its product. Tests may use more: they are at the top of
/// everything. A new crate is written down here with the edges that the design gives it.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("formats", &["model"]),
    ("guest", &[]),
    ("host", &["model", "formats"]),
    ("rules", &["model", "formats", "scan"]),
    ("scan", &[]),
    ("convert", &["model", "formats"]),
    ("decide", &["model"]),
    ("plan", &["model", "formats"]),
    ("backend", &["model", "formats", "convert"]),
    ("apply", &["model", "formats", "plan"]),
    ("review", &["model", "formats"]),
    ("journal", &["model"]),
    ("lab", &["model", "backend"]),
    (
        "engine",
        &[
            "model", "formats", "convert", "host", "rules", "plan", "backend", "apply", "review", "journal",
            "lab", "guest", "decide",
        ],
    ),
    ("cli", &["model", "engine", "mcp", "ask"]),
    ("mcp", &["model", "engine"]),
    ("ask", &["model", "formats", "engine", "mcp"]),
    // Tests of every parser at once; in no product.
    ("hostile", &["model", "formats", "host", "convert", "rules", "plan", "backend", "apply"]),
    ("xtask", &[]),
];

/// Crates that open no file, ask no clock and know no environment.
pub(crate) const PURE: &[&str] = &["model", "formats", "scan", "convert", "decide", "rules", "plan"];

/// What the product of a pure crate may be built from. Each of these computes and does nothing else.
const PURE_DEPENDENCIES: &[&str] = &[
    "memchr",
    "roxmltree",
    "rustc-hash",
    "saphyr-parser",
    "schemars",
    "serde",
    "serde_json",
    "serde_with_macros",
    "sha2",
    "thiserror",
    "toml",
    "toml_edit",
];

/// Crates with a place of their own, and the only crates of the project that may use them.
const PLACES: &[(&str, &[&str])] = &[
    ("tokio", &["mcp", "ask"]),
    ("rusqlite", &["journal"]),
    ("clap", &["cli"]),
    ("anyhow", &["cli", "xtask"]),
];

struct Edge {
    from: String,
    to: String,
}

/// What the products (not the tests) of the workspace's crates are built from: crates of the project, and others.
fn edges() -> (Vec<Edge>, Vec<Edge>) {
    let metadata = metadata(false);
    let packages = metadata.workspace_packages();
    let folders: BTreeMap<&str, String> =
        packages.iter().map(|package| (package.name.as_str(), folder_of(package))).collect();
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    for package in &packages {
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Normal {
                continue;
            }
            let from = folder_of(package);
            match folders.get(dependency.name.as_str()) {
                Some(to) => own.push(Edge { from, to: to.clone() }),
                None => foreign.push(Edge { from, to: dependency.name.clone() }),
            }
        }
    }
    (own, foreign)
}

fn wrong_edges(own: &[Edge]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Edge { from, to } in own {
        match EDGES.iter().find(|(name, _)| name == from) {
            Some((_, allowed)) if allowed.contains(&to.as_str()) => {}
            Some(_) => wrong.push(format!("{from} may not know {to}")),
            None => wrong.push(format!("{from} has no line in the table of edges")),
        }
    }
    wrong
}

fn wrong_dependencies(foreign: &[Edge]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Edge { from, to } in foreign {
        if PURE.contains(&from.as_str()) && !PURE_DEPENDENCIES.contains(&to.as_str()) {
            wrong.push(format!("{from} is pure; {to} is not on the list of what such a crate may use"));
        }
        if let Some((_, places)) = PLACES.iter().find(|(name, _)| name == to)
            && !places.contains(&from.as_str())
        {
            wrong.push(format!("{to} belongs in {} alone; {from} uses it", places.join(" and ")));
        }
    }
    wrong
}

#[test]
fn crates_know_those_that_the_design_allows() {
    let (own, _) = edges();
    assert!(own.len() > 5, "the workspace has edges");
    assert_none(&wrong_edges(&own));
}

#[test]
fn every_crate_has_its_line_in_the_table() {
    let missing: Vec<String> = metadata(false)
        .workspace_packages()
        .into_iter()
        .map(folder_of)
        .filter(|name| !EDGES.iter().any(|(known, _)| known == name))
        .map(|name| format!("{name} has no line in the table of edges"))
        .collect();
    assert_none(&missing);
}

#[test]
fn pure_crates_and_crates_with_a_place_keep_to_it() {
    let (_, foreign) = edges();
    assert_none(&wrong_dependencies(&foreign));
}

#[test]
fn versions_stand_in_one_place_and_lints_hold_everywhere() {
    let mut wrong = Vec::new();
    for package in metadata(false).workspace_packages() {
        let text = std::fs::read_to_string(&package.manifest_path).expect("cargo has read it");
        wrong.extend(manifest_problems(&text).into_iter().map(|what| format!("{}: {what}", package.name)));
    }
    assert_none(&wrong);
}

fn manifest_problems(text: &str) -> Vec<String> {
    let manifest: toml::Table = text.parse().expect("cargo has read it");
    let mut wrong = Vec::new();
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&toml::Value::Boolean(true)) {
        wrong.push("no `[lints] workspace = true`".to_owned());
    }
    let mut tables = vec![&manifest];
    tables.extend(
        manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
            .filter_map(|(_, one)| one.as_table()),
    );
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                if value.get("workspace") != Some(&toml::Value::Boolean(true)) {
                    wrong.push(format!("{kind}: {name} is not `workspace = true`"));
                }
            }
        }
    }
    wrong
}

#[test]
fn a_wrong_edge_would_be_seen() {
    let edge = |from: &str, to: &str| Edge { from: from.to_owned(), to: to.to_owned() };
    assert_eq!(wrong_edges(&[edge("apply", "rules")]), ["apply may not know rules"]);
    assert_eq!(wrong_edges(&[edge("new", "model")]), ["new has no line in the table of edges"]);
    assert!(wrong_edges(&[edge("engine", "rules"), edge("cli", "engine")]).is_empty());
    let wrong = wrong_dependencies(&[edge("rules", "rustix"), edge("host", "tokio"), edge("mcp", "tokio")]);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    let wrong = manifest_problems(
        "[dependencies]\na = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\nb.version = \"2\"",
    );
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}
