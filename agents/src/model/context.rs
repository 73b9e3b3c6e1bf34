//! What a language model is told, made to fit into what it takes at once.
//!
//! The rule, in this order, where not everything fits:
//! 1. the rules of the house, what the tools are and the room for the answer are always there;
//! 2. the question has half of what is left at most, and loses its middle beyond that;
//! 3. what the person has said of themselves in earlier conversations: the newest first, each whole, as far as they have room in a tenth of
//!    what is left; the first that does not fit ends the list;
//! 4. what was said before: the newest messages, each whole, as far as they have room in [`ContextWindow::history_tokens`] and in a quarter
//!    of what is left;
//! 5. where there are tools, a third of what is left is kept for what they give back;
//! 6. the sources, best first, each whole; the first that does not fit ends the list;
//! 7. what tools gave back: the newest first; what does not fit is cut at its end, or said to be left out.
//!
//! Counting takes time, so that nothing is counted whose bytes fit already: no token is less than a byte.

use std::{collections::BTreeSet, sync::Arc};

use orchestratai_shared::LogStatus;

use crate::{
    guardrail::{About, Verdict},
    language::{ChatMessage, TokenCounter, ToolOffer},
};

/// What providers put around each message, in tokens; about what OpenAI says of its own.
const AROUND_MESSAGE: usize = 4;
/// A result that has less room than this is left out: its beginning would say nothing.
const RESULT_TOKENS_MIN: usize = 32;
/// What a person has said before has this part of the room at most.
const FACTS_SHARE: usize = 10;
/// Stands where something was cut.
const CUT: &str = "\n[The rest did not fit.]";
const LEFT_OUT: &str = "[It did not fit.]";
const MIDDLE: &str = "\n[…]\n";

/// What a model takes at once.
#[derive(Debug, Clone)]
pub struct ContextWindow {
    /// Tokens of all that it is told and of its answer together.
    pub tokens: u32,
    /// Tokens of what was said before, at most.
    pub history_tokens: u32,
    /// Counts them.
    pub counter: Arc<TokenCounter>,
}

/// What a model would be told if it took everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling {
    /// The rules of the house, and those for tools.
    pub(super) rules: Vec<String>,
    /// What may be called.
    pub(super) offers: Vec<ToolOffer>,
    /// Oldest first.
    pub(super) history: Vec<ChatMessage>,
    /// What the person has said of themselves, as it is written, the newest first.
    pub(super) facts: Vec<String>,
    /// Best first, as they are written, each with its place.
    pub(super) sources: Vec<(u32, String)>,
    /// What the user says.
    pub(super) question: String,
}

/// What fits of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fitted {
    pub(super) history: Vec<ChatMessage>,
    pub(super) facts: Vec<String>,
    pub(super) sources: Vec<String>,
    pub(super) question: String,
    pub(super) left_out: LeftOut,
}

/// What did not fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LeftOut {
    /// The places of sources.
    pub(super) sources: BTreeSet<u32>,
    /// How many of the sources there were.
    pub(super) sources_of: usize,
    /// How many messages.
    pub(super) messages: usize,
    /// Whether the question lost its middle.
    pub(super) has_cut_question: bool,
}

impl LeftOut {
    /// It for people; `None` where everything fits. Older messages are left out of any longer conversation, which is no news.
    pub(super) fn verdict(&self, model: &str, tokens: u32) -> Option<Verdict> {
        let mut said = Vec::new();
        if !self.sources.is_empty() {
            said.push(format!("{} of {} passages", self.sources.len(), self.sources_of));
        }
        if self.has_cut_question {
            said.push("the middle of the question".to_owned());
        }
        let said = said.join(" and ");
        (!said.is_empty()).then(|| Verdict {
            title: format!("Too long for {model}: {said}"),
            status: LogStatus::Warning,
            about: About::Turn(format!(
                "{model} takes {tokens} tokens at once; it is not given {said}."
            )),
        })
    }
}

impl ContextWindow {
    /// What fits of `telling` beside an answer of `answer` tokens. Where something has to be counted, that is done on a thread that may
    /// take its time.
    pub(super) async fn fit(&self, telling: Telling, answer: u32) -> Fitted {
        let history = self.counter.most(bytes(&telling.history)) + telling.history.len() * AROUND_MESSAGE;
        let room = self.room(answer);
        let facts = self.counter.most(telling.facts.iter().map(String::len).sum());
        let fits = self.most(&telling) <= room
            && history <= (self.history_tokens as usize).min(room / 4)
            && facts <= room / FACTS_SHARE;
        if fits {
            return Fitted {
                left_out: LeftOut {
                    sources_of: telling.sources.len(),
                    ..LeftOut::default()
                },
                history: telling.history,
                facts: telling.facts,
                sources: telling.sources.into_iter().map(|(_, text)| text).collect(),
                question: telling.question,
            };
        }
        let window = self.clone();
        aside(move || window.count_and_fit(telling, room)).await
    }

    /// `done` made to fit behind `told`, which fits by itself.
    pub(super) async fn fit_done(
        &self,
        told: &[ChatMessage],
        done: Vec<ChatMessage>,
        offers: &[ToolOffer],
        answer: u32,
    ) -> Vec<ChatMessage> {
        let room = self.room(answer);
        let tools: usize = offers.iter().map(written).map(|text| text.len()).sum();
        let around = (told.len() + done.len()) * AROUND_MESSAGE;
        if done.is_empty() || self.counter.most(bytes(told) + bytes(&done) + tools) + around <= room {
            return done;
        }
        let (window, told, offers) = (self.clone(), told.to_vec(), offers.to_vec());
        aside(move || {
            let taken = window.count_all(&told) + window.count_offers(&offers);
            window.cut_results(done, room.saturating_sub(taken))
        })
        .await
    }

    fn room(&self, answer: u32) -> usize {
        self.tokens.saturating_sub(answer) as usize
    }

    /// The most tokens that it can be.
    fn most(&self, telling: &Telling) -> usize {
        let rules: usize = telling.rules.iter().map(String::len).sum();
        let offers: usize = telling.offers.iter().map(written).map(|text| text.len()).sum();
        let sources: usize = telling.sources.iter().map(|(_, text)| text.len()).sum();
        let facts: usize = telling.facts.iter().map(String::len).sum();
        let messages = telling.rules.len() + telling.history.len() + 1;
        self.counter
            .most(rules + offers + bytes(&telling.history) + facts + sources + telling.question.len())
            + messages * AROUND_MESSAGE
    }

    fn count_and_fit(&self, telling: Telling, room: usize) -> Fitted {
        let Telling {
            rules,
            offers,
            history,
            facts,
            sources,
            question,
        } = telling;
        let rules: usize = rules
            .iter()
            .map(|rules| self.counter.count(rules) + AROUND_MESSAGE)
            .sum();
        let mut left = room.saturating_sub(rules + self.count_offers(&offers) + AROUND_MESSAGE);
        let mut left_out = LeftOut {
            sources_of: sources.len(),
            ..LeftOut::default()
        };

        let (question, tokens) = match self.without_middle(&question, left / 2) {
            Some(cut) => {
                left_out.has_cut_question = true;
                cut
            }
            None => {
                let tokens = self.counter.count(&question);
                (question, tokens)
            }
        };
        left = left.saturating_sub(tokens);

        let (facts, tokens) = self.first(facts, left / FACTS_SHARE);
        left -= tokens;

        let before = history.len();
        let (history, tokens) = self.newest(history, (self.history_tokens as usize).min(left / 4));
        left_out.messages = before - history.len();
        left -= tokens;

        if !offers.is_empty() {
            left -= left / 3;
        }
        let mut given = Vec::new();
        for (place, source) in sources {
            let tokens = self.counter.count(&source);
            if left_out.sources.is_empty() && tokens <= left {
                left -= tokens;
                given.push(source);
            } else {
                left_out.sources.insert(place);
            }
        }
        Fitted {
            history,
            facts,
            sources: given,
            question,
            left_out,
        }
    }

    /// The first of some texts that have `room` together, and their tokens.
    fn first(&self, mut texts: Vec<String>, room: usize) -> (Vec<String>, usize) {
        let mut taken = 0;
        let fits = |text: &&String| {
            let tokens = self.counter.count(text);
            let fits = taken + tokens <= room;
            taken += if fits { tokens } else { 0 };
            fits
        };
        let count = texts.iter().take_while(fits).count();
        texts.truncate(count);
        (texts, taken)
    }

    /// The newest messages that have `room` together, from one of the user's on, and their tokens.
    fn newest(&self, history: Vec<ChatMessage>, room: usize) -> (Vec<ChatMessage>, usize) {
        let mut sizes = Vec::new();
        let mut taken = 0;
        for message in history.iter().rev() {
            let tokens = self.count_message(message);
            if taken + tokens > room {
                break;
            }
            taken += tokens;
            sizes.push(tokens);
        }
        let mut newest = history;
        newest.drain(..newest.len() - sizes.len());
        let answers = newest
            .iter()
            .take_while(|message| !matches!(message, ChatMessage::User(_)))
            .count();
        // The sizes are newest first.
        let dropped: usize = sizes.iter().rev().take(answers).sum();
        newest.drain(..answers);
        (newest, taken - dropped)
    }

    /// Results cut to `room`; what was called always stays beside them, for providers want each call with its result.
    fn cut_results(&self, done: Vec<ChatMessage>, room: usize) -> Vec<ChatMessage> {
        let calls: usize = (done.iter())
            .map(|message| match message {
                ChatMessage::ToolResult { .. } => AROUND_MESSAGE,
                ChatMessage::Assistant { .. } | ChatMessage::User(_) | ChatMessage::Instruction(_) => {
                    self.count_message(message)
                }
            })
            .sum();
        let mut left = room.saturating_sub(calls);
        let mut newest_first: Vec<ChatMessage> = Vec::with_capacity(done.len());
        for mut message in done.into_iter().rev() {
            if let ChatMessage::ToolResult { content, .. } = &mut message {
                let tokens = self.counter.count(content);
                if tokens > left {
                    *content = match left {
                        RESULT_TOKENS_MIN.. => self.beginning(content, left) + CUT,
                        _ => LEFT_OUT.to_owned(),
                    };
                    left = 0;
                } else {
                    left -= tokens;
                }
            }
            newest_first.push(message);
        }
        newest_first.reverse();
        newest_first
    }

    /// The beginning of `text` that has `room` tokens with [`CUT`] behind it.
    fn beginning(&self, text: &str, room: usize) -> String {
        let room = room.saturating_sub(self.counter.count(CUT));
        text[..self.length_within(text, room)].to_owned()
    }

    /// `text` without its middle, and the tokens of that; `None` where it has room as it is.
    fn without_middle(&self, text: &str, room: usize) -> Option<(String, usize)> {
        if self.counter.most(text.len()) <= room || self.counter.count(text) <= room {
            return None;
        }
        let half = room.saturating_sub(self.counter.count(MIDDLE)) / 2;
        let begins = &text[..self.length_within(text, half)];
        let backwards: String = text.chars().rev().collect();
        let from = text.len() - self.length_within(&backwards, half);
        let ends = &text[text.ceil_char_boundary(from)..];
        let cut = format!("{begins}{MIDDLE}{ends}");
        let tokens = self.counter.count(&cut);
        Some((cut, tokens))
    }

    /// How many bytes of `text`, from its beginning, have `room` tokens; a boundary of characters.
    fn length_within(&self, text: &str, room: usize) -> usize {
        let mut length = text.len();
        while length > 0 {
            let tokens = self.counter.count(&text[..length]);
            if tokens <= room {
                break;
            }
            // In proportion, and a little less, so that few tries are needed.
            let next = (length as u128 * room as u128 / tokens as u128) as usize;
            length = text.floor_char_boundary(next.min(length - 1));
        }
        length
    }

    fn count_message(&self, message: &ChatMessage) -> usize {
        AROUND_MESSAGE
            + match message {
                ChatMessage::Instruction(text) | ChatMessage::User(text) => self.counter.count(text),
                ChatMessage::Assistant { text, calls } => {
                    let calls = calls
                        .iter()
                        .map(|call| self.counter.count(&call.name) + self.counter.count(&call.arguments.to_string()));
                    self.counter.count(text) + calls.sum::<usize>()
                }
                ChatMessage::ToolResult { content, .. } => self.counter.count(content),
            }
    }

    fn count_all(&self, messages: &[ChatMessage]) -> usize {
        messages.iter().map(|message| self.count_message(message)).sum()
    }

    fn count_offers(&self, offers: &[ToolOffer]) -> usize {
        offers
            .iter()
            .map(|offer| self.counter.count(&written(offer)) + AROUND_MESSAGE)
            .sum()
    }
}

/// Does `work` on a thread that may take its time.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What a provider is sent of a tool, nearly.
fn written(offer: &ToolOffer) -> String {
    format!("{}{}{}", offer.name, offer.description, offer.parameters)
}

/// The bytes of what stands in the messages.
fn bytes(messages: &[ChatMessage]) -> usize {
    let of = |message: &ChatMessage| match message {
        ChatMessage::Instruction(text) | ChatMessage::User(text) => text.len(),
        ChatMessage::Assistant { text, calls } => {
            text.len()
                + calls
                    .iter()
                    .map(|call| call.name.len() + call.arguments.to_string().len())
                    .sum::<usize>()
        }
        ChatMessage::ToolResult { content, .. } => content.len(),
    };
    messages.iter().map(of).sum()
}

#[cfg(test)]
mod tests;
