//! The schema of a tool's arguments as every provider of models takes it.
//!
//! Providers want an object with properties, and refuse the whole request where one tool has a schema without them, or with alternatives at
//! its top. So what is offered is put together from what the schema says of its top in several places. Where it cannot say as much as the
//! schema it says less, and the rest in words: arguments are checked by the schema as the source has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Words that providers refuse at the top of a schema. What they say is put together here, or left to the check of the arguments.
const NOT_AT_THE_TOP: [&str; 11] = [
    "$ref",
    "allOf",
    "anyOf",
    "const",
    "dependentSchemas",
    "else",
    "enum",
    "if",
    "not",
    "oneOf",
    "then",
];
/// Schemas that are looked at for the top of one: a stranger's may lead in circles.
const LOOKED_AT_MAX: usize = 256;
/// How far one may lead to another.
const DEPTH_MAX: usize = 32;

/// `schema` as models are offered it; as it is where every provider takes that. None where no object fits it, or its alternatives are too
/// many.
pub(crate) fn offered(schema: &Value) -> Option<Value> {
    let fields = schema.as_object()?;
    let is_taken = fields.get("type").is_some_and(|kind| kind == "object")
        && fields.get("properties").is_some_and(Value::is_object)
        && !NOT_AT_THE_TOP.iter().any(|word| fields.contains_key(*word));
    if is_taken {
        return Some(schema.clone());
    }
    let form = Reader {
        root: schema,
        left: LOOKED_AT_MAX,
    }
    .form(schema, 0)?;
    let mut offered = fields.clone();
    offered.retain(|word, _| !NOT_AT_THE_TOP.contains(&word.as_str()));
    offered.insert("type".into(), json!("object"));
    offered.insert("properties".into(), Value::Object(form.properties));
    offered.remove("required");
    if !form.required.is_empty() {
        offered.insert("required".into(), json!(form.required));
    }
    if !form.choices.is_empty() {
        let said = fields.get("description").and_then(Value::as_str).unwrap_or_default();
        let words: Vec<&str> = [said]
            .into_iter()
            .chain(form.choices.iter().map(String::as_str))
            .collect();
        offered.insert("description".into(), json!(words.join("\n").trim()));
    }
    Some(Value::Object(offered))
}

/// What a schema says of an object's properties.
#[derive(Debug, Clone, Default, PartialEq)]
struct Form {
    properties: Map<String, Value>,
    required: BTreeSet<String>,
    /// Which properties are needed, where there is a choice, in words.
    choices: Vec<String>,
}

struct Reader<'a> {
    /// Where references lead.
    root: &'a Value,
    /// Schemas that may still be looked at.
    left: usize,
}

impl Reader<'_> {
    /// None where no object fits, or there is too much to look at.
    fn form(&mut self, schema: &Value, depth: usize) -> Option<Form> {
        self.left = self.left.checked_sub(1)?;
        if depth > DEPTH_MAX {
            return None;
        }
        let Value::Object(fields) = schema else {
            return (schema == &Value::Bool(true)).then(Form::default);
        };
        if !fields.get("type").is_none_or(takes_objects) {
            return None;
        }
        let required = fields.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut form = Form {
            properties: fields
                .get("properties")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
            choices: Vec::new(),
        };
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            // Where it leads elsewhere than by a pointer, what stands there is left to the check.
            let pointer = reference.strip_prefix('#');
            if let Some(target) = pointer.and_then(|pointer| self.root.pointer(pointer)).cloned() {
                form.and(self.form(&target, depth + 1)?);
            }
        }
        for part in list(fields, "allOf") {
            form.and(self.form(part, depth + 1)?);
        }
        for word in ["anyOf", "oneOf"] {
            let choices = list(fields, word);
            if choices.is_empty() {
                continue;
            }
            let mut fitting = Vec::new();
            for choice in choices {
                // One that no object fits is no choice.
                fitting.extend(self.form(choice, depth + 1));
                if self.left == 0 {
                    return None;
                }
            }
            form.and(either(fitting)?);
        }
        Some(form)
    }
}

impl Form {
    /// Where both have to hold.
    fn and(&mut self, other: Self) {
        for (name, schema) in other.properties {
            join(&mut self.properties, name, schema, "allOf");
        }
        self.required.extend(other.required);
        self.choices.extend(other.choices);
    }
}

/// Where one of several has to hold; none where there is none.
fn either(forms: Vec<Form>) -> Option<Form> {
    let shared = forms.iter().map(|form| form.required.clone());
    let shared = shared.reduce(|a, b| a.intersection(&b).cloned().collect())?;
    let needs = |form: &Form| {
        let own = form.required.difference(&shared).map(|name| format!("{name:?}"));
        let own: Vec<String> = own.collect();
        match own.is_empty() {
            true => "nothing more".to_owned(),
            false => own.join(" and "),
        }
    };
    let needs: BTreeSet<String> = forms.iter().map(needs).collect();
    let mut whole = Form::default();
    if needs.len() > 1 {
        let needs: Vec<String> = needs.into_iter().collect();
        whole
            .choices
            .push(format!("Needed is one of these: {}.", needs.join("; or ")));
    }
    for form in forms {
        for (name, schema) in form.properties {
            join(&mut whole.properties, name, schema, "anyOf");
        }
        whole.choices.extend(form.choices);
    }
    whole.required = shared;
    Some(whole)
}

/// Puts a property to others; where there is one of its name, both are joined by `word`.
fn join(properties: &mut Map<String, Value>, name: String, schema: Value, word: &str) {
    let Some(known) = properties.get_mut(&name) else {
        properties.insert(name, schema);
        return;
    };
    if *known == schema {
        return;
    }
    let joined = known.as_object_mut().filter(|fields| fields.len() == 1);
    match joined.and_then(|fields| fields.get_mut(word)?.as_array_mut()) {
        Some(parts) if parts.contains(&schema) => {}
        Some(parts) => parts.push(schema),
        None => *known = json!({ word: [known.clone(), schema] }),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, word: &str) -> &'a [Value] {
    fields.get(word).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn takes_objects(kind: &Value) -> bool {
    match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => kind == "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_provider_takes_is_left_as_it_is() {
        let schema = json!({ "$schema": "x", "type": "object", "properties": { "a": { "anyOf": [{}, true] } }, "required": ["a"] });
        assert_eq!(offered(&schema), Some(schema));
    }

    #[test]
    fn a_type_and_properties_are_there_always() {
        let bare = json!({ "type": "object", "properties": {} });
        for schema in [
            json!({}),
            json!({ "type": "object" }),
            json!({ "type": ["object", "null"] }),
            json!({ "properties": {} }),
        ] {
            assert_eq!(offered(&schema), Some(bare.clone()), "{schema}");
        }
        let kept = json!({ "type": "object", "additionalProperties": false, "description": "None." });
        assert_eq!(
            offered(&kept),
            Some(json!({ "type": "object", "properties": {}, "additionalProperties": false, "description": "None." }))
        );
    }

    #[test]
    fn what_all_demand_is_put_together() {
        let schema = json!({
            "allOf": [{ "$ref": "#/$defs/Base" }, { "properties": { "a": { "maximum": 9 }, "b": {} }, "required": ["b"] }],
            "$defs": { "Base": { "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] } },
        });
        assert_eq!(
            offered(&schema),
            Some(json!({
                "type": "object",
                "properties": { "a": { "allOf": [{ "type": "integer" }, { "maximum": 9 }] }, "b": {} },
                "required": ["a", "b"],
                "$defs": schema["$defs"],
            }))
        );
    }

    #[test]
    fn of_a_choice_what_all_demand_is_demanded_and_the_rest_is_said_in_words() {
        let choice = |kind: &str, own: &str| json!({ "properties": { "kind": { "const": kind }, own: {} }, "required": ["kind", own] });
        for word in ["anyOf", "oneOf"] {
            let schema = json!({ "description": "Pays.", word: [choice("card", "number"), choice("bill", "address"), { "type": "null" }] });
            assert_eq!(
                offered(&schema),
                Some(json!({
                    "type": "object",
                    "properties": {
                        "kind": { "anyOf": [{ "const": "card" }, { "const": "bill" }] },
                        "number": {},
                        "address": {},
                    },
                    "required": ["kind"],
                    "description": "Pays.\nNeeded is one of these: \"address\"; or \"number\".",
                }))
            );
        }
    }

    #[test]
    fn what_no_object_fits_and_what_leads_in_circles_is_not_offered() {
        for schema in [
            json!({ "type": "string" }),
            json!({ "type": "object", "allOf": [{ "type": "string" }] }),
            json!({ "anyOf": [{ "type": "string" }, false] }),
            json!({ "$ref": "#" }),
            json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }, { "$ref": "#" }] }),
            json!([]),
        ] {
            assert_eq!(offered(&schema), None, "{schema}");
        }
    }
}
