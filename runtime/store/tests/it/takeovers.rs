//! Sessions that a person has, and what persons say in them.

use orchestratai_shared::{ClientMessageId, EventBody, event::ToolCallStatus};
use orchestratai_store::{CommitError, Store, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    what_a_person_says_is_kept_once_whatever_it_says,
    nothing_of_a_person_is_left_of_a_session_that_is_erased,
    a_person_is_wanted_from_the_first_request_until_one_comes,
);

/// Who is wanted where, and why, those first that have waited longest.
async fn wanted(store: &Store) -> Vec<(orchestratai_shared::SessionId, String, String)> {
    // Requests are read as the database has them: what was committed is waited for.
    store.sessions_with_open_turns().await.unwrap();
    let requests = store.person_requests(10).await.unwrap();
    let request = requests.into_iter().map(|(session, wanted)| {
        let agent = wanted.agent.map_or_else(String::new, |agent| agent.as_str().to_owned());
        (session.id, agent, wanted.reason)
    });
    request.collect()
}

async fn a_person_is_wanted_from_the_first_request_until_one_comes(home: Home) {
    let store = home.open().await;
    let (mut first, mut second) = (Conversation::new(), Conversation::new());
    let entries = vec![
        first.accept("I want my money back"),
        first.escalate("billing", "500 dollars", ToolCallStatus::Started),
    ];
    store.commit(vec![first.create(), first.append(entries)]).await.unwrap();
    assert_eq!(wanted(&store).await, [], "it was begun, and not done");
    let asked = first.escalate("billing", "500 dollars", ToolCallStatus::Succeeded);
    let since = asked.event.at;
    store.commit(vec![first.append(vec![asked])]).await.unwrap();
    let entries = vec![
        second.accept("I want to talk to somebody"),
        second.escalate("policy", "wants a person", ToolCallStatus::Succeeded),
    ];
    store
        .commit(vec![second.create(), second.append(entries)])
        .await
        .unwrap();
    let again = first.escalate("technical", "it is urgent", ToolCallStatus::Succeeded);
    store.commit(vec![first.append(vec![again])]).await.unwrap();
    store.close().await.unwrap();

    let store = home.open().await;
    let expected = |id, agent: &str, reason: &str| (id, agent.to_owned(), reason.to_owned());
    assert_eq!(
        wanted(&store).await,
        [
            expected(first.id, "technical", "it is urgent"),
            expected(second.id, "policy", "wants a person"),
        ]
    );
    assert_eq!(
        store.person_requests(1).await.unwrap()[0].1.since,
        since,
        "since the first request"
    );

    let come = second.take_over("Kim");
    store.commit(vec![second.append(vec![come])]).await.unwrap();
    assert_eq!(wanted(&store).await, [expected(first.id, "technical", "it is urgent")]);
    // A person comes and goes, and is wanted again, all at once.
    let entries = vec![
        first.take_over("Kim"),
        first.release("Kim"),
        first.escalate("billing", "once more", ToolCallStatus::Succeeded),
    ];
    let later = entries[2].event.at;
    store.commit(vec![first.append(entries)]).await.unwrap();
    assert_eq!(wanted(&store).await, [expected(first.id, "billing", "once more")]);
    assert_eq!(store.person_requests(1).await.unwrap()[0].1.since, later);
    store
        .commit(vec![Write::EraseSession { session_id: first.id }])
        .await
        .unwrap();
    assert_eq!(wanted(&store).await, []);
    store.close().await.unwrap();
}

async fn what_a_person_says_is_kept_once_whatever_it_says(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let taken = talk.take_over("Kim");
    let since = taken.event.at;
    let asked = talk.accept("how much?");
    let key = ClientMessageId::new();
    let answered = talk.say_under(key, "7 dollars");
    let (seq, turn_id) = (answered.event.seq, answered.event.turn_id.unwrap());
    store
        .commit(vec![talk.create(), talk.append(vec![taken, asked, answered])])
        .await
        .unwrap();
    let record = store.rehydrate(talk.id, 10).await.unwrap().unwrap();
    let person = record.person.unwrap();
    assert_eq!((person.name.as_str(), person.since), ("Kim", since));
    let found = record.keys.iter().find(|found| found.client_message_id == key).unwrap();
    assert_eq!(
        (found.turn_id, found.accepted_seq, found.ended_seq),
        (turn_id, seq, Some(seq))
    );

    // The same key, of a person or of a user, in this life of the store or in the next.
    let mut store = store;
    for _ in 0..2 {
        let mut again = talk.clone();
        let entry = again.say_under(key, "7 dollars");
        let refused = store.commit(vec![again.append(vec![entry])]).await.unwrap_err();
        assert!(matches!(refused, CommitError::KeyTaken { client_message_id, .. } if client_message_id == key));
        store.close().await.unwrap();
        store = home.open().await;
    }
    // An end of a turn that has ended is none, whoever speaks.
    let mut again = talk.clone();
    again.open.push_back((turn_id, orchestratai_shared::MessageId::new()));
    let entry = again.say("8 dollars");
    let refused = store.commit(vec![again.append(vec![entry])]).await.unwrap_err();
    assert!(
        matches!(refused, CommitError::TurnNotOpen { turn_id: found } if found == turn_id),
        "{refused}"
    );

    // What is said unasked is a turn of its own.
    let unasked = talk.say("anything else?");
    let (seq, turn_id) = (unasked.event.seq, unasked.event.turn_id.unwrap());
    let back = talk.release("Kim");
    store.commit(vec![talk.append(vec![unasked, back])]).await.unwrap();
    let row = store.turn(turn_id).await.unwrap().unwrap();
    assert_eq!((row.accepted_seq, row.ended_seq), (seq, Some(seq)));
    let events = store.turn_events(&row).await.unwrap();
    assert!(matches!(&events[..], [event] if matches!(event.body, EventBody::MessageCompleted(_))));
    let record = store.rehydrate(talk.id, 10).await.unwrap().unwrap();
    assert_eq!(record.person, None);
    assert_eq!((record.keys.len(), record.open_turns.len()), (3, 0));
    store.close().await.unwrap();
}

async fn nothing_of_a_person_is_left_of_a_session_that_is_erased(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let key = ClientMessageId::new();
    let entries = vec![
        talk.take_over("Kim"),
        talk.accept("how much?"),
        talk.say_under(key, "7 dollars"),
    ];
    store.commit(vec![talk.create(), talk.append(entries)]).await.unwrap();
    let erase = Write::EraseSession { session_id: talk.id };
    store.commit(vec![erase]).await.unwrap();
    talk.seq = 0;
    let entry = talk.say_under(key, "7 dollars");
    store
        .commit(vec![talk.create(), talk.append(vec![entry])])
        .await
        .unwrap();
    let record = store.rehydrate(talk.id, 10).await.unwrap().unwrap();
    assert_eq!((record.person, record.keys.len()), (None, 1));
    store.close().await.unwrap();
}
