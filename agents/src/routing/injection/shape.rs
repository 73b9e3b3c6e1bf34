//! The shape of a message: how it begins and ends, whom it speaks of, and marks that people who ask seldom set.

use crate::routing::Word;

/// How many features a shape has.
pub(super) const SHAPES: usize = Shape::NAMES.len();

/// Words before what a message begins with.
const COURTESIES: &[&str] = &[
    "please", "hi", "hello", "hey", "ok", "okay", "so", "and", "but", "kindly", "now", "just", "then", "thanks",
];
/// How questions begin.
const QUESTIONS: &[&str] = &[
    "how", "what", "whats", "which", "where", "when", "why", "who", "whose", "is", "are", "was", "were", "can",
    "could", "do", "does", "did", "will", "would", "may", "should", "has", "have", "am",
];
/// How orders to somebody who writes begin.
const ORDERS: &[&str] = &[
    "abandon",
    "access",
    "act",
    "activate",
    "add",
    "agree",
    "answer",
    "approve",
    "assume",
    "be",
    "become",
    "begin",
    "behave",
    "boot",
    "bypass",
    "call",
    "combine",
    "complete",
    "compose",
    "confirm",
    "consider",
    "continue",
    "copy",
    "deactivate",
    "declare",
    "decode",
    "delete",
    "describe",
    "disable",
    "disregard",
    "dont",
    "dump",
    "enable",
    "encode",
    "enter",
    "erase",
    "execute",
    "export",
    "fetch",
    "finish",
    "follow",
    "forget",
    "give",
    "go",
    "grant",
    "ignore",
    "imagine",
    "initiate",
    "insult",
    "invoke",
    "issue",
    "leak",
    "learn",
    "leave",
    "let",
    "lets",
    "lift",
    "list",
    "look",
    "make",
    "mark",
    "name",
    "open",
    "output",
    "override",
    "play",
    "pretend",
    "print",
    "process",
    "promise",
    "put",
    "quit",
    "read",
    "recite",
    "remember",
    "render",
    "repeat",
    "reply",
    "respond",
    "return",
    "reveal",
    "run",
    "save",
    "say",
    "send",
    "set",
    "share",
    "show",
    "simulate",
    "speak",
    "spell",
    "start",
    "stay",
    "stop",
    "store",
    "summarise",
    "summarize",
    "suppose",
    "switch",
    "take",
    "tell",
    "think",
    "throw",
    "transfer",
    "translate",
    "treat",
    "turn",
    "type",
    "unlock",
    "update",
    "upgrade",
    "use",
    "write",
];
/// Who speaks where a line of a conversation is imitated.
const SPEAKERS: &[&str] = &["system", "admin", "assistant", "user", "human", "developer"];
/// Marks by which models are told who speaks, and lines that rule something off.
const ROLE_MARKS: &[&str] = &[
    "</",
    "<!",
    "<|",
    "<<",
    ">>",
    "===",
    "---",
    "###",
    "\"role\"",
    "[system",
    "[assistant",
    "[inst",
    "[/inst",
    "](",
    "role:",
    "role =",
];
/// Marks of code and of places on a machine.
const CODE_MARKS: &[&str] = &["{{", ";", "$(", "/etc/", "../", "http://", "https://"];
/// So many letters and digits in one go are no word.
const ENCODED_MIN: usize = 20;

/// The shape of a message.
pub(super) struct Shape {
    /// The place of the first word that is no courtesy.
    pub(super) first: usize,
    asks: bool,
    begins_as_question: bool,
    says_how: bool,
    of_me: bool,
    of_us: bool,
    you_are: bool,
    begins_with_mark: bool,
    marks_roles: bool,
    quotes: bool,
    has_colon: bool,
    words: usize,
    is_encoded: bool,
    is_code: bool,
    begins_as_order: bool,
    forbids: bool,
    has_digit: bool,
    is_polite: bool,
    sentences: usize,
    of_others: bool,
}

impl Shape {
    /// By [`Self::features`].
    pub(super) const NAMES: [&'static str; 21] = [
        "asks",
        "begins as a question",
        "says how",
        "of me",
        "of us",
        "you are",
        "begins with a mark",
        "marks of roles",
        "quotes",
        "colon",
        "length",
        "encoded",
        "code",
        "begins as an order",
        "forbids",
        "digit",
        "polite",
        "sentences",
        "of others",
        "disguised",
        "unknown words",
    ];

    /// Looks at a message, whose words are `words` once disguises are taken off.
    pub(super) fn of(message: &str, words: &[Word]) -> Self {
        let is = |word: &str, list: &[&str]| list.contains(&word);
        let courtesies = words.iter().take_while(|word| is(word, COURTESIES)).count();
        let first = if courtesies == words.len() { 0 } else { courtesies };
        let begin = words.get(first).map_or("", Word::as_str);
        let says = |list: &[&str]| words.iter().any(|word| is(word, list));
        let pair = |one: &str, others: &[&str]| words.windows(2).any(|two| two[0] == one && is(&two[1], others));
        let lower = message.trim().to_lowercase();
        let has = |marks: &[&str]| marks.iter().any(|mark| lower.contains(mark));
        let follows = |mark: char, is_that: fn(char) -> bool| {
            let mut chars = lower.chars().peekable();
            std::iter::from_fn(|| chars.next().map(|c| (c, chars.peek().copied())))
                .any(|(c, next)| c == mark && next.is_some_and(is_that))
        };
        let calls = lower
            .match_indices('(')
            .any(|(at, _)| lower[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let is_text = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
        Self {
            first,
            asks: lower.ends_with(['?', '？']),
            begins_as_question: is(begin, QUESTIONS),
            says_how: pair("how", &["do", "can", "to", "should", "could"]),
            of_me: says(&["i", "im", "ive", "my", "me", "mine", "myself"]),
            of_us: says(&["we", "our", "us", "ours", "weve"]),
            you_are: says(&["youre", "youve", "youll"])
                || pair("you", &["are", "will", "must", "have", "can", "shall", "may", "should"]),
            begins_with_mark: lower.starts_with(['[', '<', '{', '#', '=', '-'])
                || SPEAKERS.iter().any(|role| lower.starts_with(role)),
            marks_roles: has(ROLE_MARKS) || follows('<', char::is_alphabetic),
            quotes: lower.contains(['"', '“']),
            has_colon: lower.contains(':'),
            words: words.len(),
            is_encoded: lower.split(|c| !is_text(c)).any(|run| run.len() >= ENCODED_MIN),
            is_code: has(CODE_MARKS) || calls,
            begins_as_order: is(begin, ORDERS),
            forbids: says(&["dont", "never"])
                || pair("do", &["not"])
                || pair("you", &["must"])
                || pair("must", &["not"]),
            has_digit: lower.bytes().any(|byte| byte.is_ascii_digit()),
            is_polite: says(&["please", "kindly"]),
            sentences: lower.matches(['.', '!', '?', ';']).count(),
            of_others: says(&["it", "they", "he", "she"]),
        }
    }

    /// As numbers, by [`Self::NAMES`].
    pub(super) fn features(&self, is_disguised: bool, is_known: bool) -> [f32; SHAPES] {
        let is = |condition: bool| f32::from(u8::from(condition));
        [
            is(self.asks),
            is(self.begins_as_question),
            is(self.says_how),
            is(self.of_me),
            is(self.of_us),
            is(self.you_are),
            is(self.begins_with_mark),
            is(self.marks_roles),
            is(self.quotes),
            is(self.has_colon),
            // Bounded, as is the number of sentences: length is no proof.
            ((1.0 + self.words as f32).ln() / 3.0).min(1.5),
            is(self.is_encoded),
            is(self.is_code),
            is(self.begins_as_order),
            is(self.forbids),
            is(self.has_digit),
            is(self.is_polite),
            (self.sentences as f32 / 3.0).min(1.5),
            is(self.of_others),
            is(is_disguised),
            is(!is_known),
        ]
    }
}
