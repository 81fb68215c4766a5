//! Decisions: needs, perspectives, dissent, what would change the choice, and the journal.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;

#[test]
fn a_question_in_words_is_decided_explained_and_kept() {
    let site = Site::new();
    let question = "which storage for a database VM that must migrate live";
    let call = site.call(&["decide", question, "--note", "ticket 7"]).ok();
    for part in [
        "need: shared: several hosts reach the disk",
        "(you said `",
        "excluded: shared: it lies in a folder of one host [libvirt-storage]",
        "[libvirt-storage] https://libvirt.org/storage.html (libvirt 9.0)",
        "would change it: without the need shared: ",
        "noted: ticket 7",
        "consensus: rbd, the only option that meets every need",
    ] {
        assert!(call.out.contains(part), "{part:?} is not in: {}", call.out);
    }
    assert!(call.err.starts_with(&format!("ENTERING ANALYSIS MODE: {question}\n")), "{}", call.err);
    let entry = site.call(&["journal", "list", "--format", "json"]).ok().json()["entries"][0][1].clone();
    assert_eq!(entry["operation"], "decide");
    assert_eq!(entry["title"], format!("decision: {question}"));
    let body = entry["body"].as_str().unwrap();
    assert!(body.contains("rbd, the only option") && body.contains("ticket 7"), "{body}");
    // The next one that is like it is told of it.
    let again = site.call(&["decide", question]).ok();
    assert!(again.err.contains("decision: which storage"), "{}", again.err);
}

#[test]
fn perspectives_dissent_and_weights_change_the_choice() {
    let site = Site::new();
    let decide = |words: &[&str]| {
        site.call(&[&["decide", "hypervisor", "--format", "json"], words].concat()).ok().json()
    };
    let all = decide(&[]);
    assert_eq!(all["outcome"], "decision");
    assert_eq!(all["schema"], "vmwright.decision/1");
    let firsts: Vec<&str> =
        all["perspectives"].as_array().unwrap().iter().map(|one| one["first"].as_str().unwrap()).collect();
    assert!(firsts.iter().any(|first| all["choice"] != **first), "{firsts:?}");
    let flip = all["flips"][0].clone();
    assert_ne!(flip["then"], all["choice"]);
    let others = decide(&["--weight", "security=0,performance=0"]);
    assert_eq!((&others["choice"], &others["accord"]), (&"qemu".into(), &"consensus".into()));
    // The same question gives the same bytes.
    assert_eq!(decide(&[]), all);
}

#[test]
fn what_cannot_be_decided_says_why() {
    let site = Site::new();
    site.call(&["decide", "what to eat"])
        .fails(2, &["names no topic", "hypervisor, storage, network, isolation"]);
    site.call(&["decide", "network", "--need", "speed"]).fails(2, &["no need `speed`", "own-address"]);
    site.call(&["decide", "network", "--weight", "latency=99"]).fails(2, &["weights are 0 to 10"]);
    site.call(&["decide", "network", "--weight", "latency"]).fails(2, &["NAME=WEIGHT"]);
    let open =
        site.call(&["decide", "hypervisor", "--need", "confidential", "--only", "qemu-microvm,firecracker"]);
    assert_eq!(open.status, 3, "{open:#?}");
    assert!(open.out.contains("not known: confidential") && open.out.contains("no choice: "), "{}", open.out);
    let list = site.call(&["decide"]).ok();
    assert!(
        list.out.contains("isolation: What keeps") && list.out.contains("live-migration"),
        "{}",
        list.out
    );
    // What there is to decide leaves no entry; whoever asks in vain does.
    let kept = site.call(&["journal", "list", "--format", "json"]).ok().json();
    assert_eq!(kept["entries"].as_array().unwrap().len(), 4, "{kept}");
}
