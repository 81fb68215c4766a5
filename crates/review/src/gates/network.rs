//! `network`: the host reaches the guest, at the address that was asked for, and its bytes come back.
//!
//! Twenty payloads go to the echo service on TCP port 7 of the guest and are timed, and five of a frame's full size to UDP
//! port 7; larger ones tell how much goes over, and iperf3 where both have it. A guest that has an address of the other family too, on a network that the
//! host is on, has to answer there as well. A user-mode network has no way in, so that there the question does not arise. From the guest, services that the
//! specification names are reached, or must not be: other guests, the world outside, the host's metadata.

mod iperf;

use super::{Judged, component, measurement, table};
use crate::aspects::Aspects;
use crate::echo::{EchoPlan, Echoed};
use crate::interfaces::{self, Interface, find, specified};
use crate::quote;
use crate::scope::{Host, Session};
use crate::statistics::{interval, median};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::machine::{Network, NetworkKind};
use vmwright_model::{MachineSpec, Measurement, Missing};

/// In the name of a measurement of one round trip, between the address and the trip's number.
pub(crate) const TRIP: &str = " round trip ";

/// Where the host keeps which MAC address answered for an IPv4 address.
const ARP: &str = "/proc/net/arp";

/// Bytes of a round trip that tells how much goes over, and how many there are. A sender that has not read its echo yet must
/// find room for all of it on the way.
const BULK: (usize, u32) = (64 << 10, 64);

/// How long an address of the other family may take to answer: one of IPv6 that has just come is not used for a second, in which
/// its neighbours may say that they have it (RFC 4862, section 5.4).
const OTHER: Duration = Duration::from_secs(3);

/// How long a guest that has just started its agent may take to get its addresses: a DHCP client is told to wait
/// between 1 and 10 s before it asks (RFC 2131, section 4.4.1).
const SETTLE: Duration = Duration::from_secs(10);

/// What was seen.
pub(crate) struct Observed {
    /// The guest's interfaces.
    pub(crate) interfaces: Result<Vec<Interface>, String>,
    /// MAC addresses of the VMM's devices.
    pub(crate) vmm_macs: Result<Vec<String>, String>,
    /// For each network of the specification: the address that was tried and what came of it; none where there
    /// was nothing to try.
    pub(crate) tried: Vec<Option<(IpAddr, Echoed)>>,
    /// For each network: the guest's address of the other family, and what came of it; or why it was not tried.
    pub(crate) other: Vec<Option<(IpAddr, Result<Echoed, String>)>>,
    /// For each network: what came of large payloads.
    pub(crate) bulk: Vec<Option<Echoed>>,
    /// For each network: how much goes over by iperf3; none where nothing is demanded.
    pub(crate) iperf: Vec<Option<iperf::Rates>>,
    /// The host's table of IPv4 neighbours after the trials.
    pub(crate) arp: Result<String, Missing>,
    /// For each network: the largest packet of the guest's interface, in bytes.
    pub(crate) mtus: Vec<Option<Result<u64, String>>>,
    /// For each network: what came of datagrams of that size.
    pub(crate) full: Vec<Option<Echoed>>,
    /// Services that the guest has to reach, and what came of it.
    pub(crate) reach: Vec<(String, Reached)>,
    /// Services that it must not reach.
    pub(crate) no_reach: Vec<(String, Reached)>,
}

/// Nothing where a service was reached, or why it was not; outside of it why it was not tried.
type Reached = Result<Result<(), String>, String>;

/// Bytes of the headers of IP and UDP before a datagram's own (RFC 791, 8200, 768).
fn headers(ip: IpAddr) -> u64 {
    if ip.is_ipv4() { 28 } else { 48 }
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let networks = &session.scope.spec.networks;
    let vmm_macs = interfaces::macs_of_vmm(session);
    let interfaces = settled(session, &vmm_macs);
    let try_one = |(index, network): (usize, &Network)| {
        let mac = interfaces::expected_mac(network, index, &vmm_macs);
        let own = interfaces.as_ref().ok().and_then(|all| find(all, mac.as_deref()));
        let address = specified(network).map(|(ip, _)| ip).or_else(|| own.and_then(Interface::reachable));
        let address = address.filter(|_| network.kind == NetworkKind::Bridge)?;
        Some((address, session.scope.host.echo(address, &EchoPlan::default())))
    };
    let tried: Vec<Option<(IpAddr, Echoed)>> = networks.iter().enumerate().map(try_one).collect();
    let mtu = |(index, network): (usize, &Network)| {
        let mac = interfaces::expected_mac(network, index, &vmm_macs);
        let own = interfaces.as_ref().ok().and_then(|all| find(all, mac.as_deref()))?;
        let path = format!("/sys/class/net/{}/mtu", component(&own.name)?);
        let text = session.guest_file(&path, 32).map_err(|error| format!("{path}: {error}"));
        Some(text.and_then(|text| text.trim().parse().map_err(|_| format!("{path} is no number"))))
    };
    let mtus: Vec<Option<Result<u64, String>>> = networks.iter().enumerate().map(mtu).collect();
    let full = |(index, network): (usize, &Network)| {
        let (ip, Echoed::Answered { .. }) = tried[index].as_ref()? else { return None };
        let size = network.mtu.map(u64::from).or_else(|| mtus[index].as_ref()?.as_ref().ok().copied())?;
        let size = usize::try_from(size.saturating_sub(headers(*ip))).ok()?.clamp(8, 65_000);
        let plan = EchoPlan { size, trips: 5, give_up: 3, ..EchoPlan::default() };
        Some(session.scope.host.datagrams(*ip, &plan))
    };
    let bulk = |one: &Option<(IpAddr, Echoed)>| {
        let (ip, Echoed::Answered { .. }) = one.as_ref()? else { return None };
        let plan = EchoPlan { size: BULK.0, trips: BULK.1, give_up: 2, patience: Duration::from_secs(3), ..EchoPlan::default() };
        Some(session.scope.host.echo(*ip, &plan))
    };
    let other = |(index, network): (usize, &Network)| {
        let (first, _) = tried[index].as_ref()?;
        let mac = interfaces::expected_mac(network, index, &vmm_macs);
        let own = interfaces.as_ref().ok().and_then(|all| find(all, mac.as_deref()))?;
        let (ip, prefix) = own.of_the_other_family(*first)?;
        Some((ip, by_the_other_family(session.scope.host, ip, prefix)))
    };
    let by_iperf = |(index, network): (usize, &Network)| {
        let mac = interfaces::expected_mac(network, index, &vmm_macs);
        let own = interfaces.as_ref().ok().and_then(|all| find(all, mac.as_deref()));
        let guest = tried[index].as_ref().map(|(ip, _)| *ip).or_else(|| own?.reachable());
        iperf::observe(session, network.kind, guest)
    };
    let wanted = &session.scope.spec.review;
    let reach = |all: &[String]| all.iter().map(|to| (to.clone(), session.reach(to))).collect();
    Observed {
        full: networks.iter().enumerate().map(full).collect(),
        bulk: tried.iter().map(bulk).collect(),
        iperf: networks.iter().enumerate().map(by_iperf).collect(),
        other: networks.iter().enumerate().map(other).collect(),
        reach: reach(&wanted.reach),
        no_reach: reach(&wanted.no_reach),
        mtus,
        tried,
        arp: session.host_file(ARP),
        interfaces,
        vmm_macs,
    }
}

/// What comes of an address that the specification does not name, where the host is on its network: another way there is not the
/// VM's.
fn by_the_other_family(host: &dyn Host, ip: IpAddr, prefix: u64) -> Result<Echoed, String> {
    match host.source(ip) {
        Some(source) if interfaces::of_one_network(source, ip, prefix) => {}
        Some(_) | None => return Err("the host has no address on its network".to_owned()),
    }
    let began = Instant::now();
    loop {
        let echoed = host.echo(ip, &EchoPlan::default());
        let clean = !matches!(&echoed, Echoed::Answered { first_loss: Some(_), .. } | Echoed::Unreachable(_));
        if clean || began.elapsed() >= OTHER {
            return Ok(echoed);
        }
        thread::sleep(Duration::from_millis(250));
    }
}

/// The guest's interfaces, once each has the address that it should have, or after [`SETTLE`].
fn settled(session: &Session<'_>, vmm_macs: &Result<Vec<String>, String>) -> Result<Vec<Interface>, String> {
    let began = Instant::now();
    loop {
        let interfaces = interfaces::of_guest(session)?;
        let lacks = |(index, network): (usize, &Network)| {
            let mac = interfaces::expected_mac(network, index, vmm_macs);
            let own = find(&interfaces, mac.as_deref());
            own.is_some_and(|own| match specified(network) {
                Some(address) => !own.addresses.contains(&address),
                None => network.kind == NetworkKind::Bridge && own.reachable().is_none(),
            })
        };
        if !session.scope.spec.networks.iter().enumerate().any(lacks) || began.elapsed() >= SETTLE {
            return Ok(interfaces);
        }
        thread::sleep(Duration::from_millis(250));
    }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    let mut report = Judged {
        outcome: vmwright_model::GateOutcome::Pass,
        checks: Vec::new(),
        measurements: Vec::new(),
        evidence: Vec::new(),
        tables: vec![table("Networks", &["network", "interface in the guest", "addresses there", "from the host"])],
    };
    for (index, network) in spec.networks.iter().enumerate() {
        let mac = interfaces::expected_mac(network, index, &seen.vmm_macs);
        let label = match &network.bridge {
            Some(bridge) => format!("network {index} ({} {bridge})", network.kind.name()),
            None => format!("network {index} ({})", network.kind.name()),
        };
        aspects.about("address");
        let own = judge_address(seen, network, mac.as_deref(), &label, &mut aspects);
        aspects.about("from the host");
        let way = match (network.kind.leads_in(), seen.tried.get(index).and_then(Option::as_ref)) {
            (false, _) => "no way in".to_owned(),
            (true, None) => {
                // Where the guest answered, that it has no address is a failure, noted above.
                if seen.interfaces.is_err() {
                    aspects.unknown(format!("{label}: no address is specified, and the guest could not be asked"));
                }
                "not tried: no address".to_owned()
            }
            (true, Some((ip, echoed))) => {
                judge_echo(*ip, echoed, &label, spec, &mut aspects, &mut report);
                judge_neighbour(seen, *ip, mac.as_deref(), &label, &mut aspects, &mut report);
                let bulk = seen.bulk.get(index).and_then(Option::as_ref);
                // What fills the way decides where it was to be had.
                let by_iperf = matches!(seen.iperf.get(index), Some(Some(Ok(_))));
                let wanted = spec.review.network_mib_s.filter(|_| !by_iperf);
                let more = judge_bulk(bulk, index, *ip, &label, wanted, &mut aspects, &mut report);
                format!("{}{more}", summary(*ip, echoed))
            }
        };
        let way = match seen.other.get(index).and_then(Option::as_ref) {
            None => way,
            Some((ip, Err(why))) => format!("{way}; {ip}: not tried: {why}"),
            Some((ip, Ok(echoed))) => {
                aspects.about("the other family");
                judge_echo(*ip, echoed, &label, spec, &mut aspects, &mut report);
                format!("{way}; {}", summary(*ip, echoed))
            }
        };
        let name = own.map_or("not found", |interface| interface.name.as_str());
        let addresses = own.map_or_else(|| "unknown".to_owned(), Interface::addresses_text);
        report.tables[0].rows.push(vec![label, quote::line(name), addresses, way]);
    }
    if spec.networks.is_empty() {
        report.tables.clear();
    } else if let Err(why) = &seen.interfaces {
        report.evidence.push(quote::from("guest-network-get-interfaces", why));
    }
    for (index, network) in spec.networks.iter().enumerate() {
        judge_size(seen, index, network, &mut aspects, &mut report);
    }
    // Addresses alone are half of the question: without a bridge nothing was reached, so nothing is passed.
    if !spec.networks.iter().any(|network| network.kind.leads_in()) {
        aspects.forget_passes();
    }
    for (index, network) in spec.networks.iter().enumerate() {
        iperf::judge(seen.iperf.get(index).and_then(Option::as_ref), index, network, spec, (&mut aspects, &mut report));
    }
    judge_reach(seen, &mut aspects, &mut report);
    (report.outcome, report.checks) = aspects.conclude(if spec.networks.is_empty() {
        "the machine has no network"
    } else {
        "a user-mode network has no way in from the host (a network of kind `bridge` would have one)"
    });
    report
}

/// Whether the guest has the interface and the address. Gives the interface.
fn judge_address<'a>(
    seen: &'a Observed,
    network: &Network,
    mac: Option<&str>,
    label: &str,
    aspects: &mut Aspects,
) -> Option<&'a Interface> {
    let wanted = specified(network);
    let all = match &seen.interfaces {
        Ok(all) => all,
        Err(why) => {
            if wanted.is_some() {
                aspects.unknown(format!("{label}: addresses in the guest: {}", quote::line(why)));
            }
            return None;
        }
    };
    let Some(mac) = mac else {
        aspects.unknown(format!("{label}: its MAC address is not known, so its interface cannot be told"));
        return None;
    };
    let Some(own) = find(all, Some(mac)) else {
        aspects.fail(format!("{label}: the guest has no interface with MAC address {mac}"));
        return None;
    };
    if let Some((ip, prefix)) = wanted {
        aspects.expect(own.addresses.contains(&(ip, prefix)), || {
            format!("{label}: the guest does not have {ip}/{prefix} there, but {}", own.addresses_text())
        });
    } else if network.kind == NetworkKind::Bridge {
        aspects.expect(own.reachable().is_some(), || format!("{label}: the guest has no address there"));
    }
    Some(own)
}

/// Whether packets are as large as they are meant to be, and come through at that size.
fn judge_size(seen: &Observed, index: usize, network: &Network, aspects: &mut Aspects, report: &mut Judged) {
    aspects.about("size of packets");
    let mtu = seen.mtus.get(index).and_then(Option::as_ref);
    if let Some(wanted) = network.mtu {
        match mtu {
            Some(Ok(found)) => aspects.expect(*found == u64::from(wanted), || {
                format!("network {index}: the guest sends packets of at most {found} bytes, the specification says {wanted}")
            }),
            Some(Err(why)) => aspects.unknown(format!("network {index}: {}", quote::line(why))),
            None => aspects.unknown(format!("network {index}: the guest's interface was not found, nor how large its packets are")),
        }
    }
    let size = network.mtu.map(u64::from).or_else(|| mtu?.as_ref().ok().copied()).unwrap_or(0);
    match seen.full.get(index).and_then(Option::as_ref) {
        Some(Echoed::Answered { trips, first_loss }) => {
            let lost = trips.iter().filter(|trip| trip.is_none()).count();
            report.measurements.push(measurement(format!("network {index}: full packets lost"), lost as f64, "count"));
            aspects.expect(lost == 0, || {
                let why = first_loss.as_deref().unwrap_or("no reason given");
                format!("network {index}: {lost} of {} packets of {size} bytes were lost: {why}", trips.len())
            });
        }
        Some(Echoed::Unreachable(why)) => aspects.fail(format!(
            "network {index}: no packet of {size} bytes comes through, though small ones do: {}",
            quote::line(why)
        )),
        Some(Echoed::Refused) => aspects.none(format!("network {index}: no echo service for datagrams")),
        Some(Echoed::Garbled) => aspects.fail(format!("network {index}: packets of {size} bytes come back changed")),
        None => {}
    }
}

/// What the guest reaches, and what it must not.
fn judge_reach(seen: &Observed, aspects: &mut Aspects, report: &mut Judged) {
    let mut table = table("From the guest", &["service", "wanted", "found"]);
    let all = seen.reach.iter().map(|one| (one, true)).chain(seen.no_reach.iter().map(|one| (one, false)));
    for ((to, reached), wanted) in all {
        aspects.about(if wanted { "reach" } else { "egress" });
        let found = match reached {
            Ok(Ok(())) => "reached".to_owned(),
            Ok(Err(why)) => format!("not reached: {why}"),
            Err(why) => format!("not tried: {why}"),
        };
        match (reached, wanted) {
            (Ok(Ok(())), true) | (Ok(Err(_)), false) => aspects.pass(),
            (Ok(Err(why)), true) => aspects.fail(format!("the guest does not reach {to}: {}", quote::line(why))),
            (Ok(Ok(())), false) => aspects.fail(format!("the guest reaches {to}, which it must not")),
            (Err(why), _) => aspects.unknown(format!("whether the guest reaches {to}: {}", quote::line(why))),
        }
        let wanted = if wanted { "reached" } else { "not reached" };
        table.rows.push(vec![to.clone(), wanted.to_owned(), quote::line(&found)]);
    }
    if !table.rows.is_empty() {
        report.tables.push(table);
    }
}

/// Whether the round trips are as quick as they have to be.
fn judge_time(ip: IpAddr, times: &[f64], label: &str, spec: &MachineSpec, aspects: &mut Aspects) {
    let Some(wanted) = spec.review.round_trip_us else { return };
    aspects.about("latency");
    let wanted = f64::from(wanted) / 1e3;
    match interval(times) {
        Some((_, high)) if high <= wanted => aspects.pass(),
        Some((low, high)) => {
            let told = format!(
                "{label}: the median round trip to {ip} lies between {low:.3} and {high:.3} ms, the specification demands at most {wanted:.3} ms"
            );
            if low > wanted { aspects.fail(told) } else { aspects.unknown(told) }
        }
        None => aspects.unknown(format!("{label}: {} round trips to {ip} are too few to tell how long they take", times.len())),
    }
}

/// How much goes over, and whether that is as much as it has to be. Gives words for it.
fn judge_bulk(
    bulk: Option<&Echoed>,
    index: usize,
    ip: IpAddr,
    label: &str,
    wanted: Option<u32>,
    aspects: &mut Aspects,
    report: &mut Judged,
) -> String {
    let Some(Echoed::Answered { trips, first_loss }) = bulk else {
        if let (Some(_), Some(wanted)) = (bulk, wanted) {
            aspects.about("throughput").fail(format!(
                "{label}: payloads of {} bytes do not come back from {ip}, the specification demands {wanted} MiB/s",
                BULK.0
            ));
        } else if wanted.is_some() {
            aspects.about("throughput").unknown(format!("{label}: {ip} does not answer, so how much goes over is not known"));
        }
        return String::new();
    };
    let size = 2.0 * BULK.0 as f64 / f64::from(1 << 20);
    // There and back. What got lost took no time that could be told, and counts as nothing that came over.
    let rate = |trip: &Option<f64>| trip.filter(|time| *time > 0.0).map_or(0.0, |time| size / (time / 1e3));
    let rates: Vec<f64> = trips.iter().map(rate).collect();
    let (Some(middle), bounds) = (median(&rates), interval(&rates)) else { return String::new() };
    report.measurements.push(Measurement {
        samples: rates,
        interval: bounds,
        ..measurement(format!("network {index}: throughput"), middle, "MiB/s")
    });
    let lost = trips.iter().filter(|trip| trip.is_none()).count();
    let lost = first_loss.as_deref().map(|why| format!(" ({lost} of {} lost: {})", trips.len(), quote::line(why))).unwrap_or_default();
    if let Some(wanted) = wanted {
        aspects.about("throughput");
        let wanted = f64::from(wanted);
        match bounds {
            Some((low, _)) if low >= wanted => aspects.pass(),
            Some((low, high)) => {
                let told = format!(
                    "{label}: between {low:.1} and {high:.1} MiB/s go to {ip} and back{lost}, the specification demands at least {wanted:.0}"
                );
                if high < wanted { aspects.fail(told) } else { aspects.unknown(told) }
            }
            None => aspects.unknown(format!("{label}: {} payloads to {ip} are too few to tell how much goes over", trips.len())),
        }
    }
    format!(", {middle:.1} MiB/s{lost}")
}

fn judge_echo(
    ip: IpAddr,
    echoed: &Echoed,
    label: &str,
    spec: &MachineSpec,
    aspects: &mut Aspects,
    report: &mut Judged,
) {
    let port = EchoPlan::default().port;
    match echoed {
        Echoed::Answered { trips, first_loss } => {
            let times: Vec<f64> = trips.iter().flatten().copied().collect();
            let lost = trips.len() - times.len();
            for (number, time) in (1..).zip(&times) {
                report.measurements.push(measurement(format!("{ip}{TRIP}{number}"), *time, "ms"));
            }
            if let Some(median) = median(&times) {
                report.measurements.push(measurement(format!("{ip} median"), median, "ms"));
            }
            report.measurements.push(measurement(format!("{ip} sent"), trips.len() as f64, "count"));
            report.measurements.push(measurement(format!("{ip} lost"), lost as f64, "count"));
            aspects.expect(lost == 0, || {
                let why = first_loss.as_deref().unwrap_or("no reason given");
                format!("{label}: {lost} of {} round trips to {ip} were lost: {why}", trips.len())
            });
            judge_time(ip, &times, label, spec, aspects);
        }
        Echoed::Refused => aspects.unknown(format!(
            "{label}: {ip} answers, but nothing listens on its TCP port {port} (an echo service there would tell)"
        )),
        Echoed::Garbled => aspects.fail(format!("{label}: {ip} sends back other bytes than it was sent")),
        Echoed::Unreachable(why) => aspects.fail(format!("{label}: {ip} is not reached from the host: {why}")),
    }
}

/// Whether it was this guest that answered, and not another machine with the same address.
fn judge_neighbour(
    seen: &Observed,
    ip: IpAddr,
    mac: Option<&str>,
    label: &str,
    aspects: &mut Aspects,
    report: &mut Judged,
) {
    let (Ok(arp), Some(mac)) = (&seen.arp, mac) else { return };
    aspects.about("from the host");
    for line in arp.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [address, _, _, found, ..] = fields[..] else { continue };
        // All zeros stand for a neighbour that did not answer.
        if address.parse() == Ok(ip) && found != "00:00:00:00:00:00" {
            report.evidence.push(quote::from(ARP, line));
            aspects.expect(found.eq_ignore_ascii_case(mac), || {
                format!("{label}: {ip} is answered by {found}, which is not this guest's {mac}: the address is in use twice")
            });
        }
    }
}

fn summary(ip: IpAddr, echoed: &Echoed) -> String {
    match echoed {
        Echoed::Answered { trips, .. } => {
            let times: Vec<f64> = trips.iter().flatten().copied().collect();
            let median = median(&times).map_or_else(String::new, |median| format!(", median {median:.2} ms"));
            format!("{ip}: {} of {} came back{median}", times.len(), trips.len())
        }
        Echoed::Refused => format!("{ip}: port refused"),
        Echoed::Garbled => format!("{ip}: other bytes"),
        Echoed::Unreachable(_) => format!("{ip}: not reached"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::{network, spec};
    use vmwright_model::GateOutcome;

    const MAC: &str = "52:54:00:00:00:01";

    fn interface(addresses: &[&str]) -> Interface {
        let parse = |text: &&str| {
            let (ip, prefix) = text.split_once('/').unwrap();
            (ip.parse().unwrap(), prefix.parse().unwrap())
        };
        Interface {
            name: "eth0".to_owned(),
            mac: Some(MAC.to_owned()),
            addresses: addresses.iter().map(parse).collect(),
        }
    }

    fn answered(trips: &[Option<f64>]) -> Echoed {
        let lost = trips.iter().any(Option::is_none);
        Echoed::Answered { trips: trips.to_vec(), first_loss: lost.then(|| "no echo within 1000 ms".to_owned()) }
    }

    fn bridged() -> (Observed, MachineSpec) {
        let mut spec = spec();
        spec.networks = vec![network(NetworkKind::Bridge, Some("10.213.0.2/24"), Some(MAC))];
        let seen = Observed {
            interfaces: Ok(vec![interface(&["10.213.0.2/24"])]),
            vmm_macs: Ok(vec![MAC.to_owned()]),
            tried: vec![Some(("10.213.0.2".parse().unwrap(), answered(&[Some(0.5), Some(0.3), Some(0.9), Some(0.4)])))],
            other: vec![None],
            bulk: vec![Some(answered(&[Some(2.0); 64]))],
            iperf: vec![None],
            mtus: vec![Some(Ok(1500))],
            full: vec![Some(answered(&[Some(0.9)]))],
            reach: Vec::new(),
            no_reach: Vec::new(),
            arp: Ok(format!(
                "IP address       HW type     Flags       HW address            Mask     Device\n\
                 10.213.0.2       0x1         0x2         {MAC}     *        br0\n"
            )),
        };
        (seen, spec)
    }

    fn why(judged: &Judged) -> String {
        format!("{:?}", judged.outcome)
    }

    #[test]
    fn an_echo_from_the_right_guest_passes_with_its_median() {
        let (seen, spec) = bridged();
        let judged = judge(&seen, &spec);
        assert_eq!(judged.outcome, GateOutcome::Pass);
        let figure = |name: &str| judged.measurements.iter().find(|m| m.name == name).map(|m| m.value);
        assert_eq!(figure("10.213.0.2 median"), Some(0.45));
        assert_eq!(figure("10.213.0.2 lost"), Some(0.0));
        assert_eq!(figure("10.213.0.2 round trip 3"), Some(0.9));
        assert_eq!(judged.tables[0].rows[0][3], "10.213.0.2: 4 of 4 came back, median 0.45 ms, 62.5 MiB/s");
        assert_eq!(figure("network 0: throughput"), Some(62.5), "64 KiB there and back in 2 ms");
    }

    #[test]
    fn what_goes_over_is_held_against_the_specification() {
        let (mut seen, mut spec) = bridged();
        for (wanted, verdict) in [(62, "pass"), (63, "fail")] {
            spec.review.network_mib_s = Some(wanted);
            assert_eq!(judge(&seen, &spec).outcome.word(), verdict, "{wanted}");
        }
        assert!(why(&judge(&seen, &spec)).contains("between 62.5 and 62.5 MiB/s go to 10.213.0.2 and back, the specification demands at least 63"));
        let mut trips = vec![Some(2.0); 64];
        trips[..32].fill(Some(0.5));
        seen.bulk = vec![Some(answered(&trips))];
        assert_eq!(judge(&seen, &spec).outcome.word(), "unknown", "the interval lies on both sides");
        // What was measured by iperf3 decides, and where it was not, that is said of a network that has no other way.
        spec.review.network_mib_s = Some(100);
        seen.iperf = vec![Some(Ok(vec![120.0; 12]))];
        let judged = judge(&seen, &spec);
        assert_eq!(judged.outcome, GateOutcome::Pass, "{judged:?}");
        seen.iperf = vec![Some(Ok(vec![90.0; 12]))];
        assert!(why(&judge(&seen, &spec)).contains("network 0: between 90.0 and 90.0 MiB/s go between guest and host by iperf3"));
        let (mut closed, mut user) = (bridged().0, spec.clone());
        user.networks[0].kind = NetworkKind::User;
        closed.tried = vec![None];
        closed.iperf = vec![Some(Err("the guest has no iperf3".to_owned()))];
        let told = judge(&closed, &user);
        assert!(told.outcome.word() == "unknown" && told.outcome.why().contains("the guest has no iperf3"), "{told:?}");
        closed.iperf = vec![Some(Ok(vec![120.0; 12]))];
        assert_eq!(judge(&closed, &user).outcome, GateOutcome::Pass);
        seen.iperf = vec![None];
        // Most of it gets lost: what comes over is nothing.
        trips[..50].fill(None);
        seen.bulk = vec![Some(answered(&trips))];
        let told = why(&judge(&seen, &spec));
        assert!(told.contains("Fail(") && told.contains("(50 of 64 lost: no echo within 1000 ms)"), "{told}");
        seen.bulk = vec![Some(Echoed::Unreachable("closed".to_owned()))];
        assert!(why(&judge(&seen, &spec)).contains("payloads of 65536 bytes do not come back from 10.213.0.2"));
        seen.bulk = vec![None];
        assert_eq!(judge(&seen, &spec).outcome.word(), "unknown");
        // Not demanded, it is told and no more.
        spec.review.network_mib_s = None;
        seen.bulk = vec![Some(answered(&trips))];
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
    }

    #[test]
    fn a_guest_of_both_families_answers_by_both() {
        let (mut seen, spec) = bridged();
        let ip: IpAddr = "fd00::2".parse().unwrap();
        let other = |echoed| vec![Some((ip, echoed))];
        seen.other = other(Ok(answered(&[Some(0.5); 20])));
        let judged = judge(&seen, &spec);
        assert_eq!(judged.outcome, GateOutcome::Pass);
        assert!(judged.checks.iter().any(|check| check.name == "the other family"));
        assert!(judged.tables[0].rows[0][3].ends_with("; fd00::2: 20 of 20 came back, median 0.50 ms"), "{:?}", judged.tables);
        seen.other = other(Ok(Echoed::Unreachable("no route to host".to_owned())));
        assert!(why(&judge(&seen, &spec)).contains("fd00::2 is not reached from the host: no route to host"));
        seen.other = other(Err("the host has no address on its network".to_owned()));
        let judged = judge(&seen, &spec);
        assert_eq!(judged.outcome, GateOutcome::Pass);
        assert!(!judged.checks.iter().any(|check| check.name == "the other family"), "not tried is not passed");
    }

    #[test]
    fn loss_silence_and_garbage_fail_and_a_closed_port_is_unknown() {
        let (mut seen, spec) = bridged();
        let ip: IpAddr = "10.213.0.2".parse().unwrap();
        seen.tried = vec![Some((ip, answered(&[Some(0.5), None])))];
        assert!(why(&judge(&seen, &spec)).contains("1 of 2 round trips to 10.213.0.2 were lost: no echo within 1000 ms"));
        seen.tried = vec![Some((ip, Echoed::Unreachable("no route to host".to_owned())))];
        assert!(why(&judge(&seen, &spec)).starts_with("Fail"));
        seen.tried = vec![Some((ip, Echoed::Garbled))];
        assert!(why(&judge(&seen, &spec)).starts_with("Fail"));
        seen.tried = vec![Some((ip, Echoed::Refused))];
        assert!(why(&judge(&seen, &spec)).starts_with("Unknown"));
    }

    #[test]
    fn a_wrong_a_missing_and_a_stolen_address_fail() {
        let (mut seen, spec) = bridged();
        seen.interfaces = Ok(vec![interface(&["10.213.0.3/24"])]);
        let text = why(&judge(&seen, &spec));
        assert!(text.contains("does not have 10.213.0.2/24 there, but 10.213.0.3/24"), "{text}");
        seen.interfaces = Ok(vec![interface(&[])]);
        assert!(why(&judge(&seen, &spec)).contains("but none"));
        seen.interfaces = Ok(Vec::new());
        assert!(why(&judge(&seen, &spec)).contains("no interface with MAC address 52:54:00:00:00:01"));
        let (mut seen, spec) = bridged();
        seen.arp = Ok("10.213.0.2 0x1 0x2 52:54:00:ff:ff:ff * br0\n".to_owned());
        assert!(why(&judge(&seen, &spec)).contains("in use twice"));
    }

    #[test]
    fn a_bridge_without_any_address_fails_where_the_guest_was_asked() {
        let (mut seen, mut spec) = bridged();
        spec.networks[0].address = None;
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
        seen.tried = vec![None];
        seen.interfaces = Ok(vec![interface(&["fe80::1/64"])]);
        assert!(why(&judge(&seen, &spec)).contains("the guest has no address there"));
        seen.interfaces = Err("the guest's agent does not answer: closed".to_owned());
        assert!(why(&judge(&seen, &spec)).starts_with("Unknown"));
    }

    #[test]
    fn an_echo_alone_does_not_prove_the_address_in_the_guest() {
        let (mut seen, spec) = bridged();
        seen.interfaces = Err("the guest's agent does not answer: closed".to_owned());
        assert!(why(&judge(&seen, &spec)).starts_with("Unknown"));
    }

    #[test]
    fn user_networks_have_no_way_in_and_no_network_is_no_question() {
        let (mut seen, mut spec) = bridged();
        seen.tried = vec![None];
        spec.networks = vec![network(NetworkKind::User, Some("10.213.0.2/24"), Some(MAC))];
        assert!(why(&judge(&seen, &spec)).starts_with("NotApplicable"), "a right address alone is no pass");
        seen.interfaces = Ok(vec![interface(&[])]);
        assert!(why(&judge(&seen, &spec)).starts_with("Fail"), "a wrong one fails all the same");
        spec.networks.clear();
        seen.tried.clear();
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::NotApplicable("the machine has no network".to_owned()));
    }

    #[test]
    fn packets_have_their_size_and_come_through_with_it() {
        let (mut seen, mut spec) = bridged();
        spec.networks[0].mtu = Some(9000);
        assert!(why(&judge(&seen, &spec)).contains("packets of at most 1500 bytes, the specification says 9000"));
        seen.mtus = vec![Some(Ok(9000))];
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
        seen.full = vec![Some(Echoed::Unreachable("no echo of 8972 bytes within 1000 ms".to_owned()))];
        assert!(why(&judge(&seen, &spec)).contains("no packet of 9000 bytes comes through, though small ones do"));
        seen.full = vec![Some(answered(&[Some(0.9), None]))];
        assert!(why(&judge(&seen, &spec)).contains("1 of 2 packets of 9000 bytes were lost"));
    }

    #[test]
    fn what_must_be_reached_is_and_what_must_not_is_not() {
        let (mut seen, mut spec) = bridged();
        let one = |to: &str, reached| vec![(to.to_owned(), reached)];
        seen.reach = one("a:1", Ok(Ok(())));
        seen.no_reach = one("b:2", Ok(Err("refused".to_owned())));
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
        // On a network without a way in that alone is something.
        spec.networks = vec![network(NetworkKind::User, None, Some(MAC))];
        seen.tried = vec![None];
        seen.full = vec![None];
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
        seen.no_reach = one("b:2", Ok(Ok(())));
        assert!(why(&judge(&seen, &spec)).contains("the guest reaches b:2, which it must not"));
        seen.reach = one("a:1", Ok(Err("timed out".to_owned())));
        assert!(why(&judge(&seen, &spec)).contains("does not reach a:1: timed out"));
        (seen.reach, seen.no_reach) = (Vec::new(), one("b:2", Err("no bash".to_owned())));
        assert!(why(&judge(&seen, &spec)).starts_with("Unknown"));
    }

    #[test]
    fn round_trips_are_held_against_the_specification() {
        let (mut seen, mut spec) = bridged();
        let trips: Vec<Option<f64>> = (0..20).map(|trip| Some(0.4 + f64::from(trip) / 100.0)).collect();
        seen.tried = vec![Some(("10.213.0.2".parse().unwrap(), answered(&trips)))];
        for (wanted, verdict) in [(900, "pass"), (300, "fail"), (500, "unknown")] {
            spec.review.round_trip_us = Some(wanted);
            assert_eq!(judge(&seen, &spec).outcome.word(), verdict, "{wanted}");
        }
    }

    #[test]
    fn the_order_of_the_vmm_stands_in_for_a_mac_that_is_not_written_down() {
        let (mut seen, mut spec) = bridged();
        spec.networks[0].mac = None;
        assert_eq!(judge(&seen, &spec).outcome, GateOutcome::Pass);
        seen.vmm_macs = Err("query-rx-filter: broken pipe".to_owned());
        assert!(why(&judge(&seen, &spec)).starts_with("Unknown"));
    }
}
