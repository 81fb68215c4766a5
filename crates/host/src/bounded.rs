//! Readings that end, whatever they read from.

use crate::limits::millis;
use std::sync::mpsc;
use std::time::Duration;
use vmwright_model::Missing;

/// Does `reading` on a thread of its own and waits for it at most `time`. A reading that hangs in the kernel (a
/// dead network file system) is left behind: nothing can interrupt it, and it ends with the process.
pub(crate) fn within<T: Send + 'static>(
    time: Duration,
    reading: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Missing> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("read".to_owned()).spawn(move || {
        // The receiver is gone when the time was up; then nobody wants the answer.
        let _ = sender.send(reading());
    });
    if let Err(error) = thread {
        return Err(Missing::Failed(format!("no thread to read with: {error}")));
    }
    receiver.recv_timeout(time).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Missing::TimedOut(millis(time)),
        mpsc::RecvTimeoutError::Disconnected => Missing::Failed("the reader failed".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::within;
    use std::time::{Duration, Instant};
    use vmwright_model::Missing;

    #[test]
    fn a_reading_that_hangs_is_left_behind() {
        assert_eq!(within(Duration::from_secs(5), || 7), Ok(7));
        let started = Instant::now();
        let hung: Result<(), _> =
            within(Duration::from_millis(50), || std::thread::sleep(Duration::from_secs(2)));
        assert_eq!(hung, Err(Missing::TimedOut(50)));
        assert!(started.elapsed() < Duration::from_secs(1));
    }
}
