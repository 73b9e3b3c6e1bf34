//! REST as a web client uses it.

use std::collections::BTreeSet;

use orchestratai_shared::{ClientMessageId, ErrorCode, Message, MessageRole, RetrievalLog, SessionId};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Answer, Rest},
    server::{Launch, Server},
};

const QUESTION: &str = "How do I rotate an API key?";

async fn ask(rest: &Rest, session_id: SessionId, key: ClientMessageId, message: &str) -> Answer {
    let body = json!({"message": message, "session_id": session_id});
    let request = rest.request(Method::POST, "/api/chat").json(&body);
    rest.send(request.header("Idempotency-Key", key.to_string())).await
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_answer_has_all_that_the_contract_names_and_nothing_is_lost_of_it() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    let key = ClientMessageId::new();
    let answer = ask(&rest, session_id, key, QUESTION).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let body = &answer.body;
    assert_eq!(
        keys(body),
        BTreeSet::from(["message", "agent", "confidence", "logs", "metrics", "agent_status"])
    );
    assert_eq!(body["agent"], "technical");
    assert_eq!(
        keys(&body["metrics"]),
        BTreeSet::from(["tokensUsed", "cost", "latency", "cache_status"])
    );
    assert_eq!(body["agent_status"]["technical"], "complete");
    assert_eq!(body["agent_status"]["policy"], "idle");
    let logs: Vec<RetrievalLog> = serde_json::from_value(body["logs"].clone()).unwrap();
    assert!(logs.len() >= 3, "{logs:?}");
    let turn_id = answer.headers["x-turn-id"].clone();

    let repeated = ask(&rest, session_id, key, QUESTION).await;
    assert_eq!(repeated.body, answer.body, "the same key has the same answer");
    assert_eq!(repeated.headers["x-turn-id"], turn_id);
    check(
        &ask(&rest, session_id, key, "Something else?").await,
        ErrorCode::Conflict,
        None,
    );
    let cancelled = rest
        .post(&format!("/api/chat/{}/cancel", turn_id.to_str().unwrap()), &json!({}))
        .await;
    check(&cancelled, ErrorCode::Conflict, None);

    let session = rest.get(&format!("/api/session/{session_id}")).await;
    assert_eq!(session.body["messageCount"], 2, "{}", session.body);
    let messages = rest.get(&format!("/api/session/{session_id}/messages")).await;
    let page: Vec<Message> = serde_json::from_value(messages.body["messages"].clone()).unwrap();
    assert_eq!(
        page.iter().map(|message| message.role).collect::<Vec<_>>(),
        [MessageRole::User, MessageRole::Assistant]
    );
    assert_eq!(page[1].content, body["message"].as_str().unwrap());
    assert_eq!(messages.body["hasMore"], false);
    let stored = rest.get(&format!("/api/session/{session_id}/logs")).await;
    assert_eq!(stored.body["logs"], body["logs"]);
}

#[tokio::test]
async fn pages_end_with_the_newest_and_lead_back_to_the_first() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    for number in 0..3 {
        let answer = ask(
            &rest,
            session_id,
            ClientMessageId::new(),
            &format!("Hello number {number}"),
        )
        .await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    for (kind, each) in [("messages", 2), ("logs", 3)] {
        let path = format!("/api/session/{session_id}/{kind}");
        let whole = rest.get(&format!("{path}?limit=200")).await.body[kind]
            .as_array()
            .unwrap()
            .clone();
        let (mut pages, mut before) = (Vec::new(), String::new());
        loop {
            let page = rest.get(&format!("{path}?limit={each}{before}")).await.body;
            let items = page[kind].as_array().unwrap().clone();
            assert!(items.len() <= each);
            before = format!("&before={}", items[0]["id"].as_str().unwrap());
            pages.splice(0..0, items);
            if page["hasMore"] == false {
                break;
            }
        }
        assert_eq!(pages, whole, "{kind}");
        check(
            &rest.get(&format!("{path}?before={session_id}")).await,
            ErrorCode::NotFound,
            None,
        );
    }
    let events = rest.events(session_id).await;
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
    let page = rest
        .get(&format!("/api/session/{session_id}/events?after_seq=2&limit=2"))
        .await
        .body;
    let found: Vec<_> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["seq"].clone())
        .collect();
    assert_eq!(found, [3, 4]);
    assert_eq!(page["lastSeq"], events.len());
}

#[tokio::test]
async fn a_session_lives_from_post_to_delete() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let created = rest.send(rest.request(Method::POST, "/api/session")).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(keys(&created.body), BTreeSet::from(["session_id", "created_at"]));
    let path = created.headers[header::LOCATION].to_str().unwrap().to_owned();
    let session = rest.get(&path).await;
    assert_eq!(session.body["id"], created.body["session_id"]);
    assert_eq!(session.body["startTime"], created.body["created_at"]);
    assert_eq!(rest.delete(&path).await.status, StatusCode::NO_CONTENT);
    check(&rest.get(&path).await, ErrorCode::NotFound, None);
    check(&rest.delete(&path).await, ErrorCode::NotFound, None);
}

#[tokio::test]
async fn routing_alone_stores_nothing_and_agents_are_listed() {
    let server = Server::start().await;
    let rest = server.rest();
    let decision = rest.post("/api/route", &json!({"message": QUESTION})).await;
    assert_eq!(
        keys(&decision.body),
        BTreeSet::from(["agent", "intent", "confidence", "reasoning", "candidates"])
    );
    assert_eq!(decision.body["agent"], "technical");
    assert_eq!(decision.body["candidates"][0]["agent"], "technical");
    let agents = rest.get("/api/agents").await.body;
    let ids: Vec<_> = agents["agents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| agent["id"].clone())
        .collect();
    assert_eq!(ids.iter().collect::<Vec<_>>().len(), 4, "{ids:?}");
    assert_eq!(rest.get("/api/agents/billing").await.body["name"], "Billing");
}

#[tokio::test]
async fn documents_are_found_when_their_upload_answers_and_gone_when_their_removal_does() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let upload = || async {
        let text =
            b"---\naudience: crew\n---\n# Zeppelin moorings\n\nA zeppelin is moored at the north mast only.".to_vec();
        let file = reqwest::multipart::Part::bytes(text).file_name("air/zeppelin.md");
        let form = reqwest::multipart::Form::new()
            .text("collection", "technical")
            .part("file", file);
        rest.send(rest.request(Method::POST, "/api/knowledge/documents").multipart(form))
            .await
    };
    let search_where = async |filter: Value| {
        let question = json!({"query": "Where is a zeppelin moored?", "filter": filter});
        let found = rest.post("/api/knowledge/search", &question).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.body);
        found.body["chunks"].as_array().unwrap().clone()
    };
    let search = || search_where(json!({}));
    assert!(search().await.is_empty());
    let uploaded = upload().await;
    assert_eq!(uploaded.status, StatusCode::CREATED, "{}", uploaded.body);
    let chunks = search().await;
    assert_eq!(chunks[0]["id"], 0);
    assert_eq!(chunks[0]["source"], "air/zeppelin.md");
    assert!(chunks[0]["metadata"].to_string().contains("bm25"), "{}", chunks[0]);
    assert_eq!(search_where(json!({"audience": ["pilots", "crew"]})).await, chunks);
    assert!(search_where(json!({"audience": ["pilots"]})).await.is_empty());
    assert_eq!(upload().await.status, StatusCode::OK, "it is there already");

    let listed = rest.get("/api/knowledge/documents?collection=technical").await.body;
    assert_eq!(listed["documents"][0]["path"], "air/zeppelin.md");
    let id = uploaded.body["documents"][0].as_str().unwrap();
    assert_eq!(listed["documents"][0]["id"], id);
    let path = format!("/api/knowledge/documents/{id}");
    assert_eq!(rest.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert!(search().await.is_empty());
    check(&rest.delete(&path).await, ErrorCode::NotFound, None);
}

#[tokio::test]
async fn every_answer_has_its_request_id_and_its_security_headers() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    for path in [
        "/api/health",
        "/api/nope",
        "/metrics",
        "/api/docs/",
        "/api/openapi.json",
    ] {
        let answer = rest
            .send(rest.request(Method::GET, path).header("X-Request-Id", "trace-1.2_3"))
            .await;
        assert_eq!(answer.headers["x-request-id"], "trace-1.2_3", "{path}");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer", "{path}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        let made = rest
            .send(rest.request(Method::GET, path).header("X-Request-Id", "not sane"))
            .await;
        assert_ne!(made.headers["x-request-id"], "not sane", "{path}");
    }
    let head = rest.send(rest.request(Method::HEAD, "/api/health")).await;
    assert_eq!((head.status, head.body), (StatusCode::OK, Value::String(String::new())));
    let plain = rest.get("/api/openapi.json").await;
    assert_eq!(plain.body["openapi"], "3.1.0");
    let packed = rest
        .request(Method::GET, "/api/openapi.json")
        .header(header::ACCEPT_ENCODING, "gzip");
    let packed = packed.send().await.unwrap();
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(packed.bytes().await.unwrap().starts_with(&[0x1F, 0x8B]));
}

#[tokio::test]
async fn the_page_of_the_api_loads_nothing_from_elsewhere() {
    let server = Launch::new().argument("--no-demo").start().await;
    let rest = server.rest();
    let page = rest.get("/api/docs").await; // It leads on to the address with a slash.
    assert_eq!(page.status, StatusCode::OK);
    let html = page.body.as_str().unwrap();
    let loaded: Vec<&str> = html
        .split(['"', '\''])
        .filter(|word| word.ends_with(".js") || word.ends_with(".css") || word.contains("://"))
        .collect();
    assert!(
        loaded.iter().any(|file| file.ends_with("swagger-ui-bundle.js")),
        "{html}"
    );
    for file in loaded {
        assert!(!file.contains("//"), "{file} is loaded from elsewhere");
        let answer = rest.get(&format!("/api/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
    }
    assert!(
        !html.contains("<script>"),
        "the page's policy lets no script run that stands in it"
    );
    let start = rest.get("/api/docs/swagger-initializer.js").await;
    assert!(
        start.body.as_str().unwrap().contains("/api/openapi.json"),
        "{}",
        start.body
    );
}

#[tokio::test]
async fn with_a_token_its_bearer_gets_in_by_header_and_by_subprotocol() {
    use futures_util::StreamExt;
    use tokio_tungstenite::{
        connect_async,
        tungstenite::{Error, Message, client::IntoClientRequest},
    };

    const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
    let server = Launch::new()
        .argument("--no-demo")
        .variable("ORCHESTRATAI__AUTH__TOKEN", TOKEN)
        .start()
        .await;
    let stranger = Rest::new(format!("http://{}", server.address()), None);
    for path in ["/api/agents", "/metrics", "/api/openapi.json", "/api/ws", "/api/nope"] {
        let refused = stranger.get(path).await;
        check(&refused, ErrorCode::Unauthenticated, None);
        assert_eq!(refused.headers[header::WWW_AUTHENTICATE], "Bearer");
    }
    for path in [
        "/api/health",
        "/api/health/live",
        "/api/health/ready",
        "/api/health/services",
    ] {
        assert_eq!(stranger.get(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(server.rest().get("/api/agents").await.status, StatusCode::OK);
    let handshake = |protocols: String| {
        let mut request = format!("ws://{}/api/ws", server.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocols.parse().unwrap());
        connect_async(request)
    };
    let (_, answer) = handshake(format!("orchestratai.v1, bearer.{TOKEN}")).await.unwrap();
    assert_eq!(
        answer.headers()["sec-websocket-protocol"],
        "orchestratai.v1",
        "the secret is not sent back"
    );
    // Who sees the status is told by it; a page sees none, and is told by the close code.
    for origin in [None, Some(format!("http://{}", server.address()))] {
        let mut request = format!("ws://{}/api/ws", server.address())
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert(
            "sec-websocket-protocol",
            "orchestratai.v1, bearer.wrong".parse().unwrap(),
        );
        let is_page = origin.is_some();
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Err(Error::Http(answer)) => {
                assert!(!is_page);
                assert_eq!(answer.status(), 401);
            }
            Err(error) => panic!("{error}"),
            Ok((mut socket, _)) => {
                assert!(is_page);
                let Some(Ok(Message::Close(Some(close)))) = socket.next().await else {
                    panic!("the first thing said is a close")
                };
                assert_eq!(u16::from(close.code), 4001);
                while let Some(Ok(_)) = socket.next().await {}
            }
        }
    }
    let text = server.rest().get("/metrics").await.body;
    let counted = "orchestratai_websocket_closes_total{code=\"4001\"} 1";
    assert!(text.as_str().unwrap().contains(counted), "{text}");
    let mut foreign = format!("ws://{}/api/ws", server.address())
        .into_client_request()
        .unwrap();
    foreign
        .headers_mut()
        .insert("origin", "https://other.example".parse().unwrap());
    assert!(matches!(connect_async(foreign).await, Err(Error::Http(answer)) if answer.status() == 403));
}
