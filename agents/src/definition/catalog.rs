//! All agents of an installation.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use orchestratai_shared::AgentId;

use super::{
    AgentDefinition, DefinitionErrors, Problem, Strategy,
    file::{self, ParsedFile},
    problem::nearest,
};
use crate::model::{Extractive, ModelNames};

/// A file larger than this is no agent file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

const EMBEDDED: [(&str, &str); 4] = [
    (
        "orchestrator.toml",
        include_str!("../../../config/agents/orchestrator.toml"),
    ),
    ("billing.toml", include_str!("../../../config/agents/billing.toml")),
    ("technical.toml", include_str!("../../../config/agents/technical.toml")),
    ("policy.toml", include_str!("../../../config/agents/policy.toml")),
];

/// All agents, the orchestrator first, the others in the order of their ids; or in the order in which they come with
/// the binary.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    agents: Vec<AgentDefinition>,
}

impl Catalog {
    /// The four agents that come with the binary.
    #[must_use]
    pub fn embedded() -> Self {
        let files = EMBEDDED
            .iter()
            .map(|(name, text)| (PathBuf::from(name), Ok((*text).to_owned())));
        Self::from_files(Path::new("config/agents"), files.collect(), &ModelNames::default())
            .expect("the compiled-in agent files are valid: a test reads them")
    }

    /// The agents of a folder: each `*.toml` in it. They may name the embedded model.
    ///
    /// # Errors
    /// As those of [`Self::load_with`].
    pub fn load(dir: &Path) -> Result<Self, DefinitionErrors> {
        Self::load_with(dir, &ModelNames::default())
    }

    /// The agents of a folder: each `*.toml` in it. They may name any of `models`.
    ///
    /// # Errors
    /// [`DefinitionErrors`] with every problem of every file, and those that show only when all files are known: no
    /// orchestrator, or a fallback that does not exist.
    pub fn load_with(dir: &Path, models: &ModelNames) -> Result<Self, DefinitionErrors> {
        let read = || -> io::Result<Vec<(PathBuf, io::Result<String>)>> {
            let mut files = Vec::new();
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "toml") {
                    let text = read_bounded(&path);
                    files.push((path, text));
                }
            }
            files.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(files)
        };
        match read() {
            Ok(files) => Self::from_files(dir, files, models),
            Err(error) => Err(DefinitionErrors(vec![Problem {
                file: dir.into(),
                place: None,
                message: format!("the folder cannot be read: {error}"),
                nearest: None,
            }])),
        }
    }

    fn from_files(
        dir: &Path,
        files: Vec<(PathBuf, io::Result<String>)>,
        models: &ModelNames,
    ) -> Result<Self, DefinitionErrors> {
        let mut parsed: Vec<(PathBuf, ParsedFile)> = Vec::new();
        let mut problems = Vec::new();
        // An agent whose file is broken exists all the same: no second complaint about those that fall back to it.
        let mut ids: Vec<String> = Vec::new();
        for (path, text) in files {
            ids.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            match text {
                Ok(text) => match file::parse(&path, &text, models) {
                    Ok(file) => parsed.push((path, file)),
                    Err(found) => problems.extend(found),
                },
                Err(error) => problems.push(Problem {
                    file: path,
                    place: None,
                    message: format!("the file cannot be read: {error}"),
                    nearest: None,
                }),
            }
        }
        check_references(dir, &parsed, &ids, &mut problems);
        if !problems.is_empty() {
            return Err(DefinitionErrors(problems));
        }
        let mut agents: Vec<AgentDefinition> = parsed.into_iter().map(|(_, file)| file.definition).collect();
        // Stable: the others keep their order.
        agents.sort_by_key(|agent| agent.id.as_str() != AgentId::ORCHESTRATOR);
        Ok(Self { agents })
    }

    /// The same agents with `model` in place of the embedded one, and drafts of them that may name any of `models`.
    #[must_use]
    pub fn answering_by(mut self, model: Option<&str>, models: &ModelNames) -> Self {
        for agent in &mut self.agents {
            agent.models = models.clone();
            if let Some(model) = model.filter(|_| agent.model == Extractive::NAME) {
                model.clone_into(&mut agent.model);
            }
        }
        self
    }

    /// All agents, the orchestrator first.
    #[must_use]
    pub fn agents(&self) -> &[AgentDefinition] {
        &self.agents
    }

    /// One agent; none where there is none of that id.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<&AgentDefinition> {
        self.agents.iter().find(|agent| agent.id == *id)
    }

    /// The agent that answers what no specialist is for.
    #[must_use]
    pub fn orchestrator(&self) -> &AgentDefinition {
        // Checked when the catalog was made, and put in front.
        &self.agents[0]
    }

    /// Everybody but the orchestrator.
    pub fn specialists(&self) -> impl Iterator<Item = &AgentDefinition> {
        self.agents.iter().skip(1)
    }
}

fn check_references(dir: &Path, parsed: &[(PathBuf, ParsedFile)], ids: &[String], problems: &mut Vec<Problem>) {
    let whole = |message: &str| Problem {
        file: dir.into(),
        place: None,
        message: message.into(),
        nearest: None,
    };
    if !ids.iter().any(|id| id == AgentId::ORCHESTRATOR) {
        problems.push(whole(
            "there is no `orchestrator.toml`; it answers what no other agent is for",
        ));
    }
    for (path, file) in parsed {
        let definition = &file.definition;
        if definition.id.as_str() == AgentId::ORCHESTRATOR && definition.strategy != Strategy::Direct {
            let message = "`strategy` of the orchestrator must be direct".to_owned();
            problems.push(Problem {
                file: path.clone(),
                place: None,
                message,
                nearest: None,
            });
        }
        let fallbacks = definition.fallbacks.iter().map(|id| ("fallbacks", id));
        let hand_offs = definition.hand_offs.iter().map(|id| ("hand_offs", id));
        let asks = definition.asks.iter().map(|id| ("agents", id));
        let others = fallbacks.chain(hand_offs).chain(asks);
        for ((key, other), place) in others.zip(&file.other_places) {
            if !ids.iter().any(|id| id == other.as_str()) {
                problems.push(Problem {
                    file: path.clone(),
                    place: Some(*place),
                    message: format!("`{key}` names `{other}`, which has no file"),
                    nearest: nearest(other.as_str(), ids.iter().map(String::as_str)),
                });
            }
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    fs::read_to_string(path)
}
