//! Making a batch durable.

use std::{collections::HashMap, io};

use orchestratai_shared::{ClientMessageId, SessionId, TurnId};
use sea_orm::{
    ConnectionTrait, DatabaseConnection,
    entity::prelude::TextUuid,
    sea_query::{Expr, ExprTrait, Query, UnionType},
};

use crate::{
    CommitError, Store, StoreError, Write,
    backlog::{Backlog, Waiting},
    commit_log::{CommitLog, Encoded},
    entity::{person_reply, session, turn, unsigned},
    heads::{Checked, Head, Heads},
    rows::{ROWS_MAX, text},
    store::{Commits, Journal},
};

/// What only one commit at a time may use.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) log: CommitLog,
    heads: Heads,
    /// To ask the database for heads. Readers have connections of their own, so that many of them never hold up a commit.
    database: DatabaseConnection,
    is_closed: bool,
}

impl Committer {
    pub(crate) fn new(log: CommitLog, database: DatabaseConnection) -> Self {
        Self {
            log,
            heads: Heads::default(),
            database,
            is_closed: false,
        }
    }

    /// Takes no more.
    pub(crate) async fn close(&mut self) {
        self.is_closed = true;
        if let Err(error) = self.database.close_by_ref().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a database connection could not be closed"
            );
        }
    }

    /// Sees what of a batch can be committed.
    async fn check(&mut self, backlog: &Backlog, batch: &[Write]) -> Result<Checked, StoreError> {
        if self.is_closed {
            return Err(StoreError::CommitLog(io::Error::other("the store is closed")));
        }
        for id in backlog.take_set_aside() {
            self.heads.forget(id);
        }
        let unknown = self.heads.unknown(batch);
        for ids in unknown.chunks(ROWS_MAX) {
            self.heads.learn(ids, heads(&self.database, ids).await?);
        }
        Ok(self.heads.check(batch))
    }

    /// Appends a batch that was checked to the log, and leaves it to be applied.
    async fn append(&mut self, backlog: &Backlog, batch: Vec<Write>, checked: Checked) -> Result<(), StoreError> {
        let record = Encoded::new(&batch);
        let bytes = record.len();
        backlog.applied(self.log.room_after(bytes)).await?;
        self.log.make_room(bytes).await;
        let position = self.log.append(record).map_err(StoreError::CommitLog)?;
        backlog.push(Waiting {
            position,
            writes: batch,
            bytes,
            committed: tokio::time::Instant::now(),
        });
        self.heads.advance(checked.staged, |id| backlog.is_applied(id));
        Ok(())
    }
}

impl Store {
    /// Makes a batch durable: all of it or nothing. Answers when it is, as far as the store's
    /// [`Durability`](crate::Durability) says; whoever reads from then on reads it.
    ///
    /// Its cost is mostly one flush of the device, whatever its size: gather what comes while one commit runs, and give it
    /// to the next. With SQLite the flush is made on the calling thread, which should be one that has nothing else to do.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of it is stored then, and the store can be used on. A batch that failed with
    /// [`StoreError::CommitLog`] or was not awaited to its end may have been written all the same.
    pub async fn commit(&self, batch: Vec<Write>) -> Result<(), CommitError> {
        let refused = self.commit_where(batch, <[_]>::is_empty).await?;
        match refused.into_iter().next() {
            Some((_, first)) => Err(first),
            None => Ok(()),
        }
    }

    /// Makes durable what of a batch does not contradict the journal, each write for itself, in one go, as
    /// [`Self::commit`] does: for a batch whose writes have nothing to do with each other. Gives the others, each with its place
    /// in the batch; nothing of these is stored.
    ///
    /// # Errors
    /// As [`Self::commit`]; nothing of the batch is stored then.
    pub async fn commit_each(&self, batch: Vec<Write>) -> Result<Vec<(usize, CommitError)>, StoreError> {
        self.commit_where(batch, |_| true).await
    }

    /// Commits what is not refused, if `goes_on` says so of what is. Gives what is refused.
    async fn commit_where(
        &self,
        mut batch: Vec<Write>,
        goes_on: impl Fn(&[(usize, CommitError)]) -> bool,
    ) -> Result<Vec<(usize, CommitError)>, StoreError> {
        let Journal {
            committer,
            backlog,
            wiper,
            ..
        } = match self.commits() {
            Commits::Logged(journal) => journal,
            Commits::Direct(committer) => return committer.commit_where(&batch, goes_on).await,
            Commits::Elsewhere => return Err(StoreError::ReadOnly),
        };
        let mut committer = committer.lock().await;
        // What cannot be brought into the database is not accepted, though the log would still take some of it.
        if backlog.failure().is_some() {
            backlog.settle_all().await?;
        }
        let mut checked = committer.check(backlog, &batch).await?;
        let refused = std::mem::take(&mut checked.refused);
        if !goes_on(&refused) {
            return Ok(refused);
        }
        let mut place = 0..;
        batch.retain(|write| {
            let place = place.next();
            !write.says_nothing() && !refused.iter().any(|(refused, _)| Some(*refused) == place)
        });
        if !batch.is_empty() {
            let erases = batch.iter().any(Write::is_erasure);
            committer.append(backlog, batch, checked).await?;
            if erases {
                wiper.wake();
            }
        }
        Ok(refused)
    }
}

/// Where the journals of those of these sessions end that exist. Nothing of them is left to apply.
pub(crate) async fn heads(
    database: &DatabaseConnection,
    ids: &[SessionId],
) -> Result<HashMap<SessionId, Head>, StoreError> {
    let in_any = |column: Expr| column.is_in(ids.iter().map(|id| text(id.0)));
    let turns = Query::select()
        .columns([
            turn::Column::SessionId,
            turn::Column::EndedSeq,
            turn::Column::Id,
            turn::Column::ClientMessageId,
        ])
        .from(turn::Entity)
        .and_where(in_any(Expr::col(turn::Column::SessionId)))
        .to_owned();
    let replies = Query::select()
        .columns([
            person_reply::Column::SessionId,
            // They have ended.
            person_reply::Column::Seq,
            person_reply::Column::TurnId,
            person_reply::Column::ClientMessageId,
        ])
        .from(person_reply::Entity)
        .and_where(in_any(Expr::col(person_reply::Column::SessionId)))
        .to_owned();
    // One statement, which sees one moment and is one round trip.
    let select = Query::select()
        .columns([session::Column::Id, session::Column::LastSeq])
        .exprs([Expr::null(), Expr::null()])
        .from(session::Entity)
        .and_where(in_any(Expr::col(session::Column::Id)))
        .union(UnionType::All, turns)
        .union(UnionType::All, replies)
        .to_owned();
    let mut heads: HashMap<SessionId, Head> = HashMap::with_capacity(ids.len());
    let mut turns = Vec::new();
    for row in database.query_all(&select).await? {
        let (id, seq): (TextUuid, Option<i64>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let id = SessionId(id.0);
        let turn: Option<String> = row.try_get_by_index(2)?;
        if turn.is_some() {
            let (turn_id, key): (TextUuid, TextUuid) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
            turns.push((id, seq, TurnId(turn_id.0), ClientMessageId(key.0)));
        } else {
            let head = Head {
                last_seq: unsigned(seq.unwrap_or(0)),
                ..Head::default()
            };
            heads.insert(id, head);
        }
    }
    for (id, ended_seq, turn_id, key) in turns {
        let Some(head) = heads.get_mut(&id) else {
            continue;
        };
        head.keys.insert(key);
        if ended_seq.is_none() {
            head.open.push(turn_id);
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orchestratai_shared::{
        ChatSession, Event, EventBody, Message, MessageId, MessageRole, Timestamp, event::MessageAccepted,
    };
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::{Append, JournalEntry, StoreSettings};

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
    async fn a_full_disk_refuses_what_comes_and_keeps_what_was_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("full.db")))
            .await
            .unwrap();
        let before = session("before");
        store.commit(vec![create(&before)]).await.unwrap();
        store.settle_all().await.unwrap();
        // SQLite takes its own bound on the file for a full disk, and gives the same error.
        store
            .writer()
            .lock()
            .await
            .connection()
            .await
            .unwrap()
            .execute_unprepared("PRAGMA max_page_count = 1")
            .await
            .unwrap();
        let large: Vec<ChatSession> = (0..400).map(|_| session(&"x".repeat(4_000))).collect();
        // The log has room for it, so it is accepted and kept; it cannot be read yet.
        store.commit(large.iter().map(create).collect()).await.unwrap();
        let unread = store.session(large[0].id).await.unwrap_err();
        let is_full = |error: &StoreError| {
            let StoreError::NotApplied(cause) = error else {
                return false;
            };
            matches!(**cause, StoreError::DiskFull(_)) && error.is_retryable()
        };
        assert!(is_full(&unread), "{unread:?}");
        assert!(store.trouble().is_some());
        assert_eq!(store.session(before.id).await.unwrap(), Some(before));
        // And nothing more is accepted.
        let later = session("later");
        let refused = store.commit(vec![create(&later)]).await.unwrap_err();
        assert!(
            matches!(&refused, CommitError::Store(error) if is_full(error)),
            "{refused:?}"
        );

        // Space was made: it goes on by itself, on a connection that knows no such bound.
        store.writer().lock().await.give_up().await;
        store.commit(vec![create(&later)]).await.unwrap();
        assert_eq!(store.session(large[399].id).await.unwrap().as_ref(), Some(&large[399]));
        assert_eq!(store.session(later.id).await.unwrap(), Some(later));
        assert!(store.trouble().is_none());
    }

    #[tokio::test]
    async fn what_contradicts_the_database_is_left_out_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aside.db");
        let store = Store::open(&StoreSettings::sqlite(&path)).await.unwrap();
        let (broken, whole) = (session("broken"), session("whole"));
        store.commit(vec![create(&broken), create(&whole)]).await.unwrap();
        store.settle_all().await.unwrap();
        // Somebody else has written to the database.
        store
            .writer()
            .lock()
            .await
            .connection()
            .await
            .unwrap()
            .execute_unprepared("UPDATE sessions SET last_seq = 7 WHERE user_id = 'broken'")
            .await
            .unwrap();
        let accept = |session: &ChatSession, seq| {
            let event = accepted(session.id, seq);
            let frame = serde_json::to_string(&event).unwrap().into();
            Write::Append(Append {
                session_id: session.id,
                entries: vec![JournalEntry {
                    event: event.into(),
                    frame,
                    kept: None,
                }],
            })
        };
        store.commit(vec![accept(&broken, 1), accept(&whole, 1)]).await.unwrap();
        store.settle_all().await.unwrap();
        let page = store.events_after(whole.id, 0, 9, 9_999).await.unwrap().unwrap();
        assert_eq!((page.frames.len(), page.last_seq), (1, 1));
        assert!(store.event_at(broken.id, 1).await.unwrap().is_none());
        let aside = std::fs::read_to_string(folder.path().join("aside.db-aside")).unwrap();
        assert!(aside.contains(&broken.id.to_string()) && !aside.contains(&whole.id.to_string()));
        // The session is told where its journal really ends.
        let error = store.commit(vec![accept(&broken, 2)]).await.unwrap_err();
        assert!(
            matches!(
                error,
                CommitError::OutOfOrder {
                    expected: 8,
                    found: 2,
                    ..
                }
            ),
            "{error:?}"
        );
        store.commit(vec![accept(&whole, 2)]).await.unwrap();
        assert_eq!(
            store
                .events_after(whole.id, 0, 9, 9_999)
                .await
                .unwrap()
                .unwrap()
                .last_seq,
            2
        );
    }

    fn accepted(session_id: SessionId, seq: u64) -> Event {
        let message = Message {
            id: MessageId::new(),
            role: MessageRole::User,
            content: "Well?".to_owned(),
            agent: None,
            confidence: None,
            timestamp: Timestamp::now(),
            session_id,
        };
        Event {
            seq,
            session_id,
            turn_id: Some(TurnId::new()),
            at: Timestamp::now(),
            body: EventBody::MessageAccepted(MessageAccepted {
                message,
                client_message_id: ClientMessageId::new(),
                fresh: false,
                addressee: None,
                context: Arc::default(),
                client_tools: None,
                called: Arc::default(),
            }),
        }
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
