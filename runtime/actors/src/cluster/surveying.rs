//! What is asked of all other nodes at once: which sessions are in progress there, and what they have counted.

use std::{collections::HashMap, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use futures_util::future::join_all;
use orchestratai_store::NodeId;
use orchestratai_telemetry::OverviewPart;
use tokio::{sync::oneshot, time::timeout};

use super::{exchange::Exchange, parcel::Parcel};
use crate::registry::survey::{Surveyed, survey};

/// So long another node is waited for: longer than a busy session is waited for there.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What each other node answers; none of one that cannot be reached, has not answered in time, or is of a version that does not know the
/// question.
pub(crate) type Answers<T> = Vec<(NodeId, Option<T>)>;

/// Which sessions are in progress on other nodes?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct SurveyOthers {
    /// So many are listed of each node at most.
    pub(crate) limit: usize,
    /// Given what each of them says.
    pub(crate) reply: oneshot::Sender<Answers<Surveyed>>,
}

/// What have other nodes counted?
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct MeasureOthers {
    /// In the time up to now.
    pub(crate) window: Duration,
    /// By stretches of this length.
    pub(crate) step: Duration,
    /// Given what each of them says.
    pub(crate) reply: oneshot::Sender<Answers<OverviewPart>>,
}

/// What was asked of all nodes, by the number of each question.
pub(super) struct Asking<T>(HashMap<u64, (NodeId, oneshot::Sender<T>)>);

impl<T> Default for Asking<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Asking<T> {
    /// Gives up what was asked of a node: whoever waits for it knows at once.
    pub(super) fn give_up(&mut self, node: NodeId) {
        self.0.retain(|_, (asked, _)| *asked != node);
    }

    /// A node has answered.
    fn answered(&mut self, from: NodeId, n: u64, answer: T) {
        if let Some((_, reply)) = self.0.remove(&n).filter(|(asked, _)| *asked == from) {
            let _ = reply.send(answer);
        }
    }
}

impl Handler<SurveyOthers> for Exchange {
    type Result = ();

    fn handle(&mut self, SurveyOthers { limit, reply }: SurveyOthers, ctx: &mut Context<Self>) {
        self.ask_all(
            |exchange| &mut exchange.surveys,
            |n| Parcel::Survey { n, limit },
            reply,
            ctx,
        );
    }
}

impl Handler<MeasureOthers> for Exchange {
    type Result = ();

    fn handle(&mut self, MeasureOthers { window, step, reply }: MeasureOthers, ctx: &mut Context<Self>) {
        let question = |n| Parcel::Measure { n, window, step };
        self.ask_all(|exchange| &mut exchange.measures, question, reply, ctx);
    }
}

impl Exchange {
    /// Asks every other node, and gives `reply` the answers when all have come or have been waited for.
    fn ask_all<T: 'static>(
        &mut self,
        asking: fn(&mut Self) -> &mut Asking<T>,
        question: impl Fn(u64) -> Parcel,
        reply: oneshot::Sender<Answers<T>>,
        ctx: &mut Context<Self>,
    ) {
        let mut answers = Vec::new();
        for node in self.others() {
            let (sender, answer) = oneshot::channel();
            if self.reaches(node) {
                let n = self.number();
                asking(self).0.insert(n, (node, sender));
                self.send(node, &question(n), ctx);
            }
            answers.push(async move { (node, timeout(ANSWER_MAX, answer).await.ok().and_then(Result::ok)) });
        }
        let gather = async move {
            let _ = reply.send(join_all(answers).await);
        };
        let gather = gather.into_actor(self).map(move |(), exchange, _| {
            asking(exchange).0.retain(|_, (_, reply)| !reply.is_closed());
        });
        ctx.spawn(gather);
    }

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
        self.surveys.answered(from, n, surveyed);
    }

    /// Tells another node what was counted here.
    pub(super) fn show_counts(&self, to: NodeId, n: u64, window: Duration, step: Duration, ctx: &Context<Self>) {
        let part = Box::new(self.parts.history.part(window, step));
        self.send(to, &Parcel::Measured { n, part }, ctx);
    }

    /// Another node has told what it has counted.
    pub(super) fn counted(&mut self, from: NodeId, n: u64, part: OverviewPart) {
        self.measures.answered(from, n, part);
    }
}
