//! What our own guest's probe makes of the stream from the host. The probe is a program and no library, so its
//! module is built in here.

#[path = "../../../guest/src/pid1/frames.rs"]
mod frames;

use frames::{Frame, Frames};

pub(super) fn run(bytes: &[u8]) {
    let whole = Frames::default().push(bytes);
    let mut frames = Frames::default();
    let pieces: Vec<Frame> = bytes.chunks(3).flat_map(|piece| frames.push(piece)).collect();
    assert_eq!(whole, pieces, "how the stream is cut changes what is in it");
    for frame in whole {
        if let Frame::Message(message) = frame {
            assert!(message.starts_with(b"{") && message.ends_with(b"}"));
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![
        b"\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":7}}\n{\"execute\":\"guest-ping\"} {\"a\":\"}{\\\"\"}".to_vec(),
        b"garbage\n{\"execute\":\"gue\xff{}".to_vec(),
    ]
}
