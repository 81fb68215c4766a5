//! Machines in trouble: vmwright or QEMU killed at any moment, disks that fill up, guests that write meanwhile,
//! certificates that do not fit. Each test is short; `VMWRIGHT_HARDSHIP` multiplies its rounds.

mod encrypted;
mod full;
mod killed;
#[path = "../life/rig.rs"]
#[allow(dead_code, reason = "what the tests of a machine's life need")]
mod rig;
mod shared;
mod writing;

/// How many rounds a test takes: so many, or a multiple of them where somebody has the time.
fn rounds(few: u64) -> u64 {
    let times = std::env::var("VMWRIGHT_HARDSHIP").ok().and_then(|times| times.parse::<u64>().ok());
    few * times.unwrap_or(1).clamp(1, 1000)
}

/// Numbers that look random, another sequence each time; the first is told, so that a failure can be had again with
/// `VMWRIGHT_SEED`.
struct Chance(u64);

impl Chance {
    fn new(test: &str) -> Self {
        let given = std::env::var("VMWRIGHT_SEED").ok().and_then(|seed| seed.parse().ok());
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let seed = given.unwrap_or(since.as_nanos() as u64);
        eprintln!("{test}: VMWRIGHT_SEED={seed}");
        Self(seed)
    }

    /// Below a limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Whether a program is there; says so where not.
fn has(test: &str, program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !there {
        eprintln!("SKIPPED {test}: no `{program}`");
    }
    there
}
