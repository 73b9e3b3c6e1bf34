//! Bytes as they come, cut into pieces: server-sent events, or lines.
//!
//! Pieces are cut at line ends, which no other UTF-8 sequence contains, and decoded whole; so it does not matter where the network cut
//! them. What does not end within [`PIECE_BYTES_MAX`] is refused, so that no provider can fill the memory.

use std::collections::VecDeque;

use orchestratai_agents::language::LanguageError;

/// A piece may have this many bytes: far more than any provider sends in one, arguments of tool calls included.
pub(crate) const PIECE_BYTES_MAX: usize = 1024 * 1024;
/// A buffer that a long piece has made larger than this is given back once it is empty.
const BUFFER_KEPT_BYTES: usize = 4 * 1024;

/// How a protocol cuts its stream into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events, as the HTML standard has them; a piece is the data of one.
    Events,
    /// One JSON document on each line.
    Lines,
}

/// Takes bytes in, gives pieces out.
#[derive(Debug)]
pub(crate) struct Frames {
    framing: Framing,
    /// The line that has not ended.
    line: Vec<u8>,
    /// The data of the event that has not ended, each line with its end.
    data: Vec<u8>,
    has_data: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    at_start: bool,
    pieces: VecDeque<String>,
}

impl Frames {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            framing,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_cr: false,
            at_start: true,
            pieces: VecDeque::new(),
        }
    }

    /// The next whole piece.
    pub(crate) fn pop(&mut self) -> Option<String> {
        self.pieces.pop_front()
    }

    /// Takes what has come.
    ///
    /// # Errors
    /// [`LanguageError::Protocol`] where a piece is too long.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), LanguageError> {
        if std::mem::take(&mut self.after_cr) && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend_line(&bytes[..end])?;
            let is_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_cr {
                match bytes.first() {
                    Some(b'\n') => bytes = &bytes[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            self.end_line()?;
        }
        self.extend_line(bytes)
    }

    /// The stream has ended. A line without an end is one all the same; an event without an end is none, as the standard has it.
    pub(crate) fn finish(&mut self) -> Result<(), LanguageError> {
        match self.framing {
            Framing::Events => Ok(()),
            Framing::Lines => self.end_line(),
        }
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), LanguageError> {
        if self.line.len() + bytes.len() > PIECE_BYTES_MAX {
            return Err(too_long());
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), LanguageError> {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.at_start) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        match self.framing {
            Framing::Lines => {
                let text = String::from_utf8_lossy(&line);
                if !text.trim().is_empty() {
                    self.pieces.push_back(text.into_owned());
                }
            }
            Framing::Events => self.end_event_line(&line)?,
        }
        if line.capacity() <= BUFFER_KEPT_BYTES {
            line.clear();
            self.line = line;
        }
        Ok(())
    }

    fn end_event_line(&mut self, line: &[u8]) -> Result<(), LanguageError> {
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                let data = std::mem::take(&mut self.data);
                self.pieces.push_back(String::from_utf8_lossy(&data).into_owned());
            }
            return Ok(());
        }
        // Other fields say nothing that the data does not; a line that begins with a colon is a comment, such as to keep the
        // connection alive.
        let value = match line.strip_prefix(b"data") {
            Some(b"") => &b""[..],
            Some(rest) => match rest.strip_prefix(b":") {
                Some(value) => value.strip_prefix(b" ").unwrap_or(value),
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        if self.data.len() + value.len() + 1 > PIECE_BYTES_MAX {
            return Err(too_long());
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        self.has_data = true;
        Ok(())
    }
}

fn too_long() -> LanguageError {
    LanguageError::Protocol {
        reason: format!("a piece of its answer has more than {PIECE_BYTES_MAX} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(framing: Framing, chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
        let mut frames = Frames::new(framing);
        for chunk in chunks {
            frames.push(chunk.as_ref()).unwrap();
        }
        frames.finish().unwrap();
        std::iter::from_fn(|| frames.pop()).collect()
    }

    #[test]
    fn events_are_the_same_wherever_the_network_cuts_them() {
        let stream = "\u{feff}: keep-alive\n\ndata: Grüße 🦀\r\n\r\nevent: x\rdata:two\rdata: lines\r\rid: 1\n\ndata\n\ndata: open".as_bytes();
        let expected = ["Grüße 🦀", "two\nlines", ""];
        assert_eq!(pieces(Framing::Events, [stream]), expected);
        assert_eq!(pieces(Framing::Events, stream.chunks(1)), expected);
        for cut in 0..stream.len() {
            assert_eq!(
                pieces(Framing::Events, [&stream[..cut], &stream[cut..]]),
                expected,
                "{cut}"
            );
        }
    }

    #[test]
    fn lines_are_the_same_wherever_the_network_cuts_them() {
        let stream = "{\"a\":\"ü\"}\r\n\n{\"b\":1}\n{\"c\":2}".as_bytes();
        let expected = ["{\"a\":\"ü\"}", "{\"b\":1}", "{\"c\":2}"];
        for size in 1..stream.len() {
            assert_eq!(pieces(Framing::Lines, stream.chunks(size)), expected, "{size}");
        }
    }

    #[test]
    fn a_piece_without_end_is_refused_before_it_fills_the_memory() {
        for framing in [Framing::Events, Framing::Lines] {
            let mut frames = Frames::new(framing);
            let chunk = vec![b'x'; 64 * 1024];
            let refused = (0..PIECE_BYTES_MAX / chunk.len() + 1).any(|_| frames.push(&chunk).is_err());
            assert!(refused);
        }
        let mut frames = Frames::new(Framing::Events);
        let line = format!("data: {}\n", "x".repeat(1_000));
        assert!(
            (0..2_000).any(|_| frames.push(line.as_bytes()).is_err()),
            "an event of many lines as well"
        );
    }

    #[test]
    fn a_long_piece_leaves_no_large_buffer_behind() {
        let mut frames = Frames::new(Framing::Events);
        frames
            .push(format!("data: {}\n\n", "x".repeat(500_000)).as_bytes())
            .unwrap();
        assert!(frames.line.capacity() <= BUFFER_KEPT_BYTES && frames.data.capacity() == 0);
    }
}
