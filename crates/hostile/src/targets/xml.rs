//! XML as people paste it.

use super::text;
use vmwright_formats::lines::lines;
use vmwright_formats::xml::Document;

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    let (document, issues) = Document::read(&text);
    let last = lines(&text).count().max(1);
    for issue in issues {
        assert!(issue.line as usize <= last, "line {} of {last}: {}", issue.line, issue.what);
    }
    let mut roots = 0;
    for element in document.elements() {
        assert!((1..=last).contains(&(element.line() as usize)), "{} of {last}", element.line());
        roots += usize::from(element.parent().is_none());
        for child in element.children() {
            assert!(child.line() >= element.line());
        }
        for (_, value) in element.attributes() {
            assert!((value.line as usize) <= last);
        }
        if let Some(text) = element.text() {
            assert!((1..=last).contains(&(text.line as usize)));
        }
    }
    assert_eq!(document.roots().count(), roots);
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> =
        crate::samples().into_iter().filter(|(kind, _)| kind == "domain_xml").map(|(_, text)| text).collect();
    seeds.push(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a x='1' y=\"&lt;&#10;&#xe9;\"><![CDATA[<]]><!-- c --><b:c/>&b;</a>".to_vec());
    seeds
}
