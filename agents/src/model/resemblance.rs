//! How far the words of a question are said by other words.
//!
//! Each word of the question is held against the one that it resembles most (the greedy matching of `BERTScore`, Zhang et al., 2020,
//! over static vectors): "charity" is then half said by "nonprofit", where counting words would find nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    embedder::{Embedder, cosine},
    knowledge::Query,
    words::{is_stop_word, word_numbers},
};

/// Below this cosine two words have nothing to do with each other.
const UNRELATED: f32 = 0.3;
/// Words whose vectors are kept, about 1 kB each; beyond, all are forgotten. Documents repeat theirs.
const KEPT_WORDS_MAX: usize = 4_096;
/// A word longer than this, in bytes, is no word.
const WORD_BYTES_MAX: usize = 40;

/// Vectors of single words. Looking one up takes less than a tenth of making it.
#[derive(Debug)]
pub(super) struct WordVectors {
    embedder: Arc<Embedder>,
    known: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl WordVectors {
    pub(super) fn new(embedder: Arc<Embedder>) -> Self {
        Self {
            embedder,
            known: Mutex::default(),
        }
    }

    fn of(&self, word: &str) -> Arc<[f32]> {
        // What is kept is whole at any time, so a panic elsewhere does not spoil it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(vector) = known.get(word) {
            return Arc::clone(vector);
        }
        let vector: Arc<[f32]> = self.embedder.embed(word).into();
        if known.len() == KEPT_WORDS_MAX {
            known.clear();
        }
        known.insert(word.to_owned(), Arc::clone(&vector));
        vector
    }
}

/// The words of a question, and of texts as far as they have been looked at.
pub(super) struct Resemblance<'a> {
    vectors: &'a WordVectors,
    /// Each word of the question with its vector and how much it says.
    asked: Vec<(Arc<[f32]>, f32)>,
    /// For each word of a text, how near it is to each word of the question.
    near: HashMap<String, Vec<f32>>,
}

impl<'a> Resemblance<'a> {
    pub(super) fn new(question: &str, query: &Query, vectors: &'a WordVectors) -> Self {
        // A word that the knowledge base does not know says as much as its rarest ones.
        let rarest = query.words.iter().map(|(_, idf)| *idf).fold(1.0, f32::max);
        let says = |word: &str| {
            let number = word_numbers(word).first().copied();
            let known = query.words.iter().find(|(known, _)| Some(*known) == number);
            known.map_or(rarest, |(_, idf)| *idf)
        };
        let mut distinct: Vec<String> = Vec::new();
        for word in words(question) {
            if !distinct.contains(&word) {
                distinct.push(word);
            }
        }
        Self {
            asked: distinct.iter().map(|word| (vectors.of(word), says(word))).collect(),
            vectors,
            near: HashMap::new(),
        }
    }

    /// For each word of the question, how near the nearest word of `text` comes, 0 to 1.
    pub(super) fn nearest(&mut self, text: &str) -> Vec<f32> {
        let mut nearest = vec![0.0_f32; self.asked.len()];
        let mut word = String::new();
        for piece in pieces(text) {
            lower_into(piece, &mut word);
            if is_stop_word(&word) {
                continue;
            }
            if let Some(near) = self.near.get(&word) {
                raise(&mut nearest, near);
                continue;
            }
            let near = self.near_to(&word);
            raise(&mut nearest, &near);
            self.near.insert(word.clone(), near);
        }
        nearest
    }

    /// How near a word comes to each word of the question.
    fn near_to(&self, word: &str) -> Vec<f32> {
        let vector = self.vectors.of(word);
        let near =
            |(asked, _): &(Arc<[f32]>, f32)| ((cosine(asked, &vector) - UNRELATED) / (1.0 - UNRELATED)).clamp(0.0, 1.0);
        self.asked.iter().map(near).collect()
    }

    /// The share of the question that is said, 0 to 1, each word weighted by how much it says; `nearest` is of [`Self::nearest`].
    pub(super) fn share(&self, nearest: &[f32]) -> f32 {
        let all: f32 = self.asked.iter().map(|(_, says)| says).sum();
        let said: f32 = self
            .asked
            .iter()
            .zip(nearest)
            .map(|((_, says), near)| says * near)
            .sum();
        if all > 0.0 { said / all } else { 0.0 }
    }
}

/// Raises each of `nearest` to what `other` has.
pub(super) fn raise(nearest: &mut [f32], other: &[f32]) {
    for (nearest, other) in nearest.iter_mut().zip(other) {
        *nearest = nearest.max(*other);
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    pieces(text).map(str::to_lowercase).filter(|word| !is_stop_word(word))
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX)
}

/// Puts a word into `buffer` in lower case: passages have too many words to allocate for each.
fn lower_into(word: &str, buffer: &mut String) {
    buffer.clear();
    if word.is_ascii() {
        buffer.push_str(word);
        buffer.make_ascii_lowercase();
    } else {
        buffer.push_str(&word.to_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::embedder;

    #[test]
    fn a_word_is_said_by_one_that_resembles_it_and_by_no_other() {
        let vectors = WordVectors::new(Arc::clone(embedder()));
        let query = Query {
            vector: Vec::new(),
            words: Vec::new(),
            unknown_words: 2,
        };
        let mut resemblance = Resemblance::new("What is the refund price?", &query, &vectors);
        let mut share = |text: &str| {
            let nearest = resemblance.nearest(text);
            resemblance.share(&nearest)
        };
        let (same, near, far) = (
            share("The price, and the refund."),
            share("What it costs, and the reimbursement."),
            share("A giraffe."),
        );
        assert!(same > 0.99, "{same}");
        assert!(near < same && near > far + 0.1, "{near}, {far}");
        assert_eq!(share(""), 0.0);
        let nothing = Resemblance::new("", &query, &vectors);
        assert_eq!(nothing.share(&[]), 0.0);
    }
}
