//! Reads a TOML table key by key, noting every problem with its place, and the keys that nobody asked for.

use std::{cell::RefCell, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::{Problem, nearest, place};

/// Where problems of one file are gathered.
pub(crate) struct Findings<'a> {
    file: &'a Path,
    text: &'a str,
    found: RefCell<Vec<(usize, Problem)>>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            found: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, span: Range<usize>, message: impl Into<String>, nearest: Option<String>) {
        let place = Some(place(self.text, span.start));
        let problem = Problem {
            file: self.file.into(),
            place,
            message: message.into(),
            nearest,
        };
        self.found.borrow_mut().push((span.start, problem));
    }

    /// The problems in the order in which they stand in the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, problem)| problem).collect()
    }
}

/// One table that is being read.
pub(crate) struct Table<'a> {
    findings: &'a Findings<'a>,
    table: &'a DeTable<'a>,
    /// What stands in front of a key in messages: empty, or such as `limits.`.
    prefix: String,
    /// Where the table stands, for keys that are missing.
    span: Range<usize>,
}

impl<'a> Table<'a> {
    /// Begins to read; every key that is not in `known` is a problem.
    pub(crate) fn open(
        findings: &'a Findings<'a>,
        table: &'a DeTable<'a>,
        prefix: impl Into<String>,
        span: Range<usize>,
        known: &[&str],
    ) -> Self {
        let prefix = prefix.into();
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!("unknown key `{prefix}{name}`");
                findings.add(key.span(), message, nearest(name, known.iter().copied()));
            }
        }
        Self {
            findings,
            table,
            prefix,
            span,
        }
    }

    /// The value of a key that may be left out.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.get(key);
        if value.is_none() {
            self.findings.add(
                self.span.clone(),
                format!("the key `{}{key}` is missing", self.prefix),
                None,
            );
        }
        value
    }

    /// Notes that the value of `key` is not as it must be.
    pub(crate) fn wrong(&self, key: &str, span: Range<usize>, must: &str, nearest: Option<String>) {
        self.findings
            .add(span, format!("`{}{key}` must be {must}", self.prefix), nearest);
    }

    /// A text that is not blank.
    pub(crate) fn text(&self, key: &str) -> Option<(String, Range<usize>)> {
        self.as_text(key, self.need(key)?)
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<(String, Range<usize>)> {
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some((text.to_owned(), value.span())),
            Some(_) => {
                self.wrong(key, value.span(), "a text that is not empty", None);
                None
            }
            None => {
                self.wrong(key, value.span(), "a text in quotation marks", None);
                None
            }
        }
    }

    /// Texts with their places; none where the key is left out.
    pub(crate) fn texts(&self, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value.span(), "a list of texts", None);
            return Vec::new();
        };
        array.iter().filter_map(|item| self.as_text(key, item)).collect()
    }

    /// A text out of a fixed list, as what it stands for.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parse_choice(key, self.need(key)?, choices)
    }

    /// As [`Self::choice`], for a key that may be left out.
    pub(crate) fn choice_if_any<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parse_choice(key, self.get(key)?, choices)
    }

    fn parse_choice<T: Copy>(&self, key: &str, value: &Spanned<DeValue<'_>>, choices: &[(&str, T)]) -> Option<T> {
        let found = value.get_ref().as_str();
        if let Some((_, choice)) = choices.iter().find(|(name, _)| Some(*name) == found) {
            return Some(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let must = format!("one of {}", names.join(", "));
        self.wrong(
            key,
            value.span(),
            &must,
            found.and_then(|found| nearest(found, names.iter().copied())),
        );
        None
    }

    /// Whether something is so; as `otherwise` says where the key is left out.
    pub(crate) fn flag_or(&self, key: &str, otherwise: bool) -> bool {
        let Some(value) = self.get(key) else { return otherwise };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(key, value.span(), "true or false", None);
        }
        flag.unwrap_or(otherwise)
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, key: &str, allowed: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.need(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok())
            .filter(|number| allowed.contains(number));
        if number.is_none() {
            let must = format!("a whole number from {} to {}", allowed.start(), allowed.end());
            self.wrong(key, value.span(), &must, None);
        }
        number
    }

    /// A table inside this one, opened with its own keys.
    pub(crate) fn table(&self, key: &str, known: &[&str]) -> Option<Table<'a>> {
        let value = self.get(key)?;
        self.open_inner(key, value, known)
    }

    /// The tables of an array of tables, each opened with its own keys.
    pub(crate) fn tables(&self, key: &str, known: &[&str]) -> Vec<Table<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value.span(), &format!("written as [[{key}]]"), None);
            return Vec::new();
        };
        array
            .iter()
            .filter_map(|item| self.open_inner(key, item, known))
            .collect()
    }

    fn open_inner(&self, key: &str, value: &'a Spanned<DeValue<'a>>, known: &[&str]) -> Option<Table<'a>> {
        let prefix = format!("{}{key}.", self.prefix);
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(key, value.span(), "a table", None);
            return None;
        };
        Some(Self::open(self.findings, table, prefix, value.span(), known))
    }
}
