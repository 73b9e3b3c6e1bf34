//! Sessions in progress, as people who look on see them.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, EventBody, ToolCallStatus, TurnPhase},
    id::{AgentId, SessionId, TurnId},
    session::{ChatSession, SessionState},
    time::Timestamp,
};

/// A person who has taken a session over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PersonInCharge {
    /// Who, as they gave their name: nobody has vouched for it.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// That an agent has asked for a person, and nobody has taken the session over since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PersonWanted {
    /// The agent that has asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub agent: Option<AgentId>,
    /// Why, in the agent's words.
    pub reason: String,
    /// Since when one is wanted.
    pub since: Timestamp,
}

impl PersonWanted {
    /// The tool by which an agent asks for a person. It is asked for once a call of it has succeeded on record.
    pub const TOOL: &'static str = "escalate";

    /// What an event says of that; none where it asks for nobody.
    #[must_use]
    pub fn by(event: &Event) -> Option<Self> {
        let EventBody::ToolCall(call) = &event.body else {
            return None;
        };
        if call.tool != Self::TOOL || call.status != ToolCallStatus::Succeeded {
            return None;
        }
        let reason = call.arguments.get("reason").and_then(serde_json::Value::as_str);
        Some(Self {
            agent: call.agent.clone(),
            reason: reason.unwrap_or_default().to_owned(),
            since: event.at,
        })
    }
}

/// A session in progress: somebody follows it, a turn of it has not ended, or an agent has asked for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LiveSession {
    /// The session with its totals.
    pub session: ChatSession,
    /// What it does.
    pub state: SessionState,
    /// The oldest of its turns that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub turn: Option<LiveTurn>,
    /// Turns that have not ended, that one included.
    #[cfg_attr(test, ts(type = "number"))]
    pub open_turns: usize,
    /// Clients that follow it, over WebSocket or as a stream, whichever node they are connected to.
    #[cfg_attr(test, ts(type = "number"))]
    pub clients: usize,
    /// Who has taken it over; left out where agents answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub person: Option<PersonInCharge>,
    /// That a person is wanted; left out where none is, or one has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub person_wanted: Option<PersonWanted>,
    /// The node that has it; left out where there is but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub node: Option<String>,
}

/// A turn in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LiveTurn {
    /// The turn.
    pub turn_id: TurnId,
    /// Where it stands.
    pub state: TurnPhase,
    /// Who answers, `person` where it waits for one; left out until that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub agent: Option<AgentId>,
    /// When its message was accepted.
    pub started_at: Timestamp,
    /// What was asked; of a long message its beginning.
    pub question: String,
}

impl LiveTurn {
    /// Of a question this many characters are shown.
    pub const QUESTION_CHARACTERS: usize = 200;

    /// The beginning of a message.
    #[must_use]
    pub fn beginning(message: &str) -> String {
        match message.char_indices().nth(Self::QUESTION_CHARACTERS) {
            Some((end, _)) => format!("{}…", message[..end].trim_end()),
            None => message.to_owned(),
        }
    }
}

/// Sessions in progress, the latest active first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LiveSessions {
    /// The sessions.
    pub sessions: Vec<LiveSession>,
    /// How many there are, whether they are listed or not.
    #[cfg_attr(test, ts(type = "number"))]
    pub total: usize,
    /// Whether there are more than are listed.
    pub has_more: bool,
    /// Nodes that have not answered, whose sessions are missing here; left out where all have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    pub missing_nodes: Vec<String>,
}

/// What a stream of sessions in progress says: all of them first, then what has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct LiveChanges {
    /// Sessions that are new or have changed, the latest active first.
    pub changed: Vec<LiveSession>,
    /// Sessions that are listed no more.
    pub gone: Vec<SessionId>,
    /// How many there are now, whether they are listed or not.
    #[cfg_attr(test, ts(type = "number"))]
    pub total: usize,
    /// Nodes that have not answered; left out where all have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    pub missing_nodes: Vec<String>,
}

impl LiveSessions {
    /// The same with so many sessions at most; see [`Self::at_most`].
    #[must_use]
    pub fn first(&self, limit: usize) -> Self {
        let sessions = Self::at_most(self.sessions.clone(), limit);
        Self {
            has_more: self.total > sessions.len(),
            sessions,
            total: self.total,
            missing_nodes: self.missing_nodes.clone(),
        }
    }

    /// So many of these sessions, in their order. Where there are too many, those stay in which a person is wanted, and of the others
    /// the first.
    #[must_use]
    pub fn at_most(mut sessions: Vec<LiveSession>, limit: usize) -> Vec<LiveSession> {
        let is_wanted = |live: &LiveSession| live.person_wanted.is_some();
        let wanted = sessions.iter().filter(|live| is_wanted(live)).count();
        let mut room = limit.saturating_sub(wanted);
        sessions.retain(|live| {
            let stays = is_wanted(live) || room > 0;
            room -= usize::from(stays && !is_wanted(live));
            stays
        });
        sessions.truncate(limit);
        sessions
    }

    /// What has changed since `before`; none where nothing has.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Option<LiveChanges> {
        let is_new = |session: &&LiveSession| !before.sessions.contains(session);
        let is_listed = |id: SessionId| self.sessions.iter().any(|session| session.session.id == id);
        let changed: Vec<LiveSession> = self.sessions.iter().filter(is_new).cloned().collect();
        let gone = before.sessions.iter().map(|session| session.session.id);
        let gone: Vec<SessionId> = gone.filter(|id| !is_listed(*id)).collect();
        let is_same = changed.is_empty()
            && gone.is_empty()
            && self.total == before.total
            && self.missing_nodes == before.missing_nodes;
        (!is_same).then(|| LiveChanges {
            changed,
            gone,
            total: self.total,
            missing_nodes: self.missing_nodes.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u128, clients: usize) -> LiveSession {
        let at = Timestamp::from_millis(1_767_225_600_000);
        LiveSession {
            session: ChatSession {
                id: SessionId(uuid::Uuid::from_u128(n)),
                user_id: None,
                start_time: at,
                last_activity: at,
                total_tokens: 0,
                total_cost: 0.0,
                message_count: 0,
            },
            state: SessionState::Idle,
            turn: None,
            open_turns: 0,
            clients,
            person: None,
            person_wanted: None,
            node: None,
        }
    }

    fn of(sessions: Vec<LiveSession>) -> LiveSessions {
        LiveSessions {
            total: sessions.len(),
            sessions,
            has_more: false,
            missing_nodes: Vec::new(),
        }
    }

    #[test]
    fn changes_name_what_is_new_what_differs_and_what_is_gone() {
        let before = of(vec![session(1, 1), session(2, 1), session(3, 1)]);
        assert_eq!(before.changes_since(&before), None);
        let after = of(vec![session(4, 1), session(1, 1), session(2, 2)]);
        let changes = after.changes_since(&before).unwrap();
        assert_eq!(changes.changed, [session(4, 1), session(2, 2)]);
        assert_eq!(changes.gone, [session(3, 1).session.id]);
        let mut alone = before.clone();
        alone.missing_nodes.push("a node".into());
        assert!(alone.changes_since(&before).unwrap().changed.is_empty());
    }

    #[test]
    fn where_there_are_too_many_those_stay_in_which_a_person_is_wanted() {
        let wanted = |n: u128| LiveSession {
            person_wanted: Some(PersonWanted {
                agent: None,
                reason: "help".into(),
                since: Timestamp::from_millis(0),
            }),
            ..session(n, 0)
        };
        let all = of(vec![session(1, 1), wanted(2), session(3, 1), session(4, 1), wanted(5)]);
        let ids = |limit| {
            let first = all.first(limit);
            assert_eq!((first.total, first.has_more), (5, limit < 5));
            let ids = first.sessions.iter().map(|live| live.session.id.0.as_u128());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(5), [1, 2, 3, 4, 5]);
        assert_eq!(ids(3), [1, 2, 5]);
        assert_eq!(ids(1), [2]);
    }

    #[test]
    fn a_long_question_is_cut_between_characters() {
        assert_eq!(LiveTurn::beginning("é"), "é");
        let long = "é".repeat(LiveTurn::QUESTION_CHARACTERS + 1);
        assert_eq!(
            LiveTurn::beginning(&long).chars().count(),
            LiveTurn::QUESTION_CHARACTERS + 1
        );
        assert!(LiveTurn::beginning(&long).ends_with('…'));
    }
}
