//! Loops that measure what a machine gives: the same on the host, as its own figure, and in the guest.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds between two looks at the clock.
const ROUNDS: u64 = 4096;

/// Rounds a second of a chain of multiplications, each of which needs the one before: computing power, and no memory.
#[must_use]
pub fn spin(time: Duration) -> f64 {
    let began = Instant::now();
    let (mut value, mut rounds) = (black_box(0x9e37_79b9_7f4a_7c15_u64), 0_u64);
    while began.elapsed() < time {
        for _ in 0..ROUNDS {
            value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (value >> 31);
        }
        rounds += ROUNDS;
    }
    black_box(value);
    rounds as f64 / began.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_loop_counts() {
        assert!(super::spin(std::time::Duration::from_millis(5)) > 1000.0);
    }
}
