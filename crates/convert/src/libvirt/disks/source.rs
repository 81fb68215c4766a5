//! Where a disk's bytes are.

use super::is_path;
use crate::libvirt::port::Port;
use vmwright_formats::machine_spec::check;
use vmwright_model::machine::{Disk, DiskDevice, DiskFormat, Nbd, Rbd, Volume};

/// Protocols of libvirt that QEMU reads by a URL.
const BY_URL: [&str; 7] = ["iscsi", "http", "https", "ftp", "ftps", "ssh", "gluster"];

/// Reads or writes the source. False where what is read is none of the specification's.
pub(super) fn of(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    if port.reading() { read(port, disk) } else { write(port, disk) }
}

fn write(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    let path = disk.host_path();
    if let Some(path) = path {
        let (kind, name) = match (disk.format, path.starts_with("/dev/")) {
            (DiskFormat::Fat, _) => ("dir", "dir"),
            (_, true) => ("block", "dev"),
            (_, false) => ("file", "file"),
        };
        port.put("type", kind);
        port.child("source", |port| {
            port.put(name, path);
            secret(port, disk);
        });
    } else if let Some(volume) = disk.volume.clone() {
        port.put("type", "volume");
        port.child("source", |port| {
            port.put("pool", &volume.pool);
            port.put("volume", &volume.name);
            secret(port, disk);
        });
    } else if let Some(rbd) = disk.rbd.clone() {
        port.put("type", "network");
        port.child("source", |port| {
            write_rbd(port, &rbd);
            secret(port, disk);
        });
    } else if let Some(nbd) = disk.nbd.clone() {
        port.put("type", "network");
        port.child("source", |port| {
            write_nbd(port, &nbd);
            secret(port, disk);
        });
    } else if let Some(url) = disk.url.clone() {
        port.put("type", "network");
        port.child("source", |port| {
            write_url(port, &url);
            secret(port, disk);
        });
    } else if let Some(path) = &disk.vhost_user {
        port.put("type", "vhostuser");
        port.child("source", |port| {
            port.put("type", "unix");
            port.put("path", path);
        });
    } else {
        port.put("type", "file");
    }
    true
}

fn read(port: &mut Port<'_>, disk: &mut Disk) -> bool {
    let kind = port.raw("type").unwrap_or_else(|| "file".to_owned());
    let mut there = false;
    let mut fits = true;
    port.child("source", |port| {
        let path = |name: &str| port.raw(name).filter(|path| is_path(path));
        match kind.as_str() {
            "file" => disk.path = path("file"),
            "block" => disk.path = path("dev"),
            "dir" => disk.path = path("dir"),
            "volume" => {
                let line = |name: &str| port.raw(name).filter(|text| check("line", text).is_ok());
                let both = line("pool").zip(line("volume"));
                disk.volume = both.map(|(pool, name)| Volume { pool, name });
            }
            "vhostuser" => {
                disk.vhost_user = port.raw("path").filter(|path| check("socket-path", path).is_ok())
            }
            "network" => match port.raw("protocol").as_deref() {
                Some("rbd") => disk.rbd = read_rbd(port),
                Some("nbd") => disk.nbd = read_nbd(port),
                Some(protocol) if BY_URL.contains(&protocol) => disk.url = read_url(port, protocol),
                _ => fits = false,
            },
            _ => fits = false,
        }
        if kind != "vhostuser" {
            secret(port, disk);
        }
        there = disk.path.is_some()
            || disk.volume.is_some()
            || disk.vhost_user.is_some()
            || disk.rbd.is_some()
            || disk.nbd.is_some()
            || disk.url.is_some();
        // A source that names nothing, `<source startupPolicy=.../>`, is one of a drive without a medium.
        fits &= there
            || ["file", "dev", "dir", "pool", "path", "protocol"].iter().all(|name| port.raw(name).is_none());
    });
    let removable = matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
    fits && (there || removable)
        && ["file", "block", "dir", "volume", "vhostuser", "network"].contains(&kind.as_str())
}

/// The secret that a LUKS image is encrypted with.
pub(super) fn secret(port: &mut Port<'_>, disk: &mut Disk) {
    let encryption = port.node().child("encryption");
    // Ceph's own library knows encryption that QEMU does not see.
    let luks = encryption.and_then(|node| node.attribute("format")) == Some("luks")
        && encryption.and_then(|node| node.attribute("engine")) != Some("librbd");
    if (port.reading() && !luks) || (!port.reading() && disk.secret.is_none()) {
        return;
    }
    port.child("encryption", |port| {
        port.put("format", "luks");
        port.child("secret", |port| {
            port.put("type", "passphrase");
            secret_name(port, &mut disk.secret);
        });
    });
}

/// A secret by UUID or by its use.
fn secret_name(port: &mut Port<'_>, field: &mut Option<String>) {
    if port.reading() {
        let name = port.raw("uuid").or_else(|| port.raw("usage"));
        *field = name.filter(|name| check("word", name).is_ok());
    } else if let Some(name) = field {
        port.put(if check("uuid", name).is_ok() { "uuid" } else { "usage" }, name.as_str());
    }
}

fn hosts(port: &mut Port<'_>, field: &mut Vec<String>) {
    port.list("host", field, String::new, |port, host| {
        if port.reading() {
            let (Some(name), port_number) = (port.raw("name"), port.raw("port")) else { return false };
            let name = if name.contains(':') { format!("[{name}]") } else { name };
            *host = port_number.map_or(name.clone(), |number| format!("{name}:{number}"));
            return check("host-port", host).is_ok() && port.raw("transport").is_none_or(|way| way == "tcp");
        }
        put_host(port, host);
        true
    });
}

fn put_host(port: &mut Port<'_>, host: &str) {
    let bare = |name: &str| name.trim_start_matches('[').trim_end_matches(']').to_owned();
    match host.rsplit_once(':') {
        Some((name, number)) if !name.contains(':') || name.ends_with(']') => {
            port.put("name", bare(name));
            port.put("port", number);
        }
        _ => port.put("name", bare(host)),
    }
}

fn write_rbd(port: &mut Port<'_>, rbd: &Rbd) {
    let mut rbd = rbd.clone();
    port.put("protocol", "rbd");
    port.put("name", format!("{}/{}", rbd.pool, rbd.image));
    rbd_rest(port, &mut rbd);
}

fn read_rbd(port: &mut Port<'_>) -> Option<Rbd> {
    let name = port.raw("name")?;
    let (pool, image) = name.split_once('/')?;
    let mut rbd = Rbd {
        pool: pool.to_owned(),
        image: image.to_owned(),
        snapshot: None,
        monitors: Vec::new(),
        user: None,
        secret: None,
        config: None,
    };
    rbd_rest(port, &mut rbd);
    (check("line", &name).is_ok() && !pool.is_empty() && !image.is_empty()).then_some(rbd)
}

fn rbd_rest(port: &mut Port<'_>, rbd: &mut Rbd) {
    hosts(port, &mut rbd.monitors);
    port.child("snapshot", |port| port.text("name", "line", &mut rbd.snapshot));
    port.child("config", |port| port.text("file", "path", &mut rbd.config));
    port.child("auth", |port| {
        port.text("username", "word", &mut rbd.user);
        port.child("secret", |port| {
            if rbd.secret.is_some() {
                port.put("type", "ceph");
            }
            secret_name(port, &mut rbd.secret);
        });
    });
}

fn write_nbd(port: &mut Port<'_>, nbd: &Nbd) {
    port.put("protocol", "nbd");
    if let Some(export) = &nbd.export {
        port.put("name", export);
    }
    if nbd.tls {
        port.put("tls", "yes");
    }
    port.child("host", |port| {
        if let Some(socket) = &nbd.socket {
            port.put("transport", "unix");
            port.put("socket", socket);
        } else if let Some(host) = &nbd.host {
            put_host(port, host);
        }
    });
}

fn read_nbd(port: &mut Port<'_>) -> Option<Nbd> {
    let mut nbd = Nbd {
        export: port.raw("name").filter(|name| check("line", name).is_ok()),
        tls: port.raw("tls").as_deref() == Some("yes"),
        ..Nbd::default()
    };
    let mut found = Vec::new();
    let socket = port.node().child("host").and_then(|host| host.attribute("socket")).map(ToOwned::to_owned);
    hosts(port, &mut found);
    nbd.socket = socket.filter(|path| check("socket-path", path).is_ok());
    nbd.host = found.into_iter().next().filter(|_| nbd.socket.is_none());
    (nbd.host.is_some() || nbd.socket.is_some()).then_some(nbd)
}

fn write_url(port: &mut Port<'_>, url: &str) {
    let Some((protocol, rest)) = url.split_once("://") else { return };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    port.put("protocol", protocol);
    port.put("name", path);
    if let Some(query) = query {
        port.put("query", query);
    }
    port.child("host", |port| put_host(port, host));
}

fn read_url(port: &mut Port<'_>, protocol: &str) -> Option<String> {
    let mut found = Vec::new();
    hosts(port, &mut found);
    let [host] = found.as_slice() else { return None };
    let query = port.raw("query").map_or(String::new(), |query| format!("?{query}"));
    let url = format!("{protocol}://{host}/{}{query}", port.raw("name")?.trim_start_matches('/'));
    check("url", &url).is_ok().then_some(url)
}

/// The image that the disk's own builds upon.
pub(super) fn backing(port: &mut Port<'_>, disk: &mut Disk) {
    if !port.reading() && disk.backing.is_none() {
        return;
    }
    if port.reading() {
        let file =
            |node: &crate::libvirt::tree::Node| matches!(node.attribute("type"), Some("file" | "block"));
        if !port.node().child("backingStore").is_some_and(file) {
            return;
        }
    }
    port.child("backingStore", |port| {
        let block = disk.backing.as_ref().is_some_and(|path| path.starts_with("/dev/"));
        port.put("type", if block { "block" } else { "file" });
        port.child("format", |port| port.same("type", &mut disk.backing_format));
        port.child("source", |port| {
            if port.reading() {
                disk.backing = port.raw("file").or_else(|| port.raw("dev")).filter(|path| is_path(path));
            } else if let Some(path) = &disk.backing {
                port.put(if block { "dev" } else { "file" }, path.as_str());
            }
        });
        if disk.backing.is_none() {
            disk.backing_format = None;
        }
    });
}
