//! The real `update-grub` and `update-initramfs`, in a Debian of their own: what they make is verified, and the old bytes
//! come back.
//!
//! `VMWRIGHT_TEST_DEBIAN_ROOT` names the folder where the root file system of a Debian is mounted that has grub2-common,
//! initramfs-tools, a kernel and openssh-client. On a file system of its own: `grub-probe` has to find its device.

use crate::common::{Approver, HOST, Rules, is_child, mkdir, plan, step};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use vmwright_apply::{Context, MachineError, MachineRecord, Machines, apply, undo_run};
use vmwright_model::plan::{Generator, Setting};
use vmwright_model::{Action, Plan, RunState};

/// Runs this test of this program in the Debian, with the kernel's own files mounted. False where there is none.
fn there(name: &str) -> bool {
    if is_child() {
        return true;
    }
    let Some(root) = std::env::var_os("VMWRIGHT_TEST_DEBIAN_ROOT").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED {name}: no Debian with grub2-common and initramfs-tools (VMWRIGHT_TEST_DEBIAN_ROOT)"
        );
        return false;
    };
    // Tests run side by side, each with a program of its own.
    let inside = format!("/tmp/vmwright-{}", name.rsplit(':').next().unwrap_or(name));
    let program = root.join(inside.trim_start_matches('/'));
    std::fs::copy(std::env::current_exe().expect("a program"), &program).expect("copied");
    let script = "for dir in dev proc sys; do mount --rbind /$dir \"$0/$dir\" || exit; done; \
                  exec chroot \"$0\" \"$2\" \"$1\" --exact --nocapture";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(&root)
        .args([name, inside.as_str()])
        .env("VMWRIGHT_TEST_CHILD", "1")
        .output()
        .expect("run");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&program).expect("there");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

struct NoMachines;

impl Machines for NoMachines {
    fn running(&self, name: &str) -> Result<bool, MachineError> {
        Err(MachineError(format!("there is no machine {name}")))
    }

    fn record(&self, _: &str) -> Result<Option<MachineRecord>, MachineError> {
        Ok(None)
    }

    fn create(&self, name: &str, _: &str, _: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn delete(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn start(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn migrate(&self, name: &str, _: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }

    fn stop(&self, name: &str) -> Result<(), MachineError> {
        self.running(name).map(drop)
    }
}

/// Applies a plan on the real system, looks at what it left, and takes it back.
fn applied_and_taken_back(plan: &Plan, look: impl FnOnce()) {
    assert_eq!(vmwright_plan::lint(plan), []);
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    mkdir(&state);
    let approver = Approver::new(dir.path(), &state);
    let approved = approver.approve(plan);
    let (interrupted, rules) = (AtomicBool::new(false), Rules::default());
    let mut nothing = |_| ();
    let mut context = Context {
        state: &state,
        host_id: HOST,
        machines: &NoMachines,
        system: &vmwright_apply::Live,
        net: None,
        check: &rules,
        progress: &mut nothing,
        fault: None,
        interrupted: &interrupted,
    };
    let report = apply(plan, &approved, &mut context).expect("begun");
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    look();
    let undone = undo_run(&report.run, &mut context).expect("begun");
    assert_eq!(undone.state, RunState::Undone, "{undone:?}");
}

#[test]
fn the_real_update_grub_gives_the_kernel_its_parameter() {
    if !there("real_boot::the_real_update_grub_gives_the_kernel_its_parameter") {
        return;
    }
    let (defaults, made) = ("/etc/default/grub", "/boot/grub/grub.cfg");
    std::fs::create_dir_all("/boot/grub").expect("made");
    if !Path::new(defaults).exists() {
        std::fs::write(defaults, "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n").expect("written");
    }
    let first = Command::new("/usr/sbin/update-grub").output().expect("it is there");
    assert!(first.status.success(), "{first:?}");
    let before = [defaults, made].map(|path| std::fs::read(path).expect("there"));
    let setting = Setting::GrubParameter {
        variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(),
        parameter: "intel_iommu".into(),
    };
    let edit =
        Action::EditSetting { path: defaults.into(), setting, from: None, to: Some("intel_iommu=on".into()) };
    let make = Action::Regenerate {
        generator: Generator::UpdateGrub,
        outputs: vec![made.into()],
        holds: vec!["intel_iommu=on".into()],
    };
    applied_and_taken_back(&plan(vec![step(edit, None), step(make, None)]), || {
        let text = std::fs::read_to_string(made).expect("there");
        let kernels = text.lines().filter(|line| line.trim_start().starts_with("linux"));
        let (with, without): (Vec<&str>, Vec<&str>) =
            kernels.partition(|line| line.contains("intel_iommu=on"));
        assert!(!with.is_empty(), "{text}");
        assert!(without.iter().all(|line| line.contains("single")), "only recovery stays as it was: {text}");
    });
    let after = [defaults, made].map(|path| std::fs::read(path).expect("there"));
    assert_eq!(after, before);
}

#[test]
fn the_real_update_initramfs_has_the_module() {
    if !there("real_boot::the_real_update_initramfs_has_the_module") {
        return;
    }
    let kernels = std::fs::read_dir("/lib/modules").expect("there").flatten();
    let kernel =
        kernels.map(|entry| entry.file_name().to_string_lossy().into_owned()).next().expect("a kernel");
    let (list, made) = ("/etc/initramfs-tools/modules", format!("/boot/initrd.img-{kernel}"));
    // A module that an initramfs does not have by itself, and that every kernel of Debian has.
    let module = "dummy";
    let before = [list, made.as_str()].map(|path| std::fs::read(path).expect("there"));
    let edit = Action::EditSetting {
        path: list.into(),
        setting: Setting::Module { module: module.into() },
        from: None,
        to: Some(module.into()),
    };
    let make = Action::Regenerate {
        generator: Generator::UpdateInitramfs { kernel },
        outputs: vec![made.clone()],
        holds: Vec::new(),
    };
    applied_and_taken_back(&plan(vec![step(edit, None), step(make, None)]), || {
        let listed = Command::new("/usr/bin/lsinitramfs").arg(&made).output().expect("it is there");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.lines().any(|line| line.contains("/dummy.ko")), "{listed}");
    });
    let after = [list, made.as_str()].map(|path| std::fs::read(path).expect("there"));
    assert_eq!(after, before);
}
