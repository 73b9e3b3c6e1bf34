//! Tokens and money: the most that a request can cost, and what one has cost.

use crate::language::{ChatMessage, ChatRequest, Price, ResponseFormat, TokenUsage};

/// Tokens that a request takes beside its texts: the marks around each message, and the instructions that providers add where
/// there are tools (some 500 with Anthropic's models, which add most).
const TOKENS_OF_REQUEST: u64 = 64;
const TOKENS_OF_MESSAGE: u64 = 16;
const TOKENS_OF_TOOLS: u64 = 1_024;

const NANOS: f64 = 1e9;
/// Beyond this, nearly ten billion USD, amounts are cut: databases count so far.
const MAX: u64 = i64::MAX as u64;

/// So much of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Tokens, sent and written together.
    pub tokens: u64,
    /// USD, in billionths; 0 for tokens without a price.
    pub usd_nanos: u64,
}

/// What a request may cost and has cost, in tokens of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement(TokenUsage);

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was never sent.
    Unsent,
    /// The answer is complete.
    Complete,
    /// There is none, or no more of it.
    Failed {
        /// Whether the provider may bill it all the same.
        may_be_billed: bool,
    },
    /// Nobody wanted it any more.
    Dropped,
}

/// What came of a request so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Heard {
    /// The last report of the provider.
    pub(super) reported: Option<TokenUsage>,
    /// Whether anything has come.
    pub(super) has_begun: bool,
    /// Whether a part of the answer has come after the last report, which so does not count all.
    pub(super) has_spoken_since: bool,
}

impl Amount {
    /// What `used` comes to. Fractions of a billionth are rounded up.
    #[must_use]
    pub fn of(used: TokenUsage, price: Option<Price>) -> Self {
        Self {
            tokens: used.total().min(MAX),
            usd_nanos: price.map_or(0, |price| nanos(price.of(used))),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens).min(MAX),
            usd_nanos: self.usd_nanos.saturating_add(other.usd_nanos).min(MAX),
        }
    }

    /// What is left without `other`, none below 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            usd_nanos: self.usd_nanos.saturating_sub(other.usd_nanos),
        }
    }

    /// The same in USD.
    #[must_use]
    pub fn usd(self) -> f64 {
        self.usd_nanos as f64 / NANOS
    }
}

/// USD in billionths, rounded up. What is below 0 or no number is 0.
pub(super) fn nanos(usd: f64) -> u64 {
    // The last places of a float are no part of a price: 0.15 × 1,000 would be rounded up to one more.
    let nanos = (usd * NANOS - 1e-3).ceil().max(0.0);
    (nanos as u64).min(MAX)
}

impl Requirement {
    /// The most that `request` can take where its answer has at most `max_tokens`.
    ///
    /// No token of the vocabularies in use stands for less than a byte: those that begin with bytes have 256 tokens for the bytes, and
    /// longer ones for what is frequent; the others fall back to bytes for what they do not know. So a text has no more tokens than bytes in
    /// UTF-8. English has a quarter of that; the difference is held for as long as the request runs, and then given back.
    #[must_use]
    pub fn of(request: &ChatRequest, max_tokens: u32) -> Self {
        let mut input = TOKENS_OF_REQUEST;
        for message in &request.messages {
            input += TOKENS_OF_MESSAGE + bytes_of(message);
        }
        // With some providers an answer of a form is a call that the model has to make.
        if !request.tools.is_empty() || request.format != ResponseFormat::Text {
            input += TOKENS_OF_TOOLS;
        }
        for tool in &request.tools {
            let schema = tool.parameters.to_string();
            input += TOKENS_OF_MESSAGE + (tool.name.len() + tool.description.len() + schema.len()) as u64;
        }
        if let ResponseFormat::Json { name, schema } = &request.format {
            input += TOKENS_OF_MESSAGE + (name.len() + schema.to_string().len()) as u64;
        }
        let output = u64::from(request.max_tokens.unwrap_or(max_tokens));
        Self(TokenUsage {
            input,
            cached_input: 0,
            output,
        })
    }

    /// The most that vectors of these texts can take: no answer is written. See [`Self::of`] for the bound.
    #[must_use]
    pub fn of_texts(texts: &[String]) -> Self {
        let each = texts.iter().map(|text| TOKENS_OF_MESSAGE + text.len() as u64);
        Self(TokenUsage {
            input: TOKENS_OF_REQUEST + each.sum::<u64>(),
            cached_input: 0,
            output: 0,
        })
    }

    /// What it comes to at most.
    #[must_use]
    pub fn amount(self, price: Option<Price>) -> Amount {
        let cached = TokenUsage {
            cached_input: self.0.input,
            ..self.0
        };
        let (fresh, cached) = (Amount::of(self.0, price), Amount::of(cached, price));
        if cached.usd_nanos > fresh.usd_nanos {
            cached
        } else {
            fresh
        }
    }

    /// What the request has cost. What the provider has not reported and may bill counts in full: of an answer that was cut off, all that
    /// might have been written.
    pub(super) fn spent(self, heard: Heard, end: End) -> TokenUsage {
        let was_billed = heard.has_begun
            || match end {
                End::Unsent => false,
                End::Complete | End::Dropped => true,
                End::Failed { may_be_billed } => may_be_billed,
            };
        match heard.reported {
            _ if !was_billed => TokenUsage::default(),
            None => self.0,
            Some(reported) if heard.has_spoken_since => TokenUsage {
                output: reported.output.max(self.0.output),
                ..reported
            },
            Some(reported) => reported,
        }
    }
}

fn bytes_of(message: &ChatMessage) -> u64 {
    let bytes = match message {
        ChatMessage::Instruction(text) | ChatMessage::User(text) => text.len(),
        ChatMessage::Assistant { text, calls } => {
            let calls = calls.iter().map(|call| {
                let signature = call.signature.as_ref().map_or(0, String::len);
                // The marks around a call are like those around a message.
                call.id.len() + call.name.len() + call.arguments.to_string().len() + signature + 16
            });
            text.len() + calls.sum::<usize>()
        }
        ChatMessage::ToolResult {
            call_id, tool, content, ..
        } => call_id.len() + tool.len() + content.len(),
    };
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input: 0.15,
        cached_input: 0.075,
        output: 0.6,
    };

    fn usage(input: u64, output: u64) -> TokenUsage {
        TokenUsage {
            input,
            cached_input: 0,
            output,
        }
    }

    #[test]
    fn money_is_exact_and_an_unknown_price_costs_nothing_that_could_be_counted() {
        let amount = Amount::of(usage(1_000, 100), Some(PRICE));
        assert_eq!((amount.tokens, amount.usd_nanos), (1_100, 210_000));
        assert_eq!(Amount::of(usage(1_000, 100), None).usd_nanos, 0);
        assert_eq!(nanos(f64::MAX), MAX);
        assert_eq!(nanos(f64::NAN), 0);
        assert_eq!(nanos(1e-12), 0, "less than a thousandth of a billionth is no price");
        assert_eq!(nanos(1.4e-9), 2);
    }

    #[test]
    fn a_request_has_no_more_tokens_than_bytes_and_its_answer_what_it_may() {
        let mut request = ChatRequest {
            messages: vec![ChatMessage::User("ü".repeat(100))],
            ..ChatRequest::default()
        };
        let needed = Requirement::of(&request, 500).0;
        assert!(needed.input >= 200 && needed.output == 500, "{needed:?}");
        request.max_tokens = Some(20);
        assert_eq!(Requirement::of(&request, 500).0.output, 20);
        let dear = Price {
            cached_input: 1.0,
            ..PRICE
        };
        let needed = Requirement(usage(1_000, 0));
        assert_eq!(needed.amount(Some(dear)).usd_nanos, 1_000_000);
    }

    #[test]
    fn what_may_be_billed_and_was_not_reported_counts_in_full() {
        let needed = Requirement(usage(1_000, 500));
        let (nothing, begun) = (
            Heard::default(),
            Heard {
                has_begun: true,
                ..Heard::default()
            },
        );
        let failed = |may_be_billed| End::Failed { may_be_billed };
        let reported = |has_spoken_since| Heard {
            reported: Some(usage(300, 7)),
            has_begun: true,
            has_spoken_since,
        };
        for (heard, end, spent) in [
            (nothing, End::Unsent, usage(0, 0)),
            (nothing, failed(false), usage(0, 0)),
            (nothing, failed(true), usage(1_000, 500)),
            (nothing, End::Dropped, usage(1_000, 500)),
            (begun, failed(false), usage(1_000, 500)),
            (begun, End::Complete, usage(1_000, 500)),
            (reported(false), End::Complete, usage(300, 7)),
            (reported(false), End::Dropped, usage(300, 7)),
            (reported(true), End::Dropped, usage(300, 500)),
        ] {
            assert_eq!(needed.spent(heard, end), spent, "{heard:?} {end:?}");
        }
    }
}
