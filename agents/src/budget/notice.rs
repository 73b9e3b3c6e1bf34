//! What a turn is told of a budget of which much is used.

use std::fmt::Write as _;

use orchestratai_shared::Timestamp;

use super::{Amount, Budget, Window};

/// A budget of which a request has left little, or less than nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetNotice {
    /// That it is so, for people: with the budget's name.
    pub title: String,
    /// Which budget, how much of it is used, and when it begins anew; for people. Not whose: that may be a person's name.
    pub reason: String,
}

impl BudgetNotice {
    /// Of a budget of which so much is used, where 1 is all, in the window around `at`.
    pub(super) fn new(budget: &Budget, share: f64, at: Timestamp) -> Self {
        let title = match share > 1.0 {
            true => format!("More is spent than budget \"{}\" allows", budget.name),
            false => format!("Budget \"{}\" is nearly spent", budget.name),
        };
        // Rounded down: only all of it is 100 %.
        let percent = (share * 100.0).floor();
        let mut reason = format!("Of the {} {percent} % are used", described(budget));
        if let Some(end) = budget.window.around(at).1 {
            let _ = write!(reason, "; it begins anew at {end}");
        }
        reason.push('.');
        Self { title, reason }
    }
}

/// A budget as people are told of it: its name, what it allows, in how long, and to whom each.
pub(super) fn described(budget: &Budget) -> String {
    let usd = |nanos| Amount {
        tokens: 0,
        usd_nanos: nanos,
    };
    let most = match (budget.tokens, budget.usd_nanos) {
        (Some(tokens), Some(nanos)) => format!("{tokens} tokens and {} USD", usd(nanos).usd()),
        (Some(tokens), None) => format!("{tokens} tokens"),
        (None, nanos) => format!("{} USD", usd(nanos.unwrap_or(0)).usd()),
    };
    let in_how_long = match budget.window {
        Window::Endless => String::new(),
        Window::Hour | Window::Day | Window::Month => format!(" a {}", budget.window.name()),
    };
    format!(
        "budget \"{}\" of {most}{in_how_long} for each {}",
        budget.name,
        budget.scope.name()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::{Beyond, Scope};

    #[test]
    fn it_names_the_budget_the_share_and_the_period_and_nobody() {
        let mut budget = Budget {
            name: "people".into(),
            scope: Scope::User,
            window: Window::Day,
            tokens: Some(1_000),
            usd_nanos: None,
            at_warning: 0.8,
            beyond: Beyond::Warn,
            approval_within: Duration::from_secs(60),
        };
        let at = "2026-03-31T12:00:00Z".parse().unwrap();
        let nearly = BudgetNotice::new(&budget, 0.999, at);
        assert_eq!(nearly.title, "Budget \"people\" is nearly spent");
        assert_eq!(
            nearly.reason,
            "Of the budget \"people\" of 1000 tokens a day for each user 99 % are used; it begins anew at 2026-04-01T00:00:00.000Z."
        );
        budget.window = Window::Endless;
        let beyond = BudgetNotice::new(&budget, 1.5, at);
        assert_eq!(beyond.title, "More is spent than budget \"people\" allows");
        assert_eq!(
            beyond.reason,
            "Of the budget \"people\" of 1000 tokens for each user 150 % are used."
        );
    }
}
