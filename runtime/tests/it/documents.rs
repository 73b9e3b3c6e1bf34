//! What is in the knowledge base, as people read it.

use orchestratai_shared::{ErrorCode, SessionId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Answer, Rest},
    cluster,
    server::{Launch, Server},
};

async fn upload(rest: &Rest, collection: &str, path: &str, text: &str) -> Answer {
    let form = Form::new()
        .text("collection", collection.to_owned())
        .part("file", Part::text(text.to_owned()).file_name(path.to_owned()));
    let request = rest.request(reqwest::Method::POST, "/api/knowledge/documents");
    let answer = rest.send(request.multipart(form)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer
}

fn collection<'b>(body: &'b Value, name: &str) -> &'b Value {
    let collections = body["collections"].as_array().unwrap();
    let found = collections.iter().find(|collection| collection["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[tokio::test]
async fn a_citation_leads_to_the_passage_that_it_was_taken_from() {
    let server = Server::start().await;
    let rest = server.rest();
    let ask = json!({"message": "Can I get a refund of my annual plan?", "session_id": SessionId::new()});
    let answer = rest.post("/api/chat", &ask).await.body;
    let logs = answer["logs"].as_array().unwrap();
    let search = logs.iter().find(|log| log["type"] == "vector_search").unwrap();
    let chunk = &search["data"]["chunks"][0];
    let (name, source) = (&chunk["metadata"]["collection"], &chunk["source"]);

    let path = format!(
        "/api/knowledge/documents?collection={}&path={}",
        name.as_str().unwrap(),
        source.as_str().unwrap()
    );
    let found = rest.get(&path).await.body;
    assert_eq!(found["documents"].as_array().unwrap().len(), 1, "{found}");
    let id = found["documents"][0]["id"].as_str().unwrap();
    assert_eq!(chunk["metadata"]["documentId"], id);
    let document = rest.get(&format!("/api/knowledge/documents/{id}")).await.body;
    for field in [
        "id",
        "collection",
        "root",
        "path",
        "title",
        "revision",
        "createdAt",
        "updatedAt",
    ] {
        assert_eq!(document[field], found["documents"][0][field]);
    }
    let chunks = document["chunks"].as_array().unwrap();
    let cited = chunks
        .iter()
        .find(|place| place["content"] == chunk["content"])
        .unwrap();
    assert_eq!(cited["headings"], chunk["metadata"]["headings"]);
    let place = |of: &str| usize::try_from(cited[of].as_u64().unwrap()).unwrap();
    let text = &document["content"].as_str().unwrap()[place("start")..place("end")];
    // Links to other documents are reduced to their words in what was found.
    let begin: String = cited["content"].as_str().unwrap().chars().take(20).collect();
    assert!(text.starts_with(&begin), "{text:?} and {begin:?}");

    check(
        &rest
            .get(&format!("/api/knowledge/documents/{}", SessionId::new()))
            .await,
        ErrorCode::NotFound,
        None,
    );
    let nothing = rest
        .get("/api/knowledge/documents?collection=policy&path=nothing.md")
        .await;
    assert_eq!(nothing.body, json!({"documents": [], "hasMore": false}));
}

#[tokio::test]
async fn collections_tell_what_is_in_them_and_who_reads_them() {
    let server = Server::start().await;
    let rest = server.rest();
    let before = rest.get("/api/knowledge/collections").await;
    assert_eq!(before.status, StatusCode::OK, "{}", before.body);
    assert_eq!(before.body["hasMore"], false);
    let billing = collection(&before.body, "billing");
    assert_eq!(billing["agents"], json!(["billing"]));
    let documents = billing["documents"].as_u64().unwrap();
    assert!(
        documents > 5 && billing["chunks"].as_u64().unwrap() > documents,
        "{billing}"
    );
    assert!(billing["updatedAt"].is_string(), "{billing}");

    upload(
        &rest,
        "billing",
        "new.md",
        "# New\n\nA new thing.\n\n## More\n\nAnd [more](x.md) of it.",
    )
    .await;
    upload(&rest, "other", "new.md", "# New\n\nElsewhere.").await;
    let after = rest.get("/api/knowledge/collections").await.body;
    let billing = collection(&after, "billing");
    assert_eq!(billing["documents"], documents + 1);
    let other = collection(&after, "other");
    assert_eq!(
        (&other["documents"], &other["chunks"], &other["agents"]),
        (&json!(1), &json!(1), &json!([]))
    );
    // The same path in two collections is two documents.
    let found = rest.get("/api/knowledge/documents?path=new.md").await.body;
    let found: Vec<_> = found["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["collection"])
        .collect();
    assert_eq!(found, ["other", "billing"], "the one that was changed last first");

    let one = rest
        .get("/api/knowledge/documents?path=new.md&collection=billing")
        .await
        .body;
    let id = one["documents"][0]["id"].as_str().unwrap();
    let document = rest.get(&format!("/api/knowledge/documents/{id}")).await.body;
    let content = document["content"].as_str().unwrap();
    let places: Vec<&str> = (document["chunks"].as_array().unwrap().iter())
        .map(|chunk| {
            let place = |of: &str| usize::try_from(chunk[of].as_u64().unwrap()).unwrap();
            &content[place("start")..place("end")]
        })
        .collect();
    assert_eq!(places, ["A new thing.", "And [more](x.md) of it."]);
}

#[tokio::test]
async fn every_node_reads_what_one_was_given() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    let given = upload(&one.rest(), "notes", "a.md", "# A\n\nOf one node.").await;
    let id = given.body["documents"][0].as_str().unwrap();
    let read = other.rest().get(&format!("/api/knowledge/documents/{id}")).await;
    assert_eq!(read.body["chunks"][0]["content"], "Of one node.");
    let collections = other.rest().get("/api/knowledge/collections").await.body;
    assert_eq!(collection(&collections, "notes")["documents"], 1);
}

#[tokio::test]
async fn documents_are_searched_by_title_and_path_page_by_page() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    for (path, title) in [
        ("guides/keys.md", "Rotating keys"),
        ("guides/100%_sure.md", "Being sure"),
        ("faq.md", "\u{dc}berweisungen"),
        ("keys/old.md", "What there was"),
    ] {
        upload(
            &rest,
            "technical",
            path,
            &format!("# {title}\n\nSomething about zeppelins.\n"),
        )
        .await;
    }
    let paths = async |query: &str| -> Vec<String> {
        let page = rest.get(&format!("/api/knowledge/documents?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let documents = page.body["documents"].as_array().unwrap();
        documents
            .iter()
            .map(|document| document["path"].as_str().unwrap().to_owned())
            .collect()
    };
    // Newest last, as everywhere.
    assert_eq!(paths("search=KEYS").await, ["guides/keys.md", "keys/old.md"]);
    assert_eq!(paths("search=100%25_S").await, ["guides/100%_sure.md"]);
    assert_eq!(paths("search=%C3%BCberweis").await, ["faq.md"]);
    assert_eq!(paths("search=zeppelins").await, [""; 0]);
    assert_eq!(paths("search=%20&collection=technical").await.len(), 4);
    assert_eq!(paths("search=keys&collection=billing").await, [""; 0]);

    let last = rest.get("/api/knowledge/documents?search=keys&limit=1").await.body;
    assert_eq!(
        (&last["hasMore"], &last["documents"][0]["path"]),
        (&json!(true), &json!("keys/old.md"))
    );
    let before = last["documents"][0]["id"].as_str().unwrap();
    let first = rest
        .get(&format!("/api/knowledge/documents?search=keys&limit=1&before={before}"))
        .await
        .body;
    assert_eq!(
        (&first["hasMore"], &first["documents"][0]["path"]),
        (&json!(false), &json!("guides/keys.md"))
    );

    let long = "x".repeat(201);
    let answer = rest.get(&format!("/api/knowledge/documents?search={long}")).await;
    check(&answer, ErrorCode::ValidationError, Some("search"));
    assert_eq!(paths("path=keys/old.md&search=WHAT").await, ["keys/old.md"]);
    assert_eq!(paths("path=keys/old.md&search=rotating").await, [""; 0]);
}
