//! Sentence embeddings: text in, a vector of unit length out.

mod products;
mod provided;
mod quantised;
mod second_stage;
mod transformer;
mod word_table;
mod yardstick;

use std::{
    borrow::Cow,
    collections::HashMap,
    convert::Infallible,
    error::Error,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use model2vec_rs::model::StaticModel;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;

pub use self::provided::{ProvidedEmbedder, ProvidedError, ProvidedSettings};
pub(crate) use self::quantised::{QuantisedMatrix, QuantisedVector};
pub use self::second_stage::{NotEmbedded, SecondStage};
pub use self::transformer::{Transformer, TransformerError};
use self::word_table::WordTable;
pub(crate) use self::word_table::{AskedWord, RelatedWords, WordId};
pub(crate) use self::yardstick::Scale;

/// Numbers in one embedding.
pub const DIMENSIONS: usize = 256;
/// Numbers that are multiplied side by side; divides [`DIMENSIONS`].
const LANES: usize = 32;
/// So many words are remembered with what they weigh: half a megabyte.
const WEIGHED_WORDS_MAX: usize = 8_192;
/// What is shorter has no direction.
const LENGTH_MIN: f32 = 1e-12;

const TOKENIZER: &[u8] = include_bytes!("../assets/minilm-static/tokenizer.json");
const TABLE: &[u8] = include_bytes!("../assets/minilm-static/model.safetensors");
const CONFIG: &[u8] = include_bytes!("../assets/minilm-static/config.json");

/// What makes a vector of unit length of a text: a table or a transformer.
///
/// Who knows which it has calls it directly; only where whichever was configured is loaded, and a text costs milliseconds anyway, does
/// it stand behind a pointer.
pub trait Embedder: Send + Sync {
    /// Why a text has no embedding; [`Infallible`] where every text has one.
    type Error: Error + Send + Sync + 'static;

    /// Names the weights: vectors made under another name cannot be compared with these.
    fn name(&self) -> &str;

    /// Numbers in one embedding.
    fn dimensions(&self) -> usize;

    /// The embedding of `text`: [`Self::dimensions`] numbers of length 1, or all 0 where the text says nothing to the model.
    ///
    /// # Errors
    /// [`Self::Error`] where this text has none.
    fn embed(&self, text: &str) -> Result<Vec<f32>, Self::Error>;

    /// The embeddings of all texts, in their order, on all threads of the pool that it is called on.
    ///
    /// # Errors
    /// [`Self::Error`] of one of the texts that have none.
    fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Self::Error> {
        // One by one: a long text takes as long as many short ones.
        let each = texts.par_iter().with_max_len(1);
        each.map(|text| self.embed(text)).collect()
    }
}

/// The static embedding table that is compiled in. Needs no file, no network; about 5 µs for a question, 10 MB of memory.
#[derive(Debug)]
pub struct StaticEmbedder {
    /// Gives the mean of a text's vectors as it is; its length is what [`Self::term_weight`] asks for.
    model: StaticModel,
    words: WordTable,
    term_weights: RwLock<FxHashMap<Box<str>, f32>>,
}

impl StaticEmbedder {
    /// Names the table; an index made with another one is not compatible.
    pub const NAME: &'static str = "minilm-static-256";

    /// Reads the compiled-in table; takes about 0.1 s, so make one and share it.
    #[must_use]
    pub fn embedded() -> Self {
        let model = StaticModel::from_bytes(TOKENIZER, TABLE, CONFIG, Some(false))
            .expect("the compiled-in table is whole: a test reads it");
        Self {
            model,
            words: WordTable::default(),
            term_weights: RwLock::default(),
        }
    }

    /// Whether the table has this word, in lower case, as a whole.
    #[must_use]
    pub fn has_word(&self, word: &str) -> bool {
        // Read when it is first asked for: most questions have no unknown word.
        static WORDS: OnceLock<FxHashSet<Box<str>>> = OnceLock::new();
        WORDS.get_or_init(whole_words).contains(word)
    }

    /// The embedding of `text`: [`DIMENSIONS`] numbers of length 1, or all 0 where the text has no known word piece.
    /// Reads at most 512 word pieces. As that of [`Embedder`], without an error that cannot be.
    #[must_use]
    pub fn embed(&self, text: &str) -> Vec<f32> {
        let mut vector = self.model.encode_single(text);
        let length = length(&vector).max(LENGTH_MIN);
        vector.iter_mut().for_each(|number| *number /= length);
        vector
    }

    /// How much a word weighs among others: the length of its vector before it is brought to unit length, 0 where no piece of it is known.
    ///
    /// The table was fitted to the vectors of a transformer, and with it how far each word turns those of its sentence: "please" and
    /// "like" weigh less than 1, "refund" and "voucher" more than 3. So it says of English what the inverse document frequency says of
    /// a collection, as smooth inverse frequency does (Arora et al., 2017). About 50 ns for a word that was asked for before.
    pub(crate) fn term_weight(&self, word: &str) -> f32 {
        // What is kept is whole at any time, so a panic elsewhere does not spoil it.
        let known = self.term_weights.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(weight) = known.get(word) {
            return *weight;
        }
        drop(known);
        let weight = length(&self.model.encode_single(word));
        let mut known = self.term_weights.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= WEIGHED_WORDS_MAX {
            known.clear();
        }
        known.insert(word.into(), weight);
        weight
    }

    /// The words of a text that is kept, without repeats and stop words: what [`AskedWord::nearest`] compares with.
    pub(crate) fn word_ids(&self, text: &str) -> Box<[WordId]> {
        self.words.ids(text, self)
    }

    /// The words of a question, without repeats and stop words, in order, each with how near other words are to it.
    pub(crate) fn asked_words(&self, question: &str) -> Vec<(String, Arc<AskedWord>)> {
        self.words.asked(question, self)
    }
}

impl Embedder for StaticEmbedder {
    type Error = Infallible;

    fn name(&self) -> &str {
        Self::NAME
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn embed(&self, text: &str) -> Result<Vec<f32>, Infallible> {
        Ok(Self::embed(self, text))
    }
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

fn whole_words() -> FxHashSet<Box<str>> {
    #[derive(Deserialize)]
    struct Tokenizer<'a> {
        #[serde(borrow)]
        model: Model<'a>,
    }
    #[derive(Deserialize)]
    struct Model<'a> {
        #[serde(borrow)]
        vocab: HashMap<Cow<'a, str>, u32>,
    }
    let tokenizer: Tokenizer<'_> =
        serde_json::from_slice(TOKENIZER).expect("the compiled-in tokenizer is whole: a test reads it");
    let pieces = tokenizer.model.vocab.into_keys();
    // `##` marks what only continues a word.
    pieces
        .filter(|piece| piece.chars().all(char::is_alphabetic))
        .map(|piece| piece.into_owned().into_boxed_str())
        .collect()
}

/// The dot product, which is the cosine for vectors of unit length; 0 where one of them is all 0. The same on every machine.
#[must_use]
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    with_vector_instructions(
        #[inline(always)]
        || {
            // Many sums side by side, so that the compiler can use vector instructions (it may not reorder one float sum), and so
            // that none waits for the one before.
            let mut sums = [0.0_f32; LANES];
            let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
            for (a, b) in a.iter().zip(b) {
                for lane in 0..LANES {
                    sums[lane] += a[lane] * b[lane];
                }
            }
            sums.iter().sum()
        },
    )
}

/// Runs `work` compiled for the widest vector instructions that this machine has; without this it would be those that every machine
/// of its kind has.
#[inline]
fn with_vector_instructions<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    #[test]
    fn the_table_gives_the_vectors_it_was_published_with() {
        for (text, expected) in [
            (
                "How do I rotate my API key?",
                [-0.105_334, 0.009_471, 0.026_957, 0.154_456],
            ),
            (
                "refund the invoice, please",
                [-0.070_184, 0.021_806, -0.198_633, 0.042_057],
            ),
        ] {
            let vector = embedder().embed(text);
            assert_eq!(vector.len(), DIMENSIONS);
            for (found, wanted) in vector.iter().zip(expected) {
                assert!((found - wanted as f32).abs() < 1e-5, "{text}: {found} is not {wanted}");
            }
            assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_batch_is_its_texts_one_by_one_whatever_the_model() {
        fn check<E: Embedder>(model: &E) {
            let texts = ["rotate the key", "", "refund"];
            let batch = model.embed_batch(&texts).unwrap();
            let each: Vec<_> = texts.iter().map(|text| model.embed(text).unwrap()).collect();
            assert_eq!(batch, each, "{}", model.name());
            assert!(batch.iter().all(|vector| vector.len() == model.dimensions()));
        }
        check(embedder().as_ref());
        check(&Transformer::embedded().unwrap());
    }

    #[test]
    fn whole_words_are_known_and_pieces_are_not() {
        assert!(embedder().has_word("voucher") && embedder().has_word("invoice"));
        assert!(!embedder().has_word("cansel") && !embedder().has_word("##ing"));
    }

    #[test]
    fn a_word_weighs_by_how_much_it_says_of_a_sentence() {
        let weight = |word: &str| embedder().term_weight(word);
        for small in ["please", "like", "want"] {
            assert!(weight(small) < 1.0, "{small}: {}", weight(small));
        }
        for large in ["refund", "voucher"] {
            assert!(weight(large) > 3.0, "{large}: {}", weight(large));
        }
        assert_eq!(weight("refund"), weight("refund"));
        assert_eq!(weight(""), 0.0);
        let small = StaticEmbedder::embedded();
        for number in 0..=WEIGHED_WORDS_MAX {
            small.term_weight(&format!("word{number}"));
        }
        assert_eq!(small.term_weights.read().unwrap().len(), 1);
    }

    #[test]
    fn a_text_without_a_known_piece_is_near_nothing() {
        let nothing = embedder().embed("");
        assert_eq!(nothing.len(), DIMENSIONS);
        assert_eq!(cosine(&nothing, &embedder().embed("refund")), 0.0);
    }
}
