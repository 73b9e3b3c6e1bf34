//! A message that leans on what was said before, made to stand on its own.
//!
//! "And for the annual plan?" says little by itself. After "How do refunds work for the monthly plan?" it asks for refunds of the
//! annual plan: routing and retrieval both look for that. What is needed is taken from the user's last question, or, where the
//! assistant's answer named the thing, from there. A message that can stand alone is left alone: words that it does not need would
//! only mislead.

mod leaning;

use std::sync::Arc;

use orchestratai_shared::{Message, MessageRole};

pub use self::leaning::Leaning;
use crate::words::{distinct_words, for_each_word};

/// How many of the user's messages are looked back at, where each leans on the one before.
const LOOK_BACK_MAX: usize = 3;
/// At most this many words are taken from what was said before.
const TAKEN_MAX: usize = 16;
/// At most this many words are taken from an answer.
const TAKEN_FROM_ANSWER_MAX: usize = 8;

/// A message that was made to stand on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standalone {
    /// The message, and behind it the words that it left out.
    pub text: String,
    /// What shows that it leans.
    pub leaning: Leaning,
    /// The words that were taken from before.
    pub taken: Vec<String>,
}

/// Makes `message` stand on its own after `history`, which is oldest first and does not hold the message. None where it can stand
/// alone, or where nothing was said before that helps.
#[must_use]
pub fn standalone(message: &str, history: &[Arc<Message>]) -> Option<Standalone> {
    let leaning = leaning::of(message)?;
    let (before, question) = last_question(history)?;
    let mut earlier = question.to_owned();
    // A follow-up of a follow-up: what the first one was about still counts.
    let mut rest = before;
    for _ in 1..LOOK_BACK_MAX {
        if leaning::of(&earlier).is_none() {
            break;
        }
        let Some((before, question)) = last_question(rest) else {
            break;
        };
        earlier = format!("{question} {earlier}");
        rest = before;
    }
    let mut taken = lacking(message, &earlier);
    taken.truncate(TAKEN_MAX);
    if let Some(answer) = last_answer(history) {
        let said = format!("{message} {earlier}");
        taken.extend(from_answer(message, &said, answer, taken.len()));
    }
    if taken.is_empty() {
        return None;
    }
    Some(Standalone {
        text: format!("{} {}", message.trim(), taken.join(" ")),
        leaning,
        taken,
    })
}

/// Makes a part of a message stand on its own, by what the message says before it; a part that nothing stands before, by all of the
/// message. None where it can stand alone, or where the rest does not help.
///
/// That it has hardly a subject is no sign here: routing knew by the part alone whom it is for.
#[must_use]
pub fn standalone_part(part: &str, message: &str) -> Option<Standalone> {
    let leaning = leaning::of(part).filter(|leaning| *leaning != Leaning::Thin)?;
    let before = message.find(part).map_or(message, |at| &message[..at]);
    let rest = if distinct_words(before).is_empty() {
        message
    } else {
        before
    };
    let mut taken = lacking(part, rest);
    taken.truncate(TAKEN_MAX);
    (!taken.is_empty()).then(|| Standalone {
        text: format!("{} {}", part.trim(), taken.join(" ")),
        leaning,
        taken,
    })
}

/// The user's last message that has a subject, and what stands before it.
fn last_question(history: &[Arc<Message>]) -> Option<(&[Arc<Message>], &str)> {
    let has_subject =
        |message: &Arc<Message>| message.role == MessageRole::User && !distinct_words(&message.content).is_empty();
    let at = history.iter().rposition(has_subject)?;
    Some((&history[..at], &history[at].content))
}

fn last_answer(history: &[Arc<Message>]) -> Option<&str> {
    let last = history.last()?;
    (last.role == MessageRole::Assistant).then_some(last.content.as_str())
}

/// The words of `earlier` that say something and that `message` lacks, in their order. Where both speak of the same kind of thing
/// ("the monthly plan", "the annual plan"), what told the earlier one apart is left out: the message means the other.
fn lacking(message: &str, earlier: &str) -> Vec<String> {
    let said = distinct_words(message);
    let now = stems(message);
    let then = stems(earlier);
    let replaced = |at: usize| {
        let Some((_, next)) = then.get(at + 1) else {
            return false;
        };
        let same_kind = now.iter().position(|(_, stem)| stem == next && !stem.is_empty());
        let told_apart = same_kind.and_then(|at| now.get(at.checked_sub(1)?));
        told_apart.is_some_and(|(_, other)| !other.is_empty() && *other != then[at].1)
    };
    let mut taken: Vec<String> = Vec::new();
    for (at, (word, stem)) in then.iter().enumerate() {
        let lacks = !stem.is_empty() && !said.contains(stem) && !replaced(at);
        if lacks && !taken.contains(word) {
            taken.push(word.clone());
        }
    }
    taken
}

/// What the answer adds. Where the message names something of it ("that number"), the words around it there; where the user's own
/// words say next to nothing, how the answer begins.
fn from_answer(message: &str, said: &str, answer: &str, taken: usize) -> Vec<String> {
    let wanted = distinct_words(message);
    let sentences = answer
        .split(['.', '!', '?', '\n', ';'])
        .filter(|sentence| sentence.len() > 3);
    let shares = |sentence: &str| {
        let words = distinct_words(sentence);
        wanted.iter().filter(|word| words.contains(word)).count()
    };
    let mut best: Option<(usize, &str)> = None;
    for sentence in sentences {
        let shared = shares(sentence);
        if best.is_none_or(|(most, _)| shared > most) {
            best = Some((shared, sentence));
        }
    }
    let Some((shared, sentence)) = best else {
        return Vec::new();
    };
    if shared == 0 && taken >= 2 {
        return Vec::new();
    }
    let mut words = lacking(said, sentence);
    words.truncate(TAKEN_FROM_ANSWER_MAX);
    words
}

/// The words of a text, each with its stem; the stem of a word that says nothing is empty.
fn stems(text: &str) -> Vec<(String, String)> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut stem = String::new();
            for_each_word(word, |found| stem = found.to_owned());
            (word.to_owned(), stem)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::{AgentId, MessageId, SessionId, Timestamp};

    use super::*;

    fn said(role: MessageRole, content: &str) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::new(),
            role,
            content: content.to_owned(),
            agent: (role == MessageRole::Assistant).then(|| AgentId::parse("billing").unwrap()),
            confidence: None,
            timestamp: Timestamp::now(),
            session_id: SessionId::new(),
        })
    }

    fn after(question: &str, message: &str) -> Option<String> {
        standalone(message, &[said(MessageRole::User, question)]).map(|standalone| standalone.text)
    }

    #[test]
    fn what_the_message_left_out_is_added() {
        assert_eq!(
            after("How do refunds work for the monthly plan?", "and for the annual plan?").unwrap(),
            "and for the annual plan? refunds work"
        );
        assert_eq!(
            after("Where are the sauna towels?", "Can I keep it?").unwrap(),
            "Can I keep it? sauna towels"
        );
        let room = after("What does a double room cost?", "is there a cheaper one?").unwrap();
        assert!(room.contains("double room cost"), "{room}");
        for compares in [
            "Is there a cheaper one for students?",
            "do you have larger ones?",
            "Which is cheaper for two?",
        ] {
            let room = after("What does a double room cost?", compares).unwrap_or_default();
            assert!(room.contains("double room"), "{compares}: {room}");
        }
        assert!(
            after("Do you serve breakfast on Sundays?", "Until when?")
                .unwrap()
                .contains("breakfast")
        );
    }

    #[test]
    fn a_question_of_its_own_is_left_alone() {
        for message in [
            "How do I rotate my API key?",
            "My card expired, how do I replace it?",
            "Where can I download the invoices of last year?",
            "Is it possible to export all events as Parquet?",
            "How long does it take to restore a workspace?",
            "Is there cheaper pricing for charities?",
            "Do you have longer opening hours on Sundays?",
            "thank you",
            "",
        ] {
            assert_eq!(after("What does a double room cost?", message), None, "{message}");
        }
        assert_eq!(standalone("and for the annual plan?", &[]), None);
    }

    #[test]
    fn a_follow_up_of_a_follow_up_remembers_the_subject() {
        let history = [
            said(MessageRole::User, "How long is the pool open?"),
            said(MessageRole::Assistant, "Until ten in the evening [1]."),
            said(MessageRole::User, "And on Sundays?"),
            said(MessageRole::Assistant, "Until eight [1]."),
        ];
        let text = standalone("What about holidays?", &history).unwrap().text;
        assert!(text.contains("pool"), "{text}");
    }

    #[test]
    fn a_part_of_a_message_takes_what_it_lacks_from_before_it() {
        let message = "My invoice is wrong, can I still pay it, and how do I rotate keys?";
        let part = |part| standalone_part(part, message).map(|standalone| standalone.text);
        assert_eq!(
            part("can I still pay it").as_deref(),
            Some("can I still pay it invoice wrong")
        );
        // It has hardly a subject, but one of its own.
        assert_eq!(part("how do I rotate keys?"), None);
        assert_eq!(part("My invoice is wrong"), None);
        let first = standalone_part("how long is it valid", "how long is it valid and where is my invoice?");
        assert!(first.unwrap().taken.contains(&"invoice".to_owned()));
    }

    #[test]
    fn the_answer_may_name_the_thing() {
        let history = [
            said(MessageRole::User, "E-77?"),
            said(
                MessageRole::Assistant,
                "The step ran out of attempts. The number of attempts is set in the retry policy.",
            ),
        ];
        let text = standalone("where do I change that number", &history).unwrap().text;
        assert!(text.contains("retry") && text.contains("attempts"), "{text}");
    }
}
