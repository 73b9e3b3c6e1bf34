//! Label values that are known beforehand: an enum for each, so that no other can be counted.

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};

/// An enum whose values stand for the values of one label.
pub(crate) trait LabelValue: Copy + 'static {
    /// Every value, at its own [`index`](Self::index).
    const ALL: &'static [Self];

    /// Its place in [`Self::ALL`].
    fn index(self) -> usize;

    /// As it stands in the metric.
    fn as_str(self) -> &'static str;
}

macro_rules! label_values {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// As it stands in metrics and logs.
            #[must_use]
            pub fn name(self) -> &'static str {
                LabelValue::as_str(self)
            }
        }

        impl LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    )+};
}

label_values! {
    /// How a turn ended.
    TurnOutcome {
        /// With an answer.
        Completed = "completed",
        /// Without one.
        Failed = "failed",
        /// It was stopped.
        Cancelled = "cancelled",
    }

    /// How a request to a model provider ended.
    ProviderOutcome {
        /// With an answer.
        Completed = "completed",
        /// With a failure, or it was not made.
        Failed = "failed",
        /// Nobody wanted the answer any more.
        Cancelled = "cancelled",
    }

    /// Why a request to a model provider failed.
    ProviderFailure {
        /// There was no connection.
        Unreachable = "unreachable",
        /// Nothing came for too long.
        TimedOut = "timed_out",
        /// It was asked too often.
        RateLimited = "rate_limited",
        /// It has a fault.
        Unavailable = "unavailable",
        /// It does not take the key.
        Unauthorized = "unauthorized",
        /// It does not take the request.
        Rejected = "rejected",
        /// It does not speak its protocol.
        Protocol = "protocol",
        /// Its answer broke off.
        CutShort = "cut_short",
        /// It was left alone.
        Resting = "resting",
        /// There was no room.
        Busy = "busy",
        /// It could cost more than a budget has left.
        OverBudget = "over_budget",
        /// Its budgets could not be checked.
        Unaccounted = "unaccounted",
    }

    /// How a client follows its session.
    Transport {
        /// Over a WebSocket.
        Websocket = "websocket",
        /// Over server-sent events.
        Sse = "sse",
    }

    /// What was done about a client that could not keep up.
    SlowConsumerAction {
        /// It is sent what it missed from the journal.
        Lagging = "lagging",
        /// It was cut off.
        Cut = "cut",
    }

    /// Why a message was refused.
    RefusalReason {
        /// As many turns as allowed are in flight.
        Turns = "turns",
        /// A queue in front of an actor is full.
        Queue = "queue",
        /// The server is about to stop.
        Draining = "draining",
        /// The server starts.
        Starting = "starting",
        /// The session is busy, and its policy is to refuse.
        DoubleTexting = "double_texting",
    }

    /// How a turn stopped waiting for a person.
    PersonWaitOutcome {
        /// They have answered.
        Replied = "replied",
        /// They have given the session back.
        HandedBack = "handed_back",
        /// They have not answered in time.
        Expired = "expired",
        /// The turn was cancelled.
        Cancelled = "cancelled",
    }

    /// How a call of a tool ended.
    ToolCallOutcome {
        /// With a result.
        Succeeded = "succeeded",
        /// With an error, or with nothing.
        Failed = "failed",
        /// It was not made: for its arguments, for want of approval, or because there is no such tool.
        NotMade = "not_made",
    }

    /// What became of a fact about a user.
    FactOutcome {
        /// An agent keeps it, or keeps it longer.
        Kept = "kept",
        /// An agent wanted to keep or to forget it, and that was not done.
        Refused = "refused",
        /// An agent has forgotten it, as its user has asked.
        Forgotten = "forgotten",
        /// It was erased by request.
        Erased = "erased",
        /// It was kept for as long as facts are.
        Expired = "expired",
    }

    /// What became of a request for approval.
    ApprovalOutcome {
        /// Somebody has approved.
        Approved = "approved",
        /// Somebody has not.
        Rejected = "rejected",
        /// Nobody has decided in time.
        Expired = "expired",
        /// It was not asked for any more: the turn was cancelled, or is a person's.
        Dropped = "dropped",
    }

    /// An actor with a queue worth watching.
    Mailbox {
        /// The one that commits.
        JournalWriter = "journal_writer",
        /// The one that routes, all shards together.
        Orchestrator = "orchestrator",
        /// The ones that answer, all agents and shards together.
        Agent = "agent",
    }

    /// A stage of search, by what it compares with.
    SearchStage {
        /// Vectors of the static table.
        First = "first",
        /// Vectors of the transformer.
        Second = "second",
    }

    /// What the second stage of search had to do with a search.
    SecondStageOutcome {
        /// The first stage was sure.
        NotNeeded = "not_needed",
        /// It ranked what was found.
        Ranked = "ranked",
        /// It was asked and gave nothing in time.
        Missed = "missed",
    }

    /// What became of an entry of the semantic cache that was to be sent to other servers.
    CacheShareOutcome {
        /// Redis has it.
        Sent = "sent",
        /// Too many waited to be sent.
        QueueFull = "queue_full",
        /// It is longer than others would take.
        TooLong = "too_long",
        /// Redis has not taken it.
        Refused = "refused",
    }

    /// What became of an entry of another server's semantic cache.
    CacheReceiptOutcome {
        /// It is in the cache.
        Taken = "taken",
        /// It is not what this version writes.
        Unreadable = "unreadable",
        /// Another build has made it.
        OtherBuild = "other_build",
        /// Its agent is none of those that answer here.
        OtherAgent = "other_agent",
        /// It is too old.
        Expired = "expired",
    }

    /// Where snapshots of sessions are kept.
    SnapshotBackend {
        /// In Redis.
        Redis = "redis",
        /// In the database.
        Embedded = "embedded",
    }

    /// What became of a snapshot that was to be written.
    SnapshotWriteOutcome {
        /// It is kept.
        Written = "written",
        /// A newer one was there.
        Stale = "stale",
        /// It could not be written; where that may change, it is tried again.
        Failed = "failed",
        /// It was given up: too many wait, or it is too long.
        Dropped = "dropped",
    }

    /// What the snapshot of a session that is started was good for.
    SnapshotLoadOutcome {
        /// The session was started from it.
        Used = "used",
        /// There was none.
        Absent = "absent",
        /// It did not fit the journal.
        Stale = "stale",
        /// It could not be read.
        Unreadable = "unreadable",
        /// It could not be asked for.
        Failed = "failed",
    }

    /// Why a span of a trace was lost.
    SpanDropReason {
        /// As many as may wait did wait to be sent.
        Queue = "queue",
        /// The collector did not take it.
        Collector = "collector",
    }

    /// A kind of actor that may be started anew.
    ActorKind {
        /// A session.
        Session = "session",
        /// An agent.
        Agent = "agent",
        /// The one that routes.
        Orchestrator = "orchestrator",
        /// The one that commits.
        JournalWriter = "journal_writer",
        /// The one that speaks with other nodes.
        Exchange = "exchange",
    }
}

/// Whether the semantic cache had an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheStatus {
    Hit,
    Miss,
}

impl LabelValue for CacheStatus {
    const ALL: &'static [Self] = &[Self::Hit, Self::Miss];

    fn index(self) -> usize {
        self as usize
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
        }
    }
}

impl LabelValue for orchestratai_shared::RetrievalStrategy {
    const ALL: &'static [Self] = &[Self::PureRag, Self::PureCag, Self::Hybrid];

    fn index(self) -> usize {
        match self {
            Self::PureRag => 0,
            Self::PureCag => 1,
            Self::Hybrid => 2,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::PureRag => "pure_rag",
            Self::PureCag => "pure_cag",
            Self::Hybrid => "hybrid",
        }
    }
}

/// One metric for each value of a label, resolved once: to count is to index an array.
#[derive(Debug, Clone)]
pub(crate) struct PerValue<M>(Box<[M]>);

impl<M: Clone> PerValue<M> {
    /// Resolves every value of `L` behind the labels in `before`.
    pub(crate) fn resolve<L, B>(vec: &MetricVec<B>, before: &[&str]) -> Self
    where
        L: LabelValue,
        B: MetricVecBuilder<M = M>,
        MetricVec<B>: Collector,
        M: prometheus::core::Metric,
    {
        let resolve = |value: &L| {
            let mut labels = before.to_vec();
            labels.push(value.as_str());
            vec.with_label_values(&labels)
        };
        Self(L::ALL.iter().map(resolve).collect())
    }

    /// The metric of one value.
    pub(crate) fn get<L: LabelValue>(&self, value: L) -> &M {
        &self.0[value.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: LabelValue>() {
        for (index, value) in L::ALL.iter().enumerate() {
            assert_eq!(value.index(), index, "{}", value.as_str());
        }
    }

    #[test]
    fn every_label_value_stands_at_its_own_index() {
        check::<TurnOutcome>();
        check::<Transport>();
        check::<SlowConsumerAction>();
        check::<RefusalReason>();
        check::<Mailbox>();
        check::<ActorKind>();
        check::<CacheShareOutcome>();
        check::<CacheReceiptOutcome>();
        check::<SnapshotBackend>();
        check::<SnapshotWriteOutcome>();
        check::<SnapshotLoadOutcome>();
        check::<SpanDropReason>();
        check::<CacheStatus>();
        check::<orchestratai_shared::RetrievalStrategy>();
    }
}
