//! What the form of a question says about the form of its answer.

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
}

impl Form {
    /// Reads the form of a question.
    pub(super) fn of(question: &str) -> Self {
        let words = crate::routing::words(question);
        let line = format!(" {} ", words.join(" "));
        let has = |phrases: &str| phrases.split(", ").any(|phrase| line.contains(&format!(" {phrase} ")));
        let begins = |phrases: &str| {
            phrases
                .split(' ')
                .any(|word| words.first().is_some_and(|first| first == word))
        };
        let time = has(
            "how long, how soon, how fast, how quickly, how often, when, until when, by when, deadline, how many days, how many hours, \
             how many minutes, how many months, how old, how late, how early",
        );
        let money = has(
            "how much, price, prices, cost, costs, pay, fee, fees, charge, cheaper, expensive, discount, euro, dollars",
        );
        Self {
            code: has(
                "command, cli, curl, code, example, snippet, terminal, python, typescript, go, java, script, request, header, \
                 json, payload, endpoint, call, line, shell, sample, syntax",
            ),
            figures: has(
                "compare, which plan, which plans, how many, how much, limit, limits, plans, per plan, each plan, list, table, codes, \
                 difference, what does, which",
            ),
            number: time
                || money
                || has("how many, how large, how big, limit, limits, maximum, percent, percentage, number, size, most"),
            money,
            time,
            verdict: begins("can could do does did is are am will would may must should has have was were"),
        }
    }

    /// Whether a passage with these numbers has the one that is asked for.
    pub(super) fn asks_for(&self, numbers: &has::Numbers) -> bool {
        (self.money && numbers.money) || (self.time && numbers.time)
    }
}

/// What a passage has that a form may want.
pub(super) mod has {
    /// Which kinds of number a text has.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(in crate::model) struct Numbers {
        /// Any at all.
        pub(in crate::model) any: bool,
        /// With a currency or a percent sign.
        pub(in crate::model) money: bool,
        /// With a unit of time.
        pub(in crate::model) time: bool,
    }

    /// The kinds of number in a text.
    pub(in crate::model) fn numbers(text: &str) -> Numbers {
        const UNITS: &[&str] = &[
            "second",
            "minute",
            "hour",
            "day",
            "week",
            "month",
            "year",
            "january",
            "february",
            "march",
            "april",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let lower = text.to_lowercase();
        let any = lower.bytes().any(|byte| byte.is_ascii_digit());
        let is_unit = |word: &str| {
            let word = word.strip_suffix('s').unwrap_or(word);
            UNITS.contains(&word)
        };
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        Numbers {
            any,
            money: any && lower.contains(['$', '€', '£', '%']),
            time: words.any(is_unit),
        }
    }

    /// Whether a text allows, forbids or affirms something.
    pub(in crate::model) fn verdict(text: &str) -> bool {
        const WORDS: &[&str] = &[
            "can", "cannot", "not", "no", "never", "only", "must", "may", "always", "yes", "without", "none", "neither",
        ];
        let lower = text.to_lowercase();
        lower
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| WORDS.contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_form_its_answer_has() {
        let form = Form::of("How do I rotate a key from the terminal?");
        assert!(form.code && !form.number && !form.verdict);
        let form = Form::of("How much is the Team plan?");
        assert!(form.number && form.money && !form.time);
        let form = Form::of("How long are events kept?");
        assert!(form.number && form.time && !form.money);
        assert!(Form::of("Can I get some extra days?").verdict);
        assert_eq!(Form::of(""), Form::default());
    }

    #[test]
    fn a_number_is_of_the_kind_that_is_asked_for() {
        let (price, time) = (Form::of("What does it cost?"), Form::of("How soon do you answer?"));
        let (dollars, days, none) = (
            has::numbers("It is $49 a seat."),
            has::numbers("Within 3 business days."),
            has::numbers("Soon."),
        );
        assert!(price.asks_for(&dollars) && !price.asks_for(&days) && !price.asks_for(&none));
        assert!(time.asks_for(&days) && !time.asks_for(&dollars) && !time.asks_for(&none));
        assert!(has::verdict("Viewers cannot edit.") && !has::verdict("Viewers edit."));
    }
}
