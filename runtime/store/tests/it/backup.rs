//! Backups, from either engine into either.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use orchestratai_shared::{SessionId, SessionTitle};
use orchestratai_store::{
    BackupContents, DocumentChanges, NewDocument, NewIndexPart, OpenError, RestoreError, Restored, Store, Write,
    back_up, check_backup, restore,
};
use orchestratai_testing::Postgres;
use proptest::prelude::*;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row, sqlite::SqliteConnectOptions};

use crate::{
    conversation::Conversation,
    crash::check_consistent,
    home::{Home, on_each_engine},
    model::{Step, World, step},
};

const VERSION: &str = "1.2.3";

/// A backup that has all that was acknowledged.
async fn backup_of(home: &Home) -> Vec<u8> {
    let done = back_up(&home.settings(), VERSION, Vec::new()).await.unwrap();
    assert!(!done.is_behind);
    assert_eq!(done.contents.bytes, done.out.len() as u64);
    assert_eq!(check_backup(&done.out[..]).unwrap(), done.contents);
    done.out
}

async fn restored(backup: &[u8], home: &Home) -> Restored {
    restore(&home.settings(), backup).await.unwrap()
}

async fn refused(backup: &[u8], home: &Home) -> RestoreError {
    restore(&home.settings(), backup).await.unwrap_err()
}

/// What is in a database, by table.
async fn contents_of(home: &Home) -> BackupContents {
    check_backup(&backup_of(home).await[..]).unwrap()
}

fn document(path: &str) -> NewDocument {
    NewDocument {
        organization: "default".into(),
        collection: "technical".into(),
        root: "notes".into(),
        path: path.into(),
        title: "A \"title\"".into(),
        content: "Lines.\nAnd more: \u{1f600}.".into(),
        front_matter: serde_json::from_str(r#"{"b": [1, 2.50, "x"], "a": {"z": null}}"#).unwrap(),
        content_hash: path.into(),
    }
}

/// Every byte that there is, as what was made of a document.
fn vectors_of(document: usize) -> NewIndexPart {
    NewIndexPart {
        document,
        maker: "vectors".into(),
        body: (0..=255).rev().collect(),
    }
}

/// Something of everything: turns in every state, an erased session, documents that came and went.
async fn fill(store: &Store) -> Vec<Conversation> {
    let mut talks: Vec<Conversation> = (0..5).map(|_| Conversation::new()).collect();
    let mut batch: Vec<Write> = talks.iter().map(Conversation::create).collect();
    for (index, talk) in talks.iter_mut().enumerate() {
        batch.extend(talk.turn(&format!("Question {index}: what \"holds\", and\nwhy?")));
        let accepted = talk.accept("And then?");
        batch.push(talk.append(vec![accepted]));
        let end = match index {
            0 => Some(talk.fail()),
            1 => Some(talk.cancel(Some("half an ans"))),
            2 => Some(talk.cancel(None)),
            4 => Some(talk.answer("I found nothing.", "policy", 0.31, 0, 0.0)),
            _ => None,
        };
        batch.extend(end.map(|end| talk.append(vec![end])));
    }
    let accepted = talks[4].accept("And still?");
    batch.push(talks[4].append(vec![accepted]));
    store.commit(batch).await.unwrap();
    let title = SessionTitle::parse("A \"title\"").unwrap();
    store.set_session_title(talks[0].id, Some(&title)).await.unwrap();
    let erased = talks.remove(3);
    let erase = Write::EraseSession { session_id: erased.id };
    store.commit(vec![erase]).await.unwrap();
    let put = DocumentChanges {
        put: vec![document("one.md"), document("other.md")],
        parts: [0, 1].map(vectors_of).to_vec(),
        ..DocumentChanges::default()
    };
    let put = store.change_documents(put).await.unwrap();
    let claimed = store
        .claim_index_parts(&put.ids, "others", Duration::from_secs(600))
        .await;
    assert_eq!(claimed.unwrap().len(), 2);
    let remove = DocumentChanges {
        remove: vec![put.ids[0]],
        ..DocumentChanges::default()
    };
    store.change_documents(remove).await.unwrap();
    talks
}

on_each_engine!(
    every_row_comes_back_on_either_engine_and_the_epoch_is_new,
    what_was_acknowledged_before_is_in_it,
    what_a_crash_left_in_the_commit_log_is_in_it,
    taken_while_commits_go_on_it_is_of_one_moment,
    a_damaged_backup_leaves_the_database_empty,
    a_database_that_is_not_empty_is_refused_and_left_as_it_is,
);

async fn every_row_comes_back_on_either_engine_and_the_epoch_is_new(home: Home) {
    let store = home.open().await;
    let talks = fill(&store).await;
    let backup = backup_of(&home).await;
    let contents = check_backup(&backup[..]).unwrap();
    let rows =
        ["sessions", "turns", "erased_sessions", "documents", "removed_documents"].map(|table| contents.rows(table));
    assert_eq!(rows, [4, 9, 1, 1, 1]);
    // One that was made, and one that somebody was about to make.
    assert_eq!(contents.rows("index_parts"), 2);
    assert_eq!(contents.origin.epoch, store.epoch());
    assert_eq!(contents.origin.version, VERSION);
    for target in [Home::sqlite(), Home::postgres()] {
        let done = restored(&backup, &target).await;
        assert_eq!(done.contents, contents);
        let opened = target.open().await;
        assert!(!opened.is_new());
        assert_eq!(opened.epoch(), done.epoch);
        assert_ne!(opened.epoch(), store.epoch());
        for talk in &talks {
            assert_eq!(check_consistent_but_for_kept(&opened, talk.id).await, talk.seq);
            assert_eq!(
                opened.rehydrate(talk.id, 99).await.unwrap(),
                store.rehydrate(talk.id, 99).await.unwrap()
            );
            assert_eq!(
                opened.session_summary(talk.id).await.unwrap(),
                store.session_summary(talk.id).await.unwrap()
            );
        }
        let questions = async |store: &Store| store.questions("default", None, 9, None).await.unwrap();
        assert_eq!(questions(&opened).await, questions(&store).await);
        assert_eq!(questions(&opened).await.items.len(), 1);
        assert_eq!(opened.knowledge_revision().await.unwrap(), 2);
        assert_eq!(
            opened.documents_since(0).await.unwrap(),
            store.documents_since(0).await.unwrap()
        );
        let ids: Vec<_> = opened
            .documents_since(0)
            .await
            .unwrap()
            .changed
            .iter()
            .map(|document| document.id)
            .collect();
        let parts = opened.index_parts(&ids, &["vectors", "others"]).await.unwrap();
        assert_eq!(parts, store.index_parts(&ids, &["vectors", "others"]).await.unwrap());
        assert_eq!(
            parts.iter().map(|part| &part.body).collect::<Vec<_>>(),
            [&vectors_of(0).body]
        );
        // Who was about to make the other is none of this database.
        let claimed = opened.claim_index_parts(&ids, "others", Duration::from_millis(1)).await;
        assert_eq!(claimed.unwrap().len(), 1);
        // Its own backup says the same of every table.
        let again = contents_of(&target).await;
        assert_eq!(again.tables, contents.tables);
        assert_eq!(again.origin.epoch, done.epoch);
        // And life goes on: an open turn ends, once.
        let mut talk = Conversation::new();
        opened
            .commit([vec![talk.create()], talk.turn("Does it go on?").to_vec()].concat())
            .await
            .unwrap();
        opened.close().await.unwrap();
    }
}

/// Checks what holds of every session: `seq` without gap, and totals that fit the journal.
async fn check_consistent_but_for_kept(store: &Store, id: SessionId) -> u64 {
    let record = store.rehydrate(id, 9_999).await.unwrap().expect("the session is there");
    let page = store
        .events_after(id, 0, usize::MAX, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(page.frames.iter().map(|frame| frame.seq).eq(1..=record.last_seq));
    assert_eq!(record.session.message_count, record.transcript.len() as u64);
    record.last_seq
}

async fn what_was_acknowledged_before_is_in_it(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    for turns in 1..=20 {
        store.commit(talk.turn("Is this kept?").to_vec()).await.unwrap();
        // With SQLite the database file does not have it yet at this moment.
        assert_eq!(contents_of(&home).await.rows("turns"), turns);
    }
    store.close().await.unwrap();
    assert_eq!(contents_of(&home).await.rows("turns"), 20);
}

async fn what_a_crash_left_in_the_commit_log_is_in_it(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let turn = talk.turn("Is this kept?");
    store
        .commit([vec![talk.create()], turn.to_vec()].concat())
        .await
        .unwrap();
    drop(store);
    assert_eq!(contents_of(&home).await.rows("turns"), 1);
    assert_eq!(check_consistent(&home.open().await, talk.id).await, talk.seq);
}

async fn taken_while_commits_go_on_it_is_of_one_moment(home: Home) {
    let store = home.open().await;
    let talks: Vec<Conversation> = (0..6).map(|_| Conversation::new()).collect();
    let ids: Vec<SessionId> = talks.iter().map(|talk| talk.id).collect();
    store
        .commit(talks.iter().map(Conversation::create).collect())
        .await
        .unwrap();
    let goes_on = Arc::new(AtomicBool::new(true));
    let writing = tokio::spawn({
        let (store, goes_on) = (store.clone(), Arc::clone(&goes_on));
        async move {
            let (mut talks, mut round) = (talks, 0);
            while goes_on.load(Ordering::Relaxed) {
                let mut batch = Vec::new();
                for (index, talk) in talks.iter_mut().enumerate() {
                    if talk.open.is_empty() {
                        let accepted = talk.accept(&format!("question {round}"));
                        batch.push(talk.append(vec![accepted]));
                    } else if round % (index + 1) == 0 {
                        let rest = vec![talk.log("Routed"), talk.complete(&"answer ".repeat(30), 1, 0.0)];
                        batch.push(talk.append(rest));
                    }
                }
                store.commit(batch).await.unwrap();
                round += 1;
                // What is checked afterwards must not grow without end.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let mut before = BTreeMap::new();
    for target in [Home::sqlite(), Home::postgres()] {
        for id in &ids {
            before.insert(*id, last_seq(&store, *id).await);
        }
        let backup = backup_of(&home).await;
        restored(&backup, &target).await;
        let opened = target.open().await;
        for id in &ids {
            let last_seq = check_consistent(&opened, *id).await;
            assert!(last_seq >= before[id], "{last_seq} is before {}", before[id]);
        }
        opened.close().await.unwrap();
    }
    goes_on.store(false, Ordering::Relaxed);
    writing.await.unwrap();
}

async fn a_damaged_backup_leaves_the_database_empty(home: Home) {
    let source = Home::sqlite();
    let store = source.open().await;
    fill(&store).await;
    let backup = backup_of(&source).await;
    for at in [20, backup.len() / 2, backup.len() - 60, backup.len() - 1] {
        let mut damaged = backup.clone();
        damaged[at] ^= 0x10;
        let error = refused(&damaged, &home).await;
        assert!(matches!(error, RestoreError::Backup(_)), "byte {at}: {error:?}");
        let error = refused(&backup[..at], &home).await;
        assert!(matches!(error, RestoreError::Backup(_)), "{at} bytes: {error:?}");
    }
    // Nothing is in the way of the sound one.
    restored(&backup, &home).await;
}

#[tokio::test]
async fn no_bit_of_a_backup_can_change_unnoticed() {
    let home = Home::sqlite();
    let store = home.open().await;
    fill(&store).await;
    let backup = backup_of(&home).await;
    let config = ProptestConfig {
        cases: 2_000,
        ..ProptestConfig::default()
    };
    proptest!(config, |(at in any::<prop::sample::Index>(), bit in 0..8_u32)| {
        let at = at.index(backup.len());
        prop_assert!(check_backup(&backup[..at]).is_err());
        let mut damaged = backup.clone();
        damaged[at] ^= 1 << bit;
        prop_assert!(check_backup(&damaged[..]).is_err());
    });
    assert!(check_backup(&[&backup[..], &backup[..]].concat()[..]).is_err());
    assert!(check_backup(&b"These are my notes."[..]).is_err());
    assert!(check_backup(&b""[..]).is_err());
}

async fn a_database_that_is_not_empty_is_refused_and_left_as_it_is(home: Home) {
    let store = home.open().await;
    let talks = fill(&store).await;
    let backup = backup_of(&home).await;
    let before = contents_of(&home).await;
    // A file says that it is there; of a database in a server, it is first seen who has it.
    let is_file =
        |error: &RestoreError| matches!(error, RestoreError::FileExists { path } if path.ends_with("orchestratai.db"));
    let error = refused(&backup, &home).await;
    let is_taken = matches!(error, RestoreError::Open(OpenError::Taken { .. }));
    assert!(is_taken || is_file(&error), "{error:?}");
    store.close().await.unwrap();
    let error = refused(&backup, &home).await;
    let is_full = matches!(error, RestoreError::NotEmpty { table: "sessions", .. });
    assert!(is_full || is_file(&error), "{error:?}");
    let after = contents_of(&home).await;
    assert_eq!((after.tables, after.origin.epoch), (before.tables, before.origin.epoch));
    assert!(home.open().await.session(talks[0].id).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_left_of_another_database_is_not_taken_for_the_restored_one() {
    let source = Home::sqlite();
    let store = source.open().await;
    fill(&store).await;
    let backup = backup_of(&source).await;
    for ending in ["-wal", "-shm", "-log0", "-log1"] {
        let home = Home::sqlite();
        let left = format!("{}{ending}", home.settings().url_or_path);
        std::fs::write(&left, "left").unwrap();
        let error = refused(&backup, &home).await;
        assert!(
            matches!(&error, RestoreError::FileExists { path } if path.to_str() == Some(&left)),
            "{error:?}"
        );
        // What nothing was ever written to is in nobody's way.
        std::fs::write(&left, "").unwrap();
        std::fs::write(home.settings().url_or_path, "").unwrap();
        restored(&backup, &home).await;
    }
}

#[tokio::test]
async fn a_file_is_restored_value_by_value() {
    let (home, target) = (Home::sqlite(), Home::sqlite());
    let store = home.open().await;
    fill(&store).await;
    let mut talk = Conversation::new();
    // Sums that no decimal of six places is, and a character that other engines do not have.
    store
        .commit([vec![talk.create()], talk.turn("before\0after").to_vec()].concat())
        .await
        .unwrap();
    for cost in [0.1, 0.2, 0.000_000_3] {
        let turn = vec![talk.accept("How much?"), talk.complete("So much.", 1, cost)];
        store.commit(vec![talk.append(turn)]).await.unwrap();
    }
    restored(&backup_of(&home).await, &target).await;
    store.close().await.unwrap();
    assert_eq!(values(&target).await, values(&home).await);
}

/// Every value of an SQLite file as SQL shows it, but what tells databases apart, and what nodes have claimed for a moment.
async fn values(home: &Home) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(home.settings().url_or_path);
    let mut raw = options.connect().await.unwrap();
    let columns = raw
        .fetch_all(
            "SELECT t.name, group_concat('quote(' || c.name || ')', ' || '' '' || ') FROM sqlite_master t \
             JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' \
             AND c.name <> 'claimed_until' \
             AND t.name NOT IN ('seaql_migrations', 'session_snapshots') GROUP BY t.name ORDER BY t.name",
        )
        .await
        .unwrap();
    let mut values = Vec::new();
    for row in columns {
        let (table, row): (String, String) = (row.get(0), row.get(1));
        let query = format!("SELECT '{table} ' || {row} AS row FROM {table} ORDER BY row");
        let rows = raw.fetch_all(AssertSqlSafe(query)).await.unwrap();
        values.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    raw.close().await.unwrap();
    values.retain(|row| !row.starts_with("meta 'epoch'") && !row.starts_with("meta 'applied'"));
    values
}

#[tokio::test]
async fn what_the_other_engine_cannot_hold_becomes_what_it_can() {
    let (home, target) = (Home::sqlite(), Home::postgres());
    let store = home.open().await;
    let mut talk = Conversation::new();
    store
        .commit([vec![talk.create()], talk.turn("before\0after").to_vec()].concat())
        .await
        .unwrap();
    for cost in [0.1, 0.2, 0.000_000_3] {
        let turn = vec![talk.accept("How much?"), talk.complete("So much.", 1, cost)];
        store.commit(vec![talk.append(turn)]).await.unwrap();
    }
    let put = DocumentChanges {
        put: vec![NewDocument {
            content: "x\0y".into(),
            front_matter: serde_json::from_str(r#"{"b": "x\u0000y"}"#).unwrap(),
            ..document("nul.md")
        }],
        ..DocumentChanges::default()
    };
    store.change_documents(put).await.unwrap();
    restored(&backup_of(&home).await, &target).await;
    let opened = target.open().await;
    let transcript = opened.messages(talk.id, 99, None).await.unwrap().items;
    assert_eq!(transcript[0].content, "before\u{fffd}after");
    let session = opened.session(talk.id).await.unwrap().unwrap();
    assert!((session.total_cost - 0.300_001).abs() < 1e-12, "{}", session.total_cost);
    let documents = opened.documents_since(0).await.unwrap().changed;
    assert_eq!(documents[0].document.content, "x\u{fffd}y");
    assert_eq!(documents[0].document.front_matter["b"], "x\u{fffd}y");
    // The journal has it as it was said.
    for seq in 1..=talk.seq {
        let (here, there) = (opened.event_at(talk.id, seq).await, store.event_at(talk.id, seq).await);
        assert_eq!(here.unwrap().unwrap().text, there.unwrap().unwrap().text);
    }
}

#[test]
fn any_history_goes_on_in_the_other_engine() {
    any_history_goes_on(Home::sqlite, Home::postgres);
}

#[test]
fn any_history_in_postgresql_goes_on_in_a_file() {
    any_history_goes_on(Home::postgres, Home::sqlite);
}

fn any_history_goes_on(from: fn() -> Home, into: fn() -> Home) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let config = ProptestConfig {
        cases: 12,
        ..ProptestConfig::default()
    };
    let steps = || proptest::collection::vec(step(), 1..30);
    proptest!(config, |(before in steps(), after in steps())| {
        runtime.block_on(async {
            let (source, target) = (from(), into());
            let store = source.open().await;
            let mut world = World::new();
            for step in before {
                world.take(step, &store).await;
            }
            world.take(Step::Commit, &store).await;
            restored(&backup_of(&source).await, &target).await;
            store.close().await.unwrap();
            let store = target.open().await;
            world.check(&store).await;
            for step in after {
                world.take(step, &store).await;
            }
            world.take(Step::Commit, &store).await;
            world.check(&store).await;
        });
    });
}

#[tokio::test]
async fn what_a_server_cannot_bring_into_the_file_is_told_to_be_missing() {
    let home = Home::sqlite();
    let store = home.open().await;
    let mut talk = Conversation::new();
    let turn = talk.turn("Is this there?");
    store
        .commit([vec![talk.create()], turn.to_vec()].concat())
        .await
        .unwrap();
    store.checkpoint().await.unwrap();
    // Another program holds on to the file.
    let options = SqliteConnectOptions::new().filename(home.settings().url_or_path);
    let mut other = options.connect().await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    store.commit(talk.turn("Is this kept?").to_vec()).await.unwrap();
    let done = back_up(&home.settings(), VERSION, Vec::new()).await.unwrap();
    assert!(done.is_behind);
    assert_eq!(done.contents.rows("turns"), 1);
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(contents_of(&home).await.rows("turns"), 2);
}

#[tokio::test]
async fn a_database_that_no_server_has_opened_is_no_source() {
    let home = Home::postgres();
    let error = back_up(&home.settings(), VERSION, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("there is nothing to back up"), "{error}");
    // It is not even made one by looking.
    let database = home.settings().url_or_path;
    let tables = Postgres::shared().sql(
        database.rsplit_once('/').unwrap().1,
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    );
    assert_eq!(tables, "0");
}

#[tokio::test]
async fn a_backup_of_a_later_version_is_told_from_damage() {
    let home = Home::sqlite();
    let store = home.open().await;
    fill(&store).await;
    store.close().await.unwrap();
    let options = SqliteConnectOptions::new().filename(home.settings().url_or_path);
    let mut raw = options.connect().await.unwrap();
    raw.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 0)")
        .await
        .unwrap();
    raw.close().await.unwrap();
    let error = back_up(&home.settings(), VERSION, Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("later version"), "{error}");
}

async fn last_seq(store: &Store, id: SessionId) -> u64 {
    store.rehydrate(id, 1).await.unwrap().unwrap().last_seq
}
