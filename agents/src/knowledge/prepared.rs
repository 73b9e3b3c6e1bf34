//! A document made ready for the index: its chunks, and the static embedder's vector of each.
//!
//! What was made before is taken where it is whole; what is missing of it is made here, and handed back to be kept.

use super::{
    FileKind,
    chunk::{self, Format, Section},
    chunk_list,
    chunk_vectors::{ChunkVectors, TextKey, text_key},
    index_parts::{CHUNKER, vectors_of},
};
use crate::embedder::{Embedder, QuantisedVector, StaticEmbedder};

/// What a document is cut from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a str,
    pub(super) title: &'a str,
    pub(super) content: &'a str,
}

/// What was kept of a document, as it was read.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) chunks: Option<Vec<u8>>,
    pub(super) vectors: Option<Vec<u8>>,
}

/// A document, ready for the index.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) format: Format,
    pub(super) sections: Vec<Section>,
    /// What is embedded and searched of each of them.
    pub(super) texts: Vec<String>,
    pub(super) vectors: Vec<QuantisedVector>,
    /// How many of the vectors were computed here.
    pub(super) embedded: usize,
    /// What there was not, by its maker, to be kept.
    pub(super) made: Vec<(String, Vec<u8>)>,
}

impl Prepared {
    /// Makes a document ready.
    pub(super) fn new(source: Source<'_>, kept: Kept, embedder: &StaticEmbedder) -> Self {
        // A document put by hand has whatever path it was given.
        let format = FileKind::of(source.path).map_or(Format::Plain, FileKind::format);
        let mut made = Vec::new();
        let read = |bytes: Vec<u8>| chunk_list::from_bytes(source.title, source.content, &bytes);
        let sections = kept.chunks.and_then(read).unwrap_or_else(|| {
            let cut = chunk::sections(format, source.title, source.content);
            let bytes = chunk_list::to_bytes(source.title, source.content, &cut);
            made.push((CHUNKER.to_owned(), bytes));
            cut
        });
        let indexed = |section: &Section| chunk::indexed_text(source.title, &section.headings, &section.text);
        let texts: Vec<String> = sections.iter().map(indexed).collect();
        let keys: Vec<TextKey> = texts.iter().map(|text| text_key(text)).collect();
        let read = |bytes: Vec<u8>| ChunkVectors::from_bytes(&bytes);
        let of_this_table = |vectors: &ChunkVectors| vectors.is_of(StaticEmbedder::NAME, embedder.dimensions());
        let known = kept.vectors.and_then(read).filter(of_this_table);
        let is_new = known.is_none();
        let mut known = known.unwrap_or_else(|| ChunkVectors::new(StaticEmbedder::NAME));
        let each = texts.iter().zip(&keys);
        let (missing, missing_keys): (Vec<&str>, Vec<TextKey>) = each
            .filter(|(_, key)| !known.by_key.contains_key(*key))
            .map(|(text, key)| (text.as_str(), *key))
            .unzip();
        let Ok(new) = embedder.embed_batch(&missing);
        let new = new.iter().map(|vector| QuantisedVector::new(vector));
        known.by_key.extend(missing_keys.iter().copied().zip(new));
        let vectors = keys.iter().map(|key| known.by_key[key].clone()).collect();
        let embedded = missing.len();
        if is_new || embedded > 0 {
            known.keep_only(keys);
            made.push((vectors_of(StaticEmbedder::NAME), known.to_bytes()));
        }
        Self {
            format,
            sections,
            texts,
            vectors,
            embedded,
            made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    const SOURCE: Source<'_> = Source {
        path: "a.md",
        title: "Refunds",
        content: "# Refunds\n\nFive days.\n\n## By card\n\nTwo days.",
    };

    fn kept(prepared: &Prepared) -> Kept {
        let body = |maker: &str| {
            let mut made = prepared.made.iter();
            made.find(|(by, _)| by.starts_with(maker)).map(|(_, body)| body.clone())
        };
        Kept {
            chunks: body("chunks@"),
            vectors: body(StaticEmbedder::NAME),
        }
    }

    #[test]
    fn what_is_kept_is_not_made_again_and_is_the_same() {
        let embedder = embedder();
        let first = Prepared::new(SOURCE, Kept::default(), embedder);
        assert_eq!((first.sections.len(), first.embedded, first.made.len()), (2, 2, 2));
        let again = Prepared::new(SOURCE, kept(&first), embedder);
        assert_eq!((again.embedded, again.made.len()), (0, 0));
        assert_eq!((again.sections, again.vectors), (first.sections, first.vectors));
    }

    #[test]
    fn what_is_damaged_or_of_another_text_is_made_again_and_never_used() {
        let embedder = embedder();
        let first = Prepared::new(SOURCE, Kept::default(), embedder);
        let flip = |bytes: Option<Vec<u8>>, at: usize| {
            bytes.map(|mut bytes| {
                bytes[at] ^= 1;
                bytes
            })
        };
        let damaged = Kept {
            vectors: flip(kept(&first).vectors, 60),
            ..kept(&first)
        };
        let again = Prepared::new(SOURCE, damaged, embedder);
        assert_eq!((again.embedded, again.made.len()), (2, 1));
        assert_eq!(again.vectors, first.vectors);
        let damaged = Kept {
            chunks: flip(kept(&first).chunks, 20),
            ..kept(&first)
        };
        let again = Prepared::new(SOURCE, damaged, embedder);
        assert_eq!((again.embedded, again.made.len()), (0, 1));
        assert_eq!(again.sections, first.sections);

        // One chunk of two has changed.
        let changed = Source {
            content: "# Refunds\n\nFive days.\n\n## By card\n\nThree days.",
            ..SOURCE
        };
        let other = Prepared::new(changed, kept(&first), embedder);
        assert_eq!((other.embedded, other.made.len()), (1, 2));
        assert_eq!(other.sections[1].text, "Three days.");
        assert_ne!(other.vectors[1], first.vectors[1]);
        // Another table's vectors, under the same keys.
        let mut foreign = ChunkVectors::from_bytes(&kept(&first).vectors.unwrap()).unwrap();
        foreign.model = "another-table".into();
        let foreign = Kept {
            vectors: Some(foreign.to_bytes()),
            ..kept(&first)
        };
        assert_eq!(Prepared::new(SOURCE, foreign, embedder).embedded, 2);
    }
}
