//! What was made of documents for the search index: it goes with its document, and comes back as it was kept.

use std::{collections::BTreeSet, time::Duration};

use orchestratai_store::{DocumentChanges, DocumentId, IndexPart, NewDocument, NewIndexPart, Store};
use serde_json::Map;
use uuid::Uuid;

use crate::home::{Home, on_each_engine};

const LONG: Duration = Duration::from_secs(600);

fn document(path: &str, content: &str) -> NewDocument {
    NewDocument {
        organization: "default".to_owned(),
        collection: "technical".to_owned(),
        root: "/kb".to_owned(),
        path: path.to_owned(),
        title: path.to_owned(),
        content: content.to_owned(),
        front_matter: Map::new(),
        content_hash: format!("hash of {content}"),
    }
}

fn new_part(document: usize, maker: &str, body: &[u8]) -> NewIndexPart {
    NewIndexPart {
        document,
        maker: maker.to_owned(),
        body: body.to_vec(),
    }
}

fn part(document: DocumentId, revision: u64, maker: &str, body: &[u8]) -> IndexPart {
    IndexPart {
        document,
        revision,
        maker: maker.to_owned(),
        body: body.to_vec(),
    }
}

/// Puts documents with parts; gives their ids.
async fn put(store: &Store, put: Vec<NewDocument>, parts: Vec<NewIndexPart>) -> Vec<DocumentId> {
    let changes = DocumentChanges {
        put,
        parts,
        ..DocumentChanges::default()
    };
    store.change_documents(changes).await.unwrap().ids
}

/// The bodies that `maker` has made of a document.
async fn bodies(store: &Store, id: DocumentId, maker: &str) -> Vec<Vec<u8>> {
    let parts = store.index_parts(&[id], &[maker]).await.unwrap();
    parts.into_iter().map(|part| part.body).collect()
}

async fn parts_come_and_go_with_the_content_of_their_document(home: Home) {
    let store = home.open().await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let parts = vec![
        new_part(0, "chunks", b"of a"),
        new_part(0, "vectors", &all_bytes),
        new_part(1, "chunks", b""),
        // Of documents for the same place the last one counts, and of no document there is nothing.
        new_part(2, "chunks", b"of the later c"),
        new_part(7, "chunks", b"of nothing"),
    ];
    let documents = vec![document("a.md", "A"), document("b.md", "B"), document("c.md", "C2")];
    let ids = put(&store, documents, parts).await;
    let mut read = store.index_parts(&ids, &["chunks", "vectors"]).await.unwrap();
    read.sort_by(|a, b| (a.document, &a.maker).cmp(&(b.document, &b.maker)));
    let mut expected = vec![
        part(ids[0], 1, "chunks", b"of a"),
        part(ids[0], 1, "vectors", &all_bytes),
        part(ids[1], 1, "chunks", b""),
        part(ids[2], 1, "chunks", b"of the later c"),
    ];
    expected.sort_by(|a, b| (a.document, &a.maker).cmp(&(b.document, &b.maker)));
    assert_eq!(read, expected);
    assert_eq!(bodies(&store, ids[0], "another").await, Vec::<Vec<u8>>::new());

    // As it is: what comes with it is passed over. Changed: nothing of before is left.
    let parts = vec![new_part(0, "chunks", b"again"), new_part(1, "chunks", b"of new b")];
    put(&store, vec![document("a.md", "A"), document("b.md", "B2")], parts).await;
    assert_eq!(bodies(&store, ids[0], "chunks").await, [b"of a"]);
    assert_eq!(bodies(&store, ids[1], "chunks").await, [b"of new b"]);
    put(&store, vec![document("a.md", "A3")], Vec::new()).await;
    assert!(
        store
            .index_parts(&ids[..1], &["chunks", "vectors"])
            .await
            .unwrap()
            .is_empty()
    );

    // Of two for one place, only what was made of the last.
    let parts = vec![
        new_part(0, "chunks", b"of the first"),
        new_part(1, "vectors", b"of the last"),
    ];
    let twice = put(&store, vec![document("d.md", "D1"), document("d.md", "D2")], parts).await;
    assert_eq!(twice[0], twice[1]);
    assert!(bodies(&store, twice[0], "chunks").await.is_empty());
    assert_eq!(bodies(&store, twice[0], "vectors").await, [b"of the last"]);

    // Removed: gone, and nothing brings it back.
    let removal = DocumentChanges {
        remove: vec![ids[1]],
        ..DocumentChanges::default()
    };
    store.change_documents(removal).await.unwrap();
    assert!(bodies(&store, ids[1], "chunks").await.is_empty());
    let kept = store.keep_index_parts(vec![part(ids[1], 2, "chunks", b"late")]).await;
    assert_eq!(kept.unwrap(), 0);
    assert!(bodies(&store, ids[1], "chunks").await.is_empty());
    store.close().await.unwrap();
}

async fn what_is_kept_later_is_of_the_present_content_only(home: Home) {
    let store = home.open().await;
    let ids = put(&store, vec![document("a.md", "A"), document("b.md", "B")], Vec::new()).await;
    let without = |maker: &'static str| {
        let store = store.clone();
        async move { store.documents_without_part("default", maker).await.unwrap() }
    };
    assert_eq!(without("vectors").await, BTreeSet::from([ids[0], ids[1]]));
    let parts = vec![part(ids[1], 1, "vectors", b"of b"), part(ids[0], 1, "vectors", b"of a")];
    assert_eq!(store.keep_index_parts(parts).await.unwrap(), 2);
    assert_eq!(without("vectors").await, BTreeSet::new());
    assert_eq!(without("others").await.len(), 2);
    assert!(
        store
            .documents_without_part("nobody", "others")
            .await
            .unwrap()
            .is_empty()
    );
    // Once more, by somebody else.
    let again = vec![part(ids[0], 1, "vectors", b"of a, again")];
    assert_eq!(store.keep_index_parts(again).await.unwrap(), 1);
    assert_eq!(bodies(&store, ids[0], "vectors").await, [b"of a, again"]);

    // By who has not seen that it has changed.
    put(&store, vec![document("a.md", "A2")], Vec::new()).await;
    assert_eq!(without("vectors").await, BTreeSet::from([ids[0]]));
    let late = vec![part(ids[0], 1, "vectors", b"of the old a")];
    assert_eq!(store.keep_index_parts(late).await.unwrap(), 0);
    assert!(bodies(&store, ids[0], "vectors").await.is_empty());
    store.close().await.unwrap();
}

async fn several_keep_the_same_at_once(home: Home) {
    let (store, other) = (home.open().await, home.open_beside().await);
    let documents: Vec<_> = (0..200).map(|number| document(&format!("{number}.md"), "x")).collect();
    let ids = put(&store, documents, Vec::new()).await;
    let parts = |order: Vec<DocumentId>| {
        let each = order.into_iter();
        each.map(|id| part(id, 1, "vectors", &[7; 3_000])).collect::<Vec<_>>()
    };
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    let (one, two) = tokio::join!(
        store.keep_index_parts(parts(ids.clone())),
        other.keep_index_parts(parts(backwards))
    );
    assert_eq!((one.unwrap(), two.unwrap()), (200, 200));
    let read = other.index_parts(&ids, &["vectors"]).await.unwrap();
    assert_eq!(read.len(), 200);
    assert!(read.iter().all(|part| part.body == [7; 3_000]));
    other.close().await.unwrap();
    store.close().await.unwrap();
}

async fn a_claim_holds_until_it_is_kept_or_lapses(home: Home) {
    let (store, other) = (home.open().await, home.open_beside().await);
    let ids = put(&store, vec![document("a.md", "A"), document("b.md", "B")], Vec::new()).await;
    let unknown = DocumentId(Uuid::now_v7());
    let claim = |store: &Store, ids: &[DocumentId], lasts: Duration| {
        let (store, ids) = (store.clone(), ids.to_vec());
        async move { store.claim_index_parts(&ids, "vectors", lasts).await.unwrap() }
    };
    assert_eq!(claim(&store, &[ids[0], unknown], LONG).await, BTreeSet::from([ids[0]]));
    assert_eq!(claim(&other, &ids, LONG).await, BTreeSet::from([ids[1]]));
    assert!(claim(&store, &ids, LONG).await.is_empty());
    // A claim is no part, and none of another maker.
    assert!(bodies(&store, ids[0], "vectors").await.is_empty());
    assert_eq!(
        store.documents_without_part("default", "vectors").await.unwrap().len(),
        2
    );
    let others = store.claim_index_parts(&ids, "others", Duration::from_millis(1)).await;
    assert_eq!(others.unwrap().len(), 2);

    store
        .keep_index_parts(vec![part(ids[0], 1, "vectors", b"of a")])
        .await
        .unwrap();
    assert_eq!(claim(&other, &ids, LONG).await, BTreeSet::from([ids[0]]));
    assert_eq!(
        bodies(&store, ids[0], "vectors").await,
        [b"of a"],
        "it is there while it is made anew"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    let lapsed = other.claim_index_parts(&ids, "others", LONG).await;
    assert_eq!(lapsed.unwrap().len(), 2);
    other.close().await.unwrap();
    store.close().await.unwrap();
}

async fn one_of_many_gets_each_document(home: Home) {
    let store = home.open().await;
    let documents: Vec<_> = (0..100).map(|number| document(&format!("{number}.md"), "x")).collect();
    let ids = put(&store, documents, Vec::new()).await;
    let mut claims = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (store, mut ids) = (home.open_beside().await, ids.clone());
        if number % 2 == 1 {
            ids.reverse();
        }
        claims.spawn(async move { store.claim_index_parts(&ids, "vectors", LONG).await.unwrap() });
    }
    let claimed: Vec<DocumentId> = claims.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 100);
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
    store.close().await.unwrap();
}

async fn what_nobody_uses_goes_and_what_somebody_uses_stays(home: Home) {
    let store = home.open().await;
    let documents: Vec<_> = (0..150).map(|number| document(&format!("{number}.md"), "x")).collect();
    let parts = (0..150)
        .flat_map(|number| [new_part(number, "old", b"old"), new_part(number, "new", b"new")])
        .collect();
    let ids = put(&store, documents, parts).await;
    let count = |maker: &'static str| {
        let (store, ids) = (store.clone(), ids.clone());
        async move { store.index_parts(&ids, &[maker]).await.unwrap().len() }
    };
    // Whose maker is not known yet counts as used until now.
    assert_eq!(store.remove_unused_index_parts(&["new"], LONG).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(store.remove_unused_index_parts(&["new", "old"], LONG).await.unwrap(), 0);
    assert_eq!((count("old").await, count("new").await), (150, 150));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let removed = store
        .remove_unused_index_parts(&["new"], Duration::from_millis(20))
        .await;
    assert_eq!(removed.unwrap(), 150);
    assert_eq!((count("old").await, count("new").await), (0, 150));
    assert_eq!(
        store
            .remove_unused_index_parts(&["new"], Duration::from_millis(20))
            .await
            .unwrap(),
        0
    );
    store.close().await.unwrap();
}

async fn parts_of_any_size_are_kept(home: Home) {
    let store = home.open().await;
    let documents: Vec<_> = (0..12).map(|number| document(&format!("{number}.md"), "x")).collect();
    let large = |number: usize| vec![u8::try_from(number).unwrap(); 900_000 + number];
    let parts = (0..6)
        .map(|number| new_part(number, "vectors", &large(number)))
        .collect();
    let ids = put(&store, documents, parts).await;
    let later = (6..12).map(|number| part(ids[number], 1, "vectors", &large(number)));
    assert_eq!(store.keep_index_parts(later.collect()).await.unwrap(), 6);
    for (number, id) in ids.iter().enumerate() {
        assert!(bodies(&store, *id, "vectors").await == [large(number)], "{number}");
    }
    store.close().await.unwrap();
}

on_each_engine!(
    parts_come_and_go_with_the_content_of_their_document,
    what_is_kept_later_is_of_the_present_content_only,
    several_keep_the_same_at_once,
    a_claim_holds_until_it_is_kept_or_lapses,
    one_of_many_gets_each_document,
    what_nobody_uses_goes_and_what_somebody_uses_stays,
    parts_of_any_size_are_kept,
);
