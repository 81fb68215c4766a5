//! Messages out of the agent's byte stream. The host may send them in pieces, several at once, with or without
//! line ends between, and after the rest of a conversation that another client broke off.

/// The longest request that is taken, in bytes. The longest one that the probe understands has a few hundred.
const LIMIT: usize = 64 << 10;

/// What a stream held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The bytes of one JSON object, with balanced braces.
    Message(Vec<u8>),
    /// Something that cannot begin a request, or a request over the limit. Reported once for each line.
    Garbage,
}

/// Cuts a stream into objects.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pending: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Bytes are dropped up to the next line end or 0xff.
    skipping: bool,
}

impl Frames {
    /// Takes the next bytes of the stream and gives what they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        bytes.iter().filter_map(|&byte| self.step(byte)).collect()
    }

    fn step(&mut self, byte: u8) -> Option<Frame> {
        // 0xff is no UTF-8: a client sends it to be rid of what is pending (`guest-sync-delimited`).
        if byte == 0xff {
            *self = Self::default();
            return None;
        }
        if self.skipping {
            self.skipping = byte != b'\n';
            return None;
        }
        if self.depth == 0 {
            return match byte {
                b'{' => {
                    self.depth = 1;
                    self.pending = vec![byte];
                    None
                }
                b' ' | b'\t' | b'\r' | b'\n' => None,
                _ => self.garbage(),
            };
        }
        if self.pending.len() >= LIMIT {
            return self.garbage();
        }
        self.pending.push(byte);
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.depth += 1,
            b'}' => self.depth -= 1,
            _ => {}
        }
        (self.depth == 0).then(|| Frame::Message(std::mem::take(&mut self.pending)))
    }

    fn garbage(&mut self) -> Option<Frame> {
        *self = Self { skipping: true, ..Self::default() };
        Some(Frame::Garbage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_come_whole_in_pieces_or_many_at_once() {
        let text = r#"{"execute":"a","arguments":{"s":"}{\"\\"}}"#;
        let mut frames = Frames::default();
        assert_eq!(
            frames.push(format!("{text}\n{text} {text}").as_bytes()),
            [message(text), message(text), message(text)]
        );
        let found: Vec<Frame> = text.bytes().flat_map(|byte| frames.push(&[byte])).collect();
        assert_eq!(found, [message(text)]);
    }

    #[test]
    fn a_broken_off_request_is_dropped_at_the_delimiter() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b"{\"execute\":\"gue"), []);
        assert_eq!(frames.push(b"\xff{\"a\":1}"), [message("{\"a\":1}")]);
    }

    #[test]
    fn garbage_is_reported_once_and_the_next_line_counts() {
        let mut frames = Frames::default();
        assert_eq!(frames.push(b"}}}} rubbish {\n{}\n"), [Frame::Garbage, message("{}")]);
        let long = vec![b' '; 2 * LIMIT];
        assert_eq!(frames.push(b"{"), []);
        assert_eq!(frames.push(&long), [Frame::Garbage]);
        assert!(frames.pending.is_empty());
        assert_eq!(frames.push(b"\n{}"), [message("{}")]);
    }
}
