//! How fast all rules' messages are looked for in a kernel log, and how much slower with ten times the messages.
//!
//! `cargo run --release -p vmwright-rules --example scan_speed [MEGABYTES]`; `cargo xtask bench scan` calls it. One
//! line a round: the scanner, MB of log a second of processor time, hits.

use std::{env, fs};
use vmwright_rules::{CATALOGUE, Scanner};

/// Rounds of both scanners, one after the other.
const ROUNDS: usize = 5;

fn main() {
    let megabytes = env::args().nth(1).map_or(200, |text| text.parse().expect("a number of megabytes"));
    let log = kernel_log(megabytes * 1_000_000);
    let starts: Vec<usize> = [0].into_iter().chain(log.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let all: Vec<&'static str> =
        CATALOGUE.iter().flat_map(|entry| entry.rule.signs).map(|sign| sign.text).collect();
    let tenfold = Scanner::new(all.iter().copied().chain(invented(&all, 9)));
    for _ in 0..ROUNDS {
        for (name, scanner) in [("rules", Scanner::of_signs()), ("tenfold", &tenfold)] {
            let begin = processor_seconds();
            let mut pass = scanner.pass();
            pass.scan(0, &log, &starts);
            let hits = pass.finish().count();
            println!("{name} {:.0} {hits}", log.len() as f64 / 1e6 / (processor_seconds() - begin));
        }
    }
}

/// Messages that no program prints, like those that there are: each word is replaced by one of the same length, taken
/// from another message.
fn invented(all: &[&'static str], times: usize) -> Vec<&'static str> {
    let words: Vec<&str> = all.iter().flat_map(|text| text.split(' ')).collect();
    let mut next = numbers();
    let mut other = move |word: &'static str| {
        let from = next() as usize % words.len();
        let fits = |other: &&&str| other.len() == word.len() && !other.contains(['*', '{', '}', '\\']);
        words[from..].iter().chain(&words[..from]).find(fits).map_or(word, |other| *other)
    };
    let texts = (0..times).flat_map(|_| all).map(|text| {
        let text: Vec<&str> = text.split(' ').map(&mut other).collect();
        &*String::leak(text.join(" "))
    });
    texts.collect()
}

/// Processor time of this thread.
fn processor_seconds() -> f64 {
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel keeps scheduling statistics");
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("nanoseconds come first") / 1e9
}

/// Numbers without a pattern, the same in every run (xorshift64, Marsaglia 2003).
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// A kernel log of at least `bytes`: what hosts with VMs say in years.
fn kernel_log(bytes: usize) -> String {
    let mut next = numbers();
    let mut log = String::with_capacity(bytes + 512);
    let mut micros = 0u64;
    while log.len() < bytes {
        micros += next() % 2_000_000;
        log.push_str(&format!("[{:>5}.{:06}] ", micros / 1_000_000, micros % 1_000_000));
        for letter in LINES[next() as usize % LINES.len()].chars() {
            match letter {
                '#' => log.push_str(&(next() % 10u64.pow(1 + (next() % 5) as u32)).to_string()),
                '$' => log.push_str(&format!("{:x}", next() >> (next() % 48))),
                other => log.push(other),
            }
        }
        log.push('\n');
    }
    log
}

/// Its lines: `#` stands for a number, `$` for a hexadecimal one.
const LINES: &[&str] = &[
    "audit: type=1400 audit(#.#:#): apparmor=\"STATUS\" operation=\"profile_replace\" info=\"same as current profile, skipping\" profile=\"unconfined\" name=\"libvirt-$\" pid=# comm=\"apparmor_parser\"",
    "br0: port #(vnet#) entered blocking state",
    "br0: port #(vnet#) entered forwarding state",
    "br0: port #(vnet#) entered disabled state",
    "device vnet# entered promiscuous mode",
    "device vnet# left promiscuous mode",
    "vnet#: renamed from tap#",
    "kvm [#]: ignored rdmsr: 0x$ data 0x0",
    "kvm [#]: vcpu#, guest rIP: 0xffffffff$ ignored wrmsr: 0x$ data 0x$",
    "perf: interrupt took too long (# > #), lowering kernel.perf_event_max_sample_rate to #",
    "IPv6: ADDRCONF(NETDEV_CHANGE): vnet#: link becomes ready",
    "igb 0000:0#:00.0 enp#s0f0: igb: enp#s0f0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX",
    "igb 0000:0#:00.0 enp#s0f0: igb: enp#s0f0 NIC Link is Down",
    "usb 1-#: new high-speed USB device number # using xhci_hcd",
    "usb 1-#: New USB device found, idVendor=$, idProduct=$, bcdDevice= 1.00",
    "usb 1-#: Product: USB Receiver",
    "usb 1-#: USB disconnect, device number #",
    "EXT4-fs (dm-#): mounted filesystem $ r/w with ordered data mode. Quota mode: none.",
    "EXT4-fs (dm-#): unmounting filesystem $.",
    "XFS (dm-#): Mounting V5 Filesystem $",
    "XFS (dm-#): Ending clean mount",
    "nvme nvme#: I/O # QID # timeout, completion polled",
    "[UFW BLOCK] IN=br0 OUT= MAC=$ SRC=10.0.#.# DST=10.0.#.# LEN=# TOS=0x00 PREC=0x00 TTL=# ID=# PROTO=UDP SPT=# DPT=# LEN=#",
    "[UFW BLOCK] IN=br0 OUT= MAC=$ SRC=192.168.#.# DST=192.168.#.# LEN=# TOS=0x00 PREC=0x00 TTL=# ID=# DF PROTO=TCP SPT=# DPT=# WINDOW=# RES=0x00 SYN URGP=0",
    "systemd-journald[#]: Data hash table of /var/log/journal/$/system.journal has a fill level at 75.0 (# of # items, # file size, # bytes per hash table item), suggesting rotation.",
    "mce: [Hardware Error]: Machine check events logged",
    "EDAC MC#: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:# slot:# page:0x$ offset:0x$ grain:32 syndrome:0x$)",
    "pcieport 0000:00:1#.0: AER: Corrected error received: 0000:0#:00.0",
    "pcieport 0000:00:1#.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
    "TCP: request_sock_TCP: Possible SYN flooding on port #. Sending cookies.  Check SNMP counters.",
    "docker0: port #(veth$) entered disabled state",
    "veth$: renamed from eth0",
    "overlayfs: lowerdir is in-use as upperdir/workdir of another mount, accessing files from both mounts will result in undefined behavior.",
    "CPU#: Package temperature above threshold, cpu clock throttled (total events = #)",
    "CPU#: Package temperature/speed normal",
    "hrtimer: interrupt took # ns",
    "clocksource: timekeeping watchdog on CPU#: Marking clocksource 'tsc' as unstable because the skew is too large:",
    "sd #:0:0:0: [sd$] Attached SCSI disk",
    "scsi #:0:0:0: Direct-Access     QEMU     QEMU HARDDISK    2.5+ PQ: 0 ANSI: 5",
    "process '/usr/bin/qemu-system-x86_64' started with executable stack",
    "INFO: task kworker/u#:#:# blocked for more than 120 seconds.",
    "      Not tainted #.#.0-13-amd64 #1 Debian #.#.#-1",
    "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
    " ? __schedule+0x$/0x$",
    " ? schedule+0x$/0x$",
    " ? asm_sysvec_apic_timer_interrupt+0x$/0x$",
    "nfs: server 10.0.#.# not responding, still trying",
    "nfs: server 10.0.#.# OK",
    "md/raid1:md#: Disk failure on sd$1, disabling device.",
    "vfio-pci 0000:0#:00.0: enabling device (0000 -> 0003)",
    "vfio-pci 0000:0#:00.0: vfio_bar_restore: reset recovery - restoring BARs",
    "DMAR: [DMA Read NO_PASID] Request device [0#:00.0] fault addr 0x$ [fault reason 0x06] PTE Read access is not set",
    "Out of memory: Killed process # (qemu-system-x86) total-vm:#kB, anon-rss:#kB, file-rss:#kB, shmem-rss:#kB, UID:# pgtables:#kB oom_score_adj:0",
    "random: crng reseeded due to virtual machine fork",
    "loop#: detected capacity change from 0 to #",
    "bond0: (slave enp#s0): link status definitely up, 10000 Mbps full duplex",
    "RAS: Soft-offlining pfn: 0x$",
    "x86/split lock detection: #AC: CPU #/KVM/# took a split_lock trap at address: 0x$",
    "device-mapper: thin: 253:#: reached low water mark for data device: sending event.",
    "ata#.00: exception Emask 0x0 SAct 0x$ SErr 0x0 action 0x0",
    "ata#.00: failed command: READ FPDMA QUEUED",
];
