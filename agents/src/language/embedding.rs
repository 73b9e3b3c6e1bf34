//! Models that make vectors of texts.

use std::time::Duration;

use async_trait::async_trait;

use super::{LanguageError, Spender, TokenUsage};

/// Numbers in one vector at most: four times as many as any model in use has.
const DIMENSIONS_MAX: usize = 16_384;

/// A model that says where texts stand in its space. What two models say cannot be compared, so none stands in for another.
#[async_trait]
pub trait EmbeddingModel: Send + Sync {
    /// The vectors of the texts of a request. Dropping the future closes the request upstream.
    ///
    /// # Errors
    /// [`LanguageError`]; there are no vectors of some of the texts then.
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError>;
}

/// Texts of which vectors are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRequest {
    /// The texts, none of them empty.
    pub texts: Vec<String>,
    /// What they are.
    pub purpose: EmbeddingPurpose,
    /// How long the vectors are waited for, with all attempts and waits between.
    pub within: Duration,
    /// For whom they are asked; nobody where it is for no turn.
    pub spender: Option<Spender>,
}

/// What a text is: some models read a question in another way than what may answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingPurpose {
    /// It is searched for.
    Question,
    /// It is searched.
    Passage,
}

/// Vectors, one for each text, in the order of the texts: all of the same number of dimensions and of unit length.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    vectors: Vec<Vec<f32>>,
    usage: Option<TokenUsage>,
}

impl Embeddings {
    /// What a provider has said of `texts` texts, brought to unit length, and the tokens that it reports for it.
    ///
    /// # Errors
    /// [`LanguageError::Protocol`] where there are fewer or more vectors than texts, or they differ in their number of dimensions, have
    /// none or too many, or say nothing: a number that is none, or all of them 0.
    pub fn new(vectors: Vec<Vec<f32>>, texts: usize, usage: Option<TokenUsage>) -> Result<Self, LanguageError> {
        let broken = |reason: String| LanguageError::Protocol { reason };
        if vectors.len() != texts {
            return Err(broken(format!("it gives {} vectors for {texts} texts", vectors.len())));
        }
        let dimensions = vectors.first().map_or(1, Vec::len);
        if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
            return Err(broken(format!("its vectors have {dimensions} dimensions")));
        }
        if let Some(other) = vectors.iter().find(|vector| vector.len() != dimensions) {
            let reason = format!("its vectors have {dimensions} dimensions, and others {}", other.len());
            return Err(broken(reason));
        }
        let vectors: Option<Vec<Vec<f32>>> = vectors.into_iter().map(of_unit_length).collect();
        let vectors = vectors.ok_or_else(|| broken("one of its vectors has no direction".into()))?;
        Ok(Self { vectors, usage })
    }

    /// The vectors.
    #[must_use]
    pub fn into_vectors(self) -> Vec<Vec<f32>> {
        self.vectors
    }

    /// The tokens that the provider reports; none where it reports none.
    #[must_use]
    pub fn usage(&self) -> Option<TokenUsage> {
        self.usage
    }
}

/// The vector with a length of 1; none where it has no direction.
fn of_unit_length(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    // In twice the width: the squares of what a provider may send do not overflow.
    let length = vector
        .iter()
        .map(|number| f64::from(*number).powi(2))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() || length < 1e-12 {
        return None;
    }
    vector
        .iter_mut()
        .for_each(|number| *number = (f64::from(*number) / length) as f32);
    Some(vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(vectors: Vec<Vec<f32>>, texts: usize) -> String {
        Embeddings::new(vectors, texts, None).unwrap_err().to_string()
    }

    #[test]
    fn vectors_are_of_unit_length_whatever_a_provider_sends() {
        let embeddings = Embeddings::new(vec![vec![3.0, 4.0], vec![1e30, 0.0]], 2, None).unwrap();
        assert_eq!(embeddings.into_vectors(), [[0.6, 0.8], [1.0, 0.0]]);
        assert_eq!(Embeddings::new(Vec::new(), 0, None).unwrap().into_vectors().len(), 0);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        assert!(reason(vec![vec![1.0]], 2).contains("1 vectors for 2 texts"));
        assert!(reason(vec![vec![1.0], vec![1.0, 2.0]], 2).contains("1 dimensions, and others 2"));
        assert!(reason(vec![Vec::new()], 1).contains("0 dimensions"));
        assert!(reason(vec![vec![1.0; DIMENSIONS_MAX + 1]], 1).contains("16385 dimensions"));
        for nothing in [vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0]] {
            assert!(reason(vec![nothing], 1).contains("no direction"));
        }
    }
}
