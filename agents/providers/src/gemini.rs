//! Google's Gemini API.
//!
//! A stream of events whose data are whole responses, each with the next parts. A call comes in one piece; newer models want its thought
//! signature back with it. The reason to stop comes with the last parts, and no event follows.

use std::mem::take;

use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, ResponseFormat, StopReason, TokenUsage, ToolCall,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    anthropic::instructions,
    connection::Endpoint,
    framing::Framing,
    protocol::{Heard, Protocol, Reader, arguments_of, parsed},
    refusal,
};

pub(crate) struct Gemini;

impl Protocol for Gemini {
    fn path(&self, endpoint: &Endpoint) -> String {
        format!("/v1beta/{}:streamGenerateContent?alt=sse", model(endpoint))
    }

    fn headers(&self, endpoint: &Endpoint) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &endpoint.key {
            headers.insert(
                HeaderName::from_static("x-goog-api-key"),
                HeaderValue::from_str(key.reveal())?,
            );
        }
        Ok(headers)
    }

    fn body(&self, _: &Endpoint, request: &ChatRequest) -> Value {
        let mut body = json!({"contents": contents(request)});
        let instructions = instructions(request);
        if !instructions.is_empty() {
            body["systemInstruction"] = json!({"parts": [{"text": instructions}]});
        }
        let mut config = Map::new();
        if let Some(max_tokens) = request.max_tokens {
            config.insert("maxOutputTokens".into(), max_tokens.into());
        }
        if let Some(temperature) = request.temperature {
            config.insert("temperature".into(), temperature.into());
        }
        if !request.stop.is_empty() {
            config.insert("stopSequences".into(), request.stop.clone().into());
        }
        if let ResponseFormat::Json { schema, .. } = &request.format {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema.clone());
        }
        if !config.is_empty() {
            body["generationConfig"] = config.into();
        }
        if !request.tools.is_empty() {
            let functions: Vec<Value> = request
                .tools
                .iter()
                .map(|tool| {
                    json!({
                        "name": tool.name,
                        "description": tool.description,
                        "parametersJsonSchema": tool.parameters,
                    })
                })
                .collect();
            body["tools"] = json!([{"functionDeclarations": functions}]);
            if request.must_call {
                body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY"}});
            }
        }
        body
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn reader(&self, _: &ChatRequest) -> Box<dyn Reader> {
        Box::new(Responses::default())
    }
}

/// The model in a path.
pub(crate) fn model(endpoint: &Endpoint) -> String {
    // `models/x` and tuned models `tunedModels/x` are taken as they are.
    match endpoint.model.contains('/') {
        true => endpoint.model.clone(),
        false => format!("models/{}", endpoint.model),
    }
}

/// The messages; those of one role that follow each other are one.
fn contents(request: &ChatRequest) -> Vec<Value> {
    let mut contents: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let (role, parts) = match message {
            ChatMessage::Instruction(_) => continue,
            ChatMessage::User(text) => ("user", vec![json!({"text": text})]),
            ChatMessage::Assistant { text, calls } => {
                let text = (!text.is_empty()).then(|| json!({"text": text}));
                ("model", text.into_iter().chain(calls.iter().map(call_part)).collect())
            }
            ChatMessage::ToolResult {
                tool,
                content,
                is_error,
                ..
            } => {
                let field = if *is_error { "error" } else { "output" };
                let response = json!({"functionResponse": {"name": tool, "response": {field: content}}});
                ("user", vec![response])
            }
        };
        match contents.last_mut() {
            Some((last, known)) if *last == role => known.extend(parts),
            Some(_) | None => contents.push((role, parts)),
        }
    }
    let as_json = |(role, parts)| json!({"role": role, "parts": parts});
    contents.into_iter().map(as_json).collect()
}

fn call_part(call: &ToolCall) -> Value {
    let mut part = json!({"functionCall": {"name": call.name, "args": call.as_object()}});
    if let Some(signature) = &call.signature {
        part["thoughtSignature"] = signature.as_str().into();
    }
    part
}

/// One response, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    candidates: Option<Vec<Candidate>>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Option<Content>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    parts: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    text: Option<String>,
    /// The text is a thought, which is nobody's answer.
    #[serde(default)]
    thought: bool,
    function_call: Option<FunctionCall>,
    thought_signature: Option<String>,
}

#[derive(Deserialize)]
struct FunctionCall {
    id: Option<String>,
    name: String,
    args: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Usage {
    prompt_token_count: u64,
    tool_use_prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
}

/// Reads responses.
#[derive(Default)]
struct Responses {
    calls: usize,
    stop: Option<StopReason>,
}

impl Reader for Responses {
    fn read(&mut self, piece: &str, heard: &mut Heard) -> Result<(), LanguageError> {
        let response: Response = parsed(piece)?;
        if let Some(error) = &response.error {
            return Err(refusal::of_stream(error));
        }
        // One candidate is asked for.
        if let Some(candidate) = response.candidates.unwrap_or_default().into_iter().next() {
            let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
            for part in parts {
                self.part(part, heard);
            }
            if let Some(reason) = candidate.finish_reason {
                self.stop = Some(stop_reason(&reason));
            }
        }
        if response
            .prompt_feedback
            .and_then(|feedback| feedback.block_reason)
            .is_some()
        {
            self.stop = Some(StopReason::Refused);
        }
        if let Some(usage) = response.usage_metadata {
            heard.usage(TokenUsage {
                input: usage
                    .prompt_token_count
                    .saturating_add(usage.tool_use_prompt_token_count),
                cached_input: usage.cached_content_token_count,
                output: usage.candidates_token_count.saturating_add(usage.thoughts_token_count),
            });
        }
        Ok(())
    }

    fn end(&mut self, heard: &mut Heard) -> Result<(), LanguageError> {
        let reason = self.stop.ok_or(LanguageError::CutShort)?;
        let has_calls = take(&mut self.calls) > 0;
        let is_waiting = reason == StopReason::Complete && has_calls;
        heard.stopped(if is_waiting { StopReason::ToolCalls } else { reason });
        Ok(())
    }
}

impl Responses {
    fn part(&mut self, part: Part, heard: &mut Heard) {
        if part.thought {
            return;
        }
        heard.text(part.text.unwrap_or_default());
        if let Some(call) = part.function_call {
            let id = call.id.unwrap_or_default();
            self.calls += 1;
            heard.event(ChatEvent::ToolCall(ToolCall {
                id,
                name: call.name,
                arguments: arguments_of(call.args),
                signature: part.thought_signature,
            }));
        }
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" | "IMAGE_SAFETY" => {
            StopReason::Refused
        }
        _ => StopReason::Complete,
    }
}
