//! A server by the official SDK, as a process.

use orchestratai_agents::tool::{Effect, ToolError, ToolSource};
use orchestratai_tools::{Approvals, Glob, McpSource};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::time::{Duration, Instant};

use crate::world::{PATIENCE, SERVER, call, is_alive, limits, marks, names, options, process, tool, until};

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn marker(&self) -> std::path::PathBuf {
        self.folder.path().join("marker")
    }

    fn source(&self) -> McpSource {
        McpSource::new(options(process(SERVER, "stdio", &self.marker()))).unwrap()
    }
}

#[tokio::test]
async fn the_tools_of_a_server_are_offered_and_called() {
    let home = Home::new();
    let source = home.source();
    assert_eq!(
        names(&source).await,
        [
            "test_echo",
            "test_put",
            "test_weird_name___7",
            "test_data",
            "test_environment",
            "test_fail",
            "test_huge",
            "test_slow",
            "test_die",
            "test_grow",
            "test_either",
            "test_all",
        ],
        "those with a schema that cannot be used are left out"
    );
    let echo = tool(&source, "test_echo").await;
    assert_eq!(echo.offer().description, "Does echo.");
    assert!(echo.check(&json!({ "text": "a" })).is_ok());
    for wrong in [json!({}), json!({ "text": 1 }), json!("text"), json!(null)] {
        assert!(matches!(echo.check(&wrong), Err(ToolError::Arguments(_))), "{wrong}");
        assert!(matches!(call(&echo, &wrong).await, Err(ToolError::Arguments(_))));
    }
    assert_eq!(call(&echo, &json!({ "text": "ä\n" })).await.unwrap().content, "ä\n");

    let weird = tool(&source, "test_weird_name___7").await;
    assert_eq!(call(&weird, &json!({})).await.unwrap().content, "called weird name/№ 7");

    let data = call(&tool(&source, "test_data").await, &json!({})).await.unwrap();
    assert_eq!(data.structured, Some(json!({ "answer": 42 })));
    assert_eq!(data.content, r#"{"answer":42}"#);

    let failed = call(&tool(&source, "test_fail").await, &json!({})).await;
    assert_eq!(failed, Err(ToolError::Failed("it did not work".into())));
    // One list for all of that.
    let lists = marks(&home.marker()).iter().filter(|mark| *mark == "listed").count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn every_schema_is_offered_as_all_providers_take_it_and_checked_as_it_is() {
    let home = Home::new();
    let source = home.source();
    for tool in source.tools().await.unwrap() {
        let schema = &tool.offer().parameters;
        assert_eq!(schema["type"], "object", "{}", tool.offer().name);
        assert!(schema["properties"].is_object(), "{}", tool.offer().name);
        for refused in ["$ref", "allOf", "anyOf", "oneOf"] {
            assert_eq!(schema.get(refused), None, "{}", tool.offer().name);
        }
    }
    let either = tool(&source, "test_either").await;
    let offered = &either.offer().parameters["properties"];
    assert!(
        offered.get("id").is_some() && offered.get("mail").is_some(),
        "{offered}"
    );
    assert!(either.check(&json!({ "mail": "a@b.example" })).is_ok());
    assert!(
        matches!(either.check(&json!({})), Err(ToolError::Arguments(_))),
        "neither"
    );
    assert_eq!(
        call(&either, &json!({ "id": "7" })).await.unwrap().content,
        "called either"
    );
    let all = tool(&source, "test_all").await;
    assert!(matches!(all.check(&json!({ "a": "x" })), Err(ToolError::Arguments(_))));
}

#[tokio::test]
async fn hints_count_only_where_the_server_is_trusted() {
    let home = Home::new();
    let effects = |trust| {
        let mut options = options(process(SERVER, "stdio", &home.marker()));
        options.trust_annotations = trust;
        async move {
            let source = McpSource::new(options).unwrap();
            let tools = source.tools().await.unwrap();
            [tools[0].effect(), tools[1].effect(), tools[2].effect()]
        }
    };
    assert_eq!(effects(false).await, [Effect::Every; 3]);
    assert_eq!(effects(true).await, [Effect::None, Effect::Idempotent, Effect::Every]);
}

#[tokio::test]
async fn a_huge_result_is_cut_and_says_so() {
    let home = Home::new();
    let huge = tool(&home.source(), "test_huge").await;
    let result = call(&huge, &json!({})).await.unwrap();
    assert!(
        result.content.len() <= 4096 && result.content.starts_with("ää"),
        "{}",
        result.content.len()
    );
    assert!(result.content.ends_with("[cut off: the whole had 8000000 bytes]"));
    assert_eq!(result.structured, None);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_at_the_server() {
    let home = Home::new();
    let source = home.source();
    let slow = tool(&source, "test_slow").await;
    let running = tokio::spawn(async move { call(&slow, &json!({})).await });
    until("the call has begun", || marks(&home.marker()).contains(&"begun".into())).await;
    running.abort();
    until("the server knows", || {
        marks(&home.marker()).contains(&"cancelled".into())
    })
    .await;
    // The connection is none the worse for it.
    let echo = tool(&source, "test_echo").await;
    assert_eq!(call(&echo, &json!({ "text": "here" })).await.unwrap().content, "here");
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_and_is_cancelled() {
    let home = Home::new();
    let mut options = options(process(SERVER, "stdio", &home.marker()));
    options.limits.call = Duration::from_millis(300);
    let source = McpSource::new(options).unwrap();
    let slow = tool(&source, "test_slow").await;
    let ended = call(&slow, &json!({})).await;
    assert_eq!(ended, Err(ToolError::TimedOut(Duration::from_millis(300))));
    until("the server knows", || {
        marks(&home.marker()).contains(&"cancelled".into())
    })
    .await;
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_there_is_room_for() {
    let home = Home::new();
    let mut options = options(process(SERVER, "stdio", &home.marker()));
    options.limits.call = Duration::from_secs(2);
    options.limits.concurrency = 1;
    let source = McpSource::new(options).unwrap();
    let (slow, echo) = (tool(&source, "test_slow").await, tool(&source, "test_echo").await);
    let running = tokio::spawn(async move { call(&slow, &json!({})).await });
    until("the call has begun", || marks(&home.marker()).contains(&"begun".into())).await;
    let arguments = json!({ "text": "late" });
    let begun = Instant::now();
    let waiting = call(&echo, &arguments).await;
    // It got the room that the other left when its time was over, or none, or too late to be answered: all within its own limit.
    assert!(
        matches!(&waiting, Ok(_) | Err(ToolError::NotMade(_) | ToolError::TimedOut(_))),
        "{waiting:?}"
    );
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "it did not wait for room"
    );
    assert!(matches!(running.await.unwrap(), Err(ToolError::TimedOut(_))));
    assert_eq!(call(&echo, &arguments).await.unwrap().content, "late");
}

#[tokio::test]
async fn a_list_that_changes_is_read_again() {
    let home = Home::new();
    let source = home.source();
    assert!(!names(&source).await.contains(&"test_grown".to_owned()));
    call(&tool(&source, "test_grow").await, &json!({})).await.unwrap();
    let grown = tool(&source, "test_grown").await;
    assert_eq!(call(&grown, &json!({})).await.unwrap().content, "called grown");
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_is_started_again() {
    let home = Home::new();
    let source = home.source();
    let echo = tool(&source, "test_echo").await;
    let died = call(&tool(&source, "test_die").await, &json!({})).await;
    assert!(
        matches!(&died, Err(ToolError::InDoubt(what)) if what == "test went away during the call"),
        "{died:?}"
    );
    let deaths = marks(&home.marker()).into_iter().filter(|mark| mark == "dies").count();
    assert_eq!(deaths, 1, "what may have been done is not done again");
    // A tool that was listed before still is one.
    assert_eq!(call(&echo, &json!({ "text": "again" })).await.unwrap().content, "again");
    assert_eq!(
        marks(&home.marker())
            .iter()
            .filter(|mark| mark.starts_with("started"))
            .count(),
        2
    );
}

#[tokio::test]
async fn a_call_for_which_no_connection_comes_in_time_has_done_nothing() {
    let home = Home::new();
    let mut options = options(process(SERVER, "stdio", &home.marker()));
    options.limits.call = Duration::from_millis(1);
    let source = McpSource::new(options).unwrap();
    let echo = tool(&source, "test_echo").await;
    let id: i32 = marks(&home.marker())[0]
        .strip_prefix("started ")
        .unwrap()
        .parse()
        .unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
    until("it is gone", || !is_alive(id.unsigned_abs())).await;
    // Until that is noticed a call has left, as far as anybody knows; then another process would have to greet within a millisecond.
    let arguments = json!({ "text": "late" });
    let began = Instant::now();
    loop {
        match call(&echo, &arguments).await {
            Err(ToolError::NotMade(what)) => break assert_eq!(what, "it could not be made within 0.001 s"),
            other => assert!(other.is_err() && began.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_sees_no_environment_but_what_it_is_given() {
    let home = Home::new();
    let environment = tool(&home.source(), "test_environment").await;
    let seen = call(&environment, &json!({})).await.unwrap().content;
    let names: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    assert!(names.contains(&"PATH") && names.contains(&"MARKER"), "{names:?}");
    let unknown = names.iter().find(|name| name.starts_with("CARGO"));
    assert_eq!(unknown, None, "cargo sets such variables for this very test");
}

#[tokio::test]
async fn a_process_ends_with_its_source() {
    let home = Home::new();
    let source = home.source();
    names(&source).await;
    let started = marks(&home.marker())
        .into_iter()
        .find_map(|mark| mark.strip_prefix("started ")?.parse().ok());
    let id: u32 = started.unwrap();
    assert!(is_alive(id));
    drop(source);
    until("the process is gone", || !is_alive(id)).await;
}

#[tokio::test]
async fn calls_that_a_pattern_names_are_to_be_approved() {
    let home = Home::new();
    let mut options = options(process(SERVER, "stdio", &home.marker()));
    options.approvals = Approvals {
        tools: vec![Glob::new("test_d*").unwrap()],
        within: limits().call,
        otherwise_approved: false,
    };
    let source = McpSource::new(options).unwrap();
    for tool in source.tools().await.unwrap() {
        let is_named = ["test_data", "test_die"].contains(&tool.offer().name.as_str());
        assert_eq!(tool.approval().is_some(), is_named, "{}", tool.offer().name);
    }
}
