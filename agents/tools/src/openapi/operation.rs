//! What a call of an operation is made of: where each argument goes, and the one schema of them all.

use std::collections::BTreeSet;

use reqwest::header::HeaderName;
use serde_json::{Map, Value, json};

use super::{
    document::Document,
    schema::{Collector, SchemaProblem},
};

/// The argument that is the body.
const BODY: &str = "body";
/// Headers that are not a model's to set: they are HTTP's own, or ours.
const NOT_FOR_MODELS: [&str; 16] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Methods of HTTP that operations have; others are no tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Put,
    Delete,
    Post,
    Patch,
}

impl Method {
    const ALL: [Self; 6] = [Self::Get, Self::Head, Self::Put, Self::Delete, Self::Post, Self::Patch];

    /// As documents write it.
    fn field(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Post => "post",
            Self::Patch => "patch",
        }
    }

    pub(super) fn in_http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Head => reqwest::Method::HEAD,
            Self::Put => reqwest::Method::PUT,
            Self::Delete => reqwest::Method::DELETE,
            Self::Post => reqwest::Method::POST,
            Self::Patch => reqwest::Method::PATCH,
        }
    }

    /// Whether a request asks for nothing but to be told something.
    pub(super) fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// Where an argument goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Into the path, in place of its name in braces.
    Path,
    /// Into the query.
    Query(QueryStyle),
    /// Into a header of its name.
    Header(HeaderName),
}

/// How what is no single value is written in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryStyle {
    /// `name=a&name=b`; the fields of an object as themselves.
    Exploded,
    /// `name=a,b`, with the separator.
    Joined(&'static str),
    /// `name[field]=a`.
    Deep,
}

/// One argument that is not the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// As the API calls it.
    pub(super) name: String,
    /// As models call it.
    pub(super) argument: String,
    pub(super) place: Place,
    /// Whether its value is written as JSON, in place of the style of its place.
    pub(super) is_json: bool,
}

/// An operation of an API.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// Its operation id, or its method and path.
    pub(super) id: String,
    pub(super) method: Method,
    /// With names of parameters in braces.
    pub(super) path: String,
    pub(super) description: String,
    pub(super) arguments: Vec<Parameter>,
    /// Which argument is the body, where there is one.
    pub(super) body: Option<&'static str>,
    /// The schema of all arguments.
    pub(super) parameters: Value,
}

impl Operation {
    /// `METHOD /path`.
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.method.in_http(), self.path)
    }
}

/// The operations of a document that are listed, and the listed ones that cannot be tools, each with the reason. `token_header` is never
/// an argument.
pub(super) fn read_all(
    document: &Document,
    is_listed: impl Fn(&Operation) -> bool,
    token_header: Option<&HeaderName>,
) -> (Vec<Operation>, Vec<(String, String)>) {
    let (mut operations, mut problems) = (Vec::new(), Vec::new());
    for (path, item) in document.paths() {
        let Some(item) = document.resolved(item) else {
            problems.push((path.clone(), "its reference leads nowhere".to_owned()));
            continue;
        };
        for method in Method::ALL {
            let Some(described) = item.get(method.field()) else {
                continue;
            };
            let mut operation = beginning(method, path, described);
            if !is_listed(&operation) {
                continue;
            }
            match complete(document, item, described, token_header, &mut operation) {
                Ok(()) => operations.push(operation),
                Err(problem) => problems.push((operation.place(), problem.to_string())),
            }
        }
    }
    (operations, problems)
}

/// Why an operation is no tool.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("its path does not begin with a slash, or has a query, a fragment or a segment of dots")]
    Path,
    #[error("a parameter has no name, no place, or a reference that leads nowhere")]
    Parameter,
    #[error("the parameter {0:?} is required and is no argument that a model may set")]
    Required(String),
    #[error("its path names {0:?}, and there is no parameter for it")]
    Unnamed(String),
    #[error("it takes a body, and not as JSON")]
    Body,
    #[error(transparent)]
    Schema(#[from] SchemaProblem),
}

fn beginning(method: Method, path: &str, described: &Value) -> Operation {
    let text = |field: &str| described[field].as_str().unwrap_or_default().trim();
    let whole = [text("summary"), text("description")].join("\n");
    Operation {
        id: match text("operationId") {
            "" => format!("{}{}", method.field(), path),
            id => id.to_owned(),
        },
        method,
        path: path.to_owned(),
        description: whole.trim().to_owned(),
        arguments: Vec::new(),
        body: None,
        parameters: Value::Null,
    }
}

fn complete(
    document: &Document,
    item: &Value,
    described: &Value,
    token_header: Option<&HeaderName>,
    operation: &mut Operation,
) -> Result<(), Problem> {
    let is_plain = operation.path.starts_with('/') && !operation.path.contains(['?', '#', '\\']);
    if !is_plain || operation.path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Problem::Path);
    }
    let mut collector = Collector::new(document);
    let mut properties = Map::new();
    let mut required = BTreeSet::new();
    for described in parameters(document, item, described)? {
        let name = described["name"].as_str().ok_or(Problem::Parameter)?;
        let is_required = described["required"].as_bool().unwrap_or_default();
        let Some(place) = place(described, name, token_header)? else {
            if is_required && !is_ours(name, token_header) {
                return Err(Problem::Required(name.to_owned()));
            }
            continue;
        };
        let argument = argument_name(name, &place, &properties);
        let mut schema = match schema_of(described) {
            Some(schema) => collector.take(schema)?,
            None => json!({}),
        };
        describe(&mut schema, described);
        properties.insert(argument.clone(), schema);
        if is_required || place == Place::Path {
            required.insert(argument.clone());
        }
        operation.arguments.push(Parameter {
            name: name.to_owned(),
            argument,
            place,
            is_json: described.get("schema").is_none() && json_schema_of(&described["content"]).is_some(),
        });
    }
    for name in names_in(&operation.path) {
        let is_there = |known: &Parameter| known.place == Place::Path && known.name == name;
        if !operation.arguments.iter().any(is_there) {
            return Err(Problem::Unnamed(name.to_owned()));
        }
    }
    if let Some(body) = described.get("requestBody") {
        let body = document.resolved(body).ok_or(Problem::Body)?;
        let is_required = body["required"].as_bool().unwrap_or_default();
        match json_schema_of(&body["content"]) {
            Some(schema) => {
                properties.insert(BODY.into(), collector.take(schema)?);
                if is_required {
                    required.insert(BODY.into());
                }
                operation.body = Some(BODY);
            }
            None if is_required => return Err(Problem::Body),
            None => {}
        }
    }
    operation.parameters = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let definitions = collector.into_definitions();
    if !definitions.is_empty() {
        operation.parameters["$defs"] = Value::Object(definitions);
    }
    Ok(())
}

/// Those of the operation, and those of its path that it does not say anew.
fn parameters<'a>(document: &'a Document, item: &'a Value, described: &'a Value) -> Result<Vec<&'a Value>, Problem> {
    let mut parameters: Vec<&Value> = Vec::new();
    for list in [described, item].map(|holder| holder["parameters"].as_array()) {
        for parameter in list.into_iter().flatten() {
            let parameter = document.resolved(parameter).ok_or(Problem::Parameter)?;
            let is_same = |known: &&Value| known["name"] == parameter["name"] && known["in"] == parameter["in"];
            if !parameters.iter().any(is_same) {
                parameters.push(parameter);
            }
        }
    }
    Ok(parameters)
}

/// Where a parameter goes; none where it is not for models.
fn place(described: &Value, name: &str, token_header: Option<&HeaderName>) -> Result<Option<Place>, Problem> {
    Ok(match described["in"].as_str() {
        Some("path") => Some(Place::Path),
        Some("query") => Some(Place::Query(query_style(described))),
        Some("header") if !is_ours(name, token_header) => {
            HeaderName::from_bytes(name.as_bytes()).ok().map(Place::Header)
        }
        Some("header" | "cookie") => None,
        Some(_) | None => return Err(Problem::Parameter),
    })
}

fn is_ours(name: &str, token_header: Option<&HeaderName>) -> bool {
    let name = name.to_ascii_lowercase();
    NOT_FOR_MODELS.contains(&name.as_str()) || token_header.is_some_and(|header| header.as_str() == name)
}

fn query_style(described: &Value) -> QueryStyle {
    let style = described["style"].as_str().unwrap_or("form");
    let is_exploded = described["explode"].as_bool().unwrap_or(style == "form");
    match style {
        "deepObject" => QueryStyle::Deep,
        _ if is_exploded => QueryStyle::Exploded,
        "spaceDelimited" => QueryStyle::Joined(" "),
        "pipeDelimited" => QueryStyle::Joined("|"),
        _ => QueryStyle::Joined(","),
    }
}

/// The parameter's own name, or one with its place behind it where that is taken.
fn argument_name(name: &str, place: &Place, taken: &Map<String, Value>) -> String {
    let place = match place {
        Place::Path => "path",
        Place::Query(_) => "query",
        Place::Header(_) => "header",
    };
    let mut chosen = name.to_owned();
    while chosen == BODY || taken.contains_key(&chosen) {
        chosen = format!("{chosen}_{place}");
    }
    chosen
}

fn schema_of(parameter: &Value) -> Option<&Value> {
    parameter
        .get("schema")
        .or_else(|| json_schema_of(&parameter["content"]))
}

/// The schema of the first type that is JSON.
fn json_schema_of(content: &Value) -> Option<&Value> {
    let is_json = |name: &str| {
        let name = name.split(';').next().unwrap_or_default().trim();
        name == "application/json" || name == "*/*" || (name.starts_with("application/") && name.ends_with("+json"))
    };
    let (_, found) = content.as_object()?.iter().find(|(name, _)| is_json(name))?;
    // A body without a schema may be anything.
    const ANYTHING: &Value = &Value::Bool(true);
    Some(found.get("schema").unwrap_or(ANYTHING))
}

/// What is said of a parameter belongs to its schema, as models see no other place.
fn describe(schema: &mut Value, described: &Value) {
    if let (Some(fields), Some(text)) = (schema.as_object_mut(), described["description"].as_str()) {
        fields.entry("description").or_insert_with(|| json!(text));
    }
}

/// The names in braces.
pub(super) fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &Value) -> (Vec<Operation>, Vec<(String, String)>) {
        let text = json!({ "openapi": "3.1.0", "paths": paths, "components": { "parameters": {
            "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string" }, "description": "Which." },
        } } });
        let document = Document::parse(text.to_string().as_bytes()).unwrap();
        let token = HeaderName::from_static("x-api-key");
        read_all(&document, |_| true, Some(&token))
    }

    #[test]
    fn parameters_and_body_are_one_object() {
        let (operations, problems) = read(&json!({ "/orders/{id}": {
            "parameters": [{ "$ref": "#/components/parameters/Id" }, { "name": "v", "in": "query", "schema": { "type": "integer" } }],
            "patch": {
                "operationId": "changeOrder",
                "summary": "Changes an order.",
                "parameters": [
                    { "name": "id", "in": "query", "schema": { "type": "boolean" } },
                    { "name": "body", "in": "query", "schema": {} },
                    { "name": "X-Trace", "in": "header", "schema": { "type": "string" } },
                    { "name": "X-Api-Key", "in": "header", "required": true, "schema": { "type": "string" } },
                    { "name": "Host", "in": "header", "schema": { "type": "string" } },
                    { "name": "v", "in": "query", "required": true, "schema": { "type": "string" } },
                ],
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "object" } } } },
            },
        } }));
        assert_eq!(problems, []);
        let operation = &operations[0];
        assert_eq!(
            (operation.id.as_str(), operation.place().as_str()),
            ("changeOrder", "PATCH /orders/{id}")
        );
        assert_eq!(
            operation.parameters,
            json!({
                "type": "object",
                "properties": {
                    "id": { "type": "boolean" },
                    "body_query": {},
                    "X-Trace": { "type": "string" },
                    "v": { "type": "string" },
                    "id_path": { "type": "string", "description": "Which." },
                    "body": { "type": "object" },
                },
                "required": ["body", "id_path", "v"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn what_cannot_be_a_tool_is_told_with_its_reason() {
        let (operations, problems) = read(&json!({
            "/form": { "post": { "requestBody": { "required": true, "content": { "multipart/form-data": {} } } } },
            "/cookie": { "get": { "parameters": [{ "name": "session", "in": "cookie", "required": true }] } },
            "/no/{name}": { "get": {} },
            "/../admin": { "get": {} },
            "relative": { "get": {} },
            "/lost": { "get": { "parameters": [{ "$ref": "#/components/parameters/Nobody" }] } },
            "/fine": { "get": {}, "options": {}, "trace": {} },
        }));
        assert_eq!(operations.len(), 1);
        assert_eq!(operations[0].id, "get/fine");
        let places: Vec<&str> = problems.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            [
                "POST /form",
                "GET /cookie",
                "GET /no/{name}",
                "GET /../admin",
                "GET relative",
                "GET /lost"
            ]
        );
    }
}
