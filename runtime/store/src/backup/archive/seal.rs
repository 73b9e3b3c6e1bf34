//! The end of the file: a digest of all that stands before it.
//!
//! It is a skippable frame, which those who unpack Zstandard pass over:
//! <https://www.rfc-editor.org/rfc/rfc8878#name-skippable-frames>.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// One of the sixteen magic numbers of skippable frames, and the length of what follows, little-endian.
const HEAD: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];
const SEAL: usize = HEAD.len() + 32;

/// Hashes what is written through it.
pub(super) struct Sealing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Sealing<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Writes the seal. Gives the writer, and the length of everything.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(super) fn seal(mut self) -> io::Result<(W, u64)> {
        self.inner.write_all(&HEAD)?;
        self.inner.write_all(&self.hash.finalize())?;
        self.inner.flush()?;
        Ok((self.inner, self.bytes + SEAL as u64))
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Gives what stands before the seal, and hashes it.
pub(super) struct Sealed<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
    buffer: Box<[u8]>,
    /// Where in the buffer that stands which was read and not given; of that the last may be the seal.
    start: usize,
    end: usize,
}

const BUFFER: usize = 64 << 10;

impl<R: Read> Sealed<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
        }
    }

    /// Once all was read: the length of everything, if the seal fits.
    pub(super) fn length_if_whole(&self) -> Option<u64> {
        let (head, digest) = self.buffer[self.start..self.end].split_at_checked(HEAD.len())?;
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        (head == HEAD && digest == hash).then_some(self.bytes + SEAL as u64)
    }
}

impl<R: Read> Read for Sealed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.end - self.start <= SEAL {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            match self.inner.read(&mut self.buffer[self.end..])? {
                0 => return Ok(0),
                read => self.end += read,
            }
        }
        let given = Ord::min(self.end - self.start - SEAL, out.len());
        let bytes = &self.buffer[self.start..self.start + given];
        out[..given].copy_from_slice(bytes);
        self.hash.update(bytes);
        self.bytes += given as u64;
        self.start += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(text: &[u8]) -> Vec<u8> {
        let mut sealing = Sealing::new(Vec::new());
        sealing.write_all(text).unwrap();
        let (file, length) = sealing.seal().unwrap();
        assert_eq!(file.len() as u64, length);
        file
    }

    /// Gives a byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = Ord::min(1, out.len());
            self.0.read(&mut out[..length])
        }
    }

    fn unsealed(file: impl Read) -> (Vec<u8>, Option<u64>) {
        let mut sealed = Sealed::new(file);
        let mut text = Vec::new();
        sealed.read_to_end(&mut text).unwrap();
        (text, sealed.length_if_whole())
    }

    #[test]
    fn what_was_sealed_is_given_back_however_it_comes() {
        for length in [0, 1, SEAL - 1, SEAL, SEAL + 1, BUFFER - SEAL, BUFFER, 3 * BUFFER + 7] {
            let text: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let file = sealed(&text);
            let whole = Some(file.len() as u64);
            assert_eq!(unsealed(&file[..]), (text.clone(), whole));
            assert_eq!(unsealed(Slowly(&file)), (text, whole));
        }
    }

    #[test]
    fn every_bit_counts_and_every_byte() {
        let file = sealed(b"something");
        for at in 0..file.len() {
            assert_eq!(unsealed(&file[..at]).1, None);
            for bit in 0..8 {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(unsealed(&damaged[..]).1, None, "byte {at}, bit {bit}");
            }
        }
        assert_eq!(unsealed(&[&file[..], b"!"].concat()[..]).1, None);
    }
}
