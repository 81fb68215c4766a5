//! Every domain of libvirt's own tests there and back.

use crate::source;
use roxmltree::{Document, Node};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use vmwright_convert::libvirt;
use vmwright_formats::{
    View,
    machine_spec::{MachineSpecView, write_spec},
};

/// Every domain, those of other architectures too, by name.
fn domains() -> Result<Vec<(String, String)>, String> {
    let folder = source::libvirt_tests()?.join("qemuxml2argvdata");
    let told = |error: std::io::Error| format!("cannot read {}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(told)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "xml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, std::fs::read_to_string(&path).map_err(told)?));
        }
    }
    found.sort();
    Ok(found)
}

/// A text without what does not count: order of attributes and of elements of different names, blanks between
/// elements, comments.
fn canonical(text: &str) -> String {
    let document = Document::parse(text).expect("well-formed");
    let mut out = String::new();
    element(document.root_element(), &mut out);
    out
}

fn element(node: Node<'_, '_>, out: &mut String) {
    let _ = write!(out, "<{:?}", node.tag_name());
    let mut attributes: Vec<String> = node
        .attributes()
        .map(|one| format!("{:?}{}={:?}", one.namespace(), one.name(), one.value()))
        .collect();
    attributes.sort();
    let _ = write!(out, "{attributes:?}");
    let text: String = node.children().filter(Node::is_text).filter_map(|node| node.text()).collect();
    if !text.trim().is_empty() {
        let _ = write!(out, "{text:?}");
    }
    let mut children: Vec<Node<'_, '_>> = node.children().filter(Node::is_element).collect();
    children.sort_by_key(|child| child.tag_name().name().to_owned());
    for child in children {
        out.push('\n');
        element(child, out);
    }
    out.push('>');
}

/// What is told of a domain that contradicts itself.
const CONTRADICTIONS: [&str; 7] = [
    " too",
    "they are numbered",
    "they need it",
    "virtual CPUs, but",
    "bits of physical address",
    "counted from 0",
    "not a power of two",
];

#[test]
fn every_domain_comes_back_as_it_was() {
    let domains = match domains() {
        Ok(domains) => domains,
        Err(reason) => {
            println!("SKIPPED every_domain_comes_back_as_it_was: {reason}");
            return;
        }
    };
    assert!(domains.len() > 1000, "libvirt's tests have more than {} domains", domains.len());
    come_back(&domains);
}

/// Each of these domains is read and written as it was, in TOML between too.
pub(crate) fn come_back(domains: &[(String, String)]) {
    let (mut modelled, mut wrong, mut refused) = (0, Vec::new(), Vec::new());
    let mut foreign: BTreeMap<String, usize> = BTreeMap::new();
    for (name, text) in domains {
        let (read, coverage) = match libvirt::read_counted(text) {
            Ok(read) => read,
            Err(error) => {
                wrong.push(format!("{name}: {error:?}"));
                continue;
            }
        };
        modelled += coverage.modelled;
        for (path, count) in coverage.foreign {
            *foreign.entry(path).or_default() += count;
        }
        let written = libvirt::write(&read.spec);
        if canonical(text) != canonical(&written.text) {
            wrong.push(format!("{name}: differs"));
            if std::env::var_os("SHOW").is_some_and(|show| show == name.as_str()) {
                println!("{}\n----\n{}\n{:#?}", canonical(text), canonical(&written.text), read.spec.foreign);
            }
        }
        match write_spec(&read.spec) {
            Ok(toml) => {
                let (view, issues) = MachineSpecView::read(&toml);
                match view.spec {
                    Some(spec) if spec == read.spec => {}
                    Some(_) => wrong.push(format!("{name}: another machine by TOML")),
                    // What contradicts itself is refused in TOML; libvirt's tests have such domains on purpose.
                    None if issues
                        .iter()
                        .all(|issue| CONTRADICTIONS.iter().any(|one| issue.what.contains(one))) =>
                    {
                        refused.push(name.clone());
                    }
                    None => wrong.push(format!("{name}: {issues:?}")),
                }
            }
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
        if let Some(remark) = written.remarks.first() {
            wrong.push(format!("{name}: {remark:?}"));
        }
    }
    println!("{} contradict themselves, and are refused as TOML: {}", refused.len(), refused.join(" "));
    assert!(refused.len() < 40, "{refused:?}");
    let different: BTreeSet<&str> = wrong.iter().filter_map(|one| one.split(':').next()).collect();
    println!("{} of {} domains come back as they were", domains.len() - different.len(), domains.len());
    let kept: usize = foreign.values().sum();
    let mut most: Vec<(&String, &usize)> = foreign.iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    println!(
        "{} domains: {modelled} elements and attributes in the machine, {kept} as foreign",
        domains.len()
    );
    for (path, count) in
        most.iter().take(std::env::var("TOP").ok().and_then(|top| top.parse().ok()).unwrap_or(20))
    {
        println!("{count:6} {path}");
    }
    assert!(wrong.is_empty(), "{} of {}: {:#?}", wrong.len(), domains.len(), &wrong[..wrong.len().min(100)]);
}
