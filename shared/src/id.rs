//! Identifiers: one type for each kind, so that a turn's id can never be passed where a session's is wanted.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::Invalid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new id: a version 7 UUID, so that ids sort by the time they were made.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "an id that springs from `default()` would hide where it is made")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            /// Reads a UUID in its hyphenated form.
            fn from_str(text: &str) -> Result<Self, Invalid> {
                // Other spellings (braces, urn, no hyphens) would give one id several names.
                if text.len() != 36 {
                    return Err(Invalid::new("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057"));
                }
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| Invalid::new("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057"))
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    )+};
}

uuid_ids! {
    /// Names a session: one conversation, with its transcript and its journal.
    SessionId,
    /// Names a turn: one accepted user message and all that answers it.
    TurnId,
    /// Names a message of a transcript, the user's or an agent's.
    MessageId,
    /// Names a retrieval log.
    LogId,
    /// The idempotency key of a message, chosen by the client and unique in its session.
    ClientMessageId,
    /// Names a request for approval.
    ApprovalId,
    /// Names something that a person has said of themselves.
    FactId,
}

/// Names a user of an organization, as whoever runs the server calls them: 1 to 128 Unicode scalar values, none of which is white space or a
/// control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(std::sync::Arc<str>);

impl UserId {
    /// The longest id, in Unicode scalar values.
    pub const CHARACTERS_MAX: usize = 128;

    /// Parses an id.
    ///
    /// # Errors
    /// [`Invalid`] where `text` is empty, too long, or has characters that nobody would see.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let is_seen = |c: char| !c.is_whitespace() && !c.is_control();
        let characters = text.chars().count();
        if (1..=Self::CHARACTERS_MAX).contains(&characters) && text.chars().all(is_seen) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(
                "must be 1 to 128 characters long, without white space and control characters",
            ))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

/// Names an agent: `[a-z][a-z0-9_-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,63}$", examples("orchestrator", "billing", "technical", "policy"))]
pub struct AgentId(#[cfg_attr(test, ts(type = "string"))] std::sync::Arc<str>);

impl AgentId {
    /// The id of the agent that routes, and that answers what no specialist is for.
    pub const ORCHESTRATOR: &'static str = "orchestrator";
    /// The id that stands for a person who has taken a session over. No agent can have it.
    pub const PERSON: &'static str = "person";

    /// Parses an id.
    ///
    /// # Errors
    /// [`Invalid`] where `text` is not `[a-z][a-z0-9_-]{0,63}`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if starts_well && text.len() <= 64 && text.chars().all(is_plain) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(
                "must be a lower-case letter followed by at most 63 of a-z, 0-9, _ and -",
            ))
        }
    }

    /// The orchestrator's own id.
    #[must_use]
    pub fn orchestrator() -> Self {
        Self(Self::ORCHESTRATOR.into())
    }

    /// The id that stands for a person.
    #[must_use]
    pub fn person() -> Self {
        Self(Self::PERSON.into())
    }

    /// Whether it stands for a person.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.as_str() == Self::PERSON
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AgentId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_id_cannot_be_malformed() {
        for good in ["a", "billing", "a-b_c9", &"x".repeat(64)] {
            assert!(AgentId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "9a", "Billing", "a b", "a.b", "é", "-a", &"x".repeat(65)] {
            assert!(AgentId::parse(bad).is_err(), "{bad}");
            assert!(
                serde_json::from_value::<AgentId>(serde_json::json!(bad)).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_user_id_is_what_people_can_see() {
        for good in ["7", "ada@example.com", "auth0|5f7c8ec7", "ключ", &"é".repeat(128)] {
            assert_eq!(UserId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "a\0", &"x".repeat(129)] {
            assert!(UserId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_spelling_on_the_wire() {
        assert!("01890a5d-ac96-774b-bcce-b302099a8057".parse::<SessionId>().is_ok());
        for bad in [
            "",
            "x",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
