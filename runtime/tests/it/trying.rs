//! What an agent is, what it has done, and what it would do otherwise.

use orchestratai_shared::{ErrorCode, SessionId};
use orchestratai_testing::{Postgres, Redis};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    bad_input::check,
    client::Rest,
    cluster,
    server::{Launch, Server},
};

const REFUND: &str = "Can I get a refund of my annual plan?";

async fn ask(rest: &Rest, session_id: SessionId, message: &str) -> Value {
    let answer = rest
        .post("/api/chat", &json!({"message": message, "session_id": session_id}))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

async fn try_out(rest: &Rest, agent: &str, body: &Value) -> Value {
    let answer = rest.post(&format!("/api/agents/{agent}/try"), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body
}

async fn turns(rest: &Rest, agent: &str, query: &str) -> Vec<Value> {
    let answer = rest.get(&format!("/api/agents/{agent}/turns{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["turns"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_definition_is_told_and_a_draft_of_another_one_tried_beside_it() {
    let server = Server::start().await;
    let rest = server.rest();
    let definition = rest.get("/api/agents/billing/definition").await;
    assert_eq!(definition.status, StatusCode::OK, "{}", definition.body);
    let definition = definition.body;
    assert_eq!(
        (&definition["id"], &definition["strategy"]),
        (&json!("billing"), &json!("pure_cag"))
    );
    assert_eq!(definition["collections"], json!(["billing"]));
    assert!(definition["limits"]["timeoutSeconds"].is_u64(), "{definition}");
    assert!(definition["examples"][0]["texts"].is_array(), "{definition}");
    check(
        &rest.get("/api/agents/nobody/definition").await,
        ErrorCode::NotFound,
        None,
    );

    let before = rest.get("/metrics").await.body;
    let alone = try_out(&rest, "billing", &json!({"message": REFUND})).await;
    assert!(alone.get("draft").is_none(), "{alone}");
    let current = &alone["current"];
    assert!(current["confidence"].as_f64().unwrap() >= 0.5, "{current}");
    assert!(current["citations"][0]["source"].is_string(), "{current}");
    let kinds: Vec<&str> = (current["logs"].as_array().unwrap().iter())
        .map(|log| log["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["cache", "vector_search", "documents"]);
    assert_eq!(current["logs"][0]["title"], "Passed by the cache");
    assert_eq!((&current["tokensUsed"], &current["cost"]), (&json!(0), &json!(0.0)));

    // The whole definition as a draft changes nothing; another collection does.
    let both = try_out(&rest, "billing", &json!({"message": REFUND, "draft": definition})).await;
    for field in ["answer", "confidence", "citations"] {
        assert_eq!(both["draft"][field], current[field]);
        assert_eq!(both["current"][field], current[field]);
    }
    let draft = json!({"collections": ["technical"], "strategy": "pure_rag"});
    let other = try_out(&rest, "billing", &json!({"message": REFUND, "draft": draft})).await;
    assert_ne!(other["draft"]["answer"], current["answer"]);
    assert_eq!(other["draft"]["logs"][0]["data"]["collection"], "technical");
    // A real turn says what the trial has said.
    let session_id = SessionId::new();
    let real = ask(&rest, session_id, REFUND).await;
    assert_eq!(real["agent"], "billing", "{real}");
    assert_eq!(real["message"], current["answer"]);
    assert_eq!(
        real["metrics"]["cache_status"], "miss",
        "a trial has left something in the cache"
    );

    for (draft, said) in [
        (json!({"strategy": "pure_rga"}), "pure_rag"),
        (json!({"fallbacks": ["nobody"]}), "nobody"),
        (json!({"collections": null}), "collections"),
        (json!({"id": "other"}), "billing"),
        (json!({"speed": 7}), "speed"),
    ] {
        let tried = try_out(&rest, "billing", &json!({"message": REFUND, "draft": draft})).await;
        let error = &tried["draft"]["error"];
        assert_eq!(error["code"], "VALIDATION_ERROR", "{tried}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        assert_eq!(tried["current"]["answer"], current["answer"]);
    }
    for (body, field) in [
        (json!({}), "message"),
        (json!({"message": " "}), "message"),
        (json!({"message": REFUND, "draft": "x"}), "draft"),
    ] {
        check(
            &rest.post("/api/agents/billing/try", &body).await,
            ErrorCode::ValidationError,
            Some(field),
        );
    }
    check(
        &rest.post("/api/agents/nobody/try", &json!({"message": "x"})).await,
        ErrorCode::NotFound,
        None,
    );

    // Nothing of all that is a turn, or a session.
    assert_eq!(turns(&rest, "billing", "").await.len(), 1);
    let sessions = rest.get("/api/sessions").await.body;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
    let counted = |metrics: &Value| {
        let text = metrics.as_str().unwrap().to_owned();
        let line = text
            .lines()
            .find(|line| line.starts_with(r#"orchestratai_turns_total{agent="billing",outcome="completed"}"#));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
    };
    assert_eq!(counted(&rest.get("/metrics").await.body) - counted(&before), 1.0);
}

#[tokio::test]
async fn an_agent_s_history_has_its_turns_of_all_sessions_and_nobody_else_s() {
    let server = Server::start().await;
    let rest = server.rest();
    let (one, other) = (SessionId::new(), SessionId::new());
    ask(&rest, one, "How do I rotate an API key?").await;
    ask(&rest, one, "hello there").await;
    ask(&rest, other, REFUND).await;
    ask(&rest, other, "How do I verify a webhook signature?").await;
    let history = turns(&rest, "technical", "").await;
    let asked: Vec<&str> = history.iter().map(|turn| turn["question"].as_str().unwrap()).collect();
    assert_eq!(
        asked,
        ["How do I rotate an API key?", "How do I verify a webhook signature?"]
    );
    let turn = &history[0];
    assert_eq!(
        (&turn["sessionId"], &turn["outcome"]),
        (&json!(one), &json!("completed"))
    );
    assert_eq!(
        (&turn["tokensUsed"], &turn["cost"], &turn["cacheStatus"]),
        (&json!(0), &json!(0.0), &json!("none"))
    );
    assert!(
        turn["confidence"].is_f64() && turn["latencyMs"].is_u64() && turn["startedAt"].is_string(),
        "{turn}"
    );
    let last = turns(&rest, "technical", "?limit=1").await;
    assert_eq!(last, history[1..]);
    let before = last[0]["turnId"].as_str().unwrap();
    assert_eq!(
        turns(&rest, "technical", &format!("?limit=1&before={before}")).await,
        history[..1]
    );
    assert_eq!(turns(&rest, "orchestrator", "").await.len(), 1);
    check(
        &rest.get(&format!("/api/agents/technical/turns?before={one}")).await,
        ErrorCode::NotFound,
        None,
    );
    check(&rest.get("/api/agents/nobody/turns").await, ErrorCode::NotFound, None);
    rest.delete(&format!("/api/session/{one}")).await;
    assert_eq!(turns(&rest, "technical", "").await, history[1..]);
}

#[tokio::test]
async fn trials_are_bounded_and_turns_go_on_beside_them() {
    let server = Launch::new().start().await;
    let rest = server.rest();
    let trials = (0..12).map(|_| {
        let rest = rest.clone();
        tokio::spawn(async move {
            rest.post(
                "/api/agents/technical/try",
                &json!({"message": "How do I rotate an API key?"}),
            )
            .await
        })
    });
    let trials: Vec<_> = trials.collect();
    ask(&rest, SessionId::new(), REFUND).await;
    for trial in trials {
        let answer = trial.await.unwrap();
        assert!(
            matches!(answer.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE),
            "{} {}",
            answer.status,
            answer.body
        );
    }
}

#[tokio::test]
async fn questions_that_found_nothing_are_kept_until_something_is_done_about_them() {
    let (database, redis) = (Postgres::shared().database(), Redis::start());
    let [one, other] = cluster::nodes(&database, &redis.url()).await;
    let (rest, there) = (one.rest(), other.rest());
    // Of a specialist's subject, and in none of the documents.
    let unanswered = "What is the API rate limit of the zeppelin docking endpoint in Antarctica?";
    let (session_id, answered) = (SessionId::new(), SessionId::new());
    let nothing = ask(&rest, session_id, unanswered).await;
    assert!(
        nothing["confidence"].as_f64().unwrap() < 0.5 && nothing["agent"] != "orchestrator",
        "{nothing}"
    );
    ask(&there, answered, REFUND).await;
    ask(&there, answered, "hello there").await;

    for node in [&rest, &there] {
        let listed = node.get("/api/knowledge/questions?state=open").await.body;
        let questions = listed["questions"].as_array().unwrap();
        assert_eq!((questions.len(), &listed["hasMore"]), (1, &json!(false)), "{listed}");
        let question = &questions[0];
        assert_eq!(
            (&question["question"], &question["sessionId"]),
            (&json!(unanswered), &json!(session_id))
        );
        assert_eq!(
            (&question["agent"], &question["state"]),
            (&nothing["agent"], &json!("open"))
        );
        assert_eq!(
            (&question["id"], &question["confidence"]),
            (&question["turnId"], &nothing["confidence"])
        );
        assert!(
            question["askedAt"].is_string() && question.get("note").is_none(),
            "{question}"
        );
    }
    let listed = rest.get("/api/knowledge/questions").await.body;
    let id = listed["questions"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/knowledge/questions/{id}");
    let change = async |body: Value| {
        there
            .send(there.request(reqwest::Method::PATCH, &path).json(&body))
            .await
    };
    let done = change(json!({"state": "done", "note": " in zeppelin.md "})).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!(
        (&done.body["state"], &done.body["note"]),
        (&json!("done"), &json!("in zeppelin.md"))
    );
    assert_eq!(
        rest.get("/api/knowledge/questions?state=open").await.body["questions"],
        json!([])
    );
    let kept = change(json!({"state": "open"})).await.body;
    assert_eq!(
        (&kept["state"], &kept["note"]),
        (&json!("open"), &json!("in zeppelin.md"))
    );
    assert!(
        change(json!({"state": "open", "note": null}))
            .await
            .body
            .get("note")
            .is_none()
    );
    for (body, field) in [
        (json!({}), "state"),
        (json!({"state": "shut"}), "state"),
        (json!({"state": "done", "note": "x".repeat(1_001)}), "note"),
    ] {
        check(&change(body).await, ErrorCode::ValidationError, Some(field));
    }
    let unknown = format!("/api/knowledge/questions?before={session_id}");
    check(&rest.get(&unknown).await, ErrorCode::NotFound, None);
    check(
        &rest.get("/api/knowledge/questions?state=shut").await,
        ErrorCode::ValidationError,
        Some("state"),
    );
    rest.delete(&format!("/api/session/{session_id}")).await;
    assert_eq!(there.get("/api/knowledge/questions").await.body["questions"], json!([]));
    check(&change(json!({"state": "done"})).await, ErrorCode::NotFound, None);
}
