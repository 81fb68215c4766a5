//! What holds a VMM, and what guards a guest.

use crate::live::{failure, gate, review, spec};
use crate::support::{Options, Vm, parts};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;
use vmwright_model::machine::{Confidential, Technology, Tpm};
use vmwright_model::{GateOutcome, Review};

/// What vmwright gives QEMU.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// `nobody` of every distribution.
const NOBODY: u32 = 65534;

/// A VM of this user, in a sandbox or not. As an ordinary user there is only that user.
fn start(parts: &crate::support::Parts, user: u32, sandbox: &str) -> Vm {
    let mut options = Options { user: is_root().then_some(user), agent: false, ..Options::default() };
    if !sandbox.is_empty() {
        options.more = vec!["-sandbox".to_owned(), sandbox.to_owned()];
    }
    Vm::start(parts, &options)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// What holds a VMM does not depend on how far its guest has come.
fn isolation(vm: &Vm) -> Review {
    review(vm, &spec(), &["isolation"], Some(Duration::ZERO))
}

#[test]
fn a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails() {
    let Some(parts) = parts("a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails") else { return };
    let mut vm = start(parts, NOBODY, SANDBOX);
    let good = isolation(&vm);
    assert_eq!(gate(&good, "isolation").outcome, GateOutcome::Pass);
    let rows = &gate(&good, "isolation").tables[0].rows;
    let held = rows.iter().find(|row| row[0] == "seccomp").unwrap()[1].clone();
    let (inside, all) = held.split_once(" of ").unwrap();
    assert_eq!(all, format!("{inside} threads"), "each thread is held");

    // Another VM's image that anybody may read.
    let theirs = tempfile::NamedTempFile::new().unwrap();
    std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = theirs.path().display().to_string();
    vm.neighbours = vec![("other".to_owned(), path.clone())];
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert!(why.contains(&format!("may open files of vm other (`{path}`)")), "{why}");
    // As it should be, where there is somebody else for it to belong to.
    if is_root() {
        std::fs::set_permissions(theirs.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(gate(&isolation(&vm), "isolation").outcome, GateOutcome::Pass);
    }
    drop(vm);

    let vm = start(parts, NOBODY, "");
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert!(why.contains("no thread of the VMM is held by seccomp"), "{why}");
    assert!(why.contains("QEMU was started without -sandbox"), "{why}");
    drop(vm);

    let vm = start(parts, NOBODY, "on,obsolete=deny");
    let why = failure(&isolation(&vm), "isolation").to_owned();
    assert_eq!(why, "-sandbox leaves elevateprivileges, spawn, resourcecontrol allowed");
    drop(vm);

    if is_root() {
        let vm = start(parts, 0, SANDBOX);
        let why = failure(&isolation(&vm), "isolation").to_owned();
        assert!(why.contains("runs as root") && why.contains("CAP_SYS_ADMIN"), "{why}");
    } else {
        eprintln!(
            "SKIPPED the part of a_vmm_that_is_held_passes_and_each_layer_that_is_off_fails about root: the test is not"
        );
    }
}

/// An emulated module; it ends with this value.
struct Swtpm {
    child: std::process::Child,
    dir: tempfile::TempDir,
}

impl Swtpm {
    fn start(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (state, socket) = (dir.path().display().to_string(), dir.path().join("socket"));
        let spawned = std::process::Command::new("swtpm")
            .args(["socket", "--tpm2", "--tpmstate", &format!("dir={state}")])
            .args(["--ctrl", &format!("type=unixio,path={}", socket.display())])
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                eprintln!("SKIPPED {test}: swtpm: {error}");
                return None;
            }
        };
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while !socket.exists() {
            assert!(std::time::Instant::now() < end, "swtpm makes no socket");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, dir })
    }

    /// What QEMU has to be told of it.
    fn words(&self) -> Vec<String> {
        let socket = self.dir.path().join("socket");
        [
            "-chardev",
            &format!("socket,id=tpm,path={}", socket.display()),
            "-tpmdev",
            "emulator,id=tpm0,chardev=tpm",
        ]
        .into_iter()
        .chain(["-device", "tpm-crb,tpmdev=tpm0"])
        .map(str::to_owned)
        .collect()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Firmware that checks signatures, with its variables in a file of their own.
fn uefi(folder: &std::path::Path, variables: &std::path::Path) -> Vec<String> {
    let image = folder.join("OVMF_CODE_4M.secboot.fd");
    [
        "-machine",
        "smm=on,pflash0=image,pflash1=variables",
        "-global",
        "driver=cfi.pflash01,property=secure,value=on",
        "-blockdev",
        &format!("driver=file,node-name=image,read-only=on,filename={}", image.display()),
        "-blockdev",
        &format!("driver=file,node-name=variables,filename={}", variables.display()),
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn a_guest_of_signed_firmware_with_a_module_passes_and_one_of_firmware_without_keys_fails() {
    let test = "a_guest_of_signed_firmware_with_a_module_passes_and_one_of_firmware_without_keys_fails";
    let Some(parts) = parts(test) else { return };
    let (Some(folder), Some(tpm)) = (crate::support::firmware(test), Swtpm::start(test)) else { return };
    let temp = tempfile::tempdir().unwrap();
    let start = |template: &str, cmdline: &str, more: Vec<String>| {
        let variables = temp.path().join(template);
        std::fs::copy(folder.join(template), &variables).unwrap();
        let mut words = uefi(&folder, &variables);
        words.extend(more);
        let cmdline = cmdline.to_owned();
        let vm = Vm::start(parts, &Options { memory: 320, cmdline, more: words, ..Options::default() });
        vm.wait_for("vmwright-guest: agent ", Duration::from_secs(240));
        vm
    };
    let mut guarded = spec();
    guarded.memory.size = "320MiB".to_owned();
    guarded.firmware.secure_boot = Some(true);
    guarded.tpm = Some(Tpm::default());

    // The keys of Microsoft, with which Debian's boot loaders are signed.
    let mut vm = start("OVMF_VARS_4M.ms.fd", "fips=1", tpm.words());
    // This machine's own kernel may run in another mode: it is said to run in this one.
    vm.host_files.push(("/proc/sys/crypto/fips_enabled".to_owned(), "1\n".to_owned()));
    let good = review(&vm, &guarded, &["boot", "secure-boot", "vtpm", "fips"], None);
    for name in ["boot", "secure-boot", "vtpm", "fips"] {
        assert_eq!(gate(&good, name).outcome, GateOutcome::Pass, "{name}");
    }
    let state = &gate(&good, "secure-boot").tables[0].rows;
    assert_eq!((state[0][1].as_str(), state[1][1].as_str(), state[2][1].as_str()), ("UEFI", "1", "0"));
    let firmware = &gate(&good, "vtpm").tables[0].rows[2];
    assert_eq!((firmware[0].as_str(), firmware[1].len()), ("PCR 0, SHA-256", 64));
    // The same guest against other specifications.
    let old = vmwright_model::MachineSpec {
        tpm: Some(Tpm { version: Some("1.2".to_owned()), ..Tpm::default() }),
        firmware: vmwright_model::machine::Firmware { secure_boot: Some(false), ..Default::default() },
        ..guarded.clone()
    };
    let wrong = review(&vm, &old, &["secure-boot", "vtpm"], None);
    assert!(failure(&wrong, "vtpm").contains("of version 2, the specification says 1.2"));
    assert!(failure(&wrong, "secure-boot").contains("the guest's firmware checks signatures"));
    drop(vm);

    // The same firmware without a key in it starts whatever it finds.
    let vm = start("OVMF_VARS_4M.fd", "", Vec::new());
    let open = review(&vm, &guarded, &["secure-boot", "vtpm"], None);
    assert!(failure(&open, "secure-boot").contains("starts what it finds, signed or not"));
    assert!(failure(&open, "vtpm").contains("the VMM has no trusted platform module"));
}

#[test]
fn a_guest_without_the_guards_of_its_specification_fails_each() {
    let Some(parts) = parts("a_guest_without_the_guards_of_its_specification_fails_each") else { return };
    let vm = Vm::start(parts, &Options::default());
    let gates = ["secure-boot", "vtpm", "confidential", "fips"];
    let plain = review(&vm, &spec(), &gates, None);
    for name in &gates[..3] {
        assert!(matches!(gate(&plain, name).outcome, GateOutcome::NotApplicable(_)), "{name}");
    }
    let mut guarded = spec();
    guarded.firmware.secure_boot = Some(true);
    guarded.tpm = Some(Tpm::default());
    guarded.confidential = Some(Confidential::by(Technology::SevSnp));
    let bare = review(&vm, &guarded, &gates, None);
    assert!(failure(&bare, "secure-boot").contains("no UEFI firmware started the guest"));
    assert!(failure(&bare, "vtpm").contains("the guest's kernel has no trusted platform module"));
    assert!(failure(&bare, "confidential").contains("the host can read its memory"));
    let fips = failure(&bare, "fips");
    assert!(fips.contains("the guest's kernel"), "{fips}");
}
