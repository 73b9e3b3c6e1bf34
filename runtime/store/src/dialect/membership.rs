//! What nodes that share a PostgreSQL database ask of it: their leases, and which of them owns a session.
//!
//! All times are the database's, so that the clocks of the nodes do not matter. A node that was fenced is never let in again,
//! which is what makes its id a fencing token: whatever it still tries to write names an owner that is gone.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use crate::entity::{signed, unsigned};

/// Whether a node's lease is held: `$1` is its id.
const IS_HELD: &str = "EXISTS (SELECT 1 FROM nodes AS me WHERE me.id = $1 AND me.fenced_at IS NULL \
                       AND me.lease_until > clock_timestamp())";
/// Whether nobody owns a session: whoever does is gone.
const IS_FREE: &str = "(owner IS NULL OR NOT EXISTS (SELECT 1 FROM nodes AS theirs WHERE theirs.id = owner \
                       AND theirs.fenced_at IS NULL))";
/// Nodes that are gone are remembered for so long, for people.
const REMEMBERED: &str = "interval '7 days'";

/// Lets a node in, which answers from that revision of the documents. With `is_first` it is the first of its process: whoever was in the same place before is gone, since a place
/// has one process at a time.
pub(crate) async fn join(
    connection: &impl ConnectionTrait,
    id: &str,
    place: &str,
    lease: Duration,
    served_revision: u64,
    is_first: bool,
) -> Result<(), DbErr> {
    if is_first {
        let gone = "UPDATE nodes SET fenced_at = clock_timestamp() WHERE place = $1 AND fenced_at IS NULL";
        execute(connection, gone, [place.into()]).await?;
        let forgotten = format!("DELETE FROM nodes WHERE fenced_at < clock_timestamp() - {REMEMBERED}");
        execute(connection, &forgotten, []).await?;
    }
    let join = "INSERT INTO nodes (id, place, started_at, held_since, lease_until, served_revision) VALUES \
                ($1, $2, clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => $3), $4)";
    let served = signed(served_revision).into();
    execute(connection, join, [id.into(), place.into(), seconds(lease), served]).await?;
    Ok(())
}

/// Says which revision of the documents a node answers from.
pub(crate) async fn set_served_revision(
    connection: &impl ConnectionTrait,
    id: &str,
    served_revision: u64,
) -> Result<(), DbErr> {
    let set = "UPDATE nodes SET served_revision = $2 WHERE id = $1";
    execute(connection, set, [id.into(), signed(served_revision).into()])
        .await
        .map(drop)
}

/// The revision of the documents that every node answers from; `None` where there is no node.
pub(crate) async fn served_revision(connection: &impl ConnectionTrait) -> Result<Option<u64>, DbErr> {
    let served = Statement::from_string(
        DbBackend::Postgres,
        "SELECT min(served_revision) FROM nodes WHERE fenced_at IS NULL AND lease_until > clock_timestamp()",
    );
    let row = connection.query_one_raw(served).await?;
    let served: Option<i64> = row.map_or(Ok(None), |row| row.try_get_by_index(0))?;
    Ok(served.map(unsigned))
}

/// Renews a node's lease, and gives the ids of all nodes that are not gone; `None` where it is gone itself. A lease that has
/// lapsed is had again where nobody has noticed.
pub(crate) async fn renew(
    connection: &impl ConnectionTrait,
    id: &str,
    lease: Duration,
) -> Result<Option<Vec<String>>, DbErr> {
    let renew = "WITH renewed AS (UPDATE nodes SET \
                 held_since = CASE WHEN lease_until < clock_timestamp() THEN clock_timestamp() ELSE held_since END, \
                 lease_until = clock_timestamp() + make_interval(secs => $2) \
                 WHERE id = $1 AND fenced_at IS NULL RETURNING id) \
                 SELECT nodes.id FROM nodes, renewed WHERE nodes.fenced_at IS NULL ORDER BY nodes.id";
    let rows = query(connection, renew, [id.into(), seconds(lease)]).await?;
    Ok((!rows.is_empty()).then_some(rows))
}

/// Declares nodes gone whose leases have lapsed, and gives their ids. Who has not held its own lease for a while does not: it was
/// the database that was away, and they are to have the time to come back, too.
///
/// Gone, whatever their leases say, are also others in the node's own place: a place has one process at a time, so they are what it
/// began to join as when it was cut off before it knew that it had.
pub(crate) async fn fence_gone(
    connection: &impl ConnectionTrait,
    id: &str,
    lease: Duration,
) -> Result<Vec<String>, DbErr> {
    // One that is locked commits at this moment. It is not waited for: the own lease is at stake.
    let fence = "UPDATE nodes SET fenced_at = clock_timestamp() WHERE id IN (\
                 SELECT theirs.id FROM nodes AS theirs, nodes AS me WHERE me.id = $1 AND me.fenced_at IS NULL \
                 AND me.lease_until > clock_timestamp() AND theirs.id <> me.id AND theirs.fenced_at IS NULL \
                 AND (theirs.place = me.place OR (theirs.lease_until < clock_timestamp() \
                 AND me.held_since < clock_timestamp() - make_interval(secs => $2))) \
                 FOR UPDATE OF theirs SKIP LOCKED) RETURNING id";
    query(connection, fence, [id.into(), seconds(lease)]).await
}

/// Lets a node go.
pub(crate) async fn leave(connection: &impl ConnectionTrait, id: &str) -> Result<(), DbErr> {
    let leave = "UPDATE nodes SET fenced_at = clock_timestamp() WHERE id = $1 AND fenced_at IS NULL";
    execute(connection, leave, [id.into()]).await.map(drop)
}

/// Who owns a session: `None` where there is no such session, and within it none where nobody ever did.
pub(crate) async fn owner(connection: &impl ConnectionTrait, session: &str) -> Result<Option<Option<String>>, DbErr> {
    let owner = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT owner FROM sessions WHERE id = $1",
        [session.into()],
    );
    let row = connection.query_one_raw(owner).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Makes a node the owner of a session that nobody owns; whether it is now.
pub(crate) async fn claim(connection: &impl ConnectionTrait, id: &str, session: &str) -> Result<bool, DbErr> {
    let claim = format!("UPDATE sessions SET owner = $1 WHERE id = $2 AND {IS_FREE} AND {IS_HELD}");
    Ok(execute(connection, &claim, [id.into(), session.into()]).await? == 1)
}

/// Makes a node the owner of sessions with open turns that nobody owns, of so many at most, and gives their ids. Several nodes
/// that ask at once get different ones.
pub(crate) async fn claim_interrupted(
    connection: &impl ConnectionTrait,
    id: &str,
    limit: u32,
) -> Result<Vec<String>, DbErr> {
    let claim = format!(
        "UPDATE sessions SET owner = $1 WHERE id IN (SELECT id FROM sessions WHERE \
         id IN (SELECT session_id FROM turns WHERE ended_seq IS NULL) AND {IS_FREE} \
         ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) AND {IS_HELD} RETURNING id"
    );
    query(connection, &claim, [id.into(), i64::from(limit).into()]).await
}

/// Lets another node have a session.
pub(crate) async fn release(connection: &impl ConnectionTrait, id: &str, session: &str) -> Result<(), DbErr> {
    let release = "UPDATE sessions SET owner = NULL WHERE id = $2 AND owner = $1";
    execute(connection, release, [id.into(), session.into()])
        .await
        .map(drop)
}

/// Leaves a batch's name with the node that commits it, in the transaction of the batch; whether the node's lease is held. Until
/// the transaction ends, nobody can declare the node gone.
pub(crate) async fn mark_batch(connection: &impl ConnectionTrait, id: &str, batch_id: &str) -> Result<bool, DbErr> {
    let mark = "UPDATE nodes SET last_batch = $2 WHERE id = $1 AND fenced_at IS NULL \
                AND lease_until > clock_timestamp()";
    Ok(execute(connection, mark, [id.into(), batch_id.into()]).await? == 1)
}

/// The name of the last batch that a node has committed. Waits for the end of a transaction that is under way.
pub(crate) async fn last_batch(connection: &impl ConnectionTrait, id: &str) -> Result<Option<String>, DbErr> {
    let last = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT last_batch FROM nodes WHERE id = $1 FOR UPDATE",
        [id.into()],
    );
    let row = connection.query_one_raw(last).await?;
    row.map_or(Ok(None), |row| row.try_get_by_index(0))
}

fn seconds(duration: Duration) -> Value {
    duration.as_secs_f64().into()
}

async fn execute<const N: usize>(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// The first column of each row.
async fn query<const N: usize>(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: [Value; N],
) -> Result<Vec<String>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = connection.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}
