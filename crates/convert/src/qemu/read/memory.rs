//! Memory, guest nodes, threads for disks, confidential memory.

use super::bag::Bag;
use super::{Reader, qemu_size, size};
use crate::Effect;
use vmwright_formats::machine_spec::parse_size;
use vmwright_model::machine::{
    Backing, Confidential, Distance, MemoryDevice, MemoryDeviceKind, MemoryMode, NumaCell, NumaPolicy,
    Technology,
};

/// An object of memory, as far as the specification has words for it.
#[derive(Debug, Default)]
struct Backend {
    bytes: Option<u64>,
    backing: Option<Backing>,
    huge: bool,
    page: Option<String>,
    shared: bool,
    prealloc: bool,
    policy: Option<NumaPolicy>,
    path: Option<String>,
}

impl Reader {
    pub(super) fn memory(&mut self) {
        if let Some(id) = self.machine.get("memory-backend").map(str::to_owned)
            && let Some(mut bag) = self.take("-object", &id)
            && let Some(found) = backend(&mut bag)
        {
            self.machine.take("memory-backend");
            self.commit();
            // `hugepages` alone means the same pages with fewer words.
            let huge = found.huge;
            let memory = &mut self.spec.memory;
            memory.hugepages = huge;
            memory.hugepage_size = found.page;
            memory.backing = found.backing.filter(|_| !huge);
            memory.shared = found.shared;
            memory.prealloc = found.prealloc && !huge;
            memory.policy = found.policy;
            bag.drop_default("id", &[&id]);
            self.keep_rest("memory", &bag);
        }
        self.taken.clear();
        if let Some(path) = self.switches.huge_path.take() {
            let memory = &mut self.spec.memory;
            if let Some(page) = huge_path(&path) {
                memory.hugepages = true;
                memory.hugepage_size = page;
            } else {
                memory.backing = Some(Backing::File);
            }
            memory.prealloc = self.switches.prealloc && !memory.hugepages;
        } else if self.switches.prealloc {
            self.spec.memory.prealloc = true;
        }
        self.guest_nodes();
    }

    fn guest_nodes(&mut self) {
        let mut nodes = Vec::new();
        let mut found = Vec::new();
        for mut bag in std::mem::take(&mut self.numa) {
            match bag.get("type") {
                Some("node") => nodes.push(bag),
                Some("dist") => {
                    let (source, to, value) = (bag.small("src"), bag.small("dst"), bag.small("val"));
                    match (source, to, value) {
                        (Some(source), Some(to), Some(value)) => found.push((source, Distance { to, value })),
                        _ => self.keep("-numa", bag.raw),
                    }
                }
                _ => self.keep("-numa", bag.raw),
            }
        }
        let mut cells: Vec<(NumaCell, Backend, Bag, Bag)> = Vec::new();
        for mut bag in nodes {
            let at = cells.len();
            bag.take("type");
            let number = bag.number("nodeid").unwrap_or(at as u64);
            let cpus = bag.all("cpus").join(",");
            let mut object = Bag::empty("-object");
            let mut memory = Backend::default();
            if let Some(id) = bag.get("memdev").map(str::to_owned)
                && let Some(mut taken) = self.take("-object", &id)
                && let Some(backend) = backend(&mut taken)
            {
                bag.take("memdev");
                taken.drop_default("id", &[&id]);
                object = taken;
                memory = backend;
            } else if let Some(bytes) = bag.get("mem").and_then(|text| qemu_size(text, 20)) {
                bag.take("mem");
                memory.bytes = Some(bytes);
            }
            if number != at as u64 || bag.has("memdev") {
                self.taken.clear();
                self.keep("-numa", bag.raw);
                continue;
            }
            self.commit();
            let cell = NumaCell {
                cpus: (!cpus.is_empty()).then_some(cpus),
                memory: memory.bytes.map_or("0KiB".to_owned(), size),
                shared: None,
                hugepage_size: None,
                policy: memory.policy.take(),
                distances: Vec::new(),
            };
            cells.push((cell, memory, bag, object));
        }
        let all = |what: fn(&Backend) -> bool| {
            let mut real = cells.iter().filter(|cell| cell.1.bytes.is_some()).peekable();
            real.peek().is_some() && real.all(|cell| what(&cell.1))
        };
        let memory = &mut self.spec.memory;
        let huge = all(|backend| backend.huge);
        let first = cells.first().and_then(|cell| cell.1.page.clone());
        memory.hugepages |= huge;
        if huge {
            memory.hugepage_size.clone_from(&first);
        }
        let shared = all(|backend| backend.shared);
        memory.shared |= shared;
        let prealloc = all(|backend| backend.prealloc || backend.huge) && !huge;
        memory.prealloc |= prealloc;
        if memory.backing.is_none() {
            memory.backing = cells.iter().filter(|cell| !cell.1.huge).find_map(|cell| cell.1.backing);
        }
        let mut cells: Vec<(NumaCell, Bag, Bag)> = cells
            .into_iter()
            .map(|(mut cell, backend, bag, mut object)| {
                if backend.prealloc && !backend.huge && !prealloc {
                    object.put("prealloc", "on");
                }
                if backend.shared != shared && backend.bytes.is_some() {
                    cell.shared = Some(backend.shared);
                }
                if backend.huge && (!huge || backend.page != first) {
                    cell.hugepage_size = backend.page.or(Some("2MiB".to_owned()));
                }
                (cell, bag, object)
            })
            .collect();
        for (source, distance) in found {
            match cells.get_mut(source as usize) {
                Some(cell) => cell.0.distances.push(distance),
                None => self.remark(
                    Effect::Lost,
                    format!("numa.{source}"),
                    "a distance from a node that is not there",
                ),
            }
        }
        for (at, (cell, bag, object)) in cells.into_iter().enumerate() {
            self.keep_rest(&format!("numa.{at}"), &bag);
            self.keep_rest(&format!("numa.{at}.memory"), &object);
            self.spec.numa.push(cell);
        }
    }

    /// A DIMM, NVDIMM, virtio-mem or virtio-pmem.
    pub(super) fn memory_device(&mut self, kind: MemoryDeviceKind, bag: &mut Bag) -> Option<String> {
        let id = bag.take("memdev")?;
        let mut object = self.take("-object", &id)?;
        let found = backend(&mut object)?;
        let bytes = |bag: &mut Bag, key: &str| {
            bag.word(key, |text| qemu_size(text, 0))
                .map(|bytes| if bytes == 0 { "0KiB".to_owned() } else { size(bytes) })
        };
        // What the machine's own memory is made of holds for its devices; one of another kind stays as it is.
        let memory = &self.spec.memory;
        if found.path.is_none() || !matches!(kind, MemoryDeviceKind::Nvdimm | MemoryDeviceKind::VirtioPmem) {
            let alike = found.huge == memory.hugepages
                && found.page == memory.hugepage_size
                && found.shared == memory.shared
                && (found.huge || found.backing == memory.backing);
            if !alike {
                return None;
            }
        }
        let persistent = matches!(kind, MemoryDeviceKind::Nvdimm | MemoryDeviceKind::VirtioPmem);
        let device = MemoryDevice {
            kind,
            size: size(found.bytes?),
            node: bag.small("node"),
            path: found.path.filter(|_| persistent),
            block: bytes(bag, "block-size"),
            requested: bytes(bag, "requested-size"),
        };
        object.drop_default("id", &[&id]);
        let item = format!("memory.device.{}", self.spec.memory.devices.len());
        self.spec.memory.devices.push(device);
        if persistent {
            // The writer shares files, so that they keep what is written.
            if !found.shared {
                object.put("share", "off");
            }
            if found.prealloc {
                object.put("prealloc", "on");
            }
        } else if found.prealloc && !self.spec.memory.prealloc && !found.huge {
            object.put("prealloc", "on");
        }
        if let Some(policy) = found.policy {
            let mode = match policy.mode {
                MemoryMode::Strict => "bind",
                MemoryMode::Interleave => "interleave",
                _ => "preferred",
            };
            for nodes in policy.nodes.split(',') {
                object.put("host-nodes", nodes);
            }
            object.put("policy", mode);
        }
        self.keep_rest(&format!("{item}.memory"), &object);
        Some(item)
    }

    /// Threads that serve disks, counted from 1.
    pub(super) fn iothreads(&mut self) {
        let ids: Vec<String> = self
            .order
            .iter()
            .filter(|key| key.0 == "-object")
            .filter(|key| self.backends.get(*key).is_some_and(|bag| bag.get("qom-type") == Some("iothread")))
            .map(|key| key.1.clone())
            .collect();
        for id in &ids {
            let number = id.strip_prefix("iothread").and_then(|digits| digits.parse::<u32>().ok());
            let own = number.filter(|number| (1..=256).contains(number));
            let number = own.unwrap_or_else(|| self.spec.cpu.pinning.iothreads.unwrap_or(0) + 1);
            let count = self.spec.cpu.pinning.iothreads.unwrap_or(0).max(number);
            self.spec.cpu.pinning.iothreads = Some(count.min(256));
            if let Some(mut bag) = self.backends.remove(&("-object", id.clone())) {
                bag.take("qom-type");
                bag.take("id");
                self.keep_rest(&format!("cpu.pinning.iothread.{number}"), &bag);
            }
            self.iothread_ids.insert(id.clone(), number);
        }
    }

    /// The number of the thread that a device names.
    pub(super) fn iothread(&self, bag: &mut Bag) -> Option<u32> {
        let number = self.iothread_ids.get(bag.get("iothread")?).copied()?;
        bag.take("iothread");
        Some(number)
    }

    pub(super) fn confidential(&mut self) {
        let key = if self.machine.has("confidential-guest-support") {
            "confidential-guest-support"
        } else {
            "memory-encryption"
        };
        let Some(id) = self.machine.get(key).map(str::to_owned) else { return };
        let Some(mut bag) = self.take("-object", &id) else { return };
        let technology = match bag.take("qom-type").as_deref() {
            Some("sev-guest") => Technology::Sev,
            Some("sev-snp-guest") => Technology::SevSnp,
            Some("tdx-guest") => Technology::Tdx,
            _ => {
                self.taken.clear();
                return;
            }
        };
        self.machine.take(key);
        self.commit();
        bag.take("id");
        let mut confidential = Confidential::by(technology);
        confidential.policy = bag.number(if technology == Technology::Tdx { "attributes" } else { "policy" });
        // QEMU's own where nothing is said.
        if confidential.policy.is_none() && technology == Technology::Sev {
            confidential.policy = Some(1);
        }
        if technology == Technology::Sev && confidential.policy.is_some_and(|policy| policy & 4 != 0) {
            confidential.technology = Technology::SevEs;
        }
        confidential.cbitpos = bag.small("cbitpos");
        confidential.reduced_phys_bits = bag.small("reduced-phys-bits");
        confidential.kernel_hashes = bag.flag("kernel-hashes");
        confidential.host_data = bag.take("host-data").or_else(|| bag.take("mrconfigid"));
        confidential.id_block = bag.take("id-block");
        confidential.id_auth = bag.take("id-auth");
        if bag.get("quote-generation-socket.type") == Some("vsock") {
            let (cid, port) =
                (bag.take("quote-generation-socket.cid"), bag.take("quote-generation-socket.port"));
            bag.take("quote-generation-socket.type");
            confidential.quote_service =
                Some(format!("vsock:{}:{}", cid.unwrap_or_default(), port.unwrap_or_default()));
        } else if let Some(path) = bag.take("quote-generation-socket.path") {
            bag.take("quote-generation-socket.type");
            confidential.quote_service = Some(format!("unix:{path}"));
        }
        self.spec.confidential = Some(confidential);
        self.keep_rest("confidential", &bag);
    }
}

fn backend(bag: &mut Bag) -> Option<Backend> {
    let mut found = Backend::default();
    let kind = bag.take("qom-type")?;
    found.bytes = bag.word("size", |text| qemu_size(text, 0));
    match kind.as_str() {
        "memory-backend-ram" => {}
        "memory-backend-memfd" => {
            found.backing = Some(Backing::Memfd);
            found.huge = bag.flag("hugetlb").unwrap_or(false);
            found.page = bag.word("hugetlbsize", |text| qemu_size(text, 0)).map(size);
        }
        "memory-backend-file" => {
            let path = bag.take("mem-path")?;
            match huge_path(&path) {
                Some(page) => {
                    found.huge = true;
                    found.page = page;
                }
                None => found.backing = Some(Backing::File),
            }
            found.path = Some(path);
        }
        _ => return None,
    }
    found.shared = bag.flag("share").unwrap_or(kind == "memory-backend-memfd");
    found.prealloc = bag.flag("prealloc").unwrap_or(false);
    let mode = bag.word("policy", |policy| match policy {
        "bind" => Some(MemoryMode::Strict),
        "preferred" => Some(MemoryMode::Preferred),
        "interleave" => Some(MemoryMode::Interleave),
        _ => None,
    });
    bag.drop_default("policy", &["default"]);
    if let Some(mode) = mode {
        found.policy = Some(NumaPolicy { mode, nodes: bag.all("host-nodes").join(",") });
    }
    // A size that cannot be read must not be lost.
    (!bag.has("size"))
        .then_some(found)
        .filter(|found| found.bytes.is_some_and(|bytes| parse_size(&size(bytes)).is_ok()))
}

/// Whether a path is one of huge pages: none, or the size that its name tells.
fn huge_path(path: &str) -> Option<Option<String>> {
    let at = path.find("huge")?;
    let rest = &path[at..];
    let page = [("2M", "2MiB"), ("1G", "1GiB"), ("1048576", "1GiB"), ("2048", "2MiB")];
    Some(page.iter().find(|(sign, _)| rest.contains(sign)).map(|(_, size)| (*size).to_owned()))
}
