//! Pools of huge pages, whatever they were read from.

use crate::prelude::*;
use vmwright_formats::{HugePages, MemInfo};

/// A pool of huge pages with where its figures stand.
pub(crate) struct Pool {
    /// Size of a page in bytes.
    pub page: u64,
    /// Node; none for the host as a whole.
    pub node: Option<u32>,
    /// All pages.
    pub total: Option<(u64, Option<Evidence>)>,
    /// Free pages.
    pub free: Option<(u64, Option<Evidence>)>,
}

/// The pools as listings name them, as the files of a live host hold them, and as `/proc/meminfo` counts those of
/// the usual size.
pub(crate) fn pools(cx: &Reading<'_>) -> Vec<Pool> {
    let mut found = Vec::new();
    for seen in cx.all::<HugePages>() {
        let at = |value: &Spanned<u64>| (value.value, seen.quote(value.line));
        found.extend(seen.pools.iter().map(|pool| Pool {
            page: pool.page,
            node: pool.node,
            total: pool.total.as_ref().map(at),
            free: pool.free.as_ref().map(at),
        }));
    }
    // One file a record: the path is the text's name.
    let files = cx.texts_named(|source| source.contains("/hugepages/hugepages-"));
    let files: Vec<_> = files.filter_map(|text| Some((text, text.line(1)?.trim()))).collect();
    let joined: String =
        files.iter().map(|(text, value)| format!("{}:{value}\n", text.source.replace('\n', ""))).collect();
    let view = <HugePages as vmwright_formats::View>::read(&joined).0;
    let at = |value: &Spanned<u64>| {
        let file = files.get((value.line as usize).saturating_sub(1));
        (value.value, file.and_then(|(text, _)| text.quote(1)))
    };
    found.extend(view.pools.iter().map(|pool| Pool {
        page: pool.page,
        node: pool.node,
        total: pool.total.as_ref().map(at),
        free: pool.free.as_ref().map(at),
    }));
    for info in cx.all::<MemInfo>() {
        let Some(page) = info.bytes("Hugepagesize") else { continue };
        let pages = |key: &str| info.pages(key).map(|found| (found.value, info.quote(found.line)));
        found.push(Pool {
            page: page.value,
            node: None,
            total: pages("HugePages_Total"),
            free: pages("HugePages_Free"),
        });
    }
    found
}
