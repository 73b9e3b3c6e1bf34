//! How far a client has got in the stream of one turn: the `id` of its events.

use std::{fmt, str::FromStr};

use actix_web::http::header::HeaderMap;
use orchestratai_shared::MessageId;

/// `seq` of the last durable event and, once the answer has begun, which answer and how many of its UTF-8 bytes:
/// `12` or `12.01890a5d-ac96-774b-bcce-b302099a8057.340`. An answer that is begun anew is another message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) seq: u64,
    pub(super) partial: Option<Partial>,
}

/// A part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) message_id: MessageId,
    pub(super) bytes: usize,
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
            Some(Partial { message_id, bytes }) => write!(f, "{}.{message_id}.{bytes}", self.seq),
        }
    }
}

/// It is no position.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next();
        let seq = next().and_then(|seq| seq.parse().ok()).ok_or(NoPosition)?;
        let partial = match (next(), next()) {
            (None, _) => None,
            (Some(id), Some(bytes)) => Some(Partial {
                message_id: id.parse().map_err(|_| NoPosition)?,
                bytes: bytes.parse().map_err(|_| NoPosition)?,
            }),
            (Some(_), None) => return Err(NoPosition),
        };
        Ok(Self { seq, partial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_the_wire() {
        let message_id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        for partial in [None, Some(Partial { message_id, bytes: 340 })] {
            let position = Position { seq: 12, partial };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for bad in [
            "",
            "x",
            "-1",
            "1.2",
            "1.x.3",
            "1.01890a5d-ac96-774b-bcce-b302099a8057.x",
        ] {
            assert_eq!(bad.parse::<Position>(), Err(NoPosition), "{bad}");
        }
    }
}
