//! What the program of a test guest measures of its machine: each answers with a list of figures, one for each run.

use rustix::fs::OFlags;
use serde_json::json;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, SocketAddrV6, TcpStream, ToSocketAddrs};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_guest::echo::{self, EchoPlan, Echoed};

/// Size and place of what is read past the guest's cache have to be multiples of the disk's block.
const BLOCK: usize = 4096;

/// Rounds a second of a loop, for `milliseconds` in each run.
pub(crate) fn spin(runs: u64, milliseconds: u64) -> Vec<f64> {
    (0..runs).map(|_| vmwright_guest::load::spin(Duration::from_millis(milliseconds))).collect()
}

/// Mebibytes a second that are copied within memory, from one buffer of so many to another.
pub(crate) fn copy(runs: u64, mib: u64) -> Vec<f64> {
    let size = usize::try_from(mib.clamp(1, 256)).unwrap_or(1) << 20;
    let (from, mut to) = (vec![1_u8; size], vec![0_u8; size]);
    let one = |_| {
        let began = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&to);
        size as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64()
    };
    (0..runs).map(one).collect()
}

/// Mebibytes a second that are read from a disk past the cache, `bytes` in each run, each from another place.
pub(crate) fn read(runs: u64, bytes: u64, path: &str) -> io::Result<Vec<f64>> {
    let disk = Disk::open(path)?;
    let size = usize::try_from(bytes.clamp(1, 64 << 20)).unwrap_or(BLOCK).next_multiple_of(BLOCK);
    let mut buffer = Buffer::of(size.min(disk.size()));
    (0..runs)
        .map(|run| {
            let began = Instant::now();
            let read = disk.read(&mut buffer, run)?;
            Ok(read as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64())
        })
        .collect()
}

/// Microseconds until a read of 4 KiB is done, of `count` of them in each run the 99th percentile.
pub(crate) fn seek(runs: u64, count: u64, path: &str) -> io::Result<Vec<f64>> {
    let disk = Disk::open(path)?;
    let mut buffer = Buffer::of(BLOCK.min(disk.size()));
    (0..runs)
        .map(|run| {
            let mut times = Vec::new();
            for number in 0..count {
                let began = Instant::now();
                disk.read(&mut buffer, run * count + number)?;
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok(latest(times))
        })
        .collect()
}

/// Mebibytes a second that are written to a disk past the cache, in the same way. What was there is lost.
pub(crate) fn overwrite(runs: u64, bytes: u64, path: &str) -> io::Result<Vec<f64>> {
    let disk = Disk::open_to_write(path)?;
    let size = usize::try_from(bytes.clamp(1, 64 << 20)).unwrap_or(BLOCK).next_multiple_of(BLOCK);
    let mut buffer = Buffer::of(size.min(disk.size()));
    buffer.fill();
    (0..runs)
        .map(|run| {
            let began = Instant::now();
            let written = disk.write(&mut buffer, run)?;
            Ok(written as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64())
        })
        .collect()
}

/// Microseconds until a write of 4 KiB is done, in the same way as [`seek`].
pub(crate) fn scatter(runs: u64, count: u64, path: &str) -> io::Result<Vec<f64>> {
    let disk = Disk::open_to_write(path)?;
    let mut buffer = Buffer::of(BLOCK.min(disk.size()));
    buffer.fill();
    (0..runs)
        .map(|run| {
            let mut times = Vec::new();
            for number in 0..count {
                let began = Instant::now();
                disk.write(&mut buffer, run * count + number)?;
                times.push(began.elapsed().as_secs_f64() * 1e6);
            }
            Ok(latest(times))
        })
        .collect()
}

/// Microseconds that a thread is woken late that sleeps `pause` microseconds, of `count` sleeps in each run the 99th
/// percentile.
pub(crate) fn wake(runs: u64, count: u64, pause: u64) -> Vec<f64> {
    let pause = Duration::from_micros(pause);
    let late = || {
        let began = Instant::now();
        thread::sleep(pause);
        began.elapsed().saturating_sub(pause).as_secs_f64() * 1e6
    };
    (0..runs).map(|_| latest((0..count).map(|_| late()).collect())).collect()
}

/// Percent of all time of the processors that the host kept for itself while a loop ran, in each run.
pub(crate) fn steal(runs: u64, milliseconds: u64) -> io::Result<Vec<f64>> {
    (0..runs)
        .map(|_| {
            let (stolen, all) = processor_time()?;
            let _ = vmwright_guest::load::spin(Duration::from_millis(milliseconds));
            let (stolen_now, all_now) = processor_time()?;
            Ok(100.0 * (stolen_now - stolen) / (all_now - all).max(1.0))
        })
        .collect()
}

/// Stolen time and all time so far, in ticks: the eighth column of proc_stat(5), and the first eight.
fn processor_time() -> io::Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let ticks =
        |line: &str| line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    let ticks: Vec<f64> = text.lines().next().map(ticks).unwrap_or_default();
    let stolen = ticks.get(7).copied().ok_or(ErrorKind::InvalidData)?;
    Ok((stolen, ticks.iter().sum()))
}

/// Whether a TCP service can be reached: `open`, or why not in a word or two.
pub(crate) fn reach(to: &str, milliseconds: u64) -> String {
    let limit = Duration::from_millis(milliseconds.clamp(1, 60_000));
    let addresses = match to.to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return format!("no address: {error}"),
    };
    let mut last = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(_) => return "open".to_owned(),
            Err(error) => last = error.to_string(),
        }
    }
    last
}

/// Round trips of so many bytes to the echo service of another guest, by `tcp` or by `udp`, as JSON: `trips` with
/// milliseconds, null for a lost one, and `why` the first was lost; or `none`, why nobody answers.
pub(crate) fn trips(by: &str, to: &str, size: u64, count: u64) -> io::Result<serde_json::Value> {
    let plan = EchoPlan {
        trips: u32::try_from(count.clamp(1, 1000)).unwrap_or(1),
        size: usize::try_from(size.clamp(8, 1 << 20)).unwrap_or(8),
        give_up: 3,
        ..EchoPlan::default()
    };
    let address = address(to, plan.port)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, format!("no address: {to}")))?;
    let echoed = match by {
        "tcp" => echo::tcp_to(address, &plan),
        "udp" => echo::udp_to(address, &plan),
        _ => return Err(io::Error::new(ErrorKind::InvalidInput, format!("neither tcp nor udp: {by}"))),
    };
    Ok(match echoed {
        Echoed::Answered { trips, first_loss } => json!({ "trips": trips, "why": first_loss }),
        Echoed::Refused => json!({ "none": "refused" }),
        Echoed::Garbled => json!({ "none": "other bytes came back than were sent" }),
        Echoed::Unreachable(why) => json!({ "none": why }),
    })
}

/// An address with a port; one that counts on a link alone names the interface by its number, `fe80::1%2` (RFC 4007, section 11).
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    match text.split_once('%') {
        Some((ip, scope)) => Some(SocketAddrV6::new(ip.parse().ok()?, port, 0, scope.parse().ok()?).into()),
        None => Some(SocketAddr::new(text.parse().ok()?, port)),
    }
}

/// The figure that one of a hundred exceeds.
fn latest(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let rank = (times.len() as f64 * 0.99).ceil() as usize;
    times.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// A disk that is read past the guest's cache.
struct Disk {
    file: File,
    blocks: u64,
}

impl Disk {
    fn open(path: &str) -> io::Result<Self> {
        Self::opened(path, false)
    }

    fn open_to_write(path: &str) -> io::Result<Self> {
        Self::opened(path, true)
    }

    fn opened(path: &str, write: bool) -> io::Result<Self> {
        let direct = OFlags::DIRECT.bits().cast_signed();
        let file = File::options().read(true).write(write).custom_flags(direct).open(path)?;
        // The length of a block device is where its end is.
        let size = io::Seek::seek(&mut &file, io::SeekFrom::End(0))?;
        let blocks = size / BLOCK as u64;
        if blocks == 0 { Err(ErrorKind::InvalidInput.into()) } else { Ok(Self { file, blocks }) }
    }

    fn size(&self) -> usize {
        usize::try_from(self.blocks).unwrap_or(usize::MAX / BLOCK).saturating_mul(BLOCK)
    }

    /// Reads at a place that follows from a number, anywhere on the disk.
    fn read(&self, buffer: &mut Buffer, number: u64) -> io::Result<usize> {
        let slice = buffer.slice();
        self.file.read_exact_at(slice, self.place(slice.len(), number))?;
        Ok(slice.len())
    }

    /// Writes at such a place.
    fn write(&self, buffer: &mut Buffer, number: u64) -> io::Result<usize> {
        let slice = buffer.slice();
        self.file.write_all_at(slice, self.place(slice.len(), number))?;
        Ok(slice.len())
    }

    fn place(&self, length: usize, number: u64) -> u64 {
        let places = self.blocks - (length / BLOCK) as u64 + 1;
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % places * BLOCK as u64
    }
}

/// Bytes that begin at a multiple of a block in memory.
struct Buffer {
    bytes: Vec<u8>,
    size: usize,
}

impl Buffer {
    fn of(size: usize) -> Self {
        Self { bytes: vec![0; size + BLOCK], size }
    }

    /// Other bytes than zeros, which might be left out on the way.
    fn fill(&mut self) {
        self.bytes.fill(0xa5);
    }

    fn slice(&mut self) -> &mut [u8] {
        let start = self.bytes.as_ptr().align_offset(BLOCK);
        &mut self.bytes[start..start + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn an_address_may_name_its_interface() {
        let text = |text| address(text, 7).map(|address| address.to_string());
        assert_eq!(text("fe80::1%2").as_deref(), Some("[fe80::1%2]:7"));
        assert_eq!((text("10.0.0.1").as_deref(), text("10.0.0.1%2")), (Some("10.0.0.1:7"), None));
    }

    #[test]
    fn every_run_has_its_figure() {
        assert!(spin(3, 2).iter().all(|rate| *rate > 0.0));
        assert_eq!(copy(4, 1).len(), 4);
        assert!(wake(2, 5, 100).iter().all(|late| *late >= 0.0));
        assert!(steal(2, 5).is_ok_and(|all| all.iter().all(|percent| (0.0..=100.0).contains(percent))));
        assert!((latest((1..=200).map(f64::from).collect()) - 198.0).abs() < 1e-9);
    }

    #[test]
    fn a_disk_is_read_from_end_to_end_and_never_beyond() {
        // Where the file system has no direct reads, the kernel says so.
        let mut file = tempfile::NamedTempFile::new_in(".").unwrap();
        file.write_all(&vec![7; 3 * BLOCK + 100]).unwrap();
        let path = file.path().to_str().unwrap();
        match read(5, 2 * BLOCK as u64, path) {
            Ok(figures) => {
                assert_eq!(figures.len(), 5);
                assert_eq!(seek(3, 20, path).unwrap().len(), 3);
                assert_eq!(
                    (overwrite(4, 4096, path).unwrap().len(), scatter(2, 20, path).unwrap().len()),
                    (4, 2)
                );
                let bytes = fs::read(path).unwrap();
                assert!(bytes.len() == 3 * BLOCK + 100 && bytes[3 * BLOCK..].iter().all(|byte| *byte == 7));
                assert!(bytes[..3 * BLOCK].contains(&0xa5));
            }
            Err(error) => eprintln!("SKIPPED a_disk_is_read_from_end_to_end_and_never_beyond: {error}"),
        }
        assert!(read(1, 4096, "/proc/self/nothing").is_err());
    }

    #[test]
    fn a_service_is_reached_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        assert_eq!(reach(&to, 1000), "open");
        drop(listener);
        assert_ne!(reach(&to, 1000), "open");
        assert_ne!(reach("nonsense", 10), "open");
    }
}
