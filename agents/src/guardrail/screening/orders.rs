//! Orders that nobody but a model could be given.

use std::sync::LazyLock;

use crate::{
    phrases::Phrases,
    routing::{Word, injection, words},
};

/// Words that set aside what was said.
const SET_ASIDE: &[&str] = &[
    "ignore",
    "ignoring",
    "disregard",
    "disregarding",
    "forget",
    "override",
    "bypass",
    "circumvent",
    "abandon",
    "violate",
];
/// What a model was told.
const TOLD: &[&str] = &[
    "instruction",
    "instructions",
    "prompt",
    "prompts",
    "guidelines",
    "guardrails",
    "directives",
    "programming",
    "rules",
    "restrictions",
    "constraints",
    "policies",
    "orders",
    "messages",
    "context",
    "text",
    "information",
    "sources",
    "documents",
];
/// What was told before; documents seldom speak of themselves like that.
const BEFORE: &[&str] = &[
    "previous",
    "prior",
    "above",
    "earlier",
    "preceding",
    "foregoing",
    "other",
];
/// Whose it is.
const OWN: &[&str] = &["your", "system", "safety", "hidden", "initial", "original", "developer"];
/// What is so much a model's that whose it is makes no doubt.
const A_MODELS: &[&str] = &[
    "instruction",
    "instructions",
    "prompt",
    "prompts",
    "guidelines",
    "guardrails",
    "directives",
    "programming",
];
/// How far behind a word that sets aside its object may stand.
const REACH: usize = 8;

/// Words that have something told.
const TELL: &[&str] = &[
    "reveal", "print", "repeat", "output", "leak", "expose", "dump", "recite", "disclose", "tell", "quote", "include",
];
/// What a model keeps for itself; the second word also in the plural.
const SECRETS: &[[&str; 2]] = &[
    ["system", "prompt"],
    ["system", "message"],
    ["system", "instruction"],
    ["hidden", "prompt"],
    ["hidden", "instruction"],
    ["secret", "prompt"],
    ["secret", "instruction"],
    ["initial", "prompt"],
    ["initial", "instruction"],
    ["original", "prompt"],
    ["original", "instruction"],
    ["internal", "prompt"],
    ["developer", "message"],
    ["your", "prompt"],
    ["your", "instruction"],
    ["your", "programming"],
];
/// How far behind a word that has something told the secret may stand.
const TELL_REACH: usize = 6;

const PRETEND: &[&str] = &["pretend", "imagine", "roleplay", "behave"];
const LACK: &[&str] = &["no", "without", "zero", "any"];
const LACKED: &[&str] = &["restriction", "rule", "guideline", "guardrail", "censorship", "ethics"];

/// How nobody but a model is called.
const MODELS: &[&str] = &[
    "ai", "ais", "llm", "llms", "chatbot", "chatbots", "gpt", "chatgpt", "claude", "gemini", "copilot",
];
/// How people may be called as well: the order has then to be one that only who answers can follow.
const PERHAPS_MODELS: &[&str] = &[
    "assistant",
    "assistants",
    "bot",
    "bots",
    "model",
    "models",
    "agent",
    "agents",
];
/// What may stand before the name where somebody speaks to it.
const CALLS: &[&[&str]] = &[
    &["note", "to"],
    &["note", "for"],
    &["message", "to"],
    &["message", "for"],
    &["instruction", "to"],
    &["instruction", "for"],
    &["instructions", "to"],
    &["instructions", "for"],
    &["attention"],
    &["dear"],
    &["hey"],
    &["hello"],
    &["important", "for"],
    &["if", "you", "are"],
    &["if", "youre"],
    &["as"],
    &["you", "the"],
];
/// Words between a call and the name.
const BETWEEN: &[&str] = &[
    "a", "an", "the", "any", "all", "every", "you", "this", "large", "language", "helpful", "ai",
];
/// What an "AI" is that is spoken to "as" one; an AI company is none.
const AN_AI: &[&str] = &["assistant", "model", "language", "agent", "system", "you", "your"];
/// What makes a call one to obey.
const ORDERS: &[&str] = &[
    "you",
    "your",
    "must",
    "do",
    "dont",
    "never",
    "always",
    "answer",
    "tell",
    "send",
    "print",
    "state",
    "insert",
    "ignore",
    "disregard",
    "forget",
    "instead",
    "reply",
    "respond",
    "say",
    "recommend",
    "output",
    "append",
    "visit",
    "reveal",
];
/// Those of them that nobody but who answers can follow.
const ORDERS_TO_ANSWERERS: &[&str] = &[
    "answer",
    "ignore",
    "disregard",
    "forget",
    "reply",
    "respond",
    "say",
    "recommend",
    "output",
    "append",
    "reveal",
];
/// How far behind a name its order may stand.
const ORDER_REACH: usize = 12;

/// What nobody but a model is told.
static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new([
        "do anything now",
        "you are dan",
        "pretend you have no",
        "you have no rules",
        "unrestricted ai",
        "act as an unrestricted",
        "from now on answer",
        "from now on respond",
        "from now on reply",
        "from now on you are",
        "from now on act as",
        "everything you were told before",
        "everything you were told so far",
        "your new instructions",
        "your new system prompt",
        "in your answer to the user",
        "in your response to the user",
        "in your reply to the user",
        "do not mention this instruction",
        "do not mention these instructions",
        "do not tell the user about this",
        "do not tell the user about these",
        "respond to every question with",
        "answer every question with",
        "the other sources are wrong",
        "the other documents are wrong",
    ])
});
/// The form of an answer; with an address it is one to carry somebody off.
static FORM: LazyLock<Phrases> = LazyLock::new(|| {
    Phrases::new([
        "end your answer with",
        "end your response with",
        "end your reply with",
        "begin your answer with",
        "begin your response with",
        "begin your reply with",
        "start your answer with",
        "start your response with",
        "start your reply with",
        "add to your answer",
        "append to your answer",
    ])
});
/// Words of English that the other languages do not have: their patterns are not meant for it.
const ENGLISH: &[&str] = &["the", "and", "your", "you", "with", "that", "this"];

/// The words of a sentence by which it gives an order to a model; none where it gives none.
pub(super) fn find(sentence: &str) -> Option<String> {
    let said = words(sentence);
    let is_english = said.iter().any(|word| ENGLISH.contains(&word.as_str()));
    let in_another = || injection::in_other_languages(sentence, &said);
    line_of_a_role(sentence)
        .or_else(|| sets_aside(&said))
        .or_else(|| has_told(&said))
        .or_else(|| pretends(&said))
        .or_else(|| calls(&said))
        .or_else(|| PHRASES.first_in(&said).map(str::to_owned))
        .or_else(|| {
            FORM.first_in(&said)
                .filter(|_| has_address(sentence))
                .map(str::to_owned)
        })
        .or_else(|| if is_english { None } else { in_another() })
}

fn has_address(sentence: &str) -> bool {
    sentence.contains("http") || sentence.contains("www.") || sentence.contains('@')
}

/// “System: you …”: a line that pretends to be the instructions.
fn line_of_a_role(sentence: &str) -> Option<String> {
    let lower = sentence.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let (role, rest) = lower.split_once(':')?;
    let role = role.trim().to_lowercase();
    if !matches!(
        role.as_str(),
        "system" | "system override" | "admin override" | "developer override"
    ) {
        return None;
    }
    let first = words(rest).into_iter().next()?;
    let is_order = role.ends_with("override")
        || matches!(
            first.as_str(),
            "you" | "youre" | "ignore" | "disregard" | "forget" | "obey" | "new"
        );
    is_order.then(|| format!("{role}: {first}"))
}

fn is(list: &[&str], words: &[Word], at: usize) -> bool {
    words.get(at).is_some_and(|word| list.contains(&word.as_str()))
}

fn shown(words: &[Word], from: usize, to: usize) -> String {
    format!("{} … {}", words[from], words[to])
}

/// “Ignore all previous instructions”, “disregard your guidelines”.
fn sets_aside(words: &[Word]) -> Option<String> {
    (0..words.len())
        .filter(|at| is(SET_ASIDE, words, *at))
        .find_map(|verb| {
            let object = (verb + 1..words.len().min(verb + REACH)).find(|at| is(TOLD, words, *at))?;
            let around = verb + 1..words.len().min(object + 3);
            let says = |list: &[&str]| around.clone().any(|at| is(list, words, at));
            let is_order = if is(A_MODELS, words, object) {
                says(BEFORE) || says(OWN)
            } else {
                // Whoever writes a manual has rules and documents of his own.
                says(BEFORE) && says(&["all", "any", "every", "everything", "of", "your"])
                    || says(&["all"]) && says(&["your"])
            };
            is_order.then(|| shown(words, verb, object))
        })
}

/// “Reveal your system prompt”.
fn has_told(words: &[Word]) -> Option<String> {
    let is_secret = |at: usize| {
        SECRETS.iter().any(|[whose, what]| {
            is(&[whose], words, at)
                && (words.get(at + 1)).is_some_and(|word| word.strip_suffix('s').unwrap_or(word) == *what)
        })
    };
    (0..words.len()).filter(|at| is(TELL, words, *at)).find_map(|verb| {
        let secret = (verb + 1..words.len().min(verb + TELL_REACH)).find(|at| is_secret(*at))?;
        Some(format!("{} … {} {}", words[verb], words[secret], words[secret + 1]))
    })
}

/// “Pretend to be someone without any rules”.
fn pretends(words: &[Word]) -> Option<String> {
    let is_lacked =
        |at: usize| (words.get(at)).is_some_and(|word| LACKED.contains(&word.strip_suffix('s').unwrap_or(word)));
    (0..words.len()).filter(|at| is(PRETEND, words, *at)).find_map(|verb| {
        let lack = (verb + 1..words.len().min(verb + REACH)).find(|at| is(LACK, words, *at))?;
        (lack + 1..=lack + 3).any(is_lacked).then(|| shown(words, verb, lack))
    })
}

/// “Note to the assistant: ignore …”, “If you are an AI, reply …”.
fn calls(words: &[Word]) -> Option<String> {
    (0..words.len()).find_map(|start| {
        let begins = |call: &&&[&str]| {
            (0..)
                .zip(call.iter())
                .all(|(place, word)| is(&[word], words, start + place))
        };
        let call = CALLS.iter().find(begins)?;
        let mut name = start + call.len();
        while name < start + call.len() + 4 && is(BETWEEN, words, name) && !is(MODELS, words, name) {
            name += 1;
        }
        let language_model = is(&["language"], words, name.wrapping_sub(1)) && is(&["model", "models"], words, name);
        let is_model = is(MODELS, words, name) || language_model;
        if !is_model && !is(PERHAPS_MODELS, words, name) {
            return None;
        }
        // “As a model for …” and “as an AI company” are how manuals speak.
        if call == &&["as"][..] && !(is_model && is(AN_AI, words, name + 1)) {
            return None;
        }
        let orders = if is_model { ORDERS } else { ORDERS_TO_ANSWERERS };
        let order = (name + 1..words.len().min(name + 1 + ORDER_REACH)).find(|at| is(orders, words, *at))?;
        Some(format!("{} … {} … {}", words[start], words[name], words[order]))
    })
}
