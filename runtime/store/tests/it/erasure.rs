//! Erased means erased.

use orchestratai_store::Write;
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
    open,
};

fn holds(folder: &std::path::Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test]
async fn nothing_of_an_erased_session_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let secret = "xyzzy-4711-the-secret";
    let mut talks: Vec<Conversation> = (0..8).map(|_| Conversation::new()).collect();
    store
        .commit(talks.iter().map(Conversation::create).collect())
        .await
        .unwrap();
    for round in 0..30 {
        let mut batch = Vec::new();
        for (index, talk) in talks.iter_mut().enumerate() {
            // Payloads of many sizes, with whole pages among them.
            let word = if index % 2 == 0 { secret } else { "harmless" };
            batch.extend(talk.turn(&format!("{round} {}", word.repeat(1 + 40 * (round % 8)))));
        }
        store.commit(batch).await.unwrap();
        if round == 15 {
            store.checkpoint().await.unwrap();
        }
    }
    assert!(!holds(folder.path(), secret).is_empty());
    let erased: Vec<&Conversation> = talks.iter().step_by(2).collect();
    store
        .commit(
            erased
                .iter()
                .map(|talk| Write::EraseSession { session_id: talk.id })
                .collect(),
        )
        .await
        .unwrap();
    for talk in &erased {
        assert_eq!(store.session(talk.id).await.unwrap(), None);
        assert_eq!(store.rehydrate(talk.id, 1).await.unwrap(), None);
        assert_eq!(store.events_after(talk.id, 0, 9, 9).await.unwrap(), None);
        assert_eq!(store.event_at(talk.id, 1).await.unwrap(), None);
        assert!(store.messages(talk.id, 9, None).await.unwrap().items.is_empty());
        assert!(store.logs(talk.id, 9, None).await.unwrap().items.is_empty());
        assert_eq!(store.erased_through(talk.id).await.unwrap(), 150);
    }
    store.checkpoint().await.unwrap();
    assert_eq!(holds(folder.path(), secret), Vec::<String>::new());
    assert!(!holds(folder.path(), "harmless").is_empty());
    assert_eq!(store.rehydrate(talks[1].id, 1).await.unwrap().unwrap().last_seq, 150);
}

#[tokio::test]
async fn the_log_is_emptied_after_an_erasure_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut talk = Conversation::new();
    let turn = talk.turn("plugh-0815");
    store
        .commit([vec![talk.create()], turn.to_vec()].concat())
        .await
        .unwrap();
    store
        .commit(vec![Write::EraseSession { session_id: talk.id }])
        .await
        .unwrap();
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !holds(folder.path(), "plugh-0815").is_empty() {
        assert!(std::time::Instant::now() < limit, "the text is still there");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn an_erased_id_can_begin_anew_and_knows_how_far_the_old_one_went(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let nobody = Conversation::new().id;
    let turn = talk.turn("old");
    // All in one batch: what stands before the erasure is erased, what stands after it is not.
    let mut anew = Conversation::new();
    anew.id = talk.id;
    let fresh = anew.accept("new");
    let erase = Write::EraseSession { session_id: talk.id };
    let batch = [
        vec![talk.create()],
        turn.to_vec(),
        vec![
            erase.clone(),
            Write::EraseSession { session_id: nobody },
            anew.create(),
            anew.append(vec![fresh]),
        ],
    ];
    store.commit(batch.concat()).await.unwrap();
    let record = store.rehydrate(talk.id, 9).await.unwrap().unwrap();
    assert_eq!(
        (record.last_seq, record.erased_through, record.transcript.len()),
        (1, 5, 1)
    );
    assert_eq!(store.erased_through(nobody).await.unwrap(), 0);
    // The second one was shorter: nobody who followed the first may think that it goes on.
    store.commit(vec![erase]).await.unwrap();
    assert_eq!(store.erased_through(talk.id).await.unwrap(), 5);
}

#[tokio::test]
async fn somebody_who_keeps_reading_does_not_hold_up_commits_after_an_erasure() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut talk = Conversation::new();
    let turn = talk.turn("grue-1977");
    store
        .commit([vec![talk.create()], turn.to_vec()].concat())
        .await
        .unwrap();
    let mut operator = SqliteConnectOptions::new()
        .filename(store.location())
        .connect()
        .await
        .unwrap();
    operator.execute("BEGIN; SELECT count(*) FROM messages").await.unwrap();
    store
        .commit(vec![Write::EraseSession { session_id: talk.id }])
        .await
        .unwrap();
    let mut other = Conversation::new();
    store.commit(vec![other.create()]).await.unwrap();
    let started = std::time::Instant::now();
    for _ in 0..20 {
        let turn = other.turn("on we go");
        store.commit(turn.to_vec()).await.unwrap();
    }
    assert!(
        started.elapsed() < std::time::Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    operator.execute("COMMIT").await.unwrap();
    store.checkpoint().await.unwrap();
    assert_eq!(holds(folder.path(), "grue-1977"), Vec::<String>::new());
}

on_each_engine!(an_erased_id_can_begin_anew_and_knows_how_far_the_old_one_went,);
