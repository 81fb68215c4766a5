//! Readings that end, whatever they read from.

use crate::limits::millis;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::Missing;

/// Something to do on another thread. What it gives back tells whoever waits for it.
type Job = Box<dyn FnOnce() -> Box<dyn FnOnce()> + Send>;

/// Threads that wait for something to do.
static IDLE: Mutex<Vec<mpsc::Sender<Job>>> = Mutex::new(Vec::new());

/// Whether threads are kept.
static KEPT: AtomicBool = AtomicBool::new(false);

/// Answers that wake whoever waits for them: to wake it for each would take longer than to read a small file.
const TOGETHER: usize = 64;

/// From now on threads that have done their reading wait for the next: to start one takes longer than to read a small
/// file. Not before the process is locked, since the lock takes hold of one thread alone.
pub(crate) fn keep_threads() {
    KEPT.store(true, Ordering::Relaxed);
}

/// Does a job on a thread that has nothing else to do.
fn on_a_thread(job: Job) -> io::Result<()> {
    let idle = hold(&IDLE).pop();
    let Some(thread) = idle else { return start(job) };
    // One that has ended gives it back.
    thread.send(job).or_else(|mpsc::SendError(job)| start(job))
}

fn start(job: Job) -> io::Result<()> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let work = move || {
        let mut tell = job();
        while KEPT.load(Ordering::Relaxed) {
            // First this, then the answer: whoever hears it has the next job, and would start another thread.
            hold(&IDLE).push(sender.clone());
            tell();
            let Ok(job) = jobs.recv() else { return };
            tell = job();
        }
        tell();
    };
    thread::Builder::new().name("read".to_owned()).spawn(work).map(drop)
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_thread(error: &io::Error) -> Missing {
    Missing::Failed(format!("no thread to read with: {error}"))
}

fn reader_failed() -> Missing {
    Missing::Failed("the reader failed".to_owned())
}

/// Does `reading` on another thread and waits for it at most `time`. A reading that hangs in the kernel (a
/// dead network file system) is left behind: nothing can interrupt it, and it ends with the process.
pub(crate) fn within<T: Send + 'static>(
    time: Duration,
    reading: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Missing> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let job = move || -> Box<dyn FnOnce()> {
        let read = reading();
        // The receiver is gone when the time was up; then nobody wants the answer.
        Box::new(move || drop(sender.send(read)))
    };
    on_a_thread(Box::new(job)).map_err(|error| no_thread(&error))?;
    receiver.recv_timeout(time).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => Missing::TimedOut(millis(time)),
        mpsc::RecvTimeoutError::Disconnected => reader_failed(),
    })
}

/// Does `reading` for each item on as few threads as do not hang, and gives the answers in their order, while the
/// next items are read. `time` says how long an item may take, or why it is not read any more. Where an item hangs, its
/// thread is left behind and another goes on with the next.
pub(crate) fn within_each<I: Clone + Send + 'static, T: Send + 'static>(
    time: impl Fn() -> Result<Duration, Missing>,
    items: &[I],
    reading: impl Fn(&I) -> T + Clone + Send + 'static,
    mut answer: impl FnMut(&I, Result<T, Missing>),
) {
    let mut rest = items;
    while let [first, others @ ..] = rest {
        let begun = time().and_then(|time| {
            let row = Row::begin(rest.to_vec(), reading.clone()).map_err(|error| no_thread(&error))?;
            Ok((row, time))
        });
        let (row, mut patience) = match begun {
            Ok(begun) => begun,
            Err(why) => {
                answer(first, Err(why));
                rest = others;
                continue;
            }
        };
        'row: while !rest.is_empty() {
            let heard = row.hear(patience);
            let late = heard.is_empty();
            let failure = late.then(|| row.failure(patience)).map(Err);
            for read in heard.into_iter().map(Ok).chain(failure) {
                let Some((item, others)) = rest.split_first() else { break };
                rest = others;
                match time().and_then(|time| Ok((read?, time))) {
                    Ok((read, time)) => {
                        patience = time;
                        answer(item, Ok(read));
                    }
                    Err(why) => {
                        answer(item, Err(why));
                        break 'row;
                    }
                }
            }
        }
    }
}

/// Items that one thread reads, one after the other.
struct Row<T>(Arc<(Mutex<Read<T>>, Condvar)>);

/// How far it is.
struct Read<T> {
    /// Answers that nobody has taken yet.
    answers: Vec<T>,
    /// When the last one came.
    latest: Instant,
    /// No more will come.
    ended: bool,
    /// Nobody wants more.
    left: bool,
}

impl<T: Send + 'static> Row<T> {
    fn begin<I: Send + 'static>(
        items: Vec<I>,
        reading: impl Fn(&I) -> T + Send + 'static,
    ) -> io::Result<Self> {
        let read = Read { answers: Vec::new(), latest: Instant::now(), ended: false, left: false };
        let row = Arc::new((Mutex::new(read), Condvar::new()));
        let end = End(Arc::clone(&row));
        let job = move || -> Box<dyn FnOnce()> {
            for item in &items {
                let answer = reading(item);
                let mut read = hold(&end.0.0);
                if read.left {
                    break;
                }
                read.answers.push(answer);
                read.latest = Instant::now();
                if read.answers.len() == TOGETHER {
                    end.0.1.notify_one();
                }
            }
            Box::new(move || drop(end))
        };
        on_a_thread(Box::new(job))?;
        Ok(Self(row))
    }

    /// The next answers; none where the next item takes longer than `patience`, or none will come.
    fn hear(&self, patience: Duration) -> Vec<T> {
        let (read, come) = &*self.0;
        let mut read = hold(read);
        while read.answers.len() < TOGETHER && !read.ended {
            let left = patience.saturating_sub(read.latest.elapsed());
            if left.is_zero() {
                break;
            }
            read = come.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut read.answers)
    }

    /// Why nothing was heard.
    fn failure(&self, patience: Duration) -> Missing {
        if hold(&self.0.0).ended { reader_failed() } else { Missing::TimedOut(millis(patience)) }
    }
}

impl<T> Drop for Row<T> {
    fn drop(&mut self) {
        hold(&self.0.0).left = true;
    }
}

/// Says that a row has ended, also where its thread failed.
struct End<T>(Arc<(Mutex<Read<T>>, Condvar)>);

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        hold(&self.0.0).ended = true;
        self.0.1.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::{within, within_each};
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
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
        let mut answers = Vec::new();
        let slow = |item: &i32| {
            if item % 2 == 0 {
                std::thread::sleep(Duration::from_secs(2));
            }
            item * 10
        };
        let patience = || Ok(Duration::from_millis(50));
        within_each(patience, &[1, 2, 3, 4], slow, |item, read| answers.push((*item, read)));
        let late = Err(Missing::TimedOut(50));
        assert_eq!(answers, [(1, Ok(10)), (2, late.clone()), (3, Ok(30)), (4, late)]);
    }

    #[test]
    fn when_the_run_is_over_nothing_more_is_read() {
        let (read, mut answers) = (Arc::new(AtomicUsize::new(0)), Vec::new());
        let count = Arc::clone(&read);
        let reading = move |_: &i32| count.fetch_add(1, Ordering::SeqCst);
        within_each(|| Err(Missing::TimedOut(7)), &[1, 2, 3], reading, |_, read| answers.push(read));
        assert_eq!(answers, vec![Err(Missing::TimedOut(7)); 3]);
        assert_eq!(read.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_is_left_when_the_run_ends_says_so() {
        let asked = Cell::new(0);
        // Once before the thread is begun, once for the first item.
        let time = || {
            asked.set(asked.get() + 1);
            if asked.get() > 2 { Err(Missing::TimedOut(7)) } else { Ok(Duration::from_secs(5)) }
        };
        let mut answers = Vec::new();
        within_each(time, &[1, 2, 3], |item| *item, |_, read| answers.push(read));
        assert_eq!(answers, [Ok(1), Err(Missing::TimedOut(7)), Err(Missing::TimedOut(7))]);
    }
}
