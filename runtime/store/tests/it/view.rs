//! What an operator sees by SQL.

use sqlx::{ConnectOptions, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{conversation::Conversation, open};

async fn rows(raw: &mut SqliteConnection, sql: impl Into<String>) -> Vec<Vec<String>> {
    sqlx::query(sqlx::AssertSqlSafe(sql.into()))
        .fetch_all(raw)
        .await
        .unwrap()
        .iter()
        .map(|row| {
            (0..row.len())
                .map(|index| row.get_unchecked::<Option<String>, _>(index).unwrap_or_default())
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn tables_and_view_have_the_columns_that_operators_know() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut raw = SqliteConnectOptions::new()
        .filename(store.location())
        .connect()
        .await
        .unwrap();
    let columns = rows(
        &mut raw,
        "SELECT m.name || '.' || p.name || ' ' || p.type FROM sqlite_schema m, pragma_table_info(m.name) p \
         WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'seaql%' ORDER BY m.name, p.cid",
    )
    .await;
    insta::assert_snapshot!(columns.concat().join("\n"));
    let indexes = rows(
        &mut raw,
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
    )
    .await;
    insta::assert_snapshot!(indexes.concat().join("\n"));
}

#[tokio::test]
async fn the_view_shows_what_the_logs_endpoint_shows_and_uses_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (mut talk, mut other) = (Conversation::new(), Conversation::new());
    let mut batch = vec![talk.create(), other.create()];
    batch.extend(talk.turn("one"));
    batch.extend(other.turn("two"));
    store.commit(batch).await.unwrap();
    store.checkpoint().await.unwrap();
    let mut raw = SqliteConnectOptions::new()
        .filename(store.location())
        .connect()
        .await
        .unwrap();
    let of_session = format!(
        "SELECT * FROM retrieval_logs WHERE session_id = '{}' ORDER BY id",
        talk.id
    );
    let shown = rows(&mut raw, of_session).await;
    let logs = store.logs(talk.id, 9, None).await.unwrap().items;
    assert_eq!(shown.len(), 3);
    for (row, log) in shown.iter().zip(&logs) {
        let json = serde_json::to_value(log).unwrap();
        assert_eq!(row[0], log.id.to_string());
        assert_eq!(row[1], talk.id.to_string());
        assert_eq!(row[2], log.message_id.to_string());
        assert_eq!(json["type"], row[3]);
        assert_eq!(row[4], log.title);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&row[5]).unwrap(),
            json["data"]
        );
        assert_eq!(row[6], log.timestamp.to_string());
        assert_eq!(row[7], "success");
    }
    let plan = rows(
        &mut raw,
        "EXPLAIN QUERY PLAN SELECT * FROM retrieval_logs WHERE session_id = 'x'",
    )
    .await
    .concat();
    assert!(
        plan.iter().any(|step| step.starts_with("SEARCH journal USING INDEX")),
        "{plan:?}"
    );
    let plan = rows(
        &mut raw,
        "EXPLAIN QUERY PLAN SELECT * FROM messages WHERE session_id = 'x' AND seq < 9 ORDER BY seq DESC LIMIT 3",
    )
    .await
    .concat();
    assert!(plan.iter().any(|step| step.contains("messages_of_session")), "{plan:?}");
    let plan = rows(
        &mut raw,
        "EXPLAIN QUERY PLAN SELECT DISTINCT session_id FROM turns WHERE ended_seq IS NULL ORDER BY session_id",
    )
    .await
    .concat();
    assert!(plan.iter().any(|step| step.contains("turns_open")), "{plan:?}");

    let messages = rows(
        &mut raw,
        "SELECT id, session_id, role, content, agent, confidence, created_at FROM messages ORDER BY id",
    )
    .await;
    assert_eq!(messages.len(), 4);
    let answer = messages.iter().find(|row| row[3] == "Answer to one").unwrap();
    assert_eq!(
        (answer[1].as_str(), answer[4].as_str()),
        (talk.id.to_string().as_str(), "technical")
    );
    assert!(
        answer[6].starts_with("20") && answer[6].ends_with("+00:00"),
        "{answer:?}"
    );
}
