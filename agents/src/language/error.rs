//! How a language model fails.

use std::time::Duration;

use crate::budget::BudgetQuestion;

/// Why there is no answer, or no more of it.
///
/// What a provider says in words is in none of these, since it may repeat what it was sent: only its word for the kind of error,
/// made sure of by [`provider_word`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LanguageError {
    /// There is no connection to the provider: nothing was sent.
    #[error("the provider cannot be reached: {reason}")]
    Unreachable {
        /// Why, without addresses and secrets.
        reason: String,
    },
    /// Nothing of the answer came for too long.
    #[error("the provider sent nothing of its answer for {} ms", .limit.as_millis())]
    TimedOut {
        /// How long it was waited for.
        limit: Duration,
    },
    /// It has been asked too much.
    #[error("the provider has been asked too often{}", in_brackets(.word.as_deref()))]
    RateLimited {
        /// Its word for that.
        word: Option<String>,
        /// When it may be asked again, as it says.
        retry_after: Option<Duration>,
    },
    /// It has a fault, or too much to do.
    #[error("the provider has a fault{}", in_brackets(.word.as_deref()))]
    Unavailable {
        /// Its word for that, or its HTTP status.
        word: Option<String>,
        /// When it may be asked again, as it says.
        retry_after: Option<Duration>,
        /// Whether a gateway says so that had passed the request on: whoever is behind it may have worked on it.
        was_passed_on: bool,
    },
    /// It does not take the key.
    #[error("the provider does not take the key{}", in_brackets(.word.as_deref()))]
    Unauthorized {
        /// Its word for that, or its HTTP status.
        word: Option<String>,
    },
    /// It does not take the request: the model is unknown, or the conversation too long.
    #[error("the provider does not take the request{}", in_brackets(.word.as_deref()))]
    Rejected {
        /// Its word for that, or its HTTP status.
        word: Option<String>,
    },
    /// It does not speak the protocol.
    #[error("the provider does not speak its protocol: {reason}")]
    Protocol {
        /// Where it does not.
        reason: String,
    },
    /// The connection ended before the answer did, or before it began: the request had left.
    #[error("the provider's answer broke off")]
    CutShort,
    /// It was not asked: it failed too often just now, or wants to be left alone.
    #[error("the provider is not asked just now")]
    Resting {
        /// When it will be.
        retry_after: Duration,
    },
    /// It was not asked: as many requests as it may have are under way.
    #[error("as many requests to the provider as it may have are under way")]
    Busy,
    /// It was not asked: that could cost more than a budget has left.
    #[error("{reason}")]
    OverBudget {
        /// Which budget, what it is, and when it begins anew; for people.
        reason: String,
        /// What a person may decide, who can let it be asked.
        question: Option<Box<BudgetQuestion>>,
    },
    /// It was not asked: nobody could say what its budgets have left.
    #[error("its budgets cannot be checked just now")]
    Unaccounted,
}

/// The kinds of failure, for figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// [`LanguageError::Unreachable`].
    Unreachable,
    /// [`LanguageError::TimedOut`].
    TimedOut,
    /// [`LanguageError::RateLimited`].
    RateLimited,
    /// [`LanguageError::Unavailable`].
    Unavailable,
    /// [`LanguageError::Unauthorized`].
    Unauthorized,
    /// [`LanguageError::Rejected`].
    Rejected,
    /// [`LanguageError::Protocol`].
    Protocol,
    /// [`LanguageError::CutShort`].
    CutShort,
    /// [`LanguageError::Resting`].
    Resting,
    /// [`LanguageError::Busy`].
    Busy,
    /// [`LanguageError::OverBudget`].
    OverBudget,
    /// [`LanguageError::Unaccounted`].
    Unaccounted,
}

impl LanguageError {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unreachable { .. } => FailureKind::Unreachable,
            Self::TimedOut { .. } => FailureKind::TimedOut,
            Self::RateLimited { .. } => FailureKind::RateLimited,
            Self::Unavailable { .. } => FailureKind::Unavailable,
            Self::Unauthorized { .. } => FailureKind::Unauthorized,
            Self::Rejected { .. } => FailureKind::Rejected,
            Self::Protocol { .. } => FailureKind::Protocol,
            Self::CutShort => FailureKind::CutShort,
            Self::Resting { .. } => FailureKind::Resting,
            Self::Busy => FailureKind::Busy,
            Self::OverBudget { .. } => FailureKind::OverBudget,
            Self::Unaccounted => FailureKind::Unaccounted,
        }
    }

    /// Whether the same request may do better a moment later.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self.kind() {
            FailureKind::Unreachable
            | FailureKind::RateLimited
            | FailureKind::Unavailable
            | FailureKind::CutShort
            | FailureKind::Resting => true,
            // Who waited in vain has no time left for more of it; the others would be told the same again.
            FailureKind::TimedOut
            | FailureKind::Busy
            | FailureKind::OverBudget
            | FailureKind::Unaccounted
            | FailureKind::Unauthorized
            | FailureKind::Rejected
            | FailureKind::Protocol => false,
        }
    }

    /// Whether it says that the provider is not well, so that others should not ask it either.
    #[must_use]
    pub fn is_fault_of_provider(&self) -> bool {
        match self.kind() {
            FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Unavailable
            | FailureKind::Protocol
            | FailureKind::CutShort => true,
            FailureKind::RateLimited
            | FailureKind::Unauthorized
            | FailureKind::Rejected
            | FailureKind::Resting
            | FailureKind::Busy
            | FailureKind::OverBudget
            | FailureKind::Unaccounted => false,
        }
    }

    /// Whether a provider may bill a request that failed so before anything came of it: it took the request, and may have worked on it.
    #[must_use]
    pub fn may_be_billed(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Protocol { .. } | Self::CutShort => true,
            Self::Unavailable { was_passed_on, .. } => *was_passed_on,
            Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::Unauthorized { .. }
            | Self::Rejected { .. }
            | Self::Resting { .. }
            | Self::Busy
            | Self::OverBudget { .. }
            | Self::Unaccounted => false,
        }
    }

    /// When it may be asked again, where the provider has said so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Resting { retry_after } => Some(*retry_after),
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Unauthorized { .. }
            | Self::Rejected { .. }
            | Self::Protocol { .. }
            | Self::CutShort
            | Self::Busy
            | Self::OverBudget { .. }
            | Self::Unaccounted => None,
        }
    }
}

fn in_brackets(word: Option<&str>) -> String {
    word.map(|word| format!(" ({word})")).unwrap_or_default()
}

/// What the words of providers for kinds of errors are made of, in lower case.
const WORDS_OF_ERRORS: &str = "aborted above access account active already api argument arguments assistant auth authentication authorization \
    bad balance below billing blocked body budget busy cancelled capacity client code completion concurrency \
    config conflict connection content context country credit credits data day deactivated deadline denied \
    deployment deprecated disabled empty endpoint engine entity error exceed exceeded exception exhausted expired failed \
    failure filter filtered for forbidden format found function gateway hard header http image in inactive incorrect \
    input insufficient internal invalid is json key large length limit limited limits load long many max maximum \
    message messages method minimum minute missing mode model models name no not of organization out output over \
    overloaded parameter parameters per permission plan policy precondition project prompt quota range rate \
    reached read refused region rejected request requests required resource response retry role safety schema \
    server service size soft spend status stream string support supported suspended system temporarily time timed \
    timeout to token tokens too tool tools type unauthenticated unauthorized unavailable unexpected unimplemented \
    unknown unprocessable unsupported upstream usage user value version violation write wrong";
/// A number with more digits is no status and no code.
const DIGITS_MAX: usize = 5;

/// A provider's word for a kind of error, such as `rate_limit_exceeded`; none where it may be anything else, such as a sentence, a
/// name or a key that repeats what the provider was sent: 1 to 64 of A-Z, a-z, 0-9, `_`, `-` and `.`, made of words that errors
/// are made of and of short numbers.
#[must_use]
pub fn provider_word(text: &str) -> Option<String> {
    let is_word = (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let is_of_errors = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) {
        true => part.len() <= DIGITS_MAX,
        false => WORDS_OF_ERRORS.split(' ').any(|known| part.eq_ignore_ascii_case(known)),
    };
    (is_word && parts(text).all(is_of_errors)).then(|| text.to_owned())
}

/// The words in `rate_limit_exceeded`, `RESOURCE_EXHAUSTED`, `BadRequestError` and `http429`.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    let split = word.split(['_', '-', '.']).filter(|part| !part.is_empty());
    split.flat_map(|part| {
        let bytes = part.as_bytes();
        let begins = |at: &usize| {
            let (before, byte) = (bytes[at - 1], bytes[*at]);
            byte.is_ascii_uppercase() && before.is_ascii_lowercase() || byte.is_ascii_digit() != before.is_ascii_digit()
        };
        let ends = (1..part.len()).filter(begins).chain([part.len()]);
        let mut from = 0;
        ends.map(move |end| {
            let found = &part[from..end];
            from = end;
            found
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_no_word_of_a_provider() {
        assert_eq!(
            provider_word("rate_limit_exceeded").as_deref(),
            Some("rate_limit_exceeded")
        );
        for sentence in ["", "my name is Ada", "key: sk-1", &"a".repeat(65), "schlüssel"] {
            assert_eq!(provider_word(sentence), None, "{sentence}");
        }
        // One word may be a name, a password or a key that it was sent.
        for sent in [
            "Ada",
            "ada.lovelace",
            "hunter2",
            "sk-proj-0123456789abcdef",
            "invalid_key_0123456789",
            "model-ada",
        ] {
            assert_eq!(provider_word(sent), None, "{sent}");
        }
        for word in [
            "RESOURCE_EXHAUSTED",
            "BadRequestError",
            "context_length_exceeded",
            "overloaded_error",
            "http_429",
            "HTTP429",
            "1302",
            "invalid_api_key",
            "insufficient_quota",
            "DeploymentNotFound",
        ] {
            assert_eq!(provider_word(word).as_deref(), Some(word));
        }
    }

    #[test]
    fn a_failure_says_its_word_and_nothing_else() {
        let error = LanguageError::Rejected {
            word: Some("model_not_found".into()),
        };
        assert_eq!(
            error.to_string(),
            "the provider does not take the request (model_not_found)"
        );
        assert!(!error.is_worth_retrying());
    }
}
