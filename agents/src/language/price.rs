//! What tokens cost, where somebody has said so. A model without a price has none: it never counts as free.

use std::collections::HashMap;

use serde::Deserialize;

use super::TokenUsage;

/// What a model's tokens cost, in USD for a million of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Tokens that it is sent.
    pub input: f64,
    /// Those of them that the provider has in a cache.
    pub cached_input: f64,
    /// Tokens that it writes.
    pub output: f64,
}

impl Price {
    /// What that much costs, in USD.
    #[must_use]
    pub fn of(&self, usage: TokenUsage) -> f64 {
        let cached = usage.cached_input.min(usage.input);
        let fresh = usage.input - cached;
        (fresh as f64 * self.input + cached as f64 * self.cached_input + usage.output as f64 * self.output) / 1e6
    }
}

/// Prices by provider and model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PriceList(HashMap<(String, String), Price>);

/// What is wrong with a list of prices.
#[derive(Debug, thiserror::Error)]
pub enum PriceListError {
    /// It is no TOML, or has other fields.
    #[error("{}", .0.message())]
    Unreadable(#[source] Box<toml::de::Error>),
    /// A price is below 0 or no number.
    #[error("the prices of {model} must be 0 or more")]
    NoPrice {
        /// The model.
        model: String,
    },
    /// A model stands there twice.
    #[error("{model} stands there twice")]
    Twice {
        /// The model.
        model: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    prices: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: String,
    model: String,
    input: f64,
    /// As `input` where left out.
    cached_input: Option<f64>,
    output: f64,
}

impl PriceList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`PriceListError`] with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, PriceListError> {
        let file: File = toml::from_str(text).map_err(|error| PriceListError::Unreadable(Box::new(error)))?;
        let mut prices = HashMap::new();
        for entry in file.prices {
            let price = Price {
                input: entry.input,
                cached_input: entry.cached_input.unwrap_or(entry.input),
                output: entry.output,
            };
            if ![price.input, price.cached_input, price.output]
                .iter()
                .all(|usd| *usd >= 0.0 && usd.is_finite())
            {
                return Err(PriceListError::NoPrice { model: entry.model });
            }
            let model = entry.model.clone();
            if prices.insert((entry.provider, entry.model), price).is_some() {
                return Err(PriceListError::Twice { model });
            }
        }
        Ok(Self(prices))
    }

    /// The price of a model, by its provider's name in the configuration; none where it is unknown.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.0.get(&(provider.to_owned(), model.to_owned())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price_and_an_unknown_model_has_none() {
        let list = PriceList::parse(
            "[[prices]]\nprovider = \"openai\"\nmodel = \"m\"\ninput = 2.0\ncached_input = 0.5\noutput = 8.0",
        )
        .unwrap();
        let usage = TokenUsage {
            input: 1_000_000,
            cached_input: 400_000,
            output: 500_000,
        };
        let price = list.price("openai", "m").unwrap();
        assert!((price.of(usage) - (1.2 + 0.2 + 4.0)).abs() < 1e-9);
        assert_eq!(list.price("openai", "n"), None);
        assert_eq!(list.price("ollama", "m"), None);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        let entry = |model: &str, usd: &str| {
            format!("[[prices]]\nprovider = \"openai\"\nmodel = \"{model}\"\ninput = {usd}\noutput = 1.0\n")
        };
        assert!(PriceList::parse(&entry("m", "-1.0")).is_err());
        assert!(PriceList::parse(&entry("m", "nan")).is_err());
        assert!(PriceList::parse(&(entry("m", "1.0") + &entry("m", "2.0"))).is_err());
        assert!(PriceList::parse("[[prices]]\nmodle = \"m\"").is_err());
    }

    #[test]
    fn the_file_to_be_copied_is_valid_with_its_example_and_has_no_price_without() {
        let template = include_str!("../../../config/pricing.toml");
        assert_eq!(PriceList::parse(template).unwrap(), PriceList::default());
        let example: String = (template.lines())
            .skip_while(|line| *line != "# [[prices]]")
            .map(|line| line.trim_start_matches("# ").to_owned() + "\n")
            .collect();
        assert_eq!(PriceList::parse(&example).unwrap().0.len(), 1);
    }
}
