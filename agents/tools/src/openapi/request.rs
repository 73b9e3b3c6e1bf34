//! An operation and arguments, put together: an address, headers, a body.
//!
//! Arguments are a model's. None of them may lead elsewhere: each is one piece of the place that its parameter has, encoded.

use orchestratai_agents::tool::ToolError;
use reqwest::{
    Url,
    header::{HeaderMap, HeaderValue},
};
use serde_json::Value;

use super::operation::{Operation, Place, QueryStyle};

/// What is sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

/// Puts a request together.
///
/// # Errors
/// [`ToolError::Arguments`] where an argument cannot stand in its place.
pub(super) fn put_together(base: &Url, operation: &Operation, arguments: &Value) -> Result<Request, ToolError> {
    let mut headers = HeaderMap::new();
    let mut query: Vec<(String, String)> = Vec::new();
    let mut path = operation.path.clone();
    for parameter in &operation.arguments {
        let given = arguments.get(&parameter.argument).filter(|given| !given.is_null());
        let refused = |what: &str| ToolError::Arguments(format!("{}: {what}", parameter.argument));
        let written = |value: &Value| match parameter.is_json {
            true => value.to_string(),
            false => joined(value, ","),
        };
        match (&parameter.place, given) {
            (Place::Path, None) => return Err(refused("it is needed")),
            (Place::Path, Some(value)) => {
                let text = written(value);
                if !is_one_segment(&text) {
                    return Err(refused("it cannot be a part of a path"));
                }
                path = path.replace(&format!("{{{}}}", parameter.name), &encoded(&text));
            }
            (Place::Query(_) | Place::Header(_), None) => {}
            (Place::Query(_), Some(value)) if parameter.is_json => query.push((parameter.name.clone(), written(value))),
            (Place::Query(style), Some(value)) => push_query(&mut query, &parameter.name, *style, value),
            (Place::Header(name), Some(value)) => {
                let value =
                    HeaderValue::from_str(&written(value)).map_err(|_invalid| refused("it cannot be a header"))?;
                headers.insert(name.clone(), value);
            }
        }
    }
    let url = address(base, &path, &query)
        .ok_or_else(|| ToolError::Arguments("they lead to an address outside of the API".into()))?;
    let body = operation.body.and_then(|argument| arguments.get(argument));
    Ok(Request {
        url,
        headers,
        body: body.map(Value::to_string),
    })
}

/// The base address with a path and a query behind it; none where it would be anywhere else.
fn address(base: &Url, path: &str, query: &[(String, String)]) -> Option<Url> {
    let mut url = base.clone();
    let below = base.path().trim_end_matches('/');
    let whole = format!("{below}{path}");
    url.set_path(&whole);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    // The parser of addresses has the last word on what dots mean: it must have left the path as it was put together.
    let is_within =
        url.origin() == base.origin() && url.path().strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
    let is_as_long = url.path().split('/').count() == whole.split('/').count();
    (is_within && is_as_long).then_some(url)
}

/// Whether a text stays within its segment of a path, also where a server decodes it and takes it for more: it is not empty, and no part
/// of it goes up.
fn is_one_segment(text: &str) -> bool {
    let goes_nowhere = |part: &str| {
        let part = part.replace("%2e", ".").replace("%2E", ".");
        matches!(part.as_str(), "." | "..")
    };
    !text.is_empty() && !text.contains(char::is_control) && !text.split(['/', '\\']).any(goes_nowhere)
}

/// Percent-encoded, all but what is nowhere reserved (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

fn push_query(query: &mut Vec<(String, String)>, name: &str, style: QueryStyle, value: &Value) {
    match (style, value) {
        (QueryStyle::Exploded, Value::Array(items)) => {
            query.extend(items.iter().map(|item| (name.to_owned(), single(item))));
        }
        (QueryStyle::Exploded, Value::Object(fields)) => {
            query.extend(fields.iter().map(|(field, value)| (field.clone(), single(value))));
        }
        (QueryStyle::Deep, Value::Object(fields)) => {
            let named = |field: &str| format!("{name}[{field}]");
            query.extend(fields.iter().map(|(field, value)| (named(field), single(value))));
        }
        (QueryStyle::Joined(separator), value) => query.push((name.to_owned(), joined(value, separator))),
        (QueryStyle::Exploded | QueryStyle::Deep, value) => query.push((name.to_owned(), joined(value, ","))),
    }
}

/// One value as text; what has parts as JSON.
fn single(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The parts of a value in a row: of an object each name and its value.
fn joined(value: &Value, separator: &str) -> String {
    match value {
        Value::Array(items) => items.iter().map(single).collect::<Vec<_>>().join(separator),
        Value::Object(fields) => {
            let parts = fields.iter().flat_map(|(name, value)| [name.clone(), single(value)]);
            parts.collect::<Vec<_>>().join(separator)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => single(value),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;
    use serde_json::json;

    use super::{
        super::operation::{Method, Parameter},
        *,
    };

    fn operation(path: &str, arguments: &[(&str, Place)]) -> Operation {
        let parameter = |(name, place): &(&str, Place)| Parameter {
            name: (*name).to_owned(),
            argument: (*name).to_owned(),
            place: place.clone(),
            is_json: false,
        };
        Operation {
            id: "any".into(),
            method: Method::Post,
            path: path.into(),
            description: String::new(),
            arguments: arguments.iter().map(parameter).collect(),
            body: Some("body"),
            parameters: json!({}),
        }
    }

    fn url(path: &str, arguments: &[(&str, Place)], given: &Value) -> Result<String, ToolError> {
        let base = Url::parse("https://api.example/v1/").unwrap();
        put_together(&base, &operation(path, arguments), given).map(|request| request.url.to_string())
    }

    #[test]
    fn a_path_parameter_stays_in_its_segment() {
        let at = |value: Value| {
            url(
                "/files/{name}/meta",
                &[("name", Place::Path)],
                &json!({ "name": value }),
            )
        };
        assert_eq!(at(json!("a b")).unwrap(), "https://api.example/v1/files/a%20b/meta");
        assert_eq!(
            at(json!("a/b?c#d")).unwrap(),
            "https://api.example/v1/files/a%2Fb%3Fc%23d/meta"
        );
        assert_eq!(at(json!(7)).unwrap(), "https://api.example/v1/files/7/meta");
        assert_eq!(
            at(json!("@evil.example")).unwrap(),
            "https://api.example/v1/files/%40evil.example/meta"
        );
        assert_eq!(
            at(json!("{name}")).unwrap(),
            "https://api.example/v1/files/%7Bname%7D/meta"
        );
        for hostile in [
            "..",
            ".",
            "../../admin",
            "..\\admin",
            "a/../b",
            "%2e%2e",
            "%2E%2e/x",
            "",
            "a\r\nb",
            "a\u{0}",
        ] {
            let refused = at(json!(hostile));
            assert!(
                matches!(refused, Err(ToolError::Arguments(_))),
                "{hostile:?} {refused:?}"
            );
        }
    }

    #[test]
    fn dots_that_only_the_template_makes_a_way_up_are_refused() {
        let at = |value: &str| url("/a/.{x}/b", &[("x", Place::Path)], &json!({ "x": value }));
        assert_eq!(at("x").unwrap(), "https://api.example/v1/a/.x/b");
        assert!(at(".").is_err());
        let two = [("x", Place::Path), ("y", Place::Path)];
        assert_eq!(
            url("/{x}{y}", &two, &json!({ "x": "a", "y": "b" })).unwrap(),
            "https://api.example/v1/ab"
        );
    }

    #[test]
    fn queries_are_written_as_their_style_says() {
        let given =
            json!({ "q": ["a b", "c&d"], "w": ["x", "y"], "d": { "from": 1, "to": 2 }, "o": { "k": true }, "n": null });
        let arguments = [
            ("q", Place::Query(QueryStyle::Exploded)),
            ("w", Place::Query(QueryStyle::Joined("|"))),
            ("d", Place::Query(QueryStyle::Deep)),
            ("o", Place::Query(QueryStyle::Exploded)),
            ("n", Place::Query(QueryStyle::Exploded)),
        ];
        assert_eq!(
            url("/s", &arguments, &given).unwrap(),
            "https://api.example/v1/s?q=a+b&q=c%26d&w=x%7Cy&d%5Bfrom%5D=1&d%5Bto%5D=2&k=true"
        );
    }

    #[test]
    fn a_header_takes_no_second_line() {
        let header = [("x-trace", Place::Header(HeaderName::from_static("x-trace")))];
        let base = Url::parse("https://api.example").unwrap();
        let request = put_together(
            &base,
            &operation("/s", &header),
            &json!({ "x-trace": "t", "body": { "a": 1 } }),
        )
        .unwrap();
        assert_eq!(request.headers["x-trace"], "t");
        assert_eq!(request.body.as_deref(), Some(r#"{"a":1}"#));
        let refused = put_together(
            &base,
            &operation("/s", &header),
            &json!({ "x-trace": "t\r\nHost: evil" }),
        );
        assert!(matches!(refused, Err(ToolError::Arguments(_))));
    }
}
