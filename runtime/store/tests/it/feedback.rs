//! What people think of answers.

use orchestratai_shared::{Feedback, MessageId, MessageRole, Rating};
use orchestratai_store::{ExportFormat, Store, StoreError, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    the_last_word_on_an_answer_counts_until_it_is_taken_back,
    only_answers_of_the_session_itself_are_rated,
    feedback_is_read_page_by_page_in_the_order_of_the_answers,
    what_was_thought_is_erased_with_its_session,
    an_export_has_what_was_thought,
);

async fn answers(store: &Store, talk: &Conversation) -> Vec<MessageId> {
    let messages = store.messages(talk.id, 1_000, None).await.unwrap().items;
    let answers = messages.iter().filter(|message| message.role == MessageRole::Assistant);
    answers.map(|message| message.id).collect()
}

async fn talk_of(store: &Store, turns: usize) -> (Conversation, Vec<MessageId>) {
    let mut talk = Conversation::new();
    let mut batch = vec![talk.create()];
    for turn in 0..turns {
        batch.extend(talk.turn(&format!("question {turn}")));
    }
    store.commit(batch).await.unwrap();
    let answers = answers(store, &talk).await;
    (talk, answers)
}

async fn all(store: &Store, talk: &Conversation) -> Vec<Feedback> {
    store.feedback(talk.id, 1_000, None).await.unwrap().items
}

async fn the_last_word_on_an_answer_counts_until_it_is_taken_back(home: Home) {
    let store = home.open().await;
    let (talk, answers) = talk_of(&store, 1).await;
    assert!(all(&store, &talk).await.is_empty());
    let reason = Some("It is \"wrong\", \u{1f600}".to_owned());
    for (rating, reason, is_news) in [
        (Rating::Down, None, true),
        (Rating::Down, reason, false),
        (Rating::Up, None, true),
    ] {
        let given = store.put_feedback(talk.id, answers[0], rating, reason.clone()).await;
        let given = given.unwrap().expect("there is such an answer");
        assert_eq!(given.is_news, is_news);
        assert_eq!(given.agent.unwrap().as_str(), "technical");
        assert_eq!((given.feedback.rating, &given.feedback.reason), (rating, &reason));
        assert_eq!(all(&store, &talk).await, [given.feedback]);
    }
    let before = all(&store, &talk).await;
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(all(&store, &talk).await, before);
    assert!(store.remove_feedback(talk.id, answers[0]).await.unwrap());
    assert!(!store.remove_feedback(talk.id, answers[0]).await.unwrap());
    assert!(all(&store, &talk).await.is_empty());
}

async fn only_answers_of_the_session_itself_are_rated(home: Home) {
    let store = home.open().await;
    let (talk, answers) = talk_of(&store, 1).await;
    let (other, theirs) = talk_of(&store, 1).await;
    let question = store.messages(talk.id, 2, None).await.unwrap().items[0].id;
    for message in [theirs[0], question, MessageId::new()] {
        let given = store.put_feedback(talk.id, message, Rating::Up, None).await;
        assert_eq!(given.unwrap(), None);
    }
    let nobody = Conversation::new();
    let given = store.put_feedback(nobody.id, answers[0], Rating::Up, None).await;
    assert_eq!(given.unwrap(), None);
    store.put_feedback(talk.id, answers[0], Rating::Up, None).await.unwrap();
    assert!(!store.remove_feedback(other.id, answers[0]).await.unwrap());
    assert!(all(&store, &other).await.is_empty());
    assert_eq!(all(&store, &talk).await.len(), 1);
}

async fn feedback_is_read_page_by_page_in_the_order_of_the_answers(home: Home) {
    let store = home.open().await;
    let (talk, answers) = talk_of(&store, 5).await;
    for index in [3, 0, 4, 1] {
        store
            .put_feedback(talk.id, answers[index], Rating::Down, None)
            .await
            .unwrap();
    }
    let expected = [0, 1, 3, 4].map(|index| answers[index]);
    for limit in 1..6 {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store.feedback(talk.id, limit, before).await.unwrap();
            let ids: Vec<MessageId> = page.items.iter().map(|feedback| feedback.message_id).collect();
            before = ids.first().copied();
            found.splice(0..0, ids);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(found, expected, "{limit} at a time");
    }
    // Any message of the session can be paged from.
    let page = store.feedback(talk.id, 9, Some(answers[2])).await.unwrap();
    assert_eq!(page.items.len(), 2);
    let nobody = store.feedback(talk.id, 9, Some(MessageId::new())).await.unwrap_err();
    assert!(matches!(nobody, StoreError::UnknownCursor));
}

async fn what_was_thought_is_erased_with_its_session(home: Home) {
    let store = home.open().await;
    let (talk, answers) = talk_of(&store, 1).await;
    let put = || store.put_feedback(talk.id, answers[0], Rating::Up, Some("good".to_owned()));
    put().await.unwrap().unwrap();
    store
        .commit(vec![Write::EraseSession { session_id: talk.id }])
        .await
        .unwrap();
    assert_eq!(put().await.unwrap(), None);
    assert!(all(&store, &talk).await.is_empty());
    assert!(!store.remove_feedback(talk.id, answers[0]).await.unwrap());

    // Whichever comes first, nothing is left.
    for _ in 0..20 {
        let (talk, answers) = talk_of(&store, 1).await;
        let erase = store.commit(vec![Write::EraseSession { session_id: talk.id }]);
        let (_, erased) = tokio::join!(store.put_feedback(talk.id, answers[0], Rating::Up, None), erase);
        erased.unwrap();
        assert!(all(&store, &talk).await.is_empty());
    }
}

async fn an_export_has_what_was_thought(home: Home) {
    let store = home.open().await;
    let (talk, answers) = talk_of(&store, 300).await;
    for answer in &answers[1..] {
        store
            .put_feedback(talk.id, *answer, Rating::Down, Some("# No\nheading".to_owned()))
            .await
            .unwrap();
    }
    let feedback = all(&store, &talk).await;
    assert_eq!(feedback.len(), 299);
    let mut json = String::new();
    let mut export = store
        .export_session(talk.id, ExportFormat::Json)
        .await
        .unwrap()
        .unwrap();
    while let Some(piece) = export.next().await.unwrap() {
        json += &piece;
    }
    let exported: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(exported["feedback"], serde_json::to_value(&feedback).unwrap());
    let mut text = String::new();
    let mut export = store
        .export_session(talk.id, ExportFormat::Markdown)
        .await
        .unwrap()
        .unwrap();
    while let Some(piece) = export.next().await.unwrap() {
        text += &piece;
    }
    let rated = "- [1] `api/webhooks.md`\n\n*Rated down*\n\n> # No\n> heading\n";
    assert_eq!(text.matches(rated).count(), 299, "{text}");
}
