//! Disks.

use super::Book;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Aio, Cache, Discard, Disk, DiskDevice};

/// Keys that say where a disk's bytes are.
const SOURCES: [&str; 7] = ["path", "lvm", "volume", "rbd", "nbd", "url", "vhost_user"];

pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    for (at, disk) in spec.disks.iter().enumerate() {
        source(book, &format!("disk.{at}"), disk);
        options(book, &format!("disk.{at}"), disk);
    }
    let keyed = |name: &'static str, of: fn(&Disk) -> Option<&String>| {
        let disks = spec.disks.iter().enumerate();
        disks.filter_map(move |(at, disk)| Some((format!("disk.{at}.{name}"), of(disk)?.clone())))
    };
    book.told_once(keyed("target", |disk| disk.target.as_ref()));
    book.told_once(keyed("serial", |disk| disk.serial.as_ref()));
    let tags = spec.shares.iter().enumerate();
    book.told_once(tags.map(|(at, share)| (format!("share.{at}.tag"), share.tag.clone())));
    for (at, share) in spec.shares.iter().enumerate() {
        if share.path.is_none() && share.socket.is_none() {
            let key = format!("share.{at}");
            let follows = [format!("{key}.path"), format!("{key}.socket")];
            let what = format!("`{key}` has neither `path` nor `socket`");
            book.tell(&key, &[&follows[0], &follows[1]], what);
        }
    }
}

fn source(book: &mut Book<'_>, key: &str, disk: &Disk) {
    let full: Vec<String> = SOURCES.iter().map(|source| format!("{key}.{source}")).collect();
    let follows: Vec<&str> = full.iter().map(String::as_str).collect();
    let given: Vec<&String> = full.iter().filter(|source| book.given(source)).collect();
    let removable = matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
    match given.as_slice() {
        [] if !removable => {
            let what =
                format!("`{key}` does not say where its bytes are; give one of `{}`", SOURCES.join("`, `"));
            book.tell(key, &follows, what);
        }
        [first, second, ..] => {
            book.tell(second, &[], format!("`{first}` and `{second}` are both given; a disk has one source"));
        }
        _ => {}
    }
    if let Some(nbd) = &disk.nbd
        && nbd.host.is_some() == nbd.socket.is_some()
    {
        let (host, socket) = (format!("{key}.nbd.host"), format!("{key}.nbd.socket"));
        let what = format!("`{key}.nbd` is reached by exactly one of `host` and `socket`");
        book.tell(&format!("{key}.nbd"), &[&host, &socket], what);
    }
}

fn options(book: &mut Book<'_>, key: &str, disk: &Disk) {
    let full = |name: &str| format!("{key}.{name}");
    // QEMU: "aio=native was specified, but it requires cache.direct=on".
    if disk.aio == Some(Aio::Native) && !matches!(disk.cache, Some(Cache::None | Cache::Directsync)) {
        let (aio, cache) = (full("aio"), full("cache"));
        let what = format!("`{aio}` is `native`, so `{cache}` must be `none` or `directsync`");
        book.tell(&aio, &[&cache], what);
    }
    if disk.discard == Some(Discard::On) {
        let discard = full("discard");
        book.tell(&discard, &[], format!("`{discard}` is `on`; it must be `ignore` or `unmap`"));
    }
    if let Some(size) = disk.queue_size.filter(|size| !size.is_power_of_two()) {
        let queue = full("queue_size");
        book.tell(&queue, &[], format!("`{queue}` is {size}, not a power of two"));
    }
    for (name, size) in [("logical_block", disk.logical_block), ("physical_block", disk.physical_block)] {
        if let Some(size) = size.filter(|size| !size.is_power_of_two()) {
            let block = full(name);
            book.tell(&block, &[], format!("`{block}` is {size}, not a power of two"));
        }
    }
    if disk.backing_format.is_some() && disk.backing.is_none() {
        let (format, backing) = (full("backing_format"), full("backing"));
        book.tell(&format, &[&backing], format!("`{format}` is given without `{backing}`"));
    }
}
