//! Which documents are searched, by their front matter.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::index::CollectionIndex;

/// Admits documents whose front matter has, for every field that is named, one of the values that are named with it. A field that is
/// a list has all its values. Text is compared without regard to case, numbers and truth values as they are written. Without fields
/// it admits all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    fields: BTreeMap<String, Vec<String>>,
}

impl Filter {
    /// One more value that a field may have.
    #[must_use]
    pub fn allowing(mut self, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.entry(field.into()).or_default().push(value.into());
        self
    }

    /// A field with all the values that it may have; without any it admits nothing.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        self.fields.entry(field.into()).or_default().extend(values);
        self
    }

    /// Its fields, each with the values that it may have.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.fields
            .iter()
            .map(|(field, values)| (field.as_str(), values.as_slice()))
    }

    /// Whether it admits all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether a chunk is searched: one that is folded only where the one that stands for it is not.
    pub(super) fn admits_chunk(&self, index: &CollectionIndex, chunk: usize) -> bool {
        let admits = |chunk: usize| self.is_empty() || self.admits(&index.chunks[chunk].origin.front_matter);
        let shown_as = index.shown_as(chunk);
        admits(chunk) && (shown_as == chunk || !admits(shown_as))
    }

    /// Whether a document with this front matter is searched.
    pub(crate) fn admits(&self, front_matter: &Map<String, Value>) -> bool {
        self.fields.iter().all(|(field, allowed)| {
            let has = |value: &Value| allowed.iter().any(|allowed| is(value, allowed));
            match front_matter.get(field) {
                Some(Value::Array(values)) => values.iter().any(has),
                Some(value) => has(value),
                None => false,
            }
        })
    }
}

fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value.to_lowercase() == text.to_lowercase(),
        Value::Bool(value) => value.to_string() == text,
        Value::Number(value) => value.to_string() == text,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_must_have_one_of_its_values() {
        let document = json!({"plan": "Team", "tags": ["api", "keys"], "year": 2026, "draft": false, "none": null});
        let admits = |filter: Filter| filter.admits(document.as_object().unwrap());
        let of = |field: &str, value: &str| Filter::default().allowing(field, value);
        assert!(admits(Filter::default()));
        assert!(admits(of("plan", "team")) && admits(of("tags", "keys")));
        assert!(admits(of("year", "2026")) && admits(of("draft", "false")));
        assert!(!admits(of("plan", "business")) && admits(of("plan", "business").allowing("plan", "team")));
        assert!(!admits(of("plan", "team").allowing("year", "2025")));
        assert!(!admits(of("audience", "team")) && !admits(of("none", "null")));
        assert!(!admits(Filter::default().with_field("plan", [])));
        assert!(admits(
            Filter::default().with_field("plan", ["x".to_owned(), "team".to_owned()])
        ));
    }
}
