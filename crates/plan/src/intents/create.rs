//! A machine made of its specification: directories, images, interfaces and huge pages where they are not there yet, then
//! its record with its backend, and where asked its first start. What is there already is used as it is, and stays where
//! the machine is taken away again.

use super::{IntentError, made};
use std::collections::{BTreeMap, BTreeSet};
use vmwright_formats::MachineSpecView;
use vmwright_formats::links::Links;
use vmwright_formats::machine_spec::{parse_cpu_list, parse_size};
use vmwright_model::machine::{Disk, DiskDevice, DiskFormat, NetworkKind};
use vmwright_model::plan::{Base, ImageFormat, Owner};
use vmwright_model::topology::HostNode;
use vmwright_model::{Action, Disruption, MachineSpec, Plan};

/// Mode of a directory that is made for images: others may pass through it to what they know of, and list nothing.
const DIRECTORY: u32 = 0o711;

/// The machine that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'w> {
    /// Path of the specification, as the user named it.
    pub path: &'w str,
    /// Its text, with absolute paths: what the machine is made of.
    pub text: &'w str,
    /// Where its values stand.
    pub view: &'w MachineSpecView,
    /// The machine.
    pub spec: &'w MachineSpec,
    /// What makes it run: `qemu`, `firecracker`, `cloud-hypervisor`, or libvirt's URI.
    pub backend: &'w str,
    /// How images that are not there are made, by the number of the disk, counted from 1.
    pub images: &'w BTreeMap<usize, NewImage>,
    /// Whether it is started at the end.
    pub start: bool,
}

/// How an image is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewImage {
    /// What the guest sees, in bytes; as much as what it is made of where absent.
    pub size: Option<u64>,
    /// Path of the image whose content it gets.
    pub copy: Option<String>,
}

/// The host that it is made on.
#[derive(Debug, Clone, Copy)]
pub struct Site<'h> {
    /// Its id.
    pub id: &'h str,
    /// Its interfaces.
    pub links: &'h Links,
    /// What lies at the paths that the wish names, and at the directories above them.
    pub paths: &'h BTreeMap<String, Lies>,
    /// Its NUMA nodes with their huge pages.
    pub nodes: &'h [HostNode],
    /// Size of the huge pages that it gives where none is named, in bytes.
    pub page: Option<u64>,
    /// What others have: VMs of vmwright and libvirt, and running VMMs.
    pub taken: &'h [Taken],
    /// Hardware addresses of the machine's cards, in the order of its networks; those that it has none for are empty.
    pub macs: &'h [String],
    /// Who carries plans out.
    pub me: Owner,
    /// Whom the VMM runs as; none where its backend sees to the owners of images, or it runs as whoever starts it.
    pub owner: Option<Owner>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lies {
    /// Nothing.
    Nothing,
    /// A regular file.
    Image {
        /// Its format, told by its first bytes: `raw`, `qcow2`, `vmdk`.
        format: String,
        /// What a guest sees of it, in bytes; none where its first bytes do not tell.
        size: Option<u64>,
    },
    /// A directory.
    Directory,
    /// A block device.
    Device,
    /// Something else, or it could not be looked at; what.
    Other(String),
}

/// Something that another VM has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// What.
    pub what: Thing,
    /// Who: `vm web`, `domain web of libvirt`, `process 812`.
    pub by: String,
}

/// What two VMs cannot both have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// A name.
    Name(String),
    /// A disk that is written to, by its path.
    Disk(String),
    /// A hardware address, in lower case.
    Mac(String),
    /// A context id of vsock.
    Cid(u32),
    /// A UNIX socket, by its path.
    Socket(String),
    /// A tap device.
    Tap(String),
    /// A port of the host, as `tcp 2222`.
    Port(String),
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Thing::Name(name) => write!(f, "the name {name}"),
            Thing::Disk(path) => write!(f, "the disk {path}"),
            Thing::Mac(mac) => write!(f, "the hardware address {mac}"),
            Thing::Cid(cid) => write!(f, "the vsock context id {cid}"),
            Thing::Socket(path) => write!(f, "the socket {path}"),
            Thing::Tap(name) => write!(f, "the tap device {name}"),
            Thing::Port(port) => write!(f, "the host's port {port}"),
        }
    }
}

/// What a machine needs for itself alone, each with the key of its specification. `macs` are those of its cards.
#[must_use]
pub fn things(spec: &MachineSpec, macs: &[String]) -> Vec<(String, Thing)> {
    let mut all = vec![("name".to_owned(), Thing::Name(spec.name.clone()))];
    for (at, disk) in spec.disks.iter().enumerate() {
        if let Some(path) = disk.host_path().filter(|_| !disk.readonly && !disk.shareable && !disk.transient)
            && matches!(disk.device, DiskDevice::Disk | DiskDevice::Lun)
        {
            all.push((format!("disk.{at}.path"), Thing::Disk(path)));
        }
        if let Some(socket) = &disk.vhost_user {
            all.push((format!("disk.{at}.vhost_user"), Thing::Socket(socket.clone())));
        }
    }
    for (at, network) in spec.networks.iter().enumerate() {
        if let Some(mac) = macs.get(at).filter(|mac| !mac.is_empty()) {
            all.push((format!("network.{at}.mac"), Thing::Mac(mac.to_ascii_lowercase())));
        }
        if let Some(tap) = &network.tap {
            all.push((format!("network.{at}.tap"), Thing::Tap(tap.clone())));
        }
        if let Some(socket) = &network.socket {
            all.push((format!("network.{at}.socket"), Thing::Socket(socket.clone())));
        }
        for (forward, port) in network.forwards.iter().enumerate() {
            let kind = if port.udp { "udp" } else { "tcp" };
            let key = format!("network.{at}.forward.{forward}.host");
            all.push((key, Thing::Port(format!("{kind} {}", port.host))));
        }
    }
    if let Some(vsock) = &spec.vsock {
        all.extend(vsock.cid.map(|cid| ("vsock.cid".to_owned(), Thing::Cid(cid))));
        all.extend(vsock.socket.iter().map(|path| ("vsock.socket".to_owned(), Thing::Socket(path.clone()))));
    }
    let characters = [("serial", &spec.serials), ("parallel", &spec.parallels), ("console", &spec.consoles)];
    for (list, characters) in characters {
        for (at, one) in characters.iter().enumerate().filter(|(_, one)| one.server) {
            let socket = one.path.iter().map(|path| Thing::Socket(path.clone()));
            all.extend(socket.map(|socket| (format!("{list}.{at}.path"), socket)));
        }
    }
    all
}

/// The plan that makes a machine.
///
/// # Errors
/// [`IntentError::Create`] with everything that stands against it, each with its place.
pub fn create(site: &Site<'_>, wish: &Wish<'_>) -> Result<Plan, IntentError> {
    let mut draft = Draft { site, wish, steps: Vec::new(), problems: Vec::new(), folders: BTreeSet::new() };
    draft.conflicts();
    for (at, disk) in wish.spec.disks.iter().enumerate() {
        draft.disk(at, disk);
    }
    for number in wish.images.keys().filter(|number| !(1..=wish.spec.disks.len()).contains(number)) {
        draft.problems.push(format!("there is no disk {number} in the specification"));
    }
    draft.files();
    draft.networks();
    draft.huge_pages();
    if !draft.problems.is_empty() {
        return Err(IntentError::Create { path: wish.path.to_owned(), problems: draft.problems });
    }
    let mut steps = draft.steps;
    let (name, backend) = (wish.spec.name.clone(), wish.backend.to_owned());
    let record =
        Action::MachineCreate { machine: name.clone(), backend: backend.clone(), text: wish.text.to_owned() };
    steps.push((record, format!("{backend} runs {name} by this specification"), Disruption::None));
    if wish.start {
        let start = Action::MachineStart { machine: name.clone() };
        steps.push((start, format!("so that {name} is seen to run"), Disruption::None));
    }
    Ok(made(site.id, Some(&name), format!("create vm {name}"), steps))
}

struct Draft<'d> {
    site: &'d Site<'d>,
    wish: &'d Wish<'d>,
    steps: Vec<(Action, String, Disruption)>,
    problems: Vec<String>,
    /// Directories that a step makes.
    folders: BTreeSet<String>,
}

impl Draft<'_> {
    /// A problem at a key of the specification.
    fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        // A default has no line of its own; the table that it would stand in may have.
        let table = key.rsplit_once('.').map_or(key, |(table, _)| table);
        let line = self.wish.view.line_of(key).or_else(|| self.wish.view.line_of(table));
        self.problems.push(line.map_or_else(|| what.to_string(), |line| format!("line {line}: {what}")));
    }

    fn step(&mut self, action: Action, why: impl Into<String>) {
        self.steps.push((action, why.into(), Disruption::None));
    }

    fn lies(&self, path: &str) -> Lies {
        let unread = || Lies::Other("something that was not looked at".to_owned());
        self.site.paths.get(path).cloned().unwrap_or_else(unread)
    }

    fn conflicts(&mut self) {
        for (key, thing) in things(self.wish.spec, self.site.macs) {
            let others: Vec<&str> =
                self.site.taken.iter().filter(|taken| taken.what == thing).map(|taken| &*taken.by).collect();
            if !others.is_empty() {
                self.problem(&key, format!("{thing} is taken by {}", others.join(" and ")));
            }
        }
    }

    fn disk(&mut self, at: usize, disk: &Disk) {
        let number = at + 1;
        let key = format!("disk.{at}.path");
        let wanted = self.wish.images.get(&number);
        let Some(path) = disk.path.as_deref() else {
            if wanted.is_some() {
                self.problem(&key, format!("disk {number} has no path, so no image can be made for it"));
            }
            if let Some(volume) = disk.host_path()
                && self.lies(&volume) != Lies::Device
            {
                self.problem(&key, format!("disk {number}: there is no block device {volume}"));
            }
            return;
        };
        match (self.lies(path), wanted) {
            (Lies::Nothing, _) => self.image(at, disk, path, &wanted.cloned().unwrap_or_default()),
            (_, Some(_)) => {
                self.problem(&key, format!("disk {number}: {path} is there already, and stays as it is"));
            }
            (Lies::Image { format, .. }, None) => {
                let said = Base { path: String::new(), format: disk.format };
                let known = format != "raw" || matches!(disk.format, DiskFormat::Qcow2 | DiskFormat::Vmdk);
                if known && format != said.format_name() && format != "iso9660" {
                    let said = said.format_name();
                    self.problem(
                        &format!("disk.{at}.format"),
                        format!("disk {number}: {path} is {format}, and the specification says {said}"),
                    );
                }
            }
            (Lies::Device, None) => {}
            (Lies::Directory, None) if disk.format == DiskFormat::Fat => {}
            (Lies::Directory, None) => self.problem(&key, format!("disk {number}: {path} is a directory")),
            (Lies::Other(what), None) => self.problem(&key, format!("disk {number}: {path} is {what}")),
        }
    }

    /// The step that makes an image.
    fn image(&mut self, at: usize, disk: &Disk, path: &str, new: &NewImage) {
        let number = at + 1;
        let key = format!("disk.{at}.path");
        let format = match disk.format {
            DiskFormat::Raw => ImageFormat::Raw,
            DiskFormat::Qcow2 => ImageFormat::Qcow2,
            other => {
                let other = Base { path: String::new(), format: other };
                let what = format!(
                    "disk {number}: {path} does not exist, and an image of format {} is not made here: raw and qcow2 are",
                    other.format_name()
                );
                return self.problem(&format!("disk.{at}.format"), what);
            }
        };
        if disk.device != DiskDevice::Disk || disk.readonly && new.copy.is_none() {
            return self.problem(&key, format!("disk {number}: {path} does not exist"));
        }
        if let Some(size) = new.size.filter(|size| *size == 0 || !size.is_multiple_of(512)) {
            return self.problem(
                &key,
                format!("disk {number}: {size} bytes are no size of a disk: a multiple of 512"),
            );
        }
        let built = self.steps.len();
        match (&new.copy, &disk.backing) {
            (Some(_), Some(_)) => {
                return self.problem(
                    &key,
                    format!("disk {number} builds upon another image, so it cannot be a copy too"),
                );
            }
            (Some(copy), None) => {
                let Some((from, size)) = self.base(&key, number, copy, None) else { return };
                self.folder(&key, path);
                let wanted = new.size.unwrap_or(size);
                if wanted < size {
                    return self.problem(
                        &key,
                        format!("disk {number}: {copy} has {size} bytes, which do not fit into {wanted}"),
                    );
                }
                let why = format!("disk {number} of {}", self.wish.spec.name);
                self.step(Action::ImageCopy { path: path.to_owned(), format, from, size }, why);
                if wanted > size {
                    let grow = Action::ImageResize { path: path.to_owned(), format, from: size, to: wanted };
                    self.step(grow, format!("the guest sees {wanted} bytes of disk {number}"));
                }
            }
            (None, Some(backing)) => {
                let key = format!("disk.{at}.backing");
                if format == ImageFormat::Raw {
                    return self.problem(
                        &key,
                        format!("disk {number} is raw, and only a qcow2 image builds upon another"),
                    );
                }
                let Some((base, size)) = self.base(&key, number, backing, disk.backing_format) else {
                    return;
                };
                let wanted = new.size.unwrap_or(size);
                if wanted < size {
                    return self.problem(
                        &key,
                        format!("disk {number}: {backing} has {size} bytes, more than the {wanted} that are wanted"),
                    );
                }
                self.folder(&key, path);
                let why = format!("disk {number} of {} builds upon {backing}", self.wish.spec.name);
                self.step(Action::ImageOverlay { path: path.to_owned(), base, size: wanted }, why);
            }
            (None, None) => {
                let Some(size) = new.size else {
                    return self.problem(
                        &key,
                        format!(
                            "disk {number}: {path} does not exist; say how large it is to be (--size {number}=20GiB) or what it is a copy of (--copy {number}=IMAGE)"
                        ),
                    );
                };
                self.folder(&key, path);
                let why = format!("disk {number} of {}", self.wish.spec.name);
                self.step(Action::ImageCreate { path: path.to_owned(), format, size }, why);
            }
        }
        if let Some(to) = self.site.owner.filter(|owner| *owner != self.site.me && self.steps.len() > built) {
            let from = self.site.me;
            self.step(
                Action::FileOwner { path: path.to_owned(), from, to },
                format!("its VMM, which runs as user {}, opens disk {number}", to.user),
            );
        }
    }

    /// An image that another is made of, with what a guest sees of it in bytes.
    fn base(
        &mut self,
        key: &str,
        number: usize,
        path: &str,
        said: Option<DiskFormat>,
    ) -> Option<(Base, u64)> {
        if !path.starts_with('/') {
            self.problem(key, format!("disk {number}: {path} is no absolute path"));
            return None;
        }
        let (format, size) = match self.lies(path) {
            Lies::Image { format, size } => (format, size),
            Lies::Nothing => {
                self.problem(key, format!("disk {number}: {path} does not exist"));
                return None;
            }
            _ => {
                self.problem(key, format!("disk {number}: {path} is no file"));
                return None;
            }
        };
        let known = [
            DiskFormat::Raw,
            DiskFormat::Qcow2,
            DiskFormat::Qcow,
            DiskFormat::Qed,
            DiskFormat::Vmdk,
            DiskFormat::Vdi,
            DiskFormat::Vpc,
            DiskFormat::Vhdx,
        ];
        let base = |format| Base { path: path.to_owned(), format };
        let found = known.into_iter().map(base).find(|base| base.format_name() == format);
        let found = match (found, said) {
            // A raw image has no mark of its own, so that what is said can be right.
            (Some(found), Some(said)) if found.format != said && found.format != DiskFormat::Raw => {
                let said = base(said);
                let what = format!(
                    "disk {number}: {path} is {format}, and the specification says {}",
                    said.format_name()
                );
                self.problem(key, what);
                return None;
            }
            (_, Some(said)) => base(said),
            (Some(found), None) => found,
            (None, None) => {
                self.problem(
                    key,
                    format!("disk {number}: {path} has the format {format}, which is not read here"),
                );
                return None;
            }
        };
        let Some(size) = size else {
            self.problem(
                key,
                format!("disk {number}: what a guest sees of {path} cannot be told from its first bytes; make a qcow2 or raw image of it first (qemu-img convert)"),
            );
            return None;
        };
        Some((found, size))
    }

    /// Steps for directories above a path that are not there, from the top.
    fn folder(&mut self, key: &str, path: &str) {
        let mut missing = Vec::new();
        let mut above = path;
        while let Some((folder, _)) = above.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            match self.lies(folder) {
                Lies::Nothing if !self.folders.contains(folder) => missing.push(folder.to_owned()),
                Lies::Nothing | Lies::Directory => break,
                _ => {
                    self.problem(key, format!("{folder} is no directory that could be looked at"));
                    return;
                }
            }
            above = folder;
        }
        for folder in missing.into_iter().rev() {
            self.folders.insert(folder.clone());
            let why = format!("{path} lies in it");
            self.step(Action::DirectoryCreate { path: folder, mode: DIRECTORY }, why);
        }
    }

    /// Kernel, initramfs and firmware: nobody can make them.
    fn files(&mut self) {
        let spec = self.wish.spec;
        let files = [
            ("boot.kernel", &spec.boot.kernel),
            ("boot.initrd", &spec.boot.initrd),
            ("firmware.path", &spec.firmware.path),
        ];
        for (key, path) in files {
            if let Some(path) = path
                && self.lies(path) == Lies::Nothing
            {
                self.problem(key, format!("`{key}`: {path} does not exist"));
            }
        }
    }

    fn networks(&mut self) {
        let mut made: BTreeSet<String> = BTreeSet::new();
        let user = self.site.owner.unwrap_or(self.site.me).user;
        for (at, network) in self.wish.spec.networks.iter().enumerate() {
            let number = at + 1;
            let bridge = network.bridge.as_deref();
            let key = |name: &str| format!("network.{at}.{name}");
            match (network.kind, bridge) {
                (NetworkKind::Bridge, Some(bridge)) => match self.site.links.of(bridge) {
                    Some(link) if link.is_bridge() => {}
                    Some(_) => {
                        self.problem(&key("bridge"), format!("network {number}: {bridge} is no bridge"));
                    }
                    None if made.contains(bridge) => {}
                    None => {
                        made.insert(bridge.to_owned());
                        let address = network.host_address.clone();
                        let why = format!("network {number} of {} is plugged into it", self.wish.spec.name);
                        self.step(Action::BridgeAdd { name: bridge.to_owned(), address }, why);
                    }
                },
                (NetworkKind::Ovs, Some(bridge)) if self.site.links.of(bridge).is_none() => {
                    let what = format!(
                        "network {number}: there is no bridge {bridge} of Open vSwitch (ovs-vsctl add-br {bridge})"
                    );
                    self.problem(&key("bridge"), what);
                }
                (NetworkKind::Macvtap, _) => {
                    if let Some(parent) = network.parent.as_deref()
                        && self.site.links.of(parent).is_none()
                    {
                        self.problem(
                            &key("parent"),
                            format!("network {number}: there is no interface {parent}"),
                        );
                    }
                }
                _ => {}
            }
            if let (NetworkKind::Tap, Some(tap)) = (network.kind, network.tap.as_deref()) {
                match self.site.links.of(tap) {
                    Some(link) if link.is_tap() => {}
                    Some(_) => self.problem(&key("tap"), format!("network {number}: {tap} is no tap device")),
                    None => {
                        let add = Action::TapAdd { name: tap.to_owned(), user, bridge: None };
                        self.step(
                            add,
                            format!("network {number} of {} is this tap device", self.wish.spec.name),
                        );
                    }
                }
            }
        }
    }

    /// More huge pages where too few are free.
    fn huge_pages(&mut self) {
        let memory = &self.wish.spec.memory;
        if !memory.hugepages {
            return;
        }
        let key = "memory.hugepages";
        let named = memory.hugepage_size.as_deref().and_then(|size| parse_size(size).ok());
        let Some(page) = named.or(self.site.page).filter(|page| *page > 0) else {
            return self.problem(
                key,
                "it cannot be told how large this host's huge pages are; name `hugepage_size`",
            );
        };
        let pages = parse_size(&memory.size).unwrap_or(0).div_ceil(page);
        let nodes = memory.policy.as_ref().and_then(|policy| parse_cpu_list(&policy.nodes).ok());
        let named =
            |node: u32| nodes.as_ref().is_none_or(|nodes| nodes.iter().any(|range| range.contains(&node)));
        let wanted = |node: &&HostNode| named(node.id);
        let (mut total, mut free, mut room) = (0, 0, Some(0_u64));
        let chosen: Vec<&HostNode> = self.site.nodes.iter().filter(wanted).collect();
        for node in &chosen {
            let Some(pool) = node.pools.iter().find(|pool| pool.page == page) else {
                let size = page >> 10;
                return self.problem(key, format!("node {} has no huge pages of {size} KiB", node.id));
            };
            total += pool.total;
            free += pool.free.unwrap_or(0);
            room = room.zip(node.free).map(|(room, free)| room.saturating_add(free));
        }
        if chosen.is_empty() {
            return self.problem(key, "it cannot be told how many huge pages this host has");
        }
        let missing = pages.saturating_sub(free);
        if missing == 0 {
            return;
        }
        // What is free now has to hold them in one piece each; the step says where it does not.
        if room.is_some_and(|room| room / page < missing) {
            let whose = if nodes.is_some() { "its nodes have" } else { "the host has" };
            return self.problem(
                key,
                format!(
                    "{missing} more huge pages of {} KiB are needed, and {whose} {} MiB free",
                    page >> 10,
                    room.unwrap_or(0) >> 20
                ),
            );
        }
        let node = match chosen[..] {
            [only] if nodes.is_some() => Some(only.id),
            _ => None,
        };
        if node.is_none() && nodes.is_some() {
            return self
                .problem(key, "huge pages on several named nodes have to be reserved by hand, node by node");
        }
        let reserve = Action::HugePages { node, size_kib: page >> 10, from: total, to: total + missing };
        self.step(reserve, format!("{pages} huge pages for {}", self.wish.spec.name));
    }
}
