//! # The number of queues does not fit the vCPUs, the tap or backend, or the other side
//!
//! ## What it is
//! A multiqueue device has more or fewer queues than its backend: a tap made without multi_queue, a vhost-user backend
//! with fewer, a VMM that wants at most one pair for each vCPU, or a migration source with another number.
//!
//! Heard as: network of a large VM never gets beyond one core; number of queues is refused or does not fit the
//! tap.
//!
//! Known by: multiqueue, queues=, vectors; invalid argument when opening tap with several queues; IFF_MULTI_QUEUE; only
//! one queue used; num_queues against vcpus; vhost-user queues.
//!
//! ## Why it happens
//! `queues=4` on a tap that was made with `ip tuntap add` alone; the VMM was not told that a given tap is multiqueue;
//! the flavour's vCPU number changed; the default (one queue for each vCPU) differs between two hosts or versions.
//!
//! ## Confirm
//! `ip -d tuntap` or `ip -d link show TAP` (multi_queue), `virsh -r dumpxml VM` (`queues=`), `ethtool -l NIC` in the guest.
//!
//! ## Refute
//! One queue everywhere fails in the same way: `network/tap-permission` or `network/tap-busy`.
//!
//! ## Fix
//! Make the tap with `multi_queue`, or set the device's queues to what the backend has, at most the number of vCPUs, and
//! the same on both sides of a migration.
//!
//! ## References
//! QEMU `net/tap-linux.c`, `tap_open()`, `hw/net/virtio-net.c`, `net/vhost-user.c`, `hw/block/vhost-user-blk.c`; Linux
//! `drivers/net/tun.c`, `tun_set_iff()` (EINVAL where IFF_MULTI_QUEUE differs); Cloud Hypervisor `vmm/src/config.rs`.

use crate::prelude::*;
use vmwright_formats::{DomainXml, QemuArgs};

pub const RULE: Rule = Rule {
    tags: &["machine", "network"],
    signs: &[
        Sign::proof("you are asking more queues than supported"),
        Sign::proof("The maximum number of queues supported by the backend is"),
        Sign::strong("virtio-net: curr_queue"),
        Sign::strong("Invalid number of queue"),
        Sign::strong("number of queues must be in range"),
        Sign::strong("multiqueue required, but no kernel support"),
        Sign::strong("multiqueue was requested"),
        Sign::strong("could not configure /dev/net/tun*Invalid argument"),
        Sign::strong("Unable to create tap device*Invalid argument"),
        Sign::strong("TUNSETIFF*Invalid argument"),
        Sign::strong("ConfigureTap*code: 22"),
        Sign::strong("CreateTap*code: 22"),
        Sign::strong("TapOpen*Invalid argument"),
        Sign::strong("ConfigureTap*Invalid argument"),
        Sign::strong("configure tap*Invalid argument"),
        Sign::strong("configure tap interface*Invalid argument"),
        Sign::strong("insufficient for number of queues"),
        Sign::strong("Number of queues to virtio"),
        Sign::strong("VnetQueueLowerThan2"),
        Sign::strong("MultipleQueues"),
        Sign::strong("Multiqueue is not supported"),
        Sign::strong("multiqueue network is not supported"),
        Sign::support("unable to init msix vectors to"),
        Sign::support("Cannot set device channel parameters"),
        Sign::support("Failed to set queue pairs"),
        Sign::hint("num_queues"),
        Sign::hint("queue_pairs"),
        Sign::hint("number of queues"),
        Sign::hint("multi_queue"),
        Sign::hint("multiqueue"),
        Sign::hint("num-queues"),
        Sign::strong("multi_queue").and(&["Invalid argument (os error 22)"]),
        Sign::strong("Unable to create multiple fds for tap device"),
        Sign::proof("existing device was created without multi_queue flag"),
        Sign::proof("exceeds QEMU limitation"),
        Sign::strong("Expected {n} file descriptors but got {m}"),
        Sign::strong("The number of fds passed does not match the number of vhostfds"),
        Sign::strong("Multiqueue devices are not supported on this system"),
        // What a complaint makes of a configuration.
        Sign::support("Combined:*1")
            .said(&[
                "network",
                "throughput",
                "one core",
                "single core",
                "ksoftirqd",
                "packets",
                "mpps",
                "gbit",
                "gbps",
            ])
            .or_near(),
        Sign::support("could not enable queue"),
        Sign::strong("could not disable queue"),
        Sign::strong("vhostfds= is invalid if fds= wasn't specified"),
        Sign::strong("invalid # of vectors"),
        Sign::strong("Invalid rx_queue_size"),
        Sign::strong("Invalid tx_queue_size"),
        Sign::strong("invalid queue-size property"),
        Sign::strong("queue size must not exceed"),
        Sign::support("Number of vCPUs is insufficient for number of queues"),
    ],
    words: &["multiqueue", "multi-queue", "multi_queue", "queues", "queue count"],
    explains: &["network/tap-permission", "network/tap-busy"],
    tells: "ip -d tuntap",
    remedy: "make the tap with multi_queue, or set the device's queues to what the backend and the other side have",
    applicability: Applicability::NeedsApproval,
    disruption: Disruption::GuestRestart,
    check,
    ..Rule::NEW
};

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    let told = draft.any();
    for xml in cx.all::<DomainXml>() {
        for domain in &xml.domains {
            let count = domain.vcpu.as_ref().and_then(|vcpu| vcpu.count.as_ref()).map(|count| count.value);
            let queues = domain.devices.interfaces.iter().filter_map(|nic| nic.queues.as_ref());
            let Some(queues) = queues.max_by_key(|queues| queues.value) else { continue };
            let strength = match count {
                Some(count) if queues.value > count => Strength::Support,
                _ if told && queues.value > 1 => Strength::Hint,
                _ => continue,
            };
            draft = draft.because(strength, xml.quote(queues.line), "the device has so many queues");
        }
    }
    for args in cx.all::<QemuArgs>() {
        let queues = args.property("netdev", "queues").filter(|queues| told && queues.value != "1");
        draft = draft.because(
            Strength::Hint,
            queues.and_then(|queues| args.quote(queues.line)),
            "the backend is asked for so many queues",
        );
    }
    vec![draft.verdict()]
}
