//! A section of its own, `[KIND.NAME]`, while it is read: typed values of its fields, and what is wrong with them.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, time::Duration};

use super::{
    layers::{Entry, Raw, Sections},
    problem::{Origin, Problem, ProblemKind},
    quantity::{parse_duration, parse_size, show_duration, show_size},
    reader::{Reader, text},
};

/// A section while it is read. Each field is taken out of it once; [`refuse_rest`](Self::refuse_rest) tells of what is left.
pub(super) struct Section<'a> {
    pub(super) reader: &'a mut Reader,
    sections: Sections,
    pub(super) name: &'a str,
    fields: BTreeMap<String, Entry>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        reader: &'a mut Reader,
        sections: Sections,
        name: &'a str,
        fields: BTreeMap<String, Entry>,
    ) -> Self {
        Self {
            reader,
            sections,
            name,
            fields,
        }
    }

    /// Where the section stands, as far as that is known: where its first field does.
    pub(super) fn place(&self) -> Origin {
        let first = self.fields.values().next();
        first.map_or(Origin::Default, |entry| entry.origin.clone())
    }

    /// Whether a field is there that was not read yet.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    fn key(&self, field: &str) -> String {
        format!("{}.{}.{field}", self.sections.name(), self.name)
    }

    pub(super) fn value<T>(
        &mut self,
        field: &str,
        allowed: impl Display,
        parse: impl FnOnce(&Raw) -> Option<T>,
    ) -> Option<T> {
        let Entry { raw, origin } = self.fields.remove(field)?;
        let parsed = parse(&raw);
        if parsed.is_none() {
            // A password may stand in it by mistake, and a key where the name of its variable belongs.
            let is_secret = matches!(field, "base_url" | "url" | "api_key_env" | "token_env" | "env" | "args");
            let what = ProblemKind::Value {
                key: self.key(field),
                shown: if is_secret { "(secret)".into() } else { raw.to_string() },
                allowed: allowed.to_string(),
            };
            self.reader.add_problem(Problem { origin, what });
        }
        parsed
    }

    pub(super) fn integer(&mut self, field: &str, range: RangeInclusive<u32>, otherwise: u32) -> u32 {
        let allowed = format!("{} to {}", range.start(), range.end());
        let number = self.value(field, allowed, |raw| {
            let number = match raw {
                Raw::Integer(number) => u32::try_from(*number).ok()?,
                Raw::Text(text) => text.parse().ok()?,
                Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => return None,
            };
            range.contains(&number).then_some(number)
        });
        number.unwrap_or(otherwise)
    }

    pub(super) fn duration(&mut self, field: &str, range: RangeInclusive<Duration>, otherwise: Duration) -> Duration {
        let allowed = format!(
            "a duration, {} to {}",
            show_duration(*range.start()),
            show_duration(*range.end())
        );
        let duration = self.value(field, allowed, |raw| {
            text(raw)
                .and_then(parse_duration)
                .filter(|duration| range.contains(duration))
        });
        duration.unwrap_or(otherwise)
    }

    pub(super) fn size(&mut self, field: &str, range: RangeInclusive<u64>, otherwise: u64) -> u64 {
        let allowed = format!("a size, {} to {}", show_size(*range.start()), show_size(*range.end()));
        let size = self.value(field, allowed, |raw| {
            text(raw).and_then(parse_size).filter(|size| range.contains(size))
        });
        size.unwrap_or(otherwise)
    }

    pub(super) fn boolean(&mut self, field: &str) -> bool {
        let value = self.value(field, "true or false", |raw| match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Text(text) => text.parse().ok(),
            Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
        });
        value.unwrap_or_default()
    }

    /// Tells of every field that was not read; `known` are those that there are.
    pub(super) fn refuse_rest(&mut self, known: &[&str]) {
        for (field, entry) in std::mem::take(&mut self.fields) {
            let what = if known.contains(&field.as_str()) {
                ProblemKind::Together(format!("{} does not go with the rest of its section", self.key(&field)))
            } else {
                let nearest = known.iter().max_by(|a, b| {
                    let likeness = |known: &str| strsim::jaro_winkler(known, &field);
                    likeness(a).total_cmp(&likeness(b))
                });
                ProblemKind::UnknownKey {
                    key: self.key(&field),
                    nearest: self.key(nearest.unwrap_or(&"")),
                }
            };
            self.reader.add_problem(Problem {
                origin: entry.origin,
                what,
            });
        }
    }

    pub(super) fn has_problem_with(&self, field: &str) -> bool {
        self.reader.has_problem_with(&self.key(field))
    }

    pub(super) fn refuse(&mut self, origin: Origin, what: String) {
        self.reader.add_problem(Problem {
            origin,
            what: ProblemKind::Together(what),
        });
    }
}

/// A list of texts; from the environment, separated by commas.
pub(super) fn list(raw: &Raw) -> Option<Vec<String>> {
    match raw {
        Raw::List(list) => Some(list.clone()),
        Raw::Text(list) => {
            let items = list.split(',').map(|item| item.trim().to_owned());
            Some(items.filter(|item| !item.is_empty()).collect())
        }
        Raw::Integer(_) | Raw::Boolean(_) | Raw::Other(_) => None,
    }
}

pub(super) fn is_base_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '[')
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"@\"<>\\^`{|}#".contains(&byte))
    })
}

/// The name of a model, or of a budget: it becomes a label of metrics.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_lowercase())
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}
