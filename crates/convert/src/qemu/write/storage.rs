//! Where a disk's bytes lie: block nodes.

use super::super::argument::{Value, on_off};
use super::{ArgvError, Line};
use vmwright_model::machine::{Aio, Cache, Discard, Disk, DiskDevice, DiskFormat, Rbd};

/// Ceph's and NBD's own port is not written; iSCSI's is part of its portal (RFC 7143, 3260).
const ISCSI_PORT: &str = "3260";
/// IANA's port of NBD.
const NBD_PORT: &str = "10809";

/// The block nodes of a disk, and the name of the one that its device takes.
pub(super) fn nodes(line: &mut Line<'_>, at: usize, disk: &Disk) -> Result<String, ArgvError> {
    // No drive writes optical disks.
    let read_only = on_off(disk.readonly || disk.device == DiskDevice::Cdrom);
    let name = format!("disk{at}");
    let file = format!("{name}-file");
    let own = line.extra(&format!("disk.{at}.file"));
    // Another format's own words say where the bytes lie.
    let elsewhere = own.starts_with("driver=") || own.contains(",driver=");
    let mut value = if elsewhere { Value::bare() } else { protocol(line, at, disk)? };
    value.push("node-name", &file);
    value.push("read-only", read_only);
    if disk.format == DiskFormat::Fat {
        value.push("rw", on_off(!disk.readonly));
    } else {
        value.push("discard", "unmap");
    }
    value = cached(value, disk.cache);
    value = value.maybe("aio", disk.aio.map(aio));
    if let Some(path) = disk.host_path().filter(|_| !elsewhere) {
        value.push(if disk.format == DiskFormat::Fat { "dir" } else { "filename" }, path);
    }
    let value = value.raw(&own);
    line.push("-blockdev", value, "the disk's file; QEMU locks it against a second writer");
    let slice = line.extra(&format!("disk.{at}.slice"));
    let file = if slice.is_empty() {
        file
    } else {
        let part = format!("{name}-slice");
        let value = Value::bare()
            .with("driver", "raw")
            .with("node-name", &part)
            .with("read-only", read_only)
            .with("file", file)
            .raw(&slice);
        line.push("-blockdev", cached(value, disk.cache), "the part of the file that is the image");
        part
    };
    if let Some(secret) = &disk.secret {
        self::secret(line, &format!("disk.{at}.secret"), &format!("{name}-secret"), secret);
    }
    let encrypted = disk.format == DiskFormat::Raw && disk.secret.is_some();
    let mut value = Value::bare()
        // Encrypted raw bytes are LUKS, which is a format of its own to QEMU.
        .with("driver", format(if encrypted { DiskFormat::Luks } else { disk.format }))
        .with("node-name", &name)
        .with("read-only", read_only);
    let discard = match disk.discard {
        None if line.spec.bare => None,
        None | Some(Discard::Unmap | Discard::On) => Some("unmap"),
        Some(Discard::Ignore) => Some("ignore"),
    };
    value = value.maybe("discard", discard);
    // QEMU unmaps zeros only where it unmaps at all.
    let detect = match (disk.detect_zeroes, discard) {
        (Some(Discard::Unmap), discard) if discard != Some("unmap") => Some(Discard::On),
        (detect, _) => detect,
    };
    value = value.maybe("detect-zeroes", detect.map(zeroes));
    value = cached(value, disk.cache);
    if disk.secret.is_some() {
        match disk.format {
            DiskFormat::Luks | DiskFormat::Raw => value.push("key-secret", format!("{name}-secret")),
            DiskFormat::Qcow2 => {
                value.push("encrypt.format", "luks");
                value.push("encrypt.key-secret", format!("{name}-secret"));
            }
            _ => line.lost(format!("disk.{at}.secret"), "this format has no encryption that QEMU opens"),
        }
    }
    if let Some(backing) = &disk.backing {
        let driver = if backing.starts_with("/dev/") { "host_device" } else { "file" };
        let node = Value::bare()
            .with("driver", driver)
            .with("node-name", format!("{name}-backing-file"))
            .with("read-only", "on")
            .with("filename", backing);
        // The whole chain is cached as its uppermost image.
        let node = cached(node, disk.cache);
        line.push("-blockdev", node, "the file that the disk's image builds upon");
        let node = Value::bare()
            .with("driver", format(disk.backing_format.unwrap_or(DiskFormat::Raw)))
            .with("node-name", format!("{name}-backing"))
            .with("read-only", "on");
        let node = cached(node, disk.cache)
            .with("file", format!("{name}-backing-file"))
            .raw(&line.extra(&format!("disk.{at}.backing")));
        line.push("-blockdev", node, "its format");
        value.push("backing", format!("{name}-backing"));
    }
    value.push("file", &file);
    let value = value.raw(&line.extra(&format!("disk.{at}.format")));
    line.push(
        "-blockdev",
        value,
        "its format, as the specification says: never guessed from what the guest wrote",
    );
    let node = throttled(line, at, disk, name);
    let filter = line.extra(&format!("disk.{at}.filter"));
    if filter.is_empty() {
        return Ok(node);
    }
    let name = format!("disk{at}-filter");
    let value = Value::bare().with("node-name", &name).with("file", node).raw(&filter);
    line.push("-blockdev", value, "a filter over the disk");
    Ok(name)
}

/// A secret whose content is in a file that the caller made.
fn secret(line: &mut Line<'_>, key: &str, id: &str, name: &str) {
    let file = line.handles.secrets.get(name).cloned();
    if file.is_none() {
        line.lost(
            key,
            format!("the content of `{name}` is not part of the machine: give QEMU a file that holds it"),
        );
    }
    let file = file.unwrap_or_else(|| format!("/run/vmwright/secret-{name}"));
    let value = Value::new("secret").with("id", id).with("file", file);
    line.push("-object", value, "the file that holds a password");
}

fn protocol(line: &mut Line<'_>, at: usize, disk: &Disk) -> Result<Value, ArgvError> {
    let bare = Value::bare();
    if let Some(path) = disk.host_path() {
        // QEMU's `file` driver takes no block devices.
        let driver = match disk.device {
            _ if disk.format == DiskFormat::Fat => "vvfat",
            // Its driver speaks to a real optical drive, and to nothing else.
            DiskDevice::Cdrom
                if ["/dev/cdrom", "/dev/sr", "/dev/dvd"].iter().any(|name| path.starts_with(name)) =>
            {
                "host_cdrom"
            }
            _ if path.starts_with("/dev/") => "host_device",
            _ => "file",
        };
        let value = bare.with("driver", driver);
        return Ok(if driver == "vvfat" {
            value.with("floppy", on_off(disk.device == DiskDevice::Floppy))
        } else {
            value
        });
    }
    if let Some(rbd) = &disk.rbd {
        return Ok(self::rbd(line, at, rbd));
    }
    if let Some(nbd) = &disk.nbd {
        let value = bare.with("driver", "nbd");
        let value = match (&nbd.socket, &nbd.host) {
            (Some(socket), _) => value.with("server.type", "unix").with("server.path", socket),
            (None, host) => {
                let (host, port) = host_port(host.as_deref().unwrap_or("localhost"), NBD_PORT);
                value.with("server.type", "inet").with("server.host", host).with("server.port", port)
            }
        };
        if nbd.tls {
            line.lost(
                format!("disk.{at}.nbd.tls"),
                "QEMU needs an object with credentials, which the machine does not hold",
            );
        }
        return Ok(value.maybe("export", nbd.export.as_ref()));
    }
    if let Some(url) = &disk.url {
        return self::url(at, url);
    }
    Err(ArgvError::Beyond(format!("disk.{at}")))
}

fn rbd(line: &mut Line<'_>, at: usize, rbd: &Rbd) -> Value {
    let mut value = Value::bare().with("driver", "rbd").with("pool", &rbd.pool).with("image", &rbd.image);
    value = value.maybe("snapshot", rbd.snapshot.as_ref()).maybe("conf", rbd.config.as_ref());
    for (number, monitor) in rbd.monitors.iter().enumerate() {
        // Ceph's port for clients of the first messenger.
        let (host, port) = host_port(monitor, "6789");
        value.push(&format!("server.{number}.host"), host);
        value.push(&format!("server.{number}.port"), port);
    }
    value = value.maybe("user", rbd.user.as_ref());
    if let Some(name) = &rbd.secret {
        let id = format!("disk{at}-key");
        secret(line, &format!("disk.{at}.rbd.secret"), &id, name);
        value.push("auth-client-required.0", "cephx");
        value.push("auth-client-required.1", "none");
        value.push("key-secret", id);
    }
    value
}

fn url(at: usize, url: &str) -> Result<Value, ArgvError> {
    let beyond = || ArgvError::Beyond(format!("disk.{at}.url"));
    let (scheme, rest) = url.split_once("://").ok_or_else(beyond)?;
    let value = Value::bare();
    match scheme {
        "http" | "https" | "ftp" | "ftps" => Ok(value.with("driver", scheme).with("url", url)),
        "iscsi" | "iser" => {
            let mut parts = rest.splitn(3, '/');
            let (Some(portal), Some(target)) = (parts.next(), parts.next()) else { return Err(beyond()) };
            let (user, portal) =
                portal.rsplit_once('@').map_or((None, portal), |(user, portal)| (Some(user), portal));
            let (host, port) = host_port(portal, ISCSI_PORT);
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let value = value
                .with("driver", "iscsi")
                .with("portal", format!("{host}:{port}"))
                .with("target", target)
                .with("lun", parts.next().unwrap_or("0"))
                .with("transport", if scheme == "iser" { "iser" } else { "tcp" });
            Ok(value.maybe("user", user))
        }
        "ssh" => {
            let (server, path) = rest.split_once('/').ok_or_else(beyond)?;
            let (user, server) =
                server.rsplit_once('@').map_or((None, server), |(user, server)| (Some(user), server));
            let (host, port) = host_port(server, "22");
            let value = value
                .with("driver", "ssh")
                .with("path", format!("/{path}"))
                .with("server.host", host)
                .with("server.port", port);
            Ok(value.maybe("user", user))
        }
        "gluster" => {
            let (server, rest) = rest.split_once('/').ok_or_else(beyond)?;
            let (volume, path) = rest.split_once('/').ok_or_else(beyond)?;
            let (host, port) = host_port(server, "24007");
            Ok(value
                .with("driver", "gluster")
                .with("volume", volume)
                .with("path", path)
                .with("server.0.type", "inet")
                .with("server.0.host", host)
                .with("server.0.port", port))
        }
        "nfs" => {
            let (host, path) = rest.split_once('/').ok_or_else(beyond)?;
            Ok(value
                .with("driver", "nfs")
                .with("server.type", "inet")
                .with("server.host", host)
                .with("path", format!("/{path}")))
        }
        _ => Err(beyond()),
    }
}

/// `host`, `host:port`, `[::1]:port`, or an IPv6 address without brackets.
pub(super) fn host_port(text: &str, port: &str) -> (String, String) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host.to_owned(), rest.strip_prefix(':').unwrap_or(port).to_owned());
    }
    match text.split_once(':') {
        Some((host, given)) if !given.contains(':') => (host.to_owned(), given.to_owned()),
        _ => (text.to_owned(), port.to_owned()),
    }
}

fn cached(value: Value, cache: Option<Cache>) -> Value {
    let Some(cache) = cache else { return value };
    let direct = matches!(cache, Cache::None | Cache::Directsync);
    value.with("cache.direct", on_off(direct)).with("cache.no-flush", on_off(cache == Cache::Unsafe))
}

/// Whether the guest sees a volatile cache.
pub(super) fn write_cache(cache: Option<Cache>) -> Option<bool> {
    cache.map(|cache| !matches!(cache, Cache::Writethrough | Cache::Directsync))
}

fn aio(aio: Aio) -> &'static str {
    match aio {
        Aio::Threads => "threads",
        Aio::Native => "native",
        Aio::IoUring => "io_uring",
    }
}

fn zeroes(detect: Discard) -> &'static str {
    match detect {
        Discard::Ignore => "off",
        Discard::On => "on",
        Discard::Unmap => "unmap",
    }
}

fn format(format: DiskFormat) -> &'static str {
    match format {
        DiskFormat::Raw | DiskFormat::Fat => "raw",
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Qcow => "qcow",
        DiskFormat::Qed => "qed",
        DiskFormat::Vmdk => "vmdk",
        DiskFormat::Vdi => "vdi",
        DiskFormat::Vpc => "vpc",
        DiskFormat::Vhdx => "vhdx",
        DiskFormat::Luks => "luks",
    }
}

/// A filter over the node where the disk has limits; disks of one group share it.
fn throttled(line: &mut Line<'_>, at: usize, disk: &Disk, node: String) -> String {
    let Some(limits) = &disk.limits else { return node };
    let group = limits.group.as_ref().map_or(format!("limits{at}"), |name| format!("limits-{name}"));
    if limits.group.is_none() || line.index.limits.insert(group.clone()) {
        let mut value = Value::new("throttle-group").with("id", &group);
        for (key, limit) in [
            ("x-bps-total", limits.bytes),
            ("x-bps-read", limits.read_bytes),
            ("x-bps-write", limits.write_bytes),
            ("x-iops-total", limits.iops),
            ("x-iops-read", limits.read_iops),
            ("x-iops-write", limits.write_iops),
            ("x-bps-total-max", limits.bytes_burst),
            ("x-iops-total-max", limits.iops_burst),
        ] {
            value = value.maybe(key, limit);
        }
        if let Some(seconds) = limits.burst_seconds {
            value = value.maybe("x-bps-total-max-length", limits.bytes_burst.map(|_| seconds));
            value = value.maybe("x-iops-total-max-length", limits.iops_burst.map(|_| seconds));
        }
        line.push("-object", value, "what the disk may do at most");
    }
    let name = format!("disk{at}-limited");
    let value = Value::bare()
        .with("driver", "throttle")
        .with("node-name", &name)
        .with("read-only", on_off(disk.readonly))
        .with("throttle-group", group)
        .with("file", node);
    line.push("-blockdev", value, "the disk within its limits");
    name
}
