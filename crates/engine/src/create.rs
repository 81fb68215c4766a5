//! What a plan to create a machine rests on: its specification, the paths that it names, and what other VMs have.

use crate::backends::Chosen;
use crate::intent::{Intent, NewDisk};
use crate::{Environment, Error};
use std::collections::BTreeMap;
use vmwright_backend::qemu::argv;
use vmwright_backend::store::{self, Stored};
use vmwright_formats::links::Links;
use vmwright_formats::machine_spec::parse_size;
use vmwright_formats::meminfo::MemInfo;
use vmwright_formats::passwd::Passwd;
use vmwright_formats::vmm_processes::VmmProcesses;
use vmwright_formats::{DomainXml, MachineSpecView, QemuArgs, View};
use vmwright_host::paths::{self, Lies as Found};
use vmwright_model::machine::NetworkKind;
use vmwright_model::plan::Owner;
use vmwright_model::{MachineSpec, Need, Plan, Probe};
use vmwright_plan::intents::{Lies, NewImage, Site, Taken, Thing, Wish, create, things};
use vmwright_rules::Reading;

/// What is read besides what the rules need.
pub(crate) const NEEDS: &[Need] = &[
    Need::Probe(Probe::Links),
    Need::Probe(Probe::Vmms),
    Need::Probe(Probe::Libvirt),
    Need::Glob("/etc/libvirt/qemu/*.xml"),
    Need::File("/proc/meminfo"),
    Need::File("/etc/passwd"),
];

/// What a user asks for, as far as it can be told without looking at the host.
pub(crate) struct Asked {
    path: String,
    text: String,
    spec: MachineSpec,
    chosen: Chosen,
    images: BTreeMap<usize, NewImage>,
    start: bool,
}

impl Asked {
    /// What an intent asks for; none where it is another one.
    pub(crate) fn of(intent: &Intent) -> Result<Option<Self>, Error> {
        let Intent::Create { spec: path, backend, sizes, copies, start } = intent else { return Ok(None) };
        let chosen = Chosen::read(backend.as_deref().unwrap_or("qemu"))?;
        let images = images(sizes, copies)?;
        let (text, spec) = store::read_spec(path).map_err(Error::Store)?;
        let path = path.display().to_string();
        Ok(Some(Self { path, text, spec, chosen, images, start: *start }))
    }
}

/// The plan.
pub(crate) fn plan(
    asked: &Asked,
    reading: &Reading<'_>,
    host_id: &str,
    environment: &Environment,
) -> Result<Plan, Error> {
    let Asked { path, text, spec, chosen, images, start } = asked;
    let machine = Stored { name: spec.name.clone(), state: environment.state.clone(), spec: spec.clone() };
    chosen.takes(&machine, text)?;
    let links = reading.one::<Links>().ok_or(Error::Unread("the network interfaces"))?;
    let topology = vmwright_rules::topology(reading);
    let macs = macs(spec);
    let (view, _) = MachineSpecView::read(text);
    let me = Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() };
    let site = Site {
        id: host_id,
        links: &links,
        paths: &lying(spec, images),
        nodes: &topology.nodes,
        page: reading.one::<MemInfo>().and_then(|memory| memory.bytes("Hugepagesize")).map(|size| size.value),
        taken: &taken(reading, environment)?,
        macs: &macs,
        me,
        // libvirt gives images to its VMM by itself.
        owner: match chosen {
            Chosen::Libvirt(_) => None,
            _ => spec.process.user.as_deref().map(|name| user(reading, name)).transpose()?,
        },
    };
    let backend = chosen.word();
    let wish = Wish { path, text, view: &view, spec, backend: &backend, images, start: *start };
    Ok(create(&site, &wish)?)
}

/// How images are made, by the number of the disk.
fn images(sizes: &[NewDisk], copies: &[NewDisk]) -> Result<BTreeMap<usize, NewImage>, Error> {
    let mut images: BTreeMap<usize, NewImage> = BTreeMap::new();
    for NewDisk { disk, value } in sizes {
        let size =
            parse_size(value).map_err(|error| Error::Argument(format!("--size {disk}={value}: {error}")))?;
        if images.entry(*disk).or_default().size.replace(size).is_some() {
            return Err(Error::Argument(format!("--size is given twice for disk {disk}")));
        }
    }
    for NewDisk { disk, value } in copies {
        let path = std::path::absolute(value)
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
            .ok_or_else(|| Error::Argument(format!("--copy {disk}={value}: it is no path")))?;
        if images.entry(*disk).or_default().copy.replace(path).is_some() {
            return Err(Error::Argument(format!("--copy is given twice for disk {disk}")));
        }
    }
    Ok(images)
}

/// Hardware addresses of the cards, those that are made from the name included.
fn macs(spec: &MachineSpec) -> Vec<String> {
    let networks = spec.networks.iter().enumerate();
    networks
        .map(|(at, network)| match network.kind {
            NetworkKind::Hostdev => network.mac.clone().unwrap_or_default(),
            _ => argv::mac(&spec.name, at, network),
        })
        .collect()
}

/// What lies at the paths that matter.
fn lying(spec: &MachineSpec, images: &BTreeMap<usize, NewImage>) -> BTreeMap<String, Lies> {
    let mut wanted: Vec<String> = Vec::new();
    for disk in &spec.disks {
        wanted.extend(disk.host_path());
        wanted.extend(disk.backing.clone());
    }
    wanted.extend(images.values().filter_map(|image| image.copy.clone()));
    wanted.extend([&spec.boot.kernel, &spec.boot.initrd, &spec.firmware.path].into_iter().flatten().cloned());
    paths::look_at(&wanted).into_iter().map(|(path, found)| (path, told(found))).collect()
}

/// What was found at a path, as plans see it.
pub(crate) fn told(found: Found) -> Lies {
    match found {
        Found::Nothing => Lies::Nothing,
        Found::File { format, virtual_size, .. } => Lies::Image { format, size: virtual_size },
        Found::Directory => Lies::Directory,
        Found::Device => Lies::Device,
        Found::Other(what) => Lies::Other(what),
    }
}

/// The user that a VMM runs as.
fn user(reading: &Reading<'_>, name: &str) -> Result<Owner, Error> {
    let users = reading.one::<Passwd>().ok_or(Error::Unread("the users (/etc/passwd)"))?;
    let found = users.by_name(name).map(|user| Owner { user: user.uid, group: user.gid });
    found.ok_or_else(|| Error::Argument(format!("`process.user`: there is no user {name} in /etc/passwd")))
}

/// What other VMs have: those of vmwright, domains of libvirt, and whatever runs.
pub(crate) fn taken(reading: &Reading<'_>, environment: &Environment) -> Result<Vec<Taken>, Error> {
    let mut taken = Vec::new();
    let mut known = Vec::new();
    let (mut domains, mut pids): (Vec<String>, Vec<u32>) = (Vec::new(), Vec::new());
    for one in store::list(&environment.state).map_err(Error::Store)? {
        let by = format!("vm {}", one.name);
        // A machine that cannot be read has its name at least.
        taken.push(Taken { what: Thing::Name(one.name.clone()), by: by.clone() });
        if let Ok(machine) = one.machine {
            let record = machine.process().map_err(|error| Error::Control(error.into()))?;
            let running = record.and_then(|record| record.running);
            pids.extend(running.and_then(|running| u32::try_from(running.process.pid).ok()));
            let macs = macs(&machine.spec);
            taken.extend(
                things(&machine.spec, &macs).into_iter().map(|(_, what)| Taken { what, by: by.clone() }),
            );
        }
        known.push(one.name);
    }
    for seen in reading.of_every_vm::<DomainXml>() {
        for domain in seen.domains.iter().filter(|domain| !domain.fragment) {
            let Some(name) = domain.name.as_ref().map(|name| name.value.clone()) else { continue };
            if known.contains(&name) || domains.contains(&name) {
                domains.push(name);
                continue;
            }
            let by = format!("domain {name} of libvirt");
            let all = of_domain(domain).into_iter().chain([Thing::Name(name.clone())]);
            taken.extend(all.map(|what| Taken { what, by: by.clone() }));
            domains.push(name);
        }
    }
    if let Some(running) = reading.one::<VmmProcesses>() {
        for process in &running.processes {
            let (args, _) = QemuArgs::read(&format!("{} {}", process.exe, process.argv));
            let name = args.property("name", "guest").map(|name| name.value);
            // Somebody else's VM may have the name of one of ours, but not of one of libvirt's.
            if pids.contains(&process.pid) || name.is_some_and(|name| domains.contains(&name)) {
                continue;
            }
            let by = format!("process {}", process.pid);
            taken.extend(of_process(&args).into_iter().map(|what| Taken { what, by: by.clone() }));
        }
    }
    taken.sort();
    taken.dedup();
    Ok(taken)
}

fn of_domain(domain: &vmwright_formats::domain_xml::Domain) -> Vec<Thing> {
    let mut all = Vec::new();
    for disk in domain.devices.disks.iter().filter(|disk| !disk.readonly && !disk.shareable) {
        let is_path = disk.source.as_ref().filter(|source| source.value.starts_with('/'));
        let is_disk =
            disk.device.as_ref().is_none_or(|device| device.value == "disk" || device.value == "lun");
        all.extend(is_path.filter(|_| is_disk).map(|source| Thing::Disk(source.value.clone())));
    }
    for interface in &domain.devices.interfaces {
        all.extend(interface.mac.iter().map(|mac| Thing::Mac(mac.value.to_ascii_lowercase())));
        let tap = interface.target.as_ref().filter(|tap| !tap.value.starts_with("vnet"));
        all.extend(tap.map(|tap| Thing::Tap(tap.value.clone())));
        let socket = interface.interface_type.as_ref().is_some_and(|kind| kind.value == "vhostuser");
        all.extend(interface.source.iter().filter(|_| socket).map(|path| Thing::Socket(path.value.clone())));
    }
    let cids = domain.devices.other("vsock").filter_map(|vsock| vsock.detail.as_ref()?.value.parse().ok());
    all.extend(cids.map(Thing::Cid));
    all
}

fn of_process(args: &QemuArgs) -> Vec<Thing> {
    let mut all = Vec::new();
    let drives = args
        .options("drive")
        .chain(args.options("blockdev"))
        .map(vmwright_formats::qemu_args::QemuOption::opts);
    for opts in drives {
        let file = opts.get("file").or_else(|| opts.get("filename")).or_else(|| opts.get("file.filename"));
        let written = opts.get("readonly") != Some("on") && opts.get("read-only") != Some("on");
        all.extend(
            file.filter(|file| written && file.starts_with('/')).map(|file| Thing::Disk(file.to_owned())),
        );
    }
    for option in args.options("device") {
        let opts = option.opts();
        all.extend(opts.get("mac").map(|mac| Thing::Mac(mac.to_ascii_lowercase())));
        all.extend(opts.get("guest-cid").and_then(|cid| cid.parse().ok()).map(Thing::Cid));
    }
    for option in args.options("netdev") {
        all.extend(option.opts().get("ifname").map(|tap| Thing::Tap(tap.to_owned())));
    }
    all
}
