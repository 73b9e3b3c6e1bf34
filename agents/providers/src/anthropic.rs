//! Anthropic's messages.
//!
//! A stream of events whose data name their type. Structured output is a call of a tool that the model has to make: every model knows
//! that; what it calls the tool with is then the answer's text.

use std::mem::take;

use orchestratai_agents::language::{
    ChatEvent, ChatMessage, ChatRequest, LanguageError, ResponseFormat, StopReason, TokenUsage, ToolCall,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    connection::Endpoint,
    framing::{Framing, PIECE_BYTES_MAX},
    protocol::{Heard, Protocol, Reader, arguments, broken, parsed},
    refusal,
};

/// The protocol wants a bound; this one every model knows.
const MAX_TOKENS: u32 = 4_096;
const VERSION: &str = "2023-06-01";

pub(crate) struct Anthropic;

impl Protocol for Anthropic {
    fn path(&self, _: &Endpoint) -> String {
        "/v1/messages".into()
    }

    fn headers(&self, endpoint: &Endpoint) -> Result<HeaderMap, InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        );
        if let Some(key) = &endpoint.key {
            headers.insert(
                HeaderName::from_static("x-api-key"),
                HeaderValue::from_str(key.reveal())?,
            );
        }
        Ok(headers)
    }

    fn body(&self, endpoint: &Endpoint, request: &ChatRequest) -> Value {
        let mut body = json!({
            "model": endpoint.model,
            "max_tokens": request.max_tokens.unwrap_or(MAX_TOKENS),
            "messages": messages(request),
            "stream": true,
        });
        let instructions = instructions(request);
        if !instructions.is_empty() {
            body["system"] = instructions.into();
        }
        if let Some(temperature) = request.temperature {
            // Its scale ends at 1.
            body["temperature"] = temperature.min(1.0).into();
        }
        if !request.stop.is_empty() {
            body["stop_sequences"] = request.stop.clone().into();
        }
        let mut tools: Vec<Value> = request
            .tools
            .iter()
            .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}))
            .collect();
        if !tools.is_empty() && (request.must_call || request.calls_one_at_once) {
            let kind = if request.must_call { "any" } else { "auto" };
            body["tool_choice"] = json!({"type": kind, "disable_parallel_tool_use": request.calls_one_at_once});
        }
        if let ResponseFormat::Json { name, schema } = &request.format {
            tools.push(json!({"name": name, "description": "Takes the answer.", "input_schema": schema}));
            body["tool_choice"] = if request.tools.is_empty() {
                json!({"type": "tool", "name": name})
            } else {
                json!({"type": "any"})
            };
        }
        if !tools.is_empty() {
            body["tools"] = tools.into();
        }
        body
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }

    fn reader(&self, request: &ChatRequest) -> Box<dyn Reader> {
        let answer_tool = match &request.format {
            ResponseFormat::Text => None,
            ResponseFormat::Json { name, .. } => Some(name.clone()),
        };
        Box::new(Events {
            answer_tool,
            ..Events::default()
        })
    }
}

/// The instructions of a request, joined: what protocols want that have one place for them.
pub(crate) fn instructions(request: &ChatRequest) -> String {
    let texts: Vec<&str> = request
        .messages
        .iter()
        .filter_map(|message| match message {
            ChatMessage::Instruction(text) => Some(text.as_str()),
            ChatMessage::User(_) | ChatMessage::Assistant { .. } | ChatMessage::ToolResult { .. } => None,
        })
        .collect();
    texts.join("\n\n")
}

/// The messages; those of one role that follow each other are one, as the protocol wants roles to alternate.
fn messages(request: &ChatRequest) -> Vec<Value> {
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let (role, blocks) = match message {
            ChatMessage::Instruction(_) => continue,
            ChatMessage::User(text) => ("user", vec![json!({"type": "text", "text": text})]),
            ChatMessage::Assistant { text, calls } => {
                let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
                let calls = calls.iter().map(
                    |call| json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.as_object()}),
                );
                ("assistant", text.into_iter().chain(calls).collect())
            }
            ChatMessage::ToolResult {
                call_id,
                content,
                is_error,
                ..
            } => {
                let result =
                    json!({"type": "tool_result", "tool_use_id": call_id, "content": content, "is_error": is_error});
                ("user", vec![result])
            }
        };
        match messages.last_mut() {
            Some((last, known)) if *last == role => known.extend(blocks),
            Some(_) | None => messages.push((role, blocks)),
        }
    }
    let as_json = |(role, content)| json!({"role": role, "content": content});
    messages.into_iter().map(as_json).collect()
}

/// One event, as far as it is read; those of a type that is not known are passed by, as the protocol asks.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    ContentBlockStop {},
    MessageDelta {
        delta: MessageEnd,
        usage: Option<Usage>,
    },
    MessageStop {},
    Error {
        error: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Started {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct MessageEnd {
    stop_reason: Option<String>,
}

/// Counts so far; what is left out is as before.
#[derive(Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Reads events.
#[derive(Default)]
struct Events {
    /// The tool whose arguments are the answer.
    answer_tool: Option<String>,
    block: OpenBlock,
    usage: Counted,
    stop: Option<StopReason>,
    has_calls: bool,
    /// A call that cannot be read. Told of once it is certain that the answer was not cut at its bound, which leaves half a call.
    unreadable: Option<ToolCall>,
}

#[derive(Default)]
enum OpenBlock {
    #[default]
    Text,
    /// The answer, as arguments of a call.
    Answer,
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

#[derive(Default)]
struct Counted {
    fresh: u64,
    created: u64,
    read: u64,
    output: u64,
}

impl Counted {
    fn take(&mut self, usage: &Usage) -> TokenUsage {
        let newest = |known: &mut u64, said: Option<u64>| *known = said.unwrap_or(*known);
        newest(&mut self.fresh, usage.input_tokens);
        newest(&mut self.created, usage.cache_creation_input_tokens);
        newest(&mut self.read, usage.cache_read_input_tokens);
        newest(&mut self.output, usage.output_tokens);
        TokenUsage {
            input: self.fresh.saturating_add(self.created).saturating_add(self.read),
            cached_input: self.read,
            output: self.output,
        }
    }
}

impl Reader for Events {
    fn read(&mut self, piece: &str, heard: &mut Heard) -> Result<(), LanguageError> {
        match parsed(piece)? {
            Event::MessageStart { message } => {
                if let Some(usage) = &message.usage {
                    heard.usage(self.usage.take(usage));
                }
            }
            Event::ContentBlockStart { content_block } => {
                // It was not the last thing, so nothing has cut it off.
                self.tell_unreadable(heard);
                self.begin(content_block, heard);
            }
            Event::ContentBlockDelta { delta } => self.go_on(delta, heard)?,
            Event::ContentBlockStop {} => {
                if let OpenBlock::Call {
                    id,
                    name,
                    arguments: text,
                } = take(&mut self.block)
                {
                    self.has_calls = true;
                    let call = ToolCall {
                        id,
                        name,
                        arguments: arguments(&text),
                        signature: None,
                    };
                    if call.arguments.is_object() {
                        heard.event(ChatEvent::ToolCall(call));
                    } else {
                        self.unreadable = Some(call);
                    }
                }
            }
            Event::MessageDelta { delta, usage } => {
                if let Some(usage) = &usage {
                    heard.usage(self.usage.take(usage));
                }
                if let Some(reason) = delta.stop_reason {
                    self.stop = Some(self.stop_reason(&reason));
                }
            }
            Event::MessageStop {} => {
                let reason = self.stop.unwrap_or(StopReason::Complete);
                if reason != StopReason::MaxTokens {
                    self.tell_unreadable(heard);
                }
                heard.stopped(reason);
            }
            Event::Error { error } => return Err(refusal::of_stream(&error)),
            Event::Other => {}
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Heard) -> Result<(), LanguageError> {
        Err(LanguageError::CutShort)
    }
}

impl Events {
    fn tell_unreadable(&mut self, heard: &mut Heard) {
        if let Some(call) = self.unreadable.take() {
            heard.event(ChatEvent::ToolCall(call));
        }
    }

    fn begin(&mut self, block: Block, heard: &mut Heard) {
        self.block = match block {
            Block::Text { text } => {
                heard.text(text);
                OpenBlock::Text
            }
            Block::ToolUse { name, .. } if self.answer_tool.as_ref() == Some(&name) => OpenBlock::Answer,
            Block::ToolUse { id, name } => OpenBlock::Call {
                id,
                name,
                arguments: String::new(),
            },
            Block::Other => OpenBlock::Text,
        };
    }

    fn go_on(&mut self, delta: Delta, heard: &mut Heard) -> Result<(), LanguageError> {
        match (delta, &mut self.block) {
            (Delta::Text { text }, _) => heard.text(text),
            (Delta::InputJson { partial_json }, OpenBlock::Answer) => heard.text(partial_json),
            (Delta::InputJson { partial_json }, OpenBlock::Call { arguments, .. }) => {
                arguments.push_str(&partial_json);
                if arguments.len() > PIECE_BYTES_MAX {
                    return Err(broken("the arguments of a call are too long"));
                }
            }
            // Thoughts, signatures, and the inputs of tools that the provider runs itself.
            (Delta::InputJson { .. } | Delta::Other, _) => {}
        }
        Ok(())
    }

    fn stop_reason(&self, reason: &str) -> StopReason {
        match reason {
            "max_tokens" | "model_context_window_exceeded" => StopReason::MaxTokens,
            // The call that takes the answer is none of the caller's.
            "tool_use" if self.has_calls => StopReason::ToolCalls,
            "refusal" => StopReason::Refused,
            _ => StopReason::Complete,
        }
    }
}
