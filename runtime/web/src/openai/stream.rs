//! An answer piece by piece, as chunks of a chat completion.

use std::{ops::ControlFlow, time::Duration};

use actix_web::{HttpRequest, HttpResponse};
use orchestratai_actors::{Gateway, Submission};
use orchestratai_shared::{ErrorCode, SessionId, Timestamp, TurnId};
use orchestratai_telemetry::Transport;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    completion::{
        Annotation, Beside, CompletionUsage, FunctionCall, annotations, completion_id, finish_reason, seconds,
    },
    error::OpenAiErrorBody,
    request::CompletionRequest,
};
use crate::{
    error::ApiError,
    site::Site,
    sse::{
        chat::{Comeback, Turn},
        event,
        feed::{Completed, Reset, Teller},
        position::Position,
    },
};

/// What ends every stream that came to its end.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// How long the server tries to stop a turn whose client is gone.
const STOPPING_MAX: Duration = Duration::from_secs(10);

/// Has the message accepted, and streams the answer. Of a client that keeps its conversation by itself nobody else can have the
/// answer: where it goes away before the end, the turn is stopped.
pub(super) async fn begin(
    site: &Site,
    request: &HttpRequest,
    submission: Submission,
    wanted: &CompletionRequest,
) -> Result<HttpResponse, ApiError> {
    let place = site.take_place(Transport::Sse)?;
    let session_id = submission.session_id;
    let accepted = site.gateway.submit(submission).await?;
    let turn_id = accepted.turn_id;
    let chunks = Chunks {
        id: completion_id(turn_id),
        model: wanted.model.clone(),
        created: seconds(Timestamp::now()),
        includes_usage: wanted.includes_usage,
        session_id,
        turn_id,
        unheard: wanted.session_id.is_none().then(|| Unheard {
            turn: Some((site.gateway.clone(), turn_id)),
        }),
        sent: 0,
        sent_before: 0,
        ends_paragraph: false,
        waits: false,
    };
    let turn = Turn::accepted(site, session_id, accepted).await?;
    let stream = turn.stream(site, request, place, Comeback::Never, None, chunks);
    stream.await.map_err(|error| error.of_turn(turn_id))
}

/// Writes the chunks of one completion.
struct Chunks {
    id: String,
    model: String,
    created: i64,
    includes_usage: bool,
    session_id: SessionId,
    turn_id: TurnId,
    unheard: Option<Unheard>,
    /// How many characters of the answer have been sent.
    sent: usize,
    /// So many of them were said before the agent had to wait for a person's word, and stand before the answer.
    sent_before: usize,
    ends_paragraph: bool,
    waits: bool,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// `null` in all chunks but the last where a client asks for it; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<CompletionUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestratai: Option<Beside>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<FunctionCall<'a>>,
}

impl Chunks {
    fn write(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, beside: Option<Beside>, out: &mut Vec<u8>) {
        let choice = Choice {
            index: 0,
            delta,
            logprobs: None,
            finish_reason,
        };
        self.write_chunk(&[choice], self.includes_usage.then_some(None), beside, out);
    }

    fn write_chunk(
        &self,
        choices: &[Choice<'_>],
        usage: Option<Option<CompletionUsage>>,
        orchestratai: Option<Beside>,
        out: &mut Vec<u8>,
    ) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
            orchestratai,
        };
        event::write(out, None, None, &chunk);
    }

    /// The turn has ended, or is to go on without its client.
    fn is_heard(&mut self) {
        if let Some(unheard) = &mut self.unheard {
            unheard.turn = None;
        }
    }
}

impl Teller for Chunks {
    fn ends_with_its_client(&self) -> bool {
        self.unheard.is_some()
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let delta = Delta {
            role: Some("assistant"),
            content: Some(""),
            ..Delta::default()
        };
        self.write(delta, None, None, out);
    }

    /// These clients see the answer alone.
    fn step(&mut self, _: &Position, _: &str, _: &RawValue, _: &mut Vec<u8>) {}

    fn waits(&mut self) {
        self.waits = true;
    }

    fn chunk(&mut self, _: &Position, content: &str, out: &mut Vec<u8>) {
        // It goes on: had it said anything before it waited, that would have been withdrawn first.
        self.waits = false;
        self.sent += content.chars().count();
        self.ends_paragraph = content.ends_with("\n\n");
        let delta = Delta {
            content: Some(content),
            ..Delta::default()
        };
        self.write(delta, None, None, out);
    }

    /// What has been sent cannot be taken back, and two answers must not become one: the stream ends with an error that is worth
    /// another try. What was said before somebody's word was waited for is no answer: what follows is a paragraph of its own.
    fn withdrawn(&mut self, at: &Position, reset: Reset, out: &mut Vec<u8>) -> ControlFlow<()> {
        if std::mem::take(&mut self.waits) {
            if self.sent > 0 && !self.ends_paragraph {
                self.chunk(at, "\n\n", out);
            }
            self.sent_before = self.sent;
            return ControlFlow::Continue(());
        }
        let withdrawn = format!("The answer so far is withdrawn ({}). Ask again.", reset.reason);
        let unheard = self.unheard.take();
        self.failed(at, &ApiError::new(ErrorCode::UpstreamError, withdrawn), out);
        // The new answer has nobody who would read it: dropped, it stops the turn.
        drop(unheard);
        ControlFlow::Break(())
    }

    fn completed(&mut self, _: &Position, completed: Completed, _: &[Box<RawValue>], out: &mut Vec<u8>) {
        self.is_heard();
        for (index, call) in completed.calls.iter().enumerate() {
            let delta = Delta {
                tool_calls: vec![FunctionCall::of(Some(index), call)],
                ..Delta::default()
            };
            self.write(delta, None, None, out);
        }
        let reason = finish_reason(&completed.calls, completed.incomplete);
        let delta = Delta {
            annotations: annotations(&completed.message.content, self.sent_before, &completed.citations),
            ..Delta::default()
        };
        let usage = CompletionUsage::of(&completed.metrics);
        let beside = Beside {
            session_id: self.session_id,
            turn_id: self.turn_id,
            agent: completed.message.agent,
            confidence: completed.message.confidence,
            citations: completed.citations,
            metrics: completed.metrics,
        };
        self.write(delta, Some(reason), Some(beside), out);
        if self.includes_usage {
            self.write_chunk(&[], Some(Some(usage)), None, out);
        }
        out.extend_from_slice(DONE);
    }

    fn failed(&mut self, _: &Position, error: &ApiError, out: &mut Vec<u8>) {
        self.is_heard();
        event::write(out, None, None, &OpenAiErrorBody::of(error));
    }
}

/// A turn whose answer nobody but this stream's client can have. Dropped before the turn has ended, it stops the turn.
struct Unheard {
    turn: Option<(Gateway, TurnId)>,
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let Some((gateway, turn_id)) = self.turn.take() else {
            return;
        };
        let stop = async move {
            let stopped = tokio::time::timeout(STOPPING_MAX, gateway.cancel(turn_id)).await;
            tracing::debug!(turn.id = %turn_id, ?stopped, "the client of a completion went away");
        };
        // Without a runtime the process is about to end, and the turn is taken up again at the next start.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(stop);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn chunks() -> Chunks {
        Chunks {
            id: "chatcmpl-1".to_owned(),
            model: "billing".to_owned(),
            created: 0,
            includes_usage: true,
            session_id: SessionId::new(),
            turn_id: TurnId::new(),
            unheard: None,
            sent: 0,
            sent_before: 0,
            ends_paragraph: false,
            waits: false,
        }
    }

    fn at() -> Position {
        "1".parse().unwrap()
    }

    fn told(out: &[u8]) -> Vec<Value> {
        let data = str::from_utf8(out)
            .unwrap()
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }

    #[test]
    fn an_answer_that_is_withdrawn_ends_the_stream_with_an_error_and_without_done() {
        let (mut chunks, mut out) = (chunks(), Vec::new());
        chunks.begin(&mut out);
        chunks.chunk(&at(), "Wrong and", &mut out);
        let reset = json!({"messageId": "01890a5d-ac96-774b-bcce-00000000000a", "reason": "first failed"});
        let ended = chunks.withdrawn(&at(), serde_json::from_value(reset).unwrap(), &mut out);
        assert!(ended.is_break());
        let told = told(&out);
        assert_eq!(told[1]["choices"][0]["delta"]["content"], "Wrong and");
        assert_eq!(told[2]["error"]["code"], "upstream_error");
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn an_answer_that_is_not_whole_says_why() {
        for (incomplete, reason) in [
            (None, "stop"),
            (Some("max_tokens"), "length"),
            (Some("refused"), "content_filter"),
        ] {
            let (mut chunks, mut out) = (chunks(), Vec::new());
            let completed = json!({
                "message": {"id": "01890a5d-ac96-774b-bcce-00000000000a", "content": "Half an", "agent": "billing"},
                "metrics": {"tokensUsed": 0, "cost": 0.0, "latency": 1.0, "cache_status": "none"},
                "incomplete": incomplete,
            });
            chunks.completed(&at(), serde_json::from_value(completed).unwrap(), &[], &mut out);
            assert_eq!(told(&out)[0]["choices"][0]["finish_reason"], reason);
        }
    }

    #[test]
    fn what_was_said_before_a_decision_stands_before_the_answer() {
        let (mut chunks, mut out) = (chunks(), Vec::new());
        let reset = || {
            serde_json::from_value(json!({"messageId": "01890a5d-ac96-774b-bcce-00000000000a", "reason": "x"})).unwrap()
        };
        chunks.chunk(&at(), "Größe. ", &mut out);
        chunks.waits();
        assert!(chunks.withdrawn(&at(), reset(), &mut out).is_continue());
        chunks.chunk(&at(), "Yes [1].", &mut out);
        let completed = json!({
            "message": {"id": "01890a5d-ac96-774b-bcce-00000000000a", "content": "Yes [1].", "agent": "billing"},
            "metrics": {"tokensUsed": 0, "cost": 0.0, "latency": 1.0, "cache_status": "none"},
            "citations": [{"index": 1, "chunkId": 0, "source": "a.md"}],
        });
        chunks.completed(&at(), serde_json::from_value(completed).unwrap(), &[], &mut out);
        let told = told(&out);
        let said: String = (told.iter())
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(said, "Größe. \n\nYes [1].");
        let cited = &told[3]["choices"][0]["delta"]["annotations"][0]["url_citation"];
        let (start, end) = (
            cited["start_index"].as_u64().unwrap(),
            cited["end_index"].as_u64().unwrap(),
        );
        let mark: String = said.chars().skip(start as usize).take((end - start) as usize).collect();
        assert_eq!(mark, "[1]");
        // What is withdrawn after that was an answer.
        assert!(chunks.withdrawn(&at(), reset(), &mut out).is_break());
    }

    #[test]
    fn what_is_withdrawn_after_a_decision_was_an_answer_also_where_nothing_was_said_before_it() {
        let (mut chunks, mut out) = (chunks(), Vec::new());
        chunks.waits();
        chunks.chunk(&at(), "Wrong and", &mut out);
        let reset = json!({"messageId": "01890a5d-ac96-774b-bcce-00000000000a", "reason": "first failed"});
        let ended = chunks.withdrawn(&at(), serde_json::from_value(reset).unwrap(), &mut out);
        assert!(ended.is_break());
    }

    #[test]
    fn calls_of_the_clients_tools_are_told_one_by_one_before_the_reason() {
        let (mut chunks, mut out) = (chunks(), Vec::new());
        let call = |n: u32, arguments: Value| json!({"callId": format!("call_{n}"), "tool": "weather", "arguments": arguments, "round": 1, "place": n});
        let completed = json!({
            "message": {"id": "01890a5d-ac96-774b-bcce-00000000000a", "content": "", "agent": "billing"},
            "metrics": {"tokensUsed": 7, "cost": 0.5, "latency": 1.0, "cache_status": "none"},
            "citations": [],
            "calls": [call(0, json!({"city": "Oslo"})), call(1, json!({}))],
        });
        chunks.completed(&at(), serde_json::from_value(completed).unwrap(), &[], &mut out);
        let told = told(&out);
        let calls: Vec<&Value> = (told[..2]
            .iter()
            .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0]))
        .collect();
        assert_eq!(
            calls[0],
            &json!({"index": 0, "id": "call_0", "type": "function",
                    "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}})
        );
        assert_eq!(
            (&calls[1]["index"], &calls[1]["function"]["arguments"]),
            (&json!(1), &json!("{}"))
        );
        assert_eq!(told[2]["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(told[2]["orchestratai"].get("confidence"), None);
        // Nobody has told the tokens of old apart.
        assert_eq!(
            told[3]["usage"],
            json!({"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7})
        );
    }

    #[test]
    fn the_last_chunks_bring_the_reason_the_citations_and_where_wanted_the_usage() {
        let (mut chunks, mut out) = (chunks(), Vec::new());
        let completed = json!({
            "message": {"id": "01890a5d-ac96-774b-bcce-00000000000a", "content": "Yes [1].", "agent": "billing", "confidence": 0.9},
            "metrics": {"tokensUsed": 7, "promptTokens": 5, "completionTokens": 2, "cost": 0.5, "latency": 1.0, "cache_status": "none"},
            "citations": [{"index": 1, "chunkId": 0, "source": "a.md"}],
        });
        chunks.completed(&at(), serde_json::from_value(completed).unwrap(), &[], &mut out);
        let told = told(&out);
        assert_eq!(told[0]["choices"][0]["finish_reason"], "stop");
        assert_eq!(
            told[0]["choices"][0]["delta"]["annotations"][0]["url_citation"]["title"],
            "a.md"
        );
        assert_eq!(told[0]["orchestratai"]["confidence"], 0.9);
        assert_eq!(
            (&told[1]["choices"], &told[1]["usage"]),
            (
                &json!([]),
                &json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7})
            )
        );
        assert_eq!(told[2], "[DONE]");
    }
}
