//! The disks that configurations, command lines and running processes name.

use crate::catalogue::memory::hugepages_not_reserved::guests::is_asked;
use crate::prelude::*;
use std::sync::Arc;
use vmwright_formats::qemu_args::QemuCommand;
use vmwright_formats::{DomainXml, ProxmoxConf, QemuArgs, QemuLog, VmmProcesses};

/// Every disk of domain definitions, QEMU command lines (in logs and of running processes too) and Proxmox
/// configurations; optical drives and floppies left out; 512 at most.
pub(crate) fn disks(cx: &Reading<'_>) -> Arc<Vec<Disk>> {
    cx.once(read)
}

fn read(cx: &Reading<'_>) -> Vec<Disk> {
    let mut found = Vec::new();
    for xml in cx.all::<DomainXml>() {
        let value = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        for disk in xml.domains.iter().flat_map(|domain| &domain.devices.disks) {
            if matches!(disk.device.as_ref().map(|kind| kind.value.as_str()), Some("cdrom" | "floppy")) {
                continue;
            }
            let set = disk.cache.as_ref().or(disk.io.as_ref()).or(disk.format.as_ref());
            found.push(Disk {
                source: value(&disk.source),
                format: value(&disk.format),
                cache: value(&disk.cache),
                aio: value(&disk.io),
                discard: value(&disk.discard),
                bus: value(&disk.bus),
                iothread: disk.iothread.is_some(),
                readonly: disk.readonly,
                quote: xml.quote(set.map_or(disk.line, |set| set.line)),
                ..Disk::default()
            });
        }
    }
    for seen in cx.all::<QemuArgs>() {
        seen.commands.iter().for_each(|command| of_command(command, &|line| seen.quote(line), &mut found));
    }
    for log in cx.all::<QemuLog>() {
        let commands = log.runs.iter().flat_map(|run| &run.args.commands);
        commands.for_each(|command| of_command(command, &|line| log.quote(line), &mut found));
    }
    for seen in cx.all::<VmmProcesses>() {
        for process in &seen.processes {
            let args = QemuArgs::read_at(&process.argv, process.line);
            if !is_asked(cx, &args) {
                continue;
            }
            args.commands.iter().for_each(|one| of_command(one, &|line| seen.quote(line), &mut found));
        }
    }
    for seen in cx.all::<ProxmoxConf>() {
        for bus in ["scsi", "virtio", "sata", "ide"] {
            for (_, disk) in seen.devices(bus).filter(|(_, disk)| disk.value.contains(',')) {
                let part = |name: &str| ProxmoxConf::option(disk.value, name).map(str::to_owned);
                // Proxmox opens disks with cache=none unless told otherwise.
                found.extend((part("media").as_deref() != Some("cdrom")).then(|| Disk {
                    source: disk.value.split(',').next().map(str::to_owned),
                    cache: part("cache").or(Some("none".to_owned())),
                    aio: part("aio"),
                    discard: part("discard").map(|on| if on == "on" { "unmap".to_owned() } else { on }),
                    bus: Some(bus.to_owned()),
                    iothread: part("iothread").as_deref() == Some("1"),
                    quote: seen.quote(disk.line),
                    ..Disk::default()
                }));
            }
        }
    }
    found.truncate(512);
    found
}

/// A disk as a configuration or a command line gives it. What was not said is absent.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub source: Option<String>,
    pub format: Option<String>,
    pub cache: Option<String>,
    pub aio: Option<String>,
    pub discard: Option<String>,
    pub bus: Option<String>,
    pub iothread: bool,
    pub readonly: bool,
    /// `cache.direct` where it is set by itself.
    pub o_direct: Option<bool>,
    /// `cache.no-flush` where it is set by itself.
    pub no_flush: bool,
    pub quote: Option<Evidence>,
}

impl Disk {
    /// What to call it.
    pub(crate) fn name(&self) -> &str {
        self.source.as_deref().unwrap_or("a disk")
    }

    /// Whether it is opened with O_DIRECT; none for a cache mode that nobody knows.
    pub(crate) fn direct(&self) -> Option<bool> {
        self.o_direct.or(match self.cache.as_deref() {
            Some("none" | "off" | "directsync") => Some(true),
            None | Some("default" | "writeback" | "writethrough" | "unsafe" | "") => Some(false),
            Some(_) => None,
        })
    }
}

/// The disks of a command line.
fn of_command(command: &QemuCommand, quote: &dyn Fn(u32) -> Option<Evidence>, found: &mut Vec<Disk>) {
    for option in
        command.options.iter().filter(|option| ["drive", "blockdev"].contains(&option.name.as_str()))
    {
        let opts = option.opts();
        let get = |keys: &[&str]| keys.iter().find_map(|key| opts.get(key)).map(str::to_owned);
        let source =
            get(&["file", "filename", "file.filename"]).filter(|file| file.contains(['/', '.', ':']));
        let pflash = opts.get("if") == Some("pflash") || opts.get("media") == Some("cdrom");
        if pflash || source.is_none() {
            continue;
        }
        found.push(Disk {
            source,
            format: get(&["format"])
                .or_else(|| get(&["driver"]).filter(|_| opts.get("file.filename").is_some())),
            cache: get(&["cache"]),
            aio: get(&["aio", "file.aio"]),
            discard: get(&["discard"]),
            bus: get(&["if"]),
            iothread: false,
            readonly: opts.switch("readonly").or(opts.switch("read-only")) == Some(true),
            o_direct: opts.switch("cache.direct").or(opts.switch("file.cache.direct")),
            no_flush: opts.switch("cache.no-flush") == Some(true),
            quote: quote(option.value_line),
        });
    }
}
