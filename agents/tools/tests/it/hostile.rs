//! A process that speaks the protocol badly.

use std::{path::Path, time::Duration};

use orchestratai_agents::tool::{ToolError, ToolSource};
use orchestratai_tools::{McpEndpoint, McpSource, McpSourceError};
use serde_json::json;
use tokio::time::Instant;

use crate::world::{call, is_alive, marks, names, options, process, tool, until};

const HOSTILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile.py");

fn source(how: &str, marker: &Path) -> McpSource {
    let mut options = options(process(HOSTILE, how, marker));
    // Long enough for Python to start on a busy machine.
    options.limits.connect = Duration::from_secs(4);
    options.limits.list = Duration::from_secs(2);
    options.limits.call = Duration::from_secs(3);
    McpSource::new(options).unwrap()
}

async fn refused(source: &McpSource) -> String {
    match source.tools().await {
        Err(ToolError::NotMade(what)) => what,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it has tools"),
    }
}

#[tokio::test]
async fn a_server_that_never_greets_is_given_up_and_left_alone_for_a_while() {
    let source = source("silent", Path::new(""));
    assert_eq!(refused(&source).await, "test did not greet within 4 s");
    let began = Instant::now();
    let what = refused(&source).await;
    assert!(what.contains("is away and is not tried for another 1 s"), "{what}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_program_that_is_none_or_ends_at_once_is_told_without_its_path() {
    assert_eq!(
        refused(&source("no-program", Path::new(""))).await,
        "test cannot be reached"
    );
    let nowhere = McpEndpoint::Process {
        command: "/nowhere/secret-path".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
    };
    let nowhere = McpSource::new(options(nowhere)).unwrap();
    assert_eq!(refused(&nowhere).await, "test cannot be started");
    let none = McpEndpoint::Process {
        command: " ".into(),
        arguments: Vec::new(),
        environment: Vec::new(),
    };
    assert!(matches!(McpSource::new(options(none)), Err(McpSourceError::Command)));
}

#[tokio::test]
async fn a_list_that_never_comes_or_never_ends_is_given_up() {
    let what = refused(&source("no-list", Path::new(""))).await;
    assert_eq!(what, "test did not list its tools within 2 s");
    // Pages without end: as many tools as are taken, or none because the time is over.
    match source("endless-list", Path::new("")).tools().await {
        Ok(tools) => assert_eq!(tools.len(), 256),
        Err(error) => assert!(matches!(error, ToolError::NotMade(_))),
    }
}

#[tokio::test]
async fn a_schema_without_type_or_properties_is_offered_with_both_and_one_of_no_object_not_at_all() {
    let source = source("shapeless", Path::new(""));
    assert_eq!(names(&source).await, ["test_any", "test_properties"]);
    let any = tool(&source, "test_any").await;
    assert_eq!(any.offer().parameters, json!({ "type": "object", "properties": {} }));
    assert!(any.check(&json!({ "whatever": 1 })).is_ok());
    let properties = tool(&source, "test_properties").await;
    assert_eq!(
        properties.offer().parameters,
        json!({ "type": "object", "properties": { "a": {} } })
    );
}

#[tokio::test]
async fn noise_between_messages_is_passed_over() {
    let source = source("noise", Path::new(""));
    assert_eq!(
        names(&source).await,
        ["test_one"],
        "of two with one name the first counts"
    );
    let one = tool(&source, "test_one").await;
    assert!(one.offer().description.len() <= 2048);
    assert_eq!(call(&one, &json!({})).await.unwrap().content, "fine");
}

#[tokio::test]
async fn a_line_beyond_every_bound_is_dropped() {
    let one = tool(&source("line", Path::new("")), "test_one").await;
    let ended = call(&one, &json!({})).await;
    assert_eq!(ended, Err(ToolError::TimedOut(Duration::from_secs(3))));
}

#[tokio::test]
async fn an_error_of_the_protocol_is_told_to_the_model_within_bounds() {
    let one = tool(&source("error", Path::new("")), "test_one").await;
    match call(&one, &json!({})).await {
        Err(ToolError::Failed(what)) => {
            assert!(
                what.starts_with("test refuses the call: no such thing") && what.len() < 2000,
                "{what}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_never_left_is_made_over_a_new_process() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    let source = source("deaf", &marker);
    let one = tool(&source, "test_one").await;
    // After its answer it reads nothing any more, lives on, and nobody has noticed.
    assert_eq!(call(&one, &json!({})).await.unwrap().content, "the last that I hear");
    let first: u32 = marks(&marker)[0].parse().unwrap();
    assert!(is_alive(first));
    assert_eq!(call(&one, &json!({})).await.unwrap().content, "fine");
    assert_eq!(marks(&marker).len(), 2, "another process was started");
    until("the deaf one is gone", || !is_alive(first)).await;
}

#[tokio::test]
async fn what_a_server_has_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    let source = source("family", &marker);
    names(&source).await;
    let family: Vec<u32> = marks(&marker)[0].split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(family.len() == 2 && family.iter().all(|id| is_alive(*id)));
    drop(source);
    until("all of them are gone", || !family.iter().any(|id| is_alive(*id))).await;
}
