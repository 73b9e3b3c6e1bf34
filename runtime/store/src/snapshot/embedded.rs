//! Snapshots in a table beside the journal, for a server that has no Redis.

use std::{sync::Arc, time::Duration};

use orchestratai_shared::{ChatSession, SessionId, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    entity::prelude::TextUuid,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, SimpleExpr},
};

use super::{
    Snapshot,
    codec::{SnapshotFields, micro_dollars},
    written::{SnapshotError, Written},
};
use crate::{
    Store, StoreError, dialect,
    entity::{session_snapshot, unsigned},
    rows::{ROWS_MAX, insert, number, text, time},
    transaction,
};

/// Snapshots in the database.
#[derive(Debug, Clone)]
pub struct EmbeddedSnapshots {
    store: Store,
    ttl: Duration,
}

impl EmbeddedSnapshots {
    /// Those of a store; each lives for `ttl` after it was written last.
    #[must_use]
    pub fn new(store: Store, ttl: Duration) -> Self {
        Self { store, ttl }
    }

    /// Writes snapshots, all of them in one transaction, and removes those that have expired. An older one never replaces a
    /// newer one. Each session is among them once at most.
    ///
    /// # Errors
    /// [`SnapshotError`]; nothing was written then.
    pub async fn write(&self, snapshots: Vec<Arc<Snapshot>>) -> Result<Written, SnapshotError> {
        let now = Timestamp::now();
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        let expires_at = Timestamp::from_millis(now.as_millis().saturating_add(ttl));
        // A text for each is made of some thousand bytes: too much for a thread that serves sessions.
        let encoding = tokio::task::spawn_blocking(move || encode(&snapshots, expires_at));
        let encoded = encoding.await.map_err(|ended| StoreError::Unreadable {
            what: "snapshot",
            source: ended.into(),
        });
        let (rows, bytes, too_long) = encoded?;
        let count = rows.len() as u64;
        let writing = transaction::begin(self.store.writer()).await?;
        let written = write_rows(&writing.transaction, rows, now).await;
        let written = writing.end(written).await?;
        self.store.committed(bytes, false);
        Ok(Written {
            written,
            stale: count.saturating_sub(written),
            too_long,
        })
    }

    /// Removes the snapshots of sessions.
    ///
    /// # Errors
    /// [`SnapshotError`]; none was removed then.
    pub async fn remove(&self, ids: &[SessionId]) -> Result<(), SnapshotError> {
        let writing = transaction::begin(self.store.writer()).await?;
        let remove = async {
            for ids in ids.chunks(ROWS_MAX) {
                session_snapshot::Entity::delete_many()
                    .filter(session_snapshot::Column::Id.is_in(ids.iter().map(|id| TextUuid(id.0))))
                    .exec(&writing.transaction)
                    .await?;
            }
            Ok(())
        };
        let removed = remove.await;
        writing.end(removed).await?;
        self.store.committed(0, true);
        Ok(())
    }

    /// The snapshot of a session, or none.
    ///
    /// # Errors
    /// [`SnapshotError`] where the database cannot be read.
    pub async fn load(&self, id: SessionId) -> Result<Option<SnapshotFields>, SnapshotError> {
        Ok(find(self.store.readers(), id).await?)
    }

    /// The snapshots of the sessions that were active last, newest first.
    ///
    /// # Errors
    /// [`SnapshotError`] where the database cannot be read.
    pub async fn list(&self, limit: usize) -> Result<Vec<SnapshotFields>, SnapshotError> {
        let rows = session_snapshot::Entity::find()
            .filter(is_alive())
            .order_by(session_snapshot::Column::LastActivity, Order::Desc)
            .limit(limit as u64)
            .all(self.store.readers())
            .await
            .map_err(StoreError::from)?;
        Ok(rows.into_iter().map(fields).collect())
    }
}

/// The rows of snapshots, the bytes of their states, and how many are too long to be kept.
fn encode(snapshots: &[Arc<Snapshot>], expires_at: Timestamp) -> (Vec<[Expr; 13]>, u64, u64) {
    let (mut rows, mut bytes, mut too_long) = (Vec::with_capacity(snapshots.len()), 0, 0);
    for snapshot in snapshots {
        match SnapshotFields::encode(snapshot) {
            Ok(fields) => {
                bytes += fields.state.len() as u64;
                rows.push(row(snapshot, fields, expires_at));
            }
            Err(_) => too_long += 1,
        }
    }
    (rows, bytes, too_long)
}

/// The snapshot of a session, or none.
pub(crate) async fn find(reader: &impl ConnectionTrait, id: SessionId) -> Result<Option<SnapshotFields>, StoreError> {
    let found = session_snapshot::Entity::find_by_id(TextUuid(id.0))
        .filter(is_alive())
        .one(reader)
        .await?;
    Ok(found.map(fields))
}

/// Removes the snapshot of a session that is erased, with the session.
pub(crate) async fn erase(transaction: &DatabaseTransaction, id: SessionId) -> Result<(), StoreError> {
    session_snapshot::Entity::delete_by_id(TextUuid(id.0))
        .exec(transaction)
        .await?;
    Ok(())
}

fn is_alive() -> SimpleExpr {
    session_snapshot::Column::ExpiresAt.gt(sea_orm::entity::prelude::DateTimeUtc::from(Timestamp::now()))
}

/// Writes rows, and gives how many were not older than what was there.
async fn write_rows(
    transaction: &DatabaseTransaction,
    rows: Vec<[Expr; 13]>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    session_snapshot::Entity::delete_many()
        .filter(session_snapshot::Column::ExpiresAt.lte(sea_orm::entity::prelude::DateTimeUtc::from(now)))
        .exec(transaction)
        .await?;
    let replace = OnConflict::column(session_snapshot::Column::Id)
        .update_columns(COLUMNS.into_iter().skip(1))
        .action_and_where(is_no_older())
        .to_owned();
    let backend = transaction.get_database_backend();
    let statements = insert(backend, session_snapshot::Entity, &COLUMNS, rows, Some(&replace));
    Ok(dialect::execute_all(transaction, statements).await?)
}

/// Whether a new row is of another journal, or of a later life of the session, or no older in the same one.
fn is_no_older() -> SimpleExpr {
    use session_snapshot::Column::{Epoch, ErasedThrough, LastSeq, StartTime};

    let old = |column| Expr::col((session_snapshot::Entity, column));
    let new = |column| Expr::col((Alias::new("excluded"), column));
    let same = |column| new(column).eq(old(column));
    (new(Epoch).ne(old(Epoch)))
        .or(new(ErasedThrough).gt(old(ErasedThrough)))
        .or(same(ErasedThrough).and(new(StartTime).gt(old(StartTime))))
        .or(same(ErasedThrough)
            .and(same(StartTime))
            .and(new(LastSeq).gte(old(LastSeq))))
}

const COLUMNS: [session_snapshot::Column; 13] = [
    session_snapshot::Column::Id,
    session_snapshot::Column::UserId,
    session_snapshot::Column::StartTime,
    session_snapshot::Column::LastActivity,
    session_snapshot::Column::TotalTokens,
    session_snapshot::Column::TotalCost,
    session_snapshot::Column::MessageCount,
    session_snapshot::Column::LastSeq,
    session_snapshot::Column::State,
    session_snapshot::Column::OrganizationId,
    session_snapshot::Column::Epoch,
    session_snapshot::Column::ErasedThrough,
    session_snapshot::Column::ExpiresAt,
];

fn row(snapshot: &Snapshot, fields: SnapshotFields, expires_at: Timestamp) -> [Expr; 13] {
    let session = fields.session;
    [
        text(session.id.0),
        session.user_id.into(),
        time(session.start_time),
        time(session.last_activity),
        number(session.total_tokens),
        session.total_cost.into(),
        number(session.message_count),
        number(fields.last_seq),
        fields.state.into(),
        (*snapshot.organization).into(),
        (*snapshot.epoch).into(),
        number(snapshot.erased_through),
        time(expires_at),
    ]
}

fn fields(row: session_snapshot::Model) -> SnapshotFields {
    SnapshotFields {
        session: ChatSession {
            id: SessionId(row.id.0),
            user_id: row.user_id,
            start_time: row.start_time.into(),
            last_activity: row.last_activity.into(),
            total_tokens: unsigned(row.total_tokens),
            #[expect(clippy::cast_precision_loss, reason = "the column holds ten digits")]
            total_cost: micro_dollars(row.total_cost) as f64 / 1e6,
            message_count: unsigned(row.message_count),
        },
        last_seq: unsigned(row.last_seq),
        state: row.state,
    }
}
