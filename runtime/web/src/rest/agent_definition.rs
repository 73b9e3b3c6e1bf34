//! An agent's definition as JSON: the fields of its file, in camelCase.

use orchestratai_agents::definition::{AgentDefinition, DefinitionErrors};
use orchestratai_shared::{AgentColor, AgentId, ErrorCode, Failure, Intent};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What an agent is, as its file says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
#[schema(rename_all = "camelCase")]
pub(crate) struct DefinitionBody {
    /// Its id; the file bears the same name.
    id: AgentId,
    /// Changes with the file's content.
    version: String,
    /// Its name for people.
    name: String,
    /// What it is for, in a few words.
    purpose: String,
    /// The colour that stands for it.
    color: AgentColor,
    /// How it finds what it answers from.
    strategy: StrategyName,
    /// How it does so for questions of several parts, where that is another way.
    complex_strategy: Option<StrategyName>,
    /// The model that answers.
    model: String,
    /// What a language model is told about its part.
    prompt: String,
    /// Whole words that speak for it.
    keywords: Vec<String>,
    /// The collections that it reads.
    collections: Vec<String>,
    /// Which documents of these it reads, by their front matter.
    filter: Vec<FilterField>,
    /// The tools that it may call.
    tools: Vec<String>,
    /// Who takes over when it fails, in this order.
    fallbacks: Vec<AgentId>,
    /// Whom its model may give a turn to.
    hand_offs: Vec<AgentId>,
    /// Whom its model may ask.
    agents: Vec<AgentId>,
    /// How much it takes on.
    limits: DefinitionLimits,
    /// What it does not speak about, where there is anything.
    blocked_topics: Option<Vec<BlockedTopicBody>>,
    /// What people say to it.
    examples: Vec<ExampleGroup>,
    /// What it says without retrieval, by the kind of message.
    #[schema(value_type = Option<HashMap<String, String>>)]
    direct: Option<Map<String, Value>>,
}

/// How an agent finds what it answers from, as files spell it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
#[schema(rename_all = "snake_case")]
pub(crate) enum StrategyName {
    /// Retrieve, then answer.
    PureRag,
    /// Ask the semantic cache first.
    PureCag,
    /// Both at once.
    Hybrid,
    /// Answer without retrieval.
    Direct,
}

/// A field of front matter, with the values that it may have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
pub(crate) struct FilterField {
    /// The field.
    field: String,
    /// The values.
    values: Vec<String>,
}

/// How much an agent takes on, on each shard.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
#[schema(rename_all = "camelCase")]
pub(crate) struct DefinitionLimits {
    /// Turns at once.
    concurrency_turns: u64,
    /// Turns that may wait beside those.
    queue_turns: u64,
    /// How long one turn may take.
    timeout_seconds: u64,
    /// Characters that an answer of a language model may have.
    answer_characters: u64,
}

/// Something that an agent does not speak about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
pub(crate) struct BlockedTopicBody {
    /// What it is called.
    name: String,
    /// What people say when they ask for it.
    examples: Vec<String>,
    /// What the agent says then.
    say: String,
}

/// Things that people say to an agent, with what they want by them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is written from the definition's fields")]
pub(crate) struct ExampleGroup {
    /// What they want, in lower case.
    #[schema(value_type = String, example = "pricing_question")]
    intent: Intent,
    /// Which direct answer fits; only where the agent answers without retrieval.
    case: Option<String>,
    /// What they say.
    texts: Vec<String>,
}

/// The definition as JSON.
pub(super) fn body(definition: &AgentDefinition) -> Value {
    let mut fields = definition.fields();
    fields.insert("version".to_owned(), definition.version.as_str().into());
    renamed(Value::Object(fields), &camel)
}

/// The definition with the fields of a draft in place of its own.
///
/// # Errors
/// A failure that says everything that is wrong with it.
pub(super) fn drafted(
    definition: &AgentDefinition,
    draft: Map<String, Value>,
    agents: &[AgentDefinition],
) -> Result<AgentDefinition, Failure> {
    let Value::Object(mut changes) = renamed(Value::Object(draft), &snake) else {
        return Ok(definition.clone());
    };
    // It follows from the rest.
    changes.remove("version");
    let wrong = |what: &str| {
        Failure::new(
            ErrorCode::ValidationError,
            format!("The draft is no definition: {what}."),
        )
    };
    let draft = definition.with_changes(changes).map_err(|DefinitionErrors(problems)| {
        let said = problems.into_iter().map(|problem| match problem.nearest {
            Some(nearest) => format!("{} (did you mean `{nearest}`?)", problem.message),
            None => problem.message,
        });
        wrong(&said.collect::<Vec<_>>().join("; "))
    })?;
    let unknown = |id: &&AgentId| agents.iter().all(|agent| agent.id != **id);
    for (key, others) in [
        ("fallbacks", &draft.fallbacks),
        ("handOffs", &draft.hand_offs),
        ("agents", &draft.asks),
    ] {
        if let Some(unknown) = others.iter().find(unknown) {
            return Err(wrong(&format!("`{key}` names no agent by `{unknown}`")));
        }
    }
    Ok(draft)
}

/// The same with other names of fields.
fn renamed(value: Value, rename: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (rename(&name), renamed(value, rename)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| renamed(item, rename)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use orchestratai_agents::definition::Catalog;

    use super::*;

    #[test]
    fn what_is_given_out_is_taken_back_as_it_is() {
        let catalog = Catalog::embedded();
        for agent in catalog.agents() {
            let Value::Object(whole) = body(agent) else {
                unreachable!()
            };
            assert!(whole.keys().all(|name| !name.contains('_')), "{whole:?}");
            let mut same = drafted(agent, whole, catalog.agents()).unwrap();
            same.version = agent.version.clone();
            assert_eq!(&same, agent);
        }
    }
}
