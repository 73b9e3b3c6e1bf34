//! How many tokens a text is for a model.
//!
//! OpenAI publishes the encodings of its models, and servers of open models have theirs as a file. For the others nobody outside can
//! count: the newest of OpenAI's encodings and a margin stand in for theirs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tiktoken_rs::{
    CoreBPE, bpe_for_tokenizer,
    tokenizer::{Tokenizer as Encoding, get_tokenizer},
};
use tokenizers::Tokenizer;

/// What is added to a count of somebody else's tokens, in hundredths.
const MARGIN: usize = 25;

/// Counts tokens as one model does.
pub struct TokenCounter(Counting);

enum Counting {
    /// By an encoding that comes with the binary, which is the model's own or stands in for it.
    Encoding { encoding: Encoding, is_own: bool },
    /// By the file that came with the model.
    File(Box<Tokenizer>),
}

/// Why a file is no tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenCounterError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no `tokenizer.json`.
    #[error("{} is no tokenizer.json", .path.display())]
    NoTokenizer {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: tokenizers::Error,
    },
}

impl TokenCounter {
    /// By what the model is called; by the newest encoding and a margin where the name says nothing.
    #[must_use]
    pub fn for_model(model: &str) -> Self {
        let own = get_tokenizer(model);
        Self(Counting::Encoding {
            encoding: own.unwrap_or(Encoding::O200kBase),
            is_own: own.is_some(),
        })
    }

    /// By a `tokenizer.json`, as models are published with.
    ///
    /// # Errors
    /// [`TokenCounterError`] where there is none.
    pub fn from_file(path: &Path) -> Result<Self, TokenCounterError> {
        let bytes = fs::read(path).map_err(|source| TokenCounterError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|source| TokenCounterError::NoTokenizer {
            path: path.to_owned(),
            source,
        })?;
        // What its makers set for training would cut what is to be counted.
        tokenizer.with_padding(None);
        if tokenizer.get_truncation().is_some() {
            // Taking a truncation away cannot fail.
            let _ = tokenizer.with_truncation(None);
        }
        Ok(Self(Counting::File(Box::new(tokenizer))))
    }

    /// How many tokens `text` is. Never more than it has bytes, but for the margin: each token of these encodings is a byte at least.
    /// Takes about a millisecond for 10,000 bytes, and the first time of an encoding some 0.4 s: not for the thread of an actor.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        match &self.0 {
            Counting::Encoding { encoding, is_own } => {
                let tokens = bpe(*encoding).map_or(text.len(), |bpe| bpe.count_ordinary(text));
                if *is_own { tokens } else { with_margin(tokens) }
            }
            Counting::File(tokenizer) => match tokenizer.encode_fast(text, false) {
                Ok(encoding) => encoding.len(),
                // What cannot be counted is counted by its bytes, which are more.
                Err(_) => text.len(),
            },
        }
    }

    /// The most tokens that `bytes` bytes of text can be, without counting.
    #[must_use]
    pub fn most(&self, bytes: usize) -> usize {
        match &self.0 {
            Counting::Encoding { is_own: false, .. } => with_margin(bytes),
            Counting::Encoding { is_own: true, .. } | Counting::File(_) => bytes,
        }
    }
}

impl std::fmt::Debug for TokenCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Counting::Encoding { encoding, is_own } => write!(f, "TokenCounter({encoding:?}, its own: {is_own})"),
            Counting::File(_) => f.write_str("TokenCounter(a file)"),
        }
    }
}

fn with_margin(tokens: usize) -> usize {
    tokens.saturating_add(tokens.saturating_mul(MARGIN).div_ceil(100))
}

fn bpe(encoding: Encoding) -> Option<&'static CoreBPE> {
    bpe_for_tokenizer(encoding).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "Rückerstattungen dauern bis zu 14 Tage. Refunds take up to 14 days. 払い戻しには最大14日かかります。";

    #[test]
    fn counts_as_the_models_do_and_never_below_for_one_that_is_unknown() {
        // As OpenAI's own tiktoken says.
        let known = TokenCounter::for_model("gpt-4o-mini");
        assert_eq!(known.count("hello world"), 2);
        assert_eq!(TokenCounter::for_model("gpt-4").count("tiktoken is great!"), 6);
        let unknown = TokenCounter::for_model("claude-sonnet");
        assert_eq!(unknown.count("hello world"), 3);
        assert_eq!(known.count(""), 0);
        for counter in [&known, &unknown] {
            assert!(counter.count(TEXT) <= counter.most(TEXT.len()));
            assert!(counter.count(TEXT) > TEXT.len() / 8);
        }
    }

    #[test]
    fn what_stands_for_something_in_an_encoding_is_a_text_like_others() {
        let counter = TokenCounter::for_model("gpt-4o");
        assert!(counter.count("<|endoftext|>") > 1);
    }

    #[test]
    fn counts_by_a_file_that_came_with_a_model() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/minilm-l6-int8/tokenizer.json");
        let counter = TokenCounter::from_file(&path).unwrap();
        assert_eq!(counter.count("refunds take up to fourteen days"), 7);
        // Its makers cut at 128 tokens.
        assert_eq!(counter.count(&"day ".repeat(1000)), 1000);
        assert!(TokenCounter::from_file(Path::new("/none")).is_err());
        assert!(TokenCounter::from_file(Path::new(file!())).is_err());
    }
}
