//! Whether two questions ask the same.
//!
//! Static vectors see neither negation nor order, and "Team plan" lies near "Business plan". So what two questions are
//! about is matched word by word: by stem, spelling, initials, or as words that mean nearly the same. What must never
//! differ vetoes; of what is left without a fellow, a question may have nothing that says something.

use std::fmt;

use super::{
    asks::Asks,
    lexicon::CLASS_NOUNS,
    matching::matched,
    order::{is_turned_round, sides_are_moved},
    question::{Item, Kind, Question, REQUIRED, Subject},
    thesaurus::are_opposite,
};
use crate::embedder::StaticEmbedder;

/// From this similarity on, two questions may ask the same.
pub(super) const SIMILAR: f32 = 0.85;
/// What the share of matched words adds to the similarity; the cosine of the questions adds the rest. Set by hand, so that where
/// each word has a fellow it is [`SIMILAR`] from a cosine of 0.25 on: on the develop part of the evaluation no paraphrase lies
/// below 0.49, and what differs has a word without a fellow or a veto.
const SHARE_WEIGHT: f32 = 0.8;

/// A question about more than this is not compared: the work grows with the cube.
const ITEMS_MAX: usize = 32;

/// Wherein two questions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    Asks,
    Subject,
    Tense,
    Polarity,
    Order,
    Numbers,
    Names,
    Word(String),
    Matter,
    Length,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asks => f.write_str("what it asks for"),
            Self::Subject => f.write_str("who does it"),
            Self::Tense => f.write_str("past or present"),
            Self::Polarity => f.write_str("polarity or direction"),
            Self::Order => f.write_str("what does what to what"),
            Self::Numbers => f.write_str("a number"),
            Self::Names => f.write_str("a name"),
            Self::Matter => f.write_str("what it is about"),
            Self::Length => f.write_str("wording, and is too long to be compared word by word"),
            Self::Word(word) => write!(f, "the word “{word}”"),
        }
    }
}

/// How two questions stand to each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Agreement {
    /// What can never be made up for.
    pub(super) veto: Option<Difference>,
    /// Words of the first without a fellow, and of the second.
    pub(super) lonely: [Vec<String>; 2],
    /// How much alike they are, 0 to 1.
    pub(super) similarity: f32,
}

/// Compares two questions whose vectors have this cosine.
pub(super) fn compare(a: &Question, b: &Question, cosine: f32, embedder: &StaticEmbedder) -> Agreement {
    if a.has_words_of(b) {
        return Agreement {
            veto: None,
            lonely: [Vec::new(), Vec::new()],
            similarity: 1.0,
        };
    }
    if a.items.len().max(b.items.len()) > ITEMS_MAX {
        return Agreement {
            veto: Some(Difference::Length),
            lonely: [Vec::new(), Vec::new()],
            similarity: similarity(0, 0, cosine),
        };
    }
    let pairs = matched(a, b, embedder);
    let has_pair = |side: usize, at: usize| pairs.iter().any(|pair| [pair.0, pair.1][side] == at);
    let lonely = |side: usize, question: &Question, other: &Question| -> Vec<usize> {
        (0..question.items.len())
            .filter(|at| {
                let does_what_is_served = other.is_of_service && is_served(&question.items[*at]);
                let may_miss =
                    question.items[*at].is_implied || does_what_is_served || is_needed(&question.items[*at], other);
                !has_pair(side, *at) && !may_miss && !says_its_class(question, *at, side, &pairs)
            })
            .collect()
    };
    let (lonely_a, lonely_b) = (lonely(0, a, b), lonely(1, b, a));
    let word = |question: &Question, at: &usize| question.items[*at].word.clone();
    // What is only meant stands in no order.
    let mut said = pairs.clone();
    said.retain(|(x, y)| !a.items[*x].is_implied && !b.items[*y].is_implied);
    Agreement {
        veto: veto(a, b, &said, &lonely_a, &lonely_b),
        lonely: [
            lonely_a.iter().map(|at| word(a, at)).collect(),
            lonely_b.iter().map(|at| word(b, at)).collect(),
        ],
        similarity: similarity(pairs.len(), lonely_a.len() + lonely_b.len(), cosine),
    }
}

impl Agreement {
    /// The first difference that matters; none where both ask the same, word by word.
    pub(super) fn difference(&self) -> Option<Difference> {
        let lonely = || self.lonely.iter().flatten().next().cloned().map(Difference::Word);
        let is_far = self.similarity < SIMILAR;
        self.veto
            .clone()
            .or_else(lonely)
            .or(is_far.then_some(Difference::Matter))
    }
}

/// The mean of the share of words that have a fellow, in both questions, and of the cosine. 0 to 1.
fn similarity(pairs: usize, lonely: usize, cosine: f32) -> f32 {
    let words = 2 * pairs + lonely;
    let share = if words == 0 {
        0.0
    } else {
        (2 * pairs) as f32 / words as f32
    };
    (SHARE_WEIGHT * share + (1.0 - SHARE_WEIGHT) * cosine).clamp(0.0, 1.0)
}

fn veto(
    a: &Question,
    b: &Question,
    pairs: &[(usize, usize)],
    lonely_a: &[usize],
    lonely_b: &[usize],
) -> Option<Difference> {
    let both_look =
        a.looks && b.looks && matches!((a.asks, b.asks), (Asks::How, Asks::Place) | (Asks::Place, Asks::How));
    if !a.asks.agrees_with(b.asks) && !both_look {
        return Some(Difference::Asks);
    }
    let lonely = || {
        let a = lonely_a.iter().map(|at| &a.items[*at]);
        a.chain(lonely_b.iter().map(|at| &b.items[*at]))
    };
    if lonely().any(|item| matches!(item.kind, Kind::Number(_))) {
        return Some(Difference::Numbers);
    }
    if lonely().any(|item| matches!(item.kind, Kind::Side(_))) || sides_are_moved(a, b, pairs) {
        return Some(Difference::Polarity);
    }
    let opposed = |x: &usize| {
        lonely_b
            .iter()
            .any(|y| are_opposite(&a.items[*x].stem, &b.items[*y].stem))
    };
    if lonely_a.iter().any(opposed) {
        return Some(Difference::Polarity);
    }
    if lonely().any(|item| item.kind == Kind::Name) {
        return Some(Difference::Names);
    }
    // What is done as a rule will be done; and when something happens is asked either way.
    let looks_ahead = |question: &Question| {
        question.is_future
            || question.is_habitual
            || matches!(
                question.asks,
                Asks::Time | Asks::Hour | Asks::Day | Asks::Duration | Asks::Outcome
            )
    };
    if a.is_past != b.is_past || (a.is_future != b.is_future && !(looks_ahead(a) && looks_ahead(b))) {
        return Some(Difference::Tense);
    }
    let is_other_doer = matches!(
        (a.subject, b.subject),
        (Subject::Asker, Subject::Asked | Subject::OtherToAsker)
            | (Subject::Asked | Subject::OtherToAsker, Subject::Asker)
    );
    let is_served =
        |a: &Question, b: &Question| a.is_served && a.subject == Subject::Other && b.subject == Subject::Asker;
    if is_other_doer || is_served(a, b) || is_served(b, a) {
        return Some(Difference::Subject);
    }
    if !a.light.is_empty() && !b.light.is_empty() && a.light != b.light {
        return Some(Difference::Word(a.light[0].to_owned()));
    }
    is_turned_round(a, b, pairs).then_some(Difference::Order)
}

/// Whether an item only says of what kind a name beside it is, as in "the Team plan".
fn says_its_class(question: &Question, at: usize, side: usize, pairs: &[(usize, usize)]) -> bool {
    let item = &question.items[at];
    CLASS_NOUNS.split_ascii_whitespace().any(|noun| noun == item.word)
        && at > 0
        && question.items[at - 1].kind == Kind::Name
        && question.items[at - 1].at + 1 == item.at
        && pairs.iter().any(|pair| [pair.0, pair.1][side] == at - 1)
}

/// Whether another question says otherwise what one has to: "which papers are required" is "which papers do I need", and "what must I
/// bring" is "what should I bring".
fn is_needed(item: &Item, other: &Question) -> bool {
    let has = |word: &str| other.tokens.iter().any(|token| token.lower == word);
    match (&item.kind, item.word.as_str()) {
        (Kind::Word, REQUIRED) => other.light.contains(&"need"),
        (Kind::Side("must"), _) => has("should") || has(REQUIRED),
        _ => false,
    }
}

/// What one does with that which another takes or offers: "do you take cards" is "can I pay by card".
fn is_served(item: &Item) -> bool {
    matches!(item.word.as_str(), "pay" | "use" | "have" | "buy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{embedder::cosine, testing::embedder};

    fn difference(a: &str, b: &str) -> Option<Difference> {
        compare(
            &Question::of(a),
            &Question::of(b),
            cosine(&embedder().embed(a), &embedder().embed(b)),
            embedder(),
        )
        .difference()
    }

    #[test]
    fn questions_that_ask_the_same_agree() {
        for (a, b) in [
            ("How do I rotate my API key?", "how can I rotate my api keys"),
            ("How do I enable SSO?", "How do I turn on SSO?"),
            ("What does the Team plan cost?", "How much does the Team plan cost?"),
            (
                "How do I move my data to the EU?",
                "How can I move our data into the EU?",
            ),
            (
                "What does the Team plan cost?",
                "Please tell me what the team plan costs",
            ),
            (
                "How do I cancel my subscription?",
                "How can I cancel the subscription, please?",
            ),
            ("How large can a file be?", "What is the maximum size of a file?"),
            ("Does the warranty cover theft?", "Is theft covered by the warranty?"),
            ("Does the plan include support?", "Is support included in the plan?"),
            ("Does the hotel have a pool?", "Is there a pool at the hotel?"),
            (
                "How do I block a stolen card?",
                "My card was stolen. How do I block it?",
            ),
            (
                "How do I close my account?",
                "I need to close my account, how can I do that?",
            ),
            ("Can I check in early?", "Is early check-in possible?"),
            ("Who approves reports?", "By whom are reports approved?"),
            ("Who approves the reports?", "Who approves my reports?"),
        ] {
            assert_eq!(difference(a, b), None, "{a} / {b}");
            assert_eq!(difference(b, a), None, "{b} / {a}");
        }
    }

    #[test]
    fn questions_that_only_look_alike_differ() {
        for (a, b) in [
            ("How do I turn on SSO?", "How do I turn off SSO?"),
            ("Can I get a refund after 14 days?", "Can I get a refund after 30 days?"),
            ("What does the Team plan cost?", "What does the Business plan cost?"),
            ("what does the team plan cost", "what does the business plan cost"),
            ("How do I add a seat?", "How do I remove a seat?"),
            ("Is my data encrypted?", "Is my data not encrypted?"),
            ("How long are events kept?", "Where are events kept?"),
            ("How do I rotate an API key?", "How do I rotate a webhook secret?"),
            ("What is the monthly price?", "What is the annual price?"),
            ("Move from 2 to 5 seats", "Move from 5 to 2 seats"),
            ("How do I delete a workspace?", "How do I undo deleting a workspace?"),
            ("Do you charge VAT?", "Did you charge VAT?"),
            (
                "How do I move data from the EU to the US?",
                "How do I move data from the US to the EU?",
            ),
            ("Does the sender see the receiver?", "Does the receiver see the sender?"),
            ("Who approves reports?", "By whom are approvers reported?"),
            (
                "Is the old plan above the Team plan?",
                "Is the Team plan above the old plan?",
            ),
            ("Can an admin remove an owner?", "Can an owner remove an admin?"),
            ("Where do notices to Acme go?", "Where do notices from Acme go?"),
            (
                "Which addresses do you connect to?",
                "Which addresses do you connect from?",
            ),
            (
                "What happens to a Viewer who becomes an Editor?",
                "What happens to an Editor who becomes a Viewer?",
            ),
            ("What does the Team plan cost?", "What does the Team plan include?"),
            ("How large is the hall?", "How old is the hall?"),
            ("How large can a file be?", "How large must a file be?"),
            ("Does the plan include support?", "Is the plan included in support?"),
            ("Does the tenant pay the owner?", "Is the tenant paid by the owner?"),
            ("Does the team have a plan?", "Is there a team plan?"),
            ("Does the hotel have a pool?", "Is there a hotel at the pool?"),
            ("Which courses are required?", "Which courses are there?"),
            ("Where are tickets sold?", "Where can I sell a ticket?"),
            ("What time does it open?", "On which day does it open?"),
        ] {
            assert!(difference(a, b).is_some(), "{a} / {b}");
            assert!(difference(b, a).is_some(), "{b} / {a}");
        }
    }
}
