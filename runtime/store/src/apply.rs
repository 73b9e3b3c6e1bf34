//! Brings what was committed into the database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;

use orchestratai_shared::{SessionId, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    TransactionTrait,
    entity::prelude::TextUuid,
    sea_query::{Alias, Expr, ExprTrait, LockType, OnConflict, Query},
};
use tokio::sync::Mutex;

use crate::{
    NodeId, StoreError, Write,
    backlog::{Backlog, Waiting},
    batch::{self, Rows, SessionChange, Step},
    checkpoint::Checkpointer,
    dialect,
    entity::{erased_session, feedback, journal, message, question, session, turn, user_fact},
    meta,
    rows::{ROWS_MAX, hour, insert, text, time},
    snapshot::embedded,
    statements,
    store::Writer,
    takeover, transaction,
};

/// Applies what gathers, for as long as it is let.
pub(crate) async fn run(writer: Arc<Mutex<Writer>>, backlog: Arc<Backlog>, checkpointer: Arc<Checkpointer>) {
    loop {
        let taken = backlog.take().await;
        // A panic must not end the task: everything that reads and, in the end, everything that writes would wait for it.
        let applied = AssertUnwindSafe(apply(&writer, &taken)).catch_unwind().await;
        match applied.unwrap_or_else(|_panic| Err(StoreError::Database(DbErr::Custom("it panicked".to_owned())))) {
            Ok(set_aside) => {
                let bytes = taken.iter().map(|record| record.bytes as u64).sum();
                let erases = taken.iter().flat_map(|record| &record.writes).any(Write::is_erasure);
                backlog.took(&taken, set_aside);
                checkpointer.committed(bytes, erases);
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what was committed cannot be brought into the database; it is kept in the commit log"
                );
                backlog.failed(taken, error).await;
            }
        }
    }
}

/// Writes records to the database in one transaction, those that it does not have. Gives the sessions of which something
/// had to be set aside.
pub(crate) async fn apply(writer: &Mutex<Writer>, records: &[Waiting]) -> Result<Vec<SessionId>, StoreError> {
    let Some(last) = records.last() else {
        return Ok(Vec::new());
    };
    match apply_whole(writer, records, last.position).await {
        Ok(()) => Ok(Vec::new()),
        Err(StoreError::Conflict(_)) => apply_one_by_one(writer, records, last.position).await,
        Err(error) => Err(error),
    }
}

async fn apply_whole(writer: &Mutex<Writer>, records: &[Waiting], last: u64) -> Result<(), StoreError> {
    let steps = batch::steps(records.iter().flat_map(|record| record.writes.iter().cloned()));
    let writing = transaction::begin(writer).await?;
    let transaction = &writing.transaction;
    let write = async {
        let applied = meta::number(transaction, meta::APPLIED).await?;
        if records.first().is_some_and(|first| first.position <= applied) {
            return Err(contradiction(format!("position {applied} is written already")));
        }
        take_steps(transaction, steps, None).await?;
        meta::set(transaction, meta::APPLIED, &last.to_string()).await
    };
    let written = write.await;
    writing.end(written).await
}

/// Writes what can be written, and leaves out what contradicts the database. Nothing should: all of it was checked before it
/// was acknowledged. Where something does, it must not stand in the way of all other sessions.
async fn apply_one_by_one(
    writer: &Mutex<Writer>,
    records: &[Waiting],
    last: u64,
) -> Result<Vec<SessionId>, StoreError> {
    let writing = transaction::begin(writer).await?;
    let transaction = &writing.transaction;
    let write = async {
        let mut set_aside = BTreeSet::new();
        let applied = meta::number(transaction, meta::APPLIED).await?;
        let new = records.iter().filter(|record| record.position > applied);
        for write in new.flat_map(|record| &record.writes) {
            let savepoint = transaction.begin().await?;
            match take_steps(&savepoint, batch::steps([write.clone()]), None).await {
                Ok(()) => savepoint.commit().await?,
                Err(error @ StoreError::Conflict(_)) => {
                    savepoint.rollback().await?;
                    let session_id = write.session_id();
                    set_aside.insert(session_id);
                    let kept = writing.keep_aside(write).map_err(StoreError::CommitLog)?;
                    tracing::error!(
                        session.id = %session_id,
                        error = &error as &dyn std::error::Error,
                        file = %kept.display(),
                        "what was committed contradicts the database and is left out; it is kept in a file"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        meta::set(transaction, meta::APPLIED, &Ord::max(last, applied).to_string()).await?;
        Ok(set_aside.into_iter().collect())
    };
    let written = write.await;
    writing.end(written).await
}

fn contradiction(reason: String) -> StoreError {
    StoreError::Conflict(DbErr::Custom(reason))
}

/// Writes the rows of all steps. Where nodes share the database, `owner` is the one that writes: all sessions must be its own.
pub(crate) async fn take_steps(
    transaction: &DatabaseTransaction,
    steps: Vec<Step>,
    owner: Option<NodeId>,
) -> Result<(), StoreError> {
    for step in steps {
        match step {
            Step::Rows(rows) => write_rows(transaction, *rows, owner).await?,
            Step::Erase(session_id) => erase(transaction, session_id, owner).await?,
        }
    }
    Ok(())
}

/// Writes rows to their tables.
async fn write_rows(
    transaction: &DatabaseTransaction,
    mut rows: Rows,
    owner: Option<NodeId>,
) -> Result<(), StoreError> {
    let backend = transaction.get_database_backend();
    let created = statements::create_sessions(backend, std::mem::take(&mut rows.created), owner);
    dialect::execute_all(transaction, created).await?;
    if rows.journal.is_empty() {
        return Ok(());
    }
    let Checked { organizations, entered } = check_order(transaction, &rows.changed, owner).await?;
    let to_write = rows.journal.len()
        + rows.messages.len()
        + rows.accepted.len()
        + rows.ended.len()
        + rows.unanswered.len()
        + rows.changed.len();
    let persons = std::mem::take(&mut rows.persons);
    let statements = statements::write(backend, rows, &organizations);
    let written = dialect::execute_all(transaction, statements).await?;
    dialect::execute_all(transaction, statements::enter_hours(backend, &entered)).await?;
    takeover::write(transaction, persons, &organizations).await?;
    // All of them but the ends of turns find their rows or fail.
    if written == to_write as u64 {
        Ok(())
    } else {
        Err(contradiction(
            "a turn ends that does not exist or has ended already".to_owned(),
        ))
    }
}

/// What the database says of sessions that are written to.
struct Checked {
    organizations: HashMap<SessionId, String>,
    /// Those that were last active in another hour, with the new one.
    entered: Vec<(SessionId, i64)>,
}

/// Sees that the events of each session follow its last one and that it is the owner who writes, and gives what else is to be
/// known of the sessions.
///
/// [`heads`](crate::heads) has seen to it before, in memory. Here it is asked of the database, under its write lock: it holds
/// whoever has written there, costs one look-up for each session of the batch, and brings the pages into the cache that the
/// same transaction writes to. PostgreSQL asks the same as a rule in the statement that writes; see
/// [`commit_rows`](crate::dialect::postgres::commit_rows).
async fn check_order(
    transaction: &DatabaseTransaction,
    changed: &BTreeMap<SessionId, SessionChange>,
    owner: Option<NodeId>,
) -> Result<Checked, StoreError> {
    let mut organizations = HashMap::with_capacity(changed.len());
    let mut entered = Vec::new();
    let ids: Vec<&SessionId> = changed.keys().collect();
    for ids in ids.chunks(ROWS_MAX) {
        let select = Query::select()
            .columns([
                session::Column::Id,
                session::Column::OrganizationId,
                session::Column::LastSeq,
                session::Column::Owner,
                session::Column::ActiveHour,
            ])
            .from(session::Entity)
            .and_where(Expr::col(session::Column::Id).is_in(ids.iter().map(|id| text(id.0))))
            .lock(LockType::Update)
            .to_owned();
        for row in transaction.query_all(&select).await? {
            let (id, organization, last_seq, found_owner, active_hour) = read_row(&row)?;
            let session_id = SessionId(id.0);
            check_owner(session_id, found_owner.as_deref(), owner)?;
            let expected = u64::try_from(last_seq).unwrap_or(0) + 1;
            let change = &changed[&session_id];
            let found = change.first_seq;
            if found != expected {
                return Err(contradiction(format!(
                    "session {session_id} goes on with seq {expected}, not {found}"
                )));
            }
            organizations.insert(session_id, organization);
            let hour = hour(change.last_activity);
            if hour != active_hour {
                entered.push((session_id, hour));
            }
        }
    }
    match changed.keys().find(|id| !organizations.contains_key(id)) {
        Some(session_id) => Err(contradiction(format!("session {session_id} does not exist"))),
        None => Ok(Checked { organizations, entered }),
    }
}

fn read_row(row: &QueryResult) -> Result<(TextUuid, String, i64, Option<String>, i64), StoreError> {
    Ok((
        row.try_get_by_index(0)?,
        row.try_get_by_index(1)?,
        row.try_get_by_index(2)?,
        row.try_get_by_index(3)?,
        row.try_get_by_index(4)?,
    ))
}

/// Sees that a session is the writer's. Without nodes the writer is alone, whoever owned the session before.
fn check_owner(session_id: SessionId, found: Option<&str>, writer: Option<NodeId>) -> Result<(), StoreError> {
    match writer {
        Some(writer) if found != Some(&writer.to_string()) => {
            Err(contradiction(format!("session {session_id} is another node's")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Erases a session and leaves its tombstone.
async fn erase(
    transaction: &DatabaseTransaction,
    session_id: SessionId,
    owner: Option<NodeId>,
) -> Result<(), StoreError> {
    let id = TextUuid(session_id.0);
    let session = session::Entity::find_by_id(id)
        .lock_exclusive()
        .one(transaction)
        .await?;
    let Some(session) = session else {
        return Ok(());
    };
    check_owner(session_id, session.owner.as_deref(), owner)?;
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
    dialect::execute_all(transaction, statements).await?;
    journal::Entity::delete_many()
        .filter(journal::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    message::Entity::delete_many()
        .filter(message::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    turn::Entity::delete_many()
        .filter(turn::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    question::Entity::delete_many()
        .filter(question::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    feedback::Entity::delete_many()
        .filter(feedback::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    user_fact::Entity::delete_many()
        .filter(user_fact::Column::SessionId.eq(id))
        .exec(transaction)
        .await?;
    takeover::erase(transaction, session_id).await?;
    embedded::erase(transaction, session_id).await?;
    session::Entity::delete_by_id(id).exec(transaction).await?;
    Ok(())
}
