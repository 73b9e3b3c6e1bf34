//! Sessions as a list, their titles, and whole sessions to take away.

use orchestratai_shared::{ErrorCode, SessionId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::{Answer, Rest},
    cluster,
    server::Server,
};

async fn ask(rest: &Rest, session_id: SessionId, message: &str) -> Answer {
    let answer = rest
        .post("/api/chat", &json!({"message": message, "session_id": session_id}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

async fn patch(rest: &Rest, session_id: SessionId, body: &Value) -> Answer {
    let request = rest.request(Method::PATCH, &format!("/api/session/{session_id}"));
    rest.send(request.json(body)).await
}

async fn listed(rest: &Rest, query: &str) -> Vec<Value> {
    let answer = rest.get(&format!("/api/sessions{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["hasMore"].as_bool(), Some(false), "{}", answer.body);
    answer.body["sessions"].as_array().unwrap().clone()
}

fn ids(sessions: &[Value]) -> Vec<&str> {
    sessions.iter().map(|session| session["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sessions_are_listed_by_their_latest_activity_named_and_found() {
    let server = Server::start().await;
    let rest = server.rest();
    assert!(listed(&rest, "").await.is_empty());
    let (first, second, third) = (SessionId::new(), SessionId::new(), SessionId::new());
    ask(&rest, first, "Can I get a refund\n of my annual plan?").await;
    ask(&rest, second, "How do I rotate an API key?").await;
    ask(&rest, third, "hello there").await;
    ask(&rest, first, "And what does the plan cost?").await;

    let all = listed(&rest, "").await;
    assert_eq!(ids(&all), [first, third, second].map(|id| id.to_string()));
    let session = &all[0];
    assert_eq!(session["preview"], "Can I get a refund of my annual plan?");
    assert_eq!(session["state"], "idle");
    assert_eq!(session["messageCount"], 4);
    assert_eq!(all[2]["agent"], "technical", "{}", all[2]);
    assert!(session.get("title").is_none(), "{session}");
    let read = rest.get(&format!("/api/session/{first}")).await;
    assert_eq!(&read.body, session);

    let named = patch(&rest, first, &json!({"title": " Refund, größer \n"})).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.body);
    assert_eq!(named.body["title"], "Refund, größer");
    assert_eq!(ids(&listed(&rest, "?query=GR%C3%96SSER").await).len(), 0);
    assert_eq!(ids(&listed(&rest, "?query=GR%C3%96%C3%9F").await), [first.to_string()]);
    assert_eq!(
        ids(&listed(&rest, "?query=api%20KEY&limit=200").await),
        [second.to_string()]
    );
    assert_eq!(ids(&listed(&rest, "?query=%20").await).len(), 3);
    let unnamed = patch(&rest, first, &json!({"title": null})).await;
    assert_eq!(&unnamed.body, session);

    // Page by page.
    let page = rest.get("/api/sessions?limit=2").await.body;
    assert_eq!(page["hasMore"], true);
    let last = &page["sessions"][1];
    let (before, at) = (last["id"].as_str().unwrap(), last["lastActivity"].as_str().unwrap());
    assert_eq!(
        ids(&listed(&rest, &format!("?limit=2&before={before}")).await),
        [second.to_string()]
    );
    // It goes on meanwhile, and the next page is the next one all the same.
    ask(&rest, third, "hello again").await;
    let next = listed(&rest, &format!("?limit=2&before={before}&before_activity={at}")).await;
    assert_eq!(ids(&next), [second.to_string()]);

    let erased = rest.delete(&format!("/api/session/{third}")).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT);
    assert_eq!(ids(&listed(&rest, "").await), [first, second].map(|id| id.to_string()));
    check(
        &rest.get(&format!("/api/sessions?before={third}")).await,
        ErrorCode::NotFound,
        None,
    );
    check(
        &patch(&rest, third, &json!({"title": "gone"})).await,
        ErrorCode::NotFound,
        None,
    );
    for (body, field) in [
        (json!({}), "title"),
        (json!({"title": ""}), "title"),
        (json!({"title": 7}), "title"),
        (json!({"title": "x".repeat(121)}), "title"),
    ] {
        check(
            &patch(&rest, first, &body).await,
            ErrorCode::ValidationError,
            Some(field),
        );
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("before=x", "before"),
        ("before_activity=yesterday", "before_activity"),
    ] {
        let answer = rest.get(&format!("/api/sessions?{query}")).await;
        check(&answer, ErrorCode::ValidationError, Some(field));
    }
    let too_long = rest.get(&format!("/api/sessions?query={}", "x".repeat(201))).await;
    check(&too_long, ErrorCode::ValidationError, Some("query"));
}

#[tokio::test]
async fn a_session_is_taken_away_as_a_file() {
    let server = Server::start().await;
    let rest = server.rest();
    let session_id = SessionId::new();
    ask(&rest, session_id, "Can I get a refund of my annual plan?").await;
    patch(&rest, session_id, &json!({"title": "Refund"})).await;
    let path = format!("/api/session/{session_id}/export");
    for address in [path.clone(), format!("{path}?format=json")] {
        let exported = rest.get(&address).await;
        assert_eq!(exported.headers[header::CONTENT_TYPE], "application/json");
        let disposition = exported.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(
            disposition,
            format!("attachment; filename=\"session-{session_id}.json\"")
        );
        let session = rest.get(&format!("/api/session/{session_id}")).await;
        assert_eq!(exported.body["session"], session.body);
        for list in ["messages", "logs"] {
            let read = rest.get(&format!("/api/session/{session_id}/{list}?limit=200")).await;
            assert_eq!(exported.body[list], read.body[list]);
        }
        let events = rest.get(&format!("/api/session/{session_id}/events?limit=1000")).await;
        assert_eq!(exported.body["events"], events.body["events"]);
    }
    let markdown = rest.get(&format!("{path}?format=markdown")).await;
    assert_eq!(markdown.headers[header::CONTENT_TYPE], "text/markdown; charset=utf-8");
    let text = markdown.body.as_str().unwrap();
    assert!(text.starts_with("# Refund\n\n- Session: "), "{text}");
    assert!(text.contains("\n> Can I get a refund of my annual plan?\n"), "{text}");
    assert!(text.contains("\nSources:\n\n- [1] `"), "{text}");
    check(
        &rest.get(&format!("{path}?format=pdf")).await,
        ErrorCode::ValidationError,
        Some("format"),
    );
    let nobody = SessionId::new();
    check(
        &rest.get(&format!("/api/session/{nobody}/export")).await,
        ErrorCode::NotFound,
        None,
    );
}

#[tokio::test]
async fn any_node_lists_names_and_exports_the_sessions_of_all() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    let (here, there) = (SessionId::new(), SessionId::new());
    ask(&one.rest(), here, "hello there").await;
    ask(&other.rest(), there, "Can I get a refund of my annual plan?").await;
    let named = patch(&other.rest(), here, &json!({"title": "Of the other node"})).await;
    assert_eq!(named.status, StatusCode::OK, "{}", named.body);
    for node in [&one, &other] {
        let all = listed(&node.rest(), "").await;
        assert_eq!(ids(&all), [there, here].map(|id| id.to_string()));
        assert_eq!(all[1]["title"], "Of the other node");
        assert_eq!(ids(&listed(&node.rest(), "?query=REFUND").await), [there.to_string()]);
        let exported = node.rest().get(&format!("/api/session/{there}/export")).await;
        assert_eq!(exported.body["messages"].as_array().unwrap().len(), 2);
    }
    // Its owner goes on with it, and it keeps its title.
    ask(&one.rest(), here, "hello again").await;
    let all = listed(&other.rest(), "").await;
    assert_eq!(ids(&all), [here, there].map(|id| id.to_string()));
    assert_eq!(all[0]["title"], "Of the other node");
}
