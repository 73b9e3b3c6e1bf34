//! A set: three files of labelled cases, one JSON object to a line.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use orchestratai_shared::{AgentId, Intent};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// To look at and to tune on.
    Develop,
    /// To decide by, and for nothing else.
    Decide,
}

/// What makes a question hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Nothing in particular.
    Plain,
    /// It is far from the words of the documents.
    Paraphrase,
    /// Words are misspelt.
    Typo,
    /// It can only be understood with what was said before.
    FollowUp,
    /// Another document is a tempting wrong answer.
    NearMiss,
    /// The answer is code or a command.
    Code,
    /// The answer stands in a table.
    Table,
    /// It takes two passages.
    Multi,
    /// The documents do not say.
    Unanswerable,
}

/// A passage that answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Gold {
    /// The document: its collection and its path in it.
    pub source: String,
    /// The heading of the passage.
    pub heading: String,
    /// The core of the answer, as the passage has it.
    pub answer: String,
}

/// A question with the passages that answer it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub part: Part,
    /// What makes it hard.
    pub kind: QuestionKind,
    /// What is asked.
    pub question: String,
    /// What the user said before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// The passages; none where there is no answer.
    pub gold: Vec<Gold>,
    /// Whether each of the passages is enough; else all of them are needed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
}

/// What makes a message hard to route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UtteranceKind {
    /// Nothing in particular.
    Plain,
    /// Words are misspelt.
    Typo,
    /// It has concerns of more than one agent.
    Several,
    /// A greeting or small talk.
    Greeting,
    /// A greeting with a question behind it.
    Greeted,
    /// It is about the assistant.
    Meta,
    /// Too little to know what is wanted.
    Vague,
    /// Nothing that the agents know of.
    OutOfScope,
    /// It is not in English.
    OtherLanguage,
    /// It can only be understood with what was said before.
    FollowUp,
    /// It wants the assistant to be something else.
    Injection,
}

/// A message with who should answer it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Utterance {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub part: Part,
    /// What makes it hard.
    pub kind: UtteranceKind,
    /// What is said.
    pub message: String,
    /// What the user said before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Who should answer, the main concern's first.
    pub agents: Vec<AgentId>,
    /// What it wants, where that is beyond debate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
}

/// In what the two questions of a pair differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// In words alone.
    Paraphrase,
    /// In a yes or no.
    Polarity,
    /// In a number.
    Number,
    /// In a name.
    Name,
    /// In the time.
    Tense,
    /// In the direction.
    Direction,
    /// In how much is meant.
    Scope,
    /// In what is asked about the same thing.
    QuestionWord,
    /// In a condition that one of them adds.
    EntityAdded,
}

/// Two questions, and whether the answer to the first may be given to the second.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CachePair {
    /// Names it.
    pub id: String,
    /// What it is for.
    pub part: Part,
    /// In what they differ.
    pub kind: CacheKind,
    /// Whose question it is.
    pub agent: AgentId,
    /// What was asked first.
    pub first: String,
    /// What is asked now.
    pub second: String,
    /// Whether both have the same answer.
    pub hit: bool,
}

/// All that is measured on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evaluation {
    /// For retrieval and answers.
    pub questions: Vec<Question>,
    /// For routing.
    pub utterances: Vec<Utterance>,
    /// For the semantic cache.
    pub pairs: Vec<CachePair>,
}

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no case.
    #[error("{path}:{line}: {source}")]
    Line {
        /// Of which file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Evaluation {
    /// Reads `questions.jsonl`, `routing.jsonl` and `cache.jsonl` of a folder.
    ///
    /// # Errors
    /// [`SetError`] where a file is missing or a line is no case; it names the line.
    pub fn read(folder: &Path) -> Result<Self, SetError> {
        Ok(Self {
            questions: lines(&folder.join("questions.jsonl"))?,
            utterances: lines(&folder.join("routing.jsonl"))?,
            pairs: lines(&folder.join("cache.jsonl"))?,
        })
    }

    /// The messages that are about nothing that any agent knows of, as questions without an answer.
    #[must_use]
    pub fn out_of_scope(&self) -> Vec<Question> {
        let outside = self
            .utterances
            .iter()
            .filter(|utterance| utterance.kind == UtteranceKind::OutOfScope);
        outside
            .map(|utterance| Question {
                id: utterance.id.clone(),
                part: utterance.part,
                kind: QuestionKind::Unanswerable,
                question: utterance.message.clone(),
                after: utterance.after.clone(),
                gold: Vec::new(),
                any: false,
            })
            .collect()
    }

    /// The cases of one part.
    #[must_use]
    pub fn part(&self, part: Part) -> Self {
        let mut cases = self.clone();
        cases.questions.retain(|question| question.part == part);
        cases.utterances.retain(|utterance| utterance.part == part);
        cases.pairs.retain(|pair| pair.part == part);
        cases
    }
}

pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, SetError> {
    let text = fs::read_to_string(path).map_err(|source| SetError::Io {
        path: path.to_owned(),
        source,
    })?;
    let numbered = text.lines().zip(1..).filter(|(text, _)| !text.trim().is_empty());
    numbered
        .map(|(text, line)| {
            serde_json::from_str(text).map_err(|source| SetError::Line {
                path: path.to_owned(),
                line,
                source,
            })
        })
        .collect()
}
