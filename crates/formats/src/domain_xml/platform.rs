//! The parts of a domain that are not devices.

use super::{Scope, Text, bytes, number, number_in, scaled, truth};
use crate::xml::{Element, owned};
use vmwright_model::Spanned;

/// `<vcpu>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// The most that the domain can have.
    pub count: Option<Spanned<u64>>,
    /// What it starts with; the same as `count` where absent.
    pub current: Option<Spanned<u64>>,
    /// `static` or `auto`.
    pub placement: Text,
    /// Host CPUs, `0-3,^2`.
    pub cpuset: Text,
}

impl Vcpu {
    pub(super) fn read(element: Element) -> Self {
        Self {
            count: number_in(element),
            current: number(element.attr("current")),
            placement: element.attr("placement"),
            cpuset: element.attr("cpuset"),
        }
    }
}

/// `<os>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Os {
    /// `efi` or `bios`: libvirt chooses the files.
    pub firmware: Text,
    /// Architecture of `<type>`.
    pub arch: Text,
    /// Machine type.
    pub machine: Text,
    /// `hvm`.
    pub os_type: Text,
    /// Path of the firmware image.
    pub loader: Text,
    /// `pflash` or `rom`.
    pub loader_type: Text,
    /// `yes` or `no`.
    pub loader_secure: Text,
    /// `yes` or `no`.
    pub loader_readonly: Text,
    /// Path of the variable store.
    pub nvram: Text,
    /// What it is made from.
    pub nvram_template: Text,
    /// Firmware features (`secure-boot`, `enrolled-keys`) and whether they are asked for.
    pub firmware_features: Vec<(Spanned<String>, bool)>,
    /// Path of a kernel started directly.
    pub kernel: Text,
    /// Path of its initramfs.
    pub initrd: Text,
    /// Its command line.
    pub cmdline: Text,
    /// Boot devices in order: `hd`, `cdrom`, `network`, `fd`.
    pub boot: Vec<Spanned<String>>,
}

impl Os {
    pub(super) fn read(scope: &Scope) -> Self {
        let features = scope.find("os/firmware/feature");
        Self {
            firmware: scope.attr("os", "firmware"),
            arch: scope.attr("os/type", "arch"),
            machine: scope.attr("os/type", "machine"),
            os_type: scope.text("os/type"),
            loader: scope.text("os/loader"),
            loader_type: scope.attr("os/loader", "type"),
            loader_secure: scope.attr("os/loader", "secure"),
            loader_readonly: scope.attr("os/loader", "readonly"),
            nvram: scope.text("os/nvram").or_else(|| scope.attr("os/nvram/source", "file")),
            nvram_template: scope.attr("os/nvram", "template"),
            firmware_features: features
                .into_iter()
                .filter_map(|feature| Some((feature.attr("name")?, truth(&feature.attr("enabled")))))
                .collect(),
            kernel: scope.text("os/kernel"),
            initrd: scope.text("os/initrd"),
            cmdline: scope.text("os/cmdline"),
            boot: scope.find("os/boot").into_iter().filter_map(|boot| boot.attr("dev")).collect(),
        }
    }
}

/// One `<feature>` of a CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFeature {
    /// Its name.
    pub name: Spanned<String>,
    /// `force`, `require`, `optional`, `disable`, `forbid`; `require` where absent.
    pub policy: String,
}

/// `<topology>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// Line of the element.
    pub line: u32,
    /// Sockets.
    pub sockets: Option<u64>,
    /// Dies of a socket.
    pub dies: Option<u64>,
    /// Clusters of a die.
    pub clusters: Option<u64>,
    /// Cores.
    pub cores: Option<u64>,
    /// Threads of a core.
    pub threads: Option<u64>,
}

impl Topology {
    /// CPUs that it describes, one for each level that is absent.
    #[must_use]
    pub fn cpus(&self) -> Option<u64> {
        let levels = [self.sockets, self.dies, self.clusters, self.cores, self.threads];
        levels.iter().flatten().try_fold(1_u64, |product, level| product.checked_mul(*level))
    }
}

/// A guest NUMA node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumaCell {
    /// Line of the element.
    pub line: u32,
    /// Its number.
    pub id: Text,
    /// Its CPUs, `0-3`.
    pub cpus: Text,
    /// Its memory, in bytes.
    pub memory: Option<Spanned<u64>>,
    /// `shared` or `private`.
    pub mem_access: Text,
}

/// `<cpu>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Line of the element; 0 where only inner elements were pasted.
    pub line: u32,
    /// `custom`, `host-model`, `host-passthrough`, `maximum`.
    pub mode: Text,
    /// Model.
    pub model: Text,
    /// `allow` or `forbid`.
    pub fallback: Text,
    /// `none`, `partial`, `full`.
    pub check: Text,
    /// `on` or `off`.
    pub migratable: Text,
    /// Whether `<cache mode='passthrough'>` is there.
    pub cache: Text,
    /// Width of physical addresses: mode and bits.
    pub maxphysaddr: Option<(Text, Text)>,
    /// Features.
    pub features: Vec<CpuFeature>,
    /// Topology.
    pub topology: Option<Topology>,
    /// Guest NUMA nodes.
    pub cells: Vec<NumaCell>,
}

impl Cpu {
    pub(super) fn read(scope: &Scope) -> Option<Self> {
        let cpu = scope.one("cpu");
        let features = scope.find("cpu/feature");
        let topology = scope.one("cpu/topology");
        if cpu.is_none() && features.is_empty() && topology.is_none() {
            return None;
        }
        Some(Self {
            line: cpu.map_or(0, Element::line),
            mode: scope.attr("cpu", "mode"),
            model: scope.text("cpu/model"),
            fallback: scope.attr("cpu/model", "fallback"),
            check: scope.attr("cpu", "check"),
            migratable: scope.attr("cpu", "migratable"),
            cache: scope.attr("cpu/cache", "mode"),
            maxphysaddr: scope.one("cpu/maxphysaddr").map(|width| (width.attr("mode"), width.attr("bits"))),
            features: features
                .into_iter()
                .filter_map(|feature| {
                    let policy =
                        feature.attr("policy").map_or_else(|| "require".to_owned(), |policy| policy.value);
                    Some(CpuFeature { name: feature.attr("name")?, policy })
                })
                .collect(),
            topology: topology.map(|topology| {
                let level = |name: &str| number(topology.attr(name)).map(|level| level.value);
                Topology {
                    line: topology.line(),
                    sockets: level("sockets"),
                    dies: level("dies"),
                    clusters: level("clusters"),
                    cores: level("cores"),
                    threads: level("threads"),
                }
            }),
            cells: scope
                .find("cpu/numa/cell")
                .into_iter()
                .map(|cell| NumaCell {
                    line: cell.line(),
                    id: cell.attr("id"),
                    cpus: cell.attr("cpus"),
                    memory: cell.attr("memory").and_then(|memory| {
                        let unit = cell.attribute("unit").map_or("KiB", |unit| unit.value);
                        Some(Spanned::new(scaled(&memory.value, unit)?, memory.line))
                    }),
                    mem_access: cell.attr("memAccess"),
                })
                .collect(),
        })
    }

    /// The policy of a feature, if it is named.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<&CpuFeature> {
        self.features.iter().find(|feature| feature.name.value == name)
    }
}

/// One pinning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Line of the element.
    pub line: u32,
    /// Virtual CPU or I/O thread; none for the emulator.
    pub id: Option<u64>,
    /// Host CPUs, `0-3,^2`.
    pub cpuset: String,
}

/// `<cputune>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuTune {
    /// `<vcpupin>`.
    pub vcpus: Vec<Pin>,
    /// `<emulatorpin>`.
    pub emulator: Option<Pin>,
    /// `<iothreadpin>`.
    pub iothreads: Vec<Pin>,
    /// Relative weight.
    pub shares: Option<Spanned<u64>>,
    /// Scheduler settings: `vcpusched`, `iothreadsched` and the like, by name, with their line.
    pub schedulers: Vec<Spanned<String>>,
}

impl CpuTune {
    pub(super) fn read(scope: &Scope) -> Self {
        let pins = |path: &str, id: &str| {
            let pin = |element: Element| {
                let cpuset = element.attribute("cpuset")?.value.to_owned();
                Some(Pin { line: element.line(), id: number(element.attr(id)).map(|id| id.value), cpuset })
            };
            scope.find(path).into_iter().filter_map(pin).collect::<Vec<_>>()
        };
        let children = scope.find("cputune").into_iter().flat_map(Element::children);
        Self {
            vcpus: pins("cputune/vcpupin", "vcpu"),
            emulator: pins("cputune/emulatorpin", "").into_iter().next(),
            iothreads: pins("cputune/iothreadpin", "iothread"),
            shares: scope.one("cputune/shares").and_then(number_in),
            schedulers: children
                .filter(|child| child.name().ends_with("sched"))
                .map(|child| Spanned::new(child.name().to_owned(), child.line()))
                .collect(),
        }
    }
}

/// `<memoryBacking>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryBacking {
    /// Line of `<hugepages>`.
    pub hugepages: Option<u32>,
    /// Page sizes asked for, in bytes, with their node set.
    pub pages: Vec<(Spanned<u64>, Text)>,
    /// Line of `<locked/>`.
    pub locked: Option<u32>,
    /// Line of `<nosharepages/>`.
    pub nosharepages: Option<u32>,
    /// `anonymous`, `file`, `memfd`.
    pub source: Text,
    /// `shared` or `private`.
    pub access: Text,
    /// `immediate` or `ondemand`.
    pub allocation: Text,
}

impl MemoryBacking {
    pub(super) fn read(scope: &Scope) -> Self {
        let line = |path: &str| scope.one(path).map(Element::line);
        let page = |page: Element| {
            let size = page.attribute("size")?;
            let bytes = scaled(size.value, page.attribute("unit").map_or("KiB", |unit| unit.value))?;
            Some((Spanned::new(bytes, size.line), page.attr("nodeset")))
        };
        Self {
            hugepages: line("memoryBacking/hugepages"),
            pages: scope.find("memoryBacking/hugepages/page").into_iter().filter_map(page).collect(),
            locked: line("memoryBacking/locked"),
            nosharepages: line("memoryBacking/nosharepages"),
            source: scope.attr("memoryBacking/source", "type"),
            access: scope.attr("memoryBacking/access", "mode"),
            allocation: scope.attr("memoryBacking/allocation", "mode"),
        }
    }
}

/// `<numatune><memory>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumaTune {
    /// `strict`, `preferred`, `interleave`, `restrictive`.
    pub mode: Text,
    /// Host nodes, `0-1`.
    pub nodeset: Text,
    /// `static` or `auto`.
    pub placement: Text,
}

impl NumaTune {
    pub(super) fn read(element: Element) -> Self {
        Self {
            mode: element.attr("mode"),
            nodeset: element.attr("nodeset"),
            placement: element.attr("placement"),
        }
    }
}

/// One `<timer>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// `rtc`, `pit`, `hpet`, `tsc`, `kvmclock`, `hypervclock`.
    pub name: Spanned<String>,
    /// `yes` or `no`.
    pub present: Text,
    /// `delay`, `catchup`, `merge`, `discard`.
    pub tickpolicy: Text,
    /// `native`, `paravirt`, `emulate`, `auto`.
    pub mode: Text,
    /// Frequency in Hz.
    pub frequency: Text,
}

/// `<clock>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clock {
    /// `utc`, `localtime`, `timezone`, `variable`.
    pub offset: Text,
    /// Timers.
    pub timers: Vec<Timer>,
}

impl Clock {
    pub(super) fn read(scope: &Scope) -> Self {
        let timer = |timer: Element| {
            Some(Timer {
                name: timer.attr("name")?,
                present: timer.attr("present"),
                tickpolicy: timer.attr("tickpolicy"),
                mode: timer.attr("mode"),
                frequency: timer.attr("frequency"),
            })
        };
        Self {
            offset: scope.attr("clock", "offset"),
            timers: scope.find("clock/timer").into_iter().filter_map(timer).collect(),
        }
    }
}

/// `<launchSecurity>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaunchSecurity {
    /// Line of the element.
    pub line: u32,
    /// `sev`, `sev-snp`, `tdx`, `s390-pv`.
    pub security_type: Text,
    /// Policy bits as written.
    pub policy: Text,
    /// Position of the C bit.
    pub cbitpos: Text,
    /// Physical address bits given up.
    pub reduced_phys_bits: Text,
    /// `yes` or `no`: measured direct kernel boot.
    pub kernel_hashes: Text,
}

impl LaunchSecurity {
    pub(super) fn read(element: Element) -> Self {
        Self {
            line: element.line(),
            security_type: element.attr("type"),
            policy: element.child("policy").and_then(Element::text).map(owned),
            cbitpos: element.child_text("cbitpos"),
            reduced_phys_bits: element.child_text("reducedPhysBits"),
            kernel_hashes: element.attr("kernelHashes"),
        }
    }
}

/// Size of a shared memory device, `<size unit='M'>`.
pub(super) fn size_of(element: Element) -> Option<Spanned<u64>> {
    bytes(element.child("size")?)
}
