//! Where values come from: the defaults, a file, the environment, the command line; the later wins.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem, ProblemKind};

/// The defaults: every key there is, documented.
pub(crate) const DEFAULTS: &str = include_str!("../../../config/orchestratai.toml");

/// What a key in the environment begins with.
const PREFIX: &str = "ORCHESTRATAI__";

/// Other names by which people set a key in the environment.
const ALIASES: [(&str, &str); 6] = [
    ("DATABASE_URL", "store.url"),
    ("REDIS_URL", "redis.url"),
    ("CORS_ORIGINS", "cors.origins"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.traces_endpoint"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "telemetry.traces_headers"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
];

/// Variables that people set for other versions or other programs, and what this version makes of them.
const NOT_YET: [(&str, &str); 2] = [
    (
        "OTEL_TRACES_SAMPLER",
        "telemetry.traces_sample_ratio says which traces are sent",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "telemetry.traces_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT says where traces are sent",
    ),
];

/// Variables that sections `[models.NAME]` read, and no others.
const OF_MODELS: [&str; 4] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OLLAMA_HOST"];

/// The kinds of sections that people name themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sections {
    /// `[models.NAME]`.
    Models,
    /// `[tools.NAME]`.
    Tools,
    /// `[budgets.NAME]`.
    Budgets,
}

impl Sections {
    const ALL: [Self; 3] = [Self::Models, Self::Tools, Self::Budgets];

    /// What stands before the name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Tools => "tools",
            Self::Budgets => "budgets",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sections| sections.name() == name)
    }
}

/// The sections of one kind, by name, and their fields.
pub(super) type Named = BTreeMap<String, BTreeMap<String, Entry>>;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A text; from the environment and the command line everything is one.
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<String>),
    /// Anything else, as it is to be shown.
    Other(String),
}

/// A value and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// What the command line sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `--host`.
    pub(crate) host: Option<String>,
    /// `--port`.
    pub(crate) port: Option<String>,
    /// `--data-dir`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `--no-demo`.
    pub(crate) no_demo: bool,
}

/// The values of all layers, merged, and what was wrong with the layers themselves.
pub(super) struct Layers {
    pub(super) entries: BTreeMap<String, Entry>,
    /// The sections that people name themselves.
    pub(super) sections: BTreeMap<Sections, Named>,
    /// The environment, for keys that sections name; and which of it was read so.
    variables: BTreeMap<String, String>,
    read_variables: BTreeSet<String>,
    pub(super) problems: Vec<Problem>,
    /// What was set and has no effect, in sentences.
    pub(super) notices: Vec<String>,
}

impl Layers {
    /// Only the defaults.
    pub(super) fn defaults() -> Self {
        let (values, problems) = read_toml(DEFAULTS, |_| Origin::Default);
        assert!(problems.is_empty(), "the compiled defaults are TOML: {problems:?}");
        Self {
            entries: values.into_iter().collect(),
            sections: BTreeMap::new(),
            variables: BTreeMap::new(),
            read_variables: BTreeSet::new(),
            problems,
            notices: Vec::new(),
        }
    }

    /// Lays a file over what is there.
    pub(super) fn add_file(&mut self, path: &Path) {
        let origin = |line| Origin::File {
            path: path.to_owned(),
            line,
        };
        let text = match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                self.problems.push(Problem {
                    origin: origin(line),
                    what: ProblemKind::File("the file is not UTF-8".into()),
                });
                return;
            }
            Err(error) => {
                let what = ProblemKind::File(format!("the file cannot be read: {error}"));
                self.problems.push(Problem {
                    origin: origin(1),
                    what,
                });
                return;
            }
        };
        let (values, problems) = read_toml(&text, origin);
        self.problems.extend(problems);
        for (key, entry) in values {
            self.set(key, entry);
        }
    }

    /// Lays the environment over what is there.
    pub(super) fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut variables: Vec<_> = variables
            .into_iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .collect();
        variables.sort(); // Problems come in one order, whatever the order of the environment.
        let readable = variables
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())));
        self.variables.extend(readable.filter(|(_, value)| !value.is_empty()));
        let mut set_by_prefix = BTreeMap::new();
        for (name, value) in &variables {
            let origin = Origin::Environment(name.clone());
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let key = rest.to_lowercase().replacen("__", ".", 1);
                set_by_prefix.insert(key.clone(), name.clone());
                self.set_text(key, value, origin);
            } else if let Some(meant) = self.meant_by(name) {
                let what = format!("this variable sets nothing; the setting is {meant}, with two underscores each");
                self.problems.push(Problem {
                    origin,
                    what: ProblemKind::Together(what),
                });
            }
        }
        for (name, value) in &variables {
            if value.is_empty() {
                continue; // These names are not ours alone; an empty one is how people unset them.
            }
            let origin = Origin::Environment(name.clone());
            if let Some((_, key)) = ALIASES.iter().find(|(alias, _)| alias == name) {
                if let Some(other) = set_by_prefix.get(*key) {
                    let what = format!("{key} is set by {other} too; unset one of them");
                    self.problems.push(Problem {
                        origin,
                        what: ProblemKind::Together(what),
                    });
                } else {
                    self.set_text((*key).to_owned(), value, origin);
                }
            } else if let Some((_, instead)) = NOT_YET.iter().find(|(known, _)| known == name) {
                // No error: nothing is kept in the wrong place or sent to the wrong one, and these variables often stand
                // in an environment for the sake of other programs.
                self.notices.push(format!("{name} is set and not used: {instead}"));
            }
        }
    }

    /// Lays the command line over what is there.
    pub(super) fn add_flags(&mut self, flags: &Overrides) {
        let data_dir = flags.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned());
        let texts = [
            ("server.host", "--host", flags.host.clone()),
            ("server.port", "--port", flags.port.clone()),
            ("store.data_dir", "--data-dir", data_dir),
            ("knowledge.demo", "--no-demo", flags.no_demo.then(|| "false".to_owned())),
        ];
        for (key, flag, value) in texts {
            if let Some(value) = value {
                let entry = Entry {
                    raw: Raw::Text(value),
                    origin: Origin::Flag(flag),
                };
                self.set(key.to_owned(), entry);
            }
        }
    }

    fn set_text(&mut self, key: String, value: &OsString, origin: Origin) {
        let raw = match value.to_str() {
            Some(value) => Raw::Text(value.to_owned()),
            None => Raw::Other("not UTF-8".into()),
        };
        self.set(key, Entry { raw, origin });
    }

    /// A variable that a section names; empty ones are none.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?.clone();
        self.read_variables.insert(name.to_owned());
        Some(value)
    }

    /// Notes which variables of providers are there and were read by no section.
    pub(super) fn note_unread(&mut self) {
        for name in OF_MODELS {
            if self.variables.contains_key(name) && !self.read_variables.contains(name) {
                let notice = format!("{name} is set and not used: no section [models.NAME] reads it");
                self.notices.push(notice);
            }
        }
    }

    fn set(&mut self, key: String, entry: Entry) {
        // In the environment `models.fast__model`, in a file `models.fast.model`.
        let section = key.split_once('.').and_then(|(first, rest)| {
            let (name, field) = match entry.origin {
                Origin::Environment(_) => rest.split_once("__")?,
                Origin::Default | Origin::File { .. } | Origin::Flag(_) => rest.split_once('.')?,
            };
            Some((Sections::of(first)?, name, field))
        });
        if let Some((sections, name, field)) = section {
            let named = self.sections.entry(sections).or_default();
            let fields = named.entry(name.to_owned()).or_default();
            fields.insert(field.to_owned(), entry);
            return;
        }
        if let Some(place) = self.entries.get_mut(&key) {
            *place = entry;
            return;
        }
        let nearest = self.nearest(&key);
        let (key, nearest) = match &entry.origin {
            Origin::Environment(name) => (name.clone(), variable(&nearest)),
            Origin::Default | Origin::File { .. } | Origin::Flag(_) => (key, nearest),
        };
        let what = ProblemKind::UnknownKey { key, nearest };
        self.problems.push(Problem {
            origin: entry.origin,
            what,
        });
    }

    /// The known key that is most like `key`: by its whole, or by its last part where it stands in another section.
    fn nearest(&self, key: &str) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            let whole = strsim::jaro_winkler(known, key);
            whole.max(0.95 * strsim::jaro_winkler(&last(known), &last(key)))
        };
        let best = self.entries.keys().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        best.cloned().unwrap_or_default()
    }

    /// The variable that was meant by one with too few underscores, such as `ORCHESTRATAI_AUTH_TOKEN`.
    fn meant_by(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix("ORCHESTRATAI_")?.to_lowercase().replace("__", "_");
        let meant = self.entries.keys().find(|key| key.replace('.', "_") == rest)?;
        Some(variable(meant))
    }
}

/// The name of a key in the environment.
pub(crate) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replacen('.', "__", 1))
}

/// Reads `[section] key = value` as `section.key`, with the line of each, and everything that is wrong with the text.
fn read_toml(text: &str, origin: impl Fn(usize) -> Origin) -> (Vec<(String, Entry)>, Vec<Problem>) {
    let line = |at: usize| {
        1 + text.as_bytes()[..at.min(text.len())]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    let problems = errors
        .iter()
        .map(|error| Problem {
            origin: origin(line(error.span().map_or(0, |span| span.start))),
            what: ProblemKind::File(format!("the file is not valid TOML: {}", error.message())),
        })
        .collect();
    let mut values = Vec::new();
    for (section, content) in document.get_ref() {
        let DeValue::Table(table) = content.get_ref() else {
            let origin = origin(line(section.span().start));
            let raw = raw(content.get_ref());
            values.push((section.get_ref().to_string(), Entry { raw, origin }));
            continue;
        };
        for (key, value) in table {
            if let (Some(sections), DeValue::Table(fields)) = (Sections::of(section.get_ref()), value.get_ref()) {
                for (field, value) in fields {
                    let origin = origin(line(field.span().start));
                    let raw = raw(value.get_ref());
                    let whole = format!("{}.{}.{}", sections.name(), key.get_ref(), field.get_ref());
                    values.push((whole, Entry { raw, origin }));
                }
                continue;
            }
            let origin = origin(line(key.span().start));
            let raw = raw(value.get_ref());
            values.push((
                format!("{}.{}", section.get_ref(), key.get_ref()),
                Entry { raw, origin },
            ));
        }
    }
    values.sort_by_key(|(_, entry)| match entry.origin {
        Origin::File { line, .. } => line,
        Origin::Default | Origin::Environment(_) | Origin::Flag(_) => 0,
    });
    (values, problems)
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Raw::Other(number.as_str().to_owned()), Raw::Integer),
        DeValue::Float(number) => Raw::Other(number.as_str().to_owned()),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Datetime(time) => Raw::Other(time.to_string()),
        DeValue::Array(array) => {
            let texts: Option<Vec<_>> = (array.iter())
                .map(|item| item.get_ref().as_str().map(|text| Cow::into_owned(Cow::Borrowed(text))))
                .collect();
            texts.map_or_else(|| Raw::Other("a list that holds more than texts".into()), Raw::List)
        }
        DeValue::Table(_) => Raw::Other("a table".into()),
    }
}
