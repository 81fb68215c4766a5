//! Words of where a disk's bytes lie.

use super::{Crossing, Element, Word, enter, get, has, on_off, take, take_child, take_if, word};
use crate::libvirt::{self, Node};
use crate::qemu::escape;
use vmwright_model::machine::{Cache, DiskFormat};

pub(super) fn cross(crossing: &mut Crossing, element: &mut Element<'_>) {
    let file = format!("{}.file", element.item);
    let format = format!("{}.format", element.item);
    let id = element.item.replace('.', "");
    let node = &mut *element.node;
    crossing.words(
        node,
        &file,
        &[
            word("source/initiator/iqn@name", "initiator-name"),
            Word { path: "source/ssl@verify", property: "sslverify", spelled: on_off },
            word("source/timeout@seconds", "timeout"),
            word("source/readahead@size", "readahead"),
        ],
    );
    authentication(crossing, node, &id, &file, element.at);
    if has(node, "source/cookies")
        && let Some(cookies) = enter(node, "source").and_then(|source| take_child(source, "cookies"))
    {
        let names: Vec<&str> = cookies.children().filter_map(|cookie| cookie.attribute("name")).collect();
        let path = format!("/run/vmwright/cookies-{}", names.join("-"));
        crossing.option("-object", format!("secret,id={id}-cookies,file={}", escape(&path)));
        crossing.property(&file, "cookie-secret", format!("{id}-cookies"));
    }
    if let Some(credentials) = credentials(crossing, node, &id) {
        crossing.properties(&file, credentials);
    }
    if let Some(slices) = enter(node, "source").and_then(|source| take_child(source, "slices"))
        && let Some(slice) = slices.child("slice")
    {
        // Raw bytes know where they begin; below another format a node of raw bytes does.
        let disk = crossing.spec.disks.get(element.at);
        let raw = disk.is_some_and(|disk| disk.format == DiskFormat::Raw && disk.secret.is_none());
        let item = if raw { format.clone() } else { format!("{}.slice", element.item) };
        for name in ["offset", "size"] {
            if let Some(bytes) = slice.attribute(name) {
                crossing.property(&item, name, bytes);
            }
        }
    }
    if let Some(reservations) = enter(node, "source").and_then(|source| take_child(source, "reservations")) {
        let path = reservations.child("source").and_then(|source| source.attribute("path"));
        let path = path.unwrap_or("/run/vmwright/pr-helper.sock").to_owned();
        crossing.option("-object", format!("pr-manager-helper,id={id}-reservations,path={}", escape(&path)));
        crossing.property(&file, "pr-manager", format!("{id}-reservations"));
    }
    // Encryption by Ceph's own library.
    if get(node, "source/encryption@engine").as_deref() == Some("librbd")
        && let Some(encryption) = enter(node, "source").and_then(|source| take_child(source, "encryption"))
    {
        let kind = encryption.attribute("format").unwrap_or("luks").to_owned();
        secret(crossing, encryption.child("secret"), &format!("{id}-encryption"));
        crossing.property(&file, "encrypt.format", kind);
        crossing.property(&file, "encrypt.key-secret", format!("{id}-encryption"));
    }
    // A secret by a use that is no name of the specification's.
    if let Some(disk) = crossing.spec.disks.get_mut(element.at)
        && disk.secret.is_none()
    {
        let mut encryption = take_child(node, "encryption");
        if encryption.is_none() {
            encryption = enter(node, "source").and_then(|source| take_child(source, "encryption"));
        }
        let secret = encryption.as_ref().and_then(|encryption| encryption.child("secret"));
        let name = secret.and_then(|secret| secret.attribute("uuid").or_else(|| secret.attribute("usage")));
        disk.secret = name.map(|name| name.replace(['/', ' '], "-").trim_start_matches('-').to_owned());
    }
    if let Some(size) = enter(node, "driver")
        .and_then(|driver| take_child(driver, "metadata_cache"))
        .as_ref()
        .and_then(|cache| libvirt::bytes(cache.child("max_size")?))
    {
        crossing.property(&format, "cache-size", size.to_string());
    }
    if take_if(node, "driver@copy_on_read", |on| on == "on").is_some() {
        let filter = format!("{}.filter", element.item);
        crossing.property(&filter, "driver", "copy-on-read");
        crossing.property(&filter, "discard", "unmap");
    }
    chain(crossing, element);
}

/// A secret whose content QEMU reads from a file of the caller's.
fn secret(crossing: &mut Crossing, secret: Option<&Node>, id: &str) {
    let name = secret.and_then(|secret| secret.attribute("uuid").or_else(|| secret.attribute("usage")));
    let path = format!("/run/vmwright/secret-{}", name.unwrap_or_default().replace('/', "-"));
    crossing.option("-object", format!("secret,id={id},file={}", escape(&path)));
}

/// Who asks an iSCSI server, where the specification has no item for it.
pub(super) fn login(crossing: &mut Crossing, node: &mut Node, id: &str) -> Option<String> {
    let auth = take_child(enter(node, "source")?, "auth")?;
    secret(crossing, auth.child("secret"), &format!("{id}-auth"));
    Some(format!("user={},password-secret={id}-auth", escape(auth.attribute("username")?)))
}

/// Who asks a server for the image. Older texts say it beside the source.
fn authentication(crossing: &mut Crossing, node: &mut Node, id: &str, file: &str, at: usize) {
    let protocol = get(node, "source@protocol");
    let inside = has(node, "source/auth");
    let rbd = protocol.as_deref() == Some("rbd");
    if rbd && inside {
        // The specification has it; a secret by a use that it has no word for is the exception.
        let known = crossing
            .spec
            .disks
            .get(at)
            .and_then(|disk| disk.rbd.as_ref())
            .is_some_and(|rbd| rbd.secret.is_some());
        if !known && has(node, "source/auth/secret") {
            let found = enter(node, "source/auth").and_then(|auth| take_child(auth, "secret"));
            secret(crossing, found.as_ref(), &format!("{id}-auth"));
            crossing.properties(
                file,
                format!("auth-client-required.0=cephx,auth-client-required.1=none,key-secret={id}-auth"),
            );
        }
        return;
    }
    let holder = if inside { enter(node, "source") } else { Some(&mut *node) };
    let Some(auth) = holder.and_then(|holder| take_child(holder, "auth")) else { return };
    secret(crossing, auth.child("secret"), &format!("{id}-auth"));
    let user = escape(auth.attribute("username").unwrap_or_default());
    let text = match protocol.as_deref() {
        Some("rbd") => format!(
            "user={user},auth-client-required.0=cephx,auth-client-required.1=none,key-secret={id}-auth"
        ),
        Some("iscsi") => format!("user={user},password-secret={id}-auth"),
        _ => format!("username={user},password-secret={id}-auth"),
    };
    crossing.properties(file, text);
}

/// Certificates of an encrypted connection to an NBD or VxHS server.
fn credentials(crossing: &mut Crossing, node: &mut Node, id: &str) -> Option<String> {
    let protocol = get(node, "source@protocol")?;
    if get(node, "source@tls").as_deref() != Some("yes") || !["nbd", "vxhs"].contains(&protocol.as_str()) {
        return None;
    }
    // libvirt's own place for them.
    let folder = format!("/etc/pki/libvirt-{protocol}");
    crossing
        .option("-object", format!("tls-creds-x509,id={id}-tls,dir={folder},endpoint=client,verify-peer=on"));
    let host = take(node, "source@tlsHostname").map(|host| format!(",tls-hostname={}", escape(&host)));
    Some(format!("tls-creds={id}-tls{}", host.unwrap_or_default()))
}

/// What an image builds upon, beyond the first file that the specification names.
fn chain(crossing: &mut Crossing, element: &mut Element<'_>) {
    let known = crossing.spec.disks.get(element.at).is_some_and(|disk| disk.backing.is_some());
    let id = element.item.replace('.', "");
    if known {
        let Some(first) = element.node.children_mut().find(|child| child.name == "backingStore") else {
            return;
        };
        let cache = take_child(first, "format").map(|mut format| {
            let size = take_child(&mut format, "metadata_cache");
            first.content.push(libvirt::Content::Element(format));
            size
        });
        let item = format!("{}.backing", element.item);
        if let Some(size) = cache.flatten().and_then(|cache| libvirt::bytes(cache.child("max_size")?)) {
            crossing.property(&item, "cache-size", size.to_string());
        }
        if let Some(next) = take_child(first, "backingStore")
            && let Some(name) =
                layer(crossing, &next, &format!("{id}-backing"), 1, &cache_of(crossing, element.at))
        {
            crossing.property(&item, "backing", name);
        }
    } else if element.node.child("backingStore").is_some_and(|store| !store.attributes.is_empty())
        && let Some(store) = take_child(element.node, "backingStore")
        && let Some(name) =
            layer(crossing, &store, &format!("{id}-backing"), 1, &cache_of(crossing, element.at))
    {
        crossing.property(&format!("{}.format", element.item), "backing", name);
    }
}

/// How a disk's chain is cached: as its uppermost image.
fn cache_of(crossing: &Crossing, at: usize) -> String {
    match crossing.spec.disks.get(at).and_then(|disk| disk.cache) {
        None => String::new(),
        Some(cache) => {
            let state = |on: bool| if on { "on" } else { "off" };
            let direct = state(matches!(cache, Cache::None | Cache::Directsync));
            format!(",cache.direct={direct},cache.no-flush={}", state(cache == Cache::Unsafe))
        }
    }
}

/// The nodes of one layer of a chain, and the name of the uppermost.
fn layer(crossing: &mut Crossing, store: &Node, id: &str, depth: u32, cache: &str) -> Option<String> {
    store.attribute("type")?;
    let name = format!("{id}{depth}");
    let next = store.child("backingStore").and_then(|next| layer(crossing, next, id, depth + 1, cache));
    let mut source = store.clone();
    let protocol = protocol(crossing, &mut source, &name)?;
    crossing.option("-blockdev", format!("node-name={name}-file,read-only=on{cache},{protocol}"));
    let format = store.child("format").and_then(|format| format.attribute("type")).unwrap_or("raw");
    let mut value = format!("driver={},node-name={name},read-only=on{cache}", escape(format));
    let encryption = store.child("encryption").or_else(|| store.child("source")?.child("encryption"));
    if let Some(encryption) = encryption {
        secret(crossing, encryption.child("secret"), &format!("{name}-secret"));
        value.push_str(&format!(",encrypt.format=luks,encrypt.key-secret={name}-secret"));
    }
    if let Some(next) = next {
        value.push_str(&format!(",backing={next}"));
    }
    crossing.option("-blockdev", format!("{value},file={name}-file"));
    Some(name)
}

/// The protocol node's properties of anything that has a type and a source.
pub(super) fn protocol(crossing: &mut Crossing, node: &mut Node, id: &str) -> Option<String> {
    let kind = get(node, "@type")?;
    let at = |path: &str| get(node, path).map(|text| escape(&text));
    let file = |path: String| {
        let driver = if path.starts_with("/dev/") { "host_device" } else { "file" };
        format!("driver={driver},filename={path}")
    };
    match kind.as_str() {
        "file" => at("source@file").map(file),
        "block" => at("source@dev").map(file),
        "nvme" => {
            let address = node.child("source")?.child("address")?;
            let part = |name: &str| address.attribute(name).unwrap_or("0");
            let device = vmwright_formats::PciAddress::from_parts(
                part("domain"),
                part("bus"),
                part("slot"),
                part("function"),
            )?;
            Some(format!("driver=nvme,device={device},namespace={}", at("source@namespace")?))
        }
        "network" => network(crossing, node, id),
        _ => None,
    }
}

fn network(crossing: &mut Crossing, node: &mut Node, id: &str) -> Option<String> {
    let protocol = get(node, "source@protocol")?;
    let name = get(node, "source@name").map(|name| escape(&name)).unwrap_or_default();
    let hosts: Vec<Node> =
        node.child("source")?.children().filter(|child| child.name == "host").cloned().collect();
    let server = |prefix: &str, host: &Node, port: Option<&str>| match host.attribute("socket") {
        Some(path) => format!(",{prefix}type=unix,{prefix}path={}", escape(path)),
        None => {
            let port = host.attribute("port").or(port);
            let port = port.map(|port| format!(",{prefix}port={port}")).unwrap_or_default();
            format!(
                ",{prefix}type=inet,{prefix}host={}{port}",
                escape(host.attribute("name").unwrap_or_default())
            )
        }
    };
    let first = hosts.first();
    Some(match protocol.as_str() {
        "gluster" => {
            let (volume, path) = name.split_once('/')?;
            let mut value = format!("driver=gluster,volume={volume},path={path}");
            for (number, host) in hosts.iter().enumerate() {
                value.push_str(&server(&format!("server.{number}."), host, Some("24007")));
            }
            value
        }
        "nfs" => {
            let mut value = format!("driver=nfs,path={name}{}", server("server.", first?, None));
            for (attribute, property) in [("user", "user"), ("group", "group")] {
                if let Some(number) = get(node, &format!("source/identity@{attribute}")) {
                    value.push_str(&format!(",{property}={}", number.trim_start_matches('+')));
                }
            }
            value
        }
        "sheepdog" => format!("driver=sheepdog,vdi={name}{}", server("server.", first?, Some("7000"))),
        "vxhs" => {
            let credentials = credentials(crossing, node, id).map(|text| format!(",{text}"));
            let host = first?;
            format!(
                "driver=vxhs,vdisk-id={name},server.host={},server.port={}{}",
                escape(host.attribute("name")?),
                host.attribute("port").unwrap_or("9999"),
                credentials.unwrap_or_default()
            )
        }
        "nbd" => {
            let export = if name.is_empty() { String::new() } else { format!(",export={name}") };
            format!("driver=nbd{}{export}", server("server.", first?, Some("10809")))
        }
        "iscsi" => {
            let host = first?;
            let (target, lun) = name.split_once('/').unwrap_or((&name, "0"));
            format!(
                "driver=iscsi,portal={}:{},target={target},lun={lun},transport=tcp",
                escape(host.attribute("name")?),
                host.attribute("port").unwrap_or("3260")
            )
        }
        _ => return None,
    })
}
