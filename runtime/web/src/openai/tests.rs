use actix_web::test::TestRequest;
use orchestratai_shared::{Citation, MessageRole, SessionId};
use serde_json::{Value, json};

use super::{
    completion::{Annotation, annotations},
    request::CompletionRequest,
};
use crate::{error::ApiError, fields::Fields};

fn read(body: Value) -> Result<CompletionRequest, ApiError> {
    let Value::Object(fields) = body else { unreachable!() };
    CompletionRequest::read(Fields::of(fields), &TestRequest::default().to_http_request())
}

fn at_fault(body: Value) -> Vec<String> {
    let details = read(body).unwrap_err().details;
    details.into_iter().map(|detail| detail.field).collect()
}

#[test]
fn the_last_message_is_said_and_what_people_said_before_is_its_context() {
    let wanted = read(
        json!({"model": "billing", "temperature": 0.3, "tools": [], "stream": null, "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "How much is it?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "assistant", "content": [{"type": "text", "text": "It is"}, {"type": "text", "text": "42."}]},
            {"role": "user", "content": "A month?"},
        ]}),
    );
    let wanted = wanted.unwrap();
    assert_eq!(wanted.said.content.as_str(), "A month?");
    let context: Vec<_> = wanted
        .said
        .context
        .iter()
        .map(|said| (said.role, said.content.as_str()))
        .collect();
    assert_eq!(
        context,
        [
            (MessageRole::User, "How much is it?"),
            (MessageRole::Assistant, "It is\n42.")
        ]
    );
    assert!(!wanted.streams && wanted.session_id.is_none());
}

#[test]
fn a_session_that_is_named_needs_no_context() {
    let session_id = SessionId::new();
    let said = json!([{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]);
    let wanted =
        read(json!({"model": "x", "messages": said, "metadata": {"session_id": session_id, "other": 1}})).unwrap();
    assert_eq!(wanted.session_id, Some(session_id));
    assert!(wanted.said.context.is_empty());
    assert_eq!(
        at_fault(json!({"model": "x", "messages": said, "metadata": {"session_id": "7"}})),
        ["metadata.session_id"]
    );
}

#[test]
fn what_no_agent_does_is_refused_by_name() {
    let said = json!([{"role": "user", "content": "Well?"}]);
    let with = |more: Value| {
        let mut body = json!({"model": "x", "messages": said});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        at_fault(body)
    };
    assert_eq!(with(json!({"n": 2})), ["n"]);
    assert_eq!(
        with(json!({"response_format": {"type": "json_schema"}})),
        ["response_format"]
    );
    assert_eq!(with(json!({"tool_choice": "required"})), ["tool_choice"]);
    assert_eq!(at_fault(json!({"stream": "yes"})), ["model", "messages", "stream"]);
    for messages in [
        json!([]),
        json!("Well?"),
        json!(["Well?"]),
        json!([{"role": "king", "content": "Well?"}]),
        json!([{"role": "user", "content": " "}]),
        json!([{"role": "user", "content": 7}]),
        json!([{"role": "user", "content": [{"type": "input_audio"}]}]),
        json!([{"role": "user", "content": "Well?"}, {"role": "tool", "content": "42"}]),
    ] {
        assert_eq!(
            at_fault(json!({"model": "x", "messages": messages})),
            ["messages"],
            "{messages}"
        );
    }
}

#[test]
fn citations_are_annotated_where_they_stand_by_characters() {
    let citation = |index, source: &str| Citation {
        index,
        chunk_id: 0,
        source: source.to_owned(),
    };
    let answer = "Größe [2], and [1] again [2].";
    let found = annotations(answer, &[citation(1, "a.md"), citation(2, "b.md"), citation(3, "c.md")]);
    let places: Vec<_> = found
        .iter()
        .map(
            |Annotation::UrlCitation {
                 start_index,
                 end_index,
                 title,
                 ..
             }| (*start_index, *end_index, title.as_str()),
        )
        .collect();
    assert_eq!(places, [(6, 9, "b.md"), (15, 18, "a.md"), (25, 28, "b.md")]);
}
