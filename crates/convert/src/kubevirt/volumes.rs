//! Volumes: what is behind the disks and shares of the same name.

use super::claims::{NAMESPACE, keep, list, take};
use crate::json::{Port, place};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Disk, DiskFormat};

/// Where the VMM finds in its pod what volumes hold (`pkg/host-disk`, `pkg/ephemeral-disk`, `pkg/container-disk`,
/// `pkg/emptydisk`, `pkg/config`, `pkg/virtiofs`, `pkg/cloud-init`).
const PRIVATE: &str = "/var/run/kubevirt-private";
const EPHEMERAL: &str = "/var/run/kubevirt-ephemeral-disks";
const EMPTY: &str = "/var/run/libvirt/empty-disks";
const SOCKETS: &str = "/var/run/kubevirt/virtiofs-containers";

/// The volumes of an instance.
pub(super) struct Volumes {
    /// Those of the document that is read, or those that were kept when it was.
    known: Vec<Value>,
    /// Their places by their names; of two volumes with one name a cluster takes none.
    places: BTreeMap<String, Option<usize>>,
    /// Names of those that a disk or share has.
    used: BTreeSet<String>,
    /// Those that are written, with their places among the known ones; new ones behind these.
    written: Vec<(usize, Value)>,
    namespace: String,
    machine: String,
}

impl Volumes {
    pub(super) fn of(port: &Port<'_>, spec: &MachineSpec) -> Self {
        let known = match port.raw("volumes") {
            Some(Value::Array(volumes)) => volumes.clone(),
            _ if port.reading() => Vec::new(),
            _ => list(spec, "~volumes"),
        };
        let mut places: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for (at, name) in known.iter().enumerate().filter_map(|(at, one)| Some((at, name(one)?))) {
            places.entry(name.to_owned()).and_modify(|place| *place = None).or_insert(Some(at));
        }
        let (used, written) = Default::default();
        // The namespace of an object that names none.
        let namespace = take(spec, NAMESPACE).map_or_else(|| "default".to_owned(), |part| part.text.clone());
        Self { known, places, used, written, namespace, machine: super::label(&spec.name, super::NAME_MAX) }
    }

    /// The volume of this name.
    fn named(&self, wanted: &str) -> Option<&Value> {
        self.known.get((*self.places.get(wanted)?)?)
    }

    /// Names of the volumes that nothing has yet.
    pub(super) fn unused(&self) -> Vec<String> {
        let names = self.known.iter().filter_map(name).filter(|name| !self.used.contains(*name));
        names.filter(|name| self.has(name)).map(str::to_owned).collect()
    }

    /// The disk that the VMM sees of a volume; none where it sees none.
    pub(super) fn disk(&self, wanted: &str) -> Option<Disk> {
        let volume = self.named(wanted)?;
        let (kind, source) = kind(volume)?;
        let raw = |path: String| Some(Disk::at(path, DiskFormat::Raw));
        // Over what is not written to, the image or the claim.
        let overlay = || Disk::at(format!("{EPHEMERAL}/disk-data/{wanted}/disk.qcow2"), DiskFormat::Qcow2);
        let made = |folder: &str| raw(format!("{PRIVATE}/{folder}/{wanted}.iso"));
        let seed = |file: &str| {
            raw(format!("{EPHEMERAL}/cloud-init-data/{}/{}/{file}", self.namespace, self.machine))
        };
        let disk = match kind {
            "hostDisk" => raw(source.get("path")?.as_str()?.to_owned()),
            "persistentVolumeClaim" | "dataVolume" => raw(format!("{PRIVATE}/vmi-disks/{wanted}/disk.img")),
            "containerDisk" | "registryDisk" | "ephemeral" => Some(overlay()),
            "emptyDisk" => Some(Disk::at(format!("{EMPTY}/{wanted}.qcow2"), DiskFormat::Qcow2)),
            "cloudInitNoCloud" => seed("noCloud.iso"),
            "cloudInitConfigDrive" => seed("configdrive.iso"),
            "configMap" => made("config-map-disks"),
            "secret" => made("secret-disks"),
            "downwardAPI" => made("downwardapi-disks"),
            "sysprep" => made("sysprep-disks"),
            "serviceAccount" => raw(format!("{PRIVATE}/service-account-disk/service-account.iso")),
            "downwardMetrics" => raw(format!("{PRIVATE}/downwardmetric-disk/vhostmd0")),
            _ => None,
        }?;
        check("path", disk.path.as_deref()?).is_ok().then_some(disk)
    }

    /// Whether what is behind a volume lies on the node, where everybody finds it.
    pub(super) fn is_on_node(&self, wanted: &str) -> bool {
        self.named(wanted).and_then(kind).is_some_and(|(kind, _)| kind == "hostDisk")
    }

    /// The socket at which the VMM finds a shared volume.
    pub(super) fn socket(wanted: &str) -> String {
        format!("{SOCKETS}/{wanted}.sock")
    }

    /// Whether there is a volume of this name.
    pub(super) fn has(&self, wanted: &str) -> bool {
        self.named(wanted).is_some()
    }

    /// Marks the volume of this name as one that a disk or share has.
    pub(super) fn take(&mut self, wanted: &str) {
        self.used.insert(wanted.to_owned());
    }

    /// Writes the volume of a disk: the one that was kept where the disk is still what the VMM sees of it, else a file of
    /// the node. False where there is none.
    pub(super) fn write(&mut self, wanted: &str, disk: &Disk) -> bool {
        let kept =
            self.disk(wanted).is_some_and(|seen| same(seen.path.as_deref(), disk.host_path().as_deref()));
        if kept {
            self.write_kept(wanted);
            return true;
        }
        let Some(path) = disk.host_path() else { return false };
        let volume = json!({ "name": wanted, "hostDisk": { "path": path, "type": "Disk" } });
        self.written.push((usize::MAX, volume));
        true
    }

    /// Writes the volume that was kept under this name.
    pub(super) fn write_kept(&mut self, wanted: &str) {
        if let Some(Some(at)) = self.places.get(wanted).copied() {
            self.take(wanted);
            self.written.push((at, self.known[at].clone()));
        }
    }

    /// The list of the instance: what nothing has is left to the foreign parts.
    pub(super) fn list(&mut self, port: &mut Port<'_>, spec: &mut MachineSpec) {
        let Self { used, written, .. } = self;
        claim(port, spec, "volumes", written, |value| name(value).is_some_and(|name| used.contains(name)));
    }
}

/// Whether two paths are the same, but for the machine in the path of what its first boot is told: it may have another
/// name by now.
fn same(one: Option<&str>, two: Option<&str>) -> bool {
    let seeds = format!("{EPHEMERAL}/cloud-init-data/");
    let file = |path: &str| path.strip_prefix(&seeds)?.rsplit_once('/').map(|(_, file)| file.to_owned());
    let (seed, other) = (one.and_then(file), two.and_then(file));
    one == two || (seed.is_some() && seed == other)
}

/// A list of which some elements are kept as claims.
pub(super) fn claim(
    port: &mut Port<'_>,
    spec: &mut MachineSpec,
    key: &str,
    written: &mut Vec<(usize, Value)>,
    is_used: impl Fn(&Value) -> bool,
) {
    if !port.reading() {
        written.sort_by_key(|(place, _)| *place);
        if !written.is_empty() {
            port.put(key, written.drain(..).map(|(_, value)| value).collect::<Vec<_>>());
        }
        return;
    }
    let Some(Value::Array(elements)) = port.raw(key) else { return };
    for (number, element) in elements.iter().enumerate() {
        if is_used(element) {
            let name = name(element).map_or_else(|| number.to_string(), str::to_owned);
            keep(spec, &format!("~{key}[{name}]"), element.to_string());
        } else {
            port.skip(place(element));
        }
    }
}

/// What an element is called.
pub(super) fn name(element: &Value) -> Option<&str> {
    element.get("name")?.as_str().filter(|name| check("word", name).is_ok())
}

/// The one source of a volume.
fn kind(volume: &Value) -> Option<(&str, &Map<String, Value>)> {
    let mut sources = volume.as_object()?.iter().filter(|(key, _)| *key != "name");
    let (kind, source) = sources.next()?;
    sources.next().is_none().then_some((kind.as_str(), source.as_object()?))
}
