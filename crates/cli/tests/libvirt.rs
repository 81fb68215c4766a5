//! Machines by way of libvirt, from the command line, on a daemon in a mount namespace of the test's own.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;
#[path = "common/daemon.rs"]
mod daemon;

use common::Site;
use daemon::{after, can_run, run};
use std::process::Command;

/// What a shell does in a host of its own. Each call's words come before what it says.
const SCRIPT: &str = r#"
    trap 'set +e; kill -CONT $daemon; virsh destroy ours; virsh destroy theirs; kill $daemon; wait $daemon; true' EXIT
    echo "<domain type='qemu'><name>theirs</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>" > /run/theirs.xml
    virsh -q define /run/theirs.xml
    say vm create "$SITE/ours.toml" --backend libvirt
    say vm start ours
    say vm list
    say vm show ours
    say vm stop ours --force
    say vm start theirs
    say vm stop theirs --force
    say vm delete theirs
    # Behind vmwright's back: the daemon is killed and comes again, and the domain is ended and forgotten.
    say vm start ours
    kill -KILL $daemon; wait $daemon || true
    echo == while the daemon is away; "$VMWRIGHT" vm list
    begin_daemon
    echo == when the daemon is back; "$VMWRIGHT" vm list
    virsh -q undefine ours
    echo == while the domain is undefined; "$VMWRIGHT" vm list
    virsh -q destroy ours
    echo == when the domain is gone; "$VMWRIGHT" vm list
    say vm start ours
    say vm stop ours --force
    say vm delete ours
    virsh list --all --name
    if [ -x "$(command -v setpriv)" ]; then
        # Another user's own daemon, which vmwright starts, and which ends with its place.
        mkdir /run/user; chmod 711 /run/user
        cp "$SITE/disk.raw" "$SITE/ours.toml" /run/user/
        chown -R 65534:65534 /run/user
        # After that: the program itself stays whose it is.
        touch /run/user/vmwright; mount --bind "$VMWRIGHT" /run/user/vmwright
        session() {
            echo "== session $*"
            setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME=/run/user \
                XDG_RUNTIME_DIR=/run/user VMWRIGHT_STATE=/run/user/state VMWRIGHT_CONFIG=/run/user/config \
                /run/user/vmwright "$@" || echo "status $?"
        }
        session vm create /run/user/ours.toml --backend qemu:///session
        session vm start ours
        session vm list
        session vm stop ours --force
        session vm delete ours
        kill "$(cat /run/user/libvirt/libvirtd.pid)" || true
    fi
    kill -STOP $daemon
    say vm list
"#;

#[test]
fn machines_and_other_peoples_domains() {
    let test = "machines_and_other_peoples_domains";
    if !can_run(test, &["virt-qemu-run"]) {
        return;
    }
    let site = Site::new();
    site.file("disk.raw", [0; 4096]);
    site.file(
        "ours.toml",
        "name = 'ours'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n[[disk]]\npath = 'disk.raw'\nformat = 'raw'\n",
    );
    let said = run(&site, &[], SCRIPT).out;
    println!("{said}");
    // Without the mark itself: its words are those of what follows.
    let after = |call: &str| after(&said, &format!("{call}\n"))[call.len()..].to_owned();
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.trim_start().starts_with(name));
        found
            .unwrap_or_else(|| panic!("no `{name}` in {text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line(&after("vm start ours"), "ours").split(' ').nth(1), Some("running"), "{said}");
    let list = after("vm list");
    assert!(line(&list, "ours").ends_with("tcg qemu:///system"), "{list}");
    assert_eq!(line(&list, "theirs"), "theirs defined pid - - qemu:///system");
    assert!(after("vm show ours").contains("<name>ours</name>"), "{said}");
    assert!(line(&after("vm stop ours --force"), "ours").starts_with("ours defined"), "{said}");
    assert!(line(&after("vm start theirs"), "theirs").starts_with("theirs running"), "{said}");
    assert!(line(&after("vm stop theirs --force"), "theirs").starts_with("theirs defined"), "{said}");
    // What happens behind its back is seen at the next look.
    let seen = |when: &str| line(&after(when), "ours");
    assert!(seen("while the daemon is away").starts_with("ours unknown: "), "{said}");
    assert!(seen("when the daemon is back").starts_with("ours running pid"), "{said}");
    assert!(seen("while the domain is undefined").starts_with("ours running pid"), "{said}");
    assert!(seen("when the domain is gone").starts_with("ours gone"), "{said}");
    if said.contains("== session") {
        assert!(line(&after("session vm list"), "ours").ends_with("tcg qemu:///session"), "{said}");
        assert!(line(&after("session vm stop ours --force"), "ours").starts_with("ours defined"), "{said}");
        assert!(!after("session vm delete ours").contains("status"), "{said}");
    } else {
        eprintln!("SKIPPED the part of {test} with a user's own daemon: no setpriv");
    }
    // What vmwright did not make it does not delete; what it made leaves nothing in libvirt.
    assert!(after("vm delete theirs").contains("no machine `theirs`"), "{said}");
    let left = after("vm delete ours");
    assert!(!left.lines().any(|line| line == "ours") && left.lines().any(|line| line == "theirs"), "{left}");
    // A daemon that stands still does not hold up the list.
    let last = &said[said.rfind("== vm list").unwrap()..];
    assert!(last.contains("not listed: the domains of qemu:///system: libvirt gave no answer"), "{last}");
}

/// What a plan makes in libvirt and takes out of it; behind the words that bring a daemon up.
const PLANNED: &str = r#"
    trap 'set +e; kill $daemon; wait $daemon; true' EXIT
    say plan create "$SITE/made.toml" --backend libvirt --size 8MiB
    plan=$("$VMWRIGHT" plan create "$SITE/made.toml" --backend libvirt --size 8MiB --format json 2>/dev/null |
        grep -o '"id": "[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4)
    say approve "$plan" --key "$SITE/key" --principal tester
    say apply "$plan" > /run/applied
    cat /run/applied
    run=$(sed -n 's/^run //p' /run/applied)
    echo "== made"; virsh list --all --name; ls "$SITE/images"
    echo "<domain type='qemu'><name>twin</name><memory unit='MiB'>32</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices><disk type='file'><source file='$SITE/images/root.qcow2'/><target dev='vda'/></disk></devices></domain>" > /run/twin.xml
    virsh -q define /run/twin.xml
    sed 's/made/other/' "$SITE/made.toml" > "$SITE/other.toml"
    say plan create "$SITE/other.toml" --backend libvirt
    virsh -q undefine twin
    virsh -q desc made --config by hand > /run/desc
    say undo "$run"
    echo "== kept"; virsh list --all --name
    virsh -q desc made --config '' > /run/desc
    say undo "$run"
    echo "== gone"; virsh list --all --name; ls -d "$SITE/images" || true
"#;

#[test]
fn a_plan_defines_a_machine_and_takes_back_what_nobody_else_changed() {
    let test = "a_plan_defines_a_machine_and_takes_back_what_nobody_else_changed";
    if !can_run(test, &["qemu-img"]) {
        return;
    }
    let site = Site::new();
    site.approver();
    let disk = site.path("images/root.qcow2");
    let disk = disk.to_str().unwrap();
    let spec = format!(
        "name = 'made'\naccelerator = 'tcg'\nmemory.size = '32MiB'\n[[disk]]\npath = '{disk}'\nformat = 'qcow2'\n"
    );
    site.file("made.toml", spec);
    let said = run(&site, &[], PLANNED).out;
    let after = |call: &str| after(&said, call);
    assert!(after("made").contains("\nmade\n") && after("made").contains("root.qcow2"), "{said}");
    let other = after("plan create");
    assert!(other.contains("create vm made"), "{said}");
    assert!(said.contains("is taken by domain twin of libvirt and vm made"), "{said}");
    assert!(after("undo").contains("somebody else changed its domain in libvirt"), "{said}");
    assert!(after("kept").contains("\nmade\n"), "{said}");
    assert!(!after("gone").contains("\nmade\n") && !std::path::Path::new(disk).exists(), "{said}");
}

/// A domain that somebody else made, hardened and tuned in its own XML; behind the words that bring a daemon up.
const CHANGED: &str = r#"
    trap 'set +e; kill $daemon $session; wait $daemon; true' EXIT
    cat > /run/theirs.xml <<END
<domain type='qemu'>
  <!-- the shop's -->
  <name>NAME</name>
  <memory unit='MiB'>64</memory>
  <memoryBacking><hugepages/></memoryBacking>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='$SITE/disk.raw'/>
      <target dev='vda' bus='virtio'/>
      <serial>S1</serial>
    </disk>
    <graphics type='vnc' port='-1' autoport='yes' listen='0.0.0.0' passwd='canary77'/>
  </devices>
</domain>
END
    through() {
        id=$("$@" --format json 2>/dev/null | grep -o '"id": "[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4)
    }
    sed s/NAME/theirs/ /run/theirs.xml > /run/system.xml
    virsh -q define /run/system.xml
    virsh dumpxml theirs --inactive --security-info > /run/before
    say plan harden theirs
    through "$VMWRIGHT" plan harden theirs
    say approve "$id" --key "$SITE/key" --principal tester
    say apply "$id" > /run/applied
    cat /run/applied
    run=$(sed -n 's/^run //p' /run/applied)
    echo "== hardened"; virsh dumpxml theirs --inactive --security-info
    say undo "$run"
    echo "== back"; virsh dumpxml theirs --inactive --security-info | cmp - /run/before && echo "byte for byte"
    # Somebody else is faster.
    say apply "$id" > /run/again
    run=$(sed -n 's/^run //p' /run/again)
    virsh dumpxml theirs --inactive --security-info | sed "s/listen='127.0.0.1'/listen='127.0.0.2'/; s/address='127.0.0.1'/address='127.0.0.2'/" > /run/mine.xml
    virsh -q define /run/mine.xml
    say undo "$run"
    echo "== left"; virsh dumpxml theirs --inactive
    virsh -q define /run/before
    through "$VMWRIGHT" plan tune theirs --for throughput
    say preview "$id"
    if [ -x "$(command -v setpriv)" ]; then
        mount -t tmpfs none /home
        mkdir -p /home/u/state /run/user
        cp -r "$SITE/config" "$SITE/key" /home/u/
        sed s/NAME/own/ /run/theirs.xml > /home/u/own.xml
        chown -R 65534:65534 /home/u /run/user
        touch /run/user-vmwright; mount --bind "$VMWRIGHT" /run/user-vmwright
        as_user() {
            setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME=/home/u \
                XDG_RUNTIME_DIR=/run/user VMWRIGHT_STATE=/home/u/state VMWRIGHT_CONFIG=/home/u/config "$@"
        }
        echo "== session"
        as_user virsh -q -c qemu:///session define /home/u/own.xml
        session=$(cat /run/user/libvirt/libvirtd.pid)
        through as_user /run/user-vmwright plan harden own
        as_user /run/user-vmwright approve "$id" --key /home/u/key --principal tester || echo "status $?"
        as_user /run/user-vmwright apply "$id" || echo "status $?"
        as_user virsh -c qemu:///session dumpxml own --inactive
    fi
"#;

#[test]
fn a_domain_that_somebody_else_made_is_changed_in_its_own_places() {
    let test = "a_domain_that_somebody_else_made_is_changed_in_its_own_places";
    if !can_run(test, &[]) {
        return;
    }
    let site = Site::new();
    site.approver();
    site.file("disk.raw", [0; 4096]);
    let said = run(&site, &[], CHANGED).out;
    println!("{said}");
    let after = |call: &str| after(&said, call);
    assert!(after("plan harden").contains("has it from its next start"), "{said}");
    assert!(said.contains("step 1: changes domain theirs of qemu:///system from its next start"), "{said}");
    let hardened = after("hardened");
    for part in ["dumpCore='off'", "listen='127.0.0.1'", "passwd='canary77'", "<serial>S1</serial>"] {
        assert!(hardened.contains(part), "{part} is not in {hardened}");
    }
    assert!(after("back").contains("byte for byte"), "{said}");
    // What somebody else has changed since is named and stays.
    assert!(after("undo").contains("as before") || said.contains("could not be taken back"), "{said}");
    assert!(after("left").contains("listen='127.0.0.2'"), "{said}");
    let tuned = after("preview");
    for part in [
        "cache='none' in devices/disk[vda]/driver",
        "io='native' in devices/disk[vda]/driver",
        "<iothreads>1</iothreads>",
    ] {
        assert!(tuned.contains(part), "{part} is not in {tuned}");
    }
    let state = String::from_utf8(
        Command::new("grep").args(["-rl", "canary77"]).arg(site.path("state")).output().unwrap().stdout,
    );
    assert_eq!(state.unwrap(), "", "neither plans nor logs hold the password");
    if said.contains("== session") {
        assert!(after("session").contains("dumpCore='off'"), "{said}");
    } else {
        eprintln!("SKIPPED the part of {test} with a user's own daemon: no setpriv");
    }
}

/// Devices that come into a running domain and into what it is started from, and go; behind the words that bring a daemon
/// up. Nothing in the guest has to let go of a device of USB. The emulator has a name that no list of processes knows.
const PLUGGED: &str = r#"
    trap 'set +e; virsh destroy theirs; kill $daemon; wait $daemon; true' EXIT
    cp "$(command -v qemu-system-x86_64)" /run/emulator
    cat > /run/theirs.xml <<END
<domain type='qemu'>
  <name>theirs</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <emulator>/run/emulator</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='$SITE/disk.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
END
    kept() { virsh dumpxml theirs --inactive; }
    carry_out() {
        say plan "$@"
        id=$("$VMWRIGHT" plan "$@" --format json 2>/dev/null | grep -o '"id": "[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4)
        say approve "$id" --key "$SITE/key" --principal tester
        say apply "$id" > /run/applied
        cat /run/applied
        run=$(sed -n 's/^run //p' /run/applied)
    }
    virsh -q define /run/theirs.xml
    virsh -q start theirs
    kept > /run/before
    say plan --vm theirs
    carry_out attach theirs --disk "$SITE/more.raw" --bus usb
    echo "== live"; virsh dumpxml theirs | grep -A 3 "more.raw"
    echo "== kept"; kept | grep -A 3 "more.raw"
    say plan attach theirs --disk "$SITE/more.raw" --bus usb
    say undo "$run"
    echo "== back"; kept | cmp - /run/before && echo "byte for byte"
    virsh dumpxml theirs | grep -c "more.raw" || echo "gone from the running one"
    # Somebody else plugs one in, and it goes and comes back as it was.
    echo "<disk type='file'><driver name='qemu' type='raw'/><source file='$SITE/more.raw'/><target dev='sdb' bus='usb'/><serial>S7</serial></disk>" > /run/disk.xml
    virsh -q attach-device theirs /run/disk.xml --live --config
    kept > /run/before
    carry_out detach theirs sdb
    echo "== unplugged"; kept | grep -c "more.raw" || echo "gone from the kept one"
    virsh dumpxml theirs | grep -c "more.raw" || echo "gone from the running one"
    # Somebody else takes its name meanwhile.
    sed 's/more.raw/third.raw/' /run/disk.xml > /run/third.xml
    virsh -q attach-device theirs /run/third.xml --config
    say undo "$run"
    virsh -q detach-device theirs /run/third.xml --config
    echo "== named"
    say undo "$run"
    echo "== again"; kept | cmp - /run/before && echo "byte for byte"
    say plan detach theirs vda
    virsh -q destroy theirs
    # libvirt may be at it for a moment longer, and says then that a domain that it is about to end is not running.
    until [ "$(virsh -q domstate theirs)" = "shut off" ] && ! [ -e /run/libvirt/qemu/theirs.xml ]; do sleep 0.1; done
    carry_out attach theirs --bridge br77 --mac 52:54:00:00:77:01
    echo "== off"; kept | grep -B 1 -A 1 "br77"
    say apply "$id"
    say undo "$run"
    echo "== end"; kept | cmp - /run/before && echo "byte for byte"
    if [ -x "$(command -v setpriv)" ]; then
        # Another user's own domain, in that user's own libvirt.
        mount -t tmpfs none /home
        mkdir -p /home/u/state /run/user
        cp -r "$SITE/config" "$SITE/key" "$SITE/disk.raw" "$SITE/more.raw" /home/u/
        sed "s|theirs|own|; s|$SITE|/home/u|; /emulator/d" /run/theirs.xml > /home/u/own.xml
        chown -R 65534:65534 /home/u /run/user
        touch /run/user-vmwright; mount --bind "$VMWRIGHT" /run/user-vmwright
        as_user() {
            setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$PATH" HOME=/home/u \
                XDG_RUNTIME_DIR=/run/user VMWRIGHT_STATE=/home/u/state VMWRIGHT_CONFIG=/home/u/config "$@"
        }
        echo "== session"
        as_user virsh -q -c qemu:///session define /home/u/own.xml
        session=$(cat /run/user/libvirt/libvirtd.pid)
        as_user virsh -q -c qemu:///session start own
        id=$(as_user /run/user-vmwright plan attach own --disk /home/u/more.raw --bus usb --readonly --format json |
            grep -o '"id": "[0-9a-f]*"' | head -n 1 | cut -d '"' -f 4)
        as_user /run/user-vmwright approve "$id" --key /home/u/key --principal tester || echo "status $?"
        as_user /run/user-vmwright apply "$id" || echo "status $?"
        as_user virsh -c qemu:///session dumpxml own | grep -A 4 more.raw
        as_user virsh -q -c qemu:///session destroy own
        kill "$session"
    fi
"#;

#[test]
fn devices_come_into_running_domains_and_go_and_all_is_as_before() {
    let test = "devices_come_into_running_domains_and_go_and_all_is_as_before";
    if !can_run(test, &["qemu-system-x86_64"]) {
        return;
    }
    let site = Site::new();
    site.approver();
    for name in ["disk.raw", "more.raw", "third.raw"] {
        site.file(name, [0; 65536]);
    }
    let said = run(&site, &[], PLUGGED).out;
    println!("{said}");
    let after = |call: &str| after(&said, call);
    // It runs, whatever its emulator is called.
    assert!(!after("plan --vm theirs").contains("starts theirs"), "{said}");
    assert!(after("plan attach").contains("plug disk sda into vm theirs"), "{said}");
    for of in ["live", "kept"] {
        assert!(after(of).contains("dev='sda' bus='usb'"), "{of}: {said}");
    }
    assert!(said.contains("more.raw is a disk of domain theirs of libvirt"), "{said}");
    assert!(
        after("back").contains("byte for byte") && after("back").contains("gone from the running"),
        "{said}"
    );
    let unplugged = after("unplugged");
    assert!(
        unplugged.contains("gone from the kept") && unplugged.contains("gone from the running"),
        "{said}"
    );
    assert!(said.contains("another (<disk type='file' device='disk'>"), "what has its name is shown: {said}");
    assert!(after("again").contains("byte for byte"), "{said}");
    assert!(said.contains("vda is the first disk of theirs"), "{said}");
    assert!(after("off").contains("52:54:00:00:77:01"), "{said}");
    assert!(after("end").contains("byte for byte"), "{said}");
    if said.contains("== session") {
        assert!(after("session").contains("dev='sda' bus='usb'"), "{said}");
    } else {
        eprintln!("SKIPPED the part of {test} with a user's own daemon: no setpriv");
    }
}
