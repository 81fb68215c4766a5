//! How much goes between guest and host by iperf3(1), both ways at once, where both have it and the specification demands something.
//! It fills the way as payloads that wait for their echo do not, and it goes from the guest, so that a network in user space
//! can be measured too.

use super::{Judged, measurement};
use crate::aspects::Aspects;
use crate::quote;
use crate::scope::{GuestError, Session, Undone};
use crate::statistics::{interval, median};
use serde_json::Value;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::time::Duration;
use vmwright_model::machine::{Network, NetworkKind};
use vmwright_model::{MachineSpec, Measurement};

/// How long it runs, and how often it tells: twelve figures give an interval.
const SECONDS: &str = "3";
const EVERY: &str = "0.25";

/// How long it may take in all, under TCG too.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a guest finds the host's loopback in QEMU's network in user space (libslirp's `vhost`), and that network.
const SLIRP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 2));
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Mebibytes a second in each part of the time, both ways together; or why nothing was measured.
pub(crate) type Rates = Result<Vec<f64>, String>;

/// Measures one network, whose guest has this address; none where nothing is demanded.
pub(super) fn observe(session: &Session<'_>, kind: NetworkKind, guest: Option<IpAddr>) -> Option<Rates> {
    session.scope.spec.review.network_mib_s?;
    let ends = match (kind, guest) {
        (NetworkKind::Bridge, Some(guest)) => session.scope.host.source(guest).map(|source| (source, source)),
        (NetworkKind::User, Some(IpAddr::V4(guest))) if guest.octets()[..3] == [10, 0, 2] => Some((LOOPBACK, SLIRP)),
        _ => None,
    };
    Some(ends.ok_or_else(|| "by which address the guest reaches its host is not known".to_owned()).and_then(|(at, to)| {
        let exercise = session.scope.exercise.ok_or("nothing may be done with this VM here")?;
        let mut rates = Err("the guest was not asked".to_owned());
        match exercise.iperf3(at, &mut |port| rates = by_guest(session, to, port)) {
            Ok(()) => rates,
            Err(Undone::Cannot(why) | Undone::Failed(why)) => Err(why),
        }
    }))
}

fn by_guest(session: &Session<'_>, to: IpAddr, port: u16) -> Rates {
    let (to, port) = (to.to_string(), port.to_string());
    let words =
        ["-c", &to, "-p", &port, "-J", "-t", SECONDS, "-i", EVERY, "--bidir", "--connect-timeout", "5000"];
    match session.scope.guest.run("iperf3", &words, LIMIT) {
        Ok(ran) => read(&String::from_utf8_lossy(&ran.output)),
        Err(GuestError::Refused(_)) => Err("the guest has no iperf3".to_owned()),
        Err(silent @ GuestError::Silent(_)) => Err(silent.to_string()),
    }
}

/// The figures of its answer. Untrusted.
fn read(answer: &str) -> Rates {
    let answer: Value = serde_json::from_str(answer).map_err(|_| "iperf3's answer is no JSON".to_owned())?;
    if let Some(error) = answer.get("error").and_then(Value::as_str) {
        return Err(format!("iperf3: {}", quote::line(error)));
    }
    let parts = answer.get("intervals").and_then(Value::as_array).ok_or("iperf3's answer has no intervals")?;
    let rate = |part: &Value| {
        let of = |sum: &str| part.get(sum)?.get("bits_per_second")?.as_f64().filter(|rate| rate.is_finite());
        Some((of("sum")? + of("sum_bidir_reverse")?) / 8.0 / f64::from(1 << 20))
    };
    let rates: Option<Vec<f64>> = parts.iter().take(64).map(rate).collect();
    rates.filter(|rates| !rates.is_empty()).ok_or_else(|| "iperf3's answer has another form".to_owned())
}

/// What is demanded, held against what was measured.
pub(super) fn judge(
    rates: Option<&Rates>,
    index: usize,
    network: &Network,
    spec: &MachineSpec,
    (aspects, report): (&mut Aspects, &mut Judged),
) {
    let (Some(rates), Some(wanted)) = (rates, spec.review.network_mib_s) else { return };
    aspects.about("throughput");
    let rates = match rates {
        Ok(rates) => rates,
        // Payloads to the guest and back tell of a network with a way in.
        Err(_) if network.kind.leads_in() => return,
        Err(why) => {
            return aspects.unknown(format!("network {index}: how much goes over was not measured: {}", quote::line(why)));
        }
    };
    let (Some(middle), bounds) = (median(rates), interval(rates)) else { return };
    let measured = measurement(format!("network {index}: iperf3, both ways"), middle, "MiB/s");
    report.measurements.push(Measurement { samples: rates.clone(), interval: bounds, ..measured });
    let wanted = f64::from(wanted);
    match bounds {
        Some((low, _)) if low >= wanted => aspects.pass(),
        Some((low, high)) => {
            let told = format!(
                "network {index}: between {low:.1} and {high:.1} MiB/s go between guest and host by iperf3, the specification demands at least {wanted:.0}"
            );
            if high < wanted { aspects.fail(told) } else { aspects.unknown(told) }
        }
        None => aspects.unknown(format!("network {index}: {} figures of iperf3 are too few to tell how much goes over", rates.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_of_both_ways_together() {
        let part = |one: u64, other: u64| {
            json!({ "streams": [], "sum": { "bits_per_second": one << 23 }, "sum_bidir_reverse": { "bits_per_second": other << 23 } })
        };
        let told = |answer: Value| read(&answer.to_string());
        assert_eq!(told(json!({ "intervals": [part(100, 20), part(90, 30)] })), Ok(vec![120.0, 120.0]));
        let refused = json!({ "intervals": [], "error": "unable to connect to server" });
        assert_eq!(told(refused), Err("iperf3: unable to connect to server".to_owned()));
        for wrong in [json!({}), json!({ "intervals": [] }), json!({ "intervals": [{ "sum": {} }] }), json!("x")] {
            assert!(told(wrong).is_err());
        }
        assert!(read("iperf3: no").is_err());
    }
}
