//! What only a database server can do: be away, be shared, and lose a connection in the middle.

use std::time::{Duration, Instant};

use orchestratai_shared::ChatSession;
use orchestratai_store::{CommitError, DocumentChanges, NewDocument, OpenError, Store, StoreError, Write};
use orchestratai_testing::Postgres;

use crate::{conversation::Conversation, home::Home};

async fn last_seq(store: &Store, talk: &Conversation) -> u64 {
    let page = store.events_after(talk.id, 0, usize::MAX, usize::MAX).await.unwrap();
    let page = page.unwrap();
    assert!(page.frames.iter().map(|frame| frame.seq).eq(1..=page.last_seq));
    page.last_seq
}

#[tokio::test]
async fn two_that_open_a_new_database_at_once_agree_and_one_has_the_journal() {
    let home = Home::postgres();
    let (one, other) = tokio::join!(home.open(), home.open_beside());
    assert_eq!(one.epoch(), other.epoch());
    assert!(one.is_new() != other.is_new());
    let mut talk = Conversation::new();
    let refused = other.commit(vec![talk.create()]).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::Store(StoreError::ReadOnly)),
        "{refused:?}"
    );
    one.commit(vec![talk.create()]).await.unwrap();
    one.commit(talk.turn("Is this read elsewhere?").to_vec()).await.unwrap();
    assert_eq!(last_seq(&other, &talk).await, last_seq(&one, &talk).await);

    // A second server waits for the first to end, and says so where it does not.
    let began = Instant::now();
    let refused = Store::open(&home.settings()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Taken { .. }), "{refused:?}");
    assert!(began.elapsed() > Duration::from_secs(5));
    let (second, closed) = tokio::join!(home.open(), one.close());
    closed.unwrap();
    assert_eq!(last_seq(&second, &talk).await, 5);
}

#[tokio::test]
async fn documents_written_by_one_process_are_seen_by_another() {
    let home = Home::postgres();
    let (server, command) = (home.open().await, home.open_beside().await);
    let put = |path: &str| DocumentChanges {
        put: vec![NewDocument {
            organization: "default".into(),
            collection: "technical".into(),
            root: "notes".into(),
            path: path.into(),
            title: "A title".into(),
            content: "With a NUL\0in it, which no text of SQL can hold.".into(),
            front_matter: serde_json::from_str(r#"{"b": "x\u0000y", "a": [1, 2.5]}"#).unwrap(),
            content_hash: path.into(),
        }],
        ..DocumentChanges::default()
    };
    let (one, other) = tokio::join!(
        server.change_documents(put("one.md")),
        command.change_documents(put("other.md"))
    );
    let mut revisions = [one.unwrap().revision, other.unwrap().revision];
    revisions.sort_unstable();
    assert_eq!(revisions, [1, 2]);
    let since = server.documents_since(0).await.unwrap();
    assert_eq!((since.revision, since.changed.len()), (2, 2));
    assert_eq!(
        since.changed[0].document.content,
        "With a NUL\u{fffd}in it, which no text of SQL can hold."
    );
    assert_eq!(since.changed[0].document.front_matter["b"], "x\u{fffd}y");
}

#[tokio::test]
async fn a_message_with_a_character_that_no_text_can_hold_is_kept() {
    let home = Home::postgres();
    let store = home.open().await;
    let mut talk = Conversation::new();
    let accepted = talk.accept("before\0after");
    store
        .commit(vec![talk.create(), talk.append(vec![accepted.clone()])])
        .await
        .unwrap();
    // The journal has it as it was said; the read model has what SQL can hold of it.
    assert_eq!(store.event_at(talk.id, 1).await.unwrap().unwrap().text, accepted.frame);
    let transcript = store.messages(talk.id, 9, None).await.unwrap().items;
    assert_eq!(transcript[0].content, "before\u{fffd}after");
}

#[tokio::test]
async fn a_server_that_is_killed_and_comes_back_loses_nothing_and_nothing_is_written_twice() {
    let mut postgres = Postgres::start();
    let home = Home::at(postgres.database());
    let store = home.open().await;
    let mut talks: Vec<Conversation> = (0..4).map(|_| Conversation::new()).collect();
    store
        .commit(talks.iter_mut().map(|talk| talk.create()).collect())
        .await
        .unwrap();
    let writing = {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut rounds, mut talks) = (0_u64, talks);
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(6) {
                // Each round goes on with turns of the round before, so that it waits for the server.
                let batch = talks
                    .iter_mut()
                    .flat_map(|talk| talk.turn("What holds?"))
                    .collect::<Vec<_>>();
                store.commit(batch).await.unwrap();
                rounds += 1;
            }
            (rounds, talks)
        })
    };
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        postgres = tokio::task::spawn_blocking(move || {
            postgres.kill();
            std::thread::sleep(Duration::from_millis(300));
            postgres.start_again();
            postgres
        })
        .await
        .unwrap();
    }
    let (rounds, talks) = writing.await.unwrap();
    assert!(rounds > 20, "{rounds}");
    for talk in &talks {
        assert_eq!(last_seq(&store, talk).await, rounds * 5);
        let record = store.rehydrate(talk.id, 9_999).await.unwrap().unwrap();
        assert_eq!(record.session.message_count, rounds * 2);
    }
    assert!(store.trouble().is_none());
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_comes_new_while_the_server_is_away_is_refused_soon_and_accepted_when_it_is_back() {
    let mut postgres = Postgres::start();
    let home = Home::at(postgres.database());
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    postgres.stop();
    let began = Instant::now();
    let accepted = talk.accept("Is anybody there?");
    let question = talk.append(vec![accepted]);
    let (refused, trouble) = tokio::join!(store.commit(vec![question.clone()]), async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        store.trouble()
    });
    let refused = refused.unwrap_err();
    assert!(refused.is_retryable(), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(trouble.is_some());
    let unread = store.session(talk.id).await.unwrap_err();
    assert!(unread.is_retryable(), "{unread:?}");
    assert!(store.ping().await.is_err());

    postgres.start_again();
    store.commit(vec![question]).await.unwrap();
    assert_eq!(last_seq(&store, &talk).await, 1);
    assert!(store.ping().await.is_ok());
}

#[tokio::test]
async fn what_another_has_written_meanwhile_is_found_out_and_only_that_is_refused() {
    let postgres = Postgres::shared();
    let home = Home::at(postgres.database());
    let store = home.open().await;
    let (mut broken, mut whole) = (Conversation::new(), Conversation::new());
    store.commit(vec![broken.create(), whole.create()]).await.unwrap();
    store
        .commit([broken.turn("one"), whole.turn("one")].concat())
        .await
        .unwrap();
    let database = home.settings().url_or_path;
    let database = database.rsplit_once('/').unwrap().1;
    let id = broken.id;
    postgres.sql(database, &format!("UPDATE sessions SET last_seq = 9 WHERE id = '{id}'"));
    let refused = store
        .commit_each([broken.turn("two"), whole.turn("two")].concat())
        .await
        .unwrap();
    assert!(!refused.is_empty());
    for (place, error) in &refused {
        assert!(*place < 2, "{refused:?}");
        let is_order = matches!(error, CommitError::OutOfOrder { expected: 10, .. });
        assert!(is_order, "{error:?}");
    }
    assert_eq!(last_seq(&store, &whole).await, 10);
}

#[tokio::test]
async fn a_turn_that_another_has_ended_meanwhile_does_not_end_again_and_the_rest_of_the_batch_is_kept() {
    let postgres = Postgres::shared();
    let home = Home::at(postgres.database());
    let store = home.open().await;
    let (mut broken, mut whole) = (Conversation::new(), Conversation::new());
    let mut batch = vec![broken.create(), whole.create()];
    for talk in [&mut broken, &mut whole] {
        let accepted = talk.accept("Who ends this?");
        batch.push(talk.append(vec![accepted]));
    }
    store.commit(batch).await.unwrap();
    let database = home.settings().url_or_path;
    let database = database.rsplit_once('/').unwrap().1;
    let id = broken.id;
    postgres.sql(
        database,
        &format!("UPDATE turns SET ended_seq = 1 WHERE session_id = '{id}'"),
    );
    let ends = [&mut broken, &mut whole].map(|talk| {
        let answer = talk.complete("I do.", 3, 0.5);
        talk.append(vec![answer])
    });
    let refused = store.commit_each(ends.to_vec()).await.unwrap();
    let [(0, CommitError::TurnNotOpen { .. })] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (last_seq(&store, &broken).await, last_seq(&store, &whole).await),
        (1, 2)
    );
    let record = store.rehydrate(whole.id, 9_999).await.unwrap().unwrap();
    assert_eq!((record.session.message_count, record.session.total_tokens), (2, 3));
}

#[tokio::test]
async fn a_session_that_is_made_again_in_the_batch_that_goes_on_with_it_is_left_as_it_is() {
    let home = Home::postgres();
    let store = home.open().await;
    let mut talk = Conversation::new();
    let first = store.commit([vec![talk.create(); 2], talk.turn("one").to_vec()].concat());
    first.await.unwrap();
    let before = store.session(talk.id).await.unwrap().unwrap();
    let again = Write::CreateSession {
        session: ChatSession {
            user_id: Some("another".to_owned()),
            ..talk.session()
        },
        organization: "another".into(),
    };
    let second = store.commit([vec![again], talk.turn("two").to_vec()].concat());
    second.await.unwrap();
    let after = store.session(talk.id).await.unwrap().unwrap();
    assert_eq!((after.user_id, after.start_time), (before.user_id, before.start_time));
    assert_eq!((before.message_count, after.message_count), (2, 4));
    assert_eq!(last_seq(&store, &talk).await, 10);
}

#[tokio::test]
async fn the_view_shows_what_the_logs_endpoint_shows() {
    let postgres = Postgres::shared();
    let home = Home::at(postgres.database());
    let store = home.open().await;
    let mut talk = Conversation::new();
    store
        .commit([vec![talk.create()], talk.turn("one").to_vec()].concat())
        .await
        .unwrap();
    let logs = store.logs(talk.id, 9, None).await.unwrap().items;
    let database = home.settings().url_or_path;
    let database = database.rsplit_once('/').unwrap().1;
    let shown = postgres.sql(
        database,
        &format!(
            "SELECT id || ' ' || title FROM retrieval_logs WHERE session_id = '{}' ORDER BY id",
            talk.id
        ),
    );
    let expected: Vec<String> = logs.iter().map(|log| format!("{} {}", log.id, log.title)).collect();
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_wrong_address_is_told_without_its_password() {
    let refused = |url: String| async move {
        let error = Store::open(&Home::at(url).settings()).await.unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    };
    let port = orchestratai_testing::free_port();
    let nobody = refused(format!("postgres://me:hidden@127.0.0.1:{port}/chat")).await;
    assert!(
        nobody.contains(&format!("postgres://127.0.0.1:{port}/chat")),
        "{nobody}"
    );
    assert!(!nobody.contains("hidden"), "{nobody}");
    let unread = refused("postgres://me:hidden@[nowhere".to_owned()).await;
    assert!(!unread.contains("hidden"), "{unread}");
}
