//! What a server's result is to a model.

use orchestratai_agents::tool::{ToolError, ToolOutput};
use rmcp::{
    model::{CallToolResult, ContentBlock, ResourceContents},
    service::ServiceError,
};

use crate::text::beginning;

/// Bytes of what a server says of itself where a call has no result.
const TOLD_BYTES_MAX: usize = 1024;

/// The texts of a result, joined; of what is no text, that it is there.
pub(super) fn told(result: CallToolResult) -> Result<ToolOutput, ToolError> {
    let pieces: Vec<String> = result.content.into_iter().map(piece).collect();
    let mut content = pieces.join("\n");
    if content.is_empty()
        && let Some(structured) = &result.structured_content
    {
        content = structured.to_string();
    }
    if result.is_error == Some(true) {
        if content.is_empty() {
            content = "the tool has failed and does not say why".into();
        }
        return Err(ToolError::Failed(content));
    }
    Ok(ToolOutput {
        content,
        structured: result.structured_content,
    })
}

fn piece(block: ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => format!("[an image, {}]", beginning(&image.mime_type, 64)),
        ContentBlock::Audio(audio) => format!("[audio, {}]", beginning(&audio.mime_type, 64)),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text,
            ResourceContents::BlobResourceContents { uri, .. } => format!("[data, {}]", beginning(&uri, 512)),
            _ => "[data of an unknown kind]".into(),
        },
        ContentBlock::ResourceLink(link) => format!("[a link: {}]", beginning(&link.uri, 512)),
        _ => "[content of an unknown kind]".into(),
    }
}

/// Why there is no result, without addresses. What the server itself says is for the model: that an argument is wrong, that there is no
/// such tool any more.
pub(super) fn unavailable(source: &str, error: &ServiceError) -> ToolError {
    if let ServiceError::McpError(said) = error {
        let said = beginning(&said.message, TOLD_BYTES_MAX);
        return ToolError::Failed(format!("{source} refuses the call: {said}"));
    }
    let cause: &(dyn std::error::Error + 'static) = error;
    tracing::debug!(tools.source = source, error = cause, "a call of a tool has no result");
    let reason = match error {
        ServiceError::TransportClosed => "went away during the call, which may have had its effect",
        ServiceError::TransportSend(_) => "cannot be reached",
        ServiceError::McpError(_)
        | ServiceError::UnexpectedResponse
        | ServiceError::SubscriptionLagged { .. }
        | ServiceError::Cancelled { .. }
        | ServiceError::Timeout { .. }
        | ServiceError::InputRequiredRoundsExceeded { .. }
        | _ => "does not answer as a server of the Model Context Protocol should",
    };
    ToolError::Unavailable(format!("{source} {reason}"))
}
