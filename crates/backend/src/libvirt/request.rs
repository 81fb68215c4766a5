//! What can be asked of a machine that libvirt runs, beyond its start and stop.

use super::agent::Agent;
use super::control::{find, unusable};
use super::domain::{escape, target};
use super::rpc::{Client, Device as Scope, Domain, LibvirtError, Stats, Value};
use super::{Libvirt, console, migrate, start};
use crate::qemu::argv::mac;
use crate::record::{Phase, ProcessRecord, Running};
use crate::request::{
    Answer, CpuStatistics, Device, DiskStatistics, Limit, Limited, NetworkStatistics, Picture, Request,
    Resize, Statistics, Watch,
};
use crate::state::Operation;
use crate::store::write_atomically;
use crate::{Backend, ControlError, Stored};
use crate::{disks, guest};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vmwright_formats::xml::Document;
use vmwright_model::machine::{Network, NetworkKind};

/// How often libvirt is asked whether the guest has let go of a device.
const GONE: Duration = Duration::from_millis(50);

/// What has no metadata service.
const NO_METADATA: &str = "its guests have no metadata service; Firecracker's have one";

/// Why the backend has no such operation; none where it has.
pub(super) fn lacks(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Receive => Some("libvirt takes guests in by itself, when another libvirt sends one"),
        Operation::Metadata => Some(NO_METADATA),
        Operation::Trace => Some("libvirt has the VMM's monitor to itself"),
        _ => None,
    }
}

pub(super) fn carry_out(
    libvirt: &Libvirt,
    machine: &Stored,
    request: Request,
    watch: &mut dyn Watch,
) -> Result<Answer, ControlError> {
    if let Request::Clone { name } = request {
        return disks::clone(machine, &name);
    }
    let operation = request.operation();
    let failed = |why: String| ControlError::Failed { machine: machine.name.clone(), operation, why };
    let fail = |source| unusable(&machine.name, source);
    let (mut client, domain) =
        find(libvirt, machine)?.ok_or_else(|| failed("it has no domain yet; start it once".to_owned()))?;
    match request {
        Request::Pause => client.suspend(&domain).map(|()| Answer::Done).map_err(fail),
        Request::Resume => client.resume(&domain).map(|()| Answer::Done).map_err(fail),
        Request::Console { input, output, way_out } => {
            console::console(&mut client, &domain, machine, (input, output), way_out, watch)
        }
        Request::Exec(_) | Request::CopyOut { .. } | Request::CopyIn { .. } => {
            let mut agent = agent(&mut client, &domain, machine)?;
            guest::carry_out(&mut agent, (libvirt.name(), machine), request, watch)
        }
        Request::Migrate(what) => {
            migrate::migrate(libvirt, machine, (&mut client, &domain), (&what, false), watch)
        }
        Request::Snapshot { name } => {
            let xml = format!("<domainsnapshot><name>{}</name></domainsnapshot>", escape(&name));
            client.snapshot(&domain, &xml).map(|()| Answer::Done).map_err(fail)
        }
        Request::Restore { name } => {
            client.revert(&domain, &name).map_err(fail)?;
            write_down(libvirt, machine, &domain)?;
            Ok(Answer::Done)
        }
        Request::Attach(device) => {
            let live = client.xml(&domain, false).map_err(fail)?;
            let name = match &device {
                Device::Disk { name, .. }
                | Device::Network { name, .. }
                | Device::Unconnected { name, .. } => name.clone(),
            };
            if element(&live, &name).is_some() {
                return Err(failed(format!("it has a device `{name}` already")));
            }
            let xml = device_xml(&machine.name, &device, &live).map_err(failed)?;
            client.attach(&domain, &xml, Scope::Live).map_err(fail)?;
            Ok(Answer::Attached(name))
        }
        Request::Detach { device, patience } => {
            let live = client.xml(&domain, false).map_err(fail)?;
            let xml = element(&live, &device)
                .ok_or_else(|| failed(format!("it has no device `{device}` that vmwright attached")))?;
            client.detach(&domain, xml, Scope::Live).map_err(fail)?;
            // Its going has an event of its own, which vmwright does not ask for: it is polled.
            let deadline = Instant::now() + patience;
            while element(&client.xml(&domain, false).map_err(fail)?, &device).is_some() {
                if Instant::now() >= deadline {
                    let seconds = patience.as_secs();
                    return Err(failed(format!("the guest has not let go of `{device}` within {seconds} s")));
                }
                std::thread::sleep(GONE);
            }
            Ok(Answer::Done)
        }
        Request::Limit(Limit { device: Limited::Disk(disk), bytes, operations }) => {
            let disk = named(&mut client, &domain, disk).map_err(fail)?;
            let most = (bytes, operations);
            client.limit_disk(&domain, &disk, most, Scope::Live).map(|()| Answer::Done).map_err(fail)
        }
        Request::Limit(Limit { device: Limited::Network(at), bytes, operations }) => {
            if operations.is_some() {
                return Err(failed("libvirt limits no packets of a network interface".to_owned()));
            }
            let live = client.xml(&domain, false).map_err(fail)?;
            let mac = interface_mac(&live, at)
                .ok_or_else(|| failed(format!("it has no network interface number {at}")))?;
            let Some(bytes) = bytes else { return Ok(Answer::Done) };
            // What is more than nothing stays so.
            let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
            client.limit_interface(&domain, &mac, kib, Scope::Live).map(|()| Answer::Done).map_err(fail)
        }
        Request::Resize(Resize::Disk { disk, bytes }) => {
            let disk = named(&mut client, &domain, disk).map_err(fail)?;
            client.resize_disk(&domain, &disk, bytes).map_err(fail)?;
            Ok(Answer::Resized(bytes))
        }
        Request::Resize(Resize::Memory { bytes }) => {
            client.set_memory(&domain, bytes / 1024, Scope::Live).map_err(fail)?;
            Ok(Answer::Resized(bytes))
        }
        Request::Resize(Resize::Cpus { count }) => {
            client.set_vcpus(&domain, count, Scope::Live).map_err(fail)?;
            Ok(Answer::Resized(count.into()))
        }
        Request::Stats => {
            let all = client.all_stats().map_err(fail)?;
            let ours = all.into_iter().find(|stats| stats.domain.uuid == domain.uuid);
            let ours = ours.ok_or_else(|| failed("libvirt counts nothing of it".to_owned()))?;
            Ok(Answer::Statistics(Box::new(statistics(&ours))))
        }
        Request::Screenshot { to, format } => {
            let (kind, picture) = client.screenshot(&domain).map_err(fail)?;
            let wanted = match format {
                Picture::Png => "image/png",
                Picture::Ppm => "image/x-portable-pixmap",
            };
            if kind != wanted {
                return Err(failed(format!("this libvirt gives {}, not {wanted}", kind.escape_debug())));
            }
            let file = |doing, source| ControlError::File { doing, path: to.clone(), source };
            let (folder, name) = (to.parent(), to.file_name().and_then(|name| name.to_str()));
            let (Some(folder), Some(name)) = (folder, name) else {
                return Err(file("make", std::io::ErrorKind::InvalidInput.into()));
            };
            let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
            write_atomically(folder, name, &picture).map_err(|source| file("make", source))?;
            Ok(Answer::Copied(picture.len() as u64))
        }
        other => {
            let operation = other.operation();
            let why = lacks(operation).unwrap_or("libvirt has no such call");
            Err(ControlError::Cannot { backend: libvirt.name(), operation, why })
        }
    }
}

/// The guest's agent, where the specification gives it a line.
fn agent<'a>(
    client: &'a mut Client,
    domain: &'a Domain,
    machine: &Stored,
) -> Result<Agent<'a>, ControlError> {
    if machine.spec.agent {
        Ok(Agent { client, domain })
    } else {
        Err(ControlError::NoAgent(machine.name.clone()))
    }
}

/// A snapshot may bring a domain up in a new process, or end it: the record follows.
pub(super) fn write_down(libvirt: &Libvirt, machine: &Stored, domain: &Domain) -> Result<(), ControlError> {
    let process = |source| ControlError::Process { machine: machine.name.clone(), pid: 0, source };
    let found = start::process(domain).map_err(process)?;
    let mut record = ProcessRecord::new(libvirt.name(), Phase::Stopped);
    if let Some((identity, _)) = found {
        record.phase = Phase::Running;
        record.running = Some(Running {
            started_ms: identity.began_ms().map_err(process)?,
            process: identity,
            accelerator: machine.spec.accelerator,
            user: None,
            stays_root: None,
            qmp: None,
            agent: None,
            agent_port: None,
            taps: Vec::new(),
        });
    }
    record.write(&machine.directory()).map_err(Into::into)
}

/// The alias by which libvirt knows a device that a user named.
fn alias(name: &str) -> String {
    format!("ua-{name}")
}

/// The XML of the device with this name, as it stands in the running domain.
fn element<'a>(live: &'a str, name: &str) -> Option<&'a str> {
    let document = roxmltree::Document::parse(live).ok()?;
    let alias = alias(name);
    let found = document
        .descendants()
        .find(|node| node.tag_name().name() == "alias" && node.attribute("name") == Some(alias.as_str()))?;
    live.get(found.parent()?.range())
}

/// The target of a disk that is named by its number in the specification or by a name.
fn named(client: &mut Client, domain: &Domain, disk: String) -> Result<String, LibvirtError> {
    match disk.parse::<usize>() {
        Ok(at) => Ok(target(at)),
        Err(_) => Ok(disk_target(&client.xml(domain, false)?, &disk).unwrap_or(disk)),
    }
}

/// The MAC address of the network interface with this number, from 0.
fn interface_mac(live: &str, at: usize) -> Option<String> {
    let (document, _) = Document::read(live);
    let mut all = document.elements().filter(|element| element.name() == "interface");
    all.nth(at)?.child_attr("mac", "address").map(|mac| mac.value)
}

/// The target of the disk with this name, of libvirt's (`virtio-disk0`) or the user's.
fn disk_target(live: &str, name: &str) -> Option<String> {
    let (document, _) = Document::read(live);
    let alias = alias(name);
    let disks = document.elements().filter(|element| element.name() == "disk");
    let named = disks.filter(|disk| {
        disk.child_attr("alias", "name").is_some_and(|found| found.value == name || found.value == alias)
    });
    named.into_iter().find_map(|disk| disk.child_attr("target", "dev")).map(|target| target.value)
}

fn device_xml(machine: &str, device: &Device, live: &str) -> Result<String, String> {
    match device {
        Device::Disk { name, path, format, readonly } => {
            let text = path.to_str().filter(|text| text.starts_with('/'));
            let path = escape(text.ok_or_else(|| format!("`{}` is no absolute path", path.display()))?);
            let (kind, source) = if path.starts_with("/dev/") { ("block", "dev") } else { ("file", "file") };
            let (document, _) = Document::read(live);
            let taken: Vec<String> = document
                .elements()
                .filter(|element| element.name() == "target")
                .filter_map(|element| element.attr("dev").map(|dev| dev.value))
                .collect();
            let free = (0..).map(target).find(|target| !taken.contains(target)).unwrap_or_default();
            let readonly = if *readonly { "<readonly/>" } else { "" };
            Ok(format!(
                "<disk type='{kind}' device='disk'><driver name='qemu' type='{}' discard='unmap'/>\
                 <source {source}='{path}'/><target dev='{free}' bus='virtio'/>{readonly}\
                 <alias name='{}'/></disk>",
                escape(format),
                escape(&alias(name)),
            ))
        }
        // libvirt has no interface of QEMU's without another end: this one's cable is unplugged.
        Device::Unconnected { name, mac } => Ok(format!(
            "<interface type='user'><mac address='{}'/><model type='virtio'/><link state='down'/>\
             <rom enabled='no'/><alias name='{}'/></interface>",
            escape(mac),
            escape(&alias(name))
        )),
        Device::Network { name, bridge, mac: given } => {
            let kind = if bridge.is_some() { NetworkKind::Bridge } else { NetworkKind::User };
            let network = Network { mac: given.clone(), ..Network::of(kind) };
            let mac = escape(&mac(&format!("{machine}/{name}"), 0, &network));
            let (kind, source) = match bridge {
                Some(bridge) => ("bridge", format!("<source bridge='{}'/>", escape(bridge))),
                None => ("user", String::new()),
            };
            Ok(format!(
                "<interface type='{kind}'>{source}<mac address='{mac}'/><model type='virtio'/>\
                 <rom enabled='no'/><alias name='{}'/></interface>",
                escape(&alias(name))
            ))
        }
    }
}

/// libvirt's figures under our names.
fn statistics(stats: &Stats) -> Statistics {
    let whole = |name: &str| match stats.figures.get(name) {
        Some(Value::Whole(value)) => u64::try_from(*value).unwrap_or(0),
        _ => 0,
    };
    let text = |name: &str| match stats.figures.get(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    };
    // The numbers come from a daemon: no more are taken than there are figures.
    let count = |name: &str| whole(name).min(stats.figures.len() as u64);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let balloon = stats.figures.contains_key("balloon.current").then(|| whole("balloon.current") * 1024);
    Statistics {
        at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        process_ns: whole("cpu.time"),
        resident: whole("balloon.rss") * 1024,
        cpus: (0..count("vcpu.current"))
            .map(|cpu| CpuStatistics {
                cpu,
                thread: 0,
                ran_ns: whole(&format!("vcpu.{cpu}.time")),
                waited_ns: whole(&format!("vcpu.{cpu}.wait")),
            })
            .collect(),
        disks: (0..count("block.count"))
            .map(|at| {
                let of = |what: &str| whole(&format!("block.{at}.{what}"));
                DiskStatistics {
                    name: text(&format!("block.{at}.name")),
                    read: of("rd.bytes"),
                    written: of("wr.bytes"),
                    reads: of("rd.reqs"),
                    writes: of("wr.reqs"),
                    flushes: of("fl.reqs"),
                    read_ns: of("rd.times"),
                    write_ns: of("wr.times"),
                    failed: of("errors"),
                }
            })
            .collect(),
        networks: (0..count("net.count"))
            .map(|at| {
                let of = |what: &str| whole(&format!("net.{at}.{what}"));
                NetworkStatistics {
                    name: text(&format!("net.{at}.name")),
                    received: of("rx.bytes"),
                    sent: of("tx.bytes"),
                    packets_received: of("rx.pkts"),
                    packets_sent: of("tx.pkts"),
                    dropped: of("rx.drop") + of("tx.drop"),
                }
            })
            .collect(),
        balloon,
        kvm: Vec::new(),
    }
}

pub(super) fn snapshots(libvirt: &Libvirt, machine: &Stored) -> Result<Vec<String>, ControlError> {
    let Some((mut client, domain)) = find(libvirt, machine)? else { return Ok(Vec::new()) };
    Client::snapshots(&mut client, &domain).map_err(|source| unusable(&machine.name, source))
}
