//! One agent file: from text to a definition, or to everything that is wrong with it.

use std::{path::Path, time::Duration};

use orchestratai_shared::{AgentColor, AgentId, Intent};
use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::{
    AgentDefinition, BlockedTopic, DirectTexts, Example, Limits, Problem, Strategy,
    problem::nearest,
    table::{Findings, Table},
};
use crate::{
    knowledge::{CollectionName, Filter},
    model::ModelNames,
    routing::Case,
};

const KEYS: &[&str] = &[
    "id",
    "name",
    "purpose",
    "color",
    "strategy",
    "complex_strategy",
    "model",
    "prompt",
    "keywords",
    "collections",
    "filter",
    "tools",
    "facts",
    "fallbacks",
    "hand_offs",
    "agents",
    "limits",
    "blocked_topics",
    "examples",
    "direct",
];

pub(super) const COLORS: &[(&str, AgentColor)] = &[
    ("cyan", AgentColor::Cyan),
    ("green", AgentColor::Green),
    ("blue", AgentColor::Blue),
    ("purple", AgentColor::Purple),
];

pub(super) const STRATEGIES: &[(&str, Strategy)] = &[
    ("pure_rag", Strategy::PureRag),
    ("pure_cag", Strategy::PureCag),
    ("hybrid", Strategy::Hybrid),
    ("direct", Strategy::Direct),
];

pub(super) const INTENTS: &[(&str, Intent)] = &[
    ("meta_question", Intent::MetaQuestion),
    ("simple_chat", Intent::SimpleChat),
    ("pricing_question", Intent::PricingQuestion),
    ("policy_question", Intent::PolicyQuestion),
    ("domain_question", Intent::DomainQuestion),
    ("complex_question", Intent::ComplexQuestion),
];

pub(super) const CASES: &[(&str, Case)] = &[
    ("greeting", Case::Greeting),
    ("thanks", Case::Thanks),
    ("farewell", Case::Farewell),
    ("about", Case::About),
    ("person", Case::Person),
    ("vague", Case::Vague),
    ("out_of_scope", Case::OutOfScope),
    ("injection", Case::Injection),
];

/// What a language model may write where the file does not say: some ten pages, more than anybody reads in a chat.
const ANSWER_CHARACTERS: u64 = 20_000;

const DIRECT_KEYS: &[&str] = &[
    "greeting",
    "thanks",
    "farewell",
    "about",
    "person",
    "vague",
    "out_of_scope",
    "injection",
    "unavailable",
];

/// A definition, and where its references to other agents stand, for checks that need all files.
#[derive(Debug)]
pub(crate) struct ParsedFile {
    pub(crate) definition: AgentDefinition,
    /// Line and column of each entry of `fallbacks`, then of `hand_offs`, then of `agents`.
    pub(crate) other_places: Vec<(usize, usize)>,
}

/// Reads one file. `file` is how the file is called in problems; its name without `.toml` must be the agent's id.
///
/// # Errors
/// Every problem of the file, in the order in which they stand there.
pub(crate) fn parse(file: &Path, text: &str, models: &ModelNames) -> Result<ParsedFile, Vec<Problem>> {
    let findings = Findings::new(file, text);
    let (root, syntax) = DeTable::parse_recoverable(text);
    // One broken line makes the parser stumble over those after it: only the first place is sure to be wrong.
    if let Some(error) = syntax
        .iter()
        .min_by_key(|error| error.span().map_or(0, |span| span.start))
    {
        findings.add(error.span().unwrap_or(0..0), error.message().trim(), None);
        return Err(findings.into_problems());
    }
    let root = Table::open(&findings, root.get_ref(), "", 0..0, KEYS);
    let parsed = read(&root, file, text, models);
    match (parsed, findings.into_problems()) {
        (Some(parsed), problems) if problems.is_empty() => Ok(parsed),
        (_, problems) => Err(problems),
    }
}

fn read(root: &Table<'_>, file: &Path, text: &str, models: &ModelNames) -> Option<ParsedFile> {
    let id = read_id(root, file);
    let name = root.text("name");
    let purpose = root.text("purpose");
    let color = root.choice("color", COLORS);
    let strategy = root.choice("strategy", STRATEGIES);
    let complex_strategy = root.choice_if_any("complex_strategy", STRATEGIES);
    let model = root.text("model").filter(|(model, span)| {
        let known = models.contains(model);
        if !known {
            let names: Vec<&str> = models.iter().collect();
            let must = format!("one of {}", names.join(", "));
            root.wrong("model", span.clone(), &must, nearest(model, models.iter()));
        }
        known
    });
    let prompt = root.text("prompt");
    let keywords = root
        .texts("keywords")
        .into_iter()
        .map(|(word, _)| word.to_lowercase())
        .collect();
    let collections = read_collections(root, strategy);
    let filter = read_filter(root);
    let fallbacks = read_others(root, "fallbacks", id.as_ref());
    let hand_offs = read_others(root, "hand_offs", id.as_ref());
    let asks = read_asks(root, id.as_ref());
    let limits = read_limits(root);
    let blocked_topics = read_blocked_topics(root, strategy);
    let examples = read_examples(root, strategy);
    let direct = read_direct(root, strategy);
    let takes_facts = root.flag_or("facts", true);
    let tools = root.texts("tools").into_iter().map(|(tool, _)| tool).collect();

    let version = Sha256::digest(text)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let other_places = (fallbacks.iter())
        .chain(&hand_offs)
        .chain(&asks)
        .map(|(_, span)| super::problem::place(text, span.start))
        .collect();
    Some(ParsedFile {
        definition: AgentDefinition {
            id: id?,
            name: name?.0,
            purpose: purpose?.0,
            color: color?,
            strategy: strategy?,
            complex_strategy,
            model: model?.0,
            prompt: prompt?.0,
            examples,
            keywords,
            collections,
            filter,
            tools,
            takes_facts,
            fallbacks: fallbacks.into_iter().map(|(id, _)| id).collect(),
            hand_offs: hand_offs.into_iter().map(|(id, _)| id).collect(),
            asks: asks.into_iter().map(|(id, _)| id).collect(),
            limits: limits?,
            blocked_topics,
            direct,
            models: models.clone(),
            version,
        },
        other_places,
    })
}

fn read_id(root: &Table<'_>, file: &Path) -> Option<AgentId> {
    let (text, span) = root.text("id")?;
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    match AgentId::parse(&text) {
        Err(invalid) => {
            root.wrong("id", span, invalid.to_string().trim_start_matches("must be "), None);
            None
        }
        Ok(id) => {
            if id.is_person() {
                let must = "another one: it stands for people who have taken a session over";
                root.wrong("id", span, must, None);
            } else if text != stem {
                root.wrong("id", span, &format!("the file's name, `{stem}`"), None);
            }
            Some(id)
        }
    }
}

fn read_collections(root: &Table<'_>, strategy: Option<Strategy>) -> Vec<CollectionName> {
    let texts = root.texts("collections");
    if texts.is_empty() && strategy.is_some_and(|strategy| strategy != Strategy::Direct) {
        let span = root.get("collections").map_or(0..0, toml::Spanned::span);
        root.wrong(
            "collections",
            span,
            "at least one collection, since the strategy reads the knowledge base",
            None,
        );
    }
    let parse = |(text, span): (String, _)| match CollectionName::parse(&text) {
        Ok(name) => Some(name),
        Err(invalid) => {
            root.wrong(
                "collections",
                span,
                invalid.to_string().trim_start_matches("must be "),
                None,
            );
            None
        }
    };
    texts.into_iter().filter_map(parse).collect()
}

fn read_filter(root: &Table<'_>) -> Filter {
    let fields = root.tables("filter", &["field", "values"]);
    fields.into_iter().fold(Filter::default(), |filter, of_field| {
        let _ = of_field.need("values");
        let Some((field, _)) = of_field.text("field") else {
            return filter;
        };
        // Without values nothing fits: a list that was emptied by mistake must not open what it was to close.
        let values = of_field.texts("values").into_iter().map(|(value, _)| value);
        filter.with_field(field, values)
    })
}

/// A list of other agents, each with where it stands.
fn read_others(root: &Table<'_>, key: &str, own: Option<&AgentId>) -> Vec<(AgentId, std::ops::Range<usize>)> {
    let mut others: Vec<(AgentId, std::ops::Range<usize>)> = Vec::new();
    for (text, span) in root.texts(key) {
        match AgentId::parse(&text) {
            Err(invalid) => root.wrong(key, span, invalid.to_string().trim_start_matches("must be "), None),
            Ok(id) if Some(&id) == own => root.wrong(key, span, "other agents, not the agent itself", None),
            Ok(id) if others.iter().any(|(known, _)| *known == id) => {
                root.wrong(key, span, "a list without repeats", None);
            }
            Ok(id) => others.push((id, span)),
        }
    }
    others
}

/// The agents that are tools of this one. The tool's name has the agent's in it, and providers take no longer names than 64 characters.
fn read_asks(root: &Table<'_>, own: Option<&AgentId>) -> Vec<(AgentId, std::ops::Range<usize>)> {
    const ID_CHARACTERS_MAX: usize = 60;
    let asks = read_others(root, "agents", own);
    for (_, span) in asks.iter().filter(|(id, _)| id.as_str().len() > ID_CHARACTERS_MAX) {
        root.wrong(
            "agents",
            span.clone(),
            "agents whose ids have 60 characters at most",
            None,
        );
    }
    asks
}

fn read_limits(root: &Table<'_>) -> Option<Limits> {
    root.need("limits")?;
    let keys = [
        "concurrency_turns",
        "queue_turns",
        "timeout_seconds",
        "answer_characters",
    ];
    let limits = root.table("limits", &keys)?;
    let concurrency = limits.number("concurrency_turns", 1..=10_000);
    let queue = limits.number("queue_turns", 0..=100_000);
    let timeout = limits.number("timeout_seconds", 1..=3_600);
    let answer_characters = match limits.get("answer_characters") {
        Some(_) => limits.number("answer_characters", 100..=1_000_000),
        None => Some(ANSWER_CHARACTERS),
    };
    Some(Limits {
        answer_characters: usize::try_from(answer_characters?).ok()?,
        concurrency: usize::try_from(concurrency?).ok()?,
        queue: usize::try_from(queue?).ok()?,
        timeout: Duration::from_secs(timeout?),
    })
}

fn read_blocked_topics(root: &Table<'_>, strategy: Option<Strategy>) -> Vec<BlockedTopic> {
    if let (Some(Strategy::Direct), Some(value)) = (strategy, root.get("blocked_topics")) {
        let must = "left out, since an agent that answers directly says only what its texts say";
        root.wrong("blocked_topics", value.span(), must, None);
    }
    let topics = root.tables("blocked_topics", &["name", "examples", "say"]);
    let read = topics.into_iter().filter_map(|topic| {
        let (name, say) = (topic.text("name"), topic.text("say"));
        let examples = topic.need("examples");
        let texts: Vec<String> = topic.texts("examples").into_iter().map(|(text, _)| text).collect();
        if let Some(examples) = examples.filter(|_| texts.is_empty()) {
            topic.wrong("examples", examples.span(), "a list with one text or more", None);
        }
        Some(BlockedTopic {
            name: name?.0,
            examples: texts,
            say: say?.0,
        })
    });
    read.collect()
}

fn read_examples(root: &Table<'_>, strategy: Option<Strategy>) -> Vec<Example> {
    let mut examples = Vec::new();
    for group in root.tables("examples", &["intent", "case", "texts"]) {
        let intent = group.choice("intent", INTENTS);
        let case = group.choice_if_any("case", CASES);
        match (strategy, case, group.get("case")) {
            (Some(Strategy::Direct), None, None) => {
                let _ = group.need("case");
            }
            (Some(Strategy::PureRag | Strategy::PureCag | Strategy::Hybrid), _, Some(value)) => {
                group.wrong(
                    "case",
                    value.span(),
                    "left out, since only direct answers have cases",
                    None,
                );
            }
            (None | Some(_), _, _) => {}
        }
        let _ = group.need("texts");
        let Some(intent) = intent else { continue };
        examples.extend(
            group
                .texts("texts")
                .into_iter()
                .map(|(text, _)| Example { text, intent, case }),
        );
    }
    // Who reads a collection is known by what stands in it.
    let reads = strategy != Some(Strategy::Direct) && root.get("collections").is_some();
    if !reads && examples.is_empty() && root.get("examples").is_none() {
        let _ = root.need("examples");
    }
    examples
}

fn read_direct(root: &Table<'_>, strategy: Option<Strategy>) -> Option<DirectTexts> {
    if strategy == Some(Strategy::Direct) {
        root.need("direct")?;
    }
    let direct = root.table("direct", DIRECT_KEYS)?;
    let texts: Vec<Option<String>> = DIRECT_KEYS
        .iter()
        .map(|key| direct.text(key).map(|(text, _)| text))
        .collect();
    let mut texts = texts.into_iter();
    let mut next = || texts.next().flatten();
    // In the order of `DIRECT_KEYS`.
    Some(DirectTexts {
        greeting: next()?,
        thanks: next()?,
        farewell: next()?,
        about: next()?,
        person: next()?,
        vague: next()?,
        out_of_scope: next()?,
        injection: next()?,
        unavailable: next()?,
    })
}
