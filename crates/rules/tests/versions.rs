//! What findings say of the versions that have a thing, and that have it no more.

use vmwright_formats::recognise;
use vmwright_model::{Record, Snapshot};
use vmwright_rules::diagnose;

/// The title of the first cause of a text.
fn title(name: &str, text: &str) -> String {
    let record = Record::new(name, recognise(name, text), text);
    let snapshot = Snapshot { records: vec![record], ..Snapshot::default() };
    diagnose(&snapshot, "", &|_| true).causes.first().map(|cause| cause.title.clone()).unwrap_or_default()
}

fn started(qemu: &str, said: &str) -> String {
    format!(
        "2025-03-02 10:11:12.345+0000: starting up libvirt version: 9.0.0, package: 4 (Debian), qemu version: {qemu}, kernel: 6.1.0, hostname: virt3\n\
         LC_ALL=C /usr/bin/qemu-system-x86_64 -name guest=app -accel kvm\nqemu-system-x86_64: {said}\n"
    )
}

#[test]
fn a_cpu_model_that_came_later_says_when() {
    let says = title("qemu.log", &started("7.2.15", "unable to find CPU model 'EPYC-Genoa'"));
    assert_eq!(says, "`EPYC-Genoa` is in QEMU 8.1 and later; this is 7.2.15");
    let says = title("out.txt", "qemu-system-x86_64: unable to find CPU model 'EPYC-Genoa'\n");
    assert_eq!(says, "the CPU model `EPYC-Genoa` is not known here; QEMU has it since 8.1");
}

#[test]
fn a_cpu_model_that_is_gone_and_one_that_never_was_say_so() {
    let says = title("qemu.log", &started("8.2.2", "unable to find CPU model 'Icelake-Client'"));
    assert_eq!(says, "QEMU 7.1 took `Icelake-Client` away; this is 8.2.2");
    let says = title("out.txt", "qemu-system-x86_64: unable to find CPU model 'Haswel'\n");
    assert_eq!(says, "the CPU model `Haswel` is not known here; there is one named `Haswell`");
}

#[test]
fn an_option_that_qemu_removed_says_what_to_use() {
    let says =
        title("out.txt", "$ qemu-system-x86_64 -runas virt\nqemu-system-x86_64: -runas: invalid option\n");
    assert_eq!(says, "option `-runas`: QEMU 10.0 removed it; use `-run-with user=USER`");
}

#[test]
fn a_libvirt_that_asks_for_a_newer_qemu_names_both() {
    let text = "$ libvirtd --version\nlibvirtd (libvirt) 11.3.0\n$ qemu-system-x86_64 --version\nQEMU emulator version 5.2.0\n";
    assert_eq!(title("versions.txt", text), "libvirt 11.3.0 needs QEMU 6.2 or newer; this is 5.2.0");
}
