//! An answer of QEMU's monitor to one query, as `virsh qemu-monitor-command --pretty` and vmwright's probe write it:
//! `{"return": ...}` over many lines (QEMU `qapi/run-state.json`, `block-core.json`, `job.json`, `migration.json`).

use crate::View;
use crate::json::Json;
use vmwright_model::{Issue, Kind, Spanned};

/// A disk as the guest has it: `query-block`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QmpDisk {
    /// Its name: the drive's, else the device's path, else the block node's.
    pub name: String,
    /// `ok`, `failed`, `nospace`.
    pub io_status: Option<Spanned<String>>,
    /// The image, as QEMU writes it; may be `json:{...}`.
    pub file: Option<Spanned<String>>,
    /// Whether the image says of itself that it is damaged.
    pub corrupt: Option<Spanned<bool>>,
}

/// What became of a disk's requests: `query-blockstats`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QmpDiskStats {
    /// Its name, as in [`QmpDisk`].
    pub name: String,
    /// Reads, writes and flushes that failed on the host, and the line of the first that is not zero.
    pub failed: Option<Spanned<u64>>,
}

/// A job on a disk: `query-block-jobs`, `query-jobs`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QmpJob {
    /// Line on which it begins.
    pub line: u32,
    /// Its id, or the device of a block job.
    pub id: String,
    /// `mirror`, `commit`, `stream`, `backup`.
    pub kind: String,
    /// `running`, `paused`, `ready`, `standby`, `pending`, `concluded`.
    pub status: Option<Spanned<String>>,
    /// Whether it can be completed.
    pub ready: Option<Spanned<bool>>,
    /// `ok`, `failed`, `nospace`.
    pub io_status: Option<Spanned<String>>,
    /// Why it failed.
    pub error: Option<Spanned<String>>,
}

/// A migration: `query-migrate`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QmpMigration {
    /// `active`, `completed`, `failed`, `postcopy-active`.
    pub status: Option<Spanned<String>>,
    /// Why it failed.
    pub error: Option<Spanned<String>>,
    /// Bytes of memory still to be sent.
    pub remaining: Option<Spanned<u64>>,
    /// Pages that the guest dirties in a second.
    pub dirty_pages_rate: Option<Spanned<u64>>,
    /// Bytes of a page; 4096 where it is not told.
    pub page_size: u64,
    /// Throughput in megabits a second.
    pub mbps: Option<Spanned<f64>>,
    /// How often the memory was gone through.
    pub rounds: Option<Spanned<u64>>,
    /// Milliseconds that the guest would stand still for what is left.
    pub expected_downtime: Option<u64>,
    /// Percentage by which the vCPUs are held back.
    pub throttle: Option<Spanned<u64>>,
}

impl QmpMigration {
    /// Bytes a second that the guest dirties, and that the link carries; none where either is not known or nothing moves.
    #[must_use]
    pub fn rates(&self) -> Option<(u64, u64)> {
        let dirtied = self.dirty_pages_rate.as_ref()?.value.saturating_mul(self.page_size);
        let mbps = self.mbps.as_ref()?.value;
        // A megabit is 10^6 bits (migration.c, update_iteration_initial_status); the cast saturates.
        let carried = (mbps * 1_000_000.0 / 8.0) as u64;
        (carried > 0 && dirtied > 0).then_some((dirtied, carried))
    }
}

/// One answer; what it is not about is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QmpAnswer {
    /// `running`, `paused`, `io-error`, `internal-error`, `guest-panicked`, `prelaunch`: `query-status`.
    pub run_state: Option<Spanned<String>>,
    /// Disks.
    pub disks: Vec<QmpDisk>,
    /// Counts of failed requests.
    pub stats: Vec<QmpDiskStats>,
    /// Jobs.
    pub jobs: Vec<QmpJob>,
    /// The migration that is or was.
    pub migration: Option<QmpMigration>,
    /// Bytes that a migration may send in a second, 0 for any number: `query-migrate-parameters`.
    pub migration_bandwidth: Option<Spanned<u64>>,
    /// Milliseconds that a guest may stand still at the end of its migration: `query-migrate-parameters`.
    pub migration_downtime: Option<u64>,
    /// Whether KVM executes the guest: `query-kvm`.
    pub kvm: Option<Spanned<bool>>,
    /// QEMU's version, `10.0.2`: `query-version`.
    pub version: Option<Spanned<String>>,
}

/// The VM whose answer a source is, by the source's name: `qmp/web/query-status`.
#[must_use]
pub fn vm_of(source: &str) -> Option<&str> {
    let (vm, query) = source.strip_prefix("qmp/")?.split_once('/')?;
    query.starts_with("query-").then_some(vm)
}

impl View for QmpAnswer {
    const KIND: Kind = Kind::new("qmp_answer");
    const SUREST: u8 = 97;
    const MARKS: &[&str] = &["\"return\":"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let json = match Json::read(text) {
            Ok(json) => json,
            Err(issue) => return (Self::default(), vec![issue]),
        };
        let Some(answer) = json.get("return") else {
            return (Self::default(), vec![Issue::new(0, "no answer of QEMU's monitor: it has no `return`")]);
        };
        let mut view = Self::default();
        if answer.is_array() {
            answer.items().iter().for_each(|item| view.element(item));
        } else {
            view.whole(&answer);
        }
        (view, Vec::new())
    }

    fn recognise(name: &str, head: &str) -> u8 {
        // Over several lines: what stands on one is a message among others.
        let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty());
        let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        match first == "{" && second.starts_with("\"return\":") {
            true if name.starts_with("query-") => 97,
            true if second.ends_with(['{', '[']) => 96,
            _ => 0,
        }
    }
}

impl QmpAnswer {
    fn whole(&mut self, answer: &Json<'_>) {
        let members = answer.members();
        let text = |key: &str| members.get(key).and_then(Json::text);
        if members.contains_key("running") {
            self.run_state = text("status");
        } else if members.contains_key("present") {
            self.kvm = members.get("enabled").and_then(Json::truth);
        } else if let Some(qemu) = members.get("qemu") {
            let part = |key: &str| qemu.get(key).and_then(|part| part.number());
            if let (Some(major), Some(minor), Some(micro)) = (part("major"), part("minor"), part("micro")) {
                let version = format!("{}.{}.{}", major.value, minor.value, micro.value);
                self.version = Some(Spanned::new(version, major.line));
            }
        } else if members.contains_key("downtime-limit") {
            self.migration_bandwidth = members.get("max-bandwidth").and_then(Json::number);
            self.migration_downtime =
                members.get("downtime-limit").and_then(Json::number).map(|limit| limit.value);
        } else if members.contains_key("ram") || members.contains_key("status") {
            let ram = members.get("ram").map(Json::members).unwrap_or_default();
            let number = |key: &str| ram.get(key).and_then(Json::number);
            self.migration = Some(QmpMigration {
                status: text("status"),
                error: text("error-desc"),
                remaining: number("remaining"),
                dirty_pages_rate: number("dirty-pages-rate"),
                page_size: number("page-size").map_or(4096, |size| size.value),
                mbps: ram.get("mbps").and_then(Json::float),
                rounds: number("dirty-sync-count"),
                expected_downtime: members
                    .get("expected-downtime")
                    .and_then(Json::number)
                    .map(|time| time.value),
                throttle: members.get("cpu-throttle-percentage").and_then(Json::number),
            });
        }
    }

    fn element(&mut self, item: &Json<'_>) {
        let members = item.members();
        let text = |key: &str| members.get(key).and_then(Json::text);
        let plain = |key: &str| text(key).map(|text| text.value).filter(|text| !text.is_empty());
        let inserted = members.get("inserted").map(Json::members).unwrap_or_default();
        let node = || inserted.get("node-name").and_then(Json::text).map(|name| name.value);
        let name = || plain("device").or_else(|| plain("qdev")).or_else(node).or_else(|| plain("node-name"));
        if let Some(stats) = members.get("stats") {
            let counts = ["failed_rd_operations", "failed_wr_operations", "failed_flush_operations"];
            let stats = stats.members();
            let failed = counts.iter().filter_map(|key| stats.get(*key)?.number());
            let failed = failed
                .filter(|count| count.value > 0)
                .reduce(|first, more| Spanned::new(first.value.saturating_add(more.value), first.line));
            self.stats.push(QmpDiskStats { name: name().unwrap_or_default(), failed });
        } else if members.contains_key("locked") {
            let image = inserted.get("image").map(Json::members).unwrap_or_default();
            let data = image.get("format-specific").and_then(|specific| specific.get("data"));
            self.disks.push(QmpDisk {
                name: name().unwrap_or_default(),
                io_status: text("io-status"),
                file: inserted.get("file").and_then(Json::text),
                corrupt: data.and_then(|data| data.get("corrupt")).and_then(|corrupt| corrupt.truth()),
            });
        } else if members.contains_key("current-progress")
            || members.contains_key("offset") && members.contains_key("len")
        {
            self.jobs.push(QmpJob {
                line: item.line(),
                id: plain("id").or_else(|| plain("device")).unwrap_or_default(),
                kind: plain("type").unwrap_or_default(),
                status: text("status"),
                ready: members.get("ready").and_then(Json::truth),
                io_status: text("io-status"),
                error: text("error"),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_and_their_state() {
        let (view, issues) = QmpAnswer::read(include_str!("../tests/samples/qmp_answer.txt"));
        assert_eq!(issues, []);
        let states: Vec<_> =
            view.disks.iter().map(|disk| (disk.name.as_str(), disk.io_status.clone())).collect();
        assert_eq!(states[0], ("ide2-cd0", Some(Spanned::new("ok".to_owned(), 5))));
        assert_eq!(
            states[1],
            ("/machine/peripheral/v0/virtio-backend", Some(Spanned::new("nospace".to_owned(), 55)))
        );
        assert_eq!(
            view.disks[1].file.as_ref().map(|file| file.value.as_str()),
            Some("/srv/images/web.qcow2")
        );
        assert_eq!(view.disks[1].corrupt.as_ref().map(|corrupt| corrupt.value), Some(false));
    }

    #[test]
    fn whose_answer_it_is() {
        assert_eq!(vm_of("qmp/web/query-block"), Some("web"));
        assert_eq!((vm_of("query-block.json"), vm_of("qmp/web/console")), (None, None));
    }

    #[test]
    fn states_jobs_and_migrations() {
        let read = |text: &str| QmpAnswer::read(text).0;
        let status = read("{\n \"return\": {\n  \"running\": false,\n  \"status\": \"io-error\"}}");
        assert_eq!(status.run_state, Some(Spanned::new("io-error".to_owned(), 4)));
        assert_eq!(
            read("{\"return\":{\"enabled\":false,\"present\":true}}").kvm,
            Some(Spanned::new(false, 1))
        );
        let version =
            read("{\"return\":{\"qemu\":{\"micro\":2,\"minor\":0,\"major\":10},\"package\":\"\"}}").version;
        assert_eq!(version, Some(Spanned::new("10.0.2".to_owned(), 1)));
        let jobs = read(
            "{\"return\":[{\"id\":\"j\",\"type\":\"mirror\",\"status\":\"paused\",\"current-progress\":1,\"total-progress\":2},\n\
             {\"device\":\"d\",\"type\":\"backup\",\"len\":9,\"offset\":1,\"io-status\":\"nospace\",\"ready\":false}]}",
        )
        .jobs;
        assert_eq!(
            (jobs[0].id.as_str(), jobs[0].status.as_ref().map(|one| one.value.as_str())),
            ("j", Some("paused"))
        );
        assert_eq!((jobs[1].line, jobs[1].io_status.as_ref().map(|one| one.line)), (2, Some(2)));
        let migration = read(
            "{\"return\":{\"status\":\"active\",\"ram\":{\"remaining\":5,\"dirty-pages-rate\":50000,\"page-size\":4096,\"mbps\":800.0,\"dirty-sync-count\":3}}}",
        )
        .migration
        .unwrap();
        assert_eq!(migration.rates(), Some((204_800_000, 100_000_000)));
        let limits = read("{\"return\":{\"max-bandwidth\":134217728,\n\"downtime-limit\":300,\"tls-creds\":\"\"}}");
        assert_eq!(limits.migration_bandwidth, Some(Spanned::new(134_217_728, 1)));
        assert_eq!(limits.migration, None);
        // A VM that was never migrated has an empty answer.
        assert_eq!(read("{\"return\": {}}"), QmpAnswer::default());
        assert_eq!(QmpAnswer::read("{}").1.len(), 1);
        assert_eq!(QmpAnswer::read("{\n\"return\": [").1, [Issue::new(2, "the JSON ends too early")]);
    }

    #[test]
    fn what_stands_on_one_line_is_a_message() {
        assert_eq!(QmpAnswer::recognise("x", "{\"return\": {}}\n"), 0);
        assert_eq!(QmpAnswer::recognise("query-status", "{\n  \"return\": {\n"), 97);
        assert_eq!(QmpAnswer::recognise("x.json", "{\n  \"return\": {\n"), 96);
    }
}
