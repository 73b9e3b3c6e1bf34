//! An OpenAPI document, and where its references lead.

use serde_json::Value;

/// References that lead to references are followed this far.
const STEPS_MAX: usize = 32;

/// Why a document is none.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON.
    #[error("it is no JSON")]
    Json(#[source] serde_json::Error),
    /// It is of another version.
    #[error("it does not say that it is OpenAPI 3.0 or 3.1")]
    Version,
    /// It has no paths.
    #[error("it has no paths")]
    Paths,
}

/// An OpenAPI document.
#[derive(Debug)]
pub(super) struct Document {
    root: Value,
    /// Whether its schemas are those of 3.0, which are nearly JSON Schema.
    pub(super) is_3_0: bool,
}

impl Document {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let root: Value = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
        let version = root["openapi"].as_str().unwrap_or_default();
        let is_3_0 = version.starts_with("3.0");
        if !is_3_0 && !version.starts_with("3.1") {
            return Err(DocumentError::Version);
        }
        if !root["paths"].is_object() {
            return Err(DocumentError::Paths);
        }
        Ok(Self { root, is_3_0 })
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.root["paths"].as_object().into_iter().flatten()
    }

    /// What stands there, or where its reference leads; none where that is nowhere, in a circle or outside of the document.
    pub(super) fn resolved<'a>(&'a self, mut value: &'a Value) -> Option<&'a Value> {
        for _ in 0..STEPS_MAX {
            match value.get("$ref").and_then(Value::as_str) {
                None => return Some(value),
                Some(reference) => value = self.at(reference)?,
            }
        }
        None
    }

    /// What `#/…` points to.
    pub(super) fn at(&self, reference: &str) -> Option<&Value> {
        let pointer = reference.strip_prefix('#')?;
        if let Some(found) = self.root.pointer(pointer) {
            return Some(found);
        }
        self.root.pointer(&percent_decoded(pointer)?)
    }
}

/// A pointer in a reference is a fragment of a URL, where some characters are encoded.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let encoded = (*first == b'%').then(|| text_of(after.get(..2)?)).flatten();
        if let Some(byte) = encoded {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn text_of(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Document {
        let text = json!({
            "openapi": "3.1.0",
            "paths": {},
            "components": {
                "schemas": { "a/b c": { "type": "string" } },
                "parameters": {
                    "first": { "$ref": "#/components/parameters/second" },
                    "second": { "name": "id" },
                    "circle": { "$ref": "#/components/parameters/circle" },
                },
            },
        });
        Document::parse(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn references_lead_within_the_document_and_circles_end() {
        let document = document();
        let at = |reference: &str| document.resolved(&json!({ "$ref": reference })).cloned();
        assert_eq!(at("#/components/parameters/first"), Some(json!({ "name": "id" })));
        assert_eq!(at("#/components/schemas/a~1b%20c"), Some(json!({ "type": "string" })));
        assert_eq!(at("#/components/parameters/circle"), None);
        assert_eq!(at("#/nowhere"), None);
        assert_eq!(at("https://example.com/other.json#/a"), None);
        assert_eq!(at("/etc/passwd"), None);
    }

    #[test]
    fn other_documents_are_refused() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"swagger":"2.0","paths":{}}"#,
            r#"{"openapi":"3.1.0"}"#,
        ] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
