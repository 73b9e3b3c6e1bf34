//! Bytes of a socket → messages, by the letter of RFC 6455.
//!
//! The codec of actix-http is not used for this direction: it keeps a frame until its last byte has come, however long its
//! declared length is, so that neither a length over the limit nor text that is not UTF-8 could be answered at once.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::assembly::Assembly;

/// A control frame carries at most this many bytes (RFC 6455 §5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// Two bytes, eight of extended length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// How long a message may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest message that is handed on, in bytes.
    pub(crate) message_bytes_max: usize,
    /// The longest message that is read and dropped, in bytes; a longer one ends the connection.
    pub(crate) dropped_bytes_max: usize,
    /// Whether binary messages are taken at all.
    pub(crate) binary: bool,
}

/// What has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    /// A text message; checked to be UTF-8.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A part of a message that goes on; said so that such frames can be counted.
    Fragment,
    /// A message that was longer than is handed on, and was dropped.
    TooLong,
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// A close with its code.
    Close(Option<u16>),
}

/// Why the connection must be failed; the `Display` text is the reason in the close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// The peer does not keep to the protocol: 1002.
    #[error("{0}")]
    Protocol(&'static str),
    /// Text that is not UTF-8: 1007.
    #[error("text must be UTF-8")]
    InvalidText,
    /// A message longer than is read: 1009.
    #[error("the message is too big")]
    TooBig,
    /// Binary where only text is taken: 1003.
    #[error("only text is taken here")]
    Binary,
}

impl Violation {
    /// The close code that RFC 6455 §7.4.1 names.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Binary => 1003,
            Self::InvalidText => 1007,
            Self::TooBig => 1009,
        }
    }
}

/// Reads the frames of one client. After a [`Violation`] it must not be fed again.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    frame: Option<Frame>,
    message: Option<Assembly>,
    control: Vec<u8>,
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    is_last: bool,
    mask: [u8; 4],
    /// Bytes of payload read so far; tells where in the mask the next byte stands.
    read: u64,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return Err(Violation::Protocol("the opcode is reserved")),
        })
    }

    fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

impl Decoder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            header: [0; HEADER_BYTES_MAX],
            header_bytes: 0,
            frame: None,
            message: None,
            control: Vec::new(),
        }
    }

    /// Takes bytes from the front of `chunk` until something is whole or the chunk is empty.
    ///
    /// # Errors
    /// [`Violation`] as soon as it is certain, be the frame whole or not.
    pub(crate) fn feed(&mut self, chunk: &mut Bytes) -> Result<Option<Received>, Violation> {
        loop {
            if self.frame.is_none() {
                match self.read_header(chunk)? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
            }
            if let Some(received) = self.read_payload(chunk)? {
                return Ok(Some(received));
            }
            if chunk.is_empty() {
                return Ok(None);
            }
        }
    }

    fn read_header(&mut self, chunk: &mut Bytes) -> Result<Option<Frame>, Violation> {
        loop {
            let wanted = header_bytes(&self.header[..self.header_bytes]);
            if self.header_bytes == wanted {
                let frame = self.parse_header()?;
                self.header_bytes = 0;
                return Ok(Some(frame));
            }
            if chunk.is_empty() {
                return Ok(None);
            }
            let taken = chunk.len().min(wanted - self.header_bytes);
            self.header[self.header_bytes..self.header_bytes + taken].copy_from_slice(&chunk[..taken]);
            self.header_bytes += taken;
            chunk.advance(taken);
            if self.header_bytes == 2 {
                self.check_start()?;
            }
        }
    }

    /// Judges the first two bytes: what is wrong there needs no more of the frame.
    fn check_start(&self) -> Result<(), Violation> {
        let [first, second] = [self.header[0], self.header[1]];
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a client must mask its frames"));
        }
        let opcode = Opcode::parse(first & 0x0F)?;
        if opcode.is_control() {
            if first & 0x80 == 0 {
                return Err(Violation::Protocol("a control frame must not be fragmented"));
            }
            if usize::from(second & 0x7F) > CONTROL_BYTES_MAX {
                return Err(Violation::Protocol("a control frame carries at most 125 bytes"));
            }
            return Ok(());
        }
        match (opcode, &self.message) {
            (Opcode::Continuation, None) => Err(Violation::Protocol("there is nothing to continue")),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(Violation::Protocol(
                "the message before has not been continued to its end",
            )),
            (Opcode::Binary, None) if !self.limits.binary => Err(Violation::Binary),
            (Opcode::Continuation, Some(_)) | (Opcode::Text | Opcode::Binary, None) => Ok(()),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => Ok(()),
        }
    }

    fn parse_header(&mut self) -> Result<Frame, Violation> {
        let header = &self.header[..self.header_bytes];
        let (length, mask) = header[2..].split_at(header.len() - 6);
        let bytes = match *length {
            [] => u64::from(header[1] & 0x7F),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("`header_bytes` gives 0, 2 or 8 bytes of extended length"),
        };
        let least = match length.len() {
            0 => 0,
            2 => 126,
            _ => 65_536,
        };
        if bytes < least || bytes > i64::MAX.unsigned_abs() {
            return Err(Violation::Protocol("the length is not in its shortest form"));
        }
        let opcode = Opcode::parse(header[0] & 0x0F)?;
        let frame = Frame {
            opcode,
            is_last: header[0] & 0x80 != 0,
            mask: [mask[0], mask[1], mask[2], mask[3]],
            read: 0,
            bytes,
        };
        if !opcode.is_control() {
            let limits = self.limits;
            let message = self
                .message
                .get_or_insert_with(|| Assembly::new(opcode == Opcode::Text));
            message.announce(bytes, limits)?;
        }
        Ok(frame)
    }

    fn read_payload(&mut self, chunk: &mut Bytes) -> Result<Option<Received>, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let left = usize::try_from(frame.bytes - frame.read).unwrap_or(usize::MAX);
        let payload = chunk.split_to(left.min(chunk.len()));
        if frame.opcode.is_control() {
            unmask_into(&mut self.control, &payload, frame);
        } else if let Some(message) = &mut self.message {
            message.append(|buffer| unmask_into(buffer, &payload, frame), payload.len())?;
        }
        frame.read += payload.len() as u64;
        if frame.read < frame.bytes {
            return Ok(None);
        }
        let (opcode, is_last) = (frame.opcode, frame.is_last);
        self.frame = None;
        match opcode {
            Opcode::Ping => Ok(Some(Received::Ping(std::mem::take(&mut self.control).into()))),
            Opcode::Pong => {
                self.control.clear();
                Ok(Some(Received::Pong))
            }
            Opcode::Close => close(&std::mem::take(&mut self.control)).map(Some),
            Opcode::Continuation | Opcode::Text | Opcode::Binary if is_last => {
                self.message.take().map(Assembly::finish).transpose()
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Ok(Some(Received::Fragment)),
        }
    }
}

/// How many bytes the header has that begins with `known`.
fn header_bytes(known: &[u8]) -> usize {
    let extended = match known.get(1).map(|second| second & 0x7F) {
        None => return 2,
        Some(126) => 2,
        Some(127) => 8,
        Some(_) => 0,
    };
    2 + extended + 4
}

fn unmask_into(buffer: &mut Vec<u8>, payload: &[u8], frame: &Frame) {
    let from = buffer.len();
    buffer.extend_from_slice(payload);
    let mut mask = frame.mask;
    mask.rotate_left(usize::try_from(frame.read % 4).unwrap_or(0));
    // By fours, so that the compiler may take whole registers.
    let (fours, rest) = buffer[from..].as_chunks_mut::<4>();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

fn close(payload: &[u8]) -> Result<Received, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(Received::Close(None)),
        [_] => return Err(Violation::Protocol("a close code has two bytes")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    // RFC 6455 §7.4 and the registry that it opens; 1004 to 1006 and 1015 are never sent.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol("the close code must not be used"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::InvalidText);
    }
    Ok(Received::Close(Some(code)))
}

#[cfg(test)]
mod tests;
