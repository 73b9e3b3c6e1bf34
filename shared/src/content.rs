//! What a user may say, and how sure an answer is.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Invalid;

/// The text of a user's message: 1 to 2,000 Unicode scalar values, not white space alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 2000, pattern = r"\S")]
pub struct MessageContent(Arc<str>);

impl MessageContent {
    /// The longest message, in Unicode scalar values.
    pub const CHARACTERS_MAX: usize = 2_000;

    /// Takes a text as it is: nothing is trimmed or changed.
    ///
    /// # Errors
    /// [`Invalid`] where it is empty, white space alone, or longer than [`Self::CHARACTERS_MAX`].
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, Invalid> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(Invalid::new("must hold at least one character that is not white space"));
        }
        let characters = text.chars().count();
        if characters > Self::CHARACTERS_MAX {
            return Err(Invalid::new(format!(
                "must be at most {} characters long, and has {characters}",
                Self::CHARACTERS_MAX
            )));
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for MessageContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// How sure an answer or a decision is: 0 to 1, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(from = "f64", into = "f64")]
#[schema(value_type = f64, minimum = 0.0, maximum = 1.0)]
pub struct Confidence(f64);

impl Confidence {
    /// Takes a probability; what lies outside 0 to 1 is moved to the nearest end, and what is no number is 0.
    #[must_use]
    pub fn new(probability: f64) -> Self {
        if probability.is_nan() {
            return Self(0.0);
        }
        Self((probability.clamp(0.0, 1.0) * 100.0).round() / 100.0)
    }

    /// The value, 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<f64> for Confidence {
    fn from(probability: f64) -> Self {
        Self::new(probability)
    }
}

impl From<Confidence> for f64 {
    fn from(confidence: Confidence) -> Self {
        confidence.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn length_counts_scalar_values_not_bytes() {
        assert!(MessageContent::parse("é".repeat(2_000)).is_ok());
        assert!(MessageContent::parse("é".repeat(2_001)).is_err());
        for blank in ["", " ", "\n\t \u{a0}\u{2003}"] {
            assert!(MessageContent::parse(blank).is_err(), "{blank:?}");
        }
    }

    proptest! {
        #[test]
        fn a_confidence_is_always_hundredths_between_0_and_1(raw in proptest::num::f64::ANY) {
            let value = Confidence::new(raw).get();
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert!(((value * 100.0).round() - value * 100.0).abs() < 1e-9);
        }
    }
}
