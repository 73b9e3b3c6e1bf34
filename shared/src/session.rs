//! Sessions and what they cost.

use serde::{Deserialize, Serialize};

use crate::{
    error::Invalid,
    id::{AgentId, SessionId},
    time::Timestamp,
};

/// A session with its totals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ChatSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is; left out where nobody is signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub user_id: Option<String>,
    /// When it began.
    pub start_time: Timestamp,
    /// When it was last used.
    pub last_activity: Timestamp,
    /// Tokens that providers have reported for it.
    #[cfg_attr(test, ts(type = "number"))]
    pub total_tokens: u64,
    /// What these tokens cost, in USD.
    pub total_cost: f64,
    /// Messages in its transcript, the user's and the agents'.
    #[cfg_attr(test, ts(type = "number"))]
    pub message_count: u64,
}

/// A session as it stands in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary {
    /// The session with its totals.
    #[serde(flatten)]
    pub session: ChatSession,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<SessionTitle>,
    /// How its first message begins, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// What goes on in it.
    pub state: SessionState,
    /// Who answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

/// What goes on in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Nothing: every message has its answer.
    Idle,
    /// A turn is under way.
    Running,
    /// A person answers in place of the agents.
    Person,
}

/// What people call a session: one line of at most 120 Unicode scalar values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 120, example = "Refund of the annual plan")]
pub struct SessionTitle(String);

impl SessionTitle {
    /// The longest title, in Unicode scalar values.
    pub const CHARACTERS_MAX: usize = 120;

    /// Takes a text, with one space for all white space between words, and without control characters.
    ///
    /// # Errors
    /// [`Invalid`] where nothing is left then, or where it is longer than [`Self::CHARACTERS_MAX`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let characters = text.chars().count();
        if characters > Self::CHARACTERS_MAX {
            return Err(Invalid::new(format!(
                "must be at most {} characters long, and has {characters}",
                Self::CHARACTERS_MAX
            )));
        }
        let shown: String = text.chars().filter(|c| c.is_whitespace() || !c.is_control()).collect();
        let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            return Err(Invalid::new("must hold at least one character that can be seen"));
        }
        Ok(Self(line))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SessionTitle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Whether the semantic cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum CacheStatus {
    /// It did.
    Hit,
    /// It was asked and had nothing.
    Miss,
    /// It was not asked.
    None,
}

/// What one answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ChatMetrics {
    /// Tokens that the provider reported; 0 for the embedded model.
    #[cfg_attr(test, ts(type = "number"))]
    pub tokens_used: u64,
    /// Those of them that models were sent; left out where there are none, and in what was written before they were told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub prompt_tokens: Option<u64>,
    /// Those of them that models have written, thoughts included; left out together with `prompt_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub completion_tokens: Option<u64>,
    /// What they cost, in USD, as far as their price is known.
    pub cost: f64,
    /// Those of them whose price is not known, which is none of 0; left out where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub unpriced_tokens: Option<u64>,
    /// From acceptance to the end of the answer, in milliseconds.
    pub latency: f64,
    /// Whether the semantic cache answered.
    #[serde(rename = "cache_status")]
    pub cache_status: CacheStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_characters_that_can_be_seen() {
        for (text, title) in [
            ("  Refund \u{a0}", "Refund"),
            ("two\r\nlines\0", "two lines"),
            ("a", "a"),
        ] {
            assert_eq!(SessionTitle::parse(text).unwrap().as_str(), title);
            assert_eq!(SessionTitle::parse(title).unwrap().as_str(), title);
        }
        assert!(SessionTitle::parse(&"é".repeat(120)).is_ok());
        for bad in ["", " \n ", "\0\u{7f}", &"é".repeat(121)] {
            assert!(SessionTitle::parse(bad).is_err(), "{bad:?}");
        }
    }
}
