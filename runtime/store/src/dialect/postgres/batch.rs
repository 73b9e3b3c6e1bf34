//! The rows of a batch in one statement, which is a transaction by itself: a batch costs one round trip.
//!
//! What SQLite is given as statements of their own (see [`statements`](crate::statements)) are parts of one here. All parts see
//! the database as it was before the statement, so a session that the batch makes is inserted with what the batch adds to it.
//! Each column is one array: the text is the same whatever the numbers of rows, and is prepared and planned once.

use orchestratai_shared::{AgentId, Confidence, SessionId, Timestamp};
use sea_orm::{DatabaseConnection, DbBackend, DbErr, RuntimeErr, entity::prelude::DateTimeUtc};
use sqlx::postgres::PgDatabaseError;
use uuid::Uuid;

use crate::{
    NodeId, StoreError,
    batch::{AcceptedTurn, EndedTurn, JournalRow, MessageRow, Rows, TurnEnd},
    entity::signed,
    rows::{hour, storable},
    statements::role_text,
};

/// A session is changed only where its journal ends before what is added: its row is locked, and looked at in its newest form; and only
/// where it is the writer's, if nodes share the database. Where one is not changed, or a turn that ends is not open, the mark
/// ends in a null, which its column refuses, and with it the whole.
///
/// `= ANY (ARRAY[…])` leaves nothing but look-ups by the primary key. For `=`, a plan made while a table is small would read all
/// of it, and go on so when it has grown. The other conditions on a turn are put so that no other index serves them; that of
/// the open ones is full of what has ended.
macro_rules! rows {
    () => {
        "
WITH
change AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::float8[], $7::bigint[], $41::bigint[])
    AS change (id, first_seq, last_seq, last_activity, tokens, cost, messages, active_hour)
),
changed AS (
    UPDATE sessions SET
        last_seq = change.last_seq,
        last_activity = change.last_activity,
        total_tokens = sessions.total_tokens + change.tokens,
        total_cost = sessions.total_cost + change.cost,
        message_count = sessions.message_count + change.messages,
        active_hour = change.active_hour
    FROM change
    WHERE sessions.id = ANY (ARRAY[change.id]) AND sessions.last_seq = change.first_seq - 1
        AND ($39::text IS NULL OR sessions.owner = $39)
    RETURNING sessions.id, sessions.organization_id
),
created AS (
    INSERT INTO sessions
        (id, user_id, start_time, last_activity, total_tokens, total_cost, message_count, organization_id, last_seq, owner,
        active_hour)
    SELECT
        new.id,
        new.user_id,
        new.start_time,
        COALESCE(change.last_activity, new.last_activity),
        new.total_tokens + COALESCE(change.tokens, 0),
        new.total_cost + COALESCE(change.cost, 0),
        new.message_count + COALESCE(change.messages, 0),
        new.organization_id,
        COALESCE(change.last_seq, 0),
        $39,
        COALESCE(change.active_hour, new.active_hour)
    FROM unnest(
        $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::float8[], $14::bigint[], $15::text[],
        $42::bigint[]
    ) AS new (id, user_id, start_time, last_activity, total_tokens, total_cost, message_count, organization_id, active_hour)
    LEFT JOIN change ON change.id = new.id
    WHERE COALESCE(change.first_seq, 1) = 1
    ON CONFLICT (id) DO NOTHING
    RETURNING id, organization_id, last_seq
),
written AS (
    SELECT id, organization_id FROM changed
    UNION ALL
    SELECT id, organization_id FROM created WHERE last_seq > 0
),
journal_rows AS (
    INSERT INTO journal (session_id, seq, last_seq, at, organization_id, payload)
    SELECT new.session_id, new.seq, new.last_seq, new.at, written.organization_id, new.payload
    FROM unnest($16::text[], $17::bigint[], $18::bigint[], $19::timestamptz[], $20::text[])
        AS new (session_id, seq, last_seq, at, payload)
    JOIN written ON written.id = new.session_id
),
message_rows AS (
    INSERT INTO messages (id, session_id, role, content, agent, confidence, created_at, organization_id, seq)
    SELECT
        new.id, new.session_id, new.role, new.content, new.agent, new.confidence, new.created_at, written.organization_id, new.seq
    FROM unnest(
        $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::float8[], $27::timestamptz[], $28::bigint[]
    ) AS new (id, session_id, role, content, agent, confidence, created_at, seq)
    JOIN written ON written.id = new.session_id
),
accepted AS (
    INSERT INTO turns (id, session_id, client_message_id, accepted_seq, ended_seq, ended_at, organization_id, agent)
    SELECT
        new.id, new.session_id, new.client_message_id, new.accepted_seq, new.ended_seq, new.ended_at, written.organization_id,
        new.agent
    FROM unnest($29::text[], $30::text[], $31::text[], $32::bigint[], $33::bigint[], $34::timestamptz[], $43::text[])
        AS new (id, session_id, client_message_id, accepted_seq, ended_seq, ended_at, agent)
    JOIN written ON written.id = new.session_id
),
ended AS (
    UPDATE turns SET ended_seq = the_end.seq, ended_at = the_end.at, agent = the_end.agent
    FROM unnest($35::text[], $36::text[], $37::bigint[], $38::timestamptz[], $44::text[])
        AS the_end (id, session_id, seq, at, agent)
    WHERE turns.id = ANY (ARRAY[the_end.id])
        AND turns.session_id IS NOT DISTINCT FROM the_end.session_id
        AND COALESCE(turns.ended_seq, 0) = 0
    RETURNING turns.id
)"
    };
}

/// Turns whose answer says that nothing was found. Most batches have none, and are not made to plan for it.
macro_rules! questions {
    () => {
        ",
unanswered AS (
    INSERT INTO questions (turn_id, session_id, agent, confidence, state, organization_id)
    SELECT new.turn_id, new.session_id, new.agent, new.confidence, 'open', written.organization_id
    FROM unnest($45::text[], $46::text[], $47::text[], $48::float8[]) AS new (turn_id, session_id, agent, confidence)
    JOIN written ON written.id = new.session_id
)"
    };
}

/// The mark where nobody else writes.
macro_rules! mark_alone {
    () => {
        "
INSERT INTO meta (name, value)
SELECT 'last_batch', CASE
    WHEN (SELECT count(*) FROM written) = cardinality($1) AND (SELECT count(*) FROM ended) = cardinality($35) THEN $40
END
ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    };
}

/// The mark as a node. Its lease is looked at in its newest form, too: who declares it gone waits for the end of this.
macro_rules! mark_as_node {
    () => {
        "
UPDATE nodes SET last_batch = $40, place = CASE
    WHEN (SELECT count(*) FROM written) = cardinality($1) AND (SELECT count(*) FROM ended) = cardinality($35)
        AND fenced_at IS NULL AND lease_until > clock_timestamp() THEN place
END
WHERE id = $39"
    };
}

const WRITE_ROWS: &str = concat!(rows!(), mark_alone!());
const WRITE_ROWS_AND_QUESTIONS: &str = concat!(rows!(), questions!(), mark_alone!());
const WRITE_ROWS_AS_NODE: &str = concat!(rows!(), mark_as_node!());
const WRITE_ROWS_AND_QUESTIONS_AS_NODE: &str = concat!(rows!(), questions!(), mark_as_node!());

/// Commits rows, for a node or alone, and with them the name of their batch.
///
/// # Errors
/// [`StoreError::Conflict`] where they contradict the database, are another node's, or the node's lease is not held; nothing is
/// written then.
pub(crate) async fn commit_rows(
    connection: &DatabaseConnection,
    rows: &Rows,
    writer: Option<NodeId>,
    batch_id: &str,
) -> Result<(), StoreError> {
    let changed = Vec::from_iter(&rows.changed);
    let created = &rows.created;
    let unanswered = &rows.unanswered;
    let statement = match (writer, unanswered.is_empty()) {
        (Some(_), true) => WRITE_ROWS_AS_NODE,
        (Some(_), false) => WRITE_ROWS_AND_QUESTIONS_AS_NODE,
        (None, true) => WRITE_ROWS,
        (None, false) => WRITE_ROWS_AND_QUESTIONS,
    };
    let query = sqlx::query(statement)
        .bind(column(&changed, |(id, _)| session(**id)))
        .bind(column(&changed, |(_, change)| signed(change.first_seq)))
        .bind(column(&changed, |(_, change)| signed(change.last_seq)))
        .bind(column(&changed, |(_, change)| time(change.last_activity)))
        .bind(column(&changed, |(_, change)| signed(change.tokens)))
        .bind(column(&changed, |(_, change)| change.cost))
        .bind(column(&changed, |(_, change)| signed(change.messages)))
        .bind(column(created, |(new, _)| session(new.id)))
        .bind(column(created, |(new, _)| new.user_id.as_deref()))
        .bind(column(created, |(new, _)| time(new.start_time)))
        .bind(column(created, |(new, _)| time(new.last_activity)))
        .bind(column(created, |(new, _)| signed(new.total_tokens)))
        .bind(column(created, |(new, _)| new.total_cost))
        .bind(column(created, |(new, _)| signed(new.message_count)))
        .bind(column(created, |(_, organization)| &**organization));
    let query = bind_journal(query, &rows.journal);
    let query = bind_messages(query, &rows.messages);
    let query = bind_turns(query, &rows.accepted, &rows.ended);
    let query = query
        .bind(writer.map(|writer| writer.to_string()))
        .bind(batch_id)
        .bind(column(&changed, |(_, change)| hour(change.last_activity)))
        .bind(column(created, |(new, _)| hour(new.last_activity)))
        .bind(column(&rows.accepted, |turn| agent(turn.ended.as_ref())))
        .bind(column(&rows.ended, |turn| agent(Some(&turn.end))));
    let query = match unanswered.is_empty() {
        true => query,
        false => query
            .bind(column(unanswered, |turn| text(turn.id.0)))
            .bind(column(unanswered, |turn| session(turn.session_id)))
            .bind(column(unanswered, |turn| turn.agent.as_str()))
            .bind(column(unanswered, |turn| turn.confidence.get())),
    };
    let done = query.execute(connection.get_postgres_connection_pool());
    match done.await.map_err(refusal)?.rows_affected() {
        1 => Ok(()),
        // A node that nobody remembers any more: it was gone for days, and owns nothing.
        _ => Err(contradiction()),
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_journal<'q>(query: Query<'q>, rows: &[JournalRow]) -> Query<'q> {
    query
        .bind(column(rows, |row| session(row.session_id)))
        .bind(column(rows, |row| signed(row.seq)))
        .bind(column(rows, |row| signed(row.last_seq)))
        .bind(column(rows, |row| time(row.at)))
        .bind(column(rows, JournalRow::payload))
}

fn bind_messages<'q>(query: Query<'q>, rows: &[MessageRow]) -> Query<'q> {
    query
        .bind(column(rows, |row| text(row.message.id.0)))
        .bind(column(rows, |row| session(row.message.session_id)))
        .bind(column(rows, |row| role_text(row.message.role)))
        .bind(column(rows, |row| {
            storable(DbBackend::Postgres, row.message.content.clone())
        }))
        .bind(column(rows, |row| row.message.agent.as_ref().map(AgentId::as_str)))
        .bind(column(rows, |row| row.message.confidence.map(Confidence::get)))
        .bind(column(rows, |row| time(row.message.timestamp)))
        .bind(column(rows, |row| signed(row.seq)))
}

fn bind_turns<'q>(query: Query<'q>, accepted: &[AcceptedTurn], ended: &[EndedTurn]) -> Query<'q> {
    query
        .bind(column(accepted, |turn| text(turn.id.0)))
        .bind(column(accepted, |turn| session(turn.session_id)))
        .bind(column(accepted, |turn| text(turn.client_message_id.0)))
        .bind(column(accepted, |turn| signed(turn.accepted_seq)))
        .bind(column(accepted, |turn| turn.ended.as_ref().map(|end| signed(end.seq))))
        .bind(column(accepted, |turn| turn.ended.as_ref().map(|end| time(end.at))))
        .bind(column(ended, |turn| text(turn.id.0)))
        .bind(column(ended, |turn| session(turn.session_id)))
        .bind(column(ended, |turn| signed(turn.end.seq)))
        .bind(column(ended, |turn| time(turn.end.at)))
}

fn agent(end: Option<&TurnEnd>) -> Option<&str> {
    end.and_then(|end| end.agent.as_ref()).map(AgentId::as_str)
}

fn column<'r, R, T>(rows: &'r [R], value: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn session(id: SessionId) -> String {
    text(id.0)
}

fn text(id: Uuid) -> String {
    id.to_string()
}

fn time(at: Timestamp) -> DateTimeUtc {
    at.into()
}

fn refusal(error: sqlx::Error) -> StoreError {
    let cause = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    if cause.is_some_and(|cause| cause.code() == NOT_NULL && matches!(cause.table(), Some("meta" | "nodes"))) {
        return contradiction();
    }
    DbErr::Exec(RuntimeErr::SqlxError(error.into())).into()
}

fn contradiction() -> StoreError {
    let reason = "a journal does not end where the batch goes on or is another node's, or a turn ends that is not open";
    StoreError::Conflict(DbErr::Custom(reason.to_owned()))
}

/// The code of a null where there must be none.
const NOT_NULL: &str = "23502";

#[cfg(test)]
mod tests {
    use orchestratai_testing::Postgres;
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;
    use crate::{
        Access, Durability, Store, StoreSettings,
        dialect::postgres::{ServerRole, connect},
    };

    #[tokio::test]
    async fn rows_are_reached_by_index_though_the_plan_was_made_while_the_tables_were_small() {
        let url = Postgres::shared().database();
        let settings = StoreSettings {
            url_or_path: url.clone(),
            durability: Durability::Process,
            readers: StoreSettings::READERS,
            access: Access::Documents,
        };
        let store = Store::open(&settings).await.unwrap();
        let role = ServerRole::Journal(Durability::Process);
        let journal = connect(&url.parse().unwrap(), role).await.unwrap();
        let arrays = "'{}', ".repeat(38);
        for statement in [
            "INSERT INTO sessions (id, start_time, last_activity, organization_id) VALUES ('1', now(), now(), 'default')",
            "INSERT INTO turns (id, session_id, client_message_id, accepted_seq, organization_id) \
             VALUES ('1', '1', '1', 1, 'default')",
            "ANALYZE",
            &format!("PREPARE commit_rows AS {WRITE_ROWS}"),
        ] {
            journal.execute_unprepared(statement).await.unwrap();
        }
        let explain = format!("EXPLAIN EXECUTE commit_rows ({arrays}NULL, 'a batch', '{{}}', '{{}}', '{{}}', '{{}}')");
        let rows = journal.query_all_raw(Statement::from_string(DbBackend::Postgres, explain));
        let plan: Vec<String> = (rows.await.unwrap().iter())
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        let plan = plan.join("\n");
        for look_up in [
            "Index Scan using sessions_pkey on sessions",
            "Index Cond: (id = ANY (ARRAY[change",
            "Index Scan using turns_pkey on turns",
            "Index Cond: (id = ANY (ARRAY[the_end",
        ] {
            assert!(plan.contains(look_up), "{plan}");
        }
        assert!(!plan.contains("Seq Scan"), "{plan}");
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn long_payloads_are_compressed_by_lz4() {
        let url = Postgres::shared().database();
        let role = ServerRole::Journal(Durability::Process);
        let journal = connect(&url.parse().unwrap(), role).await.unwrap();
        journal
            .execute_unprepared(
                "CREATE TABLE long (payload text); INSERT INTO long SELECT repeat('a step of a turn ', 1000)",
            )
            .await
            .unwrap();
        let used = "SELECT pg_column_compression(payload) FROM long";
        let used = Statement::from_string(DbBackend::Postgres, used);
        let used = journal.query_one_raw(used).await.unwrap().unwrap();
        assert_eq!(used.try_get_by_index::<String>(0).unwrap(), "lz4");
    }
}
