//! How a session is found for its start: whose it is, and what is stored of it.

use std::sync::Arc;

use orchestratai_shared::{ChatSession, ErrorCode, SessionId, Timestamp};
use orchestratai_store::{Candidate, Claim, NodeId, Rehydrated, SessionRecord, SnapshotUse, StoreError, Write};
use orchestratai_telemetry::SnapshotLoadOutcome;
use tokio::sync::oneshot;

use super::{Creation, RESTART_AFTER};
use crate::{
    journal::{Append, AppendReply},
    refusal::Refusal,
    shard::Shard,
};

/// What was found of a session that is to be started.
pub(super) enum Loaded {
    /// It is this node's, as which it was claimed.
    Here(Box<Rehydrated>, Option<NodeId>),
    /// It is another node's.
    Elsewhere(NodeId),
    /// There is none.
    Unknown,
}

/// The session from its snapshot and the journal, once it is this node's; created where it is unknown and may be.
pub(super) async fn load(shard: &Shard, session_id: SessionId, create: Creation) -> Result<Loaded, Refusal> {
    let unavailable = |reason: String, is_retryable: bool| {
        tracing::error!(session.id = %session_id, error = %reason, "a session could not be started");
        if is_retryable {
            let words = "The session's journal cannot be read or written just now.";
            return Refusal::overloaded(words, RESTART_AFTER);
        }
        Refusal::new(ErrorCode::InternalError, "The session's journal cannot be read.")
    };
    let unreadable = |error: StoreError| unavailable(error.to_string(), error.is_retryable());
    // Before it is claimed: as a later one it could be claimed unnoticed, and is not trusted then.
    let node = shard.store.node();
    let is_node = node.is_some();
    if is_node {
        match shard.store.claim(session_id).await.map_err(unreadable)? {
            Claim::Ours | Claim::Claimed => {}
            Claim::Theirs(node) => return Ok(Loaded::Elsewhere(node)),
            Claim::Unknown if !create.is_wanted() => return Ok(Loaded::Unknown),
            Claim::Unknown => {}
        }
    }
    let (candidate, failed) = candidate(shard, session_id).await;
    let found = shard
        .store
        .rehydrate_from(session_id, shard.settings.transcript_messages, candidate)
        .await;
    if let Some(rehydrated) = found.map_err(unreadable)? {
        if let Some(outcome) = failed.or(shard.snapshots.is_some().then(|| outcome_of(rehydrated.snapshot))) {
            shard.metrics.snapshot_loaded(outcome);
        }
        return Ok(Loaded::Here(Box::new(rehydrated), node));
    }
    let Creation::For(user) = create else {
        return Ok(Loaded::Unknown);
    };
    let now = Timestamp::now();
    let session = ChatSession {
        id: session_id,
        user_id: user.map(|user| user.as_str().to_owned()),
        start_time: now,
        last_activity: now,
        total_tokens: 0,
        total_cost: 0.0,
        message_count: 0,
    };
    // Asked before the session is stored: afterwards the answer would have to wait for the database to have the session.
    let erased_through = shard.store.erased_through(session_id).await;
    let erased_through = erased_through.map_err(unreadable)?;
    let (sender, committed) = oneshot::channel();
    let write = Write::CreateSession {
        session: session.clone(),
        organization: Arc::clone(&shard.organization),
    };
    shard.journal.append(Append {
        write,
        reply: AppendReply::caller(sender),
    });
    match committed.await {
        Ok(Ok(())) => {}
        Ok(Err(failed)) => return Err(unavailable(failed.to_string(), true)),
        Err(_gone) => return Err(unavailable("the journal writer is gone".into(), true)),
    }
    if is_node {
        match shard.store.claim(session_id).await.map_err(unreadable)? {
            Claim::Ours => {}
            // Another node has made it at the same moment.
            Claim::Theirs(node) => return Ok(Loaded::Elsewhere(node)),
            Claim::Claimed | Claim::Unknown => {
                return Err(unavailable("other nodes make and leave it at this moment".into(), true));
            }
        }
    }
    let record = SessionRecord {
        session,
        organization: Arc::clone(&shard.organization),
        last_seq: 0,
        keys: Vec::new(),
        open_turns: Vec::new(),
        person: None,
        transcript: Vec::new(),
        erased_through,
    };
    let rehydrated = Rehydrated {
        record,
        snapshot: SnapshotUse::Absent,
        last_event: None,
    };
    Ok(Loaded::Here(Box::new(rehydrated), node))
}

/// What a session may be started from, and what it was worth where nothing could be asked.
async fn candidate(shard: &Shard, session_id: SessionId) -> (Candidate, Option<SnapshotLoadOutcome>) {
    let Some(snapshots) = &shard.snapshots else {
        return (Candidate::Absent, None);
    };
    match snapshots.snapshots.keeper.candidate(session_id).await {
        Ok(candidate) => (candidate, None),
        Err(error) => {
            tracing::debug!(session.id = %session_id, error = %error, "a snapshot could not be asked for");
            (Candidate::Absent, Some(SnapshotLoadOutcome::Failed))
        }
    }
}

fn outcome_of(used: SnapshotUse) -> SnapshotLoadOutcome {
    match used {
        SnapshotUse::Used { .. } => SnapshotLoadOutcome::Used,
        SnapshotUse::Absent => SnapshotLoadOutcome::Absent,
        SnapshotUse::Stale(_) => SnapshotLoadOutcome::Stale,
        SnapshotUse::Unreadable => SnapshotLoadOutcome::Unreadable,
    }
}
