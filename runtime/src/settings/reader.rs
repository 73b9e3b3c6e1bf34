//! Reads typed values out of the layers and gathers what is wrong with them.

use std::{fmt, ops::RangeInclusive, time::Duration};

use super::{
    layers::{Entry, Layers, Named, Raw, Sections},
    problem::{Origin, Problem, ProblemKind},
    quantity::{parse_duration, parse_size, show_duration, show_size},
};

/// Keys whose values are never shown.
const SECRET: [&str; 5] = [
    "auth.token",
    "store.url",
    "redis.url",
    "telemetry.traces_endpoint", // A password may stand in it by mistake.
    "telemetry.traces_headers",
];

/// Takes values from the layers, each key once.
///
/// Where a value is not valid, the problem is noted and some value of the type given back: it does not matter which, since
/// [`finish`](Self::finish) then gives the problems instead of the settings.
pub(super) struct Reader {
    layers: Layers,
    read: Vec<ReadValue>,
}

/// A value that was read, for those who list them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadValue {
    /// The key.
    pub(crate) key: &'static str,
    /// Where it was set.
    pub(crate) origin: Origin,
    /// What it is, or that it is secret.
    pub(crate) shown: String,
    /// What is allowed, for people.
    pub(crate) allowed: String,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            read: Vec::new(),
        }
    }

    /// A value that `parse` accepts; `allowed` says for people what that is.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        allowed: impl fmt::Display,
        parse: impl FnOnce(&Raw) -> Option<T>,
    ) -> Option<T> {
        let Entry { raw, origin } = self
            .layers
            .entries
            .get(key)
            .expect("the defaults hold every key")
            .clone();
        let is_secret = SECRET.contains(&key) && raw != Raw::Text(String::new());
        let shown = if is_secret {
            "(secret)".to_owned()
        } else {
            raw.to_string()
        };
        let allowed = allowed.to_string();
        self.read.push(ReadValue {
            key,
            origin: origin.clone(),
            shown: shown.clone(),
            allowed: allowed.clone(),
        });
        let parsed = parse(&raw);
        if parsed.is_none() {
            let what = ProblemKind::Value {
                key: key.to_owned(),
                shown,
                allowed,
            };
            self.layers.problems.push(Problem { origin, what });
        }
        parsed
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> u32 {
        let allowed = format!("{} to {}", range.start(), range.end());
        let number = self.value(key, allowed, |raw| {
            let number = match raw {
                Raw::Integer(number) => u32::try_from(*number).ok()?,
                Raw::Text(text) => text.parse().ok()?,
                Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => return None,
            };
            range.contains(&number).then_some(number)
        });
        number.unwrap_or(*range.start())
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> bool {
        let value = self.value(key, "true or false", |raw| match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Text(text) => text.parse().ok(),
            Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
        });
        value.unwrap_or_default()
    }

    /// A duration within `range`.
    pub(super) fn duration(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Duration {
        let allowed = format!(
            "a duration, {} to {}",
            show_duration(*range.start()),
            show_duration(*range.end())
        );
        let duration = self.value(key, allowed, |raw| {
            text(raw)
                .and_then(parse_duration)
                .filter(|duration| range.contains(duration))
        });
        duration.unwrap_or_default()
    }

    /// A share, from 0 to 1.
    pub(super) fn share(&mut self, key: &'static str) -> f64 {
        let share = self.value(key, "a number, 0 to 1", |raw| {
            let number: f64 = match raw {
                // A number with a decimal point is kept as it was written.
                Raw::Text(number) | Raw::Other(number) => number.parse().ok()?,
                Raw::Integer(number) => f64::from(u8::try_from(*number).ok()?),
                Raw::Boolean(_) | Raw::List(_) => return None,
            };
            (0.0..=1.0).contains(&number).then_some(number)
        });
        share.unwrap_or_default()
    }

    /// A number of bytes within `range`.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> u64 {
        let allowed = format!("a size, {} to {}", show_size(*range.start()), show_size(*range.end()));
        let size = self.value(key, allowed, |raw| {
            text(raw).and_then(parse_size).filter(|size| range.contains(size))
        });
        size.unwrap_or_default()
    }

    /// One of several words, each with what it stands for.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> T {
        let mut allowed = String::new();
        for (position, (word, _)) in choices.iter().enumerate() {
            allowed += match position {
                0 => "",
                last if last + 1 == choices.len() => " or ",
                _ => ", ",
            };
            allowed += word;
        }
        let chosen = self.value(key, allowed, |raw| {
            let text = text(raw)?;
            choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
        });
        chosen.unwrap_or(choices[0].1)
    }

    /// Notes that values do not go together; the place is that of `key`.
    pub(super) fn refuse(&mut self, key: &'static str, what: impl Into<String>) {
        let origin = self
            .layers
            .entries
            .get(key)
            .map_or(Origin::Default, |entry| entry.origin.clone());
        self.layers.problems.push(Problem {
            origin,
            what: ProblemKind::Together(what.into()),
        });
    }

    /// The sections of one kind, by name, and their fields; once.
    pub(super) fn take_sections(&mut self, sections: Sections) -> Named {
        self.layers.sections.remove(&sections).unwrap_or_default()
    }

    /// A variable of the environment that a section names.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        self.layers.variable(name)
    }

    /// Notes what is wrong.
    pub(super) fn add_problem(&mut self, problem: Problem) {
        self.layers.problems.push(problem);
    }

    /// Whether something is wrong with the value of `key`.
    pub(super) fn has_problem_with(&self, key: &str) -> bool {
        let is_of = |problem: &Problem| matches!(&problem.what, ProblemKind::Value { key: known, .. } if known == key);
        self.layers.problems.iter().any(is_of)
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_sound(&self) -> bool {
        self.layers.problems.is_empty()
    }

    /// What was read and what has no effect; or every problem.
    pub(super) fn finish(mut self) -> Result<(Vec<ReadValue>, Vec<String>), Vec<Problem>> {
        self.layers.note_unread();
        if self.is_sound() {
            return Ok((self.read, self.layers.notices));
        }
        let mut problems = self.layers.problems;
        // As a reader goes through them: the file from top to bottom, then the environment, then the command line.
        problems.sort_by_key(|problem| match problem.origin {
            Origin::Default => (0, 0),
            Origin::File { line, .. } => (1, line),
            Origin::Environment(_) => (2, 0),
            Origin::Flag(_) => (3, 0),
        });
        Err(problems)
    }
}

/// The text of a value that is one.
pub(super) fn text(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Text(text) => Some(text),
        Raw::Integer(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => None,
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(items) => write!(f, "{items:?}"),
            Self::Other(shown) => f.write_str(shown),
        }
    }
}
