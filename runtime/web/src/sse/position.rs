//! How far a client has got in the stream of one turn: the `id` of its events.

use std::{fmt, str::FromStr};

use actix_web::http::header::HeaderMap;
use orchestratai_shared::MessageId;

/// `seq` of the last durable event and, once the answer has begun, which answer, how many of its UTF-8 bytes, and their
/// hash: `12` or `12.01890a5d-ac96-774b-bcce-b302099a8057.340.9ae16a3b2f90404f`. The hash tells whether the answer still
/// begins with them: while a client was away, it may have been withdrawn and begun anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(super) seq: u64,
    pub(super) partial: Option<Partial>,
}

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(super) message_id: MessageId,
    pub(super) bytes: usize,
    hash: u64,
}

impl Partial {
    /// Nothing yet of an answer.
    pub(super) fn none_of(message_id: MessageId) -> Self {
        Self {
            message_id,
            bytes: 0,
            hash: 0xCBF2_9CE4_8422_2325,
        }
    }

    /// With more of the same answer.
    pub(super) fn and(mut self, more: &str) -> Self {
        self.bytes += more.len();
        // FNV-1a, 64 bits: it guards against accidents, and goes on from where it was.
        for byte in more.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        self
    }

    /// Whether an answer begins with this part.
    pub(super) fn begins(&self, message_id: MessageId, answer: &str) -> bool {
        let had = answer.get(..self.bytes);
        had.is_some_and(|had| *self == Self::none_of(message_id).and(had))
    }
}

impl Position {
    /// Where a client that comes back says it was. What we never gave it counts as nothing: it starts from the beginning.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get("last-event-id")?.to_str().ok()?.parse().ok()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partial {
            None => write!(f, "{}", self.seq),
            Some(Partial {
                message_id,
                bytes,
                hash,
            }) => write!(f, "{}.{message_id}.{bytes}.{hash:016x}", self.seq),
        }
    }
}

/// It is no position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let seq = next().and_then(|seq| seq.parse().ok()).ok_or(NoPosition)?;
        let partial = match (next(), next(), next(), next()) {
            (None, ..) => None,
            (Some(id), Some(bytes), Some(hash), None) => Some(Partial {
                message_id: id.parse().map_err(|_| NoPosition)?,
                bytes: bytes.parse().map_err(|_| NoPosition)?,
                hash: u64::from_str_radix(hash, 16).map_err(|_| NoPosition)?,
            }),
            (Some(_), ..) => return Err(NoPosition),
        };
        Ok(Self { seq, partial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_the_wire() {
        let message_id: MessageId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        for partial in [None, Some(Partial::none_of(message_id).and("G\u{e9}n"))] {
            let position = Position { seq: 12, partial };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for bad in [
            "",
            "x",
            "-1",
            "1.2",
            "1.x.3.4",
            &format!("1.{message_id}.3"),
            &format!("1.{message_id}.3.x"),
        ] {
            assert_eq!(bad.parse::<Position>(), Err(NoPosition), "{bad}");
        }
    }

    #[test]
    fn a_part_begins_only_the_answer_that_it_is_of() {
        let [one, two] = [MessageId::new(), MessageId::new()];
        let part = Partial::none_of(one).and("Hel").and("lo");
        assert_eq!(part, Partial::none_of(one).and("Hello"));
        assert!(part.begins(one, "Hello") && part.begins(one, "Hello there"));
        assert!(!part.begins(two, "Hello there"));
        for other in ["Hell", "hello there", "", "Hell\u{e9}"] {
            assert!(!part.begins(one, other), "{other}");
        }
    }
}
