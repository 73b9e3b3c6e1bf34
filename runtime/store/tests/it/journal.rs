//! What was committed is what is read.

use orchestratai_shared::EventBody;
use orchestratai_store::{CommitError, JournalEntry, Store, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

fn texts(entries: &[JournalEntry]) -> Vec<String> {
    entries.iter().map(|entry| entry.frame.to_string()).collect()
}

async fn stored(store: &Store, conversation: &Conversation) -> Vec<String> {
    let page = store
        .events_after(conversation.id, 0, usize::MAX, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(page.frames.iter().map(|frame| frame.seq).eq(1..=page.last_seq));
    page.frames.iter().map(|frame| frame.text.to_string()).collect()
}

async fn a_turn_is_read_as_it_was_written(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let accepted = talk.accept("Wie geht \"das\"? 🦀");
    let turn_id = talk.open[0].0;
    let rest = vec![
        talk.log("Routed"),
        talk.log("Read"),
        talk.complete("So [1].", 1_200, 0.001_234),
    ];
    let frames = texts(&[std::slice::from_ref(&accepted), &rest[..]].concat());

    store
        .commit(vec![talk.create(), talk.append(vec![accepted.clone()])])
        .await
        .unwrap();
    let record = store.rehydrate(talk.id, 10).await.unwrap().unwrap();
    assert_eq!(record.open_turns.len(), 1);
    assert_eq!(record.open_turns[0].events, [(*accepted.event).clone()]);
    assert_eq!(store.sessions_with_open_turns().await.unwrap(), [talk.id]);

    store.commit(vec![talk.append(rest.clone())]).await.unwrap();
    assert_eq!(stored(&store, &talk).await, frames);
    for (seq, frame) in (1..).zip(&frames) {
        assert_eq!(*store.event_at(talk.id, seq).await.unwrap().unwrap().text, **frame);
    }
    assert_eq!(store.event_at(talk.id, 0).await.unwrap(), None);
    assert_eq!(store.event_at(talk.id, 5).await.unwrap(), None);

    let record = store.rehydrate(talk.id, 10).await.unwrap().unwrap();
    assert_eq!(
        (record.last_seq, record.open_turns.len(), record.erased_through),
        (4, 0, 0)
    );
    assert_eq!(&*record.organization, "default");
    assert_eq!(record.session.total_tokens, 1_200);
    assert_eq!(record.session.total_cost, 0.001_234);
    assert_eq!(record.session.message_count, 2);
    assert_eq!(record.session.last_activity, rest[2].event.at);
    assert_eq!(store.session(talk.id).await.unwrap(), Some(record.session.clone()));
    let (EventBody::MessageAccepted(question), EventBody::MessageCompleted(answer)) =
        (&accepted.event.body, &rest[2].event.body)
    else {
        unreachable!()
    };
    assert_eq!(record.transcript, [question.message.clone(), answer.message.clone()]);
    assert_eq!(record.keys.len(), 1);
    let key = record.keys[0];
    assert_eq!(
        (key.client_message_id, key.turn_id),
        (question.client_message_id, turn_id)
    );
    assert_eq!((key.accepted_seq, key.ended_seq), (1, Some(4)));

    let turn = store.turn(turn_id).await.unwrap().unwrap();
    assert_eq!(
        (turn.session_id, turn.accepted_seq, turn.ended_seq),
        (talk.id, 1, Some(4))
    );
    assert_eq!(turn.ended_at, Some(rest[2].event.at));
    let events = store.turn_events(&turn).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(store.sessions_with_open_turns().await.unwrap().is_empty());
}

async fn a_turn_and_its_end_may_come_in_one_batch(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let turns: Vec<Write> = (0..5).flat_map(|n| talk.turn(&format!("question {n}"))).collect();
    store.commit([vec![talk.create()], turns].concat()).await.unwrap();
    let record = store.rehydrate(talk.id, 3).await.unwrap().unwrap();
    assert_eq!(
        (
            record.last_seq,
            record.session.message_count,
            record.session.total_tokens
        ),
        (25, 10, 50)
    );
    assert_eq!(record.session.total_cost, 0.000_005);
    assert!(
        record
            .keys
            .iter()
            .map(|key| key.ended_seq)
            .eq((1..=5).map(|n| Some(n * 5)))
    );
    assert_eq!(record.transcript.len(), 3);
    assert_eq!(record.transcript[2].content, "Answer to question 4");
}

async fn one_batch_holds_many_sessions(home: Home) {
    let store = home.open().await;
    let mut talks: Vec<Conversation> = (0..600).map(|_| Conversation::new()).collect();
    store
        .commit(talks.iter().map(Conversation::create).collect())
        .await
        .unwrap();
    for round in 0..3 {
        let batch = talks
            .iter_mut()
            .flat_map(|talk| talk.turn(&format!("round {round}")))
            .collect();
        store.commit(batch).await.unwrap();
    }
    store.close().await.unwrap();

    let store = home.open().await;
    assert!(!store.is_new());
    for talk in &talks {
        assert_eq!(stored(&store, talk).await.len(), 15);
        let record = store.rehydrate(talk.id, 100).await.unwrap().unwrap();
        assert_eq!(
            (record.last_seq, record.transcript.len(), record.keys.len()),
            (15, 6, 3)
        );
    }
}

async fn a_page_of_events_ends_at_its_bounds_and_the_next_begins_there(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let turns: Vec<Write> = (0..60).flat_map(|n| talk.turn(&format!("question {n}"))).collect();
    store.commit([vec![talk.create()], turns].concat()).await.unwrap();
    let all = stored(&store, &talk).await;
    assert_eq!(all.len(), 300);
    for (max_events, max_bytes) in [
        (1, usize::MAX),
        (7, usize::MAX),
        (usize::MAX, 1),
        (usize::MAX, 3_000),
        (1_000, 1 << 20),
    ] {
        let mut read = Vec::new();
        loop {
            let page = store
                .events_after(talk.id, read.len() as u64, max_events, max_bytes)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(page.last_seq, 300);
            if page.frames.is_empty() {
                break;
            }
            let bytes: usize = page.frames.iter().map(|frame| frame.text.len()).sum();
            assert!(page.frames.len() <= max_events && (bytes <= max_bytes || page.frames.len() == 1));
            for frame in page.frames {
                assert_eq!(frame.seq, read.len() as u64 + 1);
                read.push(frame.text.to_string());
            }
        }
        assert_eq!(read, all);
    }
    assert_eq!(store.events_after(Conversation::new().id, 0, 1, 1).await.unwrap(), None);
    assert!(
        store
            .events_after(talk.id, u64::MAX, 1, 1)
            .await
            .unwrap()
            .unwrap()
            .frames
            .is_empty()
    );
}

async fn what_does_not_follow_is_refused_and_nothing_of_its_batch_is_written(home: Home) {
    let store = home.open().await;
    let (mut talk, mut other) = (Conversation::new(), Conversation::new());
    let first = talk.turn("first");
    store
        .commit([vec![talk.create(), other.create()], first.to_vec()].concat())
        .await
        .unwrap();
    let before = (stored(&store, &talk).await, store.rehydrate(talk.id, 9).await.unwrap());

    let second = talk.turn("second");
    let good = other.turn("good");
    let mut stranger = Conversation::new();
    let stranger_turn = stranger.turn("who?");
    let mut cross = Conversation::new();
    let mut foreign = talk.append(vec![]);
    if let Write::Append(append) = &mut foreign {
        append.entries = vec![cross.accept("not mine")];
    }
    let mut twice = Conversation::new();
    twice.id = other.id;
    let again = {
        let _accepted = twice.accept("x");
        let mut end = twice.complete("ends nothing", 0, 0.0);
        let mut event = (*end.event).clone();
        event.seq = 1;
        end.frame = serde_json::to_string(&event).unwrap().into();
        end.event = event.into();
        other.append(vec![end])
    };
    let cases: [(&str, Vec<Write>); 6] = [
        ("gap", vec![second[1].clone()]),
        ("repeat", first.to_vec()),
        ("gap inside", vec![second[1].clone(), second[0].clone()]),
        ("unknown", stranger_turn.to_vec()),
        ("foreign", vec![foreign]),
        ("not open", vec![again]),
    ];
    for (name, bad) in cases {
        // The good writes stand before and would have been written.
        let prefix = if name == "not open" { vec![] } else { good.to_vec() };
        let error = store.commit([prefix, bad].concat()).await.unwrap_err();
        assert!(!error.is_retryable(), "{name}: {error}");
        let as_expected = match name {
            "unknown" => matches!(error, CommitError::UnknownSession { session_id } if session_id == stranger.id),
            "foreign" => matches!(error, CommitError::Malformed { .. }),
            "not open" => matches!(error, CommitError::TurnNotOpen { .. }),
            "gap" => matches!(
                error,
                CommitError::OutOfOrder {
                    expected: 6,
                    found: 7,
                    ..
                }
            ),
            "repeat" => matches!(
                error,
                CommitError::OutOfOrder {
                    expected: 6,
                    found: 1,
                    ..
                }
            ),
            _ => matches!(error, CommitError::OutOfOrder { .. }),
        };
        assert!(as_expected, "{name}: {error:?}");
        assert_eq!(
            (stored(&store, &talk).await, store.rehydrate(talk.id, 9).await.unwrap()),
            before,
            "{name}"
        );
        assert!(stored(&store, &other).await.is_empty(), "{name}");
    }
    // And it goes on.
    store.commit([good.to_vec(), second.to_vec()].concat()).await.unwrap();
    assert_eq!(stored(&store, &talk).await.len(), 10);
}

async fn an_idempotency_key_is_taken_once_in_a_session(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let first = talk.accept("once");
    let mut second = talk.accept("twice");
    let (EventBody::MessageAccepted(one), mut event) = (&first.event.body, (*second.event).clone()) else {
        unreachable!()
    };
    if let EventBody::MessageAccepted(two) = &mut event.body {
        two.client_message_id = one.client_message_id;
    }
    second.event = event.into();
    store
        .commit(vec![talk.create(), talk.append(vec![first])])
        .await
        .unwrap();
    let error = store.commit(vec![talk.append(vec![second])]).await.unwrap_err();
    assert!(
        matches!(error, CommitError::KeyTaken { session_id, .. } if session_id == talk.id),
        "{error:?}"
    );
    assert_eq!(stored(&store, &talk).await.len(), 1);
}

async fn readers_see_only_whole_commits_while_the_writer_works(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    let id = talk.id;
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let record = store.rehydrate(id, 1_000).await.unwrap().unwrap();
                assert_eq!(record.last_seq % 5, 0);
                assert_eq!(record.transcript.len() as u64, record.session.message_count);
                assert_eq!(record.keys.len() as u64 * 5, record.last_seq);
                if record.last_seq == 500 {
                    break;
                }
            }
        })
    };
    for n in 0..100 {
        let turn = talk.turn(&format!("question {n}"));
        store.commit(turn.to_vec()).await.unwrap();
    }
    reader.await.unwrap();
}

on_each_engine!(
    a_turn_is_read_as_it_was_written,
    a_turn_and_its_end_may_come_in_one_batch,
    one_batch_holds_many_sessions,
    a_page_of_events_ends_at_its_bounds_and_the_next_begins_there,
    what_does_not_follow_is_refused_and_nothing_of_its_batch_is_written,
    an_idempotency_key_is_taken_once_in_a_session,
    readers_see_only_whole_commits_while_the_writer_works,
);
