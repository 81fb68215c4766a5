//! What a disk or network interface may move in a second, while the guest runs.

use super::Firecracker;
use super::resize::disk;
use crate::disks::failed;
use crate::microvm::{api_of, done};
use crate::request::{Answer, Limit, Limited};
use crate::{ControlError, Operation, Stored};
use serde_json::{Value, json};

/// How long a bucket takes to fill, in milliseconds: it holds what comes in a second.
const REFILL: u64 = 1000;

pub(super) fn limit(
    firecracker: &Firecracker,
    machine: &Stored,
    what: &Limit,
) -> Result<Answer, ControlError> {
    let limiter = limiter(what);
    let (path, body) = match &what.device {
        Limited::Disk(name) => {
            let (_, id, _) = disk(machine, Operation::Limit, name)?;
            (format!("/drives/{id}"), json!({ "drive_id": id, "rate_limiter": limiter }))
        }
        Limited::Network(number) => {
            if *number >= machine.spec.networks.len() {
                return Err(failed(
                    machine,
                    Operation::Limit,
                    format!("it has no network interface {number}"),
                ));
            }
            // As the configuration names them.
            let id = format!("eth{number}");
            let body = json!({ "iface_id": id, "rx_rate_limiter": limiter, "tx_rate_limiter": limiter });
            (format!("/network-interfaces/{id}"), body)
        }
    };
    done(machine, api_of(firecracker, machine)?.patch(&path, &body)).map(|()| Answer::Done)
}

/// Firecracker leaves a bucket that is not named as it is, and takes one of size 0 away.
fn limiter(what: &Limit) -> Value {
    let bucket = |limit: u64| json!({ "size": limit, "refill_time": if limit == 0 { 0 } else { REFILL } });
    let named = [("bandwidth", what.bytes), ("ops", what.operations)];
    named.into_iter().filter_map(|(key, limit)| Some((key.to_owned(), bucket(limit?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_nothing_takes_away() {
        let what = Limit { device: Limited::Network(0), bytes: Some(1024), operations: None };
        assert_eq!(limiter(&what), json!({ "bandwidth": { "size": 1024, "refill_time": 1000 } }));
        let what = Limit { device: Limited::Network(0), bytes: None, operations: Some(0) };
        assert_eq!(limiter(&what), json!({ "ops": { "size": 0, "refill_time": 0 } }));
    }
}
