//! Sessions in progress, of all nodes.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::Recipient;
use orchestratai_shared::{ChatSession, LiveSession, LiveSessions, PersonWanted, SessionId, SessionState};
use tokio::sync::Mutex;

use super::Gateway;
use crate::registry::survey::{Survey, Surveyed, survey};

/// A survey serves everybody who asks within this time: what looking on costs does not grow with those who do.
const FRESH_FOR: Duration = Duration::from_millis(500);

/// Makes surveys, one at a time.
pub(crate) struct Surveyor {
    shards: Arc<[Recipient<Survey>]>,
    last: Mutex<Option<(Instant, Arc<LiveSessions>)>>,
}

impl Surveyor {
    pub(crate) fn new(shards: Arc<[Recipient<Survey>]>) -> Self {
        Self {
            shards,
            last: Mutex::default(),
        }
    }
}

impl Gateway {
    /// So many sessions are listed at most.
    pub const LIVE_SESSIONS_MAX: usize = 200;
    /// Of these so many at most in which a person is wanted, who have waited longest.
    const PERSONS_WANTED_MAX: usize = 100;

    /// The sessions in progress, of all nodes, the latest active first: those that somebody follows, that have a turn which has
    /// not ended, or in which a person is wanted. Up to half a second old.
    pub async fn live_sessions(&self) -> Arc<LiveSessions> {
        // Whoever comes while one is made waits for that one.
        let mut last = self.inner.surveyor.last.lock().await;
        if let Some((made, live)) = &*last
            && made.elapsed() < FRESH_FOR
        {
            return Arc::clone(live);
        }
        let live = Arc::new(self.survey().await);
        *last = Some((Instant::now(), Arc::clone(&live)));
        live
    }

    async fn survey(&self) -> LiveSessions {
        let limit = Self::LIVE_SESSIONS_MAX;
        let here = survey(Arc::clone(&self.inner.surveyor.shards), limit);
        let elsewhere = async {
            match &self.inner.cluster {
                Some(cluster) => cluster.survey(limit).await,
                None => Vec::new(),
            }
        };
        // Who is wanted is asked of the store, so that it outlives what is in memory.
        let wanted = self.inner.store.person_requests(Self::PERSONS_WANTED_MAX);
        let (here, elsewhere, wanted) = tokio::join!(here, elsewhere, wanted);
        let missing = elsewhere.iter().filter(|(_, surveyed)| surveyed.is_none());
        let mut missing_nodes: Vec<String> = missing.map(|(node, _)| node.to_string()).collect();
        let surveyed = elsewhere.into_iter().filter_map(|(_, surveyed)| surveyed);
        let wanted = wanted.unwrap_or_else(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "it cannot be read in which sessions a person is wanted");
            Vec::new()
        });
        let Surveyed { total, sessions } = with_wanted(Surveyed::merge(surveyed.chain([here]), limit), wanted, limit);
        missing_nodes.sort_unstable();
        LiveSessions {
            has_more: total > sessions.len(),
            total,
            sessions,
            missing_nodes,
        }
    }
}

/// Says of sessions that a person is wanted in them, and adds those of them that nobody follows. These stay where there are too many.
fn with_wanted(surveyed: Surveyed, wanted: Vec<(ChatSession, PersonWanted)>, limit: usize) -> Surveyed {
    let mut wanted: HashMap<SessionId, (ChatSession, PersonWanted)> = wanted
        .into_iter()
        .map(|(session, wanted)| (session.id, (session, wanted)))
        .collect();
    let Surveyed {
        mut total,
        mut sessions,
    } = surveyed;
    for live in &mut sessions {
        live.person_wanted = (wanted.remove(&live.session.id))
            .filter(|_| live.person.is_none())
            .map(|(_, wanted)| wanted);
    }
    total += wanted.len();
    let quiet = wanted.into_values().map(|(session, wanted)| LiveSession {
        session,
        state: SessionState::Idle,
        turn: None,
        open_turns: 0,
        clients: 0,
        person: None,
        person_wanted: Some(wanted),
        node: None,
    });
    sessions.extend(quiet);
    let Surveyed { total, sessions } = Surveyed::merge([Surveyed { total, sessions }], usize::MAX);
    Surveyed {
        total,
        sessions: LiveSessions::at_most(sessions, limit),
    }
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::{PersonInCharge, Timestamp};

    use super::*;

    fn session(n: u128) -> ChatSession {
        let at = Timestamp::from_millis(1_767_225_600_000 + i64::try_from(n).unwrap());
        ChatSession {
            id: SessionId(uuid::Uuid::from_u128(n)),
            user_id: None,
            start_time: at,
            last_activity: at,
            total_tokens: 0,
            total_cost: 0.0,
            message_count: 0,
        }
    }

    fn live(n: u128) -> LiveSession {
        LiveSession {
            session: session(n),
            state: SessionState::Running,
            turn: None,
            open_turns: 1,
            clients: 1,
            person: None,
            person_wanted: None,
            node: None,
        }
    }

    fn wanted(n: u128) -> (ChatSession, PersonWanted) {
        let session = session(n);
        let since = session.last_activity;
        let wanted = PersonWanted {
            agent: None,
            reason: "help".into(),
            since,
        };
        (session, wanted)
    }

    fn listed(surveyed: &Surveyed) -> Vec<(u128, bool)> {
        let place = |live: &LiveSession| (live.session.id.0.as_u128(), live.person_wanted.is_some());
        surveyed.sessions.iter().map(place).collect()
    }

    #[test]
    fn who_is_wanted_is_listed_whatever_else_goes_on() {
        let surveyed = Surveyed {
            total: 3,
            sessions: vec![live(5), live(4), live(3)],
        };
        let surveyed = with_wanted(surveyed, vec![wanted(1), wanted(4)], 3);
        assert_eq!(listed(&surveyed), [(5, false), (4, true), (1, true)]);
        assert_eq!(surveyed.total, 4, "one of them nobody follows");
    }

    #[test]
    fn where_a_person_has_come_none_is_wanted() {
        let taken = LiveSession {
            person: Some(PersonInCharge {
                name: "Kim".into(),
                since: Timestamp::from_millis(0),
            }),
            ..live(2)
        };
        let surveyed = Surveyed {
            total: 1,
            sessions: vec![taken],
        };
        // The database may be a moment behind.
        let surveyed = with_wanted(surveyed, vec![wanted(2)], 3);
        assert_eq!((listed(&surveyed), surveyed.total), (vec![(2, false)], 1));
    }
}
