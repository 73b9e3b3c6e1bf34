//! What is measured: "how large" asks for the size, as "what is the size of" does.
//!
//! An adjective of degree and the noun of what it measures are one attribute, as WordNet has it (Miller, 1995): `size` of
//! `large` and `small`, `age` of `old`. Different attributes are never one question, however near their words are.

use super::asks::{Asks, is_one_of};

/// What a question of degree measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    Size,
    Height,
    Distance,
    Age,
    Weight,
    Width,
    Depth,
}

/// Words that may follow a noun phrase: where one stands, the word before it is the head of the phrase.
const AFTER_HEAD: &str = "of for on in at to per with from by when if that which who i we you can may is are";

/// "The response time" is how long it takes; "the departure time" is a moment.
const TIMES_THAT_LAST: &str = "response retention processing waiting delivery lead travel turnaround handling shipping";

/// What "what is the … size of" asks for, with the place of its noun; none where the head of the phrase at `words[at]`, behind
/// "what is", is no measure.
pub(super) fn asked_by_noun(words: &[&str], at: usize) -> Option<(Asks, usize)> {
    let begins = words[at] == "what" && words.get(at + 1).is_some_and(|verb| matches!(*verb, "is" | "are"));
    if !begins {
        return None;
    }
    let phrase = words.get(at + 2..)?;
    let length = phrase
        .iter()
        .position(|word| is_one_of(AFTER_HEAD, word))
        .unwrap_or(phrase.len());
    let head = at + 2 + length.checked_sub(1)?;
    let asks = match words[head] {
        "size" => Asks::Measure(Attribute::Size),
        "height" => Asks::Measure(Attribute::Height),
        "distance" => Asks::Measure(Attribute::Distance),
        "age" => Asks::Measure(Attribute::Age),
        "weight" => Asks::Measure(Attribute::Weight),
        "width" => Asks::Measure(Attribute::Width),
        "depth" => Asks::Measure(Attribute::Depth),
        "length" | "duration" | "period" => Asks::Duration,
        "time" if is_one_of(TIMES_THAT_LAST, words[head - 1]) => Asks::Duration,
        // "Opening hours", "support hours".
        "hours" => Asks::Time,
        // "What is the number for bookings" asks for one to call.
        "number" if words.get(head + 1) == Some(&"of") => Asks::Count,
        _ => return None,
    };
    Some((asks, head))
}

/// The bound that a verb beside a question of degree stands for: "how large can it be" asks for the most.
pub(super) fn bound_asked(asks: Asks, word: &str) -> Option<&'static str> {
    if !matches!(asks, Asks::Measure(_) | Asks::Count | Asks::Duration) {
        return None;
    }
    match word {
        "can" | "could" | "may" | "might" => Some("most"),
        "must" => Some("least"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_the_phrase_says_what_is_measured() {
        for (question, asks) in [
            (
                "what is the maximum size of a file",
                Some((Asks::Measure(Attribute::Size), 4)),
            ),
            (
                "what is the maximum file size",
                Some((Asks::Measure(Attribute::Size), 5)),
            ),
            ("what is the number of seats", Some((Asks::Count, 3))),
            ("what is the number for bookings", None),
            ("what is the size limit of a file", None),
            ("what is", None),
            ("what happens to the size", None),
        ] {
            let words: Vec<&str> = question.split(' ').collect();
            assert_eq!(asked_by_noun(&words, 0), asks, "{question}");
        }
    }
}
