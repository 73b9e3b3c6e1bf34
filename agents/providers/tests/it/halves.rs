//! One answer in two halves, as each provider streams it: "Grüße ", and "🦀" with the end.

use orchestratai_providers::ProviderKind;

pub(crate) struct Halves {
    pub(crate) content_type: &'static str,
    pub(crate) first: &'static str,
    pub(crate) rest: &'static str,
}

pub(crate) fn halves(kind: ProviderKind) -> Halves {
    let (content_type, first, rest) = match kind {
        ProviderKind::OpenAi => (
            "text/event-stream",
            "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße \"}}]}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"🦀\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ),
        ProviderKind::Anthropic => (
            "text/event-stream",
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"Grüße \"}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"🦀\"}}\n\n\
             data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
             data: {\"type\":\"message_stop\"}\n\n",
        ),
        ProviderKind::Gemini => (
            "text/event-stream",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Grüße \"}]}}]}\r\n\r\n",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"🦀\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n",
        ),
        ProviderKind::Ollama => (
            "application/x-ndjson",
            "{\"message\":{\"role\":\"assistant\",\"content\":\"Grüße \"},\"done\":false}\n",
            "{\"message\":{\"role\":\"assistant\",\"content\":\"🦀\"},\"done\":true,\"done_reason\":\"stop\"}\n",
        ),
    };
    Halves {
        content_type,
        first,
        rest,
    }
}
