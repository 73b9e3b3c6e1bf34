//! What a passage has that the form of a question may want: read once, when the passage is made.

/// What a passage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PassageForm {
    /// A digit.
    pub(crate) number: bool,
    /// A number with a currency or a percent sign.
    pub(crate) money: bool,
    /// A unit of time.
    pub(crate) time: bool,
    /// Something is allowed, forbidden or affirmed.
    pub(crate) verdict: bool,
    /// It ends with a colon: the next passage says what.
    pub(crate) introduces: bool,
}

impl PassageForm {
    /// Reads the form of a text.
    pub(crate) fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let number = lower.bytes().any(|byte| byte.is_ascii_digit());
        let words = || lower.split(|c: char| !c.is_alphanumeric());
        Self {
            number,
            money: number && lower.contains(['$', '€', '£', '%']),
            time: words().any(|word| UNITS_OF_TIME.contains(&word.strip_suffix('s').unwrap_or(word))),
            verdict: words().any(|word| VERDICTS.contains(&word)),
            introduces: text.trim_end().ends_with(':'),
        }
    }
}

/// In the singular.
const UNITS_OF_TIME: &[&str] = &[
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
const VERDICTS: &[&str] = &[
    "can", "cannot", "not", "no", "never", "only", "must", "may", "always", "yes", "without", "none", "neither",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_tells_numbers_money_time_verdicts_and_introductions() {
        let of = |text: &str| {
            let form = PassageForm::of(text);
            [form.number, form.money, form.time, form.verdict, form.introduces]
        };
        assert_eq!(of("It is $49 a seat."), [true, true, false, false, false]);
        assert_eq!(of("Within 3 business DAYS."), [true, false, true, false, false]);
        assert_eq!(of("Viewers cannot edit."), [false, false, false, true, false]);
        assert_eq!(of("Prices in $ are: "), [false, false, false, false, true]);
        assert_eq!(PassageForm::of(""), PassageForm::default());
    }
}
