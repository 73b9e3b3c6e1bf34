//! Budgets of language models: a section `[budgets.NAME]` for each.

use std::time::Duration;

use orchestratai_agents::budget::{Beyond, Budget, Scope, Window};

use super::{
    layers::{Raw, Sections},
    problem::Origin,
    reader::{Reader, text},
    section::{Section, is_name},
    tools::APPROVAL_WITHIN,
};

/// What a section may say of one budget.
const FIELDS: [&str; 7] = [
    "scope",
    "window",
    "tokens",
    "usd",
    "at_warning",
    "beyond",
    "approval_within",
];

/// What is said for all budgets, and may be said of one of them.
#[derive(Debug, Clone, Copy)]
struct CommonSettings {
    at_warning: f64,
    beyond: Beyond,
    approval_within: Duration,
}

/// Sums stay within what databases count, with room for what is charged beyond.
const TOKENS_MAX: u64 = 1_000_000_000_000_000;
const USD_MIN: f64 = 0.000_001;
const USD_MAX: f64 = 1_000_000_000.0;

const NANOS: f64 = 1e9;

pub(super) fn read_budgets(r: &mut Reader) -> Vec<Budget> {
    let common = CommonSettings {
        at_warning: r.share("budgets.at_warning"),
        beyond: r.choice("budgets.beyond", &Beyond::ALL.map(|beyond| (beyond.name(), beyond))),
        approval_within: r.duration("budgets.approval_within", APPROVAL_WITHIN),
    };
    let mut budgets = Vec::new();
    for (name, fields) in r.take_sections(Sections::Budgets) {
        let mut section = Section::new(r, Sections::Budgets, &name, fields);
        budgets.extend(section.read_budget(&common));
    }
    budgets
}

impl Section<'_> {
    /// The budget; none where something is wrong with it, which is noted.
    fn read_budget(&mut self, common: &CommonSettings) -> Option<Budget> {
        let place = self.place();
        if !is_name(self.name) {
            let what = "the name of a budget is a letter and then up to 63 of a-z, 0-9, - and _";
            self.refuse(place, format!("[budgets.{}]: {what}", self.name));
            return None;
        }
        let scope = self.word("scope", &Scope::ALL.map(|scope| (scope.name(), scope)));
        let window = self.word("window", &Window::ALL.map(|window| (window.name(), window)));
        let beyond = self.word("beyond", &Beyond::ALL.map(|beyond| (beyond.name(), beyond)));
        let tokens = self.value("tokens", format!("a whole number, 1 to {TOKENS_MAX}"), whole);
        let usd = self.value("usd", "a number, 0.000001 to 1000000000", |raw| {
            number(raw).filter(|usd| (USD_MIN..=USD_MAX).contains(usd))
        });
        let at_warning = self.value("at_warning", "a number, 0 to 1", |raw| {
            number(raw).filter(|share| (0.0..=1.0).contains(share))
        });
        let approval_within = self.duration("approval_within", APPROVAL_WITHIN, common.approval_within);
        self.want("scope", scope.is_some(), &place);
        let window = match scope {
            // One that runs at midnight is still one.
            Some(Scope::Turn) if window.is_some_and(|window| window != Window::Endless) => {
                let what = "each turn has a budget of its own, whose window is none";
                self.refuse(place.clone(), format!("[budgets.{}]: {what}", self.name));
                None
            }
            Some(Scope::Turn) => Some(Window::Endless),
            // A budget that never begins anew is something to be said, and nothing to be forgotten.
            Some(Scope::Session | Scope::User | Scope::Agent | Scope::Organization) => {
                self.want("window", window.is_some(), &place);
                window
            }
            None => window,
        };
        if tokens.is_none() && usd.is_none() && !self.has_problem_with("tokens") && !self.has_problem_with("usd") {
            self.refuse(
                place,
                format!("[budgets.{}] wants `tokens` or `usd`, or both", self.name),
            );
        }
        self.refuse_rest(&FIELDS);
        Some(Budget {
            name: self.name.to_owned(),
            scope: scope?,
            window: window?,
            tokens,
            usd_nanos: usd.map(|usd| (usd * NANOS).round() as u64),
            at_warning: at_warning.unwrap_or(common.at_warning),
            beyond: beyond.unwrap_or(common.beyond),
            approval_within,
        })
    }

    /// One of several words, each with what it stands for.
    fn word<T: Copy>(&mut self, field: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        self.value(field, words.join(", "), |raw| {
            let word = text(raw)?;
            choices
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, value)| *value)
        })
    }

    fn want(&mut self, field: &str, is_there: bool, place: &Origin) {
        if !is_there && !self.has_problem_with(field) {
            self.refuse(place.clone(), format!("[budgets.{}] wants a `{field}`", self.name));
        }
    }
}

fn whole(raw: &Raw) -> Option<u64> {
    let number = match raw {
        Raw::Integer(number) => u64::try_from(*number).ok()?,
        Raw::Text(text) => text.parse().ok()?,
        Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => return None,
    };
    (1..=TOKENS_MAX).contains(&number).then_some(number)
}

fn number(raw: &Raw) -> Option<f64> {
    match raw {
        // A number with a decimal point is kept as it was written.
        Raw::Text(number) | Raw::Other(number) => number.parse().ok(),
        Raw::Integer(number) => u32::try_from(*number).ok().map(f64::from),
        Raw::Boolean(_) | Raw::List(_) => None,
    }
}
