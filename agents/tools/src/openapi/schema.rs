//! A schema of a document as one that stands by itself, as models are shown it.
//!
//! What a schema refers to is put beside it, below `$defs`, once: so circles need no end, and nothing is repeated.
//!
//! All of these schemas are of what is sent, so that properties which an API alone sets (`readOnly`) are in none of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::Document;

/// Schemas that one operation may refer to.
const REFERENCES_MAX: usize = 200;
/// How deep a schema may be.
const DEPTH_MAX: usize = 64;
/// Schemas that are made of others are looked through for what is read-only so deep.
const READ_ONLY_DEPTH_MAX: usize = 4;

/// Takes schemas out of a document, and keeps what they refer to.
pub(super) struct Collector<'a> {
    document: &'a Document,
    /// By reference: the name below `$defs`.
    names: BTreeMap<String, String>,
    definitions: Map<String, Value>,
}

/// Why a schema cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SchemaProblem {
    #[error("a schema refers to {0:?}, which is not in the document")]
    Reference(String),
    #[error("its schemas refer to too many others, or are too deep")]
    Large,
}

impl<'a> Collector<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            names: BTreeMap::new(),
            definitions: Map::new(),
        }
    }

    /// What the schemas so far refer to.
    pub(super) fn into_definitions(self) -> Map<String, Value> {
        self.definitions
    }

    /// A schema with its references turned to `$defs`.
    pub(super) fn take(&mut self, schema: &Value) -> Result<Value, SchemaProblem> {
        self.schema(schema, 0)
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, SchemaProblem> {
        self.schema_without(schema, &BTreeSet::new(), depth)
    }

    /// `read_only` are properties that another schema of the same object says are read-only.
    fn schema_without(
        &mut self,
        schema: &Value,
        read_only: &BTreeSet<String>,
        depth: usize,
    ) -> Result<Value, SchemaProblem> {
        if depth > DEPTH_MAX {
            return Err(SchemaProblem::Large);
        }
        let Value::Object(fields) = schema else {
            return Ok(schema.clone()); // true and false are schemas too.
        };
        let mut taken = Map::new();
        let mut read_only = read_only.clone();
        self.add_read_only(schema, &mut read_only, 0);
        for (keyword, value) in fields {
            let value = match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => json!(format!("#/$defs/{}", self.refer(reference, depth)?)),
                // For people, for other formats, or of no meaning without the rest of the document.
                (
                    "example" | "examples" | "xml" | "externalDocs" | "discriminator" | "$id" | "$anchor" | "$schema",
                    _,
                ) => continue,
                ("required", Value::Array(names)) => {
                    let is_sent = |name: &&Value| name.as_str().is_none_or(|name| !read_only.contains(name));
                    let sent: Vec<Value> = names.iter().filter(is_sent).cloned().collect();
                    if sent.is_empty() {
                        continue;
                    }
                    Value::Array(sent)
                }
                (
                    "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions",
                    Value::Object(named),
                ) => {
                    let mut schemas = Map::new();
                    for (name, schema) in named {
                        if keyword == "properties" && read_only.contains(name) {
                            continue;
                        }
                        schemas.insert(name.clone(), self.schema(schema, depth + 1)?);
                    }
                    Value::Object(schemas)
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    let mut of_one_object = Vec::with_capacity(schemas.len());
                    for schema in schemas {
                        of_one_object.push(self.schema_without(schema, &read_only, depth + 1)?);
                    }
                    Value::Array(of_one_object)
                }
                ("prefixItems", Value::Array(schemas)) => {
                    let schemas: Result<Vec<Value>, _> =
                        schemas.iter().map(|schema| self.schema(schema, depth + 1)).collect();
                    Value::Array(schemas?)
                }
                (
                    "items"
                    | "additionalProperties"
                    | "not"
                    | "contains"
                    | "propertyNames"
                    | "if"
                    | "then"
                    | "else"
                    | "unevaluatedItems"
                    | "unevaluatedProperties",
                    schema,
                ) => self.schema(schema, depth + 1)?,
                _ => value.clone(),
            };
            taken.insert(keyword.clone(), value);
        }
        if self.document.is_3_0 {
            modernise(&mut taken);
        }
        Ok(Value::Object(taken))
    }

    /// Adds the properties of which `schema`, or what it refers to or is made of, says that they are read-only.
    fn add_read_only(&self, schema: &Value, known: &mut BTreeSet<String>, depth: usize) {
        if depth > READ_ONLY_DEPTH_MAX {
            return;
        }
        let Some(schema) = self.document.resolved(schema) else {
            return;
        };
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if self.is_read_only(property, depth) {
                known.insert(name.clone());
            }
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.add_read_only(part, known, depth + 1);
        }
    }

    fn is_read_only(&self, property: &Value, depth: usize) -> bool {
        let says_so = |schema: &Value| schema["readOnly"] == Value::Bool(true);
        // In 3.1 it may stand beside a reference.
        let resolved = self.document.resolved(property);
        let parts = resolved.and_then(|property| property["allOf"].as_array());
        let mut parts = parts.filter(|_| depth < READ_ONLY_DEPTH_MAX).into_iter().flatten();
        says_so(property) || resolved.is_some_and(says_so) || parts.any(|part| self.is_read_only(part, depth + 1))
    }

    /// The name below `$defs` of what is referred to.
    fn refer(&mut self, reference: &str, depth: usize) -> Result<String, SchemaProblem> {
        if let Some(name) = self.names.get(reference) {
            return Ok(name.clone());
        }
        if self.names.len() >= REFERENCES_MAX {
            return Err(SchemaProblem::Large);
        }
        let document = self.document;
        let schema = document
            .at(reference)
            .ok_or_else(|| SchemaProblem::Reference(crate::text::beginning(reference, 200).to_owned()))?;
        let last = reference.rsplit('/').next().unwrap_or_default();
        let letters = last.chars().filter(char::is_ascii_alphanumeric).take(40);
        let mut name: String = letters.collect();
        if name.is_empty() || self.names.values().any(|taken| *taken == name) {
            name = format!("{name}_{}", self.names.len());
        }
        // Before what it refers to itself: a circle finds it here.
        self.names.insert(reference.to_owned(), name.clone());
        let taken = self.schema(schema, depth + 1)?;
        self.definitions.insert(name.clone(), taken);
        Ok(name)
    }
}

/// OpenAPI 3.0 has words of its own for two things.
fn modernise(schema: &mut Map<String, Value>) {
    for (flag, limit) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        if let Some(Value::Bool(is_exclusive)) = schema.get(flag) {
            let is_exclusive = *is_exclusive;
            schema.remove(flag);
            if is_exclusive && let Some(bound) = schema.remove(limit) {
                schema.insert(flag.into(), bound);
            }
        }
    }
    if schema.remove("nullable") == Some(Value::Bool(true)) {
        // What it refers to, or is made of, has a type of its own.
        if ["$ref", "allOf", "anyOf", "oneOf"]
            .iter()
            .any(|word| schema.contains_key(*word))
        {
            let whole = Value::Object(std::mem::take(schema));
            schema.insert("anyOf".into(), json!([whole, { "type": "null" }]));
            return;
        }
        if let Some(Value::String(kind)) = schema.get("type") {
            let kinds = json!([kind, "null"]);
            schema.insert("type".into(), kinds);
        }
        if let Some(Value::Array(values)) = schema.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(version: &str, schemas: &Value, schema: &Value) -> (Result<Value, SchemaProblem>, Value) {
        let text = json!({ "openapi": version, "paths": {}, "components": { "schemas": schemas } });
        let document = Document::parse(text.to_string().as_bytes()).unwrap();
        let mut collector = Collector::new(&document);
        let taken = collector.take(schema);
        (taken, Value::Object(collector.into_definitions()))
    }

    #[test]
    fn a_circle_is_kept_as_one() {
        let node = json!({ "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Node" } } });
        let (schema, definitions) = taken(
            "3.1.0",
            &json!({ "Node": node }),
            &json!({ "$ref": "#/components/schemas/Node" }),
        );
        assert_eq!(schema.unwrap(), json!({ "$ref": "#/$defs/Node" }));
        assert_eq!(
            definitions,
            json!({ "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } } })
        );
    }

    #[test]
    fn properties_may_have_the_names_of_keywords() {
        let schema = json!({ "type": "object", "properties": { "$ref": { "type": "string" }, "example": { "type": "integer" } } });
        let (same, _) = taken("3.1.0", &json!({}), &schema);
        assert_eq!(same.unwrap(), schema);
    }

    #[test]
    fn what_is_not_in_the_document_is_not_looked_for() {
        for reference in [
            "https://example.com/schema.json",
            "other.json#/A",
            "#/components/schemas/Nobody",
        ] {
            let (schema, _) = taken("3.1.0", &json!({}), &json!({ "items": { "$ref": reference } }));
            assert_eq!(schema, Err(SchemaProblem::Reference(reference.into())));
        }
    }

    #[test]
    fn the_words_of_3_0_become_those_of_json_schema() {
        let old = json!({ "type": "integer", "minimum": 0, "exclusiveMinimum": true, "nullable": true, "example": 7 });
        let (new, _) = taken("3.0.3", &json!({}), &old);
        assert_eq!(
            new.unwrap(),
            json!({ "type": ["integer", "null"], "exclusiveMinimum": 0 })
        );
        let old = json!({ "type": "string", "enum": ["a"], "nullable": true });
        let (new, _) = taken("3.0.3", &json!({}), &old);
        assert_eq!(new.unwrap(), json!({ "type": ["string", "null"], "enum": ["a", null] }));
    }

    #[test]
    fn nullable_beside_what_has_a_type_of_its_own_allows_null() {
        for (word, value) in [
            ("$ref", json!("#/components/schemas/A")),
            ("allOf", json!([{ "type": "string" }])),
        ] {
            let old = json!({ word: value, "nullable": true });
            let (new, definitions) = taken("3.0.3", &json!({ "A": { "type": "string" } }), &old);
            let mut new = new.unwrap();
            new["$defs"] = definitions;
            let validator = jsonschema::validator_for(&new).unwrap();
            assert!(
                validator.is_valid(&json!(null)) && validator.is_valid(&json!("a")),
                "{new}"
            );
            assert!(!validator.is_valid(&json!(1)), "{new}");
        }
    }

    #[test]
    fn what_an_api_alone_sets_is_neither_shown_nor_demanded() {
        let id = json!({ "type": "string", "readOnly": true });
        let schemas = json!({
            "Id": id,
            "Base": { "properties": { "id": { "$ref": "#/components/schemas/Id" }, "name": {} }, "required": ["id", "name"] },
        });
        let of = |schema: Value| {
            let (taken, definitions) = taken("3.0.3", &schemas, &schema);
            (taken.unwrap(), definitions)
        };
        let own = json!({ "properties": { "id": id, "made": { "allOf": [{ "$ref": "#/components/schemas/Id" }] }, "name": {} }, "required": ["id", "made", "name"] });
        assert_eq!(
            of(own),
            (json!({ "properties": { "name": {} }, "required": ["name"] }), json!({}))
        );
        let only = json!({ "properties": { "id": id }, "required": ["id"] });
        assert_eq!(of(only).0, json!({ "properties": {} }));
        // What one part says of a property goes for all parts of the object.
        let parts = json!({ "allOf": [{ "$ref": "#/components/schemas/Base" }, { "required": ["id", "age"], "properties": { "age": {} } }] });
        let (taken, definitions) = of(parts);
        assert_eq!(taken["allOf"][1]["required"], json!(["age"]));
        assert_eq!(
            definitions["Base"],
            json!({ "properties": { "name": {} }, "required": ["name"] })
        );
    }

    #[test]
    fn a_schema_without_a_bottom_is_refused() {
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "items": deep });
        }
        assert_eq!(taken("3.1.0", &json!({}), &deep).0, Err(SchemaProblem::Large));
    }
}
