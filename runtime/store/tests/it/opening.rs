//! Opening what can be opened, and clear errors for the rest.

use std::{error::Error, path::Path};

use orchestratai_store::{CommitError, OpenError, Store, StoreError, StoreSettings};
use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};

use crate::{conversation::Conversation, open, open_beside};

async fn refused(url_or_path: &str) -> OpenError {
    let settings = StoreSettings {
        url_or_path: url_or_path.to_owned(),
        ..StoreSettings::sqlite(Path::new("unused.db"))
    };
    Store::open(&settings).await.expect_err("it does not open")
}

#[tokio::test]
async fn the_epoch_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("made/on/the/way");
    let store = open(&deep).await;
    assert!(store.is_new());
    let epoch = store.epoch().to_owned();
    store.ping().await.unwrap();
    store.close().await.unwrap();
    assert!(
        !deep.join("orchestratai.db-wal").exists(),
        "a closed store leaves one file"
    );
    let store = open(&deep).await;
    assert!(!store.is_new());
    assert_eq!(store.epoch(), epoch);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(open(elsewhere.path()).await.epoch(), epoch);
}

#[tokio::test]
async fn two_that_open_a_new_database_at_once_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = tokio::join!(open(folder.path()), open_beside(folder.path()));
    assert_eq!(one.epoch(), two.epoch());
    assert!(one.is_new() != two.is_new());
}

#[tokio::test]
async fn one_at_a_time_writes_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Conversation::new();
    let turn = talk.turn("who writes?");
    let first = open(folder.path()).await;
    first
        .commit([vec![talk.create()], turn.to_vec()].concat())
        .await
        .unwrap();
    assert!(first.session(talk.id).await.unwrap().is_some());

    let beside = open_beside(folder.path()).await;
    assert!(beside.session(talk.id).await.unwrap().is_some());
    let error = beside.commit(vec![Conversation::new().create()]).await.unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::ReadOnly)), "{error:?}");

    // Who wants to write as well waits until the first one has ended.
    let path = folder.path().to_owned();
    let second = tokio::spawn(async move { open(&path).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    let turn = talk.turn("still the first");
    first.commit(turn.to_vec()).await.unwrap();
    drop(first);
    let second = second.await.unwrap();
    assert_eq!(second.rehydrate(talk.id, 9).await.unwrap().unwrap().last_seq, 10);
}

#[tokio::test]
async fn a_commit_log_that_cannot_be_taken_up_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut talk = Conversation::new();
    let flushed = StoreSettings::sqlite(&folder.path().join("orchestratai.db"));
    let store = Store::open(&flushed).await.unwrap();
    store.commit(vec![talk.create()]).await.unwrap();
    store.checkpoint().await.unwrap();
    let turn = talk.turn("kept in the log");
    store.commit(turn.to_vec()).await.unwrap();
    // As a crash leaves it, but for the database, which was put back to what it was.
    let elsewhere = tempfile::tempdir().unwrap();
    drop(open(elsewhere.path()).await);
    let log = std::fs::read(folder.path().join("orchestratai.db-log0")).unwrap();
    std::fs::write(elsewhere.path().join("orchestratai.db-log0"), log).unwrap();
    let error = refused(elsewhere.path().join("orchestratai.db").to_str().unwrap()).await;
    assert!(matches!(error, OpenError::CommitLog { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("orchestratai.db-log0") && text.contains("another database"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    std::fs::write(&path, "These are my notes. ".repeat(1_000)).unwrap();
    let error = refused(path.to_str().unwrap()).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("notes.db") && text.contains("backup"), "{text}");
    assert!(error.source().is_some());
    assert_eq!(std::fs::read(&path).unwrap().len(), 20_000, "it is left as it is");
}

#[tokio::test]
async fn a_damaged_database_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut talk = Conversation::new();
    for n in 0..20 {
        let turn = talk.turn(&format!("question {n}"));
        store
            .commit([vec![talk.create()], turn.to_vec()].concat())
            .await
            .unwrap();
    }
    store.close().await.unwrap();
    let path = folder.path().join("orchestratai.db");
    let sound = std::fs::read(&path).unwrap();

    let mut overwritten = sound.clone();
    for page in 2..sound.len() / 4_096 {
        overwritten[page * 4_096..][..64].fill(0x5a);
    }
    std::fs::write(&path, &overwritten).unwrap();
    let error = refused(path.to_str().unwrap()).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");

    std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    let error = refused(path.to_str().unwrap()).await;
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");

    std::fs::write(&path, &sound).unwrap();
    assert_eq!(
        open(folder.path())
            .await
            .rehydrate(talk.id, 1)
            .await
            .unwrap()
            .unwrap()
            .last_seq,
        100
    );
}

#[tokio::test]
async fn a_database_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.close().await.unwrap();
    let path = folder.path().join("orchestratai.db");
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    raw.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 0)")
        .await
        .unwrap();
    raw.close().await.unwrap();
    let error = refused(path.to_str().unwrap()).await;
    assert!(
        matches!(&error, OpenError::Newer { migration, .. } if migration == "m20990101_000001_later"),
        "{error:?}"
    );
    assert!(error.to_string().contains("later version"), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.join("below/orchestratai.db"), folder.path().to_owned()] {
        let error = refused(path.to_str().unwrap()).await;
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_location_of_another_kind_is_refused_without_its_password() {
    for location in [
        "postgres://ada:secret@[db/orchestratai",
        "mysql://ada:secret@db/orchestratai",
        "",
        "sqlite:",
        "sqlite::memory:",
    ] {
        let error = refused(location).await;
        assert!(matches!(error, OpenError::Location { .. }), "{location}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["sqlite:", "sqlite://"] {
        let path = folder.path().join("by-url.db");
        let settings = StoreSettings {
            url_or_path: format!("{scheme}{}?mode=rwc", path.display()),
            ..StoreSettings::sqlite(&path)
        };
        Store::open(&settings).await.unwrap().close().await.unwrap();
        assert!(path.exists());
    }
}
