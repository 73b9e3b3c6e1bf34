//! Language models: a section `[models.NAME]` for each, over what `[models]` says for all of them.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use orchestratai_agents::{
    language::{PriceList, RetryPolicy, TokenCounter},
    model::Extractive,
};
use orchestratai_providers::{Endpoint, HttpEmbedding, HttpModel, Key, ProviderKind, Timeouts};

use super::{
    HOUR, MINUTE, TENTH,
    layers::{Raw, Sections},
    problem::Origin,
    reader::{Reader, text},
    section::{Section, is_base_url, is_name, list},
};

/// What a section may say of one model.
pub(super) const FIELDS: [&str; 21] = [
    "provider",
    "model",
    "base_url",
    "api_key_env",
    "fallbacks",
    "temperature",
    "max_tokens",
    "context_tokens",
    "history_tokens",
    "tokenizer",
    "dimensions",
    "question_prefix",
    "passage_prefix",
    "connect_timeout",
    "first_token_timeout",
    "idle_timeout",
    "attempts",
    "retry_wait",
    "retry_wait_max",
    "requests_max",
    "room_wait",
];

/// Language models, and who is answered by which.
#[derive(Debug, Clone)]
pub(crate) struct ModelSettings {
    /// Who answers in place of the embedded model.
    pub(crate) answering: Option<String>,
    /// Who makes the vectors of the knowledge base in place of the static table.
    pub(crate) embedding: Option<String>,
    /// How long a search waits for the vector of its question.
    pub(crate) embedding_wait: Duration,
    /// Who decides who answers where the router is unsure.
    pub(crate) routing: Option<String>,
    /// How long a turn waits for that.
    pub(crate) routing_wait: Duration,
    /// By name.
    pub(crate) named: Vec<NamedModel>,
    pub(crate) prices: PriceList,
}

/// One language model.
#[derive(Debug, Clone)]
pub(crate) struct NamedModel {
    /// Its name in agent files.
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    /// Who stands in for it, in this order; each is the embedded model or has a section.
    pub(crate) fallbacks: Vec<String>,
    pub(crate) temperature: Option<f32>,
    /// Counts its tokens.
    pub(crate) counter: Arc<TokenCounter>,
    /// What its vectors are to be like, where it makes them.
    pub(crate) vectors: VectorSettings,
    pub(crate) common: CommonSettings,
}

/// How a model makes vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VectorSettings {
    /// How many dimensions they are to have; as many as the model gives where nothing is said.
    pub(crate) dimensions: Option<u32>,
    /// What stands before every question.
    pub(crate) question_prefix: String,
    /// What stands before every passage.
    pub(crate) passage_prefix: String,
}

/// What is said for all models, and may be said of one of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommonSettings {
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: RetryPolicy,
    pub(crate) requests_max: u32,
    pub(crate) room_wait: Duration,
    pub(crate) max_tokens: u32,
    pub(crate) context_tokens: u32,
    pub(crate) history_tokens: u32,
}

const WAIT: RangeInclusive<Duration> = TENTH..=HOUR;
const BRIEF_WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=MINUTE;
const DIMENSIONS: RangeInclusive<u32> = 1..=16_384;
const PREFIX_BYTES_MAX: usize = 256;
const RETRY_WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=MINUTE;
const ROOM_WAIT: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
const ATTEMPTS: RangeInclusive<u32> = 1..=10;
const REQUESTS_MAX: RangeInclusive<u32> = 1..=100_000;
const MAX_TOKENS: RangeInclusive<u32> = 16..=1_000_000;
const CONTEXT_TOKENS: RangeInclusive<u32> = 1_024..=100_000_000;
const HISTORY_TOKENS: RangeInclusive<u32> = 0..=100_000_000;
/// What has to have room beside the answer: the rules of the house, a question and a source.
const TOLD_TOKENS_MIN: u32 = 1_000;

pub(super) fn read_models(r: &mut Reader) -> ModelSettings {
    let answering = read_name(r, "models.answering");
    let embedding = read_name(r, "models.embedding");
    let embedding_wait = r.duration("models.embedding_wait", BRIEF_WAIT);
    let routing = read_name(r, "models.routing");
    let routing_wait = r.duration("models.routing_wait", BRIEF_WAIT);
    let prices = r.value(
        "models.prices",
        "empty, or the path of a file like config/pricing.toml",
        |raw| match text(raw)? {
            "" => Some(PriceList::default()),
            path => PriceList::parse(&std::fs::read_to_string(PathBuf::from(path)).ok()?).ok(),
        },
    );
    let common = CommonSettings {
        max_tokens: r.integer("models.max_tokens", MAX_TOKENS),
        context_tokens: r.integer("models.context_tokens", CONTEXT_TOKENS),
        history_tokens: r.integer("models.history_tokens", HISTORY_TOKENS),
        timeouts: Timeouts {
            connect: r.duration("models.connect_timeout", WAIT),
            first_token: r.duration("models.first_token_timeout", WAIT),
            idle: r.duration("models.idle_timeout", WAIT),
        },
        retries: RetryPolicy {
            attempts: r.integer("models.attempts", ATTEMPTS),
            wait: r.duration("models.retry_wait", RETRY_WAIT),
            wait_max: r.duration("models.retry_wait_max", RETRY_WAIT),
        },
        requests_max: r.integer("models.requests_max", REQUESTS_MAX),
        room_wait: r.duration("models.room_wait", ROOM_WAIT),
    };
    let sections = r.take_sections(Sections::Models);
    let names: Vec<String> = sections.keys().cloned().collect();
    let mut named = Vec::new();
    for (name, fields) in sections {
        let mut section = Section::new(r, Sections::Models, &name, fields);
        if let Some(model) = section.read_model(&common, &names) {
            named.push(model);
        }
    }
    for (key, name) in [
        ("models.answering", &answering),
        ("models.embedding", &embedding),
        ("models.routing", &routing),
    ] {
        if let Some(unknown) = name.as_ref().filter(|name| !names.contains(name)) {
            let what = format!("{key} is {unknown:?}, and there is no section [models.{unknown}]");
            r.refuse(key, what);
        }
    }
    let embeds = |model: &&NamedModel| Some(&model.name) == embedding.as_ref();
    if let Some(model) = named.iter().find(embeds) {
        let endpoint = model.endpoint.clone();
        if let Err(error) = HttpEmbedding::new(endpoint, model.vectors.dimensions, model.common.timeouts) {
            r.refuse(
                "models.embedding",
                format!("models.embedding is {:?}: {error}", model.name),
            );
        }
    }
    ModelSettings {
        answering,
        embedding,
        embedding_wait,
        routing,
        routing_wait,
        named,
        prices: prices.unwrap_or_default(),
    }
}

/// The name of a section, where one is given.
fn read_name(r: &mut Reader, key: &'static str) -> Option<String> {
    let name = r.value(
        key,
        "empty, or the NAME of a section [models.NAME]",
        |raw| match text(raw)? {
            "" => Some(None),
            name => Some(Some(name.to_owned())),
        },
    );
    name.flatten()
}

impl Section<'_> {
    /// The model; none where something is wrong with it, which is noted.
    fn read_model(&mut self, common: &CommonSettings, names: &[String]) -> Option<NamedModel> {
        let place = self.place();
        if !is_name(self.name) || self.name == Extractive::NAME {
            let what = "the name of a model is a letter and then up to 63 of a-z, 0-9, - and _, and not that of the embedded one";
            self.refuse(place, format!("[models.{}]: {what}", self.name));
            return None;
        }
        let providers = "openai, anthropic, gemini or ollama";
        let provider = self.value("provider", providers, |raw| {
            let text = text(raw)?;
            ProviderKind::ALL.into_iter().find(|kind| kind.name() == text)
        });
        let model = self.value("model", "a name of the provider's", |raw| {
            text(raw).filter(|text| is_model(text)).map(str::to_owned)
        });
        for (field, value) in [("provider", provider.is_none()), ("model", model.is_none())] {
            if value && !self.has_problem_with(field) {
                self.refuse(place.clone(), format!("[models.{}] wants a `{field}`", self.name));
            }
        }
        let allowed = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without user and password";
        let base_url = self.value("base_url", allowed, |raw| {
            text(raw).filter(|url| is_base_url(url)).map(str::to_owned)
        });
        let key_variable = self.value("api_key_env", "the name of a variable of the environment", |raw| {
            text(raw).filter(|text| !text.is_empty()).map(str::to_owned)
        });
        let fallbacks = self.value("fallbacks", "a list of other models", list);
        let temperature = self.value("temperature", "a number, 0 to 2", |raw| {
            let number: f32 = match raw {
                Raw::Text(number) | Raw::Other(number) => number.parse().ok()?,
                Raw::Integer(number) => f32::from(u8::try_from(*number).ok()?),
                Raw::Boolean(_) | Raw::List(_) => return None,
            };
            (0.0..=2.0).contains(&number).then_some(number)
        });
        let tokenizer = self.value("tokenizer", "the path of a tokenizer.json", |raw| {
            text(raw).and_then(|path| TokenCounter::from_file(Path::new(path)).ok())
        });
        let vectors = self.vectors();
        let common = self.common(common);
        if common.context_tokens < common.max_tokens.saturating_add(TOLD_TOKENS_MIN) {
            let what = format!(
                "[models.{}]: context_tokens is {}, and has to hold max_tokens, {}, and {TOLD_TOKENS_MIN} more",
                self.name, common.context_tokens, common.max_tokens
            );
            self.refuse(place.clone(), what);
        }
        let fallbacks = fallbacks.unwrap_or_default();
        let unknown = |name: &&String| **name == self.name || (**name != Extractive::NAME && !names.contains(name));
        if let Some(unknown) = fallbacks.iter().find(unknown) {
            let what = format!(
                "models.{}.fallbacks names {unknown:?}; they are other sections [models.NAME], or {}",
                self.name,
                Extractive::NAME
            );
            self.refuse(place.clone(), what);
        }
        self.refuse_rest(&FIELDS);
        let (kind, model) = (provider?, model?);
        let counter = Arc::new(tokenizer.unwrap_or_else(|| TokenCounter::for_model(&model)));
        let endpoint = self.endpoint(kind, model, base_url, key_variable, place.clone())?;
        // What the client itself would refuse is refused here, with a place.
        if let Err(error) = HttpModel::new(endpoint.clone(), common.timeouts) {
            self.refuse(place, format!("[models.{}]: {error}", self.name));
            return None;
        }
        Some(NamedModel {
            name: self.name.to_owned(),
            endpoint,
            fallbacks,
            temperature,
            counter,
            vectors,
            common,
        })
    }

    fn vectors(&mut self) -> VectorSettings {
        let dimensions = self
            .has("dimensions")
            .then(|| self.integer("dimensions", DIMENSIONS, 0));
        let mut prefix = |field| {
            let allowed = format!("a text of up to {PREFIX_BYTES_MAX} bytes");
            let prefix = self.value(field, allowed, |raw| {
                text(raw)
                    .filter(|text| text.len() <= PREFIX_BYTES_MAX)
                    .map(str::to_owned)
            });
            prefix.unwrap_or_default()
        };
        VectorSettings {
            question_prefix: prefix("question_prefix"),
            passage_prefix: prefix("passage_prefix"),
            dimensions,
        }
    }

    fn common(&mut self, common: &CommonSettings) -> CommonSettings {
        CommonSettings {
            max_tokens: self.integer("max_tokens", MAX_TOKENS, common.max_tokens),
            context_tokens: self.integer("context_tokens", CONTEXT_TOKENS, common.context_tokens),
            history_tokens: self.integer("history_tokens", HISTORY_TOKENS, common.history_tokens),
            timeouts: Timeouts {
                connect: self.duration("connect_timeout", WAIT, common.timeouts.connect),
                first_token: self.duration("first_token_timeout", WAIT, common.timeouts.first_token),
                idle: self.duration("idle_timeout", WAIT, common.timeouts.idle),
            },
            retries: RetryPolicy {
                attempts: self.integer("attempts", ATTEMPTS, common.retries.attempts),
                wait: self.duration("retry_wait", RETRY_WAIT, common.retries.wait),
                wait_max: self.duration("retry_wait_max", RETRY_WAIT, common.retries.wait_max),
            },
            requests_max: self.integer("requests_max", REQUESTS_MAX, common.requests_max),
            room_wait: self.duration("room_wait", ROOM_WAIT, common.room_wait),
        }
    }

    /// Where the model is, and with which key. A provider's own address wants one; a server of one's own only where the section
    /// names it.
    fn endpoint(
        &mut self,
        kind: ProviderKind,
        model: String,
        base_url: Option<String>,
        key_variable: Option<String>,
        place: Origin,
    ) -> Option<Endpoint> {
        let is_own = base_url.is_some() || kind == ProviderKind::Ollama;
        let base_url = match (base_url, kind) {
            (Some(url), _) => url,
            (None, ProviderKind::Ollama) => match self.reader.variable("OLLAMA_HOST") {
                Some(host) => {
                    let url = ollama_url(&host);
                    if !is_base_url(&url) {
                        let what = "OLLAMA_HOST is no HOST[:PORT] and no http://HOST[:PORT]";
                        self.refuse(Origin::Environment("OLLAMA_HOST".into()), what.into());
                        return None;
                    }
                    url
                }
                None => kind.base_url().to_owned(),
            },
            (None, ProviderKind::OpenAi | ProviderKind::Anthropic | ProviderKind::Gemini) => kind.base_url().to_owned(),
        };
        let is_named = key_variable.is_some();
        let usual = match kind {
            ProviderKind::OpenAi => Some("OPENAI_API_KEY"),
            ProviderKind::Anthropic => Some("ANTHROPIC_API_KEY"),
            ProviderKind::Gemini => Some("GEMINI_API_KEY"),
            ProviderKind::Ollama => None,
        };
        // A key that is meant for the provider is not shown to somebody else who speaks like it, unless the section says so.
        let variable = key_variable.or_else(|| usual.filter(|_| !is_own).map(str::to_owned));
        let key = variable.as_ref().and_then(|variable| self.reader.variable(variable));
        if let Some(variable) = variable.filter(|_| key.is_none() && (is_named || !is_own)) {
            let what = format!("[models.{}] wants its key in {variable}, which is not set", self.name);
            self.refuse(place, what);
            return None;
        }
        Some(Endpoint {
            kind,
            base_url,
            model,
            key: key.map(Key::new),
        })
    }
}

/// As people set `OLLAMA_HOST`: for the server, which may listen on all addresses, and without the scheme.
fn ollama_url(host: &str) -> String {
    let (scheme, host) = match host.split_once("://") {
        Some((scheme, host)) => (scheme, host),
        None => ("http", host),
    };
    let host = host.trim_end_matches('/');
    let host = match host.strip_prefix("0.0.0.0") {
        Some(port) => format!("127.0.0.1{port}"),
        None => host.to_owned(),
    };
    let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    let port = if has_port || scheme == "https" { "" } else { ":11434" };
    format!("{scheme}://{host}{port}")
}

/// It becomes a part of an address with some providers.
fn is_model(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 200
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte))
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_host_is_read_as_people_set_it() {
        for (host, url) in [
            ("127.0.0.1:11434", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            ("box", "http://box:11434"),
            ("http://box:1/", "http://box:1"),
            ("https://box", "https://box"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:7", "http://[::1]:7"),
        ] {
            assert_eq!(ollama_url(host), url);
        }
    }

    #[test]
    fn no_password_stands_in_an_address() {
        assert!(is_base_url("https://x.openai.azure.com/openai/v1?api-version=preview"));
        for bad in [
            "https://user:secret@host",
            "host",
            "ftp://host",
            "https://",
            "https://a b",
        ] {
            assert!(!is_base_url(bad), "{bad}");
        }
    }
}
