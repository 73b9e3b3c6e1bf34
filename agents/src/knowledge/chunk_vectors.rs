//! An embedder's vectors of chunks, in int8, each under a key made from the chunk's text.
//!
//! One of the transformer takes 10 to 40 ms to make, so none is made twice: the keys say which are known from the database, from an
//! earlier index of the collection, or from what is shipped with the demo. A vector is used for the text that it was made of, and for
//! no other, whatever else may be out of date.
//!
//! As bytes: `OTV1`, then in little endian the length of the model's name (u32) and the name, dimensions (u32), rows (u32),
//! for each row its key (16 bytes), scale (f32) and values (i8), and at last the SHA-256 of all before it.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::embedder::QuantisedVector;

const MAGIC: &[u8; 4] = b"OTV1";
const KEY_BYTES: usize = 16;
const CHECKSUM_BYTES: usize = 32;

/// Names a text: the first half of its SHA-256.
pub(crate) type TextKey = [u8; KEY_BYTES];

/// The key of a text.
pub(crate) fn text_key(text: &str) -> TextKey {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut key = TextKey::default();
    key.copy_from_slice(&digest[..KEY_BYTES]);
    key
}

/// Vectors of one embedder by the key of their text.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkVectors {
    /// The name of the embedder that made them.
    pub(crate) model: String,
    pub(crate) by_key: HashMap<TextKey, QuantisedVector>,
}

impl ChunkVectors {
    pub(crate) fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            by_key: HashMap::new(),
        }
    }

    /// Whether they are vectors of this embedder, of so many numbers each.
    pub(crate) fn is_of(&self, model: &str, dimensions: usize) -> bool {
        let mut vectors = self.by_key.values();
        self.model == model && vectors.all(|vector| vector.values().len() == dimensions)
    }

    /// Forgets all but these.
    pub(crate) fn keep_only(&mut self, keys: impl IntoIterator<Item = TextKey>) {
        let keys: HashSet<TextKey> = keys.into_iter().collect();
        self.by_key.retain(|key, _| keys.contains(key));
    }

    /// As bytes; the same vectors give the same bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let dimensions = self.by_key.values().next().map_or(0, |vector| vector.values().len());
        let mut rows: Vec<(&TextKey, &QuantisedVector)> = self.by_key.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| **key);
        let mut bytes = MAGIC.to_vec();
        let put = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend(put(self.model.len()));
        bytes.extend(self.model.as_bytes());
        bytes.extend(put(dimensions));
        bytes.extend(put(rows.len()));
        for (key, vector) in rows {
            bytes.extend(key);
            bytes.extend(vector.scale().to_le_bytes());
            bytes.extend(vector.values().iter().map(|value| value.cast_unsigned()));
        }
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; none where anything is not as it was written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if Sha256::digest(content)[..] != *checksum {
            return None;
        }
        let mut rest = content.strip_prefix(MAGIC)?;
        let model = {
            let length = take_number(&mut rest)?;
            let (model, after) = rest.split_at_checked(length)?;
            rest = after;
            std::str::from_utf8(model).ok()?.to_owned()
        };
        let (dimensions, rows) = (take_number(&mut rest)?, take_number(&mut rest)?);
        let row_bytes = dimensions.checked_add(KEY_BYTES + 4)?;
        if rest.len() != row_bytes.checked_mul(rows)? {
            return None;
        }
        let mut by_key = HashMap::with_capacity(rows);
        for row in rest.chunks_exact(row_bytes) {
            let (key, row) = row.split_first_chunk::<KEY_BYTES>()?;
            let (scale, values) = row.split_first_chunk::<4>()?;
            let values = values.iter().map(|value| value.cast_signed()).collect();
            by_key.insert(*key, QuantisedVector::from_parts(f32::from_le_bytes(*scale), values));
        }
        Some(Self { model, by_key })
    }
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let (number, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> ChunkVectors {
        let mut vectors = ChunkVectors::new("a model");
        for (text, value) in [("one", 0.6_f32), ("two", -0.8)] {
            vectors
                .by_key
                .insert(text_key(text), QuantisedVector::new(&[value, 0.1, 0.0]));
        }
        vectors
    }

    #[test]
    fn bytes_give_the_vectors_back() {
        for vectors in [some(), ChunkVectors::new("empty")] {
            assert_eq!(ChunkVectors::from_bytes(&vectors.to_bytes()), Some(vectors));
        }
        let again = some().by_key[&text_key("one")].cosine(&QuantisedVector::new(&[1.0, 0.0, 0.0]));
        assert!((again - 0.6).abs() < 0.01, "{again}");
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_nothing(at in 0_usize..1_000, bit in 0..8_u32, cut in 0_usize..1_000) {
            let mut bytes = some().to_bytes();
            let (at, cut) = (at % bytes.len(), cut % bytes.len());
            prop_assert_eq!(ChunkVectors::from_bytes(&bytes[..cut]), None);
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(ChunkVectors::from_bytes(&bytes), None);
        }
    }
}
