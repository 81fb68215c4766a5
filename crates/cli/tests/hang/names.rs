//! A host on which somebody made files with hostile names and kinds where vmwright reads.

use crate::common::Site;
use crate::{bounded, own_host, unread};

const SCRIPT: &str = r#"
    mkdir -p /etc/libvirt /var/log/libvirt
    mount -t tmpfs none /etc/libvirt
    mount -t tmpfs none /var/log/libvirt
    mkdir /etc/libvirt/qemu /var/log/libvirt/qemu
    cd /var/log/libvirt/qemu
    echo 'qemu-system-x86_64: -drive file=/a: Failed to get "write" lock' > "$(printf 'web\nroot:x:0.log')"
    echo 'x' > "$(printf 'b\377\376.log')"
    echo 'x' > "$(printf '\033[2J\342\200\256.log')"
    mkfifo fifo.log
    mknod null.log c 1 3
    ln -s /etc/shadow shadow.log
    ln -s loop.log loop.log
    mkdir folder.log
    ln -s /dev/zero /etc/libvirt/qemu/zero.xml
    printf '<domain><name>x</name>\000' > /etc/libvirt/qemu/nul.xml
    set +e
"#;

#[test]
fn hostile_names_on_the_host_stay_one_line_and_wake_nothing() {
    let test = "hostile_names_on_the_host_stay_one_line_and_wake_nothing";
    let site = Site::new();
    let analysis = format!("{SCRIPT} \"$VMWRIGHT\" analyze --format json");
    let Some(command) = own_host(test, &site, &analysis) else { return };
    let (done, took) = bounded(command, || ());
    println!("analysis: {took:?}");
    assert_eq!(done.status, 1, "{done:#?}");
    for (name, why) in [
        ("fifo.log", "not a regular file"),
        ("null.log", "not a regular file"),
        ("folder.log", "not a regular file"),
        ("zero.xml", "not a regular file"),
        ("nul.xml", "not text"),
        ("loop.log", "symbolic link"),
    ] {
        assert!(unread(&done, name).contains(why), "{name}: {}", unread(&done, name));
    }
    let causes = done.json()["causes"].clone();
    let locked = causes.as_array().unwrap().iter().find(|cause| cause["rule"] == "storage/image-locked");
    let evidence = locked.unwrap_or_else(|| panic!("{causes:#}"))["evidence"][0].clone();
    assert_eq!(evidence["source"], "/var/log/libvirt/qemu/web\\x0aroot:x:0.log");

    // In every format a name is a part of one line, and steers no terminal.
    for format in ["text", "concise", "markdown"] {
        let script = format!("{SCRIPT} \"$VMWRIGHT\" analyze --format {format}");
        let Some(command) = own_host(test, &site, &script) else { return };
        let (done, _) = bounded(command, || ());
        assert!(
            !done.out.contains(['\u{1b}', '\u{202e}']) && !done.out.contains("\nroot:x:0"),
            "{format}: {}",
            done.out
        );
        assert!(done.out.contains("web\\x0aroot") || format == "markdown", "{format}: {}", done.out);
    }

    let script = format!(
        "{SCRIPT} \"$VMWRIGHT\" capture -o \"$SITE/a.tar.gz\" >/dev/null; tar -tzf \"$SITE/a.tar.gz\""
    );
    let Some(command) = own_host(test, &site, &script) else { return };
    let (done, took) = bounded(command, || ());
    println!("capture: {took:?}");
    assert!(
        done.out.contains("web\\\\x0aroot:x:0.log") || done.out.contains("web\\x0aroot:x:0.log"),
        "{}",
        done.out
    );
    assert!(done.out.lines().all(|line| line.starts_with("vmwright-")), "{}", done.out);
}
