//! Huge pages of the host: `hugeadm --pool-list`, or the files of `/sys/.../hugepages` with their paths
//! (`grep -r . /sys/kernel/mm/hugepages`). `/proc/meminfo` has a view of its own.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// One pool: pages of one size, of the host or of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HugePool {
    /// Size of a page, in bytes.
    pub page: u64,
    /// NUMA node; none for the host as a whole.
    pub node: Option<u32>,
    /// Pages reserved by the administrator.
    pub total: Option<Spanned<u64>>,
    /// Pages that nobody uses.
    pub free: Option<Spanned<u64>>,
    /// Pages lent beyond `total`, as far as allowed.
    pub overcommit: Option<Spanned<u64>>,
}

/// The pools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HugePages {
    /// By first mention.
    pub pools: Vec<HugePool>,
}

/// More pools than sizes times nodes of any host.
const POOLS_MAX: usize = 512;

impl HugePages {
    /// The pool of a page size, in bytes, of a node or of the host.
    #[must_use]
    pub fn pool(&self, page: u64, node: Option<u32>) -> Option<&HugePool> {
        self.pools.iter().find(|pool| pool.page == page && pool.node == node)
    }

    fn entry(&mut self, page: u64, node: Option<u32>) -> Option<&mut HugePool> {
        if let Some(at) = self.pools.iter().position(|pool| pool.page == page && pool.node == node) {
            return Some(&mut self.pools[at]);
        }
        if self.pools.len() >= POOLS_MAX {
            return None;
        }
        self.pools.push(HugePool { page, node, ..HugePool::default() });
        self.pools.last_mut()
    }
}

impl View for HugePages {
    const KIND: Kind = Kind::new("hugepages");
    const SUREST: u8 = 93;
    const MARKS: &[&str] = &["Minimum", "hugepages-"];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let mut table = false;
        for (number, line) in lines(text) {
            let line = line.trim();
            // `grep -r` says there what it may not read.
            if line.is_empty() || line.starts_with(['#', '$']) || line.starts_with("grep: ") {
                continue;
            }
            if is_header(line) {
                table = true;
            } else if sysfs(&mut view, number, line).is_none()
                && !(table && row(&mut view, number, line).is_some())
            {
                issues.push(Issue::new(number, "not a pool of huge pages"));
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        if head.lines().take(10).any(is_header) {
            return 93;
        }
        let (hits, all) =
            crate::lines::share(head, |line| sysfs(&mut Self::default(), 1, line.trim()).is_some());
        match hits > 0 && hits * 2 >= all {
            true => 93,
            false if name.contains("hugepages") => 25,
            false => 0,
        }
    }
}

fn is_header(line: &str) -> bool {
    line.split_whitespace().take(3).eq(["Size", "Minimum", "Current"])
}

/// `/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages:512`.
fn sysfs(view: &mut HugePages, number: u32, line: &str) -> Option<()> {
    let (before, rest) = line.split_once("hugepages-")?;
    let (size, rest) = rest.split_once("kB/")?;
    let (file, value) = rest.split_once([':', '=', ' '])?;
    let node = before.split_once("/node/node").and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    let value = Spanned::new(value.trim().parse().ok()?, number);
    let pool = view.entry(size.parse::<u64>().ok()?.checked_mul(1024)?, node)?;
    match file {
        "nr_hugepages" => pool.total = Some(value),
        "free_hugepages" => pool.free = Some(value),
        "nr_overcommit_hugepages" => pool.overcommit = Some(value),
        // Reserved and surplus pages are told, but no pool is judged by them.
        "resv_hugepages" | "surplus_hugepages" | "nr_hugepages_mempolicy" | "demote" | "demote_size" => {}
        _ => return None,
    }
    Some(())
}

/// A row of hugeadm: size, minimum, current, maximum.
fn row(view: &mut HugePages, number: u32, line: &str) -> Option<()> {
    let mut words = line.split_whitespace();
    let page = words.next()?.parse().ok()?;
    let _minimum: u64 = words.next()?.parse().ok()?;
    let current = words.next()?.parse().ok()?;
    view.entry(page, None)?.total = Some(Spanned::new(current, number));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_tables() {
        let text = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages:512\n/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages:0\n/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages:4\nodd\n";
        let (view, issues) = HugePages::read(text);
        assert_eq!(issues, [Issue::new(4, "not a pool of huge pages")]);
        let pool = view.pool(2 << 20, None).expect("it is there");
        assert_eq!(
            (pool.total.clone(), pool.free.clone()),
            (Some(Spanned::new(512, 1)), Some(Spanned::new(0, 2)))
        );
        assert_eq!(view.pool(1 << 30, Some(1)).and_then(|pool| pool.total.clone()), Some(Spanned::new(4, 3)));
        assert_eq!(HugePages::recognise("x", text), 93);
        let table = "      Size  Minimum  Current  Maximum  Default\n   2097152       10       12       14        *\n";
        let (view, issues) = HugePages::read(table);
        assert_eq!(issues, []);
        assert_eq!(view.pool(2 << 20, None).and_then(|pool| pool.total.clone()), Some(Spanned::new(12, 2)));
        assert_eq!(HugePages::recognise("x", table), 93);
        assert_eq!(HugePages::recognise("x", "hello\n"), 0);
    }
}
