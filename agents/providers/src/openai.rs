//! The chat completions of OpenAI, which many servers speak: Azure, vLLM, llama.cpp, LM Studio, Groq and others.
//!
//! A stream of events whose data are chunks; `[DONE]` is the last. What not all servers send is not relied on: a stream may end without
//! `[DONE]` once a chunk has said why, arguments of calls may come whole or in fragments, with or without an index; and Gemini's endpoint has
//! each of the calls that it wants at once under index 0, whole and with an id of its own.

use std::mem::take;

use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, ResponseFormat, StopReason, TokenUsage, ToolCall,
};
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    connection::Endpoint,
    framing::{Framing, PIECE_BYTES_MAX},
    protocol::{Heard, Protocol, Reader, arguments, broken, parsed},
    refusal,
};

/// Calls that one answer may have.
const CALLS_MAX: usize = 128;

pub(crate) struct OpenAi;

impl Protocol for OpenAi {
    fn path(&self, _: &Endpoint) -> String {
        "/chat/completions".into()
    }

    fn headers(&self, endpoint: &Endpoint) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &endpoint.key {
            if is_azure(endpoint) {
                headers.insert(HeaderName::from_static("api-key"), HeaderValue::from_str(key.reveal())?);
            } else {
                let bearer = format!("Bearer {}", key.reveal());
                headers.insert(AUTHORIZATION, HeaderValue::from_str(&bearer)?);
            }
        }
        Ok(headers)
    }

    fn body(&self, endpoint: &Endpoint, request: &ChatRequest) -> Value {
        let mut body = json!({
            "model": endpoint.model,
            "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if let Some(max_tokens) = request.max_tokens {
            // OpenAI's newer models refuse the old name, other servers do not know the new one.
            let is_new = is_azure(endpoint) || host(endpoint).is_some_and(|host| host == "api.openai.com");
            let field = if is_new { "max_completion_tokens" } else { "max_tokens" };
            body[field] = max_tokens.into();
        }
        if let Some(temperature) = request.temperature {
            body["temperature"] = temperature.into();
        }
        if !request.stop.is_empty() {
            body["stop"] = request.stop.clone().into();
        }
        if !request.tools.is_empty() {
            body["tools"] = offers(request);
            if request.must_call {
                body["tool_choice"] = "required".into();
            }
            if request.calls_one_at_once {
                body["parallel_tool_calls"] = false.into();
            }
        }
        if let ResponseFormat::Json { name, schema } = &request.format {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": {"name": name, "schema": schema, "strict": true},
            });
        }
        body
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn reader(&self, _: &ChatRequest) -> Box<dyn Reader> {
        Box::new(Chunks::default())
    }
}

fn host(endpoint: &Endpoint) -> Option<String> {
    Some(Url::parse(&endpoint.base_url).ok()?.host_str()?.to_owned())
}

fn is_azure(endpoint: &Endpoint) -> bool {
    host(endpoint).is_some_and(|host| host.ends_with(".azure.com") || host.ends_with(".azure-api.net"))
}

/// The tools as functions; Ollama has them in the same shape.
pub(crate) fn offers(request: &ChatRequest) -> Value {
    let offers = request.tools.iter().map(|tool| {
        json!({
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        })
    });
    offers.collect()
}

fn message(message: &ChatMessage) -> Value {
    match message {
        ChatMessage::Instruction(text) => json!({"role": "system", "content": text}),
        ChatMessage::User(text) => json!({"role": "user", "content": text}),
        ChatMessage::Assistant { text, calls } if calls.is_empty() => json!({"role": "assistant", "content": text}),
        ChatMessage::Assistant { text, calls } => {
            let calls: Vec<Value> = calls
                .iter()
                .map(|call| {
                    json!({
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": call.as_object().to_string()},
                    })
                })
                .collect();
            let text = (!text.is_empty()).then_some(text);
            json!({"role": "assistant", "content": text, "tool_calls": calls})
        }
        ChatMessage::ToolResult { call_id, content, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content})
        }
    }
}

/// One chunk, as far as it is read.
#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize)]
struct CallPart {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionPart>,
}

#[derive(Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

/// Reads chunks.
#[derive(Default)]
struct Chunks {
    calls: Vec<OpenCall>,
    stop: Option<StopReason>,
    has_refused: bool,
}

/// A call whose arguments are still coming.
#[derive(Default)]
struct OpenCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Reader for Chunks {
    fn read(&mut self, piece: &str, heard: &mut Heard) -> Result<(), LanguageError> {
        if piece.trim() == "[DONE]" {
            self.stop.get_or_insert(StopReason::Complete);
            return self.end(heard);
        }
        let chunk: Chunk = parsed(piece)?;
        if let Some(error) = &chunk.error {
            return Err(refusal::of_stream(error));
        }
        // One choice is asked for.
        if let Some(choice) = chunk.choices.unwrap_or_default().into_iter().next() {
            if let Some(delta) = choice.delta {
                heard.text(delta.content.unwrap_or_default());
                if let Some(refusal) = delta.refusal.filter(|refusal| !refusal.is_empty()) {
                    self.has_refused = true;
                    heard.text(refusal);
                }
                for part in delta.tool_calls.unwrap_or_default() {
                    self.add(part)?;
                }
            }
            if let Some(reason) = choice.finish_reason {
                self.stop = Some(stop_reason(&reason));
            }
        }
        if let Some(usage) = chunk.usage {
            heard.usage(TokenUsage {
                input: usage.prompt_tokens,
                cached_input: usage
                    .prompt_tokens_details
                    .and_then(|details| details.cached_tokens)
                    .unwrap_or(0),
                output: usage.completion_tokens,
            });
        }
        Ok(())
    }

    fn end(&mut self, heard: &mut Heard) -> Result<(), LanguageError> {
        let reason = self.stop.take().ok_or(LanguageError::CutShort)?;
        // An answer that was cut at its bound may have half a call.
        let calls = if reason == StopReason::MaxTokens {
            Vec::new()
        } else {
            take(&mut self.calls)
        };
        let reason = if self.has_refused {
            StopReason::Refused
        } else if reason == StopReason::Complete && !calls.is_empty() {
            StopReason::ToolCalls
        } else {
            reason
        };
        for call in calls {
            heard.event(ChatEvent::ToolCall(ToolCall {
                id: call.id,
                name: call.name,
                arguments: arguments(&call.arguments),
                signature: None,
            }));
        }
        heard.stopped(reason);
        Ok(())
    }
}

impl Chunks {
    fn add(&mut self, part: CallPart) -> Result<(), LanguageError> {
        let id = part.id.filter(|id| !id.is_empty());
        // Another id begins another call, also where the index is that of one before.
        let is_same = |call: &OpenCall| match (part.index, &id) {
            (Some(index), None) => call.index == Some(index),
            (Some(index), Some(id)) => call.index == Some(index) && (call.id.is_empty() || call.id == *id),
            (None, Some(id)) => call.id == *id,
            (None, None) => true,
        };
        let at = match self.calls.iter().rposition(is_same) {
            Some(at) => at,
            None if self.calls.len() < CALLS_MAX => {
                self.calls.push(OpenCall {
                    index: part.index,
                    ..OpenCall::default()
                });
                self.calls.len() - 1
            }
            None => return Err(broken("an answer has too many calls")),
        };
        let call = &mut self.calls[at];
        if let Some(id) = id {
            call.id = id;
        }
        let Some(function) = part.function else { return Ok(()) };
        if let Some(name) = function.name.filter(|name| !name.is_empty()) {
            call.name = name;
        }
        match function.arguments {
            None | Some(Value::Null) => {}
            Some(Value::String(fragment)) => call.arguments.push_str(&fragment),
            Some(whole @ (Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_))) => {
                call.arguments = whole.to_string();
            }
        }
        if call.arguments.len() > PIECE_BYTES_MAX {
            return Err(broken("the arguments of a call are too long"));
        }
        Ok(())
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "length" => StopReason::MaxTokens,
        "tool_calls" | "function_call" => StopReason::ToolCalls,
        "content_filter" => StopReason::Refused,
        _ => StopReason::Complete,
    }
}
