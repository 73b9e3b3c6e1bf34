//! The transaction that stores a batch.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use orchestratai_shared::{SessionId, Timestamp, TurnId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryResult,
    entity::prelude::TextUuid,
    sea_query::{Alias, Expr, ExprTrait, LockType, OnConflict, Query},
};
use tokio::sync::MutexGuard;

use crate::{
    CommitError, Store, StoreError, Write,
    batch::{self, Rows, SessionChange, Step},
    dialect,
    entity::{erased_session, journal, message, session, turn},
    rows::{ROWS_MAX, insert, text, time},
    statements,
    store::Writer,
};

/// How long a write goes on asking for the write lock when another process holds it. Each attempt waits up to
/// [`dialect::BUSY_TIMEOUT`].
const LOCK_PATIENCE: Duration = Duration::from_secs(12);

impl Store {
    /// Writes a batch in one transaction: all of it or nothing. Answers after it is durable, as far as the store's
    /// [`Durability`](crate::Durability) says.
    ///
    /// The number of statements does not depend on the size of the batch, and its cost is mostly one flush of the device:
    /// gather what comes while one commit runs, and give it to the next.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written then, and the store can be used on. A batch that failed with
    /// [`StoreError::Io`] or was not awaited to its end may have been written all the same.
    pub async fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let steps = batch::steps(batch)?;
        if steps.is_empty() {
            return Ok(());
        }
        let mut bytes = 0;
        let mut erased = false;
        for step in &steps {
            match step {
                Step::Rows(rows) => bytes += rows.journal.iter().map(|row| row.payload.len() as u64).sum::<u64>(),
                Step::Erase(_) => erased = true,
            }
        }
        let writing = self.begin_write().await?;
        let written = take_steps(&writing.transaction, steps).await;
        writing.end(written).await?;
        self.committed(bytes, erased);
        Ok(())
    }

    /// Begins a transaction that holds the write lock, as soon as this process and others let it.
    pub(crate) async fn begin_write(&self) -> Result<Writing<'_>, StoreError> {
        let mut writer = self.writer().await;
        let give_up_at = Instant::now() + LOCK_PATIENCE;
        loop {
            match dialect::begin_write(writer.connection().await?)
                .await
                .map_err(StoreError::from)
            {
                Ok(transaction) => return Ok(Writing { transaction, writer }),
                Err(StoreError::Busy(_)) if Instant::now() < give_up_at => {}
                Err(error) => {
                    writer.give_up().await;
                    return Err(error);
                }
            }
        }
    }
}

/// A transaction that writes. Dropped, it is undone.
pub(crate) struct Writing<'store> {
    // Is dropped before the writer is free again.
    pub(crate) transaction: DatabaseTransaction,
    writer: MutexGuard<'store, Writer>,
}

impl Writing<'_> {
    /// Commits where the work succeeded, else undoes it.
    pub(crate) async fn end<T, E: From<StoreError>>(self, worked: Result<T, E>) -> Result<T, E> {
        let Self {
            transaction,
            mut writer,
        } = self;
        let (ended, answer) = match worked {
            Ok(done) => match transaction.commit().await {
                Ok(()) => (true, Ok(done)),
                Err(error) => (false, Err(StoreError::from(error).into())),
            },
            Err(error) => (transaction.rollback().await.is_ok(), Err(error)),
        };
        if !ended {
            writer.give_up().await;
        }
        answer
    }
}

async fn take_steps(transaction: &DatabaseTransaction, steps: Vec<Step>) -> Result<(), CommitError> {
    for step in steps {
        match step {
            Step::Rows(rows) => write_rows(transaction, *rows).await?,
            Step::Erase(session_id) => erase(transaction, session_id).await?,
        }
    }
    Ok(())
}

/// Writes rows to their tables.
async fn write_rows(transaction: &DatabaseTransaction, mut rows: Rows) -> Result<(), CommitError> {
    let backend = transaction.get_database_backend();
    let created = statements::create_sessions(backend, std::mem::take(&mut rows.created));
    dialect::execute_all(transaction, created)
        .await
        .map_err(StoreError::from)?;
    if rows.journal.is_empty() {
        return Ok(());
    }
    let organizations = check_order(transaction, &rows.changed).await?;
    let to_write =
        rows.journal.len() + rows.messages.len() + rows.accepted.len() + rows.ended.len() + rows.changed.len();
    let turn_ids: Vec<TurnId> = rows.ended.iter().map(|turn| turn.id).collect();
    let statements = statements::write(backend, rows, &organizations);
    let written = dialect::execute_all(transaction, statements)
        .await
        .map_err(StoreError::from)?;
    // All of them but the ends of turns find their rows or fail.
    if written == to_write as u64 {
        Ok(())
    } else {
        Err(CommitError::TurnNotOpen { turn_ids })
    }
}

/// Sees that the events of each session follow its last one, and gives the sessions' organizations.
///
/// Asked of the database, under its write lock, rather than remembered: it holds whoever has written before, costs one
/// look-up for each session of the batch, and brings the pages into the cache that the same transaction writes to.
async fn check_order(
    transaction: &DatabaseTransaction,
    changed: &BTreeMap<SessionId, SessionChange>,
) -> Result<HashMap<SessionId, String>, CommitError> {
    let mut organizations = HashMap::with_capacity(changed.len());
    let ids: Vec<&SessionId> = changed.keys().collect();
    for ids in ids.chunks(ROWS_MAX) {
        let select = Query::select()
            .columns([
                session::Column::Id,
                session::Column::OrganizationId,
                session::Column::LastSeq,
            ])
            .from(session::Entity)
            .and_where(Expr::col(session::Column::Id).is_in(ids.iter().map(|id| text(id.0))))
            .lock(LockType::Update)
            .to_owned();
        for row in transaction.query_all(&select).await.map_err(StoreError::from)? {
            let (id, organization, last_seq) = read_row(&row)?;
            let session_id = SessionId(id.0);
            let expected = u64::try_from(last_seq).unwrap_or(0) + 1;
            let found = changed[&session_id].first_seq;
            if found != expected {
                return Err(CommitError::OutOfOrder {
                    session_id,
                    expected,
                    found,
                });
            }
            organizations.insert(session_id, organization);
        }
    }
    match changed.keys().find(|id| !organizations.contains_key(id)) {
        Some(&session_id) => Err(CommitError::UnknownSession { session_id }),
        None => Ok(organizations),
    }
}

fn read_row(row: &QueryResult) -> Result<(TextUuid, String, i64), StoreError> {
    Ok((
        row.try_get_by_index(0)?,
        row.try_get_by_index(1)?,
        row.try_get_by_index(2)?,
    ))
}

/// Erases a session and leaves its tombstone.
async fn erase(transaction: &DatabaseTransaction, session_id: SessionId) -> Result<(), CommitError> {
    let id = TextUuid(session_id.0);
    let session = session::Entity::find_by_id(id)
        .one(transaction)
        .await
        .map_err(StoreError::from)?;
    let Some(session) = session else {
        return Ok(());
    };
    let tombstone = [
        text(id.0),
        session.last_seq.into(),
        time(Timestamp::now()),
        session.organization_id.into(),
    ];
    let reached = (erased_session::Entity, erased_session::Column::ErasedThrough);
    let excluded = (Alias::new("excluded"), erased_session::Column::ErasedThrough);
    let keep_higher = OnConflict::column(erased_session::Column::SessionId)
        .update_columns([erased_session::Column::ErasedAt, erased_session::Column::OrganizationId])
        .value(
            erased_session::Column::ErasedThrough,
            Expr::case(Expr::col(reached).gt(Expr::col(excluded.clone())), Expr::col(reached))
                .finally(Expr::col(excluded)),
        )
        .to_owned();
    let columns = [
        erased_session::Column::SessionId,
        erased_session::Column::ErasedThrough,
        erased_session::Column::ErasedAt,
        erased_session::Column::OrganizationId,
    ];
    let statements = insert(
        transaction.get_database_backend(),
        erased_session::Entity,
        &columns,
        [tombstone],
        Some(&keep_higher),
    );
    dialect::execute_all(transaction, statements)
        .await
        .map_err(StoreError::from)?;
    let failed = |error| CommitError::Store(StoreError::from(error));
    journal::Entity::delete_many()
        .filter(journal::Column::SessionId.eq(id))
        .exec(transaction)
        .await
        .map_err(failed)?;
    message::Entity::delete_many()
        .filter(message::Column::SessionId.eq(id))
        .exec(transaction)
        .await
        .map_err(failed)?;
    turn::Entity::delete_many()
        .filter(turn::Column::SessionId.eq(id))
        .exec(transaction)
        .await
        .map_err(failed)?;
    session::Entity::delete_by_id(id)
        .exec(transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::ChatSession;
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::StoreSettings;

    fn session(user: &str) -> ChatSession {
        let now = Timestamp::now();
        ChatSession {
            id: SessionId::new(),
            user_id: Some(user.to_owned()),
            start_time: now,
            last_activity: now,
            total_tokens: 0,
            total_cost: 0.0,
            message_count: 0,
        }
    }

    fn create(session: &ChatSession) -> Write {
        Write::CreateSession {
            session: session.clone(),
            organization: "default".into(),
        }
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_batch_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("full.db")))
            .await
            .unwrap();
        let before = session("before");
        store.commit(vec![create(&before)]).await.unwrap();
        // SQLite takes its own bound on the file for a full disk, and gives the same error.
        store
            .writer()
            .await
            .connection()
            .await
            .unwrap()
            .execute_unprepared("PRAGMA max_page_count = 1")
            .await
            .unwrap();
        let large: Vec<ChatSession> = (0..400).map(|_| session(&"x".repeat(4_000))).collect();
        let error = store.commit(large.iter().map(create).collect()).await.unwrap_err();
        assert!(
            matches!(error, CommitError::Store(StoreError::DiskFull(_))),
            "{error:?}"
        );
        assert!(error.is_retryable());
        assert_eq!(store.session(large[0].id).await.unwrap(), None);
        assert_eq!(store.session(before.id).await.unwrap(), Some(before));

        // Space was made: the next one goes on a connection that knows no such bound.
        store.writer().await.give_up().await;
        store.commit(large.iter().map(create).collect()).await.unwrap();
        assert_eq!(store.session(large[399].id).await.unwrap().as_ref(), Some(&large[399]));
    }

    #[test]
    fn a_commit_can_be_awaited_on_any_thread() {
        fn is_send(_: impl Send) {}
        fn check(store: &Store) {
            is_send(store.commit(vec![]));
            is_send(store.rehydrate(SessionId::new(), 1));
            is_send(store.change_documents(crate::DocumentChanges::default()));
        }
        let _ = check;
    }

    #[tokio::test]
    async fn updates_reach_their_rows_by_index() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("plan.db")))
            .await
            .unwrap();
        for (table, key) in [("sessions", "sessions"), ("turns", "turns")] {
            let sql = format!(
                "EXPLAIN QUERY PLAN UPDATE {table} SET organization_id = change.column2 \
                 FROM (VALUES ('a', 'b'), ('c', 'd')) AS change WHERE {table}.id = change.column1"
            );
            let backend = store.readers().get_database_backend();
            let plan: Vec<String> = store
                .readers()
                .query_all_raw(sea_orm::Statement::from_string(backend, sql))
                .await
                .unwrap()
                .iter()
                .map(|row| row.try_get_by::<String, _>("detail").unwrap())
                .collect();
            assert!(
                plan.iter().any(|step| step.starts_with(&format!("SEARCH {key} USING"))),
                "{plan:?}"
            );
        }
    }
}
