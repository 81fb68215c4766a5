//! Foreign parts that hold what only a cluster knows of a part of the machine, beside what the specification says of it.
//! Their places begin with a tilde, as no path in a document does:
//!
//! | `at` | `text` |
//! |---|---|
//! | `~kind` | `<?kind VirtualMachineInstance?>`, where the object is no VirtualMachine |
//! | `~volumes[root]` | a volume, behind the disk or share of that name |
//! | `~networks[red]` | a network, behind the interface of that name |
//! | `~namespace` | the object's namespace |
//! | `~disks[root]` | `<?without?>`, where the disk has no element: KubeVirt adds it for the volume |
//! | `~kernel` | the image in which kernel and initramfs lie |
//! | `~documents[0]` | an object beside the machine |

use crate::json::{Port, split};
use serde_json::Value;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Foreign, ForeignFormat};

/// A kind of object with a machine in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Where the instance lies.
    pub(super) steps: &'static [&'static str],
}

/// The object that is written where none was read.
pub(super) const MACHINE: &str = "VirtualMachine";

const KIND: &str = "~kind";
const WORD: &str = "<?kind ";

/// Where the object's namespace is kept.
pub(super) const NAMESPACE: &str = "~namespace";

/// Where the image is kept in which the kernel lies.
pub(super) const KERNEL: &str = "~kernel";

/// All of them, the usual first.
pub(super) const KINDS: [Kind; 4] = [
    Kind { name: MACHINE, version: "kubevirt.io/v1", steps: &["spec", "template", "spec"] },
    Kind { name: "VirtualMachineInstance", version: "kubevirt.io/v1", steps: &["spec"] },
    Kind {
        name: "VirtualMachineInstanceReplicaSet",
        version: "kubevirt.io/v1",
        steps: &["spec", "template", "spec"],
    },
    Kind {
        name: "VirtualMachinePool",
        version: "pool.kubevirt.io/v1beta1",
        steps: &["spec", "virtualMachineTemplate", "spec", "template", "spec"],
    },
];

/// The kind of an object.
pub(super) fn kind_of(document: &Value) -> Option<Kind> {
    let version = document.get("apiVersion")?.as_str()?;
    let name = document.get("kind")?.as_str()?;
    let own = version
        .split('/')
        .next()
        .is_some_and(|group| group == "kubevirt.io" || group.ends_with(".kubevirt.io"));
    KINDS.into_iter().find(|kind| own && kind.name == name)
}

/// The kind that is read or written.
pub(super) fn kind(port: &mut Port<'_>, spec: &mut MachineSpec) -> Kind {
    let name = match port.raw("kind").and_then(Value::as_str) {
        Some(name) => Some(name.to_owned()),
        None => take(spec, KIND)
            .and_then(|part| Some(part.text.strip_prefix(WORD)?.strip_suffix("?>")?.to_owned())),
    };
    let kind = KINDS.into_iter().find(|kind| Some(kind.name) == name.as_deref()).unwrap_or(KINDS[0]);
    if port.reading() && kind.name != MACHINE {
        keep(spec, KIND, format!("{WORD}{}?>", kind.name));
    }
    kind
}

/// Whether a part is one of these.
pub(super) fn is_claimed(part: &Foreign) -> bool {
    part.format == ForeignFormat::Kubevirt
        && part.at.starts_with('~')
        && !["~0", "~1", "~2"].iter().any(|escape| part.at.starts_with(escape))
}

pub(super) fn keep(spec: &mut MachineSpec, at: &str, text: String) {
    spec.foreign.push(Foreign { format: ForeignFormat::Kubevirt, at: at.to_owned(), text });
}

/// The part at a place.
pub(super) fn take<'s>(spec: &'s MachineSpec, at: &str) -> Option<&'s Foreign> {
    spec.foreign.iter().find(|part| is_claimed(part) && part.at == at)
}

/// The values of a list, with their names, in the order in which they were kept.
pub(super) fn list(spec: &MachineSpec, list: &str) -> Vec<Value> {
    let own = spec.foreign.iter().filter(|part| is_claimed(part) && split(&part.at).0 == list);
    own.filter_map(|part| serde_json::from_str(&part.text).ok()).collect()
}

/// Where a document has what a part or remark names.
pub(super) fn path(item: &str, kind: Kind) -> String {
    let below = kind.steps.join("/");
    match item.strip_prefix('~') {
        Some("namespace") => "metadata/namespace".to_owned(),
        Some("kernel") => format!("{below}/domain/firmware/kernelBoot/container/image"),
        Some(list) if is_list(list) => format!("{below}/{list}"),
        _ => item.to_owned(),
    }
}

fn is_list(item: &str) -> bool {
    item.starts_with("volumes[") || item.starts_with("networks[")
}
