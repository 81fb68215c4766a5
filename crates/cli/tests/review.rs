//! `vmwright review` on machines that run: what it does with them, how it tells it, and that they run on afterwards.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/daemon.rs"]
mod daemon;
#[path = "../../guest/tests/support/mod.rs"]
mod support;
#[path = "common/web.rs"]
mod web;

use common::{Done, Site};
use serde_json::Value;
use std::fs;
use std::time::Instant;
use support::Parts;

const GATE_FAILED: i32 = 5;
const INCOMPLETE: i32 = 3;
const USAGE: i32 = 2;

/// A started machine with our probe in its guest.
fn started(site: &Site, parts: &Parts, more: &str) {
    web::started(site, parts, ADDRESS, more);
}

/// The address of its card, if it has one.
const ADDRESS: &str = "vmwright.net0=192.0.2.2/24";

fn reviewed(site: &Site, words: &[&str]) -> Value {
    let done = site.call(&[&["review", "web", "--format", "json"], words].concat());
    assert!(matches!(done.status, 0 | INCOMPLETE | GATE_FAILED), "{done:#?}");
    let review = done.json()["review"].clone();
    let verdict = match done.status {
        0 => "pass",
        INCOMPLETE => "incomplete",
        _ => "fail",
    };
    assert_eq!(done.json()["verdict"], verdict);
    review
}

#[track_caller]
fn gate<'a>(review: &'a Value, name: &str) -> &'a Value {
    let gates = review["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap_or_else(|| panic!("no gate {name}: {review:#}"))
}

#[track_caller]
fn fails(review: &Value, name: &str, why: &str) {
    let gate = gate(review, name);
    assert_eq!(gate["verdict"], "fail", "{gate:#}");
    assert!(gate["why"].as_str().unwrap().contains(why), "{gate:#}");
}

/// The machine runs, and nothing of the second machines is left.
#[track_caller]
fn as_before(site: &Site) {
    let list = site.call(&["vm", "list"]).ok().out;
    assert!(list.contains("running"), "{list}");
    let twins = fs::read_dir(site.path("state/twins")).into_iter().flatten().flatten();
    let left: Vec<_> = twins.map(|twin| twin.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_guest_moves_and_is_restored_and_runs_on() {
    let test = "a_guest_moves_and_is_restored_and_runs_on";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let disk = site.file("web.raw", vec![0; 1 << 20]);
    let more = format!(
        "[[disk]]\npath = '{}'\nformat = 'raw'\n[[network]]\nkind = 'user'\n\
         [process]\narguments = ['-device', 'vmgenid,guid=auto']\n",
        disk.display()
    );
    started(&site, parts, &more);
    let review = reviewed(&site, &["--gates", "boot,migration,save-restore"]);
    for name in ["boot", "migration"] {
        assert_eq!(gate(&review, name)["verdict"], "pass", "{:#}", gate(&review, name));
    }
    let moved = gate(&review, "migration");
    let figure = |name: &str| {
        let all = moved["measurements"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{moved:#}"))["value"]
            .as_f64()
            .unwrap()
    };
    assert!(figure("there: sent") > 32e6 && figure("back: total") > 0.0);
    assert_eq!(moved["tables"][0]["rows"][1][5], "0", "no page is wrong after the way back");
    // The two that were restored had generations of their own, and numbers of their own where their kernel heeds that.
    let restored = gate(&review, "save-restore");
    let rows = &restored["tables"][0]["rows"];
    assert_ne!(rows[0][2], rows[1][2], "{rows:#}");
    if restored["verdict"] == "pass" {
        assert_ne!(rows[0][1], rows[1][1], "{rows:#}");
    } else {
        // A kernel that does not heed its generation id: the next test has one that does.
        assert!(
            restored["why"].as_str().unwrap().contains("the guest's kernel has no driver for it"),
            "{restored:#}"
        );
    }
    as_before(&site);
    assert_eq!(gate(&reviewed(&site, &["--gates", "devices"]), "devices")["verdict"], "pass");
}

#[test]
fn a_socket_of_the_host_that_the_guest_reaches_fails() {
    let test = "a_socket_of_the_host_that_the_guest_reaches_fails";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = |more: &str| {
        let more =
            format!("[[network]]\nkind = 'user'\n[[network.forward]]\nhost = {port}\nguest = 22\n{more}");
        web::started(&site, parts, "vmwright.net0=10.0.2.15/24", &more);
        let review = reviewed(&site, &["--gates", "isolation"]);
        web::gone(&site);
        let isolation = gate(&review, "isolation").clone();
        let check = isolation["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["name"] == "from the guest")
            .cloned();
        (isolation, check.unwrap())
    };
    // The port that leads into the guest is no control of the host.
    let (isolation, check) = run("");
    assert_eq!(check["verdict"], "pass", "{isolation:#}");
    // A monitor for the loopback alone: QEMU's network in user space leads there. For a debugger its guest would stop.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [monitor, debugger] = ports.map(|port| port.local_addr().unwrap().port());
    let (isolation, check) = run(&format!(
        "[process]\narguments = ['-qmp', 'tcp:127.0.0.1:{monitor},server=on,wait=off', '-gdb', 'tcp:127.0.0.1:{debugger}']\n"
    ));
    assert_eq!(check["verdict"], "fail", "{isolation:#}");
    let why = check["why"].as_str().unwrap();
    assert_eq!(why, format!("the guest reaches this VM's VMM at 10.0.2.2:{monitor}"), "{isolation:#}");
    let rows = isolation["tables"][0]["rows"].to_string();
    assert!(rows.contains("not tried: it listens for a debugger"), "{isolation:#}");
}

/// Two ports that something can be plugged into.
const PORTS: &str = "[[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\nindex = 1\nport = 8\nchassis = 1\n\
                     [[controller]]\nkind = 'pci'\nmodel = 'pcie-root-port'\nindex = 2\nport = 9\nchassis = 2\n";

#[test]
fn devices_come_and_go_and_a_guest_that_does_not_notice_fails() {
    let test = "devices_come_and_go_and_a_guest_that_does_not_notice_fails";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    started(&site, parts, PORTS);
    let review = reviewed(&site, &["--gates", "boot,hot-plug"]);
    let plugged = gate(&review, "hot-plug");
    assert_eq!(plugged["verdict"], "pass", "{plugged:#}");
    let names: Vec<&str> =
        plugged["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["disk", "unplug", "network card", "read", "write", "discard"]);
    let rows = &plugged["tables"][0]["rows"];
    assert_eq!((rows[0][2].as_str(), rows[1][2].as_str()), (Some("virtio_blk"), Some("virtio_net")));
    // Once more: nothing is left of the first time.
    let review = reviewed(&site, &["--gates", "hot-plug"]);
    let again = gate(&review, "hot-plug");
    assert_eq!(again["verdict"], "pass", "{again:#}");
    as_before(&site);
    web::gone(&site);

    // A guest whose kernel was told to look at no port.
    web::started(&site, parts, "acpiphp.disable=1 pcie_ports=compat", PORTS);
    let review = reviewed(&site, &["--gates", "hot-plug"]);
    fails(&review, "hot-plug", "the guest does not find the disk within 15 s");
    fails(&review, "hot-plug", "the disk stays plugged until the guest lets go of it or ends");
    as_before(&site);
}

#[test]
fn guests_that_know_that_they_were_restored_draw_numbers_of_their_own() {
    let test = "guests_that_know_that_they_were_restored_draw_numbers_of_their_own";
    let Some(parts) = support::parts_that_know_when_they_are_restored(test) else { return };
    let site = Site::new();
    started(&site, &parts, "[process]\narguments = ['-device', 'vmgenid,guid=auto']\n");
    let review = reviewed(&site, &["--gates", "boot,save-restore"]);
    let restored = gate(&review, "save-restore");
    assert_eq!(restored["verdict"], "pass", "{restored:#}");
    let rows = &restored["tables"][0]["rows"];
    assert_ne!(rows[0][1], rows[1][1], "random numbers: {rows:#}");
    assert_ne!(rows[0][2], rows[1][2], "generation ids: {rows:#}");
    as_before(&site);
}

#[test]
fn what_cannot_move_and_what_shares_its_random_numbers_fails() {
    let test = "what_cannot_move_and_what_shares_its_random_numbers_fails";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    // QEMU's NVMe controller cannot be migrated; nothing tells the guest that it was restored.
    let nvme = "[process]\narguments = ['-blockdev', 'driver=null-co,node-name=nothing', '-device', 'nvme,serial=a,drive=nothing']\n";
    started(&site, parts, nvme);
    let review = reviewed(&site, &["--gates", "migration"]);
    fails(&review, "migration", "nvme");
    as_before(&site);
    web::gone(&site);

    started(&site, parts, "");
    // A young kernel takes a new key for its random numbers every few seconds: where that falls between restore and first
    // draw, the numbers differ for once, which proves nothing and passes nothing. The older it is the less often it does.
    let mut review = reviewed(&site, &["--gates", "save-restore"]);
    for _ in 0..24 {
        assert_ne!(gate(&review, "save-restore")["verdict"], "pass");
        if gate(&review, "save-restore")["verdict"] == "fail" {
            break;
        }
        // From two minutes on it takes a new key once a minute (kernel, drivers/char/random.c, `crng_reseed_interval()`).
        std::thread::sleep(std::time::Duration::from_secs(5));
        review = reviewed(&site, &["--gates", "save-restore"]);
    }
    fails(&review, "save-restore", "share");
    fails(&review, "save-restore", "no generation id tells the guest that it was restored");
    as_before(&site);
}

/// A daemon in a mount namespace of the test's own, and the probe guest on it.
const ON_LIBVIRT: &str = r#"
    trap 'set +e; virsh destroy web; kill $daemon; wait $daemon; true' EXIT
    "$VMWRIGHT" vm create "$SITE/web.toml" --backend libvirt
    "$VMWRIGHT" vm start web
    "$VMWRIGHT" review web --gates boot,devices,isolation,hot-plug --format json --output "$SITE/review.json" || echo "status $?"
    virsh dumpxml --inactive web > "$SITE/domain.xml"
    "$VMWRIGHT" vm stop web --force
    "$VMWRIGHT" vm delete web
    # The same domain by another name, as somebody else has it.
    sed -e '/<metadata>/,/<\/metadata>/d' -e '/<uuid>/d' -e 's,<name>web<,<name>their web<,' \
        -e 's,/state/machines/web/serial.log,/theirs.log,' "$SITE/domain.xml" >"$SITE/theirs.xml"
    virsh define "$SITE/theirs.xml"
    virsh dumpxml --inactive "their web" > "$SITE/before.xml"
    "$VMWRIGHT" review "their web" --gates boot,devices,hot-plug --format json --output "$SITE/theirs.json" || echo "status $?"
    "$VMWRIGHT" review "their web" --gates devices --baseline last --format json --output "$SITE/again.json" || echo "status $?"
    "$VMWRIGHT" vm pause "their web"
    virsh domstate "their web"
    "$VMWRIGHT" vm resume "their web"
    "$VMWRIGHT" vm exec "their web" -- /init spin 2 10 >"$SITE/spun"
    "$VMWRIGHT" vm stats "their web" >"$SITE/counted"
    "$VMWRIGHT" vm clone "their web" copy || echo "no copy: $?"
    virsh dumpxml --inactive "their web" > "$SITE/after.xml"
    # A QEMU of its makers' own, of a version that is known for its flaws, and of one that nobody has found any in yet.
    qemu=$(readlink -f "$(command -v qemu-system-x86_64)")
    for version in 8.0.0 99.0.0; do
        printf '#!/bin/sh\necho QEMU emulator version %s\n' $version >"$SITE/qemu"
        chmod 755 "$SITE/qemu"
        mount --bind "$SITE/qemu" "$qemu"
        "$VMWRIGHT" review "their web" --gates known-flaws --format json --output "$SITE/$version.json" || echo "status $?"
        umount "$qemu"
    done
    virsh destroy "their web"
    virsh undefine "their web"
    "$VMWRIGHT" vm list
"#;

#[test]
fn a_guest_on_libvirt_is_asked_by_way_of_libvirt() {
    let test = "a_guest_on_libvirt_is_asked_by_way_of_libvirt";
    let Some(parts) = support::parts(test) else { return };
    if !daemon::can_run(test, &["virt-qemu-run"]) {
        return;
    }
    let site = Site::new();
    web::specified(&site, parts, ADDRESS, "");
    let done = daemon::run(&site, &[], ON_LIBVIRT);
    let text =
        fs::read_to_string(site.path("review.json")).unwrap_or_else(|error| panic!("{error}: {done:#?}"));
    let review = serde_json::from_str::<Value>(&text).unwrap()["review"].clone();
    assert_eq!(review["accelerator"], "tcg");
    assert_eq!(gate(&review, "boot")["verdict"], "pass", "{:#}", gate(&review, "boot"));
    // The guest told its devices, and what the VMM made stands in the domain as it runs.
    let devices = gate(&review, "devices");
    assert_eq!(devices["verdict"], "pass", "{devices:#}");
    let rows = devices["tables"][0]["rows"].as_array().unwrap();
    let processors = rows.iter().find(|row| row[0] == "processors").unwrap();
    assert_eq!((&processors[2], &processors[3]), (&"1".into(), &"1".into()), "{devices:#}");
    // What is plugged in and out is so by libvirt.
    let plugged = gate(&review, "hot-plug");
    assert_eq!(plugged["verdict"], "pass", "{plugged:#}");
    let rows = &plugged["tables"][0]["rows"];
    assert_eq!((rows[0][2].as_str(), rows[1][2].as_str()), (Some("virtio_blk"), Some("virtio_net")));
    // What holds the VMM is read of its process, whoever started it.
    let isolation = gate(&review, "isolation");
    let layers = isolation["tables"][0]["rows"].as_array().unwrap();
    assert!(
        layers.iter().any(|row| row[0] == "seccomp" && row[1].as_str().unwrap().contains(" threads")),
        "{isolation:#}"
    );
    // A domain that vmwright did not make is reviewed the same, and stays as it was.
    let read =
        |name: &str| fs::read_to_string(site.path(name)).unwrap_or_else(|error| panic!("{error}: {done:#?}"));
    let review = serde_json::from_str::<Value>(&read("theirs.json")).unwrap()["review"].clone();
    assert_eq!(review["vm"], "their-web");
    for name in ["boot", "devices", "hot-plug"] {
        assert_eq!(gate(&review, name)["verdict"], "pass", "{:#}", gate(&review, name));
    }
    let again = serde_json::from_str::<Value>(&read("again.json")).unwrap()["review"].clone();
    assert_eq!(gate(&again, "devices")["verdict"], "pass", "{again:#}");
    assert_eq!(read("before.xml"), read("after.xml"));
    // Whether flaws are known of the VMM, whatever this host's kernel does about those of its processor.
    for (version, verdict) in [("8.0.0", "fail"), ("99.0.0", "pass")] {
        let review =
            serde_json::from_str::<Value>(&read(&format!("{version}.json"))).unwrap()["review"].clone();
        let checks = gate(&review, "known-flaws")["checks"].as_array().unwrap();
        let versions = checks.iter().find(|check| check["name"] == "versions").unwrap();
        assert_eq!(versions["verdict"], verdict, "{versions:#}");
    }
    // What is asked of a machine is asked of it too, but for what would be left without a home.
    assert!(done.out.contains("\npaused\n"), "{done:#?}");
    assert_eq!(serde_json::from_str::<Vec<f64>>(&read("spun")).unwrap().len(), 2);
    assert!(!read("counted").trim().is_empty());
    assert!(
        done.out.contains("cannot clone their web: vmwright makes copies of its own")
            && done.out.contains("no copy: 2"),
        "{done:#?}"
    );
    assert_eq!(fs::read_dir(site.path("state/twins")).map(Iterator::count).unwrap_or(0), 0);
}

#[test]
fn more_processors_than_the_host_has_fail() {
    let test = "more_processors_than_the_host_has_fail";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let host = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    started(&site, parts, &format!("cpu.count = {}\n", host + 1));
    let mut review = reviewed(&site, &["--gates", "utilisation"]);
    // With several threads TCG may end by an assertion of QEMU's own, which it says last (`iotlb_to_section`, seen of 7.2). A
    // QEMU that is gone without a word fails the test.
    for _ in 0..2 {
        if !review.to_string().contains("the last that it said") {
            break;
        }
        eprintln!("started once more: {}", gate(&review, "utilisation")["checks"]);
        site.call(&["vm", "start", "web"]).ok();
        review = reviewed(&site, &["--gates", "utilisation"]);
    }
    fails(&review, "utilisation", &format!("it has {} virtual processors, and the host", host + 1));
    let gate = gate(&review, "utilisation");
    let rows = gate["tables"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{gate:#}");
    as_before(&site);
}

#[test]
fn a_review_is_told_in_each_format_and_by_its_exit_status() {
    let test = "a_review_is_told_in_each_format_and_by_its_exit_status";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    started(&site, parts, "");
    // The guest is up after the first.
    reviewed(&site, &["--gates", "boot"]);
    let began = Instant::now();
    let review = reviewed(&site, &["--quick"]);
    eprintln!("a quick review takes {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(review["depth"], "quick");
    let left: Vec<&str> = review["left_out"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        left.contains(&"migration") && left.contains(&"known-flaws") && !left.contains(&"fips"),
        "{left:?}"
    );
    let review = reviewed(&site, &["--gates", "utilisation,hot-plug"]);
    let used = gate(&review, "utilisation");
    assert_eq!(used["verdict"], "pass", "{used:#}");
    // It has no port that anything could be plugged into.
    assert_eq!(gate(&review, "hot-plug")["verdict"], "not-applicable");
    let call = |format: &str| -> Done {
        site.call(&["review", "web", "--gates", "boot,devices", "--format", format])
    };
    let junit = call("junit").ok();
    let document = roxmltree::Document::parse(&junit.out).unwrap();
    assert_eq!(document.root_element().attribute("failures"), Some("0"));
    let suites = document.descendants().filter(|node| node.has_tag_name("testsuite")).count();
    assert_eq!(suites, 2);
    let markdown = call("markdown").ok();
    assert!(markdown.out.starts_with("# Review of vm web: pass\n"), "{}", markdown.out);
    let html = call("html").ok();
    assert!(html.out.starts_with("<!doctype html>") && html.out.contains("<svg"));
    call("sarif").fails(USAGE, &["--format sarif is for"]);
    let text = call("text").ok();
    assert!(text.out.contains("verdict: pass") && text.out.contains("not tried: "), "{}", text.out);
    assert!(text.err.contains("boot: pass ("), "progress: {}", text.err);
    site.call(&["review", "web", "--gates", "bot"]).fails(USAGE, &["there is no gate `bot`"]);
}

/// This machine itself, with a VM that runs as whoever runs the test.
#[test]
fn the_host_is_reviewed_with_the_vms_that_run_on_it() {
    let test = "the_host_is_reviewed_with_the_vms_that_run_on_it";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    started(&site, parts, "");
    let done = site.call(&["review", "localhost", "--framework", "cis", "--format", "json"]);
    assert!(matches!(done.status, 0 | INCOMPLETE | GATE_FAILED), "{done:#?}");
    let review = done.json()["review"].clone();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(review["host"], name.trim());
    assert!(review.get("vm").is_none() && review.get("accelerator").is_none());
    let names: Vec<&str> =
        review["gates"].as_array().unwrap().iter().map(|gate| gate["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu-flaws", "isolation", "known-flaws", "utilisation"]);
    // The VM is among those that run, with what holds it in the kernel's words.
    let pid =
        site.call(&["vm", "list", "--format", "json"]).ok().json()["machines"][0]["pid"].as_u64().unwrap();
    let isolation = gate(&review, "isolation");
    let rows = isolation["tables"][1]["rows"].as_array().unwrap();
    let number = pid.to_string();
    let own =
        rows.iter().find(|row| row[1].as_str() == Some(&*number)).unwrap_or_else(|| panic!("{isolation:#}"));
    assert!(own[0].as_str().unwrap().contains("web"), "{own}");
    let held = own[3].as_str().unwrap().split_once(" of ").unwrap();
    assert_eq!(format!("{} threads", held.0), held.1, "vmwright holds each thread: {own}");
    let root = own[2].as_str().unwrap().starts_with("uid 0,");
    let told = format!("(process {pid}): the VMM runs as root");
    assert_eq!(isolation["why"].as_str().is_some_and(|why| why.contains(&told)), root, "{isolation:#}");
    // Its 192 MiB are among what was promised.
    let used = gate(&review, "utilisation");
    let rows = used["tables"][0]["rows"].as_array().unwrap();
    assert!(
        rows.iter().any(|row| row[0].as_str().unwrap().contains(&number) && row[2] == "192 MiB"),
        "{used:#}"
    );
    // The processor's flaws are those of the kernel's files.
    let flaws = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().count();
    assert_eq!(gate(&review, "cpu-flaws")["tables"][0]["rows"].as_array().map_or(0, Vec::len), flaws);
    // For people, and for tools of assessors.
    let text = site.call(&["review", "localhost", "--quick"]);
    assert!(text.out.starts_with(&format!("review of host {}, began ", name.trim())), "{text:#?}");
    assert!(text.err.contains("ENTERING REVIEW MODE: host "), "{}", text.err);
    let page = text.out.lines().find_map(|line| line.strip_prefix("report: ")).unwrap();
    assert!(page.contains("/host@localhost-2"), "{page}");
    let oscal =
        site.call(&["review", "localhost", "--framework", "nist-800-125", "--format", "oscal"]).json();
    assert_eq!(oscal["assessment-results"]["results"].as_array().unwrap().len(), 1);
    site.call(&["review", "localhost", "--format", "oscal"])
        .fails(USAGE, &["by the controls of a framework"]);
    site.call(&["review", "localhost", "--gates", "boot"]).fails(USAGE, &["a host has no gate `boot`"]);
    site.call(&["review", "localhost", "--baseline", "last"]).fails(USAGE, &["goes with a VM"]);
    as_before(&site);
}

#[test]
fn a_signed_review_is_verified_and_a_changed_one_is_not() {
    let test = "a_signed_review_is_verified_and_a_changed_one_is_not";
    let Some(parts) = support::parts(test) else { return };
    let site = Site::new();
    let key = site.approver();
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    started(&site, parts, "");
    let words = [
        "review",
        "web",
        "--gates",
        "isolation,fips",
        "--framework",
        "cis,fips-140",
        "--key",
        key.to_str().unwrap(),
    ];
    let made = site.call(&words);
    assert_eq!(made.status, GATE_FAILED, "no kernel here runs in FIPS mode: {made:#?}");
    for part in [
        "CIS Critical Security Controls",
        "FIPS 140-2 is historical",
        "not met",
        "not tested",
        "outside a tool's reach",
    ] {
        assert!(made.out.contains(part), "{part}: {}", made.out);
    }
    assert!(!made.out.contains("compliant"), "{}", made.out);
    let page = made.out.lines().find_map(|line| line.strip_prefix("report: ")).unwrap();
    let stem = page.strip_suffix(".html").unwrap();
    let oscal: Value =
        serde_json::from_str(&fs::read_to_string(format!("{stem}.oscal.json")).unwrap()).unwrap();
    assert_eq!(oscal["assessment-results"]["results"].as_array().unwrap().len(), 2);

    let name = stem.rsplit('/').next().unwrap();
    let verify = |what: &str| site.call(&["verify", what]);
    let refused =
        |done: &Done, why: &str| assert!(done.status == 4 && done.out.contains(why), "{why}: {done:#?}");
    refused(&verify(name), "the signature does not fit");
    site.file("config/allowed_signers", format!("tester namespaces=\"review@vmwright\" {public}"));
    let good = verify(name).ok();
    assert!(
        good.out.contains("3 files are as it says") && good.out.contains("signed by tester"),
        "{good:#?}"
    );
    verify(page).ok();
    // Somebody makes a failure a pass.
    let json = fs::read_to_string(format!("{stem}.json")).unwrap();
    fs::write(format!("{stem}.json"), json.replacen("fail", "pass", 1)).unwrap();
    refused(&verify(name), "was changed");
    fs::write(format!("{stem}.json"), json).unwrap();
    verify(name).ok();
    fs::remove_file(format!("{stem}.manifest.sig")).unwrap();
    refused(&verify(name), "nobody has signed it");
    site.call(&["verify", "web-nothing"]).fails(INCOMPLETE, &["web-nothing.manifest"]);
    site.call(&["review", "web", "--framework", "iso"])
        .fails(USAGE, &["there is no framework `iso`", "pci-dss"]);
    site.call(&["review", "web", "--baseline", "nothing"]).fails(INCOMPLETE, &["nothing.json"]);
}
