//! `guest-to-guest`: two guests on one network reach each other: round trips, frames of the full size, and how much goes
//! over; and guests that are isolated from each other do not.
//!
//! The other guest is one of the same specification that is started for it, with addresses of its own. vmwright's own probe
//! asks the other one's echo service on port 7; other guests use their `ping`, which tells no throughput. Beside the address that
//! the specification says, one of the other family is tried: of IPv6 each guest has one on its link, unless it has none at all.

use super::{Judged, component, measurement, table};
use crate::aspects::Aspects;
use crate::interfaces::{self, Interface};
use crate::quote;
use crate::scope::{Guest, GuestError, Session, Undone};
use crate::statistics::median;
use serde_json::Value;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::MachineSpec;
use vmwright_model::machine::Network;

/// Bytes of a round trip, as `ping` sends them, and how many there are.
const SMALL: (u64, u64) = (56, 20);

/// Round trips of frames of the full size.
const FULL: u64 = 5;

/// Bytes of a round trip that tells how much goes over, and how many there are. A sender that has not read its echo yet must
/// find room for all of it on the way.
const BULK: (u64, u64) = (256 << 10, 8);

/// How long a guest may take until its addresses of IPv6 are there and it has found that nobody else has them (RFC 4862, section
/// 5.4): a second, and what the guest is late.
const SETTLES: Duration = Duration::from_secs(5);

/// How long all round trips of one kind may take.
const LIMIT: Duration = Duration::from_secs(40);

/// Round trips, as the guest tells them. Untrusted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trips {
    /// Milliseconds of each; none for one that was lost.
    pub(crate) trips: Vec<Option<f64>>,
    /// Why the first was lost.
    pub(crate) why: Option<String>,
    /// Why there are none: nobody answers.
    pub(crate) none: Option<String>,
}

/// What was seen on one network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// Address of the other guest; or why it has none.
    pub(crate) other: Result<IpAddr, String>,
    pub(crate) small: Result<Trips, String>,
    /// Bytes of a frame without its header, and what came of frames of that size.
    pub(crate) full: Result<(u64, Trips), String>,
    /// Only vmwright's own probe tells it.
    pub(crate) bulk: Option<Result<Trips, String>>,
    /// The same by the other family of addresses; or why there is none.
    pub(crate) family: Result<Family, String>,
}

/// What was seen by the other family of addresses.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Family {
    /// Address of the other guest, with the interface that leads there where it counts on the link alone.
    pub(crate) ip: String,
    pub(crate) small: Result<Trips, String>,
    pub(crate) full: Result<(u64, Trips), String>,
}

/// What was seen.
pub(crate) struct Observed {
    pub(crate) done: Result<(), Undone>,
    /// By network; none where it leads to no other guest.
    pub(crate) seen: Vec<Option<Seen>>,
}

pub(crate) fn observe(session: &Session<'_>) -> Observed {
    let cannot = |why: &str| Observed { done: Err(Undone::Cannot(why.to_owned())), seen: Vec::new() };
    let networks = &session.scope.spec.networks;
    if !networks.iter().any(|network| network.kind.leads_in()) {
        return Observed { done: Ok(()), seen: vec![None; networks.len()] };
    }
    let Some(exercise) = session.scope.exercise else { return cannot("nothing may be done with this VM here") };
    if let Err(why) = &session.waited.agent {
        return cannot(why);
    }
    let (mut seen, probe) = (Vec::new(), session.is_probe());
    let macs = interfaces::macs_of_vmm(session);
    let done = exercise.beside(&mut |other, spec| {
        seen = networks
            .iter()
            .enumerate()
            .map(|(at, network)| {
                let mac = interfaces::expected_mac(network, at, &macs);
                network.kind.leads_in().then(|| look(session.scope.guest, other, mac.as_deref(), &spec.networks[at], probe))
            })
            .collect();
    });
    Observed { done, seen }
}

/// Tries the way from a guest to another one, whose network this is.
fn look(guest: &dyn Guest, other: &dyn Guest, mac: Option<&str>, network: &Network, probe: bool) -> Seen {
    let address = address_of(other, network);
    let Ok(ip) = address else {
        let why = || "the other guest has no address".to_owned();
        return Seen { other: address, small: Err(why()), full: Err(why()), bulk: None, family: Err(why()) };
    };
    let by = |by: &str, to: &str, (bytes, count): (u64, u64)| {
        if probe { echoed(guest, by, to, bytes, count) } else { pinged(guest, to, bytes, count) }
    };
    let mtu = frame(guest, mac);
    let full = |to: &str, is_ipv4: bool| {
        let mtu = mtu.clone()?;
        // Headers of IP, and of UDP or ICMP.
        let headers = if is_ipv4 { 28 } else { 48 };
        Ok((mtu, by("udp", to, (mtu.saturating_sub(headers).max(8), FULL))?))
    };
    let to = ip.to_string();
    let mut seen = Seen {
        small: by("tcp", &to, SMALL),
        full: full(&to, ip.is_ipv4()),
        bulk: probe.then(|| by("tcp", &to, BULK)),
        other: Ok(ip),
        family: Err(String::new()),
    };
    let began = Instant::now();
    loop {
        let family = other_family(guest, other, (mac, network.mac.as_deref()), ip);
        seen.family = family.map(|(to, is_ipv4)| Family { small: by("tcp", &to, SMALL), full: full(&to, is_ipv4), ip: to });
        let clean = seen.family.as_ref().is_ok_and(|family| all_back(&family.small));
        // Where the first family comes through, so will this one, once the guests have made sure that their addresses are single.
        if clean || !all_back(&seen.small) || began.elapsed() >= SETTLES {
            return seen;
        }
        thread::sleep(Duration::from_millis(250));
    }
}

/// Whether nothing was lost.
fn all_back(trips: &Result<Trips, String>) -> bool {
    trips.as_ref().is_ok_and(|trips| trips.none.is_none() && trips.trips.iter().all(Option::is_some))
}

/// An address of the other guest that is of the other family than `first`, and whether that is IPv4. Before the address on the
/// link comes one that leads further, where the two guests do not share it: a second guest was not told another one.
fn other_family(
    guest: &dyn Guest,
    other: &dyn Guest,
    (mac, others): (Option<&str>, Option<&str>),
    first: IpAddr,
) -> Result<(String, bool), String> {
    let own = interface(guest, mac)?.ok_or("the guest does not have the interface")?;
    let theirs = interface(other, others)?.ok_or("the other guest does not have the interface")?;
    let has = |ip: IpAddr| own.addresses.iter().any(|(one, _)| *one == ip);
    if let Some((ip, _)) = theirs.of_the_other_family(first).filter(|(ip, _)| !has(*ip)) {
        return Ok((ip.to_string(), ip.is_ipv4()));
    }
    let on_the_link = theirs.addresses.iter().find_map(|(ip, _)| match ip {
        IpAddr::V6(ip) if ip.is_unicast_link_local() && first.is_ipv4() => Some(*ip),
        _ => None,
    });
    let ip = on_the_link.ok_or("the other guest has no address of the other family")?;
    Ok((format!("{ip}%{}", number(guest, &own, "ifindex")?), false))
}

/// The address of the other guest: the one that it was given, or the one that it has.
fn address_of(other: &dyn Guest, network: &Network) -> Result<IpAddr, String> {
    let given = network.address.as_deref().and_then(|address| address.split('/').next()?.parse().ok());
    if let Some(ip) = given {
        return Ok(ip);
    }
    let own = interface(other, network.mac.as_deref())?.ok_or("the other guest does not have the interface")?;
    own.reachable().ok_or_else(|| "the other guest has no address".to_owned())
}

fn interface(guest: &dyn Guest, mac: Option<&str>) -> Result<Option<Interface>, String> {
    let all = interfaces::told(guest)?;
    let mac = mac.map(str::to_ascii_lowercase);
    Ok(all.into_iter().find(|one| mac.is_some() && one.mac == mac))
}

/// Bytes of the largest packet of the guest's interface.
fn frame(guest: &dyn Guest, mac: Option<&str>) -> Result<u64, String> {
    let own = interface(guest, mac)?.ok_or("the guest does not have the interface")?;
    number(guest, &own, "mtu")
}

/// A number that the guest's kernel tells of an interface.
fn number(guest: &dyn Guest, own: &Interface, file: &str) -> Result<u64, String> {
    let name = component(&own.name).ok_or("the interface has no usable name")?;
    let path = format!("/sys/class/net/{name}/{file}");
    let text = guest.file_read(&path, 32).map_err(|error| format!("{path}: {error}"))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.trim().parse().map_err(|_| format!("{path} is no number"))
}

/// Round trips of our probe to another's echo service.
fn echoed(guest: &dyn Guest, by: &str, to: &str, bytes: u64, count: u64) -> Result<Trips, String> {
    let words = ["trips", by, to, &bytes.to_string(), &count.to_string()];
    let ran = guest.run("/init", &words, LIMIT).map_err(|error| error.to_string())?;
    if ran.status != Some(0) {
        return Err(format!("the probe says: {}", String::from_utf8_lossy(&ran.errors).trim()));
    }
    of_probe(&ran.output, count).ok_or_else(|| "the probe's answer tells no round trips".to_owned())
}

/// What our probe tells.
fn of_probe(output: &[u8], count: u64) -> Option<Trips> {
    let said: Value = serde_json::from_slice(output).ok()?;
    let text = |key: &str| said[key].as_str().map(str::to_owned);
    let trips = said["trips"].as_array().map(Vec::as_slice).unwrap_or_default();
    let trips: Vec<Option<f64>> = trips.iter().take(usize::try_from(count).unwrap_or(0)).map(Value::as_f64).collect();
    let told = Trips { trips, why: text("why"), none: text("none") };
    (!told.trips.is_empty() || told.none.is_some()).then_some(told)
}

/// Round trips of `ping` (iputils), whose packets are not cut in pieces.
fn pinged(guest: &dyn Guest, to: &str, bytes: u64, count: u64) -> Result<Trips, String> {
    let (bytes, number) = (bytes.to_string(), count.to_string());
    let words = ["-n", "-i", "0.2", "-W", "1", "-M", "do", "-s", &bytes, "-c", &number, to];
    match guest.run("ping", &words, LIMIT) {
        Ok(ran) if matches!(ran.status, Some(0 | 1)) => {
            Ok(of_ping(&String::from_utf8_lossy(&ran.output), &String::from_utf8_lossy(&ran.errors), count))
        }
        Ok(ran) => Err(format!("ping in the guest: {}", String::from_utf8_lossy(&ran.errors).trim())),
        Err(GuestError::Refused(why)) => Err(format!("the guest has no ping: {why}")),
        Err(error) => Err(error.to_string()),
    }
}

/// What `ping` tells of its round trips: a line for each that came back, with `time=0.42 ms` in it.
fn of_ping(output: &str, errors: &str, count: u64) -> Trips {
    let time = |line: &str| line.split_once(" time=")?.1.split(' ').next()?.parse::<f64>().ok();
    let mut trips: Vec<Option<f64>> = output.lines().filter_map(time).map(Some).collect();
    let count = usize::try_from(count).unwrap_or(0);
    let why = || {
        let told = errors.lines().chain(output.lines().filter(|line| line.starts_with("From ")));
        told.map(str::to_owned).next().unwrap_or_else(|| "no answer within 1 s".to_owned())
    };
    if trips.is_empty() {
        return Trips { none: Some(why()), ..Trips::default() };
    }
    let why = (trips.len() < count).then(why);
    trips.resize(count.max(trips.len()), None);
    Trips { trips, why, none: None }
}

pub(crate) fn judge(seen: &Observed, spec: &MachineSpec) -> Judged {
    let mut aspects = Aspects::default();
    match &seen.done {
        Err(Undone::Cannot(why)) => aspects.about("second guest").unknown(quote::line(why)),
        Err(Undone::Failed(why)) => aspects.about("second guest").fail(quote::line(why)),
        Ok(()) => {}
    }
    let mut table = table("Guest to guest", &["network", "other guest", "round trips", "full frames", "throughput"]);
    let mut measurements = Vec::new();
    for (at, (network, seen)) in spec.networks.iter().zip(&seen.seen).enumerate() {
        let Some(seen) = seen else { continue };
        let label = format!("network {at} ({})", network.kind.name());
        let ip = match &seen.other {
            Ok(ip) => ip.to_string(),
            Err(why) => {
                aspects.about("second guest").unknown(format!("{label}: {}", quote::line(why)));
                continue;
            }
        };
        let way = Way { label: &label, ip: &ip, isolated: network.isolated == Some(true) };
        let small = way.judge("round trips", &seen.small, &mut aspects);
        measurements.extend(median(&small).map(|time| measurement(format!("{label}: {ip} median"), time, "ms")));
        let mut row = vec![label.clone(), ip.clone(), told(&seen.small), "not tried".to_owned(), "not told".to_owned()];
        if !way.isolated && !small.is_empty() {
            row[3] = match &seen.full {
                Ok((mtu, trips)) => {
                    way.judge("full frames", &Ok(trips.clone()), &mut aspects);
                    format!("{mtu} bytes: {}", told(&Ok(trips.clone())))
                }
                Err(why) => {
                    aspects.about("full frames").unknown(format!("{label}: {}", quote::line(why)));
                    "not known".to_owned()
                }
            };
            if let Some(bulk) = &seen.bulk {
                let times = way.judge("throughput", bulk, &mut aspects);
                if let Some(time) = median(&times).filter(|time| *time > 0.0) {
                    // There and back.
                    let rate = 2.0 * BULK.0 as f64 / f64::from(1 << 20) / (time / 1e3);
                    measurements.push(measurement(format!("{label}: {ip} throughput"), rate, "MiB/s"));
                    row[4] = format!("{rate:.1} MiB/s");
                }
            }
        }
        table.rows.push(row);
        if let Some(row) = by_the_other_family(seen, &label, way.isolated, &mut aspects) {
            table.rows.push(row);
        }
    }
    let tables = if table.rows.is_empty() { Vec::new() } else { vec![table] };
    Judged { measurements, tables, ..Judged::of(aspects, "the machine has no network on which another guest could be") }
}

/// Judges what was seen by the other family of addresses, and gives its row.
fn by_the_other_family(seen: &Seen, label: &str, isolated: bool, aspects: &mut Aspects) -> Option<Vec<String>> {
    let family = match &seen.family {
        Ok(family) => family,
        Err(why) => {
            aspects.about("the other family").none(format!("{label}: {}", quote::line(why)));
            return None;
        }
    };
    let way = Way { label, ip: &family.ip, isolated };
    let small = way.judge("the other family", &family.small, aspects);
    let mut full = "not tried".to_owned();
    if !isolated && !small.is_empty() {
        full = match &family.full {
            Ok((mtu, trips)) => {
                let trips = Ok(trips.clone());
                way.judge("full frames of the other family", &trips, aspects);
                format!("{mtu} bytes: {}", told(&trips))
            }
            Err(why) => {
                aspects.about("full frames of the other family").unknown(format!("{label}: {}", quote::line(why)));
                "not known".to_owned()
            }
        };
    }
    Some(vec![label.to_owned(), quote::line(&family.ip), told(&family.small), full, "not told".to_owned()])
}

/// A way from the guest to another one.
struct Way<'a> {
    label: &'a str,
    ip: &'a str,
    /// Whether there must be none.
    isolated: bool,
}

impl Way<'_> {
    /// Judges round trips, and gives the times of those that came back.
    fn judge(&self, what: &str, trips: &Result<Trips, String>, aspects: &mut Aspects) -> Vec<f64> {
        let Self { label, ip, isolated } = self;
        aspects.about(if *isolated { "isolation" } else { what });
        let trips = match trips {
            Ok(trips) => trips,
            Err(why) => {
                aspects.unknown(format!("{label}: {}", quote::line(why)));
                return Vec::new();
            }
        };
        let times: Vec<f64> = trips.trips.iter().flatten().copied().filter(|time| time.is_finite()).collect();
        let answers = trips.none.as_deref() == Some("refused") || !times.is_empty();
        let why = trips.none.as_deref().or(trips.why.as_deref()).unwrap_or("no reason given");
        let why = quote::line(why);
        match (isolated, answers) {
            (true, true) => aspects.fail(format!("{label}: the guest reaches the other guest at {ip}, from which it is isolated")),
            (true, false) => aspects.pass(),
            (false, false) => aspects.fail(format!("{label}: {what}: the guest does not reach the other guest at {ip}: {why}")),
            (false, true) if times.is_empty() => {
                aspects.unknown(format!("{label}: {what}: {ip} answers, but nothing listens on its port 7 there"));
            }
            (false, true) => aspects.expect(times.len() == trips.trips.len(), || {
                let lost = trips.trips.len() - times.len();
                format!("{label}: {what}: {lost} of {} to the other guest at {ip} were lost: {why}", trips.trips.len())
            }),
        }
        times
    }
}

fn told(trips: &Result<Trips, String>) -> String {
    match trips {
        Err(why) => quote::line(why),
        Ok(Trips { none: Some(why), .. }) => quote::line(why),
        Ok(Trips { trips, .. }) => {
            let times: Vec<f64> = trips.iter().flatten().copied().collect();
            let median = median(&times).map(|time| format!(", median {time:.3} ms")).unwrap_or_default();
            format!("{} of {} back{median}", times.len(), trips.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gates::tests_support::{network, spec};
    use vmwright_model::machine::NetworkKind;

    fn back(count: usize, lost: usize) -> Trips {
        let mut trips = vec![Some(0.5); count - lost];
        trips.resize(count, None);
        Trips { trips, why: (lost > 0).then(|| "timed out".to_owned()), none: None }
    }

    fn none(why: &str) -> Trips {
        Trips { none: Some(why.to_owned()), ..Trips::default() }
    }

    fn judged(small: Trips, full: Trips, isolated: Option<bool>) -> Judged {
        let family = if isolated == Some(true) { none("timed out") } else { back(5, 0) };
        judged_with(small, full, isolated, Ok(family))
    }

    fn judged_with(small: Trips, full: Trips, isolated: Option<bool>, family: Result<Trips, String>) -> Judged {
        let mut spec = spec();
        spec.networks = vec![Network { isolated, ..network(NetworkKind::Bridge, Some("10.0.0.2/24"), None) }];
        let seen = Seen {
            other: Ok("10.0.0.3".parse().unwrap()),
            small: Ok(small),
            full: Ok((1500, full)),
            bulk: Some(Ok(back(8, 0))),
            family: Ok(Family { ip: "fe80::3%2".to_owned(), small: family.clone(), full: family.map(|trips| (1500, trips)) }),
        };
        judge(&Observed { done: Ok(()), seen: vec![Some(seen)] }, &spec)
    }

    #[track_caller]
    fn says(judged: &Judged, verdict: &str, why: &str) {
        let told = format!("{:?}", judged.outcome);
        assert!(judged.outcome.word() == verdict && told.contains(why), "{told}");
    }

    #[test]
    fn guests_reach_each_other_with_frames_of_the_full_size() {
        let good = judged(back(20, 0), back(5, 0), None);
        says(&good, "pass", "");
        // 256 KiB there and back in 0.5 ms.
        assert!(good.measurements.iter().any(|one| one.unit == "MiB/s" && (one.value - 1000.0).abs() < 1e-6));
        says(&judged(back(20, 2), back(5, 0), None), "fail", "2 of 20 to the other guest at 10.0.0.3 were lost: timed out");
        says(&judged(none("no route"), back(5, 0), None), "fail", "does not reach the other guest at 10.0.0.3: no route");
        says(&judged(back(20, 0), none("no echo of 1472 bytes"), None), "fail", "full frames: the guest does not reach");
        says(&judged(none("refused"), none("refused"), None), "unknown", "nothing listens");
    }

    #[test]
    fn isolated_guests_do_not() {
        says(&judged(none("timed out"), none("timed out"), Some(true)), "pass", "");
        says(&judged(back(20, 0), back(5, 0), Some(true)), "fail", "from which it is isolated");
        // Who refuses is reached.
        says(&judged(none("refused"), none("refused"), Some(true)), "fail", "from which it is isolated");
    }

    #[test]
    fn the_other_family_counts_as_the_first() {
        let with = |isolated, family| judged_with(if isolated { none("timed out") } else { back(20, 0) }, back(5, 0), Some(isolated), family);
        says(&with(false, Ok(none("no route"))), "fail", "the guest does not reach the other guest at fe80::3%2: no route");
        says(&with(false, Ok(back(5, 1))), "fail", "fe80::3%2 were lost");
        says(&with(true, Ok(back(5, 0))), "fail", "reaches the other guest at fe80::3%2, from which it is isolated");
        says(&with(false, Err("it has no ping".to_owned())), "unknown", "it has no ping");
    }

    #[test]
    fn what_was_not_tried_is_not_passed() {
        let undone = |done| judge(&Observed { done, seen: Vec::new() }, &spec());
        says(&undone(Err(Undone::Cannot("no second VMM".to_owned()))), "unknown", "no second VMM");
        says(&undone(Ok(())), "not applicable", "no network on which");
    }

    #[test]
    fn the_words_of_the_probe() {
        let told = of_probe(br#"{"trips":[0.5,null],"why":"timed out"}"#, 2).unwrap();
        assert_eq!(told, Trips { trips: vec![Some(0.5), None], why: Some("timed out".to_owned()), none: None });
        assert_eq!(of_probe(br#"{"none":"refused"}"#, 2), Some(none("refused")));
        assert!(of_probe(b"[]", 2).is_none() && of_probe(b"{", 2).is_none());
    }

    #[test]
    fn the_words_of_ping() {
        let output = "PING 10.0.0.3 (10.0.0.3) 56(84) bytes of data.\n\
             64 bytes from 10.0.0.3: icmp_seq=1 ttl=64 time=0.421 ms\n\
             64 bytes from 10.0.0.3: icmp_seq=3 ttl=64 time=0.5 ms\n\n--- 10.0.0.3 ping statistics ---\n\
             3 packets transmitted, 2 received, 33.3333% packet loss, time 402ms\n";
        let read = of_ping(output, "", 3);
        assert_eq!(read.trips, [Some(0.421), Some(0.5), None]);
        assert_eq!(read.why.as_deref(), Some("no answer within 1 s"));
        let too_large = of_ping("PING 10.0.0.3 (10.0.0.3) 8972(9000) bytes of data.\n", "ping: local error: message too long, mtu=1500\n", 5);
        assert_eq!(too_large.none.as_deref(), Some("ping: local error: message too long, mtu=1500"));
    }
}
