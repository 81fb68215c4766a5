//! Server-sent events (the HTML standard, "Interpreting an event stream"), as far as models use them: the data of each
//! event, in pieces as they come. The same bytes give the same events, however they are cut.

/// The longest event, in bytes.
pub const LONGEST: usize = 1 << 20;

/// The longest stream, in bytes.
pub const MOST: usize = 32 << 20;

/// Why a stream is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event does not end.
    #[error("an event has more than {LONGEST} bytes")]
    Event,
    /// The stream does not end.
    #[error("it has more than {MOST} bytes")]
    Stream,
}

/// A stream so far.
#[derive(Debug, Default)]
pub struct Events {
    /// A line that has not ended.
    line: Vec<u8>,
    /// Data of an event that has not ended.
    data: String,
    /// Whether the last byte was a carriage return, after which a line feed ends nothing more.
    returned: bool,
    seen: usize,
}

impl Events {
    /// Takes bytes in and gives the data of the events that they end.
    ///
    /// # Errors
    /// [`EventError`], where more comes than is ever read.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, EventError> {
        self.seen += bytes.len();
        if self.seen > MOST {
            return Err(EventError::Stream);
        }
        let mut ended = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.returned) => {}
                b'\n' | b'\r' => {
                    self.returned = *byte == b'\r';
                    ended.extend(self.end_of_line());
                }
                byte => {
                    self.returned = false;
                    self.line.push(*byte);
                    if self.line.len() + self.data.len() > LONGEST {
                        return Err(EventError::Event);
                    }
                }
            }
        }
        Ok(ended)
    }

    /// What a whole line ends: an empty one the event.
    fn end_of_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return (!data.is_empty()).then_some(data);
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str =
        "event: a\ndata: {\"x\":1}\n\n: a remark\r\ndata:two\r\ndata: lines\r\n\r\nid: 7\n\ndata: é\n\n";

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let whole = Events::default().take(STREAM.as_bytes()).unwrap();
        assert_eq!(whole, ["{\"x\":1}", "two\nlines", "é"]);
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let cut: Vec<String> =
                STREAM.as_bytes().chunks(size).flat_map(|some| events.take(some).unwrap()).collect();
            assert_eq!(cut, whole, "in pieces of {size}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut events = Events::default();
        let error = (0..100).find_map(|_| events.take(&[b'x'; 64 << 10]).err());
        assert!(error == Some(EventError::Event));
        let mut events = Events::default();
        let error = (0..10_000).find_map(|_| events.take(&b"data: x\n\n".repeat(1000)).err());
        assert!(error == Some(EventError::Stream));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_stream(bytes in proptest::collection::vec(any::<u8>(), 0..600), size in 1usize..64) {
            let mut events = Events::default();
            for some in bytes.chunks(size) {
                prop_assert!(events.take(some).is_ok());
            }
        }
    }
}
