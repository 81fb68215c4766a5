//! `isolation` of a host: what keeps its guests from each other and from itself, all of them together: each VMM as the kernel
//! holds it, merged pages, the threads of a core, and the IOMMU.

use super::HostScope;
use super::threads::{self, Cores};
use super::vmms::{Vmm, Vmms};
use crate::aspects::Aspects;
use crate::gates::isolation as one_vm;
use crate::gates::{Judged, table};
use crate::quote;
use vmwright_model::Missing;

/// What was seen.
pub(super) struct Observed {
    /// Each VMM, with what holds it and where its threads may run.
    pub(super) vmms: Result<Vec<(Vmm, one_vm::Observed, Cores)>, Missing>,
    /// State of KSM: 1 while it merges.
    pub(super) ksm: Result<String, Missing>,
    /// Pages that are merged with others.
    pub(super) sharing: Result<String, Missing>,
    /// 1 where processors share cores.
    pub(super) smt: Result<String, Missing>,
    pub(super) iommu_groups: Result<Vec<String>, Missing>,
}

pub(super) fn observe(scope: &HostScope<'_>, vmms: &Vmms) -> Observed {
    let look =
        |vmm: &Vmm| (vmm.clone(), one_vm::of_process(scope.host, Some(vmm.pid)), threads::of(scope, vmm.pid));
    Observed {
        vmms: vmms.as_ref().map(|vmms| vmms.iter().map(look).collect()).map_err(Clone::clone),
        ksm: scope.file("/sys/kernel/mm/ksm/run"),
        sharing: scope.file("/sys/kernel/mm/ksm/pages_sharing"),
        smt: scope.file("/sys/devices/system/cpu/smt/active"),
        iommu_groups: scope.host.names("/sys/kernel/iommu_groups"),
    }
}

pub(super) fn judge(seen: &Observed) -> Judged {
    let mut aspects = Aspects::default();
    let mut table = table("Isolation", &["layer", "in force"]);
    let mut evidence = Vec::new();
    let mut tables = Vec::new();
    match &seen.vmms {
        Ok(vmms) => {
            tables.push(each(vmms, &mut aspects, &mut evidence));
            aspects.about("threads of a core");
            let cores: Vec<(String, &Cores)> =
                vmms.iter().map(|(vmm, _, cores)| (vmm.label(), cores)).collect();
            threads::judge(seen.smt.as_deref().map(str::trim), &cores, &mut aspects);
        }
        Err(why) => aspects.about("user").unknown(format!("which VMMs run: /proc: {why}")),
    }
    let smt = match seen.smt.as_deref().map(str::trim) {
        Ok("1") => "SMT is on".to_owned(),
        Ok(_) => "SMT is off".to_owned(),
        Err(why) => why.to_string(),
    };
    table.rows.push(vec!["threads of a core".to_owned(), smt]);
    merging(seen, &mut aspects, &mut table.rows, &mut evidence);
    iommu(seen, &mut aspects, &mut table.rows);
    tables.insert(0, table);
    tables.retain(|table| !table.rows.is_empty());
    Judged { evidence, tables, ..Judged::of(aspects, "") }
}

/// Each VMM by itself, as its own review would judge it.
fn each(
    vmms: &[(Vmm, one_vm::Observed, Cores)],
    aspects: &mut Aspects,
    evidence: &mut Vec<String>,
) -> vmwright_model::Table {
    let mut table = table("VMMs", &["vm", "process", "user", "seccomp", "label", "core scheduling"]);
    for (vmm, held, cores) in vmms {
        let gate = one_vm::judge_process(held);
        let cell = |layer: &str| {
            let row = gate.table.rows.iter().find(|row| row[0] == layer);
            row.map_or_else(|| "not known".to_owned(), |row| row[1].clone())
        };
        table.rows.push(vec![
            quote::line(&vmm.name),
            vmm.pid.to_string(),
            cell("user"),
            cell("seccomp"),
            cell("label"),
            cores.word(),
        ]);
        let label = quote::line(&vmm.label());
        evidence.extend(gate.evidence.iter().map(|line| format!("{label}: {line}")));
        aspects.take(&label, gate.aspects);
    }
    table
}

/// Pages that guests share are a channel between them.
fn merging(seen: &Observed, aspects: &mut Aspects, rows: &mut Vec<Vec<String>>, evidence: &mut Vec<String>) {
    aspects.about("merging");
    let pages = seen.sharing.as_ref().ok().and_then(|text| text.trim().parse::<u64>().ok());
    let found = match (seen.ksm.as_deref().map(str::trim), pages) {
        // Merged pages stay merged while it is stopped (2 takes them apart; Documentation/admin-guide/mm/ksm.rst).
        (Ok(run), Some(pages)) if pages > 0 => {
            evidence.push(quote::from("/sys/kernel/mm/ksm/pages_sharing", &pages.to_string()));
            aspects.fail(format!(
                "KSM has merged {pages} pages of this host: a guest can tell by time what others have in memory"
            ));
            format!("{pages} pages are merged; KSM {}", if run == "1" { "runs" } else { "is stopped" })
        }
        (Ok("1"), Some(_)) => {
            aspects.pass();
            "KSM runs, and has merged nothing".to_owned()
        }
        (Ok("1"), None) => {
            aspects.unknown("KSM runs, and the kernel does not tell how much it has merged");
            "KSM runs".to_owned()
        }
        (Ok(_), _) | (Err(Missing::Absent), _) => {
            aspects.pass();
            "KSM is off".to_owned()
        }
        (Err(why), _) => {
            aspects.unknown(format!("KSM: {why}"));
            why.to_string()
        }
    };
    rows.push(vec!["page merging".to_owned(), found]);
}

/// What keeps assigned devices within their guest's memory.
fn iommu(seen: &Observed, aspects: &mut Aspects, rows: &mut Vec<Vec<String>>) {
    aspects.about("iommu");
    let groups = seen.iommu_groups.as_ref().map_or(0, Vec::len);
    rows.push(vec!["IOMMU groups".to_owned(), groups.to_string()]);
    let vmms = seen.vmms.as_deref().unwrap_or_default();
    let assigned: Vec<&Vmm> =
        vmms.iter().filter(|(vmm, _, _)| has_device(vmm)).map(|(vmm, _, _)| vmm).collect();
    for vmm in &assigned {
        aspects.expect(groups > 0, || {
            format!(
                "{}: devices are assigned and the host has no IOMMU: they reach all of its memory",
                vmm.label()
            )
        });
    }
    if assigned.is_empty() {
        aspects.none("no device of the host is assigned");
    }
    for (name, found) in vmms.first().map(|(_, held, _)| held.vfio.as_slice()).unwrap_or_default() {
        if let Ok(found) = found {
            aspects
                .expect(found.trim() != "Y", || format!("vfio is told to go without protection: {name}=Y"));
        }
    }
}

/// Whether a VMM was given a device of the host.
fn has_device(vmm: &Vmm) -> bool {
    vmm.words.windows(2).any(|pair| match pair[0].as_str() {
        "-device" => pair[1].starts_with("vfio-") || pair[1].contains("\"driver\":\"vfio-"),
        "--device" => true,
        _ => false,
    })
}
