//! Front matter: a YAML mapping between two lines of dashes at the start of a document.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

/// Front matter larger than this is none.
const BYTES_MAX: usize = 64 * 1024;
/// Deeper nesting is refused.
const DEPTH_MAX: usize = 16;

/// Why front matter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrontMatterError {
    #[error("the front matter is not valid YAML: {0}")]
    Syntax(String),
    #[error("the front matter must be a mapping of keys to values")]
    NotAMapping,
    // An alias repeats what it names; a few lines of them can grow without bound.
    #[error("the front matter uses aliases (`*name`), which are not read")]
    Alias,
    #[error("the front matter is nested deeper than {DEPTH_MAX} levels or larger than 64 KiB")]
    TooLarge,
}

/// Splits a document into front matter and text. The whole is text where it does not begin with front matter.
pub(crate) fn split(document: &str) -> (Option<&str>, &str) {
    let document = document.strip_prefix('\u{feff}').unwrap_or(document);
    let Some(after) = ["---\n", "---\r\n"]
        .iter()
        .find_map(|fence| document.strip_prefix(fence))
    else {
        return (None, document);
    };
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        let end = at + line.len();
        if matches!(line.trim_end(), "---" | "...") {
            return (Some(&after[..at]), &after[end..]);
        }
        at = end;
    }
    (None, document)
}

/// Reads front matter as a JSON object. Dates stay text; what YAML allows as a key but JSON does not becomes text.
pub(crate) fn parse(yaml: &str) -> Result<Map<String, Value>, FrontMatterError> {
    if yaml.len() > BYTES_MAX {
        return Err(FrontMatterError::TooLarge);
    }
    let mut events = Events(Parser::new_from_str(yaml));
    loop {
        return match events.next()? {
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
            // Nothing but blanks and comments.
            Event::StreamEnd | Event::DocumentEnd => Ok(Map::new()),
            Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty() => Ok(Map::new()),
            Event::MappingStart(..) => events.mapping(0),
            Event::Alias(_) => Err(FrontMatterError::Alias),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::SequenceEnd | Event::MappingEnd => {
                Err(FrontMatterError::NotAMapping)
            }
        };
    }
}

struct Events<'a, I: Iterator<Item = Result<(Event<'a>, saphyr_parser::Span), ScanError>>>(I);

impl<'a, I: Iterator<Item = Result<(Event<'a>, saphyr_parser::Span), ScanError>>> Events<'a, I> {
    fn next(&mut self) -> Result<Event<'a>, FrontMatterError> {
        match self.0.next() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(FrontMatterError::Syntax(error.to_string())),
            None => Ok(Event::StreamEnd),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Map<String, Value>, FrontMatterError> {
        let mut map = Map::new();
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                return Ok(map);
            }
            let key = match self.value(event, depth)? {
                Value::String(key) => key,
                key @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    key.to_string()
                }
            };
            let event = self.next()?;
            let value = self.value(event, depth)?;
            map.insert(key, value);
        }
    }

    fn value(&mut self, event: Event<'a>, depth: usize) -> Result<Value, FrontMatterError> {
        if depth > DEPTH_MAX {
            return Err(FrontMatterError::TooLarge);
        }
        match event {
            Event::Scalar(text, style, ..) => Ok(scalar(text, style)),
            Event::MappingStart(..) => Ok(Value::Object(self.mapping(depth + 1)?)),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let event = self.next()?;
                    if event == Event::SequenceEnd {
                        return Ok(Value::Array(items));
                    }
                    items.push(self.value(event, depth + 1)?);
                }
            }
            Event::Alias(_) => Err(FrontMatterError::Alias),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(FrontMatterError::Syntax("it ends too early".into())),
        }
    }
}

/// The value of a scalar by the core schema of YAML 1.2.
fn scalar(text: Cow<'_, str>, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let looks_numeric = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if looks_numeric {
        if let Ok(whole) = text.parse::<i64>() {
            return Value::from(whole);
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn front_matter_is_told_from_text() {
        assert_eq!(split("---\ntitle: A\n---\n\nText"), (Some("title: A\n"), "\nText"));
        assert_eq!(split("\u{feff}---\r\na: 1\r\n---\r\nText"), (Some("a: 1\r\n"), "Text"));
        assert_eq!(split("Text\n---\nmore"), (None, "Text\n---\nmore"));
        assert_eq!(split("---\nnever closed"), (None, "---\nnever closed"));
    }

    #[test]
    fn values_become_json() {
        let yaml = "title: Plans and pricing\nupdated: 2026-09-02\ntags: [plans, 'no']\norder: 3\nratio: 0.5\n\
                    draft: false\nnested:\n  a: ~\n  b: |\n    two\n    lines\n";
        assert_eq!(
            Value::Object(parse(yaml).unwrap()),
            json!({
                "title": "Plans and pricing", "updated": "2026-09-02", "tags": ["plans", "no"], "order": 3,
                "ratio": 0.5, "draft": false, "nested": {"a": null, "b": "two\nlines\n"},
            })
        );
        assert_eq!(parse("").unwrap(), Map::new());
        assert_eq!(parse("# only a comment\n").unwrap(), Map::new());
    }

    #[test]
    fn broken_or_dangerous_front_matter_is_an_error() {
        assert!(matches!(parse("a: [1, 2"), Err(FrontMatterError::Syntax(_))));
        assert_eq!(parse("- a\n- b\n"), Err(FrontMatterError::NotAMapping));
        assert_eq!(parse("a: &x [1]\nb: [*x, *x]\n"), Err(FrontMatterError::Alias));
        assert!(parse(&format!("a: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000))).is_err());
    }
}
