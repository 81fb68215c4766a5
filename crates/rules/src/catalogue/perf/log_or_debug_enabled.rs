//! # Tracing, debugging or logging left on slows the VM
//!
//! ## What it is
//! Debug facilities cost where the VM is hottest: QEMU's `-d exec,int` or `-trace` writes a line for each event,
//! libvirt's debug log writes each message, kernels with KASAN, lockdep, kmemleak or slub debugging run several times
//! slower, ftrace's function tracer slows every call.
//!
//! Heard as: slow or disk full since debugging or tracing was switched on.
//!
//! Known by: debug kernel, KASAN, lockdep; trace events on; -d log; log level debug; disk fills with logs; verbose
//! logging; ftrace left enabled.
//!
//! ## Why it happens
//! It was switched on to find another fault and left; a debug kernel or a debug build is booted; the development
//! default of a tool is to log everything.
//!
//! ## Confirm
//! The VMM's command line (`-d`, `-D`, `-trace`), `/etc/libvirt/*.conf` (log_filters, log_level=1), `/proc/cmdline`,
//! `cat /sys/kernel/tracing/current_tracer`, the size and growth of the logs.
//!
//! ## Refute
//! `current_tracer` is `nop`, no log grows, and the kernel's banner has no debug warning.
//!
//! ## Fix
//! Take the options out, boot the normal kernel, set the log level back to warnings.
//!
//! ## References
//! QEMU `util/log.c`, documentation "Tracing"; libvirt "Logging"; Linux `Documentation/dev-tools/kasan.rst`,
//! `Documentation/trace/ftrace.rst`, `kernel/trace/trace.c` (`trace_printk_init_buffers`).

use crate::catalogue::memory::hugepages_not_reserved::guests::commands;
use crate::catalogue::memory::hugepages_not_reserved::settings::setting;
use crate::prelude::*;
use vmwright_formats::KernelCmdline;

pub const RULE: Rule = Rule {
    level: Level::Warn,
    tags: &["performance"],
    needs: &[
        Need::File("/proc/cmdline"),
        Need::File("/sys/kernel/tracing/current_tracer"),
        Need::File("/etc/libvirt/libvirtd.conf"),
        Need::File("/etc/libvirt/virtqemud.conf"),
        Need::Command(&["dmesg"]),
        Need::Probe(Probe::Vmms),
    ],
    signs: &[
        Sign::strong("trace_printk() being used. Allocating extra memory"),
        Sign::strong("This means that this is a DEBUG kernel and it is"),
        Sign::strong("kasan: KernelAddressSanitizer initialized"),
        Sign::support("Lock dependency validator: Copyright"),
        Sign::support("kmemleak: Kernel memory leak detector initialized"),
        Sign::strong("LIBVIRT_DEBUG=1"),
        Sign::support("LIBVIRT_DEBUG=debug"),
        Sign::support("\"level\": \"Trace\""),
        Sign::hint("\"level\": \"Debug\""),
        Sign::support("RUST_LOG=trace"),
        Sign::hint("RUST_LOG=debug"),
        Sign::support("enable_debug = true").and(&["hypervisor.qemu"]),
        Sign::hint("--enable-debug"),
        Sign::support("kvm:kvm_exit").and(&["perf trace"]),
        Sign::support("trace-cmd record"),
        // What a complaint makes of a configuration.
        Sign::support("enable_debug = true").said(&["slow", "log grows", "large", "full"]).or_near(),
        Sign::support("log_level = 1").said(&["slow", "grows", "large", "full"]).or_near(),
        Sign::support("-trace").said(&["slow", "grows", "large", "full"]).or_near(),
        Sign::support("Bad logfile template"),
        Sign::strong("Unable to write to domain logfile"),
    ],
    words: &["debug", "trace", "verbose", "log file", "log grows", "slow", "logging"],
    tells: "/sys/kernel/tracing/current_tracer",
    remedy: "take the tracing, debug and log options out again",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

/// Parameters that make a kernel slow, with the values that switch them off.
const SLOW: [(&str, &[&str]); 8] = [
    ("slub_debug", &["-", "off"]),
    ("slab_debug", &["-", "off"]),
    ("kmemleak", &["off"]),
    ("page_owner", &["off"]),
    ("debug_pagealloc", &["off", "0"]),
    ("ftrace", &["off"]),
    ("trace_event", &[]),
    ("initcall_debug", &["0"]),
];

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    for line in cx.all::<KernelCmdline>() {
        for (name, off) in SLOW {
            let Some(found) = line.get(name) else { continue };
            if !found.value.is_some_and(|value| off.contains(&value)) {
                draft =
                    draft.because(Strength::Support, line.quote(found.line), "the kernel is to debug itself");
            }
        }
    }
    if let Some(tracer) = setting(cx, "/sys/kernel/tracing/current_tracer", "current_tracer") {
        draft = draft.looked();
        if matches!(
            tracer.value.as_str(),
            "function" | "function_graph" | "irqsoff" | "preemptoff" | "wakeup"
        ) {
            draft = draft.because(Strength::Strong, tracer.quote, "a tracer is running");
        }
    }
    for command in commands(cx) {
        let costly = |value: &str| {
            let parts = ["exec", "cpu", "int", "in_asm", "out_asm", "op", "mmu", "trace:", "all"];
            value.split(',').any(|one| {
                parts.iter().any(|part| one == *part || part.ends_with(':') && one.starts_with(part))
            })
        };
        let log = command.args.options("d").find(|option| option.value.as_deref().is_some_and(costly));
        let trace = command.args.first("trace");
        let quote = log.or(trace).and_then(|option| command.text.quote(option.value_line));
        draft = draft.because(Strength::Strong, quote, "QEMU logs each event");
    }
    for text in cx.texts_with(["log_level", "log_filters"]) {
        let loud = |line: &str| {
            let line = line.trim().replace(' ', "");
            line == "log_level=1"
                || line.starts_with("log_filters=\"1:")
                || line.starts_with("log_filters=\"*:1")
        };
        let found = text.lines_with(["log_level", "log_filters"]).find(|(_, line)| loud(line));
        let quote = found.and_then(|(number, _)| text.quote(number));
        draft = draft.because(Strength::Support, quote, "libvirt logs at debug level");
    }
    vec![draft.verdict()]
}
