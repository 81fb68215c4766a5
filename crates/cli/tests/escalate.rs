//! What is handed over, to whom, and by which command.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::Site;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

const LOCK: &str = "qemu-system-x86_64: -drive file=/vm/web.qcow2: Failed to get \"write\" lock\n";

/// An investigation of records, by its number.
fn investigated(site: &Site, question: &str, log: &str) -> String {
    let log = site.file("logs/web.log", log);
    let logs = log.parent().unwrap().to_str().unwrap().to_owned();
    let call = site.call(&["investigate", question, "--from", &logs, "--format", "json"]);
    call.json()["investigation"].to_string()
}

#[test]
fn a_dossier_has_question_evidence_what_was_tried_and_what_is_asked() {
    let site = Site::new();
    let number = investigated(&site, "the disk is in use", LOCK);
    site.call(&["escalate", &number]).fails(4, &["beyond vmwright's authority"]);
    let words = ["escalate", &number, "--to", "security-engineer", "--ask", "may two VMs share this disk"];
    let made = site.call(&[&words[..], &["--format", "json"]].concat()).ok().json();
    let dossier = &made["dossier"];
    assert_eq!(
        (&dossier["schema"], &dossier["agent"]),
        (&"vmwright.dossier/1".into(), &"security-engineer".into())
    );
    assert_eq!(dossier["asked"], "may two VMs share this disk");
    assert_eq!(dossier["findings"][0]["rule"], "storage/image-locked");
    let quote = &dossier["findings"][0]["evidence"][0];
    assert_eq!((&quote["source"], &quote["line"]), (&"web.log".into(), &1.into()));
    assert!(dossier["tried"][0].as_str().unwrap().starts_with("read "), "{dossier:#}");
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(made["json"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(kept, *dossier);
    let markdown = std::fs::read_to_string(made["markdown"].as_str().unwrap()).unwrap();
    for part in [
        "# For the security-engineer",
        "> the disk is in use",
        "may two VMs share",
        "`web.log:1`",
        "Failed to get",
    ] {
        assert!(markdown.contains(part), "{part:?} is not in: {markdown}");
    }
    let listed = site.call(&["journal", "list", "--format", "json"]).json();
    assert_eq!(listed["entries"][0][1]["operation"], "escalate");
    assert!(made["hook"].is_null());
    site.call(&["escalate", &number, "--to", "nobody"]).fails(2, &["security-engineer"]);
}

#[test]
fn what_lies_outside_the_authority_goes_to_whom_its_rule_names() {
    let site = Site::new();
    let log = "[  100.0] kernel BUG at arch/x86/kvm/mmu/mmu.c:679!\n";
    let number = investigated(&site, "the host crashes in KVM when the VM starts: kernel BUG", log);
    let made = site.call(&["escalate", &number, "--format", "json"]);
    assert_eq!(made.status, 0, "{made:#?}");
    let dossier = made.json()["dossier"].clone();
    assert_eq!(dossier["agent"], "debug-specialist", "{dossier:#}");
    assert!(dossier["reason"].as_str().unwrap().contains("outside vmwright's authority"), "{dossier:#}");
}

#[test]
fn the_administrators_command_is_given_the_dossier() {
    let site = Site::new();
    let number = investigated(&site, "the disk is in use", LOCK);
    let hook = site.file(
        "hook.sh",
        format!("#!/bin/sh\ncat > {0}/got.json\necho \"$VMWRIGHT_TO $1\"\n", site.dir.path().display()),
    );
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    site.file("config/vmwright.toml", format!("[escalate]\nhook = [{:?}, \"--queue x\"]\n", hook));
    let words = ["escalate", &number, "--to", "systems-architect"];
    let made = site.call(&words).ok();
    assert!(made.out.contains("took it") && made.out.contains("systems-architect --queue x"), "{}", made.out);
    let got: Value = serde_json::from_str(&std::fs::read_to_string(site.path("got.json")).unwrap()).unwrap();
    assert_eq!(got["agent"], "systems-architect");

    site.file("hook.sh", "#!/bin/sh\nexit 7\n");
    let failed = site.call(&words);
    assert!(failed.status == 3 && failed.out.contains("status 7"), "{failed:#?}");
    // Whoever could write the program could have anything done.
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o777)).unwrap();
    site.call(&words).fails(4, &["may write to it"]);
    site.file("config/vmwright.toml", "[escalate]\nhook = \"page me\"\n");
    site.call(&words).fails(2, &["line 2", "list of texts"]);
}
