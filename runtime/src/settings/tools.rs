//! Where tools come from: a section `[tools.NAME]` for each source, over what `[tools]` says for all of them.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use orchestratai_tools::{
    ApiToken, Approvals, Glob, Limits, McpEndpoint, McpOptions, McpSource, OpenApiOptions, OpenApiSource, Secret,
    SourceName,
};

use super::{
    HOUR, TENTH,
    layers::{Raw, Sections},
    problem::Origin,
    reader::{Reader, text},
    section::{Section, is_base_url, list},
};

/// What a section may say of one source.
const FIELDS: [&str; 19] = [
    "kind",
    "command",
    "args",
    "env",
    "url",
    "token_env",
    "trust_annotations",
    "document",
    "base_url",
    "token_header",
    "operations",
    "idempotency_key",
    "connect_timeout",
    "timeout",
    "result_max",
    "concurrency",
    "approval",
    "approval_within",
    "approval_otherwise",
];

/// Where tools come from.
#[derive(Debug, Clone)]
pub(crate) struct ToolSettings {
    /// By name.
    pub(crate) sources: Vec<ToolSourceSettings>,
    /// Bytes that the result of a tool may have which no source has: a client's own.
    pub(crate) result_bytes_max: usize,
}

/// One source.
#[derive(Debug, Clone)]
pub(crate) enum ToolSourceSettings {
    Mcp(McpOptions),
    OpenApi(OpenApiOptions),
}

/// What is said for all sources, and may be said of one of them.
#[derive(Debug, Clone, Copy)]
struct CommonSettings {
    connect_timeout: Duration,
    timeout: Duration,
    /// In bytes.
    result_max: u64,
    concurrency: u32,
    approval_within: Duration,
    otherwise_approved: bool,
}

const CONNECT_TIMEOUT: RangeInclusive<Duration> = TENTH..=HOUR;
const TIMEOUT: RangeInclusive<Duration> = TENTH..=HOUR;
const RESULT_MAX: RangeInclusive<u64> = 1024..=1024 * 1024;
const CONCURRENCY: RangeInclusive<u32> = 1..=1000;
pub(super) const APPROVAL_WITHIN: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(720 * 3600);
const OTHERWISE: [(&str, bool); 2] = [("rejected", false), ("approved", true)];

pub(super) fn read_tools(r: &mut Reader) -> ToolSettings {
    let common = CommonSettings {
        connect_timeout: r.duration("tools.connect_timeout", CONNECT_TIMEOUT),
        timeout: r.duration("tools.timeout", TIMEOUT),
        result_max: r.size("tools.result_max", RESULT_MAX),
        concurrency: r.integer("tools.concurrency", CONCURRENCY),
        approval_within: r.duration("tools.approval_within", APPROVAL_WITHIN),
        otherwise_approved: r.choice("tools.approval_otherwise", &OTHERWISE),
    };
    let mut sources = Vec::new();
    for (name, fields) in r.take_sections(Sections::Tools) {
        let mut section = Section::new(r, Sections::Tools, &name, fields);
        sources.extend(section.read_source(&common));
    }
    ToolSettings {
        sources,
        result_bytes_max: usize::try_from(common.result_max).unwrap_or(usize::MAX),
    }
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Mcp,
    OpenApi,
}

impl Section<'_> {
    /// The source; none where something is wrong with it, which is noted.
    fn read_source(&mut self, common: &CommonSettings) -> Option<ToolSourceSettings> {
        let place = self.place();
        let name = match SourceName::new(self.name) {
            Ok(name) => name,
            Err(error) => {
                self.refuse(place, format!("[tools.{}]: {error}", self.name));
                return None;
            }
        };
        let kind = self.value("kind", "mcp or openapi", |raw| match text(raw)? {
            "mcp" => Some(Kind::Mcp),
            "openapi" => Some(Kind::OpenApi),
            _ => None,
        });
        if kind.is_none() && !self.has_problem_with("kind") {
            self.refuse(place.clone(), format!("[tools.{}] wants a `kind`", self.name));
        }
        let kind = kind?;
        let (limits, approvals) = self.limits(common);
        let source = match kind {
            Kind::Mcp => self.mcp(name, limits, approvals, &place),
            Kind::OpenApi => self.open_api(name, limits, approvals, &place),
        };
        self.refuse_rest(&FIELDS);
        let source = source?;
        // What could never be used is refused here, with a place.
        let checked = match &source {
            ToolSourceSettings::Mcp(options) => McpSource::new(options.clone())
                .map(drop)
                .map_err(|error| error.to_string()),
            // Whatever is wrong with the document is wrong at the start, and not in the middle of a turn.
            ToolSourceSettings::OpenApi(options) => {
                OpenApiSource::new(options).map(drop).map_err(|error| chain(&error))
            }
        };
        if let Err(what) = checked {
            self.refuse(place, format!("[tools.{}]: {what}", self.name));
            return None;
        }
        Some(source)
    }

    fn limits(&mut self, common: &CommonSettings) -> (Limits, Approvals) {
        let connect = self.duration("connect_timeout", CONNECT_TIMEOUT, common.connect_timeout);
        let limits = Limits {
            connect,
            // A list is as much of a greeting as the rest.
            list: connect,
            call: self.duration("timeout", TIMEOUT, common.timeout),
            result_bytes_max: usize::try_from(self.size("result_max", RESULT_MAX, common.result_max))
                .unwrap_or(usize::MAX),
            concurrency: self.integer("concurrency", CONCURRENCY, common.concurrency) as usize,
        };
        let otherwise = self.value("approval_otherwise", "rejected or approved", |raw| {
            let word = text(raw)?;
            OTHERWISE
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, value)| *value)
        });
        let approvals = Approvals {
            tools: self.globs("approval").unwrap_or_default(),
            within: self.duration("approval_within", APPROVAL_WITHIN, common.approval_within),
            otherwise_approved: otherwise.unwrap_or(common.otherwise_approved),
        };
        (limits, approvals)
    }

    fn mcp(
        &mut self,
        name: SourceName,
        limits: Limits,
        approvals: Approvals,
        place: &Origin,
    ) -> Option<ToolSourceSettings> {
        let trust_annotations = self.boolean("trust_annotations");
        let endpoint = match (self.has("command"), self.has("url")) {
            (true, false) => self.process(place)?,
            (false, true) => {
                let allowed = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without user and password";
                let url = self.value("url", allowed, |raw| {
                    text(raw).filter(|url| is_base_url(url)).map(str::to_owned)
                });
                let token = self.token(place)?;
                McpEndpoint::Http { url: url?, token }
            }
            (true, true) | (false, false) => {
                let what = format!("[tools.{}] wants either a `command` or a `url`", self.name);
                self.refuse(place.clone(), what);
                return None;
            }
        };
        Some(ToolSourceSettings::Mcp(McpOptions {
            name,
            endpoint,
            limits,
            approvals,
            trust_annotations,
        }))
    }

    fn process(&mut self, place: &Origin) -> Option<McpEndpoint> {
        let command = self.value("command", "a path, or the name of a program", |raw| {
            text(raw).filter(|text| !text.trim().is_empty()).map(str::to_owned)
        });
        let arguments = self.value("args", "a list of texts", list).unwrap_or_default();
        let names = self.value("env", "a list of names of variables of the environment", |raw| {
            list(raw).filter(|names| names.iter().all(|name| is_variable(name)))
        });
        let mut environment = Vec::new();
        for name in names.unwrap_or_default() {
            let value = self.variable(&name, place)?;
            environment.push((name, value));
        }
        Some(McpEndpoint::Process {
            command: command?,
            arguments,
            environment,
        })
    }

    fn open_api(
        &mut self,
        name: SourceName,
        limits: Limits,
        approvals: Approvals,
        place: &Origin,
    ) -> Option<ToolSourceSettings> {
        let document = self.value("document", "the path of a file", |raw| {
            text(raw).filter(|path| !path.is_empty()).map(PathBuf::from)
        });
        let allowed = "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH], without user, password and query";
        let base_url = self.value("base_url", allowed, |raw| {
            text(raw).filter(|url| is_base_url(url)).map(str::to_owned)
        });
        let operations = self.globs("operations");
        let missing = [
            ("document", document.is_none()),
            ("base_url", base_url.is_none()),
            ("operations", operations.is_none()),
        ];
        for (field, is_missing) in missing {
            if is_missing && !self.has_problem_with(field) {
                self.refuse(place.clone(), format!("[tools.{}] wants `{field}`", self.name));
            }
        }
        let idempotency_key = self.boolean("idempotency_key");
        let header = self.value("token_header", "the name of a header", |raw| {
            text(raw).map(str::to_owned)
        });
        let token = match self.token(place)? {
            None => None,
            Some(secret) => match ApiToken::new(header.as_deref(), secret) {
                Ok(token) => Some(token),
                Err(error) => {
                    self.refuse(place.clone(), format!("[tools.{}]: {error}", self.name));
                    return None;
                }
            },
        };
        Some(ToolSourceSettings::OpenApi(OpenApiOptions {
            name,
            document: document?,
            base_url: base_url?,
            token,
            operations: operations?,
            idempotency_key,
            limits,
            approvals,
        }))
    }

    /// What `token_env` names; the outer none where that is wrong, which is noted.
    #[expect(
        clippy::option_option,
        reason = "no token is wanted, and a token is wanted that is not there"
    )]
    fn token(&mut self, place: &Origin) -> Option<Option<Secret>> {
        let is_there = self.has("token_env");
        let name = self.value("token_env", "the name of a variable of the environment", |raw| {
            text(raw).filter(|name| is_variable(name)).map(str::to_owned)
        });
        match name {
            Some(name) => self.variable(&name, place).map(Some),
            None => (!is_there).then_some(None),
        }
    }

    fn variable(&mut self, name: &str, place: &Origin) -> Option<Secret> {
        let value = self.reader.variable(name).map(Secret::new);
        if value.is_none() {
            let what = format!("[tools.{}] names the variable {name}, which is not set", self.name);
            self.refuse(place.clone(), what);
        }
        value
    }

    fn globs(&mut self, field: &str) -> Option<Vec<Glob>> {
        self.value(
            field,
            "a list of patterns, in which * stands for any characters",
            |raw: &Raw| {
                let patterns = list(raw)?;
                patterns.iter().map(|pattern| Glob::new(pattern).ok()).collect()
            },
        )
    }
}

/// Whether a text may be the name of a variable, and is no secret that was put where its name belongs.
fn is_variable(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.len() <= 100
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        told = format!("{told}: {cause}");
        next = cause.source();
    }
    told
}
