//! Sessions in progress, for people who look on: found by their faces, and only those that are listed are asked.

use std::{cmp::Reverse, collections::HashSet, sync::Arc, time::Duration};

use actix::{AsyncContext, Context, Handler, Message, Recipient, WrapFuture};
use futures_util::future::join_all;
use orchestratai_shared::LiveSession;
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::timeout};

use super::{Entry, SessionRegistry};
use crate::session::messages::Look;

/// So long a survey waits for a session, or a shard, that is busy.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which sessions of a shard are in progress?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Survey {
    /// So many are listed at most, the latest active first.
    pub(crate) limit: usize,
    /// Given them, in no order.
    pub(crate) reply: oneshot::Sender<Surveyed>,
}

/// Sessions in progress.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Surveyed {
    /// How many there are.
    pub(crate) total: usize,
    /// Those that are listed.
    pub(crate) sessions: Vec<LiveSession>,
}

impl Surveyed {
    /// Puts several together: the latest active of all come first, and so many at most.
    pub(crate) fn merge(parts: impl IntoIterator<Item = Self>, limit: usize) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.total += part.total;
            all.sessions.extend(part.sessions);
        }
        all.sessions
            .sort_unstable_by_key(|live| (Reverse(live.session.last_activity), live.session.id));
        // While a session moves between nodes both may have it.
        let mut seen = HashSet::new();
        all.sessions.retain(|live| seen.insert(live.session.id));
        all.sessions.truncate(limit);
        all
    }
}

/// Surveys the shards of this node.
pub(crate) async fn survey(shards: Arc<[Recipient<Survey>]>, limit: usize) -> Surveyed {
    let surveyed = shards.iter().map(|shard| {
        let (reply, surveyed) = oneshot::channel();
        // A registry that is too busy to be asked is not worth waiting for.
        let _ = shard.try_send(Survey { limit, reply });
        // The sessions themselves are waited for within this.
        timeout(2 * PATIENCE, surveyed)
    });
    let surveyed = join_all(surveyed).await;
    Surveyed::merge(surveyed.into_iter().flatten().flatten(), limit)
}

impl Handler<Survey> for SessionRegistry {
    type Result = ();

    fn handle(&mut self, Survey { limit, reply }: Survey, ctx: &mut Context<Self>) {
        let mut in_progress: Vec<_> = (self.sessions.iter())
            .filter_map(|(id, entry)| match entry {
                Entry::Live(session, face) if session.connected() && face.is_in_progress() => {
                    Some((Reverse(face.last_activity()), *id, session))
                }
                Entry::Live(..) | Entry::Starting(_) | Entry::Elsewhere(..) => None,
            })
            .collect();
        let total = in_progress.len();
        if total > limit && limit > 0 {
            in_progress.select_nth_unstable_by_key(limit - 1, |(active, id, _)| (*active, *id));
        }
        in_progress.truncate(limit);
        let asked: Vec<_> = (in_progress.into_iter())
            .map(|(.., session)| {
                let (sender, shown) = oneshot::channel();
                #[expect(
                    clippy::disallowed_methods,
                    reason = "so many at most as are listed, for each survey"
                )]
                session.do_send(Look(sender));
                timeout(PATIENCE, shown)
            })
            .collect();
        let answer = async move {
            // One that ends or is too busy just now is left out.
            let sessions = join_all(asked).await.into_iter().flatten().flatten().collect();
            let _ = reply.send(Surveyed { total, sessions });
        };
        ctx.spawn(answer.into_actor(self));
    }
}
