//! How far the words of a question are said by other words: what search asks of a chunk and the extractive model of a passage.
//!
//! Each word of the question is held against the one that it resembles most (the greedy matching of `BERTScore`, Zhang et al., 2020,
//! over static vectors): "charity" is then half said by "nonprofit", where counting words would find nothing.

use std::sync::Arc;

use super::Query;
use crate::{
    embedder::{AskedWord, RelatedWords, StaticEmbedder, WordId},
    words::word_numbers,
};

/// The words of a question.
pub(crate) struct Resemblance {
    /// Each with how much it says.
    asked: Vec<(Arc<AskedWord>, f32)>,
    related: RelatedWords,
}

impl Resemblance {
    pub(crate) fn new(question: &str, query: &Query, embedder: &StaticEmbedder) -> Self {
        // A word that the knowledge base does not know says as much as its rarest ones.
        let rarest = query.words.iter().map(|(_, idf)| *idf).fold(1.0, f32::max);
        // Rare in the collection is not enough: "folks" is, and says nothing. The geometric mean, as the two are on different scales.
        let says = |word: &str| {
            let number = word_numbers(word).first().copied();
            let known = query.words.iter().find(|(known, _)| Some(*known) == number);
            (known.map_or(rarest, |(_, idf)| *idf) * embedder.term_weight(word)).sqrt()
        };
        let asked = embedder.asked_words(question).into_iter();
        let asked: Vec<_> = asked.map(|(word, asked)| (asked, says(&word))).collect();
        Self {
            related: RelatedWords::of(asked.iter().map(|(asked, _)| &**asked)),
            asked,
        }
    }

    /// How many words it has.
    pub(crate) fn words(&self) -> usize {
        self.asked.len()
    }

    /// As [`Self::nearest_into`].
    pub(crate) fn nearest(&self, words: &[WordId]) -> Vec<f32> {
        let mut nearest = Vec::new();
        self.nearest_into(words, &mut nearest);
        nearest
    }

    /// Puts into `nearest`, for each word of the question, how near the nearest of these words comes, 0 to 1.
    pub(crate) fn nearest_into(&self, words: &[WordId], nearest: &mut Vec<f32>) {
        let words = self.related.among(words);
        nearest.clear();
        nearest.extend(self.asked.iter().map(|(asked, _)| asked.nearest(&words)));
    }

    /// The share of the question that is said, 0 to 1, each word weighted by how much it says; `nearest` is of [`Self::nearest`].
    pub(crate) fn share(&self, nearest: &[f32]) -> f32 {
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
pub(crate) fn raise(nearest: &mut [f32], other: &[f32]) {
    for (nearest, other) in nearest.iter_mut().zip(other) {
        *nearest = nearest.max(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::Query;
    use super::*;
    use crate::{embedder::QuantisedVector, testing::embedder};

    #[test]
    fn a_word_is_said_by_one_that_resembles_it_and_by_no_other() {
        let query = Query {
            vector: QuantisedVector::new(&[]),
            words: Vec::new(),
            unknown_words: 2,
            said: 0.0,
        };
        let resemblance = Resemblance::new("What is the refund price?", &query, embedder());
        let share = |text: &str| resemblance.share(&resemblance.nearest(&embedder().word_ids(text)));
        let (same, near, far) = (
            share("The price, and the refund."),
            share("What it costs, and the reimbursement."),
            share("A giraffe."),
        );
        assert!(same > 0.99, "{same}");
        assert!(near < same && near > far + 0.1, "{near}, {far}");
        assert_eq!(share(""), 0.0);
        let nothing = Resemblance::new("", &query, embedder());
        assert_eq!(nothing.share(&[]), 0.0);
    }

    #[test]
    fn a_word_counts_by_what_it_says_in_english() {
        let query = Query {
            vector: QuantisedVector::new(&[]),
            words: Vec::new(),
            unknown_words: 2,
            said: 0.0,
        };
        let resemblance = Resemblance::new("I would like a refund", &query, embedder());
        let share = |text: &str| resemblance.share(&resemblance.nearest(&embedder().word_ids(text)));
        let (refund, like) = (share("Refunds, a refund"), share("I like it"));
        assert!(refund > 0.6 && like < 0.4, "{refund}, {like}");
    }
}
