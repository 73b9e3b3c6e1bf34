//! What is kept of people, and what is said by ways beside the answer: to a provider of vectors, and to a model that decides who answers.

use super::*;
use crate::{
    models::vectors::{Mood, Vectors},
    traces::collector::Span,
};

/// Whose sessions they are. Of a user's id, too, nothing is told.
const USER: &str = "ada.canary@example.org";

async fn session_of(server: &Server) -> String {
    let made = server.rest().post("/api/session", &json!({"userId": USER})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    made.body["session_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_a_person_refused_told_and_erased_is_in_no_log_trace_or_metric() {
    let remember = |id: &str, fact: &str| calls(id, "remember_fact", &json!({"fact": fact}).to_string());
    let forget = |id: &str, fact: &str| calls(id, "forget_fact", &json!({"id": fact}).to_string());
    let said = || {
        vec![
            Said::Text("The canarykeeper knows. See [1].".into()),
            Said::End { input: 20, output: 7 },
        ]
    };
    let provider = Provider::start(vec![
        remember("c1", "I keep a canarybird."),
        remember("c2", "My password is canarycanary."),
        remember("c3", "I am the canarykeeper's sister."),
        forget("c4", "canary"),
        said(),
        said(),
    ])
    .await;
    let agents = agents("\"remember_fact\", \"forget_fact\"");
    let launch = Launch::new()
        .setting("agents.dir", agents.path().to_str().unwrap())
        .setting("models.answering", "first")
        .setting("memory.enabled", "true");
    let collector = Collector::start();
    let server = start(model(launch, "first", &provider.base_url()), &collector).await;
    let rest = server.rest();
    let path = format!("/api/users/{USER}/memory");
    for place in 0..2 {
        let session_id = session_of(&server).await;
        let message = format!("I keep a canarybird. My password is canarycanary. {QUESTION}");
        let message = if place == 0 { message } else { QUESTION.to_owned() };
        let mut socket = server.socket(&format!("?session_id={session_id}")).await;
        let frames = socket.turn(&message).await;
        assert_eq!(frames.last().unwrap().kind(), "message_completed", "{frames:#?}");
        let known = rest.get(&path).await.body;
        let texts: Vec<&Value> = (known["facts"].as_array().unwrap().iter())
            .map(|fact| &fact["text"])
            .collect();
        assert_eq!(texts, ["I keep a canarybird."], "{known}");
    }
    let told = provider.asked().last().unwrap().body.to_string();
    assert!(told.contains("I keep a canarybird."), "{told}");
    // What is wrong with a request that names them is not told either.
    let wrong = rest.delete(&format!("{path}/canary")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{}", wrong.body);
    let nobody = rest.get("/api/users/canary%20of%20nobody/memory?canary=canary").await;
    assert_eq!(nobody.status, StatusCode::BAD_REQUEST, "{}", nobody.body);
    let fact = rest.get(&path).await.body["facts"][0]["id"].clone();
    let erased = rest.delete(&format!("{path}/{}", fact.as_str().unwrap())).await;
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.body);
    let erased = rest.delete(&path).await;
    assert!(erased.status.is_success(), "{}", erased.body);
    check(&server, &collector, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_what_makes_vectors_or_decides_who_answers_is_told_however_it_fails() {
    let event = |data: Value| Said::Event(data.to_string());
    let provider = Provider::start(vec![
        vec![Said::Echo("500 canary")],
        vec![
            Said::Text("{\"agent\": \"canary\"}".into()),
            Said::End { input: 9, output: 9 },
        ],
        vec![event(
            json!({"error": {"message": "canary of you", "code": "canarybird", "type": KEY}}),
        )],
        vec![Said::Text("{canary".into()), Said::Die],
    ])
    .await;
    let vectors = Vectors::start(256).await;
    let launch = Launch::new()
        .setting("models.embedding", "vectors")
        .setting("models.embedding_wait", "20s")
        .setting("models.routing", "switch")
        .setting("models.routing_wait", "20s");
    let launch = model(launch, "switch", &provider.base_url());
    let launch = model(launch, "vectors", &vectors.base_url());
    let collector = Collector::start();
    let server = start(launch, &collector).await;
    // The router is unsure of it, so that a model is asked.
    let unsure = "Is there phone support for canarybird?";
    let moods = [Mood::Well, Mood::Echoing, Mood::Confused, Mood::Echoing];
    for (place, mood) in moods.into_iter().enumerate() {
        vectors.be(mood);
        let frames = server.socket("").await.turn(unsure).await;
        assert_eq!(frames.last().unwrap().kind(), "message_completed", "{frames:#?}");
        assert_eq!(provider.asked().len(), place + 1, "the model is asked who answers");
        assert!(provider.asked()[place].body.to_string().contains("canarybird"));
    }
    // Another document, whose chunks nobody makes vectors of, and a question over it.
    let form = Form::new().text("collection", "technical").part(
        "file",
        Part::text(DOCUMENT.replace("keeper", "keepers")).file_name("canary.md"),
    );
    let rest = server.rest();
    let request = rest.request(Method::POST, "/api/knowledge/documents").multipart(form);
    assert_eq!(rest.send(request).await.status, StatusCode::CREATED);
    server.socket("").await.turn(QUESTION).await;
    assert!(vectors.has_been_asked("canary"), "the provider was sent what is secret");
    let of_turns = |spans: &[Span]| spans.iter().filter(|span| span.name == "turn").count() >= 5;
    collector.until(of_turns).await;
    check_told(&server, &collector).await;
}
