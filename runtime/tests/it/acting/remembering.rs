//! What people say of themselves: kept through kill -9, told in their later sessions, seen and erased by REST.

use super::*;

fn remember(fact: &str) -> Vec<Said> {
    calls("call_1", "remember_fact", &json!({"fact": fact}))
}

fn keeping(provider: &Provider, agents: &TempDir) -> Launch {
    Launch::new()
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("models.answering", "first")
        .setting("models.first__provider", "openai")
        .setting("models.first__model", "m")
        .setting("models.first__attempts", "1")
        .setting("models.first__base_url", &provider.base_url())
        .setting("memory.enabled", "true")
}

/// A session of a user.
async fn session_of(server: &Server, user: &str) -> String {
    let made = server.rest().post("/api/session", &json!({"userId": user})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.body["session_id"].as_str().unwrap().to_owned()
}

async fn facts(server: &Server, user: &str) -> Vec<Value> {
    let answer = server.rest().get(&format!("/api/users/{user}/memory")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.body["facts"].as_array().unwrap().clone()
}

/// What the provider was told when it was asked for the `at`th time.
fn told(provider: &Provider, at: usize) -> String {
    provider.asked()[at].body["messages"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_outlives_kill_9_and_is_told_until_it_is_erased() {
    let provider = Provider::start(vec![
        remember("I use the Team plan."),
        vec![Said::Text("It is ".into()), Said::Hang],
        says("See [1]."),
        says("See [1]."),
        says("See [1]."),
        says("See [1]."),
    ])
    .await;
    let agents = agents_with("tools = [\"remember_fact\", \"forget_fact\"]\n");
    let launched = keeping(&provider, &agents);
    let server = launched.clone().start().await;
    let first = session_of(&server, "ada@example.com").await;
    let mut socket = server.socket(&format!("?session_id={first}")).await;
    let ready = socket.ready().await;
    assert_eq!(ready.data()["session"]["userId"], "ada@example.com", "{}", ready.0);
    socket.say(&format!("I use the Team plan. {QUESTION}")).await;
    let frames = socket.until(|frame| frame.kind() == "message_delta").await;
    let titles: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame.data()["title"].as_str())
        .collect();
    assert!(
        titles.contains(&"Remembered of this person: “I use the Team plan.”"),
        "{titles:?}"
    );
    let folder = server.kill();

    let server = launched.clone().in_folder_of(&folder).start().await;
    let events = until_ended(&server, first.parse().unwrap()).await;
    assert_eq!(
        statuses(&events),
        [ToolCallStatus::Started, ToolCallStatus::Succeeded],
        "once"
    );
    let known = facts(&server, "ada@example.com").await;
    assert_eq!(known.len(), 1, "{known:?}");
    let turn_id = events.last().unwrap().turn_id.unwrap().to_string();
    assert_eq!(
        (
            &known[0]["text"],
            &known[0]["sessionId"],
            &known[0]["turnId"],
            &known[0]["agent"]
        ),
        (
            &json!("I use the Team plan."),
            &json!(first),
            &json!(turn_id),
            &json!("technical")
        )
    );

    // In a later session of the same person, and of nobody else.
    for (place, user, is_told) in [
        (3, Some("ada@example.com"), true),
        (4, Some("bob"), false),
        (5, None, false),
    ] {
        let query = match user {
            Some(user) => format!("?session_id={}", session_of(&server, user).await),
            None => String::new(),
        };
        let frames = server.socket(&query).await.turn(QUESTION).await;
        assert_eq!(frames.last().unwrap().kind(), "message_completed");
        assert_eq!(provider.asked().len(), place + 1, "{user:?} is answered by the model");
        let told = told(&provider, place);
        assert_eq!(
            told.contains(">I use the Team plan.</fact>"),
            is_told,
            "{user:?}: {told}"
        );
        let says_so = |frame: &Frame| frame.data()["title"] == "Told first 1 fact about this person";
        assert_eq!(frames.iter().any(says_so), is_told, "{user:?}");
    }

    // Bob's page says nothing of Ada, nor does he erase what is hers.
    let id = known[0]["id"].as_str().unwrap();
    let rest = server.rest();
    assert!(facts(&server, "bob").await.is_empty());
    let stranger = rest.delete(&format!("/api/users/bob/memory/{id}")).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND, "{}", stranger.body);
    let erased = rest.delete(&format!("/api/users/ada@example.com/memory/{id}")).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.body);
    // Erased is erased, through kill -9 as well.
    let server = launched.in_folder_of(&server.kill()).start().await;
    assert!(facts(&server, "ada@example.com").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_said_is_erased_with_its_session_or_all_at_once_and_nothing_is_kept_where_it_is_off() {
    let provider = Provider::start(vec![
        remember("I use the Team plan."),
        says("See [1]."),
        remember("I live in Kiel."),
        says("See [1]."),
    ])
    .await;
    let agents = agents_with("tools = [\"remember_fact\"]\n");
    let launched = keeping(&provider, &agents);
    let server = launched.clone().start().await;
    let mut sessions = Vec::new();
    for said in ["I use the Team plan.", "I live in Kiel."] {
        let session = session_of(&server, "ada").await;
        let socket = server.socket(&format!("?session_id={session}")).await;
        { socket }.turn(&format!("{said} {QUESTION}")).await;
        sessions.push(session);
    }
    let texts = |facts: Vec<Value>| facts.iter().map(|fact| fact["text"].clone()).collect::<Vec<_>>();
    assert_eq!(
        texts(facts(&server, "ada").await),
        ["I live in Kiel.", "I use the Team plan."]
    );
    let rest = server.rest();
    assert_eq!(
        rest.delete(&format!("/api/session/{}", sessions[1])).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(texts(facts(&server, "ada").await), ["I use the Team plan."]);

    // Switched off, it is told to nobody and taken from nobody, and is there to be seen and erased.
    let asked = provider.asked().len();
    let folder = server.kill();
    let server = launched
        .in_folder_of(&folder)
        .setting("memory.enabled", "false")
        .start()
        .await;
    let session = session_of(&server, "ada").await;
    server
        .socket(&format!("?session_id={session}"))
        .await
        .turn(&format!("I use Okta. {QUESTION}"))
        .await;
    let last = &provider.asked()[asked].body;
    assert!(
        !last.to_string().contains("said_before") && last.get("tools").is_none(),
        "{last}"
    );
    let rest = server.rest();
    let memory = rest.get("/api/users/ada/memory").await.body;
    assert_eq!(
        (&memory["enabled"], memory["facts"].as_array().unwrap().len()),
        (&json!(false), 1)
    );
    for _ in 0..2 {
        assert_eq!(
            rest.delete("/api/users/ada/memory").await.status,
            StatusCode::NO_CONTENT
        );
        assert!(facts(&server, "ada").await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_users_and_facts_are_told_in_the_one_error_shape() {
    let server = Server::start().await;
    let rest = server.rest();
    for (user, field) in [
        (json!(""), "userId"),
        (json!("a b"), "userId"),
        (json!("x".repeat(129)), "userId"),
        (json!(7), "userId"),
    ] {
        let refused = rest.post("/api/session", &json!({"userId": user})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
        assert_eq!(refused.body["error"]["details"][0]["field"], field);
    }
    let nobody = rest.post("/api/session", &json!({"userId": null})).await;
    assert_eq!(nobody.status, StatusCode::CREATED, "{}", nobody.body);
    let made = rest.send(rest.request(reqwest::Method::POST, "/api/session")).await;
    assert_eq!(
        made.status,
        StatusCode::CREATED,
        "the body may be left out: {}",
        made.body
    );

    for (path, code) in [
        ("/api/users/a%20b/memory", "VALIDATION_ERROR"),
        ("/api/users/ada/memory/7", "METHOD_NOT_ALLOWED"),
        ("/api/users/ada", "NOT_FOUND"),
    ] {
        let refused = rest.get(path).await;
        assert_eq!(refused.body["error"]["code"], code, "{path}: {}", refused.body);
    }
    let refused = rest.delete("/api/users/ada/memory/7").await;
    assert_eq!(
        refused.body["error"]["details"][0]["field"], "fact_id",
        "{}",
        refused.body
    );
    let unknown = rest.get("/api/users/%E2%99%A5/memory").await;
    assert_eq!(
        (unknown.status, &unknown.body),
        (StatusCode::OK, &json!({"enabled": false, "facts": []}))
    );
}
