//! Personal data taken out of what a model is sent, and put back into what it says.
//!
//! One datum has one placeholder within a turn, so that the model can tell two people apart: `[email-1]`, `[email-2]`. What the model
//! writes of them is read as it streams; a placeholder may come in several pieces.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use super::personal::{self, PersonalKind};
use crate::language::{ChatEvent, ChatMessage, ChatStream};

/// No placeholder is longer, in bytes.
const PLACEHOLDER_BYTES_MAX: usize = 24;

/// What was taken out in one turn, and by what it is stood for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction {
    /// By what was taken out.
    placeholders: BTreeMap<Arc<str>, Arc<str>>,
    /// By placeholder.
    originals: BTreeMap<Arc<str>, Arc<str>>,
    kinds: Vec<PersonalKind>,
}

impl Redaction {
    /// Takes personal data out of messages; the agent's own instructions stay as they are. May be called again in the same turn with more
    /// messages: what is known gets the same placeholder.
    pub(crate) fn take_out(&mut self, messages: &mut [ChatMessage]) {
        // A placeholder that somebody wrote himself must not become somebody's datum.
        let written = messages.iter().any(|message| match message {
            ChatMessage::User(text) | ChatMessage::Assistant { text, .. } => text.contains('['),
            ChatMessage::ToolResult { content, .. } => content.contains('['),
            ChatMessage::Instruction(_) => false,
        });
        let taken: Vec<String> = if written { bracketed(messages) } else { Vec::new() };
        for message in messages {
            match message {
                ChatMessage::Instruction(_) => {}
                ChatMessage::User(text) | ChatMessage::ToolResult { content: text, .. } => {
                    *text = self.without(text, &taken);
                }
                ChatMessage::Assistant { text, calls } => {
                    *text = self.without(text, &taken);
                    for call in calls {
                        let arguments = std::mem::take(&mut call.arguments);
                        call.arguments = in_texts(arguments, &mut |text| self.without(text, &taken));
                    }
                }
            }
        }
    }

    /// What was taken out so far, for people: `2 e-mail addresses, 1 IBAN`; none where nothing was.
    #[must_use]
    pub(crate) fn told(&self) -> Option<String> {
        let mut counts: BTreeMap<PersonalKind, usize> = BTreeMap::new();
        for kind in &self.kinds {
            *counts.entry(*kind).or_default() += 1;
        }
        let told: Vec<String> = counts.into_iter().map(|(kind, count)| kind.counted(count)).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// What a model says, with the originals in place of placeholders, in calls of tools as well.
    #[must_use]
    pub(crate) fn put_back(&self, said: ChatStream) -> ChatStream {
        if self.originals.is_empty() {
            return said;
        }
        let reading = Reading {
            said,
            originals: self.originals.clone(),
            open: String::new(),
            next: None,
        };
        Box::pin(stream::unfold(reading, |mut reading| async move {
            let event = reading.next().await?;
            Some((event, reading))
        }))
    }

    fn without(&mut self, text: &str, taken: &[String]) -> String {
        let found = personal::find(text);
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for datum in found {
            out.push_str(&text[from..datum.range.start]);
            out.push_str(&self.placeholder(&text[datum.range.clone()], datum.kind, taken));
            from = datum.range.end;
        }
        out.push_str(&text[from..]);
        out
    }

    fn placeholder(&mut self, datum: &str, kind: PersonalKind, taken: &[String]) -> Arc<str> {
        if let Some(known) = self.placeholders.get(datum) {
            return Arc::clone(known);
        }
        let mut number = 1;
        let placeholder: Arc<str> = loop {
            let placeholder = format!("[{}-{number}]", kind.name());
            if !self.originals.contains_key(placeholder.as_str()) && !taken.contains(&placeholder) {
                break placeholder.into();
            }
            number += 1;
        };
        let datum: Arc<str> = datum.into();
        self.placeholders.insert(Arc::clone(&datum), Arc::clone(&placeholder));
        self.originals.insert(Arc::clone(&placeholder), datum);
        self.kinds.push(kind);
        placeholder
    }
}

/// A text with `[email]` and the like in place of personal data: where nobody is told apart, and the same text has to be the same again.
pub(crate) fn without_personal_data(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for datum in personal::find(text) {
        out.push_str(&text[from..datum.range.start]);
        out.push('[');
        out.push_str(datum.kind.name());
        out.push(']');
        from = datum.range.end;
    }
    out.push_str(&text[from..]);
    out
}

/// What stands in brackets in the messages and may be a placeholder, in lower case.
fn bracketed(messages: &[ChatMessage]) -> Vec<String> {
    let texts = messages.iter().filter_map(|message| match message {
        ChatMessage::User(text)
        | ChatMessage::Assistant { text, .. }
        | ChatMessage::ToolResult { content: text, .. } => Some(text),
        ChatMessage::Instruction(_) => None,
    });
    let marks = texts.flat_map(|text| {
        text.match_indices('[').filter_map(|(at, _)| {
            let end = text[at..].find(']')? + 1;
            (end <= PLACEHOLDER_BYTES_MAX).then(|| text[at..at + end].to_ascii_lowercase())
        })
    });
    marks.collect()
}

/// The same with each text in it changed.
fn in_texts(value: Value, change: &mut impl FnMut(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| in_texts(item, change)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let changed = fields.map(|(name, value)| (change(&name), in_texts(value, change)));
            Value::Object(changed.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// A model that is being read.
struct Reading {
    said: ChatStream,
    originals: BTreeMap<Arc<str>, Arc<str>>,
    /// What may become a placeholder, from the bracket on.
    open: String,
    /// What comes behind what waited.
    next: Option<<ChatStream as stream::Stream>::Item>,
}

impl Reading {
    async fn next(&mut self) -> Option<<ChatStream as stream::Stream>::Item> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        loop {
            let event = self.said.next().await?;
            let event = match event {
                Ok(ChatEvent::TextDelta(piece)) => {
                    let text = self.read(&piece);
                    if text.is_empty() {
                        continue;
                    }
                    return Some(Ok(ChatEvent::TextDelta(text)));
                }
                Ok(ChatEvent::ToolCall(mut call)) => {
                    let arguments = std::mem::take(&mut call.arguments);
                    call.arguments = in_texts(arguments, &mut |text| self.restored(text));
                    Ok(ChatEvent::ToolCall(call))
                }
                Ok(event @ (ChatEvent::Usage(_) | ChatEvent::Warned(_))) => return Some(Ok(event)),
                Ok(event @ ChatEvent::Stopped(_)) => Ok(event),
                Err(error) => return Some(Err(error)),
            };
            // Text comes before what it was said before.
            if self.open.is_empty() {
                return Some(event);
            }
            self.next = Some(event);
            return Some(Ok(ChatEvent::TextDelta(std::mem::take(&mut self.open))));
        }
    }

    fn read(&mut self, piece: &str) -> String {
        let mut out = String::with_capacity(piece.len());
        for letter in piece.chars() {
            if letter == '[' {
                out.push_str(&std::mem::take(&mut self.open));
                self.open.push(letter);
            } else if self.open.is_empty() {
                out.push(letter);
            } else {
                self.open.push(letter);
                if letter == ']' {
                    let mark = std::mem::take(&mut self.open);
                    out.push_str(self.original(&mark).unwrap_or(&mark));
                } else if letter == '\n' || self.open.len() > PLACEHOLDER_BYTES_MAX {
                    out.push_str(&std::mem::take(&mut self.open));
                }
            }
        }
        out
    }

    fn original(&self, mark: &str) -> Option<&str> {
        let original = self.originals.get(mark.to_ascii_lowercase().as_str());
        original.map(AsRef::as_ref)
    }

    fn restored(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (placeholder, original) in &self.originals {
            if text.contains(placeholder.as_ref()) {
                text = text.replace(placeholder.as_ref(), original);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::language::{StopReason, ToolCall};

    fn user(text: &str) -> ChatMessage {
        ChatMessage::User(text.into())
    }

    #[test]
    fn one_datum_has_one_placeholder_in_all_that_is_sent() {
        let mut redaction = Redaction::default();
        let mut messages = [
            ChatMessage::Instruction("Say help@example.com.".into()),
            user("I am ada@example.com, not bob@example.com"),
            ChatMessage::Assistant {
                text: "Hello ada@example.com".into(),
                calls: Vec::new(),
            },
            user("Write to bob@example.com at 203.0.113.7"),
        ];
        redaction.take_out(&mut messages);
        assert_eq!(messages[0], ChatMessage::Instruction("Say help@example.com.".into()));
        assert_eq!(messages[1], user("I am [email-1], not [email-2]"));
        assert_eq!(messages[3], user("Write to [email-2] at [ip-1]"));
        let mut more = [user("and bob@example.com again, carol@example.com")];
        redaction.take_out(&mut more);
        assert_eq!(more[0], user("and [email-2] again, [email-3]"));
        assert_eq!(redaction.told().unwrap(), "3 e-mail addresses, 1 IP address");
    }

    #[test]
    fn a_placeholder_that_somebody_wrote_is_nobodys_datum() {
        let mut redaction = Redaction::default();
        let mut messages = [user("What is [Email-1]? I am ada@example.com")];
        redaction.take_out(&mut messages);
        assert_eq!(messages[0], user("What is [Email-1]? I am [email-2]"));
    }

    async fn heard(redaction: &Redaction, pieces: Vec<String>) -> String {
        let said = pieces.into_iter().map(|piece| Ok(ChatEvent::TextDelta(piece)));
        let said = said.chain([Ok(ChatEvent::Stopped(StopReason::Complete))]);
        let said: ChatStream = Box::pin(stream::iter(said.collect::<Vec<_>>()));
        let events: Vec<_> = redaction.put_back(said).collect().await;
        assert_eq!(events.last(), Some(&Ok(ChatEvent::Stopped(StopReason::Complete))));
        let texts = events.into_iter().filter_map(|event| match event {
            Ok(ChatEvent::TextDelta(text)) => Some(text),
            _ => None,
        });
        texts.collect()
    }

    fn redaction() -> Redaction {
        let mut redaction = Redaction::default();
        redaction.take_out(&mut [user("ada@example.com, DE89370400440532013000")]);
        redaction
    }

    #[tokio::test]
    async fn a_call_of_a_tool_gets_what_was_taken_out() {
        let call = |text: &str| ToolCall {
            id: "1".into(),
            name: "find".into(),
            arguments: json!({"who": [text], text: 1}),
            signature: None,
        };
        let said = [
            Ok(ChatEvent::TextDelta("wait [em".into())),
            Ok(ChatEvent::ToolCall(call("<[email-1]>"))),
        ];
        let events: Vec<_> = redaction().put_back(Box::pin(stream::iter(said))).collect().await;
        let expected = [
            Ok(ChatEvent::TextDelta("wait ".into())),
            Ok(ChatEvent::TextDelta("[em".into())),
            Ok(ChatEvent::ToolCall(call("<ada@example.com>"))),
        ];
        assert_eq!(events, expected);
    }

    proptest! {
        #[test]
        fn placeholders_are_put_back_however_the_answer_is_cut(cuts in prop::collection::vec(1_usize..7, 1..60)) {
            let text = "So [Email-1] [1][2] has [iban-1], [email-9] and [[email-1]; [a link](x) [em";
            let expected = "So ada@example.com [1][2] has DE89370400440532013000, [email-9] and [ada@example.com; [a link](x) [em";
            let (mut pieces, mut rest) = (Vec::new(), text);
            for cut in cuts {
                let cut = cut.min(rest.len());
                pieces.push(rest[..cut].to_owned());
                rest = &rest[cut..];
            }
            pieces.push(rest.to_owned());
            pieces.retain(|piece| !piece.is_empty());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(heard(&redaction(), pieces)), expected);
        }
    }
}
