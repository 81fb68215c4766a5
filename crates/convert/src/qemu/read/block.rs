//! Block nodes: where a disk's bytes lie.

use super::Reader;
use super::bag::Bag;
use vmwright_model::machine::{Aio, Cache, Discard, Disk, DiskFormat, IoLimits, Nbd, Rbd};

/// A disk's nodes as far as the specification has words for them, and what is left of each.
pub(super) struct Nodes {
    pub(super) disk: Disk,
    pub(super) file: Bag,
    pub(super) format: Bag,
    /// Past the page cache, flushes ignored; what the nodes say.
    pub(super) direct: Option<bool>,
    pub(super) no_flush: Option<bool>,
}

impl Reader {
    /// What the node of this name stands for.
    pub(super) fn nodes(&mut self, name: &str) -> Option<Nodes> {
        self.nodes_at(name, false)
    }

    /// `below` says that the node is one that another builds upon: then it builds upon none itself.
    fn nodes_at(&mut self, name: &str, below: bool) -> Option<Nodes> {
        let mut top = self.take("-blockdev", name)?;
        let mut limits = None;
        if top.get("driver") == Some("throttle") {
            limits = Some(self.limits(top.get("throttle-group")?.to_owned())?);
            top = self.take("-blockdev", top.get("file")?)?;
        }
        let driver = top.take("driver")?;
        top.take("node-name");
        let (format, format_bag, mut file) = match format(&driver) {
            Some(format) => {
                let below = match top.take("file") {
                    Some(below) => self.take("-blockdev", &below)?,
                    None => top.nested("file")?,
                };
                (format, top, below)
            }
            None => {
                let read_only = top.get("read-only").map(str::to_owned);
                let mut above = Bag::empty("-blockdev");
                if let Some(read_only) = read_only {
                    above.put("read-only", read_only);
                }
                above.put_back("discard", &top);
                (DiskFormat::Raw, above, {
                    top.put("driver", driver);
                    top
                })
            }
        };
        let mut format_bag = format_bag;
        file.take("node-name");
        let mut disk = self.source(&mut file, format)?;
        file.drop_default("auto-read-only", &["on"]);
        file.drop_default("discard", &["unmap"]);
        disk.readonly = format_bag.flag("read-only").or_else(|| file.flag("read-only")).unwrap_or(false);
        file.drop_default("read-only", &["on", "off"]);
        disk.discard = format_bag.word("discard", discard);
        disk.detect_zeroes = format_bag.word("detect-zeroes", zeroes);
        disk.aio = file.word("aio", aio);
        let direct = format_bag.flag("cache.direct");
        let no_flush = format_bag.flag("cache.no-flush");
        let (file_direct, file_flush) = (file.flag("cache.direct"), file.flag("cache.no-flush"));
        disk.limits = limits;
        self.encryption(&mut disk, &mut format_bag)?;
        self.backing(&mut disk, &mut format_bag, below)?;
        Some(Nodes {
            disk,
            file,
            format: format_bag,
            direct: direct.or(file_direct),
            no_flush: no_flush.or(file_flush),
        })
    }

    fn encryption(&mut self, disk: &mut Disk, bag: &mut Bag) -> Option<()> {
        let key = match disk.format {
            DiskFormat::Luks => "key-secret",
            _ if bag.get("encrypt.format") == Some("luks") => "encrypt.key-secret",
            _ => return Some(()),
        };
        if let Some(secret) = bag.take(key) {
            self.secret(&secret)?;
            bag.take("encrypt.format");
            disk.secret = Some(secret);
        }
        Some(())
    }

    /// Takes a secret, whose content is no part of a machine.
    fn secret(&mut self, id: &str) -> Option<()> {
        self.take("-object", id).filter(|bag| bag.get("qom-type") == Some("secret")).map(|_| ())
    }

    /// The file that an image builds upon, where it is one file and no longer chain.
    fn backing(&mut self, disk: &mut Disk, bag: &mut Bag, below: bool) -> Option<()> {
        if !bag.has("backing") || bag.is_null("backing") {
            bag.take("backing");
            return Some(());
        }
        if below {
            return None;
        }
        let name = bag.take("backing")?;
        if self.taken.iter().any(|key| key.1 == name) {
            // An image cannot build upon itself.
            return None;
        }
        let before = self.taken.len();
        let found = self.nodes_at(&name, true).filter(|nodes| {
            // More than a path and a format has no place here.
            nodes.disk.secret.is_none() && nodes.file.rest().is_empty() && nodes.format.rest().is_empty()
        });
        match found.and_then(|nodes| Some((nodes.disk.path?, nodes.disk.format))) {
            Some((path, format)) => {
                disk.backing = Some(path);
                disk.backing_format = Some(format);
            }
            None => {
                // A longer chain stays as it is, under its own names.
                self.taken.truncate(before);
                self.backends.get(&("-blockdev", name.clone()))?;
                bag.put("backing", name);
            }
        }
        Some(())
    }

    fn source(&mut self, file: &mut Bag, format: DiskFormat) -> Option<Disk> {
        let mut disk = Disk::empty(format);
        match file.take("driver")?.as_str() {
            "file" | "host_device" | "host_cdrom" => disk.path = Some(file.take("filename")?),
            "vvfat" => {
                disk.path = Some(file.take("dir")?);
                disk.format = DiskFormat::Fat;
                // Both follow from what the guest sees.
                file.take("floppy");
                file.drop_default("rw", &["off"]);
            }
            "rbd" => {
                let mut monitors = Vec::new();
                for at in 0..64 {
                    let Some(host) = file.take(&format!("server.{at}.host")) else { break };
                    monitors.push(host_port(&host, file.take(&format!("server.{at}.port"))));
                }
                let secret = file.take("key-secret");
                if let Some(secret) = &secret {
                    self.secret(secret)?;
                    if file.get("auth-client-required.0") == Some("cephx") {
                        file.take("auth-client-required.0");
                        file.take("auth-client-required.1");
                    }
                }
                disk.rbd = Some(Rbd {
                    pool: file.take("pool")?,
                    image: file.take("image")?,
                    snapshot: file.take("snapshot"),
                    monitors,
                    user: file.take("user"),
                    secret,
                    config: file.take("conf"),
                });
            }
            "nbd" => {
                let mut nbd = Nbd { export: file.take("export"), ..Nbd::default() };
                match file.take("server.type").as_deref() {
                    Some("unix") => nbd.socket = Some(file.take("server.path")?),
                    Some("inet") | None => {
                        let host = file.take("server.host").or_else(|| file.take("host"))?;
                        let port = file.take("server.port").or_else(|| file.take("port"));
                        nbd.host = Some(host_port(&host, port));
                    }
                    _ => return None,
                }
                disk.nbd = Some(nbd);
            }
            "iscsi" => {
                let (portal, target) = (file.take("portal")?, file.take("target")?);
                let scheme = match file.take("transport").as_deref() {
                    Some("iser") => "iser",
                    _ => "iscsi",
                };
                let lun = file.take("lun").unwrap_or_else(|| "0".to_owned());
                disk.url = Some(format!("{scheme}://{portal}/{target}/{lun}"));
            }
            "http" | "https" | "ftp" | "ftps" => disk.url = Some(file.take("url")?),
            "ssh" => {
                let host = host_port(&file.take("server.host")?, file.take("server.port"));
                let user = file.take("user").map(|user| format!("{user}@")).unwrap_or_default();
                disk.url = Some(format!("ssh://{user}{host}{}", file.take("path")?));
            }
            "nfs" => {
                file.drop_default("server.type", &["inet"]);
                disk.url = Some(format!("nfs://{}{}", file.take("server.host")?, file.take("path")?));
            }
            "gluster" if !file.has("server.1.type") && file.get("server.0.type") == Some("inet") => {
                file.take("server.0.type");
                let host = host_port(&file.take("server.0.host")?, file.take("server.0.port"));
                disk.url = Some(format!("gluster://{host}/{}/{}", file.take("volume")?, file.take("path")?));
            }
            _ => return None,
        }
        Some(disk)
    }

    fn limits(&mut self, group: String) -> Option<IoLimits> {
        let mut bag =
            self.take("-object", &group).filter(|bag| bag.get("qom-type") == Some("throttle-group"))?;
        let mut limits = IoLimits::default();
        read_limits(&mut limits, &mut bag, |key| vec![format!("x-{key}"), format!("limits.{key}")]);
        if !group.starts_with("limits") || group.starts_with("limits-") {
            limits.group = Some(group.strip_prefix("limits-").unwrap_or(&group).to_owned());
        }
        Some(limits)
    }
}

/// Reads limits by the keys that a spelling makes of QEMU's names.
pub(super) fn read_limits(limits: &mut IoLimits, bag: &mut Bag, spelled: impl Fn(&str) -> Vec<String>) {
    let mut number =
        |key: &str| spelled(key).iter().find_map(|key| bag.number(key)).filter(|number| *number > 0);
    limits.bytes = number("bps-total");
    limits.read_bytes = number("bps-read");
    limits.write_bytes = number("bps-write");
    limits.iops = number("iops-total");
    limits.read_iops = number("iops-read");
    limits.write_iops = number("iops-write");
    limits.bytes_burst = number("bps-total-max");
    limits.iops_burst = number("iops-total-max");
    limits.burst_seconds = number("bps-total-max-length");
    let iops = number("iops-total-max-length");
    limits.burst_seconds = limits.burst_seconds.or(iops);
}

/// The cache mode that the nodes and the device say together.
pub(super) fn cache(
    direct: Option<bool>,
    no_flush: Option<bool>,
    write_cache: Option<bool>,
) -> Option<Cache> {
    if direct.is_none() && no_flush.is_none() && write_cache.is_none() {
        return None;
    }
    Some(match (direct == Some(true), no_flush == Some(true), write_cache != Some(false)) {
        (_, true, _) => Cache::Unsafe,
        (true, false, true) => Cache::None,
        (true, false, false) => Cache::Directsync,
        (false, false, true) => Cache::Writeback,
        (false, false, false) => Cache::Writethrough,
    })
}

pub(super) fn format(name: &str) -> Option<DiskFormat> {
    Some(match name {
        "raw" => DiskFormat::Raw,
        "qcow2" => DiskFormat::Qcow2,
        "qcow" => DiskFormat::Qcow,
        "qed" => DiskFormat::Qed,
        "vmdk" => DiskFormat::Vmdk,
        "vdi" => DiskFormat::Vdi,
        "vpc" => DiskFormat::Vpc,
        "vhdx" => DiskFormat::Vhdx,
        "luks" => DiskFormat::Luks,
        _ => return None,
    })
}

pub(super) fn aio(name: &str) -> Option<Aio> {
    Some(match name {
        "threads" => Aio::Threads,
        "native" => Aio::Native,
        "io_uring" => Aio::IoUring,
        _ => return None,
    })
}

pub(super) fn discard(name: &str) -> Option<Discard> {
    match name {
        "unmap" | "on" => Some(Discard::Unmap),
        "ignore" | "off" => Some(Discard::Ignore),
        _ => None,
    }
}

pub(super) fn zeroes(name: &str) -> Option<Discard> {
    match name {
        "unmap" => Some(Discard::Unmap),
        "on" => Some(Discard::On),
        "off" => Some(Discard::Ignore),
        _ => None,
    }
}

/// `host:port` as one text.
pub(super) fn host_port(host: &str, port: Option<String>) -> String {
    let host =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    port.map_or(host.clone(), |port| format!("{host}:{port}"))
}
