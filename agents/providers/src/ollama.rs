//! Ollama's own API: one JSON document on each line, the last with `done`. A call comes in one piece, without an id.

use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, ResponseFormat, StopReason, TokenUsage, ToolCall,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    connection::Endpoint,
    framing::Framing,
    openai::offers,
    protocol::{Heard, Protocol, Reader, arguments_of, parsed},
    refusal,
};

pub(crate) struct Ollama;

impl Protocol for Ollama {
    fn path(&self, _: &Endpoint) -> String {
        "/api/chat".into()
    }

    fn headers(&self, endpoint: &Endpoint) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &endpoint.key {
            let bearer = format!("Bearer {}", key.reveal());
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&bearer)?);
        }
        Ok(headers)
    }

    fn body(&self, endpoint: &Endpoint, request: &ChatRequest) -> Value {
        let mut body = json!({
            "model": endpoint.model,
            "messages": request.messages.iter().map(message).collect::<Vec<_>>(),
            "stream": true,
        });
        let mut options = Map::new();
        if let Some(max_tokens) = request.max_tokens {
            options.insert("num_predict".into(), max_tokens.into());
        }
        // Beyond it Ollama drops the beginning without a word: the rules of the house.
        if let Some(context_tokens) = request.context_tokens {
            options.insert("num_ctx".into(), context_tokens.into());
        }
        if let Some(temperature) = request.temperature {
            options.insert("temperature".into(), temperature.into());
        }
        if !request.stop.is_empty() {
            options.insert("stop".into(), request.stop.clone().into());
        }
        if !options.is_empty() {
            body["options"] = options.into();
        }
        if !request.tools.is_empty() {
            body["tools"] = offers(request);
        }
        if let ResponseFormat::Json { schema, .. } = &request.format {
            body["format"] = schema.clone();
        }
        body
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn reader(&self, _: &ChatRequest) -> Box<dyn Reader> {
        Box::new(Lines::default())
    }
}

fn message(message: &ChatMessage) -> Value {
    match message {
        ChatMessage::Instruction(text) => json!({"role": "system", "content": text}),
        ChatMessage::User(text) => json!({"role": "user", "content": text}),
        ChatMessage::Assistant { text, calls } => {
            let mut message = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                let calls = calls.iter();
                message["tool_calls"] = calls
                    .map(|call| json!({"function": {"name": call.name, "arguments": call.as_object()}}))
                    .collect();
            }
            message
        }
        ChatMessage::ToolResult { tool, content, .. } => {
            json!({"role": "tool", "tool_name": tool, "content": content})
        }
    }
}

/// One line, as far as it is read.
#[derive(Deserialize)]
struct Line {
    message: Option<Said>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

/// `thinking` is left out: a thought is nobody's answer.
#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: Option<Value>,
}

/// Reads lines.
#[derive(Default)]
struct Lines {
    calls: usize,
}

impl Reader for Lines {
    fn read(&mut self, piece: &str, heard: &mut Heard) -> Result<(), LanguageError> {
        let line: Line = parsed(piece)?;
        if let Some(error) = &line.error {
            return Err(refusal::of_stream(error));
        }
        if let Some(said) = line.message {
            heard.text(said.content.unwrap_or_default());
            for Call { function } in said.tool_calls.unwrap_or_default() {
                heard.event(ChatEvent::ToolCall(ToolCall {
                    id: String::new(),
                    name: function.name,
                    arguments: arguments_of(function.arguments),
                    signature: None,
                }));
                self.calls += 1;
            }
        }
        if line.done {
            if line.prompt_eval_count.is_some() || line.eval_count.is_some() {
                heard.usage(TokenUsage {
                    input: line.prompt_eval_count.unwrap_or(0),
                    cached_input: 0,
                    output: line.eval_count.unwrap_or(0),
                });
            }
            heard.stopped(match line.done_reason.as_deref() {
                Some("length") => StopReason::MaxTokens,
                Some(_) | None if self.calls > 0 => StopReason::ToolCalls,
                Some(_) | None => StopReason::Complete,
            });
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Heard) -> Result<(), LanguageError> {
        Err(LanguageError::CutShort)
    }
}
