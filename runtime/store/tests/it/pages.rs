//! Pages of messages and logs.

use orchestratai_shared::{LogId, MessageId};
use orchestratai_store::{StoreError, Write};

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

async fn pages_backwards_give_all_once_and_in_order(home: Home) {
    let store = home.open().await;
    let (mut talk, mut other) = (Conversation::new(), Conversation::new());
    let turns: Vec<Write> = (0..40).flat_map(|n| talk.turn(&format!("question {n}"))).collect();
    store
        .commit([vec![talk.create(), other.create()], turns, other.turn("else").to_vec()].concat())
        .await
        .unwrap();

    let all_messages = store.messages(talk.id, 1_000, None).await.unwrap();
    let all_logs = store.logs(talk.id, 1_000, None).await.unwrap();
    assert_eq!((all_messages.items.len(), all_messages.has_more), (80, false));
    assert_eq!((all_logs.items.len(), all_logs.has_more), (120, false));
    assert_eq!(all_messages.items[0].content, "question 0");
    assert_eq!(all_messages.items[79].content, "Answer to question 39");

    for limit in [1, 3, 79, 80, 120] {
        let mut messages = Vec::new();
        let mut before: Option<MessageId> = None;
        loop {
            let page = store.messages(talk.id, limit, before).await.unwrap();
            assert_eq!(page.items.len(), limit.min(80 - messages.len()));
            before = page.items.first().map(|message| message.id);
            messages.splice(0..0, page.items);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(messages, all_messages.items);

        let mut logs = Vec::new();
        let mut before: Option<LogId> = None;
        loop {
            let page = store.logs(talk.id, limit, before).await.unwrap();
            assert_eq!(page.items.len(), limit.min(120 - logs.len()));
            before = page.items.first().map(|log| log.id);
            logs.splice(0..0, page.items);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(logs, all_logs.items);
    }

    let elsewhere = store.messages(other.id, 1, None).await.unwrap().items[0].id;
    for before in [MessageId::new(), elsewhere] {
        let error = store.messages(talk.id, 1, Some(before)).await.unwrap_err();
        assert!(matches!(error, StoreError::UnknownCursor));
    }
    let elsewhere = store.logs(other.id, 1, None).await.unwrap().items[0].id;
    for before in [LogId::new(), elsewhere] {
        assert!(matches!(
            store.logs(talk.id, 1, Some(before)).await.unwrap_err(),
            StoreError::UnknownCursor
        ));
    }
    let nobody = Conversation::new().id;
    assert!(store.messages(nobody, 5, None).await.unwrap().items.is_empty());
    assert!(store.logs(nobody, 5, None).await.unwrap().items.is_empty());
}

on_each_engine!(pages_backwards_give_all_once_and_in_order,);
