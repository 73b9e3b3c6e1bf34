//! What the form of a question says about the form of its answer.

use std::sync::LazyLock;

use crate::{knowledge::PassageForm, phrases::Phrases};

/// What a question wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// Code or a command.
    pub(super) code: bool,
    /// Several figures beside each other.
    pub(super) figures: bool,
    /// A number.
    pub(super) number: bool,
    /// An amount of money.
    pub(super) money: bool,
    /// A length of time or a point in it.
    pub(super) time: bool,
    /// A yes or a no.
    pub(super) verdict: bool,
    /// How something is done, step by step.
    pub(super) steps: bool,
}

static CODE: LazyLock<Phrases> = LazyLock::new(|| {
    listed(
        "command, cli, curl, code, example, snippet, terminal, python, typescript, go, java, script, request, header, json, \
         payload, endpoint, call, line, shell, sample, syntax",
    )
});
static FIGURES: LazyLock<Phrases> = LazyLock::new(|| {
    listed(
        "compare, which plan, which plans, how many, how much, limit, limits, plans, per plan, each plan, list, table, codes, \
         difference, what does, which",
    )
});
static NUMBER: LazyLock<Phrases> = LazyLock::new(|| {
    listed("how many, how large, how big, limit, limits, maximum, percent, percentage, number, size, most")
});
static MONEY: LazyLock<Phrases> = LazyLock::new(|| {
    listed("how much, price, prices, cost, costs, pay, fee, fees, charge, cheaper, expensive, discount, euro, dollars")
});
static TIME: LazyLock<Phrases> = LazyLock::new(|| {
    listed(
        "how long, how soon, how fast, how quickly, how often, when, until when, by when, deadline, how many days, how many hours, \
         how many minutes, how many months, how old, how late, how early",
    )
});
static STEPS: LazyLock<Phrases> = LazyLock::new(|| {
    listed(
        "how do i, how do we, how do you, how does one, how can i, how can we, how could i, how could we, how should i, how should we, \
         how would i, how would we, how to, how must i, steps, step by step, walk me through, instructions, procedure",
    )
});
/// How a question begins that wants a yes or a no.
const VERDICT: &[&str] = &[
    "can", "could", "do", "does", "did", "is", "are", "am", "will", "would", "may", "must", "should", "has", "have",
    "was", "were",
];

fn listed(phrases: &'static str) -> Phrases {
    Phrases::new(phrases.split(", "))
}

impl Form {
    /// Reads the form of a question.
    pub(super) fn of(question: &str) -> Self {
        let words = crate::routing::words(question);
        let (time, money) = (TIME.any_in(&words), MONEY.any_in(&words));
        Self {
            code: CODE.any_in(&words),
            figures: FIGURES.any_in(&words),
            number: time || money || NUMBER.any_in(&words),
            money,
            time,
            verdict: words.first().is_some_and(|first| VERDICT.contains(&first.as_str())),
            steps: STEPS.any_in(&words),
        }
    }

    /// Whether a passage of this form has a number of the kind that is asked for.
    pub(super) fn asks_for(&self, passage: &PassageForm) -> bool {
        (self.money && passage.money) || (self.time && passage.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_form_its_answer_has() {
        let form = Form::of("How do I rotate a key from the terminal?");
        assert!(form.code && form.steps && !form.number && !form.verdict);
        let form = Form::of("How much is the Team plan?");
        assert!(form.number && form.money && !form.time);
        let form = Form::of("How long are events kept?");
        assert!(form.number && form.time && !form.money && !form.steps);
        assert!(Form::of("Can I get some extra days?").verdict);
        assert_eq!(Form::of(""), Form::default());
    }

    #[test]
    fn a_number_is_of_the_kind_that_is_asked_for() {
        let (price, time) = (Form::of("What does it cost?"), Form::of("How soon do you answer?"));
        let (dollars, days, none) = (
            PassageForm::of("It is $49 a seat."),
            PassageForm::of("Within 3 business days."),
            PassageForm::of("Soon."),
        );
        assert!(price.asks_for(&dollars) && !price.asks_for(&days) && !price.asks_for(&none));
        assert!(time.asks_for(&days) && !time.asks_for(&dollars) && !time.asks_for(&none));
    }
}
