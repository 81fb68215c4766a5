//! Sending a guest to another libvirt: the daemon here speaks to the daemon there, and vmwright looks on.

use super::Libvirt;
use super::control::{unusable, written_down};
use super::rpc::{Client, Domain, LibvirtError, Migration, Value};
use crate::request::{Answer, Migrate, Migrated, MigrationProgress, Place, Told, Watch};
use crate::{ControlError, Operation, Stored};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a migration may take; it can be stopped before.
const WHOLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often libvirt is asked how far it is.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn migrate(
    libvirt: &Libvirt,
    machine: &Stored,
    (client, domain): (&mut Client, &Domain),
    (what, same_files): (&Migrate, bool),
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    let failed = |why: &str| ControlError::Failed {
        machine: machine.name.clone(),
        operation: Operation::Migrate,
        why: why.to_owned(),
    };
    let fail = |source| unusable(&machine.name, source);
    let (uri, how) = understood(what).map_err(failed)?;
    let how = Migration { same_files, ..how };
    let before = machine.process()?;
    if what.downtime > 0 {
        client.set_max_downtime(domain, what.downtime).map_err(fail)?;
    }
    // The call lasts as long as the migration: another connection asks how far it is.
    let mut caller = libvirt.connection.connect(libvirt.patience).map_err(fail)?;
    let sent = std::thread::scope(|scope| {
        let call = scope.spawn(|| caller.migrate(domain, uri, &how, WHOLE));
        let mut aborted = false;
        while !call.is_finished() {
            std::thread::sleep(LOOK.min(Duration::from_millis(100)));
            if watch.stopped() && !aborted {
                // Where it has just ended there is nothing to end.
                aborted = client.abort_job(domain).is_ok();
            }
            // A daemon that is busy tells it the next time.
            if let Ok(figures) = client.job(domain, false).map(|figures| progress(&figures))
                && figures.total > 0
            {
                watch.tell(Told::Migration(figures));
            }
            let mut left = LOOK;
            while !left.is_zero() && !call.is_finished() {
                let step = left.min(Duration::from_millis(20));
                std::thread::sleep(step);
                left -= step;
            }
        }
        call.join().unwrap_or(Err(LibvirtError::Closed("virDomainMigratePerform3Params")))
    });
    match sent {
        Ok(()) => {}
        Err(_) if watch.stopped() => return Err(failed("it was stopped; the guest runs on here")),
        Err(source) => return Err(fail(source)),
    }
    // Where the daemon has forgotten its figures, that is no reason to call it failed.
    let figures = client.job(domain, true).unwrap_or_default();
    written_down(machine, before.as_ref())?;
    Ok(Answer::Migrated(figured(&figures)))
}

/// How a guest came to a machine's domain, as its own daemon was told by the one that it came from.
pub(super) fn arrived(libvirt: &Libvirt, machine: &Stored) -> Result<Migrated, ControlError> {
    let (mut client, domain) = libvirt.client(machine)?;
    let figures = client.job(&domain, true).map_err(|source| unusable(&machine.name, source))?;
    Ok(figured(&figures))
}

fn figured(figures: &BTreeMap<String, Value>) -> Migrated {
    let told = |name: &str| figures.contains_key(name).then(|| whole(figures, name));
    Migrated {
        total_ms: whole(figures, "time_elapsed"),
        downtime_ms: told("downtime"),
        sent: told("memory_processed"),
        rounds: told("memory_iteration"),
    }
}

/// What of a wish libvirt can do, and where to; else why not.
fn understood(what: &Migrate) -> Result<(&str, Migration), &'static str> {
    let Place::Libvirt(uri) = &what.to else {
        return Err("libvirt sends a guest to another libvirt; name its URI, libvirt:qemu+ssh://HOST/system");
    };
    let channel = &what.channel;
    if what.post_copy || what.resume || channel.post_copy {
        return Err(
            "vmwright does not ask libvirt for a post-copy migration; `virsh migrate --postcopy` does",
        );
    }
    if channel.compression.is_some() {
        return Err("vmwright does not ask libvirt to compress; `virsh migrate --comp-methods` does");
    }
    if channel.tls_name.is_some() {
        return Err("libvirt itself names the other end: leave the name of its certificate out");
    }
    if channel.tls.is_some() {
        return Err("libvirt has certificates of its own (migrate_tls_x509_cert_dir in qemu.conf)");
    }
    // A URI of libvirt's has no fragment: behind `#` may stand where the memory goes.
    let (uri, data) = match uri.split_once('#') {
        Some((uri, data)) => (uri, Some(data.to_owned())),
        None => (uri.as_str(), None),
    };
    let how = Migration {
        uri: data,
        bandwidth: what.bandwidth.div_ceil(1 << 20),
        auto_converge: what.auto_converge,
        connections: channel.connections,
        same_files: false,
    };
    Ok((uri, how))
}

fn whole(figures: &BTreeMap<String, Value>, name: &str) -> u64 {
    match figures.get(name) {
        Some(Value::Whole(value)) => u64::try_from(*value).unwrap_or(0),
        _ => 0,
    }
}

fn progress(figures: &BTreeMap<String, Value>) -> MigrationProgress {
    let of = |name: &str| whole(figures, name);
    MigrationProgress {
        status: "active".to_owned(),
        sent: of("memory_processed"),
        remaining: of("memory_remaining"),
        total: of("memory_total"),
        // In pages, of the size beside it.
        dirty_rate: of("memory_dirty_rate") * of("memory_page_size").max(4096),
        throughput: of("memory_bps"),
        expected_downtime: figures.contains_key("downtime").then(|| of("downtime")),
        throttle: of("auto_converge_throttle"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libvirt_cannot_is_said_before_anything_is_tried() {
        let to = |place| Migrate::to(place);
        let refused = |what: Migrate| understood(&what).expect_err("it cannot");
        assert!(refused(to(Place::Unix("/s".into()))).contains("name its URI"));
        let libvirt = || to(Place::Libvirt("qemu+ssh://hv2/system#tcp://10.0.0.2".to_owned()));
        assert!(refused(Migrate { post_copy: true, ..libvirt() }).contains("post-copy"));
        let what = Migrate { bandwidth: (3 << 20) + 1, auto_converge: true, ..libvirt() };
        let (uri, how) = understood(&what).expect("it can");
        assert_eq!(
            (uri, how.uri.as_deref(), how.bandwidth),
            ("qemu+ssh://hv2/system", Some("tcp://10.0.0.2"), 4)
        );
    }
}
