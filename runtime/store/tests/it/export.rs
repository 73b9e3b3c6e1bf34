//! Whole sessions as documents.

use orchestratai_shared::{RetrievalLog, SessionId, SessionTitle};
use orchestratai_store::{ExportFormat, SessionExport, StoreError, Write};
use serde_json::Value;

use crate::{
    conversation::Conversation,
    home::{Home, on_each_engine},
};

on_each_engine!(
    json_has_all_of_a_session_as_it_was_when_it_was_asked_for,
    markdown_says_what_was_said,
    what_was_erased_meanwhile_is_no_whole_document,
);

async fn whole(mut export: SessionExport) -> String {
    let mut text = String::new();
    while let Some(piece) = export.next().await.unwrap() {
        text += &piece;
    }
    text
}

async fn json_has_all_of_a_session_as_it_was_when_it_was_asked_for(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    let empty = store
        .export_session(talk.id, ExportFormat::Json)
        .await
        .unwrap()
        .unwrap();
    let empty: Value = serde_json::from_str(&whole(empty).await).unwrap();
    for list in ["messages", "logs", "events"] {
        assert_eq!(empty[list], Value::Array(Vec::new()));
    }

    // More than is read at once.
    let turns: Vec<Write> = (0..300).flat_map(|n| talk.turn(&format!("question {n}"))).collect();
    store.commit(turns).await.unwrap();
    let title = SessionTitle::parse("Many \"questions\"").unwrap();
    store.set_session_title(talk.id, Some(&title)).await.unwrap();
    let export = store
        .export_session(talk.id, ExportFormat::Json)
        .await
        .unwrap()
        .unwrap();
    store.commit(talk.turn("too late").to_vec()).await.unwrap();
    let exported: Value = serde_json::from_str(&whole(export).await).unwrap();
    assert_eq!(exported["session"]["id"], talk.id.to_string());
    assert_eq!(exported["session"]["title"], "Many \"questions\"");
    assert_eq!(exported["session"]["messageCount"], 600);
    let mut messages = store.messages(talk.id, 1_000, None).await.unwrap().items;
    messages.truncate(600);
    assert_eq!(exported["messages"], serde_json::to_value(messages).unwrap());
    let mut logs = store.logs(talk.id, 1_000, None).await.unwrap().items;
    logs.truncate(900);
    let found: Vec<RetrievalLog> = serde_json::from_value(exported["logs"].clone()).unwrap();
    assert_eq!(found, logs);
    let page = store
        .events_after(talk.id, 0, 1_500, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    let events: Vec<Value> = (page.frames.iter())
        .map(|frame| serde_json::from_str(&frame.text).unwrap())
        .collect();
    assert_eq!(exported["events"], Value::Array(events));
    let nobody = store
        .export_session(SessionId::new(), ExportFormat::Json)
        .await
        .unwrap();
    assert!(nobody.is_none());
}

async fn markdown_says_what_was_said(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let mut batch = vec![talk.create()];
    batch.extend(talk.turn("# No heading\nof ours"));
    for end in 0..3 {
        let accepted = talk.accept(&format!("and {end}"));
        let end = match end {
            0 => talk.fail(),
            1 => talk.cancel(Some("half an ans")),
            _ => talk.cancel(None),
        };
        batch.push(talk.append(vec![accepted, end]));
    }
    store.commit(batch).await.unwrap();
    let export = store
        .export_session(talk.id, ExportFormat::Markdown)
        .await
        .unwrap()
        .unwrap();
    let text = whole(export).await;
    let said: Vec<&str> = (text.lines())
        // But for times, which differ.
        .map(|line| line.split(" · 20").next().unwrap())
        .filter(|line| !line.is_empty() && !line.starts_with("- Began") && !line.starts_with("- Last"))
        .collect();
    let head = [format!("# Session {}", talk.id), format!("- Session: {}", talk.id)];
    let expected = [
        head[0].as_str(),
        head[1].as_str(),
        "- Messages: 6",
        "- Tokens: 16",
        "- Cost: 0.000001 USD",
        "## User",
        "> # No heading",
        "> of ours",
        "## technical",
        "Answer to # No heading",
        "of ours",
        "Sources:",
        "- [1] `api/webhooks.md`",
        "## User",
        "> and 0",
        "*Failed: the model went away (UPSTREAM_ERROR)*",
        "## User",
        "> and 1",
        "## Assistant",
        "half an ans",
        "*Cancelled*",
        "## User",
        "> and 2",
        "*Cancelled*",
    ];
    assert_eq!(said, expected);
    assert!(text.contains(" · confidence 0.87\n"), "{text}");
    let title = SessionTitle::parse("Webhooks").unwrap();
    store.set_session_title(talk.id, Some(&title)).await.unwrap();
    let export = store
        .export_session(talk.id, ExportFormat::Markdown)
        .await
        .unwrap()
        .unwrap();
    assert!(whole(export).await.starts_with("# Webhooks\n"));
}

async fn what_was_erased_meanwhile_is_no_whole_document(home: Home) {
    let store = home.open().await;
    let mut talk = Conversation::new();
    let batch = [vec![talk.create()], talk.turn("one").to_vec()].concat();
    store.commit(batch).await.unwrap();
    for format in [ExportFormat::Json, ExportFormat::Markdown] {
        let mut export = store.export_session(talk.id, format).await.unwrap().unwrap();
        export.next().await.unwrap().unwrap();
        if format == ExportFormat::Json {
            continue;
        }
        let erase = Write::EraseSession { session_id: talk.id };
        store.commit(vec![erase]).await.unwrap();
        let error = loop {
            match export.next().await {
                Ok(piece) => assert!(piece.is_some(), "it ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
    }
}
