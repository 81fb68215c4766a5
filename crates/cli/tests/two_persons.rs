//! Plans that two people have to approve, from the command line; and somebody who holds every tool, but no key.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Done, Site};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A site with a plan that starts a machine; its id.
fn planned() -> (Site, String) {
    let site = Site::new();
    site.approver();
    site.machine("web", "");
    let made = site.call(&["plan", "--vm", "web", "--format", "json"]);
    let from = made.out.find("\"id\": \"").unwrap_or_else(|| panic!("no id in {made:?}")) + 7;
    let id = made.out[from..from + 64].to_owned();
    (site, id)
}

/// A key of somebody's; allowed under a name where one is given.
fn key(site: &Site, name: &str, allowed: Option<&str>) -> PathBuf {
    let key = site.path(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    if let Some(principal) = allowed {
        let list = site.path("config/allowed_signers");
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        let old = fs::read_to_string(&list).unwrap();
        fs::write(list, format!("{old}{principal} namespaces=\"approval@vmwright\" {public}")).unwrap();
    }
    key
}

fn sign(site: &Site, plan: &str, key: &std::path::Path, principal: &str) -> Done {
    site.call(&["approve", plan, "--key", key.to_str().unwrap(), "--principal", principal])
}

#[test]
fn two_people_approve_what_the_administrator_says() {
    let (site, id) = planned();
    site.file("config/two-persons", "# the shop\nvm web\n");
    let first = sign(&site, &id, &site.path("key"), "tester");
    assert!(first.out.contains("not let through yet") && first.out.contains("a second person"), "{first:?}");
    let refused = site.call(&["apply", &id]);
    assert!(refused.err.contains("tester has approved plan") && refused.status == 4, "{refused:?}");
    // Signing twice is no second person.
    sign(&site, &id, &site.path("key"), "tester");
    assert_eq!(site.call(&["approve", &id, "--check"]).status, 4);
    let other = key(&site, "bob", Some("bob"));
    let second = sign(&site, &id, &other, "bob");
    assert!(second.out.contains("next: vmwright apply"), "{second:?}");
    let check = site.call(&["approve", &id, "--check"]);
    assert!(check.out.contains("approved by tester and bob"), "{check:?}");
    let applied = site.call(&["apply", &id]);
    assert_eq!(applied.status, 0, "{applied:?}");
    site.call(&["vm", "stop", "web", "--force"]);
    // A list that cannot be read lets nothing through.
    site.file("config/two-persons", "everything\n");
    let refused = site.call(&["apply", &id]);
    assert!(refused.err.contains("line 1 is neither"), "{refused:?}");
}

#[test]
fn who_holds_every_tool_and_no_key_changes_nothing() {
    let (site, id) = planned();
    let runs = site.path("state/runs");
    let stopped = || {
        let list = site.call(&["vm", "list"]);
        assert!(!list.out.contains("running"), "{list:?}");
        assert!(!runs.exists() || fs::read_dir(&runs).unwrap().next().is_none(), "a run was begun");
    };
    let refused = |what: &str, done: &Done| {
        assert_ne!(done.status, 0, "{what}: {done:?}");
        stopped();
    };
    refused("no approval", &site.call(&["apply", &id]));
    // What a caller can say approves nothing.
    for words in [
        &["apply", id.as_str(), "--yes"][..],
        &["apply", id.as_str(), "--force"],
        &["apply", id.as_str(), "--approved-by", "tester"],
        &["apply", id.as_str(), "--principal", "tester"],
    ] {
        refused("an argument", &site.call(words));
    }
    // A key of one's own, under one's own name and another's.
    let own = key(&site, "mallory", None);
    for principal in ["mallory", "tester"] {
        let signed = sign(&site, &id, &own, principal);
        assert!(signed.out.contains("not let through yet"), "{signed:?}");
        refused("a key that nobody allows", &site.call(&["apply", &id]));
    }
    // An approval without a signature, with an empty one, and with that of another plan.
    let approvals = site.path("state/approvals");
    let signature = approvals.join(format!("{id}.json.sig"));
    let of_mallory = fs::read(&signature).unwrap();
    fs::remove_file(&signature).unwrap();
    refused("no signature", &site.call(&["apply", &id]));
    fs::write(&signature, "").unwrap();
    refused("an empty signature", &site.call(&["apply", &id]));
    site.machine("other", "");
    let other = site.call(&["plan", "--vm", "other", "--format", "json"]);
    let from = other.out.find("\"id\": \"").unwrap() + 7;
    let other = other.out[from..from + 64].to_owned();
    sign(&site, &other, &site.path("key"), "tester");
    for ending in ["json", "json.sig"] {
        fs::copy(approvals.join(format!("{other}.{ending}")), approvals.join(format!("{id}.{ending}")))
            .unwrap();
    }
    refused("another plan's approval", &site.call(&["apply", &id]));
    // The approved plan's file with the steps of the other; and the same by its path.
    let plans = site.path("state/plans");
    let stolen = fs::read_to_string(plans.join(format!("{id}.json"))).unwrap();
    let wanted = plans.join(format!("{other}.json"));
    let honest = fs::read(&wanted).unwrap();
    fs::write(&wanted, &stolen).unwrap();
    refused("another plan's steps", &site.call(&["apply", &other]));
    let mine = site.file("mine.json", stolen.replace("web", "wob"));
    refused("an edited plan", &site.call(&["apply", mine.to_str().unwrap()]));
    fs::write(&wanted, honest).unwrap();
    // A list of signers that others may write to allows nobody, not even its own people.
    let list = site.path("config/allowed_signers");
    let mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&list, mode).unwrap();
    };
    mode(0o666);
    refused("a list that others may write to", &site.call(&["apply", &other]));
    mode(0o644);
    fs::write(&signature, of_mallory).unwrap();
    refused("a stranger's signature", &site.call(&["apply", &id]));
    // With the key it goes.
    let applied = site.call(&["apply", &other]);
    assert_eq!(applied.status, 0, "{applied:?}");
    site.call(&["vm", "stop", "other", "--force"]);
}
