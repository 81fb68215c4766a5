//! What `vmwright review` does with VMs of libvirt's: copies go on and move, a second guest comes up, and the domain is afterwards
//! what it was, also where the review was killed. On a daemon in a mount namespace of the test's own.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/daemon.rs"]
mod daemon;
#[path = "../../guest/tests/support/mod.rs"]
mod support;

use common::{Done, Site};
use daemon::{can_run, run};
use serde_json::Value;
use std::fs;
use support::Parts;

/// The functions of the scripts.
const BEGIN: &str = r#"
    trap 'set +e; virsh destroy web; virsh destroy "their web"; kill $daemon; wait $daemon; true' EXIT
    left() { find "$VMWRIGHT_STATE/twins" -mindepth 1 2>/dev/null | head -n 3; virsh list --all --name; }
    review() { "$VMWRIGHT" review "$1" --gates "$2" --format json --output "$SITE/$3.json" || echo "status $?"; }
    "#;

/// The machine `web` on the daemon: vmwright's own, then the same as somebody else has it.
const EXERCISED: &str = r#"
    "$VMWRIGHT" vm create "$SITE/web.toml" --backend libvirt
    "$VMWRIGHT" vm start web
    virsh dumpxml --inactive web > "$SITE/before.xml"
    review web boot,migration,save-restore own
    virsh dumpxml --inactive web | cmp - "$SITE/before.xml" && echo "own as before"
    virsh domstate web
    sed -e '/<metadata>/,/<\/metadata>/d' -e '/<uuid>/d' -e 's,<name>web<,<name>their web<,' \
        -e 's,/state/machines/web/serial.log,/theirs.log,' -f "$SITE/knows.sed" "$SITE/before.xml" >"$SITE/theirs.xml"
    "$VMWRIGHT" vm stop web --force
    "$VMWRIGHT" vm delete web
    virsh define "$SITE/theirs.xml"
    virsh start "their web"
    virsh dumpxml --inactive "their web" > "$SITE/before.xml"
    # Its XML as it runs says whether the agent has come.
    for _ in $(seq 900); do virsh dumpxml "their web" | grep -q "state='connected'" && break; sleep 0.1; done
    virsh dumpxml "their web" > "$SITE/live.xml"
    review "their web" boot,migration,save-restore theirs
    virsh dumpxml --inactive "their web" | cmp - "$SITE/before.xml" && echo "theirs as before"
    virsh dumpxml "their web" | cmp - "$SITE/live.xml" && echo "theirs runs as before"
    echo "== left"; left; echo "== end"
    # Rules are asked about a name with a blank as well, and what to do next has it as one word.
    review "their web" cpu-flaws,isolation,known-flaws asked 2>"$SITE/asked.txt"
    # A review that is killed while the VM stands still.
    for _ in 1 2 3; do
        grep -q . /run/stood 2>/dev/null && break
        "$VMWRIGHT" review "their web" --gates boot,save-restore --format json >"$SITE/killed" 2>&1 &
        killed=$!
        for _ in $(seq 1000); do virsh domstate "their web" | grep -q paused && break; sleep 0.02; done
        virsh domstate "their web" | grep paused > /run/stood || true
        kill -KILL $killed; wait $killed || true
        for _ in $(seq 300); do
            [ -z "$(find "$VMWRIGHT_STATE/twins" -mindepth 1 2>/dev/null)" ] && virsh domstate "their web" | grep -q running && break
            sleep 0.1
        done
    done
    echo "== killed"; cat /run/stood; virsh domstate "their web"; left
    virsh dumpxml --inactive "their web" | cmp - "$SITE/before.xml" && echo "as before"
    virsh qemu-agent-command "their web" '{"execute":"guest-ping"}'
    pgrep -fc '[-]name guest=their web' || true
    echo "== end"
"#;

/// A site with the specification of the machine `web`, whose guest is our probe, with a disk of so many bytes.
fn specified(parts: &Parts, address: &str, bytes: usize, more: &str) -> Site {
    let site = Site::new();
    let initrd = site.file("initrd", &parts.initrd);
    let disk = site.file("web.raw", vec![0; bytes]);
    let spec = format!(
        "name = 'web'\naccelerator = 'tcg'\ncpu.model = 'max'\n[memory]\nsize = '192MiB'\n[boot]\nkernel = '{}'\n\
         initrd = '{}'\ncmdline = 'console=ttyS0 no_timer_check panic=-1 vmwright.net0={address}'\n\
         [[disk]]\npath = '{}'\nformat = 'raw'\n{more}",
        parts.kernel.display(),
        initrd.display(),
        disk.display(),
    );
    site.file("web.toml", spec);
    site
}

fn review(site: &Site, name: &str, done: &Done) -> Value {
    let text = fs::read_to_string(site.path(name)).unwrap_or_else(|error| panic!("{error}: {done:#?}"));
    serde_json::from_str::<Value>(&text).unwrap()["review"].clone()
}

#[track_caller]
fn gate<'a>(review: &'a Value, name: &str) -> &'a Value {
    let gates = review["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap_or_else(|| panic!("no gate {name}: {review:#}"))
}

/// What was said behind a mark.
fn between<'a>(done: &'a Done, mark: &str) -> &'a str {
    daemon::after(&done.out, &format!("{mark}\n")).trim_start_matches(mark)
}

#[test]
fn copies_of_a_domain_go_on_and_move_and_the_domain_is_as_before() {
    let test = "copies_of_a_domain_go_on_and_move_and_the_domain_is_as_before";
    let Some(parts) = support::parts(test) else { return };
    if !can_run(test, &["virt-qemu-run"]) {
        return;
    }
    let site = specified(parts, "192.0.2.2/24", 64 << 20, "[[network]]\nkind = 'user'\n");
    // Somebody else's has a generation id, and a kernel that heeds it, where that can be had.
    let knowing = support::parts_that_know_when_they_are_restored(test);
    let knows = knowing.as_ref().map_or_else(String::new, |parts| {
        let initrd = site.file("knowing", &parts.initrd);
        format!(
            "s,<kernel>.*</kernel>,<kernel>{}</kernel>,\ns,<initrd>.*</initrd>,<initrd>{}</initrd>,\ns,</name>,&<genid/>,\n",
            parts.kernel.display(),
            initrd.display()
        )
    });
    site.file("knows.sed", knows);
    let done = run(&site, &[], &format!("{BEGIN}{EXERCISED}"));
    for name in ["own.json", "theirs.json"] {
        let review = review(&site, name, &done);
        assert_eq!(gate(&review, "boot")["verdict"], "pass", "{:#}", gate(&review, "boot"));
        let moved = gate(&review, "migration");
        assert_eq!(moved["verdict"], "pass", "{moved:#}");
        assert_eq!(moved["tables"][0]["rows"][1][5], "0", "no page is wrong after the way back: {moved:#}");
        let figure = |name: &str| {
            let all = moved["measurements"].as_array().unwrap();
            all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{moved:#}"))["value"]
                .as_f64()
                .unwrap()
        };
        assert!(figure("there: sent") > 32e6 && figure("back: total") > 0.0, "{moved:#}");
        let restored = gate(&review, "save-restore");
        let rows = restored["tables"][0]["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{restored:#}");
        if name == "theirs.json" && knowing.is_some() {
            assert_eq!(restored["verdict"], "pass", "{restored:#}");
            assert_ne!(rows[0][2], rows[1][2], "generation ids: {restored:#}");
        } else {
            // Nothing tells this guest that it was restored: that two share their numbers is seen.
            let why = restored["why"].as_str().unwrap_or_else(|| panic!("{restored:#}"));
            assert!(why.contains("no generation id tells the guest"), "{restored:#}");
        }
        let still =
            restored["measurements"].as_array().unwrap().iter().find(|one| one["name"] == "VM stood still");
        assert!(still.unwrap()["value"].as_f64().unwrap() < 30.0, "{restored:#}");
    }
    for words in ["own as before", "theirs as before", "theirs runs as before"] {
        assert!(done.out.contains(words), "{words}: {done:#?}");
    }
    assert_eq!(between(&done, "left").trim(), "their web", "{done:#?}");
    let asked = review(&site, "asked.json", &done);
    let told = format!("{asked:#}{}", fs::read_to_string(site.path("asked.txt")).unwrap());
    assert!(!told.contains("no name of a VM") && !told.contains("no rule was asked"), "{told}");
    let gates = asked["gates"].as_array().unwrap();
    let next: Vec<&str> = gates
        .iter()
        .filter(|gate| gate["verdict"] == "fail")
        .flat_map(|gate| gate["next"].as_array().unwrap())
        .filter_map(Value::as_str)
        .filter(|command| command.contains("--vm"))
        .collect();
    assert!(!next.is_empty() && next.iter().all(|one| one.ends_with("--vm 'their web'")), "{asked:#}");
    let killed: Vec<&str> = between(&done, "killed").split_whitespace().collect();
    assert_eq!(
        killed,
        ["paused", "running", "their", "web", "as", "before", "{\"return\":{}}", "1"],
        "{done:#?}"
    );
}

/// A second guest on the network of the first, which is not there afterwards.
const BESIDE: &str = r#"
    # It shows the interfaces of whoever mounted it.
    mount -t sysfs none /sys
    ip link add vmwl0 type bridge
    ip address add 10.214.78.1/24 dev vmwl0
    ip link set vmwl0 up
    "$VMWRIGHT" vm create "$SITE/web.toml" --backend libvirt
    "$VMWRIGHT" vm start web
    virsh dumpxml --inactive web > "$SITE/before.xml"
    review web boot,guest-to-guest own
    virsh dumpxml --inactive web | cmp - "$SITE/before.xml" && echo "as before"
    echo "== left"; left; echo "== end"
    # A review that is killed while the second guest is there.
    "$VMWRIGHT" review web --gates guest-to-guest >"$SITE/killed" 2>&1 &
    killed=$!
    for _ in $(seq 1000); do virsh list --name | grep -q web-2 && break; sleep 0.02; done
    virsh list --name | grep web-2
    kill -KILL $killed; wait $killed || true
    for _ in $(seq 300); do
        [ -z "$(find "$VMWRIGHT_STATE/twins" -mindepth 1 2>/dev/null)" ] && ! virsh list --name | grep -q web-2 && break
        sleep 0.1
    done
    echo "== killed"; virsh domstate web; left
    virsh dumpxml --inactive web | cmp - "$SITE/before.xml" && echo "as before"
    echo "== end"
"#;

#[test]
fn a_second_guest_of_libvirt_comes_up_and_goes() {
    let test = "a_second_guest_of_libvirt_comes_up_and_goes";
    let Some(parts) = support::parts(test) else { return };
    if !can_run(test, &["virt-qemu-run", "ip"]) {
        return;
    }
    let network = "[[network]]\nkind = 'bridge'\nbridge = 'vmwl0'\nhost_address = '10.214.78.1/24'\n\
                   address = '10.214.78.2/24'\n";
    let site = specified(parts, "10.214.78.2/24", 1 << 20, network);
    // With a network of its own the bridge is gone with it.
    let done = run(&site, &["--net"], &format!("{BEGIN}{BESIDE}"));
    let review = review(&site, "own.json", &done);
    let reached = gate(&review, "guest-to-guest");
    assert_eq!(reached["verdict"], "pass", "{reached:#}");
    let row = &reached["tables"][0]["rows"][0];
    assert_eq!(row[1], "10.214.78.3", "the next address that nobody has");
    assert!(row[2].as_str().unwrap().starts_with("20 of 20 back"), "{row:#}");
    assert!(done.out.contains("as before"), "{done:#?}");
    assert_eq!(between(&done, "left").trim(), "web", "{done:#?}");
    assert!(done.out.contains("web-2"), "it was killed while the second guest was there: {done:#?}");
    let killed: Vec<&str> = between(&done, "killed").split_whitespace().collect();
    assert_eq!(killed, ["running", "web", "as", "before"], "{done:#?}");
}
