//! Text that others wrote and that speaks to the model in place of the reader: what was found, and what tools give back.
//!
//! Documents may speak of rules, prompts and assistants, and tell their readers what to do: that is what manuals are for. So only what
//! nobody but a model could be told is suspicious: to set aside what it was told before, to have that told, to answer in some way;
//! marks by which models are told who speaks; letters that nobody sees; an image whose address takes data along. The lists of patterns are
//! narrower than those for messages ([`crate::routing`]), and what weighs there what words are signs of is not used here: manuals give
//! orders and know no courtesy, so many of their sentences would be taken for attempts. What gets past is still told to a model as a
//! source, which it has to read and not to obey.

mod disguises;
mod orders;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::knowledge::sentences_of;

/// What is told of a sentence, in characters.
const TOLD_MAX: usize = 80;

/// By which models are told who speaks, in lower case. No text for people has them; that of a chunk is compared without white space.
const MARKS: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[inst]",
    "[/inst]",
    "<<sys>>",
    "<</sys>>",
    "</source>",
];

/// Why a text is suspicious, for people; none where it is not. O(n), some 10 µs a sentence.
pub(crate) fn suspicion(text: &str) -> Option<String> {
    if disguises::has_hidden_letters(text) {
        return Some("it has letters that nobody sees".into());
    }
    if let Some(address) = carries_out(text) {
        return Some(format!(
            "it has an image whose address takes data along: “{}”",
            told(address)
        ));
    }
    let text = disguises::plain_letters(text);
    if let Some(mark) = mark(&text) {
        return Some(format!("it pretends to be a part of the conversation: “{mark}”"));
    }
    let found = ordered(&text).map(|(order, sentence)| (order, told(&sentence)));
    let found = found.or_else(|| {
        let mut hidden = disguises::taken_off(&text).into_iter();
        hidden.find_map(|plain| ordered(&plain).map(|(order, sentence)| (order, told(&sentence))))
    });
    let (order, sentence) =
        found.or_else(|| disguises::apart(&text).map(|(letters, is)| (is.to_owned(), told(&letters))))?;
    Some(format!("it gives orders to a model ({order}): “{sentence}”"))
}

/// The first order to a model in a text, and the sentence in which it stands.
fn ordered(text: &str) -> Option<(String, String)> {
    // Lines that belong together are one text: an order may go over the end of a line.
    text.split("\n\n").find_map(|paragraph| {
        let joined = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        let sentences = sentences_of(&joined);
        (sentences.iter()).find_map(|sentence| Some((orders::find(sentence)?, (*sentence).to_owned())))
    })
}

/// A sentence cut to what a step has room for.
pub(super) fn told(sentence: &str) -> String {
    let mut told: String = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = told.char_indices().nth(TOLD_MAX) {
        told.truncate(at);
        told.push('…');
    }
    told
}

fn mark(text: &str) -> Option<&'static str> {
    // Most texts have none of the letters that they begin with.
    if !text.contains(['<', '[']) {
        return None;
    }
    let squeezed: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let lower = squeezed.to_ascii_lowercase();
    MARKS.iter().find(|mark| lower.contains(**mark)).copied()
}

/// The address of an image that a reader's browser would load, with room for data in its query.
fn carries_out(text: &str) -> Option<&str> {
    text.match_indices("](http").find_map(|(at, _)| {
        let is_image = text[..at].rfind('[').is_some_and(|open| text[..open].ends_with('!'));
        let address = text[at + 2..].split([')', '\n']).next()?;
        let (_, query) = address.split_once('?')?;
        let has_room = query.contains(['{', '<', '$', '[']) || query.ends_with('=');
        (is_image && has_room).then_some(address)
    })
}

/// What there is to read in the result of a tool: the texts in it where it is JSON, else all of it.
pub(super) fn texts_of(result: &str) -> Vec<Cow<'_, str>> {
    fn gather(value: serde_json::Value, texts: &mut Vec<Cow<'_, str>>) {
        match value {
            serde_json::Value::String(text) => texts.push(text.into()),
            serde_json::Value::Array(items) => items.into_iter().for_each(|item| gather(item, texts)),
            serde_json::Value::Object(fields) => fields.into_iter().for_each(|(name, value)| {
                texts.push(name.into());
                gather(value, texts);
            }),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    // As it stands as well: who reads it reads over the ends of texts.
    if let Ok(value) = serde_json::from_str(result) {
        gather(value, &mut texts);
    }
    texts.push(result.into());
    texts
}
