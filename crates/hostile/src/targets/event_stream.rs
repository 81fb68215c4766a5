//! A stream of a model's events: the same bytes give the same events however they are cut, and what is refused as a whole
//! is refused in pieces.

use vmwright_formats::event_stream::{EventError, Events};

fn taken<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Result<Vec<String>, EventError> {
    let mut events = Events::default();
    let mut all = Vec::new();
    for piece in pieces {
        all.extend(events.take(piece)?);
    }
    Ok(all)
}

pub(super) fn run(bytes: &[u8]) {
    let (first, rest) = bytes.split_first().map_or((0, bytes), |(first, rest)| (usize::from(*first), rest));
    let whole = taken([rest].into_iter());
    assert_eq!(taken(rest.chunks(1 + first)), whole, "in pieces of {}", 1 + first);
    if let Ok(events) = whole {
        assert!(events.iter().all(|data| !data.is_empty()));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "\0event: a\ndata: {\"x\":1}\n\n: a remark\r\ndata:two\r\ndata: lines\r\n\r\nid: 7\n\ndata: \u{e9}\n\n",
        "\u{3}data: {\"choices\":[{\"delta\":{\"content\":\"I\"}}]}\r\rdata: [DONE]\n\n",
        "\u{2}data\ndata:\n\n\r\n\r\n\ndata: no end",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
