//! How Firecracker and Cloud Hypervisor say no: exit statuses, HTTP statuses and fault messages.
//!
//! Firecracker `src/vmm/src/lib.rs` (`FcExitCode`), `src/vmm/src/rpc_interface.rs` (`VmmActionError`); Cloud Hypervisor
//! `vmm/src/api/http/mod.rs`, `vmm/src/api/mod.rs`, `vmm/src/vm.rs`.

use super::{Code, Line, code, line};

/// Exit statuses of Firecracker.
pub(super) const FIRECRACKER_EXITS: &[Code] = &[
    code(1, "GenericError", "an error that the log names", &[]),
    code(2, "UnexpectedError", "a defect of Firecracker", &[]),
    code(
        148,
        "BadSyscall",
        "a system call that the seccomp filter forbids",
        &["firecracker/seccomp-mismatch"],
    ),
    code(
        149,
        "SIGBUS",
        "memory behind the guest went away: huge pages, or a snapshot's file",
        &["memory/hugepages-not-reserved"],
    ),
    code(150, "SIGSEGV", "a defect of Firecracker, or memory that went away", &[]),
    code(
        151,
        "SIGXFSZ",
        "a file grew past the jailer's limit (--resource-limit fsize)",
        &["firecracker/jailer-setup"],
    ),
    code(152, "BadConfiguration", "the configuration file is wrong", &["firecracker/api-order"]),
    code(153, "ArgParsing", "an argument is wrong", &[]),
    code(154, "SIGXCPU", "processor time ran past a limit", &["perf/cpu-quota"]),
    code(155, "SIGPIPE", "a reader of a pipe went away", &[]),
    code(156, "SIGHUP", "the terminal or session ended", &[]),
    code(157, "SIGILL", "an instruction that this processor does not have", &[]),
];

/// HTTP statuses of Cloud Hypervisor's API.
pub(super) const CLOUD_HYPERVISOR_HTTP: &[Code] = &[
    code(
        400,
        "Bad Request",
        "the JSON is wrong, or the configuration contradicts itself",
        &["cloud-hypervisor/config-invalid"],
    ),
    code(404, "Not Found", "no such path, or no VM is created yet, or it has no such device", &[]),
    code(
        409,
        "Conflict",
        "an id or the path of a device is used twice",
        &["cloud-hypervisor/config-invalid"],
    ),
    code(429, "Too Many Requests", "a request runs already", &[]),
    code(500, "Internal Server Error", "the VM refused: the rest of the answer says why", &[]),
];

/// Fault messages.
pub(super) const FAULTS: &[Line] = &[
    line(
        "not supported before starting the microvm",
        "start the microVM (InstanceStart) first",
        &["firecracker/api-order"],
    ),
    line(
        "not supported after starting the microvm",
        "only before InstanceStart; make a new microVM",
        &["firecracker/api-order"],
    ),
    line(
        "loading a microvm snapshot not allowed",
        "a snapshot is loaded into a fresh process, before anything else is configured",
        &["firecracker/restore-conflict"],
    ),
    line("vm is not created", "vm.create comes before this call", &[]),
    line("vm is already created", "this process has a VM: vm.delete first, or another process", &[]),
    line("vm is not running", "vm.boot comes before this call", &[]),
    line("the vm is not booted", "vm.boot comes before this call", &[]),
    line("vm config is missing", "vm.create needs the configuration", &["cloud-hypervisor/config-invalid"]),
    line("invalid vm state transition", "the VM is in a state in which that cannot be done", &[]),
    line(
        "cannot load the kernel into memory",
        "the file is no kernel that this VMM can load",
        &["cloud-hypervisor/kernel-format"],
    ),
];
