//! Fragments → one message, within a bound.

use bytes::Bytes;
use bytestring::ByteString;

use super::decoder::{Limits, Received, Violation};

/// A message whose last fragment has not come yet.
#[derive(Debug)]
pub(crate) struct Assembly {
    is_text: bool,
    /// Bytes that its frames have announced so far.
    announced: u64,
    /// What has come; empty for good once the message is to be dropped.
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that are known to be UTF-8.
    checked: usize,
    is_dropped: bool,
}

impl Assembly {
    pub(crate) fn new(is_text: bool) -> Self {
        Self {
            is_text,
            announced: 0,
            buffer: Vec::new(),
            checked: 0,
            is_dropped: false,
        }
    }

    /// Says that a frame of `bytes` follows.
    pub(crate) fn announce(&mut self, bytes: u64, limits: Limits) -> Result<(), Violation> {
        self.announced = self.announced.saturating_add(bytes);
        if self.announced > limits.dropped_bytes_max as u64 {
            return Err(Violation::TooBig);
        }
        if self.announced > limits.message_bytes_max as u64 {
            self.is_dropped = true;
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Appends `bytes` of payload, written by `write`, and checks them as far as they go.
    pub(crate) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>), bytes: usize) -> Result<(), Violation> {
        if self.is_dropped || bytes == 0 {
            return Ok(());
        }
        write(&mut self.buffer);
        if self.is_text {
            match std::str::from_utf8(&self.buffer[self.checked..]) {
                Ok(_) => self.checked = self.buffer.len(),
                // A character may go on in the next bytes; up to three of it wait.
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(Violation::InvalidText),
            }
        }
        Ok(())
    }

    /// Takes the message after its last fragment.
    pub(crate) fn finish(self) -> Result<Received, Violation> {
        if self.is_dropped {
            return Ok(Received::TooLong);
        }
        if !self.is_text {
            return Ok(Received::Binary(self.buffer.into()));
        }
        ByteString::try_from(Bytes::from(self.buffer))
            .map(Received::Text)
            .map_err(|_| Violation::InvalidText)
    }
}
