//! # Checksum or segmentation offload corrupts or slows the traffic
//!
//! ## What it is
//! Virtual cards leave checksums and segmentation to somebody later on the way. If a hop forwards such a packet as if it
//! were finished, the receiver drops it for its bad checksum, or large segments are dropped: DHCP is answered but not
//! accepted, TCP crawls or stalls, pings pass.
//!
//! Heard as: ping works but TCP or UDP through a router or firewall VM, pfSense or OPNsense, crawls or fails.
//!
//! Known by: bad UDP checksum, DHCP reply ignored; slow TCP upload or download, GRO, TSO, LRO; ethtool -K tx off cures;
//! retransmissions; tcpdump cksum incorrect; web pages half load, only TCP fails while ICMP works; slow with one kernel
//! or card; gso, csum, vnet header; router VM, pfSense, OPNsense; DHCP client rejects.
//!
//! ## Why it happens
//! An old DHCP client reads raw frames and does not know "checksum not filled in"; a physical driver (e1000e, r8169,
//! bnx2, igb with LRO, several USB and Wi-Fi cards) has a broken offload; LRO is on at a card whose frames are bridged
//! or forwarded; FreeBSD, pfSense and OPNsense guests on virtio do not finish foreign checksums; tunnels (VXLAN) and
//! OVS-DPDK meet partial checksums they do not complete.
//!
//! ## Confirm
//! `tcpdump -vvni <nic>` at the receiver says "bad udp cksum" or "incorrect" (at the sender that is normal);
//! `ethtool -k <nic>`; `nstat -az | grep InCsumErrors`; `dmesg | grep -i csum`.
//!
//! ## Refute
//! The checksums are right at the receiving end, and `ethtool -K <nic> tx off gso off tso off` changes nothing.
//!
//! ## Fix
//! Switch the one faulty offload off on the one interface (`ethtool -K <nic> lro off`, `tx off`), lastingly; in
//! pfSense "Disable hardware checksum offload"; libvirt fills DHCP checksums with a CHECKSUM rule (iptables backend).
//!
//! ## References
//! Linux `Documentation/networking/checksum-offloads.rst`, `net/core/dev.c` (`netdev_rx_csum_fault`,
//! `skb_warn_bad_offload`), `include/linux/virtio_net.h`; `ethtool(8)`; libvirt 10.x NEWS on the CHECKSUM rule.

use crate::prelude::*;

/// What people say of connections that offloads break.
const BROKEN: &[&str] = &["pfsense", "opnsense", "crawl", "kbit", "retransmi", "tcp", "udp", "checksum"];

/// What has a checksum on its way, where files and images have one too.
const FRAMES: &[&str] = &["dhcp", "udp", "tcp", "packet", "frames", "datagram"];

pub const RULE: Rule = Rule {
    tags: &["network", "performance"],
    signs: &[
        Sign::strong("bad udp checksums in"),
        Sign::strong("bad udp cksum"),
        Sign::strong("hw csum failure"),
        Sign::strong("bad hardware checksum"),
        Sign::strong("[bad tcp cksum"),
        Sign::support("checksum incorrect"),
        Sign::support("cksum {sum} (incorrect"),
        Sign::strong("received packets cannot be forwarded while LRO is enabled"),
        Sign::strong("bad gso: type: {type}, size: {size}"),
        Sign::strong("bad gso type"),
        Sign::support("skb_warn_bad_offload"),
        Sign::support("caps=({from}, {to}) len={len} data_len={data}"),
        Sign::support("netdev_rx_csum_fault"),
        Sign::strong("InCsumErrors").and(&["UdpInCsumErrors"]),
        Sign::support("large-receive-offload: on").and(&["bridge"]),
        Sign::support("Detected Hardware Unit Hang"),
        Sign::hint("tcp-segmentation-offload: on"),
        Sign::hint("tx-checksumming: on"),
        Sign::hint("generic-segmentation-offload: on"),
        Sign::strong("TCP segment * wrong checksum"),
        // Windows' names for the same (netkvm).
        Sign::support("Large Send Offload*Enabled"),
        Sign::support("Recv Segment Coalescing*Enabled"),
        Sign::strong("Large Send Offload").and(&["checksum"]),
        // What a complaint makes of a configuration.
        Sign::support("tx-checksumming: on").said(BROKEN).or_near(),
        Sign::support("tcp-segmentation-offload: on").said(BROKEN).or_near(),
        Sign::support("checksum offload").said(BROKEN).or_near(),
        Sign::strong("checksum offload").said(&["dropped", "lost", "crawl", "it works", "retransmi"]),
        Sign::support("vtnet").said(BROKEN).or_near(),
        Sign::strong("checksum failure").said(FRAMES),
        Sign::strong("checksum error").said(FRAMES),
        Sign::strong("invalid checksum").said(FRAMES),
        Sign::strong("wrong checksum").said(FRAMES),
        Sign::support("tcp-segmentation-offload: off")
            .said(&["throughput", "slow", "bandwidth", "gbit", "gbps", "mbps"])
            .or_near(),
        Sign::support("tx-checksumming: off")
            .said(&["throughput", "slow", "bandwidth", "gbit", "gbps", "mbps"])
            .or_near(),
        Sign::strong("Dropped packet: Too big. GRO/TSO enabled?"),
        Sign::strong("Tx TSO offload is not supported"),
        Sign::strong("Oversized TSO packet"),
        Sign::strong("Disabling checksum and segment offloading due to missing kernel support"),
        Sign::strong("Tunneling packets with TSO is not supported"),
        Sign::strong("Unexpected Tx offload flags"),
        Sign::strong("tun: unexpected GSO type"),
    ],
    words: &[
        "checksum",
        "offload",
        "ethtool",
        "slow tcp",
        "upload is slow",
        "retransmi",
        "throughput",
        "segmentation",
        "large send",
        " lso",
        " tso",
        " gro",
        "download",
    ],
    tells: "ethtool -k",
    remedy: "switch the faulty offload off on the one interface that corrupts the frames",
    applicability: Applicability::NeedsApproval,
    check,
    ..Rule::NEW
};

/// The longest that an Ethernet frame of a usual MTU carries, in bytes.
const FRAME: u32 = 1514;

fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let mut draft = cx.draft();
    if large(cx.complaint()) {
        // tcpdump shows what leaves the kernel: segments that the card, or the host, has yet to cut.
        let long = cx.lines_with("length ").find_map(|(text, number, line)| {
            let length = line.rsplit_once("length ")?.1;
            let digits = length.split(|letter: char| !letter.is_ascii_digit()).next()?;
            (line.contains("IP") && digits.parse::<u32>().is_ok_and(|length| length > FRAME))
                .then(|| text.quote(number))
        });
        draft = draft.because(Strength::Strong, long.flatten(), "a segment that is not cut yet");
    }
    vec![draft.verdict()]
}

/// Whether a complaint is of packets that are longer than they may be.
fn large(complaint: &str) -> bool {
    let text = complaint.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    any(&["exceed", "larger", "bigger", "above", "over the", "large packet"]) && any(&["mtu", "1500"])
}
