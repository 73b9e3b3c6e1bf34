//! A digest of the rows of a table.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

/// The SHA-256 of a row, as four numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowDigest([u64; 4]);

/// The sum of the digests of rows: the same in whatever order they come. Each engine gives them in its own, and sorting them would
/// take room for all of them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TableDigest([u64; 4]);

impl RowDigest {
    /// Of a row's line.
    pub(super) fn of(line: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(line.as_bytes()).into();
        let mut numbers = [0; 4];
        for (number, bytes) in numbers.iter_mut().zip(hash.chunks_exact(8)) {
            *number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        Self(numbers)
    }
}

impl TableDigest {
    /// Adds a row.
    pub(super) fn add(&mut self, row: RowDigest) {
        for (sum, number) in self.0.iter_mut().zip(row.0) {
            *sum = sum.wrapping_add(number);
        }
    }
}

impl fmt::Display for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|number| write!(f, "{number:016x}"))
    }
}

impl fmt::Debug for TableDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TableDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TableDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = |index: usize| {
            let digits = text.get(index * 16..(index + 1) * 16)?;
            u64::from_str_radix(digits, 16).ok()
        };
        match (text.len(), number(0), number(1), number(2), number(3)) {
            (64, Some(a), Some(b), Some(c), Some(d)) => Ok(Self([a, b, c, d])),
            _ => Err(D::Error::custom("a digest has 64 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(rows: &[&str]) -> TableDigest {
        let mut digest = TableDigest::default();
        rows.iter().for_each(|row| digest.add(RowDigest::of(row)));
        digest
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_every_row_does() {
        assert_eq!(digest(&["a", "b", "b"]), digest(&["b", "a", "b"]));
        assert_ne!(digest(&["a", "b", "b"]), digest(&["a", "a", "b"]));
        assert_ne!(digest(&["a", "b", "b"]), digest(&["a"]));
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let one = digest(&["a"]);
        // What `printf a | sha256sum` prints.
        let text = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert_eq!(one.to_string(), text);
        assert_eq!(
            serde_json::from_str::<TableDigest>(&format!("\"{text}\"")).unwrap(),
            one
        );
        assert!(serde_json::from_str::<TableDigest>("\"ca97\"").is_err());
    }
}
