//! A definition as the fields of its file, and another one made from them with some changed.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{
    AgentDefinition, DefinitionErrors, Example, Problem,
    file::{self, CASES, COLORS, INTENTS, STRATEGIES},
};

impl AgentDefinition {
    /// The fields of its file, under the names that they have there.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", self.id.as_str().into());
        put("name", self.name.as_str().into());
        put("purpose", self.purpose.as_str().into());
        put("color", name_of(COLORS, self.color).into());
        put("strategy", name_of(STRATEGIES, self.strategy).into());
        if let Some(strategy) = self.complex_strategy {
            put("complex_strategy", name_of(STRATEGIES, strategy).into());
        }
        put("model", self.model.as_str().into());
        put("prompt", self.prompt.as_str().into());
        put("keywords", self.keywords.clone().into());
        let collections: Vec<&str> = self.collections.iter().map(|name| name.as_str()).collect();
        put("collections", collections.into());
        put("tools", self.tools.clone().into());
        if !self.takes_facts {
            put("facts", false.into());
        }
        let fallbacks: Vec<&str> = self.fallbacks.iter().map(|id| id.as_str()).collect();
        put("fallbacks", fallbacks.into());
        let hand_offs: Vec<&str> = self.hand_offs.iter().map(|id| id.as_str()).collect();
        put("hand_offs", hand_offs.into());
        let asks: Vec<&str> = self.asks.iter().map(|id| id.as_str()).collect();
        put("agents", asks.into());
        let limits = json!({
            "concurrency_turns": self.limits.concurrency,
            "queue_turns": self.limits.queue,
            "timeout_seconds": self.limits.timeout.as_secs(),
            "answer_characters": self.limits.answer_characters,
        });
        put("limits", limits);
        let filter: Vec<Value> = (self.filter.fields())
            .map(|(field, values)| json!({"field": field, "values": values}))
            .collect();
        put("filter", filter.into());
        if !self.blocked_topics.is_empty() {
            let topics = self.blocked_topics.iter();
            let topics = topics.map(|topic| json!({"name": topic.name, "examples": topic.examples, "say": topic.say}));
            put("blocked_topics", topics.collect());
        }
        put("examples", groups(&self.examples).into());
        if let Some(texts) = &self.direct {
            let direct = json!({
                "greeting": texts.greeting,
                "thanks": texts.thanks,
                "farewell": texts.farewell,
                "about": texts.about,
                "person": texts.person,
                "vague": texts.vague,
                "out_of_scope": texts.out_of_scope,
                "injection": texts.injection,
                "unavailable": texts.unavailable,
            });
            put("direct", direct);
        }
        fields
    }

    /// The definition with some of its fields changed; null takes one away. It is held to all that a file is held to.
    ///
    /// # Errors
    /// [`DefinitionErrors`] with everything that is wrong with it.
    pub fn with_changes(&self, changes: Map<String, Value>) -> Result<Self, DefinitionErrors> {
        let mut fields = self.fields();
        for (name, value) in changes {
            if value.is_null() {
                fields.remove(&name);
            } else {
                fields.insert(name, value);
            }
        }
        let file = PathBuf::from(format!("{}.toml", self.id));
        let text = toml::to_string(&fields).map_err(|error| {
            DefinitionErrors(vec![Problem {
                file: file.clone(),
                place: None,
                message: error.to_string(),
                nearest: None,
            }])
        })?;
        match file::parse(&file, &text, &self.models) {
            Ok(parsed) => Ok(parsed.definition),
            // Lines are those of a text that nobody has seen.
            Err(problems) => Err(DefinitionErrors(
                problems
                    .into_iter()
                    .map(|problem| Problem { place: None, ..problem })
                    .collect(),
            )),
        }
    }
}

/// Examples of one intent and case that follow each other, as they stand together in a file.
fn groups(examples: &[Example]) -> Vec<Value> {
    let together = |one: &Example, other: &Example| one.intent == other.intent && one.case == other.case;
    let groups = examples.chunk_by(together).map(|group| {
        let texts: Vec<&str> = group.iter().map(|example| example.text.as_str()).collect();
        let mut fields = json!({"intent": name_of(INTENTS, group[0].intent), "texts": texts});
        if let Some(case) = group[0].case {
            fields["case"] = name_of(CASES, case).into();
        }
        fields
    });
    groups.collect()
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    let found = names.iter().find(|(_, known)| *known == value);
    found.expect("every value has a name: the tables are complete").0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Catalog, Strategy};

    fn changes(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else {
            unreachable!("changes are an object")
        };
        fields
    }

    #[test]
    fn a_definition_is_all_that_its_fields_say() {
        for agent in Catalog::embedded().agents() {
            let same = agent.with_changes(Map::new()).unwrap();
            let version = agent.version.clone();
            assert_eq!(&AgentDefinition { version, ..same }, agent);
        }
    }

    #[test]
    fn a_change_is_held_to_what_a_file_is_held_to() {
        let catalog = Catalog::embedded();
        let technical = catalog
            .agents()
            .iter()
            .find(|agent| agent.id.as_str() == "technical")
            .unwrap();
        let changed = changes(json!({"strategy": "pure_cag", "complex_strategy": null, "collections": ["policy"]}));
        let draft = technical.with_changes(changed).unwrap();
        assert_eq!((draft.strategy, draft.complex_strategy), (Strategy::PureCag, None));
        assert_eq!(draft.collections[0].as_str(), "policy");
        assert_eq!(draft.prompt, technical.prompt);
        assert_ne!(draft.version, technical.version);
        for (changed, said) in [
            (json!({"strategy": "pure_rga"}), "pure_rag"),
            (json!({"collections": []}), "collections"),
            (json!({"model": 7}), "model"),
            (json!({"id": "other"}), "technical"),
            (json!({"limits": {"timeout_seconds": 0}}), "timeout_seconds"),
            (json!({"speed": 3}), "speed"),
            (json!({"prompt": null}), "prompt"),
            (json!({"filter": [{"field": "a", "values": [null]}]}), ""),
        ] {
            let errors = technical.with_changes(changes(changed.clone())).unwrap_err();
            assert!(errors.to_string().contains(said), "{changed}: {errors}");
        }
    }
}
