//! One message of libvirt's protocol: its length, a header of 24 bytes, and what it carries
//! (`src/rpc/virnetprotocol.x` in libvirt's source).

use super::procedure::Procedure;
use super::xdr::{Decoder, Encoder, Malformed};

/// Bytes of the length itself, which counts in it.
pub(crate) const LENGTH: usize = 4;
/// Bytes of the header.
const HEADER: usize = 24;
/// Longest message, in bytes (`VIR_NET_MESSAGE_MAX`, and the length).
pub(crate) const MESSAGE_MAX: usize = 33_554_432 + LENGTH;

/// What a message is (`virNetMessageType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Reply,
    /// Said unasked: an event, a sign of life.
    Message,
    /// A piece of a stream.
    Stream,
}

/// How it stands with what a message belongs to (`virNetMessageStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Error,
    /// More of the stream follows.
    Continue,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) program: u32,
    pub(crate) procedure: i32,
    pub(crate) kind: Kind,
    pub(crate) serial: u32,
    pub(crate) status: Status,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Whether it belongs to this call.
    pub(super) fn is_of(&self, procedure: Procedure, serial: u32) -> bool {
        (self.program, self.procedure, self.serial) == (procedure.program, procedure.number, serial)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let length = LENGTH + HEADER + self.payload.len();
        let mut encoder = Encoder::default();
        encoder.u32(u32::try_from(length).unwrap_or(u32::MAX));
        // Every program of the protocol is in its version 1.
        encoder.u32(self.program).u32(1).i32(self.procedure);
        encoder.u32(match self.kind {
            Kind::Call => 0,
            Kind::Reply => 1,
            Kind::Message => 2,
            Kind::Stream => 3,
        });
        encoder.u32(self.serial);
        encoder.u32(match self.status {
            Status::Ok => 0,
            Status::Error => 1,
            Status::Continue => 2,
        });
        let mut bytes = encoder.into_bytes();
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// A message from what follows its length.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, payload) = bytes.split_at_checked(HEADER).ok_or(Malformed::Short)?;
        let mut decoder = Decoder::new(header);
        let program = decoder.u32()?;
        let _version = decoder.u32()?;
        let procedure = decoder.i32()?;
        let kind = match decoder.u32()? {
            0 => Kind::Call,
            1 => Kind::Reply,
            2 => Kind::Message,
            3 => Kind::Stream,
            // Open files and holes are sent to nobody who did not ask for them.
            other => return Err(Malformed::Value(other)),
        };
        let serial = decoder.u32()?;
        let status = match decoder.u32()? {
            0 => Status::Ok,
            1 => Status::Error,
            2 => Status::Continue,
            other => return Err(Malformed::Value(other)),
        };
        Ok(Self { program, procedure, kind, serial, status, payload: payload.to_vec() })
    }
}

/// How many bytes follow a length.
pub(crate) fn rest(length: [u8; LENGTH]) -> Result<usize, Malformed> {
    let said = u32::from_be_bytes(length);
    let whole = usize::try_from(said).map_err(|_| Malformed::Long(said))?;
    if whole > MESSAGE_MAX {
        return Err(Malformed::Long(said));
    }
    whole.checked_sub(LENGTH).filter(|rest| *rest >= HEADER).ok_or(Malformed::Value(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back() {
        let frame = Frame {
            program: 0x2000_8086,
            procedure: 66,
            kind: Kind::Stream,
            serial: 3,
            status: Status::Continue,
            payload: vec![1, 2, 3],
        };
        let bytes = frame.to_bytes();
        let (length, after) = bytes.split_first_chunk().expect("a length");
        assert_eq!(rest(*length), Ok(after.len()));
        assert_eq!(Frame::read(after), Ok(frame));
    }

    #[test]
    fn a_length_out_of_range_is_refused() {
        assert_eq!(rest([0, 0, 0, 27]), Err(Malformed::Value(27)));
        assert_eq!(rest([0, 0, 0, 28]), Ok(24));
        assert_eq!(rest([2, 0, 0, 4]), Ok(MESSAGE_MAX - LENGTH));
        assert_eq!(rest([2, 0, 0, 5]), Err(Malformed::Long(0x0200_0005)));
    }
}
