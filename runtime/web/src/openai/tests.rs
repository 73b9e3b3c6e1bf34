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
    CompletionRequest::read(Fields::of(fields), &TestRequest::default().to_http_request(), 64)
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
            {"role": "assistant", "content": null, "tool_calls": [call("1", "price")]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "system", "content": "Be brief, please."},
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
            (MessageRole::Assistant, ""),
            (MessageRole::Assistant, "It is\n42.")
        ]
    );
    let made = &wanted.said.context[1].calls[0];
    assert_eq!((made.tool.as_str(), made.result.as_str()), ("price", "42"));
    assert!(wanted.said.called.is_empty() && wanted.said.client_tools.is_none());
    assert!(!wanted.streams && wanted.session_id.is_none());
}

fn call(id: &str, tool: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": tool, "arguments": "{\"of\": \"plan\"}"}})
}

fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

#[test]
fn what_was_called_behind_the_last_question_goes_with_it() {
    let long = "é".repeat(40);
    let wanted = read(json!({"model": "x", "messages": [
        {"role": "user", "content": "Well?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call("a", "price"), call("no name", "stock")]},
        // In any order.
        result("no name", "none"),
        result("a", &long),
        {"role": "assistant", "tool_calls": [call("a", "price")]},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "7"}]},
    ]}));
    let said = wanted.unwrap().said;
    assert_eq!(said.content.as_str(), "Well?");
    let [first, second] = &*said.called else {
        panic!("{:?}", said.called)
    };
    assert_eq!((first.content.as_str(), second.content.as_str()), ("Let me see.", ""));
    let [price, stock] = first.calls.as_slice() else {
        panic!("{:?}", first.calls)
    };
    assert_eq!(price.arguments, json!({"of": "plan"}));
    assert!(
        price.result.len() <= 64 && price.result.ends_with("the whole had 80 bytes]"),
        "{}",
        price.result
    );
    assert_eq!(stock.result, "none");
    // Names are such as providers take, and no two calls have the same.
    let names = [&price.call_id, &stock.call_id, &second.calls[0].call_id];
    assert_eq!(names[0], "a");
    assert!(
        names[1] != names[2] && names[1..].iter().all(|name| name.starts_with("call_")),
        "{names:?}"
    );
}

#[test]
fn calls_have_their_results_and_results_their_calls() {
    let user = json!({"role": "user", "content": "Well?"});
    let calls = json!({"role": "assistant", "tool_calls": [call("a", "price")]});
    let with = |function: Value| json!([user, {"role": "assistant", "tool_calls": [function]}, result("a", "7")]);
    for messages in [
        json!([user, calls]),
        json!([user, calls, user]),
        json!([user, calls, result("b", "7")]),
        json!([user, calls, result("a", "7"), result("a", "7")]),
        json!([user, result("a", "7")]),
        json!([calls, result("a", "7")]),
        json!([user, calls, result("a", "7"), {"role": "assistant", "content": "It is 7."}]),
        json!([user, {"role": "assistant", "tool_calls": "a"}]),
        json!([user, {"role": "assistant", "tool_calls": [call("a", "x"), call("a", "y")]}, result("a", "7")]),
        with(json!({"id": "a", "type": "function"})),
        with(json!({"id": "a", "function": {"name": "no name", "arguments": ""}})),
    ] {
        assert_eq!(
            at_fault(json!({"model": "x", "messages": messages})),
            ["messages"],
            "{messages}"
        );
    }
    let nothing = with(json!({"id": "a", "function": {"name": "price", "arguments": ""}}));
    assert!(read(json!({"model": "x", "messages": nothing})).is_ok());
}

#[test]
fn arguments_that_cannot_be_read_come_back_as_they_were_written() {
    let deep = format!("{}1{}", "{\"in\":".repeat(65), "}".repeat(65));
    for written in ["{\"city\": ", "[1]", "null", "\"Oslo\"", "no JSON", &deep] {
        let call = json!({"id": "a", "function": {"name": "price", "arguments": written}});
        let messages = json!([
            {"role": "user", "content": "Well?"}, {"role": "assistant", "tool_calls": [call]}, result("a", "wrong"),
        ]);
        let read = read(json!({"model": "x", "messages": messages})).unwrap();
        let kept = &read.said.called[0].calls[0].arguments;
        assert_eq!(kept, written);
        assert_eq!(orchestratai_shared::arguments_as_text(kept), written);
    }
}

#[test]
fn whose_a_session_is_is_said_within_bounds() {
    let messages = json!([{"role": "user", "content": "Well?"}]);
    let wanted = |user: Value| json!({"model": "x", "messages": messages, "user": user});
    let named = read(wanted("ada@example.com".into())).unwrap();
    assert_eq!(named.user.unwrap().as_str(), "ada@example.com");
    assert_eq!(read(wanted(Value::Null)).unwrap().user, None);
    for user in [
        json!(""),
        json!("Ada Lovelace"),
        json!("a\n"),
        json!("x".repeat(129)),
        json!(7),
        json!({"id": "a"}),
    ] {
        assert_eq!(at_fault(wanted(user.clone())), ["user"], "{user}");
    }
}

#[test]
fn of_many_results_the_last_ones_are_kept() {
    let calls: Vec<Value> = (0..20).map(|n| call(&format!("c{n}"), "price")).collect();
    let results = (0..20).map(|n| result(&format!("c{n}"), &"x".repeat(20_000)));
    let mut messages = vec![
        json!({"role": "user", "content": "Well?"}),
        json!({"role": "assistant", "tool_calls": calls}),
    ];
    messages.extend(results);
    let Value::Object(fields) = json!({"model": "x", "messages": messages}) else {
        unreachable!()
    };
    let request = TestRequest::default().to_http_request();
    let said = CompletionRequest::read(Fields::of(fields), &request, 32_768)
        .unwrap()
        .said;
    let kept: Vec<bool> = said.called[0]
        .calls
        .iter()
        .map(|call| call.result.len() == 20_000)
        .collect();
    assert_eq!(kept, [vec![false; 7], vec![true; 13]].concat());
    assert!(said.called[0].calls[0].result.starts_with("[left out"));
}

fn function(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "Does it.", "parameters": {"type": "object"}}})
}

fn with_tools(tools: Value, choice: Value) -> Value {
    json!({"model": "x", "messages": [{"role": "user", "content": "Well?"}], "tools": tools, "tool_choice": choice})
}

#[test]
fn what_may_be_called_is_what_the_client_says() {
    let tools = json!([function("price"), {"type": "function", "function": {"name": "stock"}}]);
    let names = |choice: Value| {
        let tools = read(with_tools(tools.clone(), choice)).unwrap().said.client_tools;
        tools.map(|tools| {
            let names: Vec<String> = tools.tools.iter().map(|tool| tool.name.clone()).collect();
            (names, tools.must_call, tools.one_at_once)
        })
    };
    let both = vec!["price".to_owned(), "stock".to_owned()];
    for (choice, expected) in [
        (Value::Null, Some((both.clone(), false, false))),
        (json!("auto"), Some((both.clone(), false, false))),
        (json!("required"), Some((both, true, false))),
        (json!("none"), None),
        (
            json!({"type": "function", "function": {"name": "stock"}}),
            Some((vec!["stock".to_owned()], true, false)),
        ),
    ] {
        assert_eq!(names(choice.clone()), expected, "{choice}");
    }
    let mut body = with_tools(tools, Value::Null);
    body["parallel_tool_calls"] = json!(false);
    let tools = read(body).unwrap().said.client_tools.unwrap();
    assert!(tools.one_at_once);
    assert_eq!(tools.tools[1].parameters, json!({"type": "object", "properties": {}}));
}

#[test]
fn tools_that_are_none_are_refused_by_place() {
    let many: Vec<Value> = (0..129).map(|n| function(&format!("f{n}"))).collect();
    let large = json!([{"type": "function", "function": {"name": "f", "description": "x".repeat(200_000)}}]);
    for (tools, choice, fault) in [
        (json!("price"), Value::Null, "tools"),
        (json!(many), Value::Null, "tools"),
        (large, Value::Null, "tools"),
        (
            json!([{"type": "custom", "custom": {"name": "x"}}]),
            Value::Null,
            "tools[0].type",
        ),
        (json!([7]), Value::Null, "tools[0].type"),
        (json!([{"type": "function"}]), Value::Null, "tools[0].function.name"),
        (json!([function("no name")]), Value::Null, "tools[0].function.name"),
        (json!([function("hand_off")]), Value::Null, "tools[0].function.name"),
        (json!([function("ask_billing")]), Value::Null, "tools[0].function.name"),
        (
            json!([function("a"), function("a")]),
            Value::Null,
            "tools[1].function.name",
        ),
        (
            json!([{"type": "function", "function": {"name": "a", "parameters": {"type": "string"}}}]),
            Value::Null,
            "tools[0].function.parameters",
        ),
        (json!([]), json!("required"), "tool_choice"),
        (json!([function("a")]), json!("always"), "tool_choice"),
        (
            json!([function("a")]),
            json!({"type": "function", "function": {"name": "b"}}),
            "tool_choice",
        ),
    ] {
        assert_eq!(at_fault(with_tools(tools, choice)), [fault]);
    }
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
    assert_eq!(with(json!({"parallel_tool_calls": 1})), ["parallel_tool_calls"]);
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
    let found = annotations(
        answer,
        0,
        &[citation(1, "a.md"), citation(2, "b.md"), citation(3, "c.md")],
    );
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
