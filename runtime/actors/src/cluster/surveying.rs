//! Sessions in progress on other nodes, and what these are told of the sessions here.

use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use futures_util::future::join_all;
use orchestratai_store::NodeId;
use tokio::{sync::oneshot, time::timeout};

use super::{exchange::Exchange, parcel::Parcel};
use crate::registry::survey::{Surveyed, survey};

/// So long another node is waited for: longer than a busy session is waited for there.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Which sessions are in progress on other nodes?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SurveyOthers {
    /// So many are listed of each node at most.
    pub(crate) limit: usize,
    /// Given what each of them says.
    pub(crate) reply: oneshot::Sender<Elsewhere>,
}

/// What other nodes say of their sessions.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// Their sessions.
    pub(crate) surveyed: Vec<Surveyed>,
    /// Nodes that cannot be reached, or have not answered in time.
    pub(crate) missing: Vec<NodeId>,
}

/// A node that was asked for its sessions.
pub(super) struct Surveying {
    pub(super) node: NodeId,
    reply: oneshot::Sender<Surveyed>,
}

impl Handler<SurveyOthers> for Exchange {
    type Result = ();

    fn handle(&mut self, SurveyOthers { limit, reply }: SurveyOthers, ctx: &mut Context<Self>) {
        let mut asked = Vec::new();
        for node in self.others() {
            let (sender, surveyed) = oneshot::channel();
            if self.reaches(node) {
                let n = self.number();
                self.surveys.insert(n, Surveying { node, reply: sender });
                self.send(node, &Parcel::Survey { n, limit }, ctx);
            }
            asked.push(async move { (node, timeout(ANSWER_MAX, surveyed).await) });
        }
        let gather = async move {
            let mut elsewhere = Elsewhere::default();
            for (node, answer) in join_all(asked).await {
                match answer {
                    Ok(Ok(surveyed)) => elsewhere.surveyed.push(surveyed),
                    // It is gone, silent, or of a version that does not know the question.
                    Ok(Err(_)) | Err(_) => elsewhere.missing.push(node),
                }
            }
            let _ = reply.send(elsewhere);
        };
        let gather = gather.into_actor(self).map(|(), exchange, _| {
            exchange.surveys.retain(|_, surveying| !surveying.reply.is_closed());
        });
        ctx.spawn(gather);
    }
}

impl Exchange {
    /// Tells another node of the sessions in progress here.
    pub(super) fn show_sessions(&self, to: NodeId, n: u64, limit: usize, ctx: &mut Context<Self>) {
        let shards = self.parts.surveys.clone();
        let look = async move { survey(shards, limit).await }.into_actor(self);
        ctx.spawn(look.map(move |Surveyed { total, sessions }, exchange, ctx| {
            exchange.send(to, &Parcel::Surveyed { n, total, sessions }, ctx);
        }));
    }

    /// Another node has told of its sessions.
    pub(super) fn shown(&mut self, from: NodeId, n: u64, surveyed: Surveyed) {
        if let Some(surveying) = self.surveys.remove(&n).filter(|surveying| surveying.node == from) {
            let _ = surveying.reply.send(surveyed);
        }
    }
}
