//! Every view, on samples of its own kind, on damaged samples, on each other's samples and on anything: none may
//! fail as a whole, and content alone must tell what a text is.

use proptest::prelude::*;
use std::fs;
use std::path::Path;
use vmwright_formats::{issues, kinds, recognise};
use vmwright_model::Kind;

/// The sample of each kind, by the name of its file.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut samples: Vec<_> = fs::read_dir(folder)
        .expect("the folder of samples")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let kind = path.file_stem().and_then(|stem| stem.to_str()).expect("a kind").to_owned();
            (kind, fs::read_to_string(&path).expect("a sample"))
        })
        .collect();
    samples.sort();
    samples
}

#[test]
fn every_kind_has_a_sample_that_it_reads_without_issue() {
    let samples = samples();
    let mut named: Vec<&str> = samples.iter().map(|sample| sample.0.as_str()).collect();
    let kinds = kinds();
    let mut known: Vec<&str> = kinds.iter().map(|kind| &*kind.0).collect();
    known.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, known);
    for kind in &kinds {
        let (_, text) = samples.iter().find(|sample| sample.0 == kind.0).expect("compared above");
        assert_eq!(issues(kind, text), Some(Vec::new()), "issues in the sample of {kind}");
    }
}

#[test]
fn content_alone_tells_the_kind() {
    for (kind, text) in samples() {
        let name = match kind.as_str() {
            // The same text comes from a host: only a name can tell.
            "guest_kernel_log" => "guest-dmesg.txt",
            _ => "pasted.txt",
        };
        assert_eq!(recognise(name, &text).0, kind, "the sample of {kind}");
        // Windows line ends change nothing.
        assert_eq!(recognise(name, &text.replace('\n', "\r\n")).0, kind, "the sample of {kind} with CR LF");
    }
}

#[test]
fn a_name_does_not_overrule_content() {
    let samples = samples();
    for name in
        ["domain.xml", "qemu.log", "dmesg.txt", "lspci.txt", "env.txt", "virsh-output.txt", "cmdline.txt"]
    {
        for kind in ["domain_xml", "qemu_log", "kernel_log", "lspci", "machine_spec", "namei"] {
            let (_, text) = samples.iter().find(|sample| sample.0 == kind).expect("a sample");
            assert_eq!(recognise(name, text).0, kind, "{kind} named {name}");
        }
    }
}

#[test]
fn prose_is_text() {
    for text in [
        "",
        "\n\n\n",
        "My VM does not start since the update. I rebooted twice.\nAny idea what is wrong?\n",
        "TODO:\n- buy milk\n- call Bob: 12:30\n",
        "total 12\n<b>hello</b>\n",
        "{\"a\": [1, 2, 3]}\n",
    ] {
        assert_eq!(recognise("notes.md", text), Kind::TEXT, "{text:?}");
    }
}

/// Nothing of this may panic.
fn read_as_everything(text: &str) {
    for name in ["x.txt", "guest-dmesg.txt", "domain.xml", "lspci.txt", "web.toml"] {
        let _ = recognise(name, text);
    }
    for kind in kinds() {
        assert!(issues(&kind, text).is_some());
    }
    let _ = vmwright_formats::environment::versions(text);
    vmwright_formats::audit_log::records(text).for_each(drop);
}

/// One way to damage a text; the numbers choose the places.
fn damage(text: &str, how: u8, first: usize, second: usize, piece: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return piece.to_owned();
    }
    let (a, b) = (first % (letters.len() + 1), second % (letters.len() + 1));
    let (a, b) = (a.min(b), a.max(b));
    let part = |from: usize, to: usize| letters[from..to].iter().collect::<String>();
    let all = letters.len();
    match how % 6 {
        0 => part(0, a),
        1 => part(0, a) + &part(b, all),
        2 => part(0, b) + &part(a, all),
        3 => part(0, a) + piece + &part(a, all),
        4 => part(0, a) + piece + &part(b, all),
        _ => {
            let mut lines: Vec<&str> = text.lines().collect();
            let (a, b) = (first % lines.len().max(1), second % lines.len().max(1));
            if !lines.is_empty() {
                lines.swap(a, b);
            }
            lines.join("\n")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_read(text in any::<String>()) {
        read_as_everything(&text);
    }

    #[test]
    fn anything_of_the_letters_that_matter_is_read(
        text in r#"([<>/='"&;#:\[\]{}(),\\ \t\r\n$|`.0-9a-fx-]|type|audit|=\{|<a |</|-device |\[ 0\.1\] |kB|GiB|é|🦀){0,300}"#
    ) {
        read_as_everything(&text);
    }

    #[test]
    fn damaged_samples_are_read(
        which in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>(), "\\PC{0,4}|\\n|\\r|\"|'|<|\\{|:|=|\\\\"), 1..6),
    ) {
        let samples = samples();
        let (_, mut text) = samples[which.index(samples.len())].clone();
        for (how, first, second, piece) in steps {
            text = damage(&text, how, first, second, &piece);
        }
        read_as_everything(&text);
    }
}
