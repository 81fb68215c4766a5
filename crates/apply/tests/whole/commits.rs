//! Commits of what a run changed, by the real git.

use crate::common::{plan, step};
use std::path::Path;
use std::process::Command;
use vmwright_apply::Live;
use vmwright_apply::commit::{About, Trees, commit};
use vmwright_model::Action;

fn git(tree: &Path, words: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t"];
    let output = Command::new("git").arg("-C").arg(tree).args(identity).args(words).output().expect("run");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_a_run_changed_is_committed_with_its_trailer_and_nothing_else() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("SKIPPED what_a_run_changed_is_committed_with_its_trailer_and_nothing_else: no git");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let tree = dir.path().join("etc");
    std::fs::create_dir(&tree).expect("made");
    git(&tree, &["init", "--quiet"]);
    for name in ["mine", "others"] {
        std::fs::write(tree.join(name), "old\n").expect("written");
    }
    git(&tree, &["add", "."]);
    git(&tree, &["commit", "--quiet", "-m", "begin"]);
    for name in ["mine", "others", "new"] {
        std::fs::write(tree.join(name), "changed\n").expect("written");
    }
    let path = |name: &str| tree.join(name).to_str().expect("UTF-8").to_owned();
    let write =
        Action::FileWrite { path: path("mine"), from_sha256: "0".repeat(64), text: "changed\n".into() };
    let make = Action::FileCreate { path: path("new"), text: "changed\n".into(), mode: 0o644 };
    let gone = Action::FileCreate { path: path("gone"), text: "x\n".into(), mode: 0o644 };
    let outside = Action::FileMode { path: "/elsewhere/x".into(), from: 0o600, to: 0o644 };
    let plan = plan([write, make, gone, outside].map(|action| step(action, None)).to_vec());
    let id = "ab".repeat(32);
    let about = About { plan_id: &id, run: "r1", title: "harden the host", approved_by: Some("ana") };
    let trees = Trees::read(&format!("# as etckeeper has it\n{}\n", tree.display())).expect("plain");
    assert_eq!(commit(&Live, &trees, &plan, &about), [format!("committed in {}", tree.display())]);
    let message = git(&tree, &["log", "-1", "--format=%B"]);
    assert!(message.starts_with("harden the host\n\nRun r1 of plan abab"), "{message}");
    assert!(message.contains("\nApproved by ana.\n\nAssisted-By: vmwright ("), "{message}");
    let trailer = git(&tree, &["log", "-1", "--format=%(trailers:key=Assisted-By)"]);
    assert!(trailer.contains("/ abababababab)"), "{trailer}");
    assert_eq!(git(&tree, &["show", "--name-only", "--format="]), "mine\nnew\n");
    assert_eq!(git(&tree, &["status", "--porcelain"]), " M others\n", "what others did stays theirs");
    let again = commit(&Live, &trees, &plan, &about);
    assert!(again[0].contains("nothing differs"), "{again:?}");
    // No tree of the policy's, or no tree at all.
    assert_eq!(commit(&Live, &Trees::default(), &plan, &about), Vec::<String>::new());
    std::fs::remove_dir_all(tree.join(".git")).expect("there");
    let none = commit(&Live, &trees, &plan, &about);
    assert!(none[0].starts_with("not committed in "), "{none:?}");
    assert_eq!(Trees::read("/etc\netc\n"), Err(2));
}
