//! What analysis does, seen from outside: a full live analysis under a system call tracer, with libvirt running.

#![allow(clippy::unwrap_used, reason = "a helper that cannot help fails its test")]

mod common;

use common::{Site, has};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls that change what has a name, where they succeed.
const CHANGES: &[&str] = &[
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "mknod",
    "mknodat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchown",
    "fchownat",
    "truncate",
    "utime",
    "utimes",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "removexattr",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "swapon",
    "swapoff",
    "acct",
    "init_module",
    "finit_module",
    "delete_module",
    "kill",
    "tkill",
    "ptrace",
    "process_vm_writev",
    "setpriority",
    "listen",
    "sethostname",
    "settimeofday",
    "reboot",
];

/// Netlink messages that only ask, as strace names them; `0xa10` is NFT_MSG_GETGEN, for which it has no name.
const QUESTIONS: &[&str] = &["RTM_GET", "NFT_MSG_GET", "0xa10 "];

/// One call as strace writes it: name, arguments, result.
fn call(line: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ")?;
    Some((name.trim(), arguments, result.trim()))
}

fn succeeded(result: &str) -> bool {
    !result.starts_with('-') && !result.starts_with('?')
}

/// The first quoted word of the arguments, absolute or not.
fn path(arguments: &str) -> &str {
    arguments.split('"').nth(1).unwrap_or("")
}

/// What a traced call did that analysis may not do.
fn trespass(line: &str, state: &str, sockets: &str) -> Option<String> {
    let (name, arguments, result) = call(line)?;
    if !succeeded(result) {
        return None;
    }
    let own = |path: &str| path.starts_with(state);
    let fine = match name {
        "open" | "openat" | "openat2" | "creat" => {
            let writing = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"];
            let path = path(arguments);
            !writing.iter().any(|flag| arguments.contains(flag))
                || own(path)
                || ["/dev/null", "/dev/kvm"].contains(&path)
        }
        "connect" => {
            arguments.contains("AF_UNIX") && {
                let there = Path::new(path(arguments)).to_string_lossy().replace("/var/run/", "/run/");
                there.starts_with('/')
                    && sockets.split([' ', ',', ':', '(', ')', '\n']).any(|named| named == there)
            }
        }
        "bind" => arguments.contains("AF_NETLINK"),
        "sendto" | "sendmsg" if arguments.contains("nlmsg_type") => {
            let types = arguments.split("nlmsg_type=").skip(1);
            types.filter(|kind| !kind.starts_with("0 ")).all(|kind| {
                let kind = kind.split([',', '}']).next().unwrap_or(kind);
                QUESTIONS.iter().any(|question| kind.contains(question))
            })
        }
        name if CHANGES.contains(&name) => own(path(arguments)),
        _ => true,
    };
    (!fine).then(|| line.to_owned())
}

/// Puts the path of an `O_PATH` descriptor where a later call of the same thread names it by `/proc/self/fd/`: what was
/// looked at is what is connected to.
fn resolved(line: &str, opened: &mut BTreeMap<String, String>) -> String {
    if let Some(("open" | "openat", arguments, result)) = call(line)
        && arguments.contains("O_PATH")
        && succeeded(result)
    {
        opened.insert(format!("/proc/self/fd/{result}"), path(arguments).to_owned());
    }
    match call(line).filter(|call| call.0 == "connect").and_then(|call| opened.get(path(call.1))) {
        Some(there) => line.replacen(path(line), there, 1),
        None => line.to_owned(),
    }
}

#[test]
fn descriptors_are_told_by_what_they_were_opened_for() {
    let mut opened = BTreeMap::new();
    let open = r#"open("/run/q.sock", O_RDONLY|O_LARGEFILE|O_NOFOLLOW|O_CLOEXEC|O_PATH) = 7"#;
    assert_eq!(resolved(open, &mut opened), open);
    let connect = r#"connect(8, {sa_family=AF_UNIX, sun_path="/proc/self/fd/7"}, 110) = 0"#;
    let there = resolved(connect, &mut opened);
    assert_eq!(there, r#"connect(8, {sa_family=AF_UNIX, sun_path="/run/q.sock"}, 110) = 0"#);
    assert_eq!(trespass(&there, "/s/", "/run/q.sock: QMP"), None);
    assert!(trespass(&there, "/s/", "/run/other.sock: QMP").is_some());
    assert!(
        trespass(connect, "/s/", "/run/q.sock: QMP").is_some(),
        "a descriptor that nobody opened by its path"
    );
}

#[test]
fn trespasses_are_seen() {
    let seen = |line| trespass(line, "/s/", "/run/libvirt/libvirt-sock-ro").is_some();
    for bad in [
        r#"openat(AT_FDCWD, "/etc/x", O_WRONLY|O_CREAT, 0600) = 3"#,
        r#"connect(4, {sa_family=AF_UNIX, sun_path="/run/docker.sock"}, 110) = 0"#,
        r#"connect(4, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 0"#,
        r#"connect(4, {sa_family=AF_UNIX, sun_path="/run/libvirt/libvirt-sock"}, 110) = 0"#,
        r#"connect(4, {sa_family=AF_UNIX, sun_path=@"abstract"}, 110) = 0"#,
        r#"connect(4, {sa_family=AF_UNIX}, 2) = 0"#,
        r#"unlink("/run/x") = 0"#,
        r#"sendto(3, [{nlmsg_len=40, nlmsg_type=RTM_NEWLINK, nlmsg_flags=NLM_F_REQUEST}], 40, 0, NULL, 0) = 40"#,
        r#"kill(77, SIGTERM) = 0"#,
    ] {
        assert!(seen(bad), "{bad}");
    }
    for good in [
        r#"openat(AT_FDCWD, "/s/journal.db", O_RDWR|O_CREAT, 0600) = 3"#,
        r#"openat(AT_FDCWD, "/etc/x", O_RDONLY) = 3"#,
        r#"openat(AT_FDCWD, "/etc/x", O_WRONLY) = -1 EACCES (Permission denied)"#,
        r#"connect(4, {sa_family=AF_UNIX, sun_path="/var/run/libvirt/libvirt-sock-ro"}, 110) = 0"#,
        r#"sendto(3, [{nlmsg_len=40, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST}], 40, 0, NULL, 0) = 40"#,
    ] {
        assert!(!seen(good), "{good}");
    }
}

/// A QEMU that ends with the test.
struct Qemu(std::process::Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A QEMU without a guest, with a monitor of its own.
fn qemu(test: &str, monitor: &Path) -> Option<Qemu> {
    if !has(test, "qemu-system-x86_64") {
        return None;
    }
    let monitor_words = format!("unix:{},server=on,wait=off", monitor.display());
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-name", "traced", "-M", "q35", "-accel", "tcg", "-m", "64", "-display", "none"]);
    let qemu =
        Qemu(command.args(["-qmp", &monitor_words]).stdin(std::process::Stdio::null()).spawn().unwrap());
    for _ in 0..600 {
        if monitor.exists() {
            return Some(qemu);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("QEMU has made no monitor")
}

/// Files by which the kernel is set, and what they say; those that do not change by themselves.
fn controls() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let roots = [
        "/proc/sys",
        "/sys/module",
        "/sys/kernel/mm",
        "/sys/block",
        "/sys/bus/pci",
        "/sys/class/net",
        "/sys/devices/pci0000:00",
        "/sys/devices/system/cpu",
        "/sys/devices/system/node",
    ];
    for root in roots {
        walk(Path::new(root), 0, &mut found);
    }
    found
}

fn walk(folder: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() && depth < 8 {
            walk(&path, depth + 1, found);
        } else if meta.is_file() && meta.permissions().mode() & 0o222 != 0 {
            // Reading some of them acts (a trigger, a stream): those that only root may read and write are left. One
            // counts processes.
            let counts = path == Path::new("/proc/sys/kernel/ns_last_pid");
            if !counts && meta.permissions().mode() & 0o444 != 0 && found.len() < 20_000 {
                found.insert(path.clone(), fs::read(&path).unwrap_or_default());
            }
        }
    }
}

#[test]
fn a_traced_analysis_writes_nothing_and_speaks_to_nobody_unnamed() {
    let test = "a_traced_analysis_writes_nothing_and_speaks_to_nobody_unnamed";
    if !["strace", "unshare", "virsh", "libvirtd"].iter().all(|program| has(test, program)) {
        return;
    }
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED {test}: only root can give libvirt a place of its own");
        return;
    }
    let site = Site::new();
    assert_eq!(site.machine("web", "").status, 0);
    let monitor = site.path("qmp.sock");
    let qemu = qemu(test, &monitor);
    let plan = site.call(&["analyze", "--vm", "web", "--dry-run"]).ok().out;
    let traces = site.path("traces");
    fs::create_dir(&traces).unwrap();
    // libvirt's own sockets and files on a file system that nobody else sees.
    let script = r#"
        set -e
        mount -t tmpfs none /run
        mkdir -p /run/libvirt /run/lock
        [ -L /var/run ] || mount --bind /run /var/run
        libvirtd --timeout 60 >/dev/null 2>&1 &
        daemon=$!
        for _ in $(seq 200); do [ -S /run/libvirt/libvirt-sock-ro ] && break; sleep 0.1; done
        set +e
        strace -ff -qq -s 4096 -e trace=%file,%network,%process,%signal,ioctl,fchmod,fchown,openat \
            -o "$TRACES/t" "$VMWRIGHT" analyze --vm web --format json >"$TRACES/out.json" 2>"$TRACES/err"
        status=$?
        kill $daemon
        exit $status
    "#;
    let (still, before) = (controls(), controls());
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .env("TRACES", &traces)
        .env("VMWRIGHT", env!("CARGO_BIN_EXE_vmwright"))
        .env("VMWRIGHT_STATE", site.path("state"))
        .env("VMWRIGHT_CONFIG", site.path("config"));
    let done = common::done(command);
    let after = controls();
    let said = fs::read_to_string(traces.join("err")).unwrap_or_default();
    assert!([0, 1, 3].contains(&done.status), "{done:#?}\n{said}");

    let state = format!("{}/", site.path("state").canonicalize().unwrap().display());
    let (mut lines, mut processes, mut trespasses, mut asked) = (0, 0, Vec::new(), [false; 2]);
    for trace in fs::read_dir(&traces).unwrap().flatten() {
        let name = trace.file_name();
        if !name.to_string_lossy().starts_with("t.") {
            continue;
        }
        processes += 1;
        let mut opened = BTreeMap::new();
        for line in String::from_utf8_lossy(&fs::read(trace.path()).unwrap()).lines() {
            lines += 1;
            let line = resolved(line, &mut opened);
            let connected = line.starts_with("connect(") && line.ends_with("= 0");
            asked[0] |= connected && line.contains("libvirt-sock-ro");
            asked[1] |= connected && line.contains(monitor.to_str().unwrap());
            trespasses.extend(trespass(&line, &state, &plan));
        }
    }
    assert!(processes > 5 && lines > 1000, "the tracer saw {processes} processes, {lines} calls");
    assert!(asked[0], "libvirt was asked: {said}");
    assert_eq!(asked[1], qemu.is_some(), "QEMU's monitor was asked: {said}");
    if qemu.is_some() {
        let told = fs::read_to_string(traces.join("out.json")).unwrap();
        assert!(!told.contains(&format!("not asked: {}", monitor.display())), "{told}");
    }
    assert!(trespasses.is_empty(), "{trespasses:#?}");
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, text)| still.get(*path) == Some(text) && after.get(*path) != Some(text))
        .collect();
    println!("{lines} calls of {processes} processes; {} control files compared", before.len());
    assert!(changed.is_empty(), "{changed:?}");
}
