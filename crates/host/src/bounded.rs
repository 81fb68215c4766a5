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

/// Does `reading` for each item, with `time` for each, on as few threads as do not hang: the answers in their order.
/// Where an item hangs, its thread is left behind and another goes on with the next.
pub(crate) fn within_each<I: Clone + Send + 'static, T: Send + 'static>(
    time: Duration,
    items: &[I],
    reading: impl Fn(&I) -> T + Clone + Send + 'static,
) -> Vec<Result<T, Missing>> {
    let mut answers = Vec::with_capacity(items.len());
    while answers.len() < items.len() {
        let rest = items[answers.len()..].to_vec();
        let reading = reading.clone();
        let (sender, receiver) = mpsc::sync_channel(rest.len());
        let thread = std::thread::Builder::new().name("read".to_owned()).spawn(move || {
            // The receiver is gone when the time was up.
            let _ = rest.iter().try_for_each(|item| sender.send(reading(item)));
        });
        if let Err(error) = thread {
            answers.push(Err(Missing::Failed(format!("no thread to read with: {error}"))));
            continue;
        }
        while answers.len() < items.len() {
            let answer = receiver.recv_timeout(time);
            let failed = answer.is_err();
            answers.push(answer.map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => Missing::TimedOut(millis(time)),
                mpsc::RecvTimeoutError::Disconnected => Missing::Failed("the reader failed".to_owned()),
            }));
            if failed {
                break;
            }
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::{within, within_each};
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

    #[test]
    fn one_that_hangs_does_not_keep_the_others() {
        let answers = within_each(Duration::from_millis(50), &[1, 2, 3, 4], |item| {
            if item % 2 == 0 {
                std::thread::sleep(Duration::from_secs(2));
            }
            item * 10
        });
        let late = Err(Missing::TimedOut(50));
        assert_eq!(answers, [Ok(10), late.clone(), Ok(30), late]);
        assert_eq!(within_each(Duration::from_secs(1), &[0; 0], |item: &i32| *item), []);
    }
}
