//! What agents can do without anybody's tools: search by themselves, and ask for a person.

use super::*;
use crate::live::{live, shown};

fn search(id: &str, query: &str) -> Vec<Said> {
    calls(id, "search_knowledge", &json!({"query": query, "limit": 3}))
}

fn escalation() -> Vec<Said> {
    calls("call_1", "escalate", &json!({"reason": "The user wants a person."}))
}

/// What each `vector_search` step of a turn has shown: the ids with their sources.
fn found(events: &[Event]) -> Vec<Vec<(u32, String)>> {
    let searches = events.iter().filter_map(|event| {
        let data = serde_json::to_value(event).unwrap()["data"].clone();
        let chunks = (data["type"] == "vector_search").then(|| data["data"]["chunks"].as_array().unwrap().clone())?;
        let place = |chunk: Value| {
            let id = u32::try_from(chunk["id"].as_u64().unwrap()).unwrap();
            (id, chunk["source"].as_str().unwrap().to_owned())
        };
        Some(chunks.into_iter().map(place).collect())
    });
    searches.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_has_found_by_itself_is_cited_by_the_same_number_after_kill_9() {
    let provider = Provider::start(vec![
        search("call_1", "verify the signature of a webhook"),
        vec![Said::Text("It is ".into()), Said::Hang],
        says("Rotate [1], and check signatures [6]."),
    ])
    .await;
    let (shop, agents) = (
        Shop::open(Duration::ZERO).await,
        agents_with("tools = [\"search_knowledge\"]\n"),
    );
    let launched = launch(&provider, &shop, &agents);
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    socket.say(QUESTION).await;
    socket.until(|frame| frame.kind() == "message_delta").await;
    let folder = server.kill();

    let server = launched.in_folder_of(&folder).start().await;
    let events = until_ended(&server, session_id).await;
    let EventBody::MessageCompleted(completed) = &events.last().unwrap().body else {
        panic!("{events:?}")
    };
    assert_eq!(
        statuses(&events),
        [ToolCallStatus::Started, ToolCallStatus::Succeeded],
        "once"
    );
    let found = found(&events);
    // Given, searched for by the agent, and given again after the crash.
    let [given, searched, again] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(given, again);
    let cited = &completed.citations;
    assert_eq!(
        cited
            .iter()
            .map(|cited| (cited.index, cited.chunk_id))
            .collect::<Vec<_>>(),
        [(1, 0), (6, 5)]
    );
    assert_eq!(cited[0].source, given[0].1);
    assert!(
        searched.contains(&(5, cited[1].source.clone())),
        "{cited:?} {searched:?}"
    );
    let result = |at: usize| {
        let asked = provider.asked()[at].body["messages"].as_array().unwrap().clone();
        asked.into_iter().find(|message| message["role"] == "tool").unwrap()["content"].clone()
    };
    assert_eq!(result(1), result(2), "the model is told what it was told");
    assert!(
        result(1).as_str().unwrap().contains("<source number=\"6\""),
        "{}",
        result(1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_for_is_shown_to_people_until_one_comes_whatever_happens() {
    let provider = Provider::start(vec![escalation(), says("I have asked for a person.")]).await;
    let (shop, agents) = (
        Shop::open(Duration::ZERO).await,
        agents_with("tools = [\"escalate\"]\n"),
    );
    let launched = launch(&provider, &shop, &agents);
    let server = launched.clone().start().await;
    let mut socket = server.socket("").await;
    let session_id = socket.ready().await.session_id();
    let frames = socket.turn(QUESTION).await;
    let done = frames.iter().rfind(|frame| frame.kind() == "tool_call").unwrap();
    assert_eq!(
        (&done.data()["tool"], &done.data()["status"]),
        (&json!("escalate"), &json!("succeeded"))
    );
    let completed = frames.last().unwrap();
    assert_eq!(completed.data()["message"]["content"], "I have asked for a person.");
    let wanted = shown(&server.rest(), session_id, |live| live.person_wanted.is_some()).await;
    let wanted = wanted.person_wanted.unwrap();
    assert_eq!(wanted.reason, "The user wants a person.");
    assert_eq!(wanted.agent.unwrap().as_str(), "technical");
    let metrics = server.rest().get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("orchestratai_person_requests_total 1\n"), "{metrics}");

    // Nobody follows it any more, and no node has it in memory.
    drop(socket);
    let server = launched.in_folder_of(&server.kill()).start().await;
    let rest = server.rest();
    let quiet = shown(&rest, session_id, |live| live.person_wanted.is_some()).await;
    assert_eq!((quiet.clients, quiet.open_turns), (0, 0));
    let came = rest
        .post(&format!("/api/session/{session_id}/takeover"), &json!({"name": "Kim"}))
        .await;
    assert_eq!(came.status, StatusCode::OK, "{}", came.body);
    let begun = Instant::now();
    while live(&rest)
        .await
        .sessions
        .iter()
        .any(|live| live.person_wanted.is_some())
    {
        assert!(begun.elapsed() < Duration::from_secs(20), "one is wanted still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
