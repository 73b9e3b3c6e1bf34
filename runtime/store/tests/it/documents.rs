//! Documents, and two processes that write.

use orchestratai_store::{DocumentChanges, DocumentFilter, DocumentId, DocumentRoot, NewDocument, Store, StoreError};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::{
    child,
    conversation::Conversation,
    home::{Home, on_each_engine},
    open, open_beside,
};

fn document(path: &str, content: &str) -> NewDocument {
    let mut front_matter = Map::new();
    front_matter.insert("tags".to_owned(), json!(["a", 1, {"deep": null}]));
    NewDocument {
        organization: "default".to_owned(),
        collection: "technical".to_owned(),
        root: "/kb".to_owned(),
        path: path.to_owned(),
        title: format!("Title of {path}"),
        content: content.to_owned(),
        front_matter,
        content_hash: format!("hash of {content}"),
    }
}

fn put(documents: Vec<NewDocument>) -> DocumentChanges {
    DocumentChanges {
        put: documents,
        ..DocumentChanges::default()
    }
}

async fn paths(store: &Store, collection: Option<&str>) -> Vec<String> {
    let wanted = DocumentFilter {
        collection: collection.map(str::to_owned),
        holding: None,
    };
    let page = store.documents("default", &wanted, 1_000, None).await.unwrap();
    page.items.into_iter().map(|document| document.path).collect()
}

async fn each_change_raises_the_revision_and_is_seen_by_who_asks_since(home: Home) {
    let store = home.open().await;
    assert_eq!(store.knowledge_revision().await.unwrap(), 0);
    let first = store
        .change_documents(put(vec![document("a.md", "A"), document("b.md", "B")]))
        .await
        .unwrap();
    assert_eq!(
        (first.revision, first.added, first.updated, first.unchanged),
        (1, 2, 0, 0)
    );
    let again = store
        .change_documents(put(vec![document("a.md", "A"), document("b.md", "B")]))
        .await
        .unwrap();
    assert_eq!((again.revision, again.unchanged, &again.ids), (1, 2, &first.ids));

    let second = store
        .change_documents(put(vec![document("b.md", "B2"), document("c.md", "C")]))
        .await
        .unwrap();
    assert_eq!((second.revision, second.added, second.updated), (2, 1, 1));
    assert_eq!(second.ids[0], first.ids[1]);
    let since = store.documents_since(1).await.unwrap();
    assert_eq!(since.revision, 2);
    assert_eq!(
        since
            .changed
            .iter()
            .map(|changed| changed.document.content.as_str())
            .collect::<Vec<_>>(),
        ["B2", "C"]
    );
    assert!(since.removed.is_empty());

    let read = store.document(second.ids[0]).await.unwrap().unwrap();
    assert_eq!(read.document, document("b.md", "B2"));
    assert!(read.updated_at >= read.created_at);

    let removal = DocumentChanges {
        remove: vec![first.ids[0], first.ids[0]],
        ..DocumentChanges::default()
    };
    let third = store.change_documents(removal.clone()).await.unwrap();
    assert_eq!((third.revision, third.removed), (3, 1));
    assert_eq!(
        store.change_documents(removal).await.unwrap().revision,
        3,
        "it is not there any more"
    );
    let since = store.documents_since(2).await.unwrap();
    assert_eq!(since.removed, [(first.ids[0], "technical".to_owned())]);
    assert_eq!(store.document(first.ids[0]).await.unwrap(), None);

    store.set_served_revision(3).await.unwrap();
    store.set_served_revision(2).await.unwrap();
    assert_eq!(store.served_revision().await.unwrap(), 2);
}

async fn replacing_a_root_leaves_other_roots_and_collections(home: Home) {
    let store = home.open().await;
    let elsewhere = NewDocument {
        root: "/other".to_owned(),
        ..document("a.md", "other root")
    };
    let billing = NewDocument {
        collection: "billing".to_owned(),
        ..document("a.md", "billing")
    };
    store
        .change_documents(put(vec![
            elsewhere,
            billing,
            document("a.md", "A"),
            document("b.md", "B"),
        ]))
        .await
        .unwrap();
    let root = DocumentRoot {
        organization: "default".to_owned(),
        collection: "technical".to_owned(),
        root: "/kb".to_owned(),
    };
    let changes = DocumentChanges {
        put: vec![
            document("b.md", "B"),
            document("c.md", "first"),
            document("c.md", "last"),
        ],
        replace_root: Some(root.clone()),
        ..DocumentChanges::default()
    };
    let outcome = store.change_documents(changes).await.unwrap();
    assert_eq!((outcome.added, outcome.unchanged, outcome.removed), (1, 1, 1));
    assert_eq!(outcome.ids[1], outcome.ids[2]);
    assert_eq!(
        store.document(outcome.ids[2]).await.unwrap().unwrap().document.content,
        "last"
    );
    let mut technical = paths(&store, Some("technical")).await;
    technical.sort();
    assert_eq!(technical, ["a.md", "b.md", "c.md"]);
    assert_eq!(paths(&store, Some("billing")).await, ["a.md"]);
    assert_eq!(paths(&store, None).await.len(), 4);
    assert!(
        store
            .documents("somebody else", &DocumentFilter::default(), 9, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

async fn documents_are_found_by_title_and_path(home: Home) {
    let store = home.open().await;
    let titled = |path: &str, title: &str| NewDocument {
        title: title.to_owned(),
        ..document(path, path)
    };
    let mut documents = vec![
        titled("guides/keys.md", "Rotating API keys"),
        titled("guides/100%_sure.md", "Being sure"),
        titled("faq.md", "\u{dc}BERWEISUNG und Erstattung"),
        titled("a[b]*.md", "Patterns"),
        titled("back\\slash.md", "Another"),
    ];
    documents.extend((0..120).map(|n| titled(&format!("many/{n:03}.md"), "One of many keys")));
    store.change_documents(put(documents)).await.unwrap();
    let mut elsewhere = titled("guides/keys.md", "Rotating API keys");
    elsewhere.collection = "billing".to_owned();
    store.change_documents(put(vec![elsewhere])).await.unwrap();
    let find = async |searched: &str, collection: Option<&str>| {
        let wanted = DocumentFilter {
            collection: collection.map(str::to_owned),
            holding: Some(searched.to_owned()),
        };
        let page = store.documents("default", &wanted, 50, None).await.unwrap();
        let mut paths: Vec<String> = page.items.into_iter().map(|document| document.path).collect();
        paths.sort();
        (paths, page.has_more)
    };
    for (searched, expected) in [
        ("rotating api", vec!["guides/keys.md", "guides/keys.md"]),
        (
            "GUIDES/",
            vec!["guides/100%_sure.md", "guides/keys.md", "guides/keys.md"],
        ),
        ("\u{fc}berweisung", vec!["faq.md"]),
        ("0%_s", vec!["guides/100%_sure.md"]),
        ("%", vec!["guides/100%_sure.md"]),
        ("[b]*", vec!["a[b]*.md"]),
        ("\\", vec!["back\\slash.md"]),
        ("text of no document", vec![]),
        // What stands in a document is another question.
        ("Title of", vec![]),
        ("' OR 1=1 --", vec![]),
        ("\0", vec![]),
    ] {
        assert_eq!(find(searched, None).await.0, expected, "{searched:?}");
    }
    assert_eq!(find("rotating", Some("billing")).await.0, ["guides/keys.md"]);

    // Page by page, with what does not match between them.
    let wanted = DocumentFilter {
        collection: Some("technical".to_owned()),
        holding: Some("KEYS".to_owned()),
    };
    let (mut found, mut before) = (0, None);
    loop {
        let page = store.documents("default", &wanted, 50, before).await.unwrap();
        found += page.items.len();
        before = page.items.first().map(|document| document.id);
        if !page.has_more {
            break;
        }
        assert_eq!(page.items.len(), 50);
    }
    assert_eq!(found, 121);
}

async fn many_documents_are_changed_and_listed(home: Home) {
    let store = home.open().await;
    let documents: Vec<NewDocument> = (0..700)
        .map(|n| document(&format!("{n:04}.md"), &format!("text {n}")))
        .collect();
    let outcome = store.change_documents(put(documents)).await.unwrap();
    assert_eq!(outcome.added, 700);
    assert_eq!(store.documents_since(0).await.unwrap().changed.len(), 700);
    let mut read = Vec::new();
    let mut before = None;
    loop {
        let page = store
            .documents("default", &DocumentFilter::default(), 64, before)
            .await
            .unwrap();
        before = page.items.first().map(|document| document.id);
        let older: Vec<_> = page.items.into_iter().map(|document| document.path).collect();
        read.splice(..0, older);
        if !page.has_more {
            break;
        }
    }
    assert!(
        read.iter().map(String::as_str).eq((0..700)
            .map(|n| format!("{n:04}.md"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str))
    );
    for (organization, unknown) in [
        ("somebody else", outcome.ids[9]),
        ("default", DocumentId(Uuid::now_v7())),
    ] {
        let page = store
            .documents(organization, &DocumentFilter::default(), 64, Some(unknown))
            .await;
        assert!(matches!(page, Err(StoreError::UnknownCursor)), "{page:?}");
    }
    let removal = DocumentChanges {
        remove: outcome.ids,
        ..DocumentChanges::default()
    };
    assert_eq!(store.change_documents(removal).await.unwrap().removed, 700);
    assert!(paths(&store, None).await.is_empty());
}

#[test]
#[ignore = "the second process of another test"]
fn writes_documents_in_another_process() {
    let Some(folder) = child::folder() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open_beside(&folder).await;
        for round in 0..40 {
            let documents = (0..50).map(|n| document(&format!("{n}.md"), &format!("{round} {}", "text ".repeat(400))));
            store.change_documents(put(documents.collect())).await.unwrap();
        }
        store.close().await.unwrap();
    });
}

#[tokio::test]
async fn another_process_may_write_documents_while_sessions_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut child = child::start("documents::writes_documents_in_another_process", folder.path());
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    let mut beside = 0_u64;
    let status = loop {
        let turn = talk.turn("still here?");
        store.commit(turn.to_vec()).await.unwrap();
        beside += 1;
        store
            .change_documents(put(vec![document("server.md", &beside.to_string())]))
            .await
            .unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success());
    assert_eq!(store.knowledge_revision().await.unwrap(), 40 + beside);
    assert_eq!(paths(&store, None).await.len(), 51);
    assert_eq!(store.rehydrate(talk.id, 1).await.unwrap().unwrap().last_seq, 5 * beside);
}

async fn what_is_kept_of_a_root_counts_as_unchanged_and_the_rest_goes(home: Home) {
    let store = home.open().await;
    let documents = ["a.md", "b.md", "c.md"].map(|path| document(path, path));
    store.change_documents(put(documents.to_vec())).await.unwrap();
    let root = DocumentRoot {
        organization: "default".to_owned(),
        collection: "technical".to_owned(),
        root: "/kb".to_owned(),
    };
    let hashes = store.content_hashes(&root).await.unwrap();
    assert_eq!((hashes.len(), &hashes["b.md"]), (3, &documents[1].content_hash));
    let elsewhere = DocumentRoot {
        root: "/other".to_owned(),
        ..root.clone()
    };
    assert!(store.content_hashes(&elsewhere).await.unwrap().is_empty());
    let changes = DocumentChanges {
        put: vec![document("b.md", "anew")],
        replace_root: Some(root),
        // One that is put as well, and one that was never there.
        keep: vec!["a.md".to_owned(), "b.md".to_owned(), "gone.md".to_owned()],
        ..DocumentChanges::default()
    };
    let outcome = store.change_documents(changes).await.unwrap();
    assert_eq!(
        (outcome.added, outcome.updated, outcome.unchanged, outcome.removed),
        (0, 1, 1, 1)
    );
    assert_eq!(outcome.ids.len(), 2);
    let mut left = paths(&store, Some("technical")).await;
    left.sort();
    assert_eq!(left, ["a.md", "b.md"]);
}

async fn documents_are_found_by_their_path_and_collections_counted(home: Home) {
    let store = home.open().await;
    assert!(store.collections("default").await.unwrap().is_empty());
    let of = |collection: &str, root: &str, path: &str| NewDocument {
        collection: collection.to_owned(),
        root: root.to_owned(),
        ..document(path, &format!("{collection} {root} {path}"))
    };
    let theirs = NewDocument {
        organization: "theirs".to_owned(),
        ..of("policy", "/kb", "a.md")
    };
    let first = put(vec![of("policy", "/kb", "a.md"), of("policy", "/kb", "b.md"), theirs]);
    store.change_documents(first).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let second = put(vec![of("policy", "/other", "a.md"), of("billing", "/kb", "a.md")]);
    let ids = store.change_documents(second).await.unwrap().ids;

    let at = async |collection| {
        let found = store.documents_at("default", collection, "a.md").await.unwrap();
        found
            .into_iter()
            .map(|found| (found.collection, found.root))
            .collect::<Vec<_>>()
    };
    let place = |collection: &str, root: &str| (collection.to_owned(), root.to_owned());
    assert_eq!(
        at(Some("policy")).await,
        [place("policy", "/other"), place("policy", "/kb")]
    );
    assert_eq!(at(Some("billing")).await, [place("billing", "/kb")]);
    assert_eq!(at(None).await.len(), 3);
    assert!(store.documents_at("default", None, "A.MD").await.unwrap().is_empty());

    let collections = store.collections("default").await.unwrap();
    let counted: Vec<_> = collections
        .iter()
        .map(|found| (found.name.as_str(), found.documents))
        .collect();
    assert_eq!(counted, [("billing", 1), ("policy", 3)]);
    let newest = store.document(ids[0]).await.unwrap().unwrap();
    assert_eq!(collections[1].updated_at, newest.updated_at);
}

on_each_engine!(
    each_change_raises_the_revision_and_is_seen_by_who_asks_since,
    replacing_a_root_leaves_other_roots_and_collections,
    many_documents_are_changed_and_listed,
    documents_are_found_by_title_and_path,
    what_is_kept_of_a_root_counts_as_unchanged_and_the_rest_goes,
    documents_are_found_by_their_path_and_collections_counted,
);
